//! The first start: the code on the console, and what a new machine is asked for.

use std::fs;
use std::path::Path;

use serde_json::{json, Value};

use crate::page::{Look, Page, DESK};
use crate::world::{hash, World, PASSWORD};

const CODE: &str = "abcdefghjkmn";
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/screenshots");
const FIELD: &str = "dialog[open] .field:nth-of-type";

/// A machine as its first start leaves it, and the address on its console.
fn fresh() -> (World, String) {
    let hash = hash(PASSWORD);
    let mut world = World::with(&format!("[http]\npassword_hash = \"{hash}\"\n"));
    world.stop();
    let state = world.data().join("state");
    fs::create_dir_all(&state).expect("a folder");
    // In 1970, as a machine without a clock: the program dates it itself.
    fs::write(state.join("setup"), format!("{CODE}\n{PASSWORD}\n{hash}\n9\n")).expect("a file");
    world.start_again();
    let url = format!("{}#setup={CODE}", world.url());
    (world, url)
}

fn welcome(page: &mut Page) {
    page.wait_for("document.body.dataset.access === 'in'");
    page.wait_for("document.querySelector('dialog[open]')");
}

#[test]
fn the_code_opens_once_and_a_new_machine_gets_name_password_and_destination() {
    let (world, url) = fresh();
    let mut page = Page::open(&url, DESK);
    welcome(&mut page);
    assert!(!world.data().join("state/setup").exists());
    let told = page.eval("location.href + document.documentElement.outerHTML").to_string();
    assert!(!told.contains(CODE), "{told}");
    assert!(!told.contains(PASSWORD), "{told}");
    page.fill(&format!("{FIELD}(1) input"), "Studio 1");
    page.fill(&format!("{FIELD}(2) input"), "another horse battery");
    page.fill(&format!("{FIELD}(3) input"), "another horse");
    page.fill(&format!("{FIELD}(5) input"), "live_secret_4711");
    page.press("Enter");
    page.wait_for("document.querySelector('dialog .outcome').textContent.length > 10");
    page.fill(&format!("{FIELD}(3) input"), "another horse battery");
    page.press("Enter");
    page.wait_text("dialog .outcome", "a to z");
    page.fill(&format!("{FIELD}(1) input"), "studio-1");
    page.press("Enter");
    page.wait_for("!document.querySelector('dialog')");
    page.wait_for("document.title === 'studio-1'");
    let config = fs::read_to_string(world.data().join("config.toml")).expect("its config");
    for part in [
        "name = \"studio-1\"",
        "rtmps://ingest.global-contribute.live-video.net/app",
        "live_secret_4711",
    ] {
        assert!(config.contains(part), "{part}: {config}");
    }
    // This page stays; the old password is nobody's.
    page.eval("fetch('/api/status').then((answer) => answer.status)");
    assert_eq!(page.eval("document.body.dataset.access"), "in");
    assert_eq!(world.ask("GET", "/api/status", &Value::Null).0, 401);
}

#[test]
fn the_code_is_for_one_and_all_of_it_may_wait() {
    let (world, url) = fresh();
    let mut page = Page::open(&url, DESK);
    welcome(&mut page);
    page.click_named("dialog[open]", "Later");
    page.wait_for("!document.querySelector('dialog')");
    page.wait_text("#toasts", "console");
    assert_eq!(world.status().get("name"), Some(&Value::Null));
    // Anybody who comes later is told why, and may log in. A refusal is no error of the page's.
    let (status, told) = world.ask("POST", "/api/setup", &json!({"code": CODE}));
    assert_eq!((status, told.get("code")), (403, Some(&json!("WRONG_CODE"))), "{told}");
}

#[test]
fn the_questions_are_open_to_all_in_both_languages() {
    for language in ["en", "ja"] {
        let (_world, url) = fresh();
        let look = Look { width: 390, language, dark: false };
        let mut page = Page::open(&url, look);
        welcome(&mut page);
        let wide = page.eval("document.documentElement.scrollWidth - innerWidth").as_i64();
        assert!(wide <= Some(0), "{wide:?} pixels stand out on the right");
        page.screenshot(look, &Path::new(PICTURES).join(format!("setup-390-{language}.png")));
        page.assert_open_to_all(&format!("set-up {language}"));
    }
}
