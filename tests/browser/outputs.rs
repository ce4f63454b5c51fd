//! Destinations, against a real nginx-rtmp that is up, down, and up again.

use serde_json::Value;

use crate::nginx::Nginx;
use crate::page::{Page, DESK};
use crate::wait::seconds;
use crate::world::{hash, World, PASSWORD};

const ROW: &str = "#destinations li[data-key='platform']";

/// A field of the form.
fn field(name: &str) -> String {
    format!("dialog[open] [name={name}]")
}

impl Page {
    /// Adds a destination by the page's form.
    pub fn add_destination(&mut self, name: &str, url: &str, key: &str) {
        self.click("#add-destination");
        self.wait_for("document.querySelector('dialog[open]')");
        self.choose(&field("preset"), "custom");
        self.fill(&field("name"), name);
        self.fill(&field("url"), url);
        self.fill(&field("key"), key);
        self.press("Enter");
        self.wait_for("!document.querySelector('dialog')");
    }

    fn wait_lamp(&mut self, lamp: &str) {
        let shown = format!("document.querySelector(\"{ROW}\").dataset.lamp === '{lamp}'");
        self.wait_within(&shown, seconds(40));
    }
}

#[test]
fn a_destination_is_added_and_its_lamp_tells_how_it_is() {
    let mut world = World::start();
    world.send_live();
    let mut nginx = Nginx::start();
    let mut page = world.enter(DESK);
    page.view("outputs");
    page.add_destination("platform", &nginx.url(), "live_secret_4711");
    page.wait_lamp("live");
    page.wait_for(&format!("/[1-9].* [kM]bit/.test(document.querySelector(\"{ROW}\").innerText)"));
    let all = page.eval("document.documentElement.outerHTML").to_string();
    assert!(!all.contains("secret"), "the key stands in the page");
    assert!(all.contains("••••4711"), "not even its end is told");
    nginx.kill();
    page.wait_for(&format!("document.querySelector(\"{ROW}\").dataset.lamp !== 'live'"));
    let why = format!("document.querySelector(\"{ROW} .why\").textContent");
    page.wait_for(&format!("{why}.length > 10"));
    println!("down: {}", page.eval(&why));
    nginx.restart();
    page.wait_lamp("live");
    // At a glance, where the operator looks first.
    page.view("onair");
    page.wait_text("#receives", "1 platform");
    page.wait_for("document.querySelector('#glance li').dataset.lamp === 'live'");
}

#[test]
fn a_destination_is_changed_stopped_and_removed_and_all_is_kept() {
    let mut world = World::start();
    let nginx = Nginx::start();
    let mut page = world.enter(DESK);
    page.view("outputs");
    page.add_destination("platform", &nginx.url(), "live_secret_4711");
    page.wait_lamp("live");
    page.click_named(ROW, "Disable: platform");
    page.click_named("dialog[open]", "Disable");
    page.wait_lamp("idle");
    world.stop();
    world.start_again();
    // The restart ended the session.
    page.log_in(PASSWORD);
    page.view("outputs");
    page.wait_lamp("idle");
    page.click_named(ROW, "Enable: platform");
    page.wait_lamp("live");
    page.click_named(ROW, "Edit: platform");
    page.wait_for("document.querySelector('dialog[open]')");
    page.fill(&field("name"), "other");
    page.press("Enter");
    page.wait_for("document.querySelector(\"#destinations li[data-key='other']\")");
    page.click_named("#destinations", "Remove: other");
    page.click_named("dialog[open]", "Remove");
    page.wait_for("document.querySelectorAll('#destinations li').length === 0");
    let told = world.ask("GET", "/api/destinations", &Value::Null).1;
    assert_eq!(told["count"], 0, "{told:#}");
}

