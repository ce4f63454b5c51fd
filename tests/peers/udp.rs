//! The UDP input among senders: one at a time, by multicast too, and captures of real ones.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::Command;

use socket2::{Domain, Socket, Type};

use crate::child::Tool;
use crate::frames::{in_order, one_run, only_grows, runs};
use crate::machine;
use crate::media::{standby, video_of, Media, OTHER, PLAIN};
use crate::player::Player;
use crate::program::{number, Program};
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

#[test]
fn a_second_sender_is_ignored_while_the_first_is_live() {
    let (first, second) = (Media::of(PLAIN), Media::of(OTHER));
    let _machine = machine::shared();
    let mut program = Program::start("");
    let player = Player::start(program.rtmp, "stream");
    let one = Sender::start(Schedule::of(&first.path).until(seconds(7)), program.udp);
    program.wait_on_air("udp", seconds(3));
    let two = Sender::start(Schedule::of(&second.path), program.udp);
    let ignored = || number(&program.status(), "/udp/ignored_sender");
    assert!(wait::holds(seconds(3), || ignored() > 20), "{}", program.told());
    one.finish();
    let takes_over =
        || player.look(|seen| !runs(&seen.frames.video, &second.frames.video).is_empty());
    assert!(
        wait::holds(seconds(6), takes_over),
        "the second does not take over: {}",
        program.told()
    );
    two.stop();
    program.assert_well();
    let seen = player.stop().frames;
    let of_first = runs(&seen.video, &first.frames.video);
    let of_second = runs(&seen.video, &second.frames.video);
    let [run] = of_first.as_slice() else { panic!("the first was disturbed: {of_first:?}") };
    assert!(run.frames >= 340, "{run:?} of 7 s at 50 fps");
    let begins = of_second.first().map(|second| second.received_at);
    assert!(begins.is_some_and(|begins| begins >= run.received_at + run.frames), "{of_second:?}");
}

/// Null packets at a constant rate, as a multiplexer without an input sends them, and packets of a
/// programme that no table names: transport streams both, with nothing in them.
#[test]
fn packets_without_a_stream_in_them_do_not_hold_the_input() {
    let media = Media::of(PLAIN);
    let _machine = machine::shared();
    let program = Program::start("");
    let packet = |pid: u16| {
        let mut packet = vec![0xFF; 188];
        packet[..4].copy_from_slice(&[0x47, (pid >> 8) as u8, pid as u8, 0x10]);
        packet
    };
    let empty =
        [0x1fff, 0x0123].map(|pid| Schedule::evenly(&packet(pid).repeat(7000), seconds(30)));
    let empty = empty.map(|schedule| Sender::start(schedule, program.udp));
    let named = || number(&program.status(), "/udp/datagrams");
    assert!(wait::holds(seconds(3), || named() > 20), "{}", program.told());
    let sender = Sender::start(Schedule::of(&media.path), program.udp);
    program.wait_on_air("udp", seconds(10));
    let began = named();
    assert!(wait::holds(seconds(5), || named() > began + 300), "{}", program.told());
    assert_eq!(program.on_air(), "udp", "{}", program.told());
    sender.stop();
    for sender in empty {
        sender.stop();
    }
}

#[test]
fn a_multicast_group_is_joined() {
    let media = Media::of(OTHER);
    let _machine = machine::shared();
    let config = "[input.udp]\ninterface = \"127.0.0.1\"\n";
    let program = Program::start_with(config, &["--udp", "239.255.77.1:0"], &[]);
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a UDP socket");
    socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).expect("to send by the loopback");
    let sender =
        Sender::start_from(UdpSocket::from(socket), Schedule::of(&media.path), program.udp);
    program.wait_on_air("udp", seconds(5));
    sender.stop();
}

#[test]
fn a_sender_outside_the_allowed_networks_is_refused() {
    let media = Media::of(OTHER);
    let _machine = machine::shared();
    let program = Program::start("[input.udp]\nallow = [\"192.168.0.0/16\"]\n");
    let sender = Sender::start(Schedule::of(&media.path), program.udp);
    let refused = || number(&program.status(), "/udp/refused_network");
    assert!(wait::holds(seconds(5), || refused() > 50), "{}", program.told());
    sender.stop();
    assert_eq!(program.on_air(), "standby");
}

