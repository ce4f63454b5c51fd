//! Publishers: what they send comes out unchanged; who may, who takes over, who is sent away.

use std::path::Path;
use std::process::Command;

use crate::child::{output_of, Tool};
use crate::encoder::Encoder;
use crate::frames::{one_run, only_grows, same_distances, Recording};
use crate::machine;
use crate::media::{Media, OTHER, SMALL};
use crate::player::Player;
use crate::program::Program;
use crate::wait::{self, seconds};

const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];
const KEY: &str = "correct-horse-battery";

/// ffmpeg, publishing a file in real time without touching it.
fn ffmpeg(program: &Program, media: &Media, url: &str) -> Tool {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "info", "-re", "-i"]).arg(&media.path);
    command.args(["-c", "copy", "-f", "flv", url]);
    Tool::start(&mut command, program.folder().path(), "publisher")
}

/// Asserts that all but the very last frames were received as they are.
fn compare(what: &str, received: &Recording, source: &Recording) {
    let (video, audio) = (source.video.len(), source.audio.len());
    let video = one_run(&format!("{what} video"), &received.video, &source.video, video - 2);
    let audio = one_run(&format!("{what} audio"), &received.audio, &source.audio, audio - 20);
    let first = received.video.get(video.received_at).expect("the run begins within");
    assert!(first.key, "{what}: the source comes on air with {first:?}");
    same_distances(what, received, source, [video, audio]);
    only_grows(&format!("{what} video"), &received.video);
    only_grows(&format!("{what} audio"), &received.audio);
}

#[test]
fn every_frame_of_ffmpeg_comes_out_through_an_origin_and_an_edge() {
    let media = Media::of(SMALL);
    let _machine = machine::shared();
    let mut origin = Program::start("");
    let mut edge = Program::start(&format!("[input.pull]\nurl = \"{}\"\n", origin.play_url()));
    edge.wait_on_air("pull", seconds(10));
    let near = Player::start(origin.rtmp, "stream");
    let far = Player::start(edge.rtmp, "stream");
    assert!(wait::holds(seconds(5), || near.video_frames() > 0 && far.video_frames() > 0));
    let mut publisher = ffmpeg(&origin, &media, &origin.play_url());
    origin.wait_on_air("rtmp", seconds(5));
    let ended = publisher.ended(seconds(30)).expect("ffmpeg ends with its file");
    assert!(ended.success(), "{}\n{}", publisher.output(), origin.printed());
    origin.wait_on_air("standby", seconds(3));
    let got = far.video_frames();
    assert!(wait::holds(seconds(5), || far.video_frames() > got + 30), "{}", edge.told());
    compare("origin", &near.stop().frames, &media.frames);
    compare("edge", &far.stop().frames, &media.frames);
    origin.assert_well();
    edge.assert_well();
}

#[test]
fn every_frame_of_another_publisher_comes_out() {
    let media = Media::of(SMALL);
    let _machine = machine::shared();
    let mut program = Program::start("");
    let player = Player::start(program.rtmp, "stream");
    assert!(wait::holds(seconds(5), || player.video_frames() > 0), "{}", program.told());
    let file = media.path.with_extension("flv");
    let encoder = Encoder::start(program.rtmp, HERE, "stream", Some(&file));
    program.wait_on_air("rtmp", seconds(5));
    program.wait_on_air("standby", seconds(20));
    let got = player.video_frames();
    assert!(wait::holds(seconds(5), || player.video_frames() > got + 30), "{}", program.told());
    compare("rml_rtmp", &player.stop().frames, &media.frames);
    assert_eq!(encoder.told().end, None, "it may pause");
    program.assert_well();
}

#[test]
fn an_edge_finds_its_origin_again() {
    let _machine = machine::shared();
    let origin = Program::start("");
    let at = origin.rtmp.to_string();
    let edge = Program::start(&format!("[input.pull]\nurl = \"rtmp://{at}/live/stream\"\n"));
    edge.wait_on_air("pull", seconds(10));
    let player = Player::start(edge.rtmp, "stream");
    drop(origin);
    edge.wait_on_air("standby", seconds(3));
    let again = Program::start_at(&at, "");
    edge.wait_on_air("pull", seconds(10));
    let got = player.video_frames();
    assert!(wait::holds(seconds(5), || player.video_frames() > got + 30), "{}", edge.told());
    let seen = player.stop();
    only_grows("video over the restart", &seen.frames.video);
    drop(again);
}

