//! Updates and going back over real sockets, with a stand-in for the update service.

use std::fs;
use std::sync::mpsc::{channel, Receiver, Sender};

use serde_json::{json, Value};
use streamcaster::base::limits::{FIRMWARE_LINE_BYTES_MAX, FIRMWARE_REQUEST_BYTES_MAX};

use super::openapi::{check_answer, document};
use super::*;
use test_support::peers::update_service::{fresh, length, system, take, tell, Appliance};

const INSTALLED: &str = r#"{"done":"installed","version":"0.2.0","revision":"abc1234","slot":"B"}"#;

fn appliance(name: &str) -> Appliance {
    let name = format!("firmware-{name}-{}", std::process::id());
    Appliance::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
}

fn control_of(appliance: &Appliance) -> ControlHandle {
    let board = Board::default();
    board.publish(snapshot());
    let appliance = appliance.folder().to_owned();
    start(ControlOptions { appliance, ..options(ANY, ANY, board) }).expect("two free ports")
}

/// A request that brings a package, which follows behind it.
fn head(query: &str, bytes: usize) -> Request {
    Request::new("POST", &format!("/api/firmware{query}")).fields(BEARER).announce(bytes)
}

/// What is told, held against the document.
fn told(template: &str, answer: &str) -> (u16, Value) {
    check_answer(&document(), template, "POST", answer);
    (status(answer), serde_json::from_str(body(answer)).expect("JSON"))
}

fn send(to: SocketAddr, query: &str, package: &[u8]) -> (u16, Value) {
    let mut stream = connect(to);
    head(query, package.len()).write(&mut stream).expect("sent");
    stream.write_all(package).expect("sent");
    told("/api/firmware", &String::from_utf8_lossy(&rest(&mut stream)))
}

fn roll_back(to: SocketAddr) -> (u16, Value) {
    let template = "/api/firmware/rollback";
    told(template, &say(to, post(template, "", "").as_bytes()))
}

/// Bytes that are nowhere alike.
fn package(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(11);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).expect("JSON")
}

#[test]
fn a_package_reaches_the_service_byte_for_byte() {
    let appliance = appliance("whole");
    let (came, packages): (Sender<_>, Receiver<(Value, Vec<u8>)>) = channel();
    appliance.serve(move |order, line| {
        let (mut taken, whole) = (Vec::new(), length(order));
        while taken.len() < whole as usize {
            let part = take(line, (whole - taken.len() as u64).min(1 << 20));
            assert!(!part.is_empty(), "it ends after {}", taken.len());
            taken.extend(part);
            tell(line, &json!({"progress": "writing", "bytes": taken.len(), "of": whole}));
        }
        tell(line, &json!({"progress": "verifying"}));
        came.send((order.clone(), taken)).expect("the test waits");
        tell(line, &json(INSTALLED));
    });
    let control = control_of(&appliance);
    let whole = package(20_000_000);
    let (status, answer) = send(control.http(), "", &whole);
    assert_eq!((status, &answer["version"]), (200, &"0.2.0".into()), "{answer}");
    assert_eq!((&answer["revision"], &answer["slot"]), (&"abc1234".into(), &"B".into()));
    let (order, taken) = packages.recv_timeout(GUARD).expect("a package");
    let wanted = json!({
        "order": "install", "bytes": whole.len(), "allow_downgrade": false, "allow_debug": false,
    });
    assert_eq!(order, wanted);
    assert!(taken == whole, "it came otherwise than it was sent");
    // And again, an older one.
    let (status, _) = send(control.http(), "?allow_downgrade=1", &whole[..5]);
    let (order, taken) = packages.recv_timeout(GUARD).expect("a package");
    assert_eq!((status, &order["allow_downgrade"]), (200, &true.into()));
    assert_eq!(taken, whole[..5]);
}

#[test]
fn what_the_service_refuses_is_told_before_the_rest_is_taken() {
    for (wanted, code) in [
        (422, "WRONG_SIGNATURE"),
        (422, "NOT_AN_UPDATE"),
        (409, "OLDER_VERSION"),
        (409, "CONFIRMATION_REQUIRED"),
        (409, "TOO_OLD"),
        (422, "CUT_SHORT"),
        (422, "DAMAGED"),
        (413, "TOO_LARGE"),
        (500, "DISK"),
        (503, "BUSY"),
        (409, "NO_OTHER_SYSTEM"),
        (400, "INVALID_REQUEST"),
    ] {
        let appliance = appliance(code);
        let words = format!("{code}, in words.");
        let line = json!({"error": words, "code": code});
        appliance.serve(move |_, connection| {
            take(connection, 1024);
            tell(connection, &line);
        });
        let control = control_of(&appliance);
        let (status, answer) = send(control.http(), "", &package(6 << 20));
        assert_eq!((status, &answer["code"]), (wanted, &code.into()), "{answer}");
        assert_eq!(answer["error"], words.as_str());
        let lines = get(control.http(), "/api/logs?type=audit&lines=500", "");
        let ended = format!("install an update, from 127.0.0.1: refused ({wanted} {code})");
        for line in ["install an update by probe from 127.0.0.1: begun", &ended] {
            assert!(lines.contains(line), "{line} is not in {lines}");
        }
    }
}

