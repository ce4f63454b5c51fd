//! `[update] url` asked by the appliance: what servers that are not well do to it (a sentence, and
//! nothing else), what a whole one offers, and that it is installed in the window and not outside.

use std::sync::Arc;

use serde_json::{json, Value};

use crate::firmware::{firmware, is_untouched, Packages};
use crate::machine::{Disk, Machine};
use crate::offers::{Offers, Reply};
use crate::shell::Shell;
use crate::time_server::TimeServer;
use crate::wait::holds;
use crate::{clock, PATIENCE};

/// As cron starts it, but for the time.
const LOOK: &str = "su -s /bin/sh streamcaster -c 'streamcaster latest --data /data";
/// Where a server's words are asked for by a configuration of its own: the silent one takes half a
/// minute, in which the machine does other things.
const SILENT: &str = "/tmp/silent";

/// Before the clock is set nothing is asked; then each server, in its turn.
pub fn is_judged(machine: &Machine, disk: &Disk, shell: &Shell<'_>, packages: &Packages) -> Offers {
    let offers = server(packages);
    let latest = |server: &str| offers.url(&format!("{server}/streamcaster.latest"));
    nothing_is_asked_before_the_clock_is_set(machine, shell, &offers);
    clock::is_set_by(&TimeServer::start(), shell);
    asks_a_silent_one(shell, &latest("silent"));
    for (server, why) in [
        (
            "none",
            "the server answered with status 404: the file does not exist, or is not accessible",
        ),
        ("half", "the server closed the connection in the middle of its answer"),
        ("foreign", "the update is not signed with a key this system accepts"),
        ("noise", "the file is not an update of this program"),
        ("long", "this is not a streamcaster.latest: it has 5000 bytes, not 1024"),
    ] {
        let url = latest(server);
        set(machine, &json!({ "update.url": url }));
        let said = shell.run(&format!("{LOOK} --now'"));
        assert!(said.starts_with(&format!("{url}: {why}")), "{server}: {said}");
        assert_eq!(said.lines().count(), 1, "{server}: {said}");
        let told = offer(machine);
        assert!(told["failed"]["why"].as_str().is_some_and(|own| own.starts_with(why)), "{told}");
        assert_eq!((&told["url"], &told["offered"]), (&json!(url), &Value::Null), "{told}");
    }
    tells_of_a_newer_one(machine, shell, &offers, &packages.newer_build);
    is_untouched(machine, disk, "outside the window");
    let has_ended = || !shell.run(&format!("cat {SILENT}/said")).is_empty();
    assert!(holds(PATIENCE, has_ended), "a server that is silent is waited for");
    let said = shell.run(&format!("cat {SILENT}/said"));
    assert_eq!(said, format!("{}: the server did not answer in time", latest("silent")));
    offers
}

/// The servers there are.
fn server(packages: &Packages) -> Offers {
    let offers = Offers::start();
    let head = |package: &[u8]| Arc::new(package.get(..1024).expect("a header").to_vec());
    let whole = Arc::new(packages.newer.clone());
    for (path, reply) in [
        ("whole/streamcaster.latest", Reply::File(head(&whole))),
        ("whole/streamcaster.update", Reply::File(Arc::clone(&whole))),
        ("half/streamcaster.latest", Reply::Half(head(&whole))),
        ("foreign/streamcaster.latest", Reply::File(head(&packages.foreign))),
        ("noise/streamcaster.latest", Reply::File(Arc::new(vec![b'x'; 1024]))),
        ("long/streamcaster.latest", Reply::File(Arc::new(vec![b'x'; 5000]))),
        ("same/streamcaster.latest", Reply::File(head(&packages.good))),
        ("silent/streamcaster.latest", Reply::Silence),
    ] {
        offers.set(path, reply);
    }
    offers
}

