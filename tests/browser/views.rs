//! Each view as it looks: on a phone and a desk, in both languages, light and dark. The pictures
//! are kept to be looked at; what a machine can judge, axe-core judges.

use std::path::Path;

use serde_json::json;

use crate::nginx::Nginx;
use crate::page::{Look, Page};
use crate::world::{World, PASSWORD};

const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/screenshots");
const VIEWS: [&str; 5] = ["onair", "library", "outputs", "machine", "settings"];
const LOOKS: [(u32, bool); 4] = [(1280, false), (1280, true), (390, false), (390, true)];

/// A programme with something to show in each view.
fn busy(world: &mut World, nginx: &Nginx) {
    world.send_live();
    for name in ["film.mp4", "morning-show-with-a-rather-long-name-2026-11-22.mp4", "trailer.ts"] {
        world.add_clip(name);
    }
    std::fs::write(world.data().join("videos/broken.mp4"), b"not a film").expect("a file");
    let files = json!(["film.mp4", "trailer.ts", "film.mp4"]);
    let list = json!({"files": files, "repeat": true, "shuffle": false});
    assert_eq!(world.ask("PUT", "/api/playlists/evening", &list).0, 200);
    for (name, url) in [("twitch", nginx.url()), ("backup", "rtmp://127.0.0.1:9/live".to_owned())] {
        let body = json!({"name": name, "url": url, "key": "live_secret_4711"});
        let (status, told) = world.ask("POST", "/api/destinations", &body);
        assert_eq!(status, 201, "{told}");
    }
}

/// Waits until a view shows what it has to show.
fn ready(page: &mut Page, view: &str) {
    let shown = match view {
        "onair" => {
            "document.querySelectorAll('#glance li[data-lamp=live]').length === 1 \
            && document.querySelector('#screen-note').hidden"
        }
        "library" => {
            "document.querySelectorAll('#videos > li').length === 4 && \
             document.querySelectorAll('.entry').length === 3 && \
             document.querySelectorAll('#videos > li > button:not([hidden])').length === 3"
        }
        "outputs" => "document.querySelectorAll('#destinations li').length === 2",
        "machine" => {
            "document.querySelectorAll('#checks li').length >= 3 && \
             document.querySelectorAll('#log > *').length > 3"
        }
        _ => "document.querySelectorAll('.setting').length > 10",
    };
    page.wait_for(shown);
}

fn name(view: &str, look: Look) -> String {
    let scheme = if look.dark { "dark" } else { "light" };
    format!("{view} {} {} {scheme}", look.language, look.width)
}

/// Keeps a picture of what is shown, and has it judged.
pub fn judge(page: &mut Page, view: &str, look: Look) {
    let name = name(view, look);
    let wide = page.eval("document.documentElement.scrollWidth - innerWidth").as_i64();
    assert!(wide <= Some(0), "{name}: {wide:?} pixels stand out on the right");
    page.screenshot(look, &Path::new(PICTURES).join(name.replace(' ', "-") + ".png"));
    page.assert_open_to_all(&name);
}

fn tour(language: &'static str) {
    let mut world = World::start();
    let nginx = Nginx::start();
    busy(&mut world, &nginx);
    let look = |(width, dark)| Look { width, language, dark };
    let mut page = world.open(look(LOOKS[0]));
    for each in LOOKS {
        page.look(look(each));
        judge(&mut page, "login", look(each));
    }
    page.log_in(PASSWORD);
    page.wait_moving();
    for view in VIEWS {
        page.view(view);
        ready(&mut page, view);
        for each in LOOKS {
            page.look(look(each));
            judge(&mut page, view, look(each));
        }
    }
    let japanese = page.eval("/[\\u3040-\\u30ff]/.test(document.body.innerText)");
    assert_eq!(japanese, language == "ja");
    assert_eq!(page.eval("document.documentElement.lang"), language);
    println!(
        "first paint: {}",
        page.eval("performance.getEntriesByType('paint').at(-1).startTime")
    );
}

#[test]
fn every_view_is_whole_and_open_to_all_in_english() {
    tour("en");
}

#[test]
fn every_view_is_whole_and_open_to_all_in_japanese() {
    tour("ja");
}

#[test]
fn questions_and_answers_are_open_to_all() {
    let world = World::start();
    world.add_clip("film.mp4");
    let look = Look { width: 390, language: "en", dark: false };
    let mut page = world.enter(look);
    page.view("library");
    page.wait_text("#videos", "320 × 180");
    page.click("#videos summary");
    page.click_named("#videos", "Delete…");
    judge(&mut page, "dialog-delete", look);
    page.press("Escape");
    page.view("outputs");
    page.click("#add-destination");
    page.wait_for("document.querySelector('dialog[open]')");
    judge(&mut page, "dialog-destination", look);
    page.click_named("dialog[open]", "Cancel");
    page.view("library");
    page.click_named("#videos", "Put on air: film.mp4");
    page.wait_text("#toasts", "film.mp4");
    judge(&mut page, "toast", look);
}

#[test]
fn the_page_is_small_and_asks_for_nothing_twice() {
    let world = World::start();
    let mut page = world.open(Look { width: 1280, language: "ja", dark: false });
    page.wait_for("!document.querySelector('#view-login').hidden");
    // As served, compressed: the page's files are those that are no answers of the API.
    let files = page.eval(
        "Promise.all([...performance.getEntriesByType('resource'), \
         ...performance.getEntriesByType('navigation')] \
         .filter(({ name }) => name.startsWith(location.origin) && !name.includes('/api/')) \
         .map((file) => [file.name, file.encodedBodySize, file.decodedBodySize]))",
    );
    let files: Vec<(String, u64, u64)> = serde_json::from_value(files).expect("names and sizes");
    let mut names: Vec<&str> = files.iter().map(|(name, ..)| name.as_str()).collect();
    let bytes: u64 = files.iter().map(|(_, encoded, _)| encoded).sum();
    println!("the page: {} files, {bytes} bytes", files.len());
    assert!(files.len() > 10, "{files:?}");
    assert!(bytes > 10_000, "{files:?}");
    assert!(bytes <= 60 * 1024, "{bytes} bytes: {files:?}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), files.len(), "{files:?}");
}

#[test]
fn the_form_of_a_destination_is_open_to_all_in_both_languages() {
    let world = World::start();
    for language in ["en", "ja"] {
        let look = Look { width: 390, language, dark: false };
        let mut page = world.enter(look);
        page.view("outputs");
        page.click("#add-destination");
        page.wait_for("document.querySelector('dialog[open] a').href.startsWith('https:')");
        judge(&mut page, &format!("dialog-preset-{language}"), look);
        page.choose("dialog[open] [name=preset]", "facebook");
        page.fill("dialog[open] [name=key]", "two words");
        judge(&mut page, &format!("dialog-preset-odd-{language}"), look);
    }
}
