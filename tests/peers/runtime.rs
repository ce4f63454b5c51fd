//! Settings that change while the programme runs: destinations come, change and go, and neither
//! the other destinations nor the viewers notice; what was changed is there after a restart.

use std::fs;
use std::sync::Arc;

use serde_json::Value;

use crate::frames::only_grows;
use crate::machine;
use crate::nginx::Nginx;
use crate::player::Player;
use crate::program::{get, number, text, Folder, Program};
use crate::wait::{self, seconds};

const KEY: &str = "live_9988_sTrEaMkEy77";

fn ask(program: &Program, method: &str, path: &str, json: &str) -> Value {
    let (status, body) = program.ask(method, path, json).expect("an answer");
    assert!((200..300).contains(&status), "{method} {path}: {status} {body}");
    serde_json::from_str(&body).expect("JSON")
}

/// One of the destinations by its name; nothing when there is none.
fn destination(program: &Program, name: &str) -> Value {
    let told: Value = serde_json::from_str(&get(program.http, "/api/destinations")).expect("JSON");
    let list = told["destinations"].as_array().expect("a list");
    list.iter().find(|each| each["name"] == name).cloned().unwrap_or_default()
}

fn wait_state(program: &Program, name: &str, state: &str) {
    let reached = || text(&destination(program, name), "/state") == state;
    assert!(wait::holds(seconds(10), reached), "{name} not {state}:\n{}", program.told());
}

fn wait_sessions(program: &Program, name: &str, sessions: u64) {
    let reached = || {
        let told = destination(program, name);
        number(&told, "/sessions") == sessions && text(&told, "/state") == "live"
    };
    assert!(wait::holds(seconds(10), reached), "{name} not at {sessions}:\n{}", program.told());
}

#[test]
fn destinations_change_and_nobody_else_notices() {
    let _machine = machine::shared();
    let (steady, other) = (Nginx::start(), Nginx::start());
    let folder = Arc::new(Folder::new());
    let udp = ["--udp", "127.0.0.1:0"];
    let config = format!("# by hand\n{}", steady.as_destination());
    let any = "127.0.0.1:0";
    let mut program = Program::start_in(Arc::clone(&folder), any, &config, &udp, &[]);
    wait_state(&program, "nginx", "live");
    let player = Player::start(program.rtmp, "stream");

    let added = format!("{{\"name\":\"two\",\"url\":\"{}/{KEY}\"}}", other.url());
    ask(&program, "POST", "/api/destinations", &added);
    wait_sessions(&program, "two", 1);
    ask(&program, "POST", "/api/destinations/two/restart", "");
    wait_sessions(&program, "two", 2);
    assert!(other.push_ended_politely(), "{}", other.log());
    ask(&program, "PUT", "/api/destinations/two", "{\"key\":\"another_key_of_mine\"}");
    wait_sessions(&program, "two", 3);
    ask(&program, "PUT", "/api/destinations/two", "{\"enabled\":false}");
    wait_state(&program, "two", "idle");
    ask(&program, "PUT", "/api/destinations/two", "{\"enabled\":true}");
    wait_sessions(&program, "two", 4);
    let told = destination(&program, "two");
    assert_eq!(text(&told, "/key"), "••••mine");
    assert_eq!(text(&told, "/url"), other.url());
    let first = destination(&program, "nginx");
    assert_eq!(number(&first, "/sessions"), 1, "the other one goes on: {first}");
    for shown in [get(program.http, "/api/destinations"), program.printed()] {
        assert!(!shown.contains(KEY), "{shown}");
        assert!(!shown.contains("another_key_of_mine"), "{shown}");
    }

    let got = player.video_frames();
    assert!(wait::holds(seconds(5), || player.video_frames() > got + 30), "{}", program.told());
    only_grows("a viewer's video", &player.stop().frames.video);
    program.assert_well();
    assert!(program.terminate(seconds(5)).is_some_and(|status| status.success()));
    let recordings = steady.recordings();
    assert_eq!(recordings.len(), 1, "one push, all the time");
    only_grows("the other destination's video", &recordings[0].video);

    let kept = fs::read_to_string(folder.file("data").join("config.toml")).expect("the file");
    assert!(kept.starts_with("# by hand\n"), "{kept}");
    let again = Program::start_in(Arc::clone(&folder), any, &kept, &udp, &[]);
    wait_state(&again, "two", "live");
    ask(&again, "DELETE", "/api/destinations/two", "");
    let gone = || destination(&again, "two").is_null();
    assert!(wait::holds(seconds(5), gone), "{}", again.told());
    let status = || again.status()["destinations"].as_array().map_or(0, Vec::len) == 1;
    assert!(wait::holds(seconds(5), status), "{}", again.told());
}

#[test]
fn the_program_begins_again_in_its_own_place() {
    let _machine = machine::shared();
    let mut program = Program::start("[rtmp]\nviewers_max = 9\n");
    ask(&program, "PATCH", "/api/settings", "{\"rtmp.viewers_max\":11,\"log.level\":\"debug\"}");
    let told: Value = serde_json::from_str(&get(program.http, "/api/settings")).expect("JSON");
    assert_eq!(told["restart_needed"], true, "{told}");
    ask(&program, "POST", "/api/restart", "");
    let twice = || program.printed().matches("ready").count() == 2;
    assert!(wait::holds(seconds(20), twice), "{}", program.printed());
    let printed = program.printed();
    let http = printed.rsplit_once("listening: http ").expect("it tells").1;
    let http = http.split_whitespace().next().and_then(|word| word.parse().ok());
    let told: Value =
        serde_json::from_str(&get(http.expect("an address"), "/api/settings")).expect("JSON");
    assert_eq!(told["restart_needed"], false, "{told}");
    assert!(program.terminate(seconds(5)).is_some_and(|status| status.success()));
}
