//! The beginning and the end: nothing configured, and an orderly stop.

use std::time::Instant;

use crate::child::signal;
use crate::machine;
use crate::nginx::Nginx;
use crate::player::Player;
use crate::program::{get, Program};
use crate::viewer::Viewer;
use crate::wait::{self, seconds};

#[test]
fn with_nothing_configured_the_card_is_on_air_and_the_ports_answer() {
    let program = Program::start("");
    assert_eq!(program.on_air(), "standby");
    let player = Player::start(program.rtmp, "stream");
    assert!(wait::holds(seconds(2), || player.video_frames() > 0), "{}", program.told());
    assert!(player.look(|seen| seen.frames.video.first().is_some_and(|frame| frame.key)));
    assert!(get(program.http, "/").contains("StreamCaster"));
    assert!(get(program.http, "/api/health").contains("\"status\""));
    assert_eq!(get(program.stat, "/health").trim(), "healthy");
    assert!(get(program.stat, "/stat").contains("<rtmp>"));
}

#[test]
fn sigterm_ends_pushes_and_viewers_in_order() {
    let _machine = machine::shared();
    let nginx = Nginx::start();
    let mut program = Program::start(&nginx.as_destination());
    program.wait_destination("live", seconds(10));
    let player = Player::start(program.rtmp, "stream");
    let _dump = Viewer::rtmpdump(&program);
    assert!(wait::holds(seconds(5), || player.video_frames() > 30), "{}", program.told());
    assert!(!nginx.push_ended_politely(), "{}", nginx.log());
    let asked = Instant::now();
    let status = program.terminate(seconds(5)).expect("it ends on SIGTERM");
    assert!(status.success(), "{status}:\n{}", program.printed());
    assert!(asked.elapsed() <= seconds(4), "took {:?}", asked.elapsed());
    assert!(!program.printed().contains("panicked"), "{}", program.printed());
    let politely = wait::holds(seconds(2), || nginx.push_ended_politely());
    assert!(politely, "the push was cut off:\n{}", nginx.log());
    assert!(wait::holds(seconds(2), || player.look(|seen| seen.end.is_some())), "still connected");
}

#[test]
fn sigint_ends_it_as_well() {
    let mut program = Program::start("");
    signal(program.pid(), "INT");
    let status = program.ended(seconds(5)).expect("it ends on SIGINT");
    assert!(status.success(), "{status}:\n{}", program.printed());
}
