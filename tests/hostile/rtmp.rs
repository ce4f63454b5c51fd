//! Hostile RTMP.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::footing::Footing;
use crate::machine;
use crate::player::Player;
use crate::scene::Scene;
use crate::sockets::{connect, is_closed_within, push, ENEMY};
use crate::wait::{self, seconds};
use crate::wire::{
    amf_number, command, header, hello, message, nested, set_chunk_size, shaken, Dice, COMMAND,
    DATA, FFMPEG_PLAY, FFMPEG_PUBLISH, RTMPDUMP_PLAY,
};

/// What a scene may hold more while sessions are abused one by one: each may have an outbox and
/// unfinished messages of 16 KiB, grown by doubling.
const FEW: Footing = Footing { rss_kib: 6 << 10, threads: 0, descriptors: 80 };

/// What must come of a hostile session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It is closed as a breach of the protocol, and counted so.
    Closed,
    /// It may go on: it still gets an answer to `connect`.
    GoesOn,
}
use Outcome::{Closed, GoesOn};

/// Chunk streams 64 and up, whose number takes three bytes (RTMP 1.0, 5.3.1.1); each carries a
/// message of which one byte comes.
fn many_chunk_streams(length: u32) -> Vec<u8> {
    (64..65_599_u32)
        .flat_map(|id| {
            let [_, _, high, low] = (id - 64).to_be_bytes();
            let head = header(1, DATA, length);
            let rest = head.into_iter().skip(1);
            [1, low, high].into_iter().chain(rest).chain([5])
        })
        .collect()
}

fn words() -> Vec<(&'static str, Vec<u8>, Outcome)> {
    let long = |type_id| message(3, type_id, &[5; 4_000_000], 65_536);
    let chunks = |mut rest: Vec<u8>| {
        rest.splice(..0, set_chunk_size(65_536));
        rest
    };
    let crumbs = [set_chunk_size(1), message(4, DATA, &[5; 100_000], 1)].concat();
    let deep = |count| message(3, COMMAND, &command("connect", &nested(count)), 128);
    let data = [crate::wire::string("@setDataFrame"), vec![]].concat();
    vec![
        ("chunk size 0", set_chunk_size(0), Closed),
        ("chunk size 2^31", set_chunk_size(1 << 31), Closed),
        ("chunk size 2^31 - 1", set_chunk_size((1 << 31) - 1), GoesOn),
        ("chunk size 1", set_chunk_size(1), GoesOn),
        ("1-byte chunks", crumbs, Closed),
        ("a command of 16 MiB declared", header(3, COMMAND, 0xFF_FFFF), Closed),
        ("data of 16 MiB declared", header(4, DATA, 0xFF_FFFF), GoesOn),
        ("65,535 chunk streams", many_chunk_streams(1), Closed),
        ("65,535 chunk streams left open", many_chunk_streams(200), Closed),
        ("20,000 deep in a command", deep(20_000), Closed),
        ("1,500 deep in a command", deep(1_500), Closed),
        ("20,000 deep in data", message(4, DATA, &nested(20_000), 128), GoesOn),
        ("four million nulls in a command", chunks(long(COMMAND)), Closed),
        ("four million nulls in data", chunks(long(DATA)), GoesOn),
        ("8,000 nulls in a command", message(3, COMMAND, &command("x", &[5; 8000]), 128), Closed),
        ("a bare @setDataFrame", message(4, DATA, &data, 128), GoesOn),
        ("an empty command", message(3, COMMAND, &[], 128), GoesOn),
        ("a type 3 chunk first", vec![0xC9], Closed),
    ]
}

/// A session behind its handshake, and its `connect` in chunks of 1 byte or 65,536 as well as
/// 128: whatever was announced before.
fn answers_connect(stream: &mut TcpStream, chunk_bytes: usize) -> bool {
    push(stream, &message(7, COMMAND, &crate::wire::connect(), chunk_bytes));
    has_answer(stream, b"_result")
}

fn has_answer(stream: &mut TcpStream, wanted: &[u8]) -> bool {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        all.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if all.windows(wanted.len()).any(|part| part == wanted) {
            return true;
        }
    }
    false
}

