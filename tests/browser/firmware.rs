//! Updates and going back, with a stand-in for the appliance's update service: what the operator
//! sees before, while the package is on its way, and when the machine is there again.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{channel, Receiver, Sender};

use serde_json::{json, Value};

use crate::page::{Look, Page, DESK};
use crate::views::judge;
use crate::wait::seconds;
use crate::world::{World, PASSWORD};
use test_support::peers::update_service::{fresh, length, system, take, tell, Appliance};

const PHONE: Look = Look { width: 390, language: "ja", dark: true };

/// A machine with the update service in a folder of the test's.
fn machine(name: &str) -> (World, Appliance) {
    let name = format!("appliance-{name}-{}", std::process::id());
    let appliance = Appliance::new(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
    appliance.write_down(&fresh());
    let folder = appliance.folder().to_str().expect("a path in UTF-8").to_owned();
    (World::start_with(&["--appliance", &folder]), appliance)
}

/// A file the page takes for an update package.
fn package(appliance: &Appliance, bytes: usize) -> PathBuf {
    package_with(appliance, "", bytes)
}

/// The same, with lines in its header.
fn package_with(appliance: &Appliance, lines: &str, bytes: usize) -> PathBuf {
    let path = appliance.folder().join("streamcaster.update");
    let mut package = format!("streamcaster-update 1\n{lines}").into_bytes();
    package.resize(bytes, b'x');
    fs::write(&path, package).expect("a package");
    path
}

/// The machine after an update: it runs 0.2.0 from slot B.
fn updated(outcome: &str, off_air_s: Value) -> Value {
    let made = 1_795_384_800;
    let on_trial = outcome == "on trial";
    json!({
        "slot": "B", "version": "0.2.0", "revision": "abc1234", "made": made, "on_trial": on_trial,
        "build": 20_261_122_220_000_u64, "kernel": "6.12.9-1", "key": "01c840c29dba2a32",
        "debug": true, "digest": "ab".repeat(32), "accepts": ["01c840c29dba2a32"],
        "slots": {
            "A": system("0.1.0", "f141df0", 3),
            "B": system("0.2.0", "abc1234", if on_trial { 0 } else { 3 }),
        },
        "can_roll_back": true, "busy": null,
        "last": {
            "what": "update", "from": "0.1.0 (f141df0)", "to": "0.2.0 (abc1234)",
            "at": "2026-11-22T22:00:00Z", "outcome": outcome, "off_air_s": off_air_s, "left": null,
        },
    })
}

/// Serves each order in step with the test: hands it on, and says what the test says then.
fn in_step(appliance: &Appliance) -> (Receiver<Value>, Sender<Value>) {
    let ((came, orders), (words, answers)) = (channel(), channel());
    appliance.serve(move |order, line| {
        if order["order"] == "install" {
            let taken = take(line, length(order)).len() as u64;
            assert_eq!(taken, length(order), "the package does not come whole");
            tell(line, &json!({"progress": "verifying"}));
        }
        came.send(order.clone()).expect("the test waits");
        tell(line, &answers.recv().expect("the test answers"));
    });
    (orders, words)
}

impl Page {
    /// Chooses a package and says yes.
    fn update_with(&mut self, package: &std::path::Path) {
        self.choose_file("#update", package);
        self.wait_text("dialog[open]", "streamcaster.update");
        self.click("dialog[open] button[type='submit']");
    }
}

/// What a package is stands there before it is sent, and a debug system is asked about by that name.
fn asks_about_a_debug_system(
    page: &mut Page,
    appliance: &Appliance,
    orders: &Receiver<Value>,
    answers: &Sender<Value>,
) {
    page.wait_text(
        "#firmware-facts",
        "build 20261122220000 · kernel 6.12.9-1 · slot abababababab…",
    );
    let lines = "version 0.3.0\nrevision fff\nmade 5\nbuild 20261128025300\nkernel 6.12.10-1\n\
                 key 01c840c29dba2a32\ndebug 1\n";
    let debug = package_with(appliance, lines, 4096);
    page.choose_file("#update", &debug);
    page.wait_text("dialog[open]", "0.3.0 (fff, DEBUG): build 20261128025300 · kernel 6.12.10-1");
    judge(page, "firmware-holds", DESK);
    page.click("dialog[open] button[type='submit']");
    page.wait_text("dialog[open]", "Install a debug system?");
    judge(page, "firmware-debug", DESK);
    page.click_named("dialog[open]", "Install the debug system");
    let order = orders.recv_timeout(seconds(30)).expect("an order");
    let wanted = json!({
        "order": "install", "bytes": 4096, "allow_downgrade": false, "allow_debug": true,
    });
    assert_eq!(order, wanted);
    answers.send(json!({"error": "Not now.", "code": "BUSY"})).expect("it waits");
    page.wait_text("#toasts", "Not now.");
}

#[test]
fn an_update_is_sent_and_told_of_when_the_machine_is_there_again() {
    let (mut world, appliance) = machine("update");
    let (orders, answers) = in_step(&appliance);
    let mut page = world.enter(DESK);
    page.view("machine");
    page.wait_text("#firmware-facts", "0.1.0 (f141df0) · slot A");
    assert_eq!(page.eval("document.querySelector('#roll-back').hidden"), true);
    judge(&mut page, "firmware", DESK);
    let wrong = appliance.folder().join("holiday.mp4");
    fs::write(&wrong, b"not an update").expect("a file");
    page.choose_file("#update", &wrong);
    page.wait_text("#toasts", "holiday.mp4 is not an update");

    asks_about_a_debug_system(&mut page, &appliance, &orders, &answers);

    // An older one is asked about once more.
    let package = package(&appliance, 3 << 20);
    page.update_with(&package);
    let order = orders.recv_timeout(seconds(30)).expect("an order");
    assert_eq!(
        order,
        json!({"order": "install", "bytes": 3 << 20, "allow_downgrade": false, "allow_debug": false})
    );
    appliance.write_down(&{
        let mut state = fresh();
        state["busy"] = "verifying".into();
        state
    });
    page.wait_text("#firmware-note", "being checked");
    judge(&mut page, "firmware-sending", DESK);
    appliance.write_down(&fresh());
    let older = json!({"error": "0.0.9 is older than 0.1.0.", "code": "OLDER_VERSION"});
    answers.send(older).expect("it waits");
    page.wait_text("dialog[open]", "0.0.9 is older than 0.1.0.");
    judge(&mut page, "firmware-older", DESK);
    page.click_named("dialog[open]", "Install it anyway");
    let order = orders.recv_timeout(seconds(30)).expect("an order");
    assert_eq!(order["allow_downgrade"], true);
    let needed = json!({"error": "Confirm it.", "code": "CONFIRMATION_REQUIRED"});
    answers.send(needed).expect("it waits");
    page.wait_text("dialog[open]", "Confirm the older version");
    judge(&mut page, "firmware-confirm", DESK);
    page.fill("dialog[open] input", "k7mq2wx9tbrc");
    page.click_named("dialog[open]", "Confirm");
    let proof = orders.recv_timeout(seconds(30)).expect("a proof");
    assert_eq!(proof, json!({"order": "confirm", "confirmation": "k7mq2wx9tbrc"}));
    answers.send(json!({"taken": "0.0.9 (abc1234)"})).expect("it waits");
    let order = orders.recv_timeout(seconds(30)).expect("an order");
    assert_eq!(order["allow_downgrade"], true);
    let done = json!({"done": "installed", "version": "0.2.0", "revision": "abc1234", "slot": "B"});
    answers.send(done).expect("it waits");
    page.wait_text("#toasts", "Version 0.2.0 (abc1234) is installed");
    page.wait_text("#firmware-note", "The machine restarts");

    world.stop();
    appliance.write_down(&updated("on trial", json!(41.2)));
    page.wait_within("!document.querySelector('#lost').hidden", seconds(30));
    world.start_again();
    // The restart ended the session.
    page.wait_within("document.body.dataset.access === 'out'", seconds(40));
    page.log_in(PASSWORD);
    page.wait_text("#toasts", "Version 0.2.0 (abc1234) runs. Off air for 41 s.");
    page.wait_text("#firmware-facts", "0.2.0 (abc1234, DEBUG) · slot B");
    page.wait_text("#firmware-debug", "A debug system runs");
    page.wait_text("#firmware-note", "three healthy minutes");
    judge(&mut page, "firmware-trial", DESK);
    appliance.write_down(&updated("confirmed", json!(41.2)));
    page.wait_for("!document.querySelector('#firmware-note').innerText.includes('healthy')");
    page.wait_text("#firmware-facts", "0.1.0 (f141df0) · slot A");
}

#[test]
fn going_back_says_what_happens_to_viewers_and_a_fall_is_told() {
    let (world, appliance) = machine("back");
    let (orders, answers) = in_step(&appliance);
    appliance.write_down(&updated("confirmed", json!(41.2)));
    let mut page = world.enter(DESK);
    page.view("machine");
    page.wait_text("#firmware-note", "Version 0.2.0 (abc1234) runs.");
    page.click("#roll-back");
    page.wait_text("dialog[open]", "Viewers are disconnected");
    page.wait_text("dialog[open]", "0.1.0 (f141df0) instead of 0.2.0 (abc1234, DEBUG)");
    page.press("Escape");
    page.click("#roll-back");
    page.click_named("dialog[open]", "Roll back");
    let order = orders.recv_timeout(seconds(30)).expect("an order");
    assert_eq!(order, json!({"order": "rollback"}));
    let refused = json!({"error": "Slot A holds no system.", "code": "NO_OTHER_SYSTEM"});
    answers.send(refused).expect("it waits");
    page.wait_text("#toasts", "Slot A holds no system.");
    // What was on trial did not come up, while somebody looks.
    let mut fallen = updated("fell back", Value::Null);
    for key in ["slot", "version", "revision"] {
        fallen[key] = fresh()[key].clone();
    }
    appliance.write_down(&fallen);
    page.wait_text("#toasts", "It fell back to 0.1.0 (f141df0)");
    page.wait_text("#firmware-note", "0.2.0 (abc1234) did not start");
    for (why, words) in [
        ("silent", "the programme of 0.2.0 (abc1234) did not answer"),
        ("ill", "0.2.0 (abc1234) was not healthy for three minutes within ten (line 3)"),
        ("network", "0.2.0 (abc1234) had no network"),
        ("disk", "0.2.0 (abc1234) could not use the data disk (line 3)"),
        ("config", "0.2.0 (abc1234) did not accept the settings of this machine (line 3)"),
    ] {
        fallen["last"]["left"] = json!({"why": why, "detail": "line 3"});
        appliance.write_down(&fallen);
        page.wait_text("#firmware-note", words);
    }
    judge(&mut page, "firmware-fallen", DESK);
}

#[test]
fn a_phone_in_japanese_has_it_too() {
    let (world, appliance) = machine("phone");
    // It is refused by its first bytes, long before the last ones are sent.
    appliance.serve(|_, line| {
        take(line, 1024);
        tell(line, &json!({"error": "No.", "code": "WRONG_SIGNATURE"}));
    });
    appliance.write_down(&updated("on trial", json!(41.2)));
    let mut page = world.enter(PHONE);
    page.view("machine");
    page.wait_text("#firmware-note", "配信の中断は 41 秒でした");
    judge(&mut page, "firmware-trial", PHONE);
    page.choose_file("#update", &package(&appliance, 24 << 20));
    page.wait_text("dialog[open]", "streamcaster.update");
    judge(&mut page, "firmware-ask", PHONE);
    page.click("dialog[open] button[type='submit']");
    page.wait_text("#toasts", "鍵で署名されていません");
}

#[test]
fn nothing_of_it_is_shown_where_there_is_no_appliance() {
    let world = World::start();
    let mut page = world.enter(DESK);
    page.view("machine");
    page.wait_for(
        "performance.getEntriesByName(`${location.origin}/api/firmware`).some((it) => it.responseEnd)",
    );
    page.wait_for("document.querySelectorAll('#checks li').length >= 3");
    assert_eq!(page.eval("document.querySelector('#firmware').checkVisibility()"), false);
}