#[test]
fn a_confirmation_is_judged_by_the_service() {
    let appliance = appliance("confirm");
    appliance.serve(|order, line| {
        assert_eq!(order["order"], "confirm");
        match order["confirmation"].as_str() {
            Some("good") => tell(line, &json!({"taken": "0.0.9 (abc1234)"})),
            Some("late") => tell(line, &json!({"error": "None.", "code": "NOTHING_TO_CONFIRM"})),
            _ => tell(line, &json!({"error": "Neither.", "code": "WRONG_CONFIRMATION"})),
        }
    });
    let control = control_of(&appliance);
    let template = "/api/firmware/confirm";
    let confirm =
        |body: &str| told(template, &say(control.http(), post(template, "", body).as_bytes()));
    let (status, answer) = confirm(r#"{"confirmation":"good"}"#);
    assert_eq!((status, answer["success"].as_bool()), (200, Some(true)), "{answer}");
    for (body, wanted, code) in [
        (r#"{"confirmation":"bad"}"#, 403, "WRONG_CONFIRMATION"),
        (r#"{"confirmation":"late"}"#, 409, "NOTHING_TO_CONFIRM"),
        (r#"{"confirmation":7}"#, 400, "INVALID_REQUEST"),
        ("{}", 400, "INVALID_REQUEST"),
    ] {
        let (status, answer) = confirm(body);
        assert_eq!((status, &answer["code"]), (wanted, &code.into()), "{body}: {answer}");
    }
    let lines = get(control.http(), "/api/logs?type=audit&lines=500", "");
    assert!(lines.contains("confirm an older system") && !lines.contains("good"), "{lines}");
}

#[test]
fn going_back_is_asked_of_the_service() {
    let appliance = appliance("back");
    appliance.serve(|order, line| {
        assert_eq!(order, &json!({"order": "rollback"}));
        let done =
            json!({"done": "rolling back", "version": "0.1.0", "revision": "f141df0", "slot": "A"});
        tell(line, &done);
    });
    let control = control_of(&appliance);
    let (status, answer) = roll_back(control.http());
    assert_eq!((status, &answer["version"]), (200, &"0.1.0".into()), "{answer}");
}

#[test]
fn a_service_that_is_away_breaks_off_or_babbles_is_told_as_such() {
    let absent = appliance("absent");
    let control = control_of(&absent);
    for (status, answer) in [send(control.http(), "", &package(9)), roll_back(control.http())] {
        assert_eq!((status, &answer["code"]), (503, &"SYSTEM_ERROR".into()), "{answer}");
        assert!(answer["error"]
            .as_str()
            .is_some_and(|words| words.contains("nothing was changed")));
    }
    let dies = appliance("dies");
    dies.serve(|_, line| drop(take(line, 1 << 20)));
    let babbles = appliance("babbles");
    babbles.serve(|_, line| tell(line, &"x".repeat(FIRMWARE_LINE_BYTES_MAX + 1).into()));
    for (service, word) in [(dies, "broke off"), (babbles, "is not valid")] {
        let control = control_of(&service);
        let (status, answer) = send(control.http(), "", &package(4 << 20));
        assert_eq!((status, &answer["code"]), (503, &"SYSTEM_ERROR".into()), "{answer}");
        assert!(answer["error"].as_str().is_some_and(|words| words.contains(word)), "{answer}");
    }
}

/// A service that hands on how many bytes came of each package.
fn counting(appliance: &Appliance) -> Receiver<usize> {
    let (came, packages) = channel();
    appliance.serve(move |order, line| {
        let taken = take(line, length(order)).len();
        if taken as u64 == length(order) {
            tell(line, &json(INSTALLED));
        }
        let _ = came.send(taken);
    });
    packages
}

#[test]
fn a_client_that_leaves_is_noticed_and_leaves_the_way_free() {
    let appliance = appliance("cut");
    let packages = counting(&appliance);
    let control = control_of(&appliance);
    let mut stream = connect(control.http());
    head("", 1 << 20).write(&mut stream).expect("sent");
    stream.write_all(&package(300_000)).expect("sent");
    drop(stream);
    // Of the last, broken piece nothing is handed on.
    let came = packages.recv_timeout(GUARD).expect("the service is told");
    assert!((200_000..=300_000).contains(&came), "{came}");
    let (status, _) = send(control.http(), "", &package(1 << 20));
    assert_eq!((status, packages.recv_timeout(GUARD)), (200, Ok(1 << 20)));
}

#[test]
fn a_client_that_stops_sending_is_told_and_leaves_the_way_free() {
    let appliance = appliance("slow");
    let packages = counting(&appliance);
    let control = control_of(&appliance);
    let mut stream = connect(control.http());
    head("", 1 << 20).write(&mut stream).expect("sent");
    stream.write_all(&package(5)).expect("sent");
    let answer = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
    let (status, answer) = told("/api/firmware", &answer);
    assert_eq!((status, &answer["code"]), (408, &"CUT_SHORT".into()), "{answer}");
    assert!(packages.recv_timeout(GUARD).is_ok_and(|came| came <= 5));
    let (status, _) = send(control.http(), "", &package(10));
    assert_eq!((status, packages.recv_timeout(GUARD)), (200, Ok(10)));
}

#[test]
fn one_order_at_a_time() {
    let appliance = appliance("busy");
    let (begun, begins) = channel();
    let (go_on, may_go_on) = channel::<()>();
    appliance.serve(move |order, line| {
        begun.send(()).expect("the test waits");
        may_go_on.recv().expect("the test lets it");
        take(line, length(order));
        tell(line, &json(INSTALLED));
    });
    let control = control_of(&appliance);
    let to = control.http();
    let first = std::thread::spawn(move || send(to, "", &package(1 << 20)));
    begins.recv_timeout(GUARD).expect("it begins");
    for (status, answer) in [send(to, "", &package(100)), roll_back(to)] {
        assert_eq!((status, &answer["code"]), (503, &"BUSY".into()), "{answer}");
    }
    // Everything else is told meanwhile.
    assert_eq!(status(&get(to, "/api/status", "")), 200);
    go_on.send(()).expect("it waits");
    assert_eq!(first.join().expect("no panic").0, 200);
}

#[test]
fn who_may_not_is_refused_before_the_service_is_asked() {
    let appliance = appliance("rights");
    appliance.serve(|order, _| panic!("it is asked for {order}"));
    let folder = appliance.folder().to_owned();
    let control = super::auth::guarded_on(folder);
    for path in ["", "/rollback"] {
        let request = written(&head(path, 3)) + "abc";
        assert_eq!(status(&say(control.http(), request.as_bytes())), 401, "{path}");
    }
    assert_eq!(status(&get(control.http(), "/api/firmware", "")), 401);
    let control = control_of(&appliance);
    let foreign = "Origin: https://example.org\r\nSec-Fetch-Site: cross-site\r\n";
    let package = written(&head("", 3).fields(foreign)) + "abc";
    let back = post("/api/firmware/rollback", foreign, "");
    for (template, request) in [("/api/firmware", package), ("/api/firmware/rollback", back)] {
        let (status, answer) = told(template, &say(control.http(), request.as_bytes()));
        assert_eq!((status, &answer["code"]), (403, &"FORBIDDEN".into()), "{answer}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_the_service_is_asked() {
    let appliance = appliance("sense");
    appliance.serve(|order, _| panic!("it is asked for {order}"));
    let to = control_of(&appliance);
    let to = to.http();
    let refused = |request: String, wanted: u16, code: &str| {
        let (status, answer) = told("/api/firmware", &say(to, request.as_bytes()));
        assert_eq!((status, &answer["code"]), (wanted, &code.into()), "{request}: {answer}");
    };
    let kind = |kind| {
        let request = Request::new("POST", "/api/firmware").fields(BEARER);
        written(&request.field("Content-Type", kind).body(b"abc"))
    };
    let too_large = head("", FIRMWARE_REQUEST_BYTES_MAX as usize + 1);
    refused(written(&head("?allow_downgrade=maybe", 3)) + "abc", 400, "INVALID_REQUEST");
    refused(written(&head("", 0)), 400, "INVALID_REQUEST");
    refused(written(&too_large), 413, "TOO_LARGE");
    refused(kind("application/json"), 415, "INVALID_REQUEST");
    refused(kind("application/x-tar"), 415, "INVALID_REQUEST");
}

#[test]
fn the_state_is_told_where_there_is_an_appliance() {
    let state = |control: &ControlHandle| {
        let answer = get(control.http(), "/api/firmware", "");
        check_answer(&document(), "/api/firmware", "GET", &answer);
        assert_eq!(status(&answer), 200);
        json(body(&answer))
    };
    let appliance = appliance("state");
    let none = control();
    let untold = state(&none);
    assert_eq!((&untold["success"], &untold["available"]), (&true.into(), &false.into()));
    for (status, answer) in [send(none.http(), "", &package(9)), roll_back(none.http())] {
        assert_eq!((status, &answer["code"]), (409, &"NOT_AN_APPLIANCE".into()), "{answer}");
    }
    let control = control_of(&appliance);
    assert_eq!(state(&control)["available"], false, "nothing is told yet");
    appliance.write_down(&fresh());
    let mut wanted = fresh();
    (wanted["success"], wanted["available"]) = (true.into(), true.into());
    wanted["latest"] = Value::Null;
    assert_eq!(state(&control), wanted);
    let mut changed = fresh();
    changed["last"] = json!({
        "what": "update", "slot": "B", "from": "0.1.0 (f141df0)", "to": "0.2.0 (abc1234)",
        "at": "2026-11-22T22:00:00Z", "outcome": "fell back", "off_air_s": 41.2,
        "left": {"why": "silent", "detail": "no answer"},
    });
    changed["slots"]["B"] = system("0.2.0", "abc1234", 0);
    appliance.write_down(&changed);
    assert_eq!(state(&control)["last"], changed["last"]);
    fs::write(appliance.folder().join("firmware.json"), "{").expect("written");
    assert_eq!(state(&control)["available"], false);
}
