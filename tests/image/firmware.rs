//! Updates and the way back, by the API of the page: what may not be installed is refused and
//! changes nothing, a system that does not start is left by itself, one that does is confirmed, and
//! the operator goes back to the one before.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{digest, SHA256};
use serde_json::Value;

use test_support::peers::http::{Answer, Request};

use crate::machine::{opened, target, Disk, Machine, USUAL};
use crate::offers::Offers;
use crate::player::Player;
use crate::shell::Shell;
use crate::wait::{holds, poll, seconds};
use crate::{attacks, offered, xtask, PATIENCE};

/// Three healthy minutes, and the start before them.
const TRIAL: Duration = seconds(420);
/// A package's header.
const HEADER_BYTES: usize = 1024;

#[test]
fn an_update_is_taken_on_trial_and_given_back() {
    let packages = Packages::make();
    let disk = Disk::open("update");
    let mut machine = Machine::start(&disk, USUAL);
    machine.is_healthy(PATIENCE);
    let first = told(&machine, "a system in slot A that takes orders", |told| {
        told["slot"] == "A" && told["busy"].is_null()
    });
    assert_eq!((&first["slots"]["B"], &first["last"]), (&Value::Null, &Value::Null), "{first}");
    says_which_it_is(&machine, &first, &packages.good);
    let shell = Shell::of(&machine, 0);
    let offers = offered::is_judged(&machine, &disk, &shell, &packages);
    attacks::change_nothing(&machine, &disk, &shell, &offers);
    refuses_what_it_should(&machine, &disk, &packages);
    let began = leaves_a_broken_one(&machine, &disk, &packages);
    offered::has_a_clock(&machine, began);
    takes_a_good_one(&mut machine, &disk, &packages, &offers);
    goes_back(&machine, &disk);
}

/// What is sent.
pub struct Packages {
    /// What runs.
    pub good: Vec<u8>,
    /// The same, made now.
    pub newer: Vec<u8>,
    /// Its build.
    pub newer_build: String,
    /// Signed with a key that the machine does not know.
    pub foreign: Vec<u8>,
    /// Its slot's root file system holds nothing, and it says that it is older.
    broken: Vec<u8>,
}

impl Packages {
    fn make() -> Packages {
        let folder = opened();
        let slot = folder.join("streamcaster.slot");
        let good = fs::read(folder.join("streamcaster.update")).expect("it is made");
        let stage = target().join(format!("tmp/update-{}", std::process::id()));
        fs::create_dir_all(&stage).expect("a folder");
        let key = stage.join("foreign.key");
        fs::write(&key, "07".repeat(32)).expect("a file");
        let foreign = signed(&slot, &["--key", &key.display().to_string()], &stage);
        let empty = stage.join("empty.slot");
        fs::write(&empty, without_a_root(&fs::read(&slot).expect("it is made"))).expect("a file");
        let broken = ["--version", "0.0.1", "--revision", "broken", "--made", "1"];
        let broken = signed(&empty, &broken, &stage);
        let newer = signed_now(&slot, &stage);
        let newer_build = line(&newer, "build");
        fs::remove_dir_all(&stage).expect("our own folder");
        Packages { good, newer, newer_build, foreign, broken }
    }
}

/// The value of a line of a package's header.
fn line(package: &[u8], word: &str) -> String {
    let header = String::from_utf8_lossy(package.get(..960).expect("a header")).into_owned();
    let line = header.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {word} in {header}")).to_owned()
}

/// A package made now.
pub fn signed_now(slot: &Path, stage: &Path) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    signed(slot, &["--made", &now.to_string()], stage)
}

