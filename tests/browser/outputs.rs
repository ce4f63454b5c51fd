//! Destinations, against a real nginx-rtmp that is up, down, and up again.

use serde_json::Value;

use crate::nginx::Nginx;
use crate::page::{Page, DESK};
use crate::wait::seconds;
use crate::world::World;

const ROW: &str = "#destinations li[data-key='platform']";

impl Page {
    /// Adds a destination by the page's form.
    pub fn add_destination(&mut self, name: &str, url: &str, key: &str) {
        self.click("#add-destination");
        self.wait_for("document.querySelector('dialog[open]')");
        self.choose("dialog select", "custom");
        let inputs = "dialog[open] .field:nth-of-type";
        self.fill(&format!("{inputs}(2) input"), name);
        self.fill(&format!("{inputs}(3) input"), url);
        self.fill(&format!("{inputs}(4) input"), key);
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
    page.log_in(crate::world::PASSWORD);
    page.view("outputs");
    page.wait_lamp("idle");
    page.click_named(ROW, "Enable: platform");
    page.wait_lamp("live");
    page.click_named(ROW, "Edit: platform");
    page.wait_for("document.querySelector('dialog[open]')");
    page.fill("dialog[open] .field:nth-of-type(1) input", "other");
    page.press("Enter");
    page.wait_for("document.querySelector(\"#destinations li[data-key='other']\")");
    page.click_named("#destinations", "Remove: other");
    page.click_named("dialog[open]", "Remove");
    page.wait_for("document.querySelectorAll('#destinations li').length === 0");
    let told = world.ask("GET", "/api/destinations", &Value::Null).1;
    assert_eq!(told["count"], 0, "{told:#}");
}
