//! What ffmpeg put into the transport stream comes out unchanged and in order: to viewers, and
//! through a push into a real server.

use crate::machine;
use crate::media::{Media, Recipe, B_FRAMES, PLAIN};
use crate::nginx::Nginx;
use crate::player::Player;
use crate::program::Program;
use crate::sender::{Schedule, Sender};
use crate::viewer::{decodes_without_a_word, Viewer};
use crate::wait::{self, seconds};
use crate::whole::whole_run;

/// Frames that must have come in a row.
const FRAMES_MIN: usize = 1000;

#[test]
fn without_b_frames() {
    every_frame_comes_out(PLAIN);
}

#[test]
fn with_b_frames() {
    every_frame_comes_out(B_FRAMES);
}

fn every_frame_comes_out(recipe: Recipe) {
    let media = Media::of(recipe);
    let _machine = machine::shared();
    let nginx = Nginx::start();
    let mut program = Program::start(&nginx.as_destination());
    program.wait_destination("live", seconds(10));
    let sender = Sender::start(Schedule::of(&media.path), program.udp);
    program.wait_on_air("udp", seconds(3));
    let player = Player::start(program.rtmp, "stream");
    let ffmpeg = Viewer::ffmpeg(&program);
    let rtmpdump = Viewer::rtmpdump(&program);
    sender.finish();
    program.wait_on_air("standby", seconds(3));
    // A second of standby behind the last frame: everyone has got that by then.
    let got = player.video_frames();
    assert!(wait::holds(seconds(5), || player.video_frames() > got + 30), "{}", program.told());
    let (by_ffmpeg, file) = ffmpeg.stop();
    let (by_rtmpdump, _) = rtmpdump.stop();
    let by_player = player.stop().frames;
    program.assert_well();
    let status = program.terminate(seconds(5)).expect("it ends on SIGTERM");
    assert!(status.success(), "{status}:\n{}", program.printed());
    let pushed = nginx.recordings().pop().expect("nginx recorded the push");

    for (what, received) in
        [("ffmpeg", &by_ffmpeg), ("rtmpdump", &by_rtmpdump), ("rml_rtmp", &by_player)]
    {
        let (video_at, audio_at) = whole_run(what, received, &media.frames, FRAMES_MIN);
        assert_eq!(video_at, 0, "{what}: the first frame is not of the source on air");
        assert!(audio_at < 5, "{what}: {audio_at} audio frames of something else first");
    }
    let (standby_before, _) = whole_run("nginx", &pushed, &media.frames, FRAMES_MIN);
    assert!(standby_before > 0, "nginx was live before the source came on air");
    decodes_without_a_word(&file);
}