/// `cargo xtask sign`.
fn signed(slot: &Path, arguments: &[&str], stage: &Path) -> Vec<u8> {
    let output: PathBuf = stage.join("signed.update");
    let mut sign = xtask(&["sign"]);
    sign.arg("--slot").arg(slot).arg("--output").arg(&output).args(arguments);
    let done = sign.output().expect("cargo, which runs this, starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::read(&output).expect("it is made")
}

/// The same slot whose initrd is zeros, which the kernel passes over, with the sum of it: the boot
/// loader finds it whole, and the kernel finds nothing to start.
fn without_a_root(slot: &[u8]) -> Vec<u8> {
    changed(slot, "initrd", |content| content.fill(0))
}

/// The same slot with one of its files changed, and the sum of it.
pub fn changed(slot: &[u8], name: &str, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut other = slot.to_vec();
    let (content, bytes) = member(slot, name);
    let old = hexadecimal(&slot[content..content + bytes]);
    change(&mut other[content..content + bytes]);
    let new = hexadecimal(&other[content..content + bytes]);
    let at = other.windows(old.len()).position(|piece| piece == old.as_bytes());
    let at = at.expect("the slot has the sums of what is in it");
    other[at..at + new.len()].copy_from_slice(new.as_bytes());
    other
}

/// Where what a file of a newc archive holds begins, and how long it is (the kernel's
/// initramfs-buffer-format.rst).
fn member(archive: &[u8], name: &str) -> (usize, usize) {
    let mut at = 0;
    loop {
        let field = |number: usize| {
            let digits = archive.get(at + 6 + number * 8..at + 14 + number * 8);
            let digits = std::str::from_utf8(digits.expect("the archive holds it"));
            usize::from_str_radix(digits.expect("digits"), 16).expect("digits")
        };
        let (bytes, name_bytes) = (field(6), field(11));
        let content = (at + 110 + name_bytes).next_multiple_of(4);
        if &archive[at + 110..at + 109 + name_bytes] == name.as_bytes() {
            return (content, bytes);
        }
        at = (content + bytes).next_multiple_of(4);
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// In the words of its update's header, which holds the same system, and of a debug system loudly.
fn says_which_it_is(machine: &Machine, told: &Value, package: &[u8]) {
    let said = |word: &str| line(package, word);
    for word in ["version", "revision", "kernel", "key", "digest"] {
        assert_eq!((&told[word], &told["slots"]["A"][word]), (&said(word).into(), &told[word]));
    }
    assert_eq!(told["build"].to_string(), said("build"));
    assert_eq!((&told["debug"], said("debug")), (&true.into(), "1".to_owned()), "{told}");
    assert_eq!(told["accepts"], serde_json::json!([said("key")]), "{told}");
    let screen = machine.console();
    assert!(screen.contains("everybody at this console is root"), "{screen}");
    assert!(screen.contains("A DEBUG SYSTEM"), "the daemon's log: {screen}");
    let build = format!("{}, kernel {}, key {}", said("build"), said("kernel"), said("key"));
    assert!(screen.contains(&format!("build      {build}")), "{screen}");
}

/// Each with its code, and the system that runs stays the one that will start.
fn refuses_what_it_should(machine: &Machine, disk: &Disk, packages: &Packages) {
    let Packages { good, foreign, broken, .. } = packages;
    let mut damaged = good.clone();
    damaged[HEADER_BYTES + (5 << 20)] ^= 1;
    let half = &good[..good.len() / 2];
    let none: &[u8] = b"no update at all";
    for (code, package) in [
        ("NOT_AN_UPDATE", none),
        ("WRONG_SIGNATURE", foreign),
        ("OLDER_VERSION", broken),
        ("CUT_SHORT", half),
        ("DAMAGED", &damaged),
    ] {
        let (status, answer) = post(machine, "/api/firmware", package);
        assert!(status >= 400, "{code}: {status} {answer}");
        assert_eq!(answer["code"], code, "{answer}");
        is_untouched(machine, disk, code);
    }
    // Broken off in its middle there is nobody to tell.
    let began = machine.console_end();
    let mut stream = begun(machine, "/api/firmware", good.len());
    stream.write_all(half).expect("the page takes it");
    drop(stream);
    machine.shows_from(began, "the update is incomplete", PATIENCE);
    is_untouched(machine, disk, "broken off");
    let (status, answer) = post(machine, "/api/firmware/rollback", b"");
    assert!(status >= 400, "{answer}");
    assert!(answer["code"] == "NO_OTHER_SYSTEM", "{answer}");
}

pub fn is_untouched(machine: &Machine, disk: &Disk, why: &str) {
    let after = told(machine, "an end of it", |told| told["busy"].is_null());
    let own = (&after["slot"], &after["slots"]["B"], &after["last"]);
    assert_eq!(own, (&"A".into(), &Value::Null, &Value::Null), "{why}: {after}");
    let environment = disk.environment();
    assert!(environment.contains("order=AB\n"), "{why}: {environment}");
    assert!(environment.contains("B_left=0\n"), "{why}: {environment}");
}

/// Allowed although it is older; it has one try, and the machine is back by itself.
/// Where on the console that began.
fn leaves_a_broken_one(machine: &Machine, disk: &Disk, packages: &Packages) -> usize {
    let broken = &packages.broken;
    let began = machine.console_end();
    let order = || post(machine, "/api/firmware?allow_downgrade=1", broken);
    let confirm = |word: &str| {
        let body = format!("{{\"confirmation\":\"{word}\"}}");
        let answer = machine.ask_in("POST", "/api/firmware/confirm", &body).unwrap_or_default();
        answer.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok())
    };
    // The programme's word alone is not enough, nor is a password that only it believes.
    let (status, answer) = order();
    assert_eq!((status, &answer["code"]), (409, &"CONFIRMATION_REQUIRED".into()), "{answer}");
    is_untouched(machine, disk, "unconfirmed");
    assert_eq!(confirm("another"), Some(403));
    assert_eq!(confirm("password"), Some(200));
    let (status, answer) = order();
    assert_eq!(status, 200, "{answer}");
    machine.shows_from(began, "StreamCaster: slot B", PATIENCE);
    machine.shows_from(began, "Kernel panic", PATIENCE);
    machine.shows_from(began, "StreamCaster: slot A", PATIENCE);
    let back = told(machine, "the old system", |told| told["last"]["outcome"] == "fell back");
    println!("a system that does not start: {}", back["last"]);
    assert_eq!((&back["slot"], &back["on_trial"]), (&"A".into(), &false.into()), "{back}");
    assert_eq!(back["last"]["left"], Value::Null, "it did not come far enough to say why");
    assert_eq!(back["can_roll_back"], false, "{back}");
    let environment = disk.environment();
    assert!(environment.contains("order=AB\n"), "{environment}");
    assert!(environment.contains("B_left=0\n"), "{environment}");
    began
}

/// While somebody watches. It comes by the look at what is offered, in its window.
fn takes_a_good_one(machine: &mut Machine, disk: &Disk, packages: &Packages, offers: &Offers) {
    machine.is_healthy(PATIENCE);
    let viewer = Player::start(machine.rtmp, "stream");
    assert!(holds(PATIENCE, || viewer.video_frames() > 25), "nothing is played");
    let (good, began) = (&packages.good, machine.console_end());
    offered::is_installed_in_its_window(machine, offers);
    let sees_the_end = || viewer.look(|seen| seen.end.is_some());
    assert!(holds(PATIENCE, sees_the_end), "the viewer is not told");
    machine.shows_from(began, "StreamCaster: slot B", PATIENCE);
    let on_trial = told(machine, "the new system on air", |told| {
        told["slot"] == "B" && !told["last"]["off_air_s"].is_null()
    });
    println!("updated: {}", on_trial["last"]);
    assert_eq!((&on_trial["on_trial"], &on_trial["can_roll_back"]), (&true.into(), &true.into()));
    assert_eq!(on_trial["last"]["outcome"], "on trial", "{on_trial}");
    let off_air_s = on_trial["last"]["off_air_s"].as_f64().unwrap_or_default();
    assert!((1.0..PATIENCE.as_secs_f64()).contains(&off_air_s), "{off_air_s}");
    machine.is_played(PATIENCE);
    assert!(disk.environment().contains("B_left=0\n"), "one try: {}", disk.environment());

    // What it would go back to is not written over.
    let (status, answer) = post(machine, "/api/firmware", good);
    assert_eq!((status >= 400, &answer["code"]), (true, &"BUSY".into()), "{answer}");
    let by = machine.among_others(|machine| {
        poll(TRIAL, || {
            let told = firmware(machine)?;
            (told["last"]["outcome"] == "confirmed").then_some(told)
        })
    });
    let confirmed = by.unwrap_or_else(|| panic!("not confirmed:\n{}", machine.console_from(began)));
    assert_eq!(confirmed["on_trial"], false, "{confirmed}");
    assert!(disk.environment().contains("B_left=3\n"), "{}", disk.environment());
}

fn goes_back(machine: &Machine, disk: &Disk) {
    let began = machine.console_end();
    let (status, answer) = post(machine, "/api/firmware/rollback", b"");
    assert_eq!(status, 200, "{answer}");
    machine.shows_from(began, "StreamCaster: slot A", PATIENCE);
    let back = told(machine, "slot A on air", |told| {
        told["slot"] == "A" && !told["last"]["off_air_s"].is_null()
    });
    println!("rolled back: {}", back["last"]);
    assert_eq!(back["last"]["what"], "rollback", "{back}");
    assert_eq!(back["on_trial"], true, "{back}");
    let environment = disk.environment();
    assert!(environment.contains("order=AB\n"), "{environment}");
    assert!(environment.contains("A_left=0\n"));
    assert!(environment.contains("B_left=3\n"));
}

/// `GET /api/firmware`.
pub fn firmware(machine: &Machine) -> Option<Value> {
    let answer = machine.ask_in("GET", "/api/firmware", "")?;
    let told: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    (told["available"] == true).then_some(told)
}

/// Waits until it tells what is looked for.
fn told(machine: &Machine, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let mut last = None;
    let found = poll(PATIENCE, || {
        last = firmware(machine).or(last.take());
        last.clone().filter(&is_it)
    });
    found.unwrap_or_else(|| panic!("no {what}, but {last:?}:\n{}", machine.console()))
}

/// Begins to order something: the head is sent.
fn begun(machine: &Machine, path: &str, bytes: usize) -> TcpStream {
    let request = Request::new("POST", path).within(PATIENCE).announce(bytes);
    let request = request.field("Authorization", "Basic dTpwYXNzd29yZA==");
    request.begin(machine.http).expect("the page answers")
}

/// Sends a package; the answer's status and words.
fn post(machine: &Machine, path: &str, package: &[u8]) -> (u16, Value) {
    let mut stream = begun(machine, path, package.len());
    // It may have said no before all has come.
    let _ = stream.write_all(package);
    let answer = Answer::read(&mut stream);
    let told = answer
        .as_ref()
        .and_then(|answer| Some((answer.status, serde_json::from_slice(&answer.body).ok()?)));
    told.unwrap_or_else(|| panic!("{path}: {answer:?}\n{}", machine.console()))
}