#[test]
fn each_platform_is_added_by_its_preset() {
    let hash = hash(PASSWORD);
    let settings = format!("[rtmp]\ndestinations_max = 32\n[http]\npassword_hash = \"{hash}\"\n");
    let world = World::with(&settings);
    let mut page = world.enter(DESK);
    page.view("outputs");
    let known = world.ask("GET", "/api/platforms", &Value::Null).1;
    let known = known["platforms"].as_array().expect("platforms").clone();
    assert!(known.len() > 8, "{known:?}");
    for platform in &known {
        let id = platform["id"].as_str().expect("an id");
        page.click("#add-destination");
        page.wait_for("document.querySelector('dialog[open]')");
        page.choose(&field("preset"), id);
        let server = &platform["servers"][0]["url"];
        let address = format!("document.querySelector('{}').value", field("url"));
        assert_eq!(page.eval(&address), server.as_str().unwrap_or_default(), "{id}");
        // Platforms without a server of their own want the one that they show.
        if server.is_null() {
            page.fill(&field("url"), &format!(" {id}.example.com/app/ "));
            page.fill(&field("name"), id);
        }
        page.fill(&field("key"), " live_secret_4711 ");
        for name in ["test", "backup"] {
            let shown =
                format!("!document.querySelector('{}').closest('label').hidden", field(name));
            if page.eval(&shown) == true {
                page.click(&field(name));
            }
        }
        page.press("Enter");
        page.wait_for("!document.querySelector('dialog')");
        page.wait_for(&format!("document.querySelector(\"#destinations li[data-key='{id}']\")"));
    }
    let config = std::fs::read_to_string(world.data().join("config.toml")).expect("its config");
    for line in [
        "url = \"rtmps://ingest.global-contribute.live-video.net/app\"",
        "key = \"live_secret_4711?bandwidthtest=true\"",
        "url = \"rtmps://a.rtmps.youtube.com/live2\"",
        "name = \"youtube-backup\"",
        "url = \"rtmps://b.rtmps.youtube.com/live2?backup=1\"",
        "url = \"rtmps://live-api-s.facebook.com/rtmp\"",
        "url = \"rtmp://custom.example.com/app\"",
    ] {
        assert!(config.contains(line), "{line}: {config}");
    }
    // Backup's address keeps its query when only its name is changed.
    let row = "#destinations li[data-key='youtube-backup']";
    page.click_named(row, "Edit: youtube-backup");
    page.wait_for("document.querySelector('dialog[open]')");
    page.fill(&field("name"), "second");
    page.press("Enter");
    page.wait_for("document.querySelector(\"#destinations li[data-key='second']\")");
    let config = std::fs::read_to_string(world.data().join("config.toml")).expect("its config");
    assert!(config.contains("live2?backup=1"), "{config}");
    long_runs_are_set_and_unset(&world, &mut page);
}

fn long_runs_are_set_and_unset(world: &World, page: &mut Page) {
    let config = || std::fs::read_to_string(world.data().join("config.toml")).expect("its config");
    let edit = |page: &mut Page| {
        page.click_named("#destinations li[data-key='custom']", "Edit: custom");
        page.wait_for("document.querySelector('dialog[open]')");
    };
    let save = |page: &mut Page| {
        page.press("Enter");
        page.wait_for("!document.querySelector('dialog')");
    };
    edit(page);
    assert_eq!(page.eval("document.querySelector('dialog details').open"), false, "it is folded");
    page.click("dialog details summary");
    page.choose(&field("on_warning"), "hold");
    page.eval(&format!("document.querySelector('{}').value = '04:00'", field("reconnect")));
    page.fill(&field("reconnect_after_h"), "11.5");
    page.fill(&field("reconnect_pause_s"), "0");
    page.fill(&field("backup_url"), "two.example.com/app");
    save(page);
    for line in [
        "backup_url = \"two.example.com/app\"",
        "on_warning = \"hold\"",
        "reconnect = \"04:00\"",
        "reconnect_after_h = 11.5",
        "reconnect_pause_s = 0",
    ] {
        assert!(config().contains(line), "{line}: {}", config());
    }
    edit(page);
    assert_eq!(
        page.eval("document.querySelector('dialog details').open"),
        true,
        "what is set shows"
    );
    page.eval(&format!("document.querySelector('{}').value = ''", field("reconnect")));
    page.eval(&format!("document.querySelector('{}').value = ''", field("reconnect_after_h")));
    page.fill(&field("name"), "custom-2");
    save(page);
    assert!(!config().contains("reconnect = "), "{}", config());
    assert!(!config().contains("reconnect_after_h"), "{}", config());
    assert!(config().contains("reconnect_pause_s = 0"), "what was not touched stays: {}", config());
}

#[test]
fn the_key_can_be_shown_and_is_checked() {
    let world = World::start();
    let mut page = world.enter(DESK);
    page.view("outputs");
    page.click("#add-destination");
    page.wait_for("document.querySelector('dialog[open]')");
    page.fill(&field("key"), "live_secret_4711");
    let kind = format!("document.querySelector('{}').type", field("key"));
    assert_eq!(page.eval(&kind), "password");
    page.click_named("dialog[open]", "Show the key");
    assert_eq!(page.eval(&kind), "text");
    assert_eq!(page.eval("document.querySelector('dialog [aria-pressed]').ariaPressed"), "true");
    for (key, told) in
        [("rtmp://host/app/key", "not a stream key"), ("two words", "spaces"), ("short", "shorter")]
    {
        page.fill(&field("key"), key);
        page.wait_text("dialog[open] [role=status]", told);
    }
    page.fill(&field("key"), "two words");
    page.press("Enter");
    page.wait_text("dialog .outcome", "spaces");
    // An address that is none is refused by the program, with what to do.
    page.fill(&field("key"), "live_secret_4711");
    page.fill(&field("url"), "https://www.twitch.tv/somebody");
    page.press("Enter");
    page.wait_text("dialog .outcome", "expected rtmp://host/app");
}
