//! Why an input is not on air, as its operator sees it: status, health and log, for inputs that
//! connect and cannot be used. Each is logged once when it begins and once when it is over.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::child::output_of;
use crate::encoder::{Encoder, Manner};
use crate::flv;
use crate::machine;
use crate::media::{Media, SMALL};
use crate::program::{get, text, Program};
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

const HERE: [u8; 4] = [127, 0, 0, 1];
const BEGINS: &str = " WARN ";
const IS_OVER: &str = ": resolved after ";

/// Lines of the log with both of these words.
fn lines(program: &Program, first: &str, second: &str) -> usize {
    let printed = program.printed();
    printed.lines().filter(|line| line.contains(first) && line.contains(second)).count()
}

/// Waits until the input has that reason, and holds status, health and log against it; what the
/// reason is about.
fn stands(program: &Program, input: &str, code: &str) -> Value {
    let pointer = format!("/{input}/reason/code");
    let has_it = wait::holds(seconds(15), || text(&program.status(), &pointer) == code);
    assert!(has_it, "{input} is not {code}: {}", program.told());
    let status = program.status();
    let reason = status.pointer(&format!("/{input}/reason")).expect("a reason").clone();
    let sentence = text(&reason, "/text");
    let words = sentence.trim_end_matches('.');
    let health: Value = serde_json::from_str(&get(program.http, "/api/health")).expect("JSON");
    let checks = health.pointer("/checks").and_then(Value::as_array).expect("a list");
    let named = checks.iter().any(|check| text(check, "/detail").contains(words));
    assert!(named, "{words} in {health}");
    let logged = wait::holds(seconds(15), || lines(program, BEGINS, words) == 1);
    assert!(logged, "{code} is not logged: {}", program.told());
    assert_eq!(lines(program, IS_OVER, words), 0, "{}", program.printed());
    reason
}

/// Waits until the end of that reason is logged; it has one line for its beginning and one for it.
fn is_over(program: &Program, reason: &Value) {
    let sentence = text(reason, "/text");
    let words = sentence.trim_end_matches('.');
    let logged = wait::holds(seconds(15), || lines(program, IS_OVER, words) == 1);
    assert!(logged, "its end is not logged: {}", program.told());
    assert_eq!(lines(program, BEGINS, words), 1, "{}", program.printed());
}

/// A transport stream whose SPS and PPS have become NAL units of no known type (24).
fn without_parameter_sets(path: &Path) -> Vec<u8> {
    let mut stream = fs::read(path).expect("a readable file");
    for at in 0..stream.len().saturating_sub(4) {
        if stream[at..].starts_with(&[0, 0, 1]) && matches!(stream[at + 3] & 0x1f, 7 | 8) {
            stream[at + 3] = 24;
        }
    }
    stream
}

/// The packets of a transport stream, each changed.
fn changed(path: &Path, change: impl Fn(u16, &mut [u8])) -> Vec<u8> {
    let mut stream = fs::read(path).expect("a readable file");
    for packet in stream.chunks_exact_mut(188) {
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        change(pid, packet);
    }
    stream
}

/// Turns a packet into a null packet (ISO/IEC 13818-1, 2.4.3.3).
fn nullify(packet: &mut [u8]) {
    packet[1] = 0x1f;
    packet[2] = 0xff;
}

/// Sends a transport stream until its reason is shown, and holds that against `code`.
fn sends(path: &Path, code: &'static str) -> thread::JoinHandle<()> {
    sends_to("", Schedule::of(path), code)
}

/// The same, to a program with this configuration.
fn sends_to(
    config: &'static str,
    schedule: Schedule,
    code: &'static str,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut program = Program::start(config);
        let sender = Sender::start(schedule, program.udp);
        let reason = stands(&program, "udp", code);
        let status = program.status();
        let carried = status.pointer("/udp/streams").and_then(Value::as_array).expect("a list");
        let video = carried.iter().find(|stream| text(stream, "/codec") == "H.264");
        let came = code == "too_fast";
        let state = if came { "carried" } else { "waiting" };
        assert!(video.is_none_or(|stream| text(stream, "/state") == state), "{carried:?}");
        sender.stop();
        is_over(&program, &reason);
        assert_eq!(program.on_air(), "standby");
        program.assert_well();
    })
}

