//! Whole RTMP sessions behind their handshakes: whatever a peer says, a session stays within its
//! bounds and never echoes a secret. The first byte of an input says how it is cut.

use std::time::Duration;

use streamcaster::base::limits::RTMP_OUTBOX_BYTES_MAX;
use streamcaster::base::time::Mono;
use streamcaster::rtmp::client::{ClientEvent, ClientSession};
use streamcaster::rtmp::server::{ServerEvent, ServerSession};
use streamcaster::rtmp::url::{RtmpUrl, StreamKey};
use streamcaster::rtmp::Session;

const HANDSHAKE_BYTES: usize = 1 + 2 * 1536;
const KEY: &str = "hunter2hunter2";

fn pieces(input: &[u8]) -> impl Iterator<Item = (Mono, &[u8])> {
    let (first, bytes) = input.split_first().unwrap_or((&0, &[]));
    let times = (0..).map(|n| Mono::default() + Duration::from_millis(10) * n);
    times.zip(bytes.chunks(1 + usize::from(*first) * 8))
}

/// What both sides do with input; false when the session is over.
fn step(session: &mut impl Session, bytes: &[u8], now: Mono) -> bool {
    let outcome = session.input(bytes, now).and_then(|()| match session.deadline() {
        Some(deadline) if deadline <= now => session.on_deadline(now),
        _ => Ok(()),
    });
    assert!(session.outbox().len() <= RTMP_OUTBOX_BYTES_MAX, "the outbox is bounded");
    if let Err(error) = &outcome {
        let sentence = error.to_string();
        assert!(!sentence.is_empty() && !sentence.contains(KEY));
    }
    outcome.is_ok()
}

fn handshake(version: u8) -> Vec<u8> {
    let mut bytes = vec![0; HANDSHAKE_BYTES];
    bytes.splice(..1, [version]);
    bytes
}

/// A peer that connects to us.
pub fn server(input: &[u8]) {
    let mut session = ServerSession::new(Mono::default());
    session.input(&handshake(3), Mono::default()).expect("a plain handshake");
    session.sent(HANDSHAKE_BYTES);
    for (now, bytes) in pieces(input) {
        if !step(&mut session, bytes, now) {
            return;
        }
        while let Some(event) = session.event() {
            if matches!(event, ServerEvent::Play { .. }) && session.accept_play(now).is_err() {
                return;
            }
        }
        assert!(session.peer().flash_version.chars().all(|c| !c.is_control()));
        // A peer that reads slowly.
        session.sent(session.outbox().len().min(64));
    }
    let _ = session.end_play();
}

/// A server that we push to.
pub fn client(input: &[u8]) {
    let url = RtmpUrl::parse("rtmp://host/app").expect("a plain address");
    let key = StreamKey::new(KEY).expect("a plain key");
    let mut session = ClientSession::new(url, key, Mono::default()).expect("a first word");
    session.sent(session.outbox().len());
    if session.input(&handshake(3), Mono::default()).is_err() {
        return;
    }
    for (now, bytes) in pieces(input) {
        if !step(&mut session, bytes, now) {
            return;
        }
        if let Some(ClientEvent::Refused { code, description }) = session.event() {
            assert!(!code.contains(KEY) && !description.contains(KEY), "the key is not echoed");
        }
        session.sent(session.outbox().len());
    }
    let _ = session.finish();
}