#[test]
fn hostile_words_are_bounded_and_close_their_session_alone() {
    let _machine = machine::alone();
    let scene = Scene::start("");
    let rtmp = scene.program.rtmp;
    for (what, bytes, outcome) in words() {
        let before = scene.counted("/rtmp/protocol_errors");
        let mut stream = shaken(ENEMY, rtmp).expect("a stranger may shake hands");
        push(&mut stream, &bytes);
        match outcome {
            Closed => {
                assert!(is_closed_within(&mut stream, seconds(5)), "{what}: {}", scene.told());
                scene.wait_counted("/rtmp/protocol_errors", before + 1);
            }
            GoesOn if what.contains("declared") => {
                // Its bytes come, and are read past.
                push(&mut stream, &[7; 128]);
                let mut piece = vec![0xC4];
                piece.extend([7; 128]);
                push(&mut stream, &piece.repeat(1000));
                assert!(!is_closed_within(&mut stream, Duration::from_millis(300)), "{what}");
            }
            GoesOn => {
                let chunk_bytes = match what {
                    "chunk size 1" => 1,
                    "four million nulls in data" | "chunk size 2^31 - 1" => 65_536,
                    _ => 128,
                };
                assert!(answers_connect(&mut stream, chunk_bytes), "{what}: {}", scene.told());
            }
        }
    }
    let before = scene.counted("/rtmp/protocol_errors");
    let mut browser = connect(ENEMY, rtmp).expect("the kernel takes it");
    push(&mut browser, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(is_closed_within(&mut browser, seconds(5)), "another protocol");
    scene.wait_counted("/rtmp/protocol_errors", before + 1);
    interleaved_chunks(rtmp);
    commands_cut_short(rtmp);
    create_streams(&scene);
    scene.end(FEW);
}

/// A command whose chunks lie between those of another message still works.
fn interleaved_chunks(rtmp: SocketAddr) {
    let mut stream = shaken(ENEMY, rtmp).expect("a stranger may shake hands");
    let connect = crate::wire::connect();
    let whole = message(3, COMMAND, &connect, 8);
    let data = message(4, DATA, &vec![9; connect.len()], 8);
    push(&mut stream, &set_chunk_size(8));
    // A header of 12 bytes and 8 of payload, then 1 and 8 each.
    let pieces = |wire: &[u8]| {
        let (first, rest) = wire.split_at(20);
        std::iter::once(first.to_vec())
            .chain(rest.chunks(9).map(<[u8]>::to_vec))
            .collect::<Vec<_>>()
    };
    for (one, other) in pieces(&whole).into_iter().zip(pieces(&data)) {
        push(&mut stream, &one);
        push(&mut stream, &other);
    }
    assert!(has_answer(&mut stream, b"_result"), "interleaved chunks are not put together");
}

/// `connect` and `play` cut at each byte: no answer is needed, no harm is done.
fn commands_cut_short(rtmp: SocketAddr) {
    let play = [&amf_number(0.0)[..], &[5], &crate::wire::string("stream")].concat();
    for payload in [crate::wire::connect(), command("play", &play)] {
        for end in 0..payload.len() {
            let Some(mut stream) = shaken(ENEMY, rtmp) else { continue };
            push(&mut stream, &message(3, COMMAND, payload.get(..end).unwrap_or_default(), 128));
        }
    }
}

/// 20,000 message streams asked for: by one who reads the answers, and by one who does not.
fn create_streams(scene: &Scene) {
    let rtmp = scene.program.rtmp;
    let create = message(3, COMMAND, &command("createStream", &[5]), 128);
    let before = scene.counted("/rtmp/protocol_errors");
    let mut deaf = shaken(ENEMY, rtmp).expect("a stranger may shake hands");
    push(&mut deaf, &message(3, COMMAND, &crate::wire::connect(), 128));
    push(&mut deaf, &create.repeat(20_000));
    scene.wait_counted("/rtmp/protocol_errors", before + 1);
    let mut polite = shaken(ENEMY, rtmp).expect("a stranger may shake hands");
    push(&mut polite, &message(3, COMMAND, &crate::wire::connect(), 128));
    let (mut granted, mut refused, mut all) = (0, 0, Vec::new());
    let mut buffer = [0; 65_536];
    let count =
        |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).filter(|part| part == &word).count();
    while granted + refused < 20_000 {
        push(&mut polite, &create.repeat(20));
        let wanted = granted + refused + 20;
        while granted + refused < wanted {
            let Ok(taken @ 1..) = polite.read(&mut buffer) else {
                unreachable!("closed after {granted} and {refused}: {}", scene.told())
            };
            all.extend_from_slice(buffer.get(..taken).unwrap_or_default());
            granted += count(&all, b"_result\0");
            refused += count(&all, b"l.Failed");
            // What may be the beginning of another stays.
            let begun = all.len().saturating_sub(7);
            all.drain(..begun);
        }
    }
    // One to connect, and eight streams.
    assert_eq!(granted, 9, "message streams were granted");
}

#[test]
fn recorded_sessions_mutated_do_no_harm() {
    let _machine = machine::alone();
    let scene = Scene::start("");
    let mut dice = Dice(0x5EED);
    for round in 0..400 {
        let session = [FFMPEG_PLAY, RTMPDUMP_PLAY, FFMPEG_PUBLISH][round % 3];
        let mutant = dice.mutate(session);
        let stream = if round % 4 == 0 {
            connect(ENEMY, scene.program.rtmp).map(|mut stream| {
                let all = [hello(), vec![0; 1536], mutant.clone()].concat();
                push(&mut stream, &dice.mutate(&all));
                stream
            })
        } else {
            shaken(ENEMY, scene.program.rtmp)
        };
        let mut stream = stream.expect("a stranger may connect");
        push(&mut stream, &mutant);
        // Its answers are read for a moment by every other one.
        if round % 2 == 0 {
            is_closed_within(&mut stream, Duration::from_millis(5));
        }
    }
    scene.end(FEW);
}

