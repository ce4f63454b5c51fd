//! Settings: what works at once, what needs a restart, what is wrong, and a change by somebody
//! else meanwhile.

use std::fs;

use crate::page::{Page, DESK};
use crate::wait::seconds;
use crate::world::{World, PASSWORD};

impl Page {
    fn save(&mut self) {
        self.click("#save-bar button[type='submit']");
    }
}

#[test]
fn a_setting_is_changed_kept_and_reset() {
    let world = World::start();
    let config = world.data().join("config.toml");
    let text = fs::read_to_string(&config).expect("its config");
    fs::write(&config, format!("# A person's note.\n{text}")).expect("it is written");
    let mut page = world.enter(DESK);
    page.view("settings");
    page.fill("#set-programme_silence_ms", "800");
    page.save();
    page.wait_for("document.querySelector('#save-bar').hidden");
    page.wait_for("document.querySelector('#set-programme_silence_ms').value === '800'");
    let kept = fs::read_to_string(&config).expect("its config");
    assert!(kept.contains("# A person's note."), "{kept}");
    assert!(kept.contains("silence_ms = 800"), "{kept}");
    assert_eq!(page.eval("document.querySelector('#restart-needed').hidden"), true);
    page.fill("#set-programme_silence_ms", "1");
    page.save();
    page.wait_for("document.querySelector('#set-programme_silence_ms-error').textContent.length");
    page.fill("#set-programme_silence_ms", "800");
    page.click_named("#settings-form", "Use the default: Silence before standby");
    page.save();
    page.wait_for("document.querySelector('#save-bar').hidden");
    page.wait_for("document.querySelector('#set-programme_silence_ms').value === '500'");
    let kept = fs::read_to_string(&config).expect("its config");
    assert!(!kept.contains("silence_ms"), "{kept}");
}

/// Answers about the settings wait in `held` until they are let go; once the page has dealt with one,
/// `handed_on` says so: all it does with what is here already is done before the next task.
const HELD_BACK: &str = "window.held = []; const real = window.fetch; \
    window.fetch = async (path, options) => { \
      const answer = await real(path, options); \
      if (path !== '/api/settings' || options.method !== 'GET') return answer; \
      const text = await answer.text(); \
      await new Promise((go) => window.held.push(go)); \
      setTimeout(() => { window.handed_on = true; }, 0); \
      return { ok: answer.ok, status: answer.status, headers: answer.headers, \
               text: async () => text, json: async () => JSON.parse(text) }; \
    }; 0";

/// The page asks for the settings again when they change; an answer that is late finds an edit begun.
#[test]
fn an_edit_outlasts_settings_that_arrive_while_it_is_made() {
    let world = World::start();
    let config = world.data().join("config.toml");
    let mut page = world.enter(DESK);
    page.view("settings");
    page.wait_for("document.querySelector('#set-programme_silence_ms').value === '500'");
    page.eval(HELD_BACK);
    let text = fs::read_to_string(&config).expect("its config");
    fs::write(&config, format!("{text}\n[log]\nlevel = \"debug\"\n")).expect("it is written");
    page.wait_for("window.held.length");
    page.fill("#set-programme_silence_ms", "800");
    page.eval("window.held.splice(0).forEach((go) => go()); 0");
    page.wait_for("window.handed_on");
    assert_eq!(page.eval("document.querySelector('#set-programme_silence_ms').value"), "800");
    assert_eq!(page.eval("document.querySelector('#save-bar').hidden"), false);
}

#[test]
fn what_needs_a_restart_says_so_until_there_was_one() {
    let world = World::start();
    let mut page = world.enter(DESK);
    page.view("settings");
    page.fill("#set-rtmp_viewers_max", "50");
    page.save();
    page.wait_for("!document.querySelector('#restart-needed').hidden");
    page.view("onair");
    page.click("#restart-now");
    page.click_named("dialog[open]", "Restart");
    // The program is gone for a moment, and with it the session.
    page.wait_within("document.body.dataset.access === 'out'", seconds(40));
    page.log_in(PASSWORD);
    page.view("settings");
    page.wait_for("document.querySelector('#set-rtmp_viewers_max').value === '50'");
    assert_eq!(page.eval("document.querySelector('#restart-needed').hidden"), true);
}

#[test]
fn the_password_is_changed_and_this_session_stays() {
    let world = World::start();
    let mut page = world.enter(DESK);
    page.view("settings");
    // What comes later moves what stands below it.
    page.wait_for("document.querySelectorAll('.setting').length > 10");
    page.click("#change-password");
    page.wait_for("document.querySelector('dialog[open]')");
    let inputs = "dialog[open] .field:nth-of-type";
    page.fill(&format!("{inputs}(1) input"), PASSWORD);
    page.fill(&format!("{inputs}(2) input"), "a new horse battery");
    page.fill(&format!("{inputs}(3) input"), "a newer horse battery");
    page.press("Enter");
    page.wait_for("document.querySelector('dialog .outcome').textContent.length > 5");
    page.fill(&format!("{inputs}(3) input"), "a new horse battery");
    page.press("Enter");
    page.wait_for("!document.querySelector('dialog')");
    page.reload();
    page.wait_for("document.body.dataset.access === 'in'");
}