fn remuxed(media: &Media, name: &str, how: &[&str]) -> PathBuf {
    let path = media.path.with_file_name(name);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-y", "-v", "error", "-i"]).arg(&media.path);
    let (well, output) = output_of(ffmpeg.args(how).args(["-f", "mpegts"]).arg(&path));
    assert!(well, "{output}");
    path
}

#[test]
fn a_stream_that_cannot_be_used_has_one_reason_in_status_health_and_log() {
    let media = Media::of(SMALL);
    let _machine = machine::shared();
    let nosets = media.path.with_file_name("reasons-nosets.ts");
    fs::write(&nosets, without_parameter_sets(&media.path)).expect("a file");
    let sound = remuxed(&media, "reasons-sound.ts", &["-map", "0:a", "-c", "copy"]);
    #[rustfmt::skip]
    let hevc = remuxed(&media, "reasons-hevc.ts", &[
        "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-c:a", "copy",
    ]);
    let mut sent = vec![
        sends(&nosets, "no_parameter_sets"),
        sends(&sound, "audio_only"),
        sends(&hevc, "video_codec"),
    ];
    let field = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/media/field");
    for (file, code) in [("nosets.ts", "no_parameter_sets"), ("audio_only.ts", "audio_only")] {
        let path = field.join(file);
        if path.exists() {
            sent.push(sends(&path, code));
        }
    }
    for each in sent {
        each.join().expect("it holds");
    }
}

/// What ffmpeg's muxer writes has its PMT on this PID.
const PMT_PID: u16 = 0x1000;

#[test]
fn what_cannot_be_read_on_its_way_has_one_reason_too() {
    let media = Media::of(SMALL);
    let _machine = machine::shared();
    let scrambled = changed(&media.path, |pid, packet| {
        // The even key (2.4.3.3), on streams alone: tables are never scrambled.
        if (0x100..PMT_PID).contains(&pid) {
            packet[3] |= 0x80;
        }
    });
    let without = |left_out: u16| {
        changed(&media.path, move |pid, packet| {
            if pid == left_out {
                nullify(packet);
            }
        })
    };
    let other_programme = "[input.udp]\nprogramme = 7\n";
    let noise: Vec<u8> = fs::read(media.path.with_extension("flv")).expect("a readable file");
    let long = fs::read(&media.path).expect("a readable file").repeat(4);
    let of = |stream: &[u8]| Schedule::of_bytes(stream);
    let sent = [
        sends_to("", of(&scrambled), "scrambled"),
        sends_to("", of(&without(0)), "no_pat"),
        sends_to("", of(&without(PMT_PID)), "no_pmt"),
        sends_to(other_programme, of(&fs::read(&media.path).expect("media")), "wrong_programme"),
        sends_to("", Schedule::evenly(&noise, seconds(12)), "not_mpegts"),
        sends_to("", of(&long).faster(3), "too_fast"),
    ];
    for each in sent {
        each.join().expect("it holds");
    }
}

/// ffmpeg, publishing to that address; it is refused.
fn is_refused(media: &Media, url: &str) {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "info", "-re", "-i"]).arg(&media.path);
    let (well, output) = output_of(ffmpeg.args(["-c", "copy", "-f", "flv", url]));
    assert!(!well, "publishing succeeds:\n{output}");
}

