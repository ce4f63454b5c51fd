//! Sources and servers that go and come back, and the viewer who must not notice.

use std::time::{Duration, Instant};

use crate::frames::{in_order, longest_step_ms, only_grows, runs};
use crate::machine;
use crate::media::{standby, video_of, Media, PLAIN};
use crate::nginx::Nginx;
use crate::player::{Player, Seen};
use crate::program::Program;
use crate::sender::{Schedule, Sender};
use crate::viewer::{decodes_without_a_word, Viewer};
use crate::wait::{self, seconds};

/// Longest time a viewer may be left without a new video frame when the source dies.
const SILENCE_MS_MAX: u128 = 1000;

fn longest_silence_ms(seen: &Seen) -> u128 {
    let arrivals = seen.video_arrivals.iter();
    let pairs = arrivals.clone().zip(arrivals.skip(1));
    pairs.map(|(before, after)| after.duration_since(*before).as_millis()).max().unwrap_or(0)
}

#[test]
fn a_dead_source_is_covered_and_taken_back_at_its_next_idr() {
    let media = Media::of(PLAIN);
    let source = &media.frames.video;
    let schedule = Schedule::of(&media.path);
    let _machine = machine::shared();
    let mut program = Program::start("");
    assert_eq!(program.on_air(), "standby");
    let player = Player::start(program.rtmp, "stream");
    assert!(wait::holds(seconds(5), || player.video_frames() > 70), "{}", program.told());
    let ffmpeg = Viewer::ffmpeg(&program);

    let first = Sender::start(schedule.clone().until(seconds(5)), program.udp);
    program.wait_on_air("udp", seconds(3));
    let silent_since = first.finish();
    program.wait_on_air("standby", seconds(2));
    let until_standby = silent_since.elapsed();
    // Back in mid-GOP: its next IDR is the first frame that can be shown.
    let part = schedule.from(Duration::from_millis(8400)).until(seconds(6));
    let part_file = program.folder().file("part.ts");
    std::fs::write(&part_file, part.bytes()).expect("a file for ffmpeg");
    let shown = video_of(&part_file, program.folder().path());
    let second = Sender::start(part, program.udp);
    program.wait_on_air("udp", seconds(3));
    second.finish();
    program.wait_on_air("standby", seconds(2));
    let got = player.video_frames();
    assert!(wait::holds(seconds(5), || player.video_frames() > got + 30), "{}", program.told());
    let (recorded, file) = ffmpeg.stop();
    let seen = player.stop();
    program.assert_well();

    assert!(until_standby.as_millis() <= SILENCE_MS_MAX, "standby after {until_standby:?}");
    assert!(longest_silence_ms(&seen) <= SILENCE_MS_MAX, "{} ms", longest_silence_ms(&seen));
    for (what, frames) in [("player", &seen.frames), ("ffmpeg", &recorded)] {
        only_grows(&format!("{what} video"), &frames.video);
        only_grows(&format!("{what} audio"), &frames.audio);
        let step = longest_step_ms(&frames.video);
        assert!(u128::try_from(step).is_ok_and(|step| step <= SILENCE_MS_MAX), "{what}: {step} ms");
    }
    let found = runs(&seen.frames.video, source);
    let [before, after] = found.as_slice() else { panic!("not two times on air: {found:?}") };
    assert_eq!(before.source_at, 0, "{before:?}");
    assert!(before.frames + 2 >= 250, "{before:?}: what was sent in 5 s at 50 fps");
    let first_idr = shown.first().expect("the part holds an IDR");
    assert!(first_idr.key);
    let expected = source.iter().position(|frame| frame.digest == first_idr.digest);
    assert_eq!(Some(after.source_at), expected, "not taken back at its next IDR");
    assert!(after.frames + 2 >= shown.len(), "{after:?} of {}", shown.len());
    in_order("video", &seen.frames.video, source, &standby().video);
    in_order("audio", &seen.frames.audio, &media.frames.audio, &standby().audio);
    decodes_without_a_word(&file);
}

#[test]
fn a_server_that_comes_back_is_pushed_to_again_and_viewers_notice_nothing() {
    let media = Media::of(PLAIN);
    let _machine = machine::shared();
    let mut nginx = Nginx::start();
    let mut program = Program::start(&nginx.as_destination());
    program.wait_destination("live", seconds(10));
    let sender = Sender::start(Schedule::of(&media.path), program.udp);
    program.wait_on_air("udp", seconds(3));
    let player = Player::start(program.rtmp, "stream");
    assert!(wait::holds(seconds(5), || player.video_frames() > 50), "{}", program.told());

    nginx.kill();
    program.wait_destination("backing_off", seconds(5));
    let down = player.video_frames();
    // Nine seconds: long enough for the pauses between tries to have grown to their longest.
    let long_down = || player.video_frames() > down + 9 * 50;
    assert!(wait::holds(seconds(15), long_down), "{}", program.told());
    nginx.restart();
    let back = Instant::now();
    program.wait_destination("live", seconds(6));
    let until_live = back.elapsed();
    let live = player.video_frames();
    assert!(wait::holds(seconds(8), || player.video_frames() > live + 100), "{}", program.told());
    sender.stop();
    let seen = player.stop();
    program.assert_well();
    let status = program.terminate(seconds(5)).expect("it ends on SIGTERM");
    assert!(status.success(), "{status}");

    assert!(until_live <= seconds(5), "live {until_live:?} after its return");
    assert_eq!(runs(&seen.frames.video, &media.frames.video).len(), 1, "the viewer missed frames");
    assert!(longest_silence_ms(&seen) < 500, "{} ms", longest_silence_ms(&seen));
    only_grows("video", &seen.frames.video);
    only_grows("audio", &seen.frames.audio);
    let recordings = nginx.recordings();
    assert_eq!(recordings.len(), 2, "one recording before the outage and one after");
    for recording in recordings {
        let video = runs(&recording.video, &media.frames.video);
        assert_eq!(video.len(), 1, "{video:?}");
        assert!(recording.video.first().is_some_and(|frame| frame.key), "starts with a keyframe");
    }
}
