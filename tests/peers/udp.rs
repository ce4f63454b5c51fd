//! The UDP input among senders: one at a time, by multicast too, and captures of real ones.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;

use socket2::{Domain, Socket, Type};

use crate::frames::runs;
use crate::machine;
use crate::media::{Media, OTHER, PLAIN};
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

/// What the status must say of a capture: the streams carried, and those only named.
const CAPTURES: [(&str, &[&str], &[&str]); 8] = [
    ("broadcast-h264-aac.ts", &["H.264", "AAC"], &[]),
    ("broadcast-h264-ac3-dvbsub.ts", &["H.264"], &["AC-3"]),
    ("broadcast-hevc-aac-scte35.ts", &["AAC"], &["HEVC"]),
    ("broadcast-multiplex-20-services-short.ts", &[], &[]),
    ("hls-h264-pmt-names-audio-but-none-comes.ts", &["H.264", "AAC"], &[]),
    ("hls-pat-pmt-mid-segment.ts", &[], &[]),
    ("hls-segment-h264-aac.ts", &["H.264", "AAC"], &[]),
    ("one-packet-stuffed-pes.ts", &[], &[]),
];

#[test]
fn captures_of_real_senders_do_no_harm_and_their_streams_are_named() {
    // Captures are no part of the project: where they are not, there is nothing to try.
    let folder = std::env::var_os("STREAMCASTER_MEDIA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/media"),
        PathBuf::from,
    );
    if !folder.exists() {
        return;
    }
    for (name, carried, named) in CAPTURES {
        let _machine = machine::shared();
        let mut program = Program::start("");
        let player = Player::start(program.rtmp, "stream");
        let sender = Sender::start(Schedule::of(&folder.join(name)), program.udp);
        let all_named = || {
            let streams = streams(&program);
            let has = |codec: &&str, carried| streams.contains(&((*codec).to_owned(), carried));
            carried.iter().all(|codec| has(codec, true))
                && named.iter().all(|codec| has(codec, false))
        };
        assert!(wait::holds(seconds(8), all_named), "{name}: {}", program.told());
        sender.finish();
        let got = player.video_frames();
        let goes_on = wait::holds(seconds(5), || player.video_frames() > got + 30);
        assert!(goes_on, "{name}: the programme stopped: {}", program.told());
        program.assert_well();
        crate::frames::only_grows(name, &player.stop().frames.video);
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
