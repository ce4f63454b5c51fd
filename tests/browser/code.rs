//! Without a password: everything can be looked at, a change asks for the code of this start, and
//! the first password takes the code's place.

use std::fs;
use std::path::Path;

use crate::page::{Look, Page, DESK};
use crate::world::{clip, World};

const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/screenshots");
const CODE: &str = "dialog[open] input";

/// The code of this start, where the page says that it stands.
fn code(world: &World) -> String {
    let text = fs::read_to_string(world.data().join("state/page.code")).expect("the code");
    text.trim().to_owned()
}

fn look_in(page: &mut Page) {
    page.wait_for("document.body.dataset.access === 'in'");
    page.wait_for("document.body.dataset.state === 'standby'");
    page.wait_for("!document.querySelector('#no-password').hidden");
}

/// The settings, once nothing moves any more.
fn settings(page: &mut Page) {
    page.view("settings");
    page.wait_for("document.querySelectorAll('.setting').length > 10");
}

/// Answers the page's question for the code.
fn type_code(page: &mut Page, world: &World) {
    page.fill(CODE, &code(world));
    page.press("Enter");
    page.wait_for("document.querySelector('#no-password').hidden");
}

/// The settings of a page that has had the code.
fn entered(world: &World) -> Page {
    let mut page = world.open(DESK);
    look_in(&mut page);
    page.click("#enter-code");
    type_code(&mut page, world);
    settings(&mut page);
    page
}

#[test]
fn a_change_asks_for_the_code_once_and_is_then_done() {
    let world = World::with("");
    world.add_clip("film.mp4");
    let mut page = world.open(DESK);
    look_in(&mut page);
    page.view("library");
    page.wait_text("#videos", "320 × 180");
    let button = "#videos li[data-key='film.mp4']";
    page.click_named(button, "Put on air: film.mp4");
    page.wait_text("dialog[open]", "state/page.code");
    page.fill(CODE, "abcdefghjkmn");
    page.press("Enter");
    page.wait_text("dialog .outcome", "not the code");
    page.press("Escape");
    page.wait_for("!document.querySelector('dialog')");
    assert_eq!(world.program().on_air(), "standby", "nothing is done without it");
    page.click_named(button, "Put on air: film.mp4");
    page.fill(CODE, &code(&world).to_uppercase());
    page.press("Enter");
    page.wait_text("#tally-what", "film.mp4");
    page.wait_for("document.querySelector('#no-password').hidden");
    // It is kept over a reload, and for uploads.
    page.reload();
    page.wait_for("document.body.dataset.access === 'in'");
    page.view("library");
    page.choose_file("#choose", &clip("chosen.mp4"));
    page.wait_text("#videos li[data-key='chosen.mp4']", "320 × 180");
    assert_eq!(page.eval("document.cookie"), "");
}

#[test]
fn the_first_password_takes_the_codes_place() {
    let world = World::with("");
    let mut page = entered(&world);
    page.wait_text("#access-note", "You entered the code");
    page.click("#change-password");
    page.fill("dialog[open] .field:nth-of-type(1) input", "another horse battery");
    page.fill("dialog[open] .field:nth-of-type(2) input", "another horse battery");
    page.press("Enter");
    page.wait_text("#access-note", "A password protects this page");
    assert_eq!(page.eval("document.body.dataset.access"), "in", "who set it stays");
    page.click("#logout");
    page.log_in("another horse battery");
}

#[test]
fn whoever_logs_out_looks_again() {
    let world = World::with("");
    let mut page = entered(&world);
    page.click("#logout");
    page.wait_for("!document.querySelector('#no-password').hidden");
    page.wait_text("#access-note", "you can look at everything");
    page.wait_for("document.querySelector('#logout').hidden");
}

#[test]
fn it_is_open_to_all_in_both_languages() {
    for (language, width) in [("en", 1280), ("ja", 1280), ("en", 390), ("ja", 390)] {
        let world = World::with("");
        let look = Look { width, language, dark: false };
        let mut page = Page::open(&world.url(), look);
        look_in(&mut page);
        let keep = |page: &mut Page, what: &str| {
            let wide = page.eval("document.documentElement.scrollWidth - innerWidth").as_i64();
            assert!(wide <= Some(0), "{what}: {wide:?} pixels stand out on the right");
            let name = format!("{what}-{width}-{language}.png");
            page.screenshot(look, &Path::new(PICTURES).join(name));
            page.assert_open_to_all(&format!("{what} {width} {language}"));
        };
        keep(&mut page, "code-before");
        page.click("#enter-code");
        page.wait_for("document.querySelector('dialog[open]')");
        keep(&mut page, "code-asked");
        type_code(&mut page, &world);
        keep(&mut page, "code-after");
        settings(&mut page);
        keep(&mut page, "code-settings");
    }
}