/// Opens connections that say `words` and then nothing.
fn hang_on(
    from: impl Fn(usize) -> [u8; 4],
    to: SocketAddr,
    count: usize,
    words: &[u8],
) -> Vec<TcpStream> {
    (0..count)
        .map(|at| {
            let mut stream = connect(from(at), to).expect("the kernel takes it");
            push(&mut stream, words);
            stream
        })
        .collect()
}

/// Asserts that a viewer who comes now has its picture within two seconds.
fn assert_newcomer_is_served(scene: &Scene, what: &str) {
    let came = Instant::now();
    let newcomer = Player::start(scene.program.rtmp, "stream");
    let served = wait::holds(seconds(2), || newcomer.video_frames() > 0);
    println!("{what}: a newcomer's picture after {:?}", came.elapsed());
    assert!(served, "{what}: no picture after {:?}: {}", came.elapsed(), scene.told());
}

/// What a thousand who wait may cost: a descriptor each; 64 sessions in the handshake.
const CROWD: Footing = Footing { rss_kib: 8 << 10, threads: 0, descriptors: 1200 };

#[test]
fn a_thousand_silent_connections_keep_nobody_out() {
    let _machine = machine::alone();
    let scene = Scene::start("");
    let rtmp = scene.program.rtmp;
    let silent = hang_on(|_| ENEMY, rtmp, 1000, &[]);
    assert_newcomer_is_served(&scene, "silent before the handshake");
    assert_newcomer_is_served(&scene, "silent before the handshake, again");
    drop(silent);
    let silent = hang_on(|_| ENEMY, rtmp, 1000, &[&hello()[..], &[0; 1536]].concat());
    assert_newcomer_is_served(&scene, "silent after the handshake");
    drop(silent);
    let many = |at: usize| {
        [127, 0, 1 + u8::try_from(at / 250).unwrap_or(0), u8::try_from(at % 250 + 1).unwrap_or(1)]
    };
    let silent = hang_on(many, rtmp, 60, &[3]);
    assert_newcomer_is_served(&scene, "silent from sixty addresses");
    drop(silent);
    let silent = hang_on(|at| many(at % 200), rtmp, 1000, &[3]);
    assert_newcomer_is_served(&scene, "silent from two hundred addresses");
    assert!(scene.counted("/rtmp/refused_full") > 0, "{}", scene.told());
    drop(silent);
    scene.end(CROWD);
}

#[test]
fn silence_and_dripping_end_after_the_time_for_admission() {
    let _machine = machine::alone();
    let scene = Scene::start("");
    let rtmp = scene.program.rtmp;
    let began = Instant::now();
    let mut before = connect(ENEMY, rtmp).expect("the kernel takes it");
    let mut after = shaken(ENEMY, rtmp).expect("a stranger may shake hands");
    let mut drip = connect(ENEMY, rtmp).expect("the kernel takes it");
    drip.set_nonblocking(true).expect("a socket");
    let mut dripped = 0;
    let is_over = wait::holds(seconds(15), || {
        let byte = hello().get(dripped).copied().unwrap_or(0);
        match drip.write(&[byte]) {
            Ok(_) => dripped += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return true,
        }
        false
    });
    assert!(is_over, "{dripped} bytes were taken: {}", scene.told());
    assert!(dripped > 300, "{dripped} bytes were taken: {}", scene.told());
    assert!(is_closed_within(&mut before, seconds(4)), "{}", scene.told());
    assert!(is_closed_within(&mut after, seconds(4)), "{}", scene.told());
    let took = began.elapsed();
    assert!(took > seconds(9), "{took:?}");
    assert!(took < seconds(14), "{took:?}");
    scene.wait_counted("/rtmp/protocol_errors", 3);
    scene.end(FEW);
}

#[test]
fn thousands_of_connections_come_and_go() {
    let _machine = machine::alone();
    let scene = Scene::start("");
    let rtmp = scene.program.rtmp;
    let before = scene.counted("/rtmp/accepted");
    // As fast as they come: nothing said, half a word, a whole session.
    for round in 0..6_000_usize {
        let Some(mut stream) = connect(ENEMY, rtmp) else { continue };
        match round % 3 {
            0 => {}
            1 => push(&mut stream, hello().get(..round % 1537).unwrap_or_default()),
            _ => {
                push(&mut stream, &[&hello()[..], &[0; 1536], FFMPEG_PLAY].concat());
            }
        }
    }
    assert_newcomer_is_served(&scene, "after six thousand");
    scene.wait_counted("/rtmp/accepted", before + 5_000);
    for _ in 0..300 {
        let Some(mut stream) = shaken(ENEMY, rtmp) else { continue };
        // Without the deleteStream at its end.
        push(&mut stream, FFMPEG_PLAY.get(..0x177).unwrap_or_default());
        assert!(has_answer(&mut stream, b"NetStream.Play.Start"), "{}", scene.told());
    }
    scene.end(CROWD);
}
