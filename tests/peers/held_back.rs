//! A programme that a destination's platform would not like, held back until it fits.

use serde_json::Value;

use crate::machine;
use crate::media::{Media, SPARSE};
use crate::nginx::Nginx;
use crate::program::Program;
use crate::sender::{Schedule, Sender};
use crate::wait::seconds;

fn told(program: &Program, pointer: &str) -> String {
    program.status().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn key_frames_far_apart_are_held_back_until_they_are_near_again() {
    let media = Media::of(SPARSE);
    let _machine = machine::shared();
    let nginx = Nginx::start();
    let hold = format!("{}on_warning = \"hold\"\n", nginx.as_destination());
    let mut program = Program::start(&hold);
    // Standby has a key frame each second or two.
    program.wait_destination("live", seconds(20));
    let sender = Sender::start(Schedule::of(&media.path), program.udp);
    program.wait_on_air("udp", seconds(3));
    // 10 s until the key frames are known to be far apart, 10 s until that counts.
    program.wait_destination("held", seconds(30));
    let detail = told(&program, "/destinations/0/detail");
    assert!(detail.starts_with("Key frames are 1"), "{detail}");
    sender.stop();
    program.wait_on_air("standby", seconds(5));
    program.wait_destination("live", seconds(30));
    program.assert_well();
    let status = program.terminate(seconds(5)).expect("it ends on SIGTERM");
    assert!(status.success(), "{status}");
    assert_eq!(nginx.recordings().len(), 2, "one broadcast before, one after");
}
