//! The library and its playlists: what is uploaded, put on air, put in order, renamed, deleted.

use std::fs;

use serde_json::{json, Value};

use crate::page::{Page, DESK};
use crate::wait::{self, seconds};
use crate::world::{clip, World};

/// The row of a video.
fn row(name: &str) -> String {
    format!("#videos li[data-key='{name}']")
}

impl Page {
    /// Opens what more can be done with a video, and presses one of it.
    fn more(&mut self, video: &str, button: &str) {
        let row = row(video);
        self.wait_for(&format!("document.querySelector(\"{row}\")"));
        if self.eval(&format!("document.querySelector(\"{row} details\").open")) != true {
            self.click(&format!("{row} summary"));
        }
        self.click_named(&row, button);
    }

    /// The files of the first playlist as the page shows them.
    fn entries(&mut self) -> Value {
        self.eval("[...document.querySelectorAll('.entry .name')].map((it) => it.textContent)")
    }
}

#[test]
fn a_file_is_uploaded_by_button_and_by_drop_and_put_on_air() {
    let world = World::start();
    let mut page = world.enter(DESK);
    page.view("library");
    page.choose_file("#choose", &clip("chosen.mp4"));
    page.wait_text(&row("chosen.mp4"), "320 × 180");
    page.drop_file("#drop", &clip("dropped.ts"));
    page.wait_text(&row("dropped.ts"), "320 × 180");
    for name in ["chosen.mp4", "dropped.ts"] {
        let arrived = fs::read(world.data().join("videos").join(name)).expect("it is there");
        assert!(arrived == fs::read(clip(name)).expect("the clip"), "{name} is another file");
    }
    page.click_named(&row("dropped.ts"), "Put on air: dropped.ts");
    page.wait_text("#tally-what", "dropped.ts");
    assert_eq!(world.status()["current_video"], "dropped.ts");
    // The same name again: the page asks before it replaces.
    page.choose_file("#choose", &clip("chosen.mp4"));
    page.click_named("dialog[open]", "Replace");
    page.wait_text("#toasts", "chosen.mp4");
    page.wait_for("document.querySelectorAll('#uploads li').length === 0");
}

#[test]
fn a_video_is_renamed_and_deleted_and_the_page_asks_before() {
    let world = World::start();
    world.add_clip("old.mp4");
    let mut page = world.enter(DESK);
    page.view("library");
    page.more("old.mp4", "Rename…");
    // The name without its ending is marked, so that it can be written over.
    page.write("new");
    page.press("Enter");
    page.wait_for(&format!("document.querySelector(\"{}\")", row("new.mp4")));
    assert!(world.data().join("videos/new.mp4").exists());
    page.more("new.mp4", "Delete…");
    assert_eq!(page.focused(), "Cancel", "nothing is lost by pressing Enter too often");
    page.press("Escape");
    page.wait_for("!document.querySelector('dialog')");
    assert!(world.data().join("videos/new.mp4").exists());
    page.more("new.mp4", "Delete…");
    page.click_named("dialog[open]", "Delete");
    page.wait_for(&format!("!document.querySelector(\"{}\")", row("new.mp4")));
    assert!(!world.data().join("videos/new.mp4").exists());
}

#[test]
fn a_playlist_is_made_and_ordered_by_keyboard_and_put_on_air() {
    let world = World::start();
    for name in ["a.mp4", "b.mp4", "c.ts"] {
        world.add_clip(name);
    }
    let mut page = world.enter(DESK);
    page.view("library");
    page.wait_text(&row("c.ts"), "320 × 180");
    page.eval("document.querySelector('#new-playlist').focus()");
    page.press("Enter");
    page.wait_for("document.querySelector('dialog[open]')");
    page.write("evening");
    page.press("Enter");
    page.wait_for("document.querySelectorAll('.entry').length === 1");
    for name in ["b.mp4", "c.ts"] {
        page.more(name, "Add to a playlist…");
        page.click_named("dialog[open]", "Add");
        page.wait_for("!document.querySelector('dialog')");
        page.wait_text("#playlists", name);
    }
    assert_eq!(page.entries(), json!(["1. a.mp4", "2. b.mp4", "3. c.ts"]));
    page.eval("document.querySelector('.entry:last-child .grip').focus()");
    for order in [["1. a.mp4", "2. c.ts", "3. b.mp4"], ["1. c.ts", "2. a.mp4", "3. b.mp4"]] {
        page.press("ArrowUp");
        let wanted = json!(order);
        page.wait_for(&format!(
            "JSON.stringify([...document.querySelectorAll('.entry .name')]\
             .map((it) => it.textContent)) === JSON.stringify({wanted})"
        ));
        let focused = page.focused();
        assert!(focused.contains("c.ts"), "the focus went to {focused}");
    }
    let kept = || world.ask("GET", "/api/playlists", &Value::Null).1["playlists"][0].clone();
    let order = json!(["c.ts", "a.mp4", "b.mp4"]);
    assert!(wait::holds(seconds(10), || kept()["files"] == order), "{:#}", kept());
    page.click_named("#playlists", "Put on air: evening");
    page.wait_text("#tally-what", "c.ts");
    page.view("onair");
    page.wait_text("#deck-note", "evening");
    page.wait_text("#next", "a.mp4");
    page.click("#controls [data-action='next']");
    page.wait_text("#what", "a.mp4");
}
