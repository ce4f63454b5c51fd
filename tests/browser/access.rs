//! Who may: the log-in, its end from elsewhere, and a connection that breaks and heals.

use serde_json::json;

use crate::page::{Page, DESK};
use crate::wait::seconds;
use crate::world::{World, PASSWORD};

impl Page {
    /// Writes the password where it is asked for, and waits for what is behind it.
    pub fn log_in(&mut self, password: &str) {
        self.wait_for("!document.querySelector('#view-login').hidden");
        self.fill("#login-password", password);
        self.press("Enter");
        self.wait_for("document.body.dataset.access === 'in'");
        self.wait_for("document.querySelector('#word').textContent.length > 1");
    }

    /// Goes to one of the views by its tab.
    pub fn view(&mut self, name: &str) {
        self.click(&format!("#tabs a[href='#{name}']"));
        self.wait_for(&format!("!document.querySelector('#view-{name}').hidden"));
    }
}

#[test]
fn a_wrong_password_is_refused_and_the_right_one_opens() {
    let world = World::start();
    let mut page = world.open(DESK);
    page.wait_for("!document.querySelector('#view-login').hidden");
    assert_eq!(page.focused(), "login-password", "it can be typed at once");
    page.write("not this one");
    page.press("Enter");
    page.wait_for("document.querySelector('#login-error').textContent.length > 10");
    assert_eq!(page.eval("document.body.dataset.access"), "out");
    page.log_in(PASSWORD);
    // It is kept over a reload, and nothing a script can read holds it.
    page.reload();
    page.wait_for("document.body.dataset.access === 'in'");
    assert_eq!(page.eval("document.cookie"), "");
}

#[test]
fn one_who_is_logged_out_elsewhere_is_asked_again() {
    let world = World::start();
    let mut page = world.enter(DESK);
    let new = json!({"current": PASSWORD, "new": "another horse battery"});
    let (status, told) = world.ask("POST", "/api/password", &new);
    assert_eq!(status, 200, "{told}");
    page.wait_for("!document.querySelector('#view-login').hidden");
    page.log_in("another horse battery");
}

#[test]
fn logging_out_leaves_nothing_behind() {
    let world = World::start();
    let mut page = world.enter(DESK);
    page.view("settings");
    page.wait_for("document.querySelectorAll('.setting').length > 10");
    page.click("#logout");
    page.wait_for("!document.querySelector('#view-login').hidden");
    page.reload();
    page.wait_for("!document.querySelector('#view-login').hidden");
    let status = page.eval("fetch('/api/status').then((answer) => answer.status)");
    assert_eq!(status, 401);
}

#[test]
fn a_lost_connection_is_shown_and_heals() {
    let mut world = World::with("");
    let mut page = world.open(DESK);
    page.wait_for("document.body.dataset.state === 'standby'");
    world.stop();
    page.wait_within("!document.querySelector('#lost').hidden", seconds(30));
    assert_eq!(page.eval("document.body.dataset.state"), "lost");
    world.start_again();
    page.wait_within("document.querySelector('#lost').hidden", seconds(30));
    page.wait_for("document.body.dataset.state === 'standby'");
}
