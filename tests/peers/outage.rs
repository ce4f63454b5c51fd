//! Sources and servers that go and come back, and the viewer who must not notice.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::frames::{in_order, longest_step_ms, only_grows, runs};
use crate::machine;
use crate::media::{standby, video_of, Media, PLAIN};
use crate::nginx::Nginx;
use crate::player::{Player, Seen};
use crate::program::{number, text, Program};
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
fn a_backup_takes_the_push_while_the_first_address_is_away_or_says_no() {
    let _machine = machine::shared();
    let mut first = Nginx::start();
    let second = Nginx::start();
    let backup = format!("backup_url = \"{}\"\n", second.url());
    let mut program = Program::start(&(first.as_destination() + &backup));
    let address = |program: &Program| text(&program.status(), "/destinations/0/url");
    program.wait_destination("live", seconds(10));
    assert_eq!(address(&program), first.url());
    first.kill();
    let on = |url: &str| {
        let told = program.status();
        text(&told, "/destinations/0/state") == "live" && text(&told, "/destinations/0/url") == url
    };
    assert!(wait::holds(seconds(20), || on(&second.url())), "{}", program.told());
    first.restart();
    drop(second);
    assert!(wait::holds(seconds(20), || on(&first.url())), "{}", program.told());
    program.assert_well();
    // One that says no: this program's own port, which takes no other application.
    let refusing = format!(
        "[[destination]]\nname = \"other\"\nurl = \"rtmp://{}/other\"\nbackup_url = \"{}\"\n\
         key = \"other\"\n",
        program.rtmp,
        first.url()
    );
    let mut other = Program::start(&refusing);
    other.wait_destination("live", seconds(10));
    assert_eq!(address(&other), first.url());
    other.assert_well();
}

/// The time of day is the next minute but one at the latest, so this takes a minute and a half at most.
#[test]
fn a_session_that_is_to_end_ends_politely_and_the_next_one_begins_with_a_key_frame() {
    let _machine = machine::shared();
    let nginx = Nginx::start();
    // A minute that begins while the program starts would be tomorrow's.
    let soon = SystemTime::now() + seconds(15);
    let s = soon.duration_since(UNIX_EPOCH).expect("a clock").as_secs() / 60 * 60 + 60;
    let at = format!("{:02}:{:02}", s / 3600 % 24, s / 60 % 60);
    let planned = format!("reconnect = \"{at}\"\nreconnect_pause_s = 1\n");
    let mut program = Program::start(&(nginx.as_destination() + &planned));
    program.wait_destination("live", seconds(10));
    let sessions = || number(&program.status(), "/destinations/0/sessions");
    assert!(wait::holds(seconds(100), || sessions() == 2), "{}", program.told());
    assert!(nginx.push_ended_politely(), "{}", nginx.log());
    assert!(program.printed().contains("its session has ended as planned"));
    let recorded = nginx.recordings();
    let [before, ..] = recorded.as_slice() else { panic!("nginx recorded no push") };
    let shown = runs(&before.video, &standby().video);
    let whole = standby().video.len();
    let end = shown.last().map(|run| (run.source_at + run.frames) % whole);
    let next = end.and_then(|at| standby().video.get(at).map(|frame| frame.key));
    assert_eq!(next, Some(true), "what follows the end is a key frame: {shown:?}");
    program.assert_well();
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