#[test]
fn a_key_lets_in_and_a_wrong_one_does_not_and_is_not_shown() {
    let media = Media::of(SMALL);
    let _machine = machine::shared();
    let config = format!(
        "[input.rtmp]\nkey = \"{KEY}\"\nallow = [\"127.0.0.2/32\"]\n[log]\nlevel = \"trace\"\n"
    );
    let mut program = Program::start(&config);
    let server = format!("rtmp://{}/live", program.rtmp);
    let near_miss = format!("{KEY}7");
    for url in [
        format!("{server}/stream"),
        format!("{server}/{near_miss}"),
        format!("{server}/stream?key={near_miss}"),
        format!("{server}?key={near_miss}/stream"),
    ] {
        let started = std::time::Instant::now();
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "info", "-re", "-i"]).arg(&media.path);
        let (well, told) = output_of(command.args(["-c", "copy", "-f", "flv", &url]));
        assert!(!well, "{url}:\n{told}");
        assert!(told.contains("A valid stream key is required"), "{url}:\n{told}");
        assert!(started.elapsed() >= seconds(1), "{url} is answered at once");
        assert!(started.elapsed() < seconds(6), "{url} is left to hang");
    }
    assert_eq!(program.on_air(), "standby");
    for (from, name) in [(HERE, KEY), (HERE, &format!("stream?key={KEY}")), (ELSEWHERE, "stream")] {
        let file = media.path.with_extension("flv");
        let encoder = Encoder::start(program.rtmp, from, name, Some(&file));
        let on_air = || program.on_air() == "rtmp" && encoder.told().end.is_none();
        assert!(wait::holds(seconds(5), on_air), "{from:?}: {}", program.told());
        drop(encoder);
        program.wait_on_air("standby", seconds(3));
    }
    program.assert_well();
    assert!(!program.printed().contains(KEY), "{}", program.printed());
}

#[test]
fn publishing_can_be_switched_off_and_the_refusal_names_the_setting_that_is_missing() {
    let media = Media::of(SMALL);
    let _machine = machine::shared();
    for (config, words) in [
        ("[input.rtmp]\nenabled = false\n", "does not take publishers"),
        ("[input.rtmp]\nallow = [\"10.0.0.0/8\"]\n", "set key in [input.rtmp]"),
    ] {
        let program = Program::start(config);
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "info", "-re", "-i"]).arg(&media.path);
        let (well, told) =
            output_of(command.args(["-c", "copy", "-f", "flv", &program.play_url()]));
        assert!(!well, "{config}:\n{told}");
        assert!(told.contains(words), "{config}:\n{told}");
    }
}

#[test]
fn a_publisher_that_sends_keeps_its_place_but_for_the_key() {
    let (first, second) = (Media::of(SMALL), Media::of(OTHER));
    let _machine = machine::shared();
    let mut program = Program::start(&format!("[input.rtmp]\nkey = \"{KEY}\"\n"));
    let flv = |media: &Media| media.path.with_extension("flv");
    let start = |from, file: &Path| Encoder::start(program.rtmp, from, "stream", Some(file));
    let by_key = |from, file: &Path| Encoder::start(program.rtmp, from, KEY, Some(file));
    let is_refused = |who: &Encoder, holder: &Encoder| {
        assert!(wait::holds(seconds(5), || who.told().end.is_some()), "{}", program.told());
        assert!(!who.told().accepted, "{}", program.told());
        assert!(holder.told().end.is_none(), "{}", program.told());
    };
    let stale = start(HERE, &flv(&first));
    program.wait_on_air("rtmp", seconds(5));
    // From elsewhere, and another behind the same address.
    is_refused(&start(ELSEWHERE, &flv(&second)), &stale);
    is_refused(&start(HERE, &flv(&second)), &stale);
    let player = Player::start(program.rtmp, "stream");
    let returned = by_key(ELSEWHERE, &flv(&second));
    assert!(wait::holds(seconds(5), || stale.told().end.is_some()), "{}", program.told());
    is_refused(&start(HERE, &flv(&first)), &returned);
    is_refused(&by_key(HERE, &flv(&first)), &returned);
    let frames = second.frames.video.len();
    let shown = || {
        player.look(|seen| {
            crate::frames::runs(&seen.frames.video, &second.frames.video)
                .iter()
                .any(|r| r.frames > 50)
        })
    };
    assert!(wait::holds(seconds(8), shown), "of {frames} frames:\n{}", program.told());
    assert!(returned.told().accepted);
    assert!(returned.told().end.is_none());
    only_grows("video over the takeover", &player.stop().frames.video);
    drop(returned);
    // One that is connected and says nothing is no hindrance.
    let silent = Encoder::start(program.rtmp, HERE, "stream", None);
    assert!(wait::holds(seconds(5), || silent.told().accepted));
    let taken = wait::holds(seconds(6), || {
        let next = start(ELSEWHERE, &flv(&first));
        wait::holds(seconds(1), || next.told().accepted || next.told().end.is_some());
        next.told().accepted
    });
    assert!(taken, "{}", program.told());
    assert!(silent.told().end.is_some(), "{}", program.told());
    program.assert_well();
}

#[test]
fn a_publisher_without_media_is_dropped() {
    let program = Program::start("");
    let silent = Encoder::start(program.rtmp, HERE, "stream", None);
    assert!(wait::holds(seconds(5), || silent.told().accepted), "{}", program.told());
    let begun = std::time::Instant::now();
    assert!(wait::holds(seconds(14), || silent.told().end.is_some()), "{}", program.told());
    assert!(begun.elapsed() > seconds(8), "after {:?}", begun.elapsed());
    assert!(program.printed().contains("sent no media"), "{}", program.printed());
}