#[test]
fn a_publisher_that_is_refused_is_seen_with_what_it_asked_for_and_never_with_its_key() {
    let media = Media::of(SMALL);
    let _machine = machine::shared();
    let mut program = Program::start("");
    let url = |path: &str| format!("rtmp://{}/{path}", program.rtmp);
    for _ in 0..2 {
        is_refused(&media, &url("live/_definst_/stream"));
    }
    let reason = stands(&program, "publisher", "wrong_app");
    assert_eq!(text(&reason, "/parameters/asked"), "live/_definst_");
    is_refused(&media, &url("live/other"));
    let listed = || program.status().pointer("/rtmp/refusals").cloned().unwrap_or_default();
    let both = || listed().as_array().is_some_and(|list| list.len() == 2);
    assert!(wait::holds(seconds(5), both), "{}", program.told());
    let listed = listed();
    let refusals = listed.as_array().expect("a list");
    let seen: Vec<_> = refusals
        .iter()
        .map(|one| (text(one, "/code"), text(one, "/asked"), text(one, "/address")))
        .collect();
    let of = |code: &str, asked: &str| (code.into(), asked.into(), "127.0.0.1".into());
    assert_eq!(seen, [of("wrong_stream", "other"), of("wrong_app", "live/_definst_")]);
    assert_eq!(refusals[1].pointer("/count"), Some(&Value::from(2)));
    assert_eq!(lines(&program, BEGINS, "_definst_"), 1, "{}", program.printed());
    // In the end it finds its way.
    let file = media.path.with_extension("flv");
    let encoder = Encoder::start(program.rtmp, HERE, "stream", Some(&file));
    program.wait_on_air("rtmp", seconds(10));
    assert_eq!(lines(&program, "publishes now, after it was refused", "wrong_app: 2 times"), 1);
    let status = program.status();
    assert!(status.pointer("/publisher/reason").is_some_and(Value::is_null), "{status}");
    let came = |pointer: &str| status.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    assert!(came("/publisher/bytes_in") > 0);
    assert!(came("/rtmp/bytes_in") > came("/publisher/bytes_in"));
    assert_eq!(lines(&program, BEGINS, "_definst_"), 1, "{}", program.printed());
    drop(encoder);
    program.assert_well();

    let program = Program::start("[input.rtmp]\nkey = \"correct-horse\"\n");
    let url = |path: &str| format!("rtmp://{}/{path}", program.rtmp);
    is_refused(&media, &url("live/correct-hors"));
    stands(&program, "publisher", "wrong_key");
    is_refused(&media, &url("live/correct-horse/x"));
    stands(&program, "publisher", "wrong_app");
    let shown = program.told();
    assert!(!shown.contains("correct-hors"), "a key is shown: {shown}");
}

#[test]
fn sound_that_is_left_out_is_named_while_its_picture_is_on_air() {
    let media = Media::of(SMALL);
    let _machine = machine::shared();
    let mut program = Program::start("");
    let file = fs::read(media.path.with_extension("flv")).expect("a readable file");
    let mut tags = flv::tags(&file);
    // Its sound has a clock of its own.
    tags.iter_mut().filter(|tag| tag.0 == flv::AUDIO).for_each(|tag| tag.1 += 10_000);
    let encoder = Encoder::publish(program.rtmp, tags, Manner::default());
    program.wait_on_air("rtmp", seconds(10));
    let code = || text(&program.status(), "/publisher/sound_reason/code");
    assert!(wait::holds(seconds(10), || code() == "sound_times"), "{}", program.told());
    let status = program.status();
    assert!(status.pointer("/publisher/reason").is_some_and(Value::is_null), "{status}");
    let filling = || program.status().pointer("/programme/is_filling") == Some(&Value::from(true));
    assert!(wait::holds(seconds(10), filling), "{}", program.told());
    let left_out = "its sound is left out: The sound's times are";
    assert!(wait::holds(seconds(10), || lines(&program, left_out, "rtmp") == 1));
    drop(encoder);
    assert!(wait::holds(seconds(15), || lines(&program, IS_OVER, "The sound's times are") == 1));
    assert_eq!(lines(&program, left_out, "rtmp"), 1, "{}", program.printed());
    program.assert_well();
}