#[test]
fn ffmpeg_itself_sends() {
    let media = Media::of(PLAIN);
    let _machine = machine::shared();
    let mut program = Program::start("");
    let player = Player::start(program.rtmp, "stream");
    let url = format!("udp://{}?pkt_size=1316", program.udp);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-re", "-i"]).arg(&media.path);
    ffmpeg.args(["-t", "8", "-c", "copy", "-f", "mpegts", &url]);
    let mut ffmpeg = Tool::start(&mut ffmpeg, program.folder().path(), "ffmpeg");
    program.wait_on_air("udp", seconds(5));
    assert!(ffmpeg.ended(seconds(20)).is_some_and(|s| s.success()), "{}", ffmpeg.output());
    program.wait_on_air("standby", seconds(3));
    program.assert_well();
    let seen = player.stop().frames;
    one_run("video", &seen.video, &media.frames.video, 390);
    one_run("audio", &seen.audio, &media.frames.audio, 360);
}

/// A capture, and what must come of it.
struct Capture {
    file: &'static str,
    carried: &'static [&'static str],
    only_named: &'static [&'static str],
    /// It holds an IDR and comes on air: frames that must be seen at least.
    frames_min: usize,
}

const fn capture(
    file: &'static str,
    carried: &'static [&'static str],
    only_named: &'static [&'static str],
    frames_min: usize,
) -> Capture {
    Capture { file, carried, only_named, frames_min }
}

// The PMT of the one with HEVC names AAC, and no packet of it ever comes.
const CAPTURES: [Capture; 8] = [
    capture("broadcast-h264-aac.ts", &["H.264", "AAC"], &[], 200),
    capture("broadcast-h264-ac3-dvbsub.ts", &["H.264"], &["AC-3"], 0),
    capture("broadcast-hevc-aac-scte35.ts", &[], &["HEVC", "AAC"], 0),
    capture("broadcast-multiplex-20-services-short.ts", &[], &[], 0),
    capture("hls-h264-pmt-names-audio-but-none-comes.ts", &["H.264"], &["AAC"], 100),
    capture("hls-pat-pmt-mid-segment.ts", &[], &[], 0),
    capture("hls-segment-h264-aac.ts", &["H.264", "AAC"], &[], 100),
    capture("one-packet-stuffed-pes.ts", &[], &[], 0),
];

#[test]
fn captures_of_real_senders_do_no_harm_and_their_streams_are_named() {
    for capture in CAPTURES {
        if let Some(path) = test_support::peers::capture(capture.file) {
            play_capture(&capture, &path);
        }
    }
}

fn play_capture(capture: &Capture, path: &Path) {
    let Capture { file, carried, only_named, frames_min } = *capture;
    let _machine = machine::shared();
    let mut program = Program::start("");
    let player = Player::start(program.rtmp, "stream");
    let sender = Sender::start(Schedule::of(path), program.udp);
    let all_named = || {
        let streams = streams(&program);
        let has = |codec: &str, carried| streams.contains(&(codec.to_owned(), carried));
        carried.iter().all(|codec| has(codec, true))
            && only_named.iter().all(|codec| has(codec, false))
    };
    assert!(wait::holds(seconds(8), all_named), "{file}: {}", program.told());
    sender.finish();
    program.wait_on_air("standby", seconds(5));
    let got = player.video_frames();
    let goes_on = wait::holds(seconds(5), || player.video_frames() > got + 30);
    assert!(goes_on, "{file}: the programme stopped: {}", program.told());
    program.assert_well();
    let seen = player.stop().frames.video;
    only_grows(file, &seen);
    if frames_min > 0 {
        let source = video_of(path, program.folder().path());
        let shown = in_order(file, &seen, &source, &standby().video);
        assert!(shown >= frames_min, "{file}: {shown} frames of {}", source.len());
    }
}

fn streams(program: &Program) -> Vec<(String, bool)> {
    let status = program.status();
    let streams = status.pointer("/udp/streams").and_then(|streams| streams.as_array());
    let of = |stream: &serde_json::Value| {
        let carried = stream.pointer("/carried").and_then(serde_json::Value::as_bool);
        (crate::program::text(stream, "/codec"), carried.unwrap_or(false))
    };
    streams.map(|streams| streams.iter().map(of).collect()).unwrap_or_default()
}