/// Cron's line starts nothing where no server is named.
fn nothing_is_asked_before_the_clock_is_set(machine: &Machine, shell: &Shell<'_>, offers: &Offers) {
    let is_asked = "[ -e /run/appliance/updates ]; echo $?";
    assert_eq!(shell.run(is_asked), "1");
    set(machine, &json!({ "update.url": offers.url("whole/streamcaster.latest") }));
    let is_found = || shell.run(&format!("/usr/lib/appliance/name; {is_asked}")) == "0";
    assert!(holds(PATIENCE, is_found), "{}", shell.run("cat /data/config.toml"));
    let said = shell.run(&format!("{LOOK} --now'"));
    assert_eq!(said, "the clock is not set yet: no server is asked before");
    assert_eq!(offers.asked_for("whole/streamcaster.latest"), 0);
}

/// Beside all else, for it takes half a minute.
fn asks_a_silent_one(shell: &Shell<'_>, url: &str) {
    shell.run(&format!(
        "su -s /bin/sh streamcaster -c 'mkdir -p {SILENT}/state; printf \"[update]\\nurl = \\\"{url}\\\"\\n\" \
         > {SILENT}/config.toml; streamcaster latest --data {SILENT} --now > {SILENT}/said 2>&1 &'"
    ));
}

/// What runs already is no offer; a newer one is, and outside the window it stays where it is.
fn tells_of_a_newer_one(machine: &Machine, shell: &Shell<'_>, offers: &Offers, build: &str) {
    let latest = |server: &str| offers.url(&format!("{server}/streamcaster.latest"));
    set(machine, &json!({ "update.url": latest("same") }));
    shell.run(&format!("{LOOK} --now'"));
    assert_eq!(offer(machine)["offered"], Value::Null);
    assert!(offer(machine)["answered"].is_u64());
    assert!(offer(machine)["failed"].is_null());
    set(machine, &json!({ "update.url": latest("whole") }));
    shell.run(&format!("{LOOK} --now'"));
    let told = offer(machine);
    assert_eq!(told["offered"]["build"].to_string(), build, "{told}");
    shell.run(&format!("{LOOK}'"));
    assert_eq!(offers.asked_for("whole/streamcaster.latest"), 1, "asked again on the same day");
    set(machine, &window(shell, 2, 3));
    let said = shell.run(&format!("{LOOK} --now'"));
    assert!(!said.contains("installed"), "{said}");
    assert_eq!(offers.asked_for("whole/streamcaster.update"), 0, "outside the window");
    println!("offers: eight servers asked, {}", told["offered"]);
}

/// On a machine that has started again, at that place of its console: nobody has said what time it is.
pub fn has_a_clock(machine: &Machine, from: usize) {
    clock::is_set_by(&TimeServer::start(), &Shell::of(machine, from));
}

/// In the window, by the look that cron would start; the machine is to start again. Its shell is there.
pub fn is_installed_in_its_window(machine: &Machine, offers: &Offers) {
    let shell = &Shell::again(machine);
    set(machine, &window(shell, -1, 1));
    let said = shell.run(&format!("{LOOK} --now'"));
    assert!(said.starts_with("installed: "), "{said}");
    assert!(said.contains("the machine restarts"), "{said}");
    assert_eq!(offers.asked_for("whole/streamcaster.update"), 1);
}

/// A window of so many hours from now, to so many.
fn window(shell: &Shell<'_>, from_h: i64, to_h: i64) -> Value {
    let now_min = i64::try_from(shell.number("date +%s") / 60).expect("a time of today");
    let at = |hours: i64| {
        let minute = (now_min + hours * 60).rem_euclid(24 * 60);
        format!("{:02}:{:02}", minute / 60, minute % 60)
    };
    json!({ "update.install": "window", "update.window": format!("{}-{}", at(from_h), at(to_h)) })
}

fn set(machine: &Machine, settings: &Value) {
    let answer = machine.ask_in("PATCH", "/api/settings", &settings.to_string());
    assert!(answer.as_ref().is_some_and(|said| said.contains(" 200 ")), "{settings}: {answer:?}");
}

/// What the page says of the server.
fn offer(machine: &Machine) -> Value {
    firmware(machine).map_or(Value::Null, |mut told| told["latest"].take())
}
