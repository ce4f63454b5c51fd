//! Whole RTMP sessions behind their handshakes: whatever a peer says, a session stays within its
//! bounds and never echoes a secret. The first byte of an input says how it is cut.

use std::time::Duration;

use streamcaster::base::limits::RTMP_OUTBOX_BYTES_MAX;
use streamcaster::base::time::Mono;
use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use streamcaster::codec::per_track::PerTrack;
use streamcaster::flv::reader::TagKind;
use streamcaster::flv::units::TagUnits;
use streamcaster::rtmp::client::{ClientEvent, ClientSession};
use streamcaster::rtmp::media::MediaSink;
use streamcaster::rtmp::server::{Ending, ServerEvent, ServerSession};
use streamcaster::rtmp::url::{RtmpUrl, StreamKey};
use streamcaster::rtmp::RtmpSession;

const HANDSHAKE_BYTES: usize = 1 + 2 * 1536;
const KEY: &str = "hunter2hunter2";

fn pieces(input: &[u8]) -> impl Iterator<Item = (Mono, &[u8])> {
    let (first, bytes) = input.split_first().unwrap_or((&0, &[]));
    let times = (0..).map(|n| Mono::default() + Duration::from_millis(10) * n);
    times.zip(bytes.chunks(1 + usize::from(*first) * 8))
}

/// What both sides do with input; false when the session is over.
fn step(session: &mut impl RtmpSession, bytes: &[u8], now: Mono) -> bool {
    let outcome = session.input(bytes, now).and_then(|()| match session.deadline() {
        Some(deadline) if deadline <= now => session.on_deadline(now),
        _ => Ok(()),
    });
    assert!(session.outbox().len() <= RTMP_OUTBOX_BYTES_MAX, "the outbox is bounded");
    if let Err(error) = &outcome {
        let sentence = error.to_string();
        assert!(!sentence.is_empty());
        assert!(!sentence.contains(KEY));
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
        let some = session.outbox().len().min(64);
        session.sent(some);
    }
    let _ = session.end_play();
}

/// A peer that publishes, all it asks for granted: media is told by the rules, whatever its
/// chunks and aggregates say, and what becomes of it is access units by theirs.
pub fn publish(input: &[u8]) {
    let mut session = ServerSession::new(Mono::default());
    session.input(&handshake(3), Mono::default()).expect("a plain handshake");
    session.sent(HANDSHAKE_BYTES);
    let mut media = Media::default();
    for (now, bytes) in pieces(input) {
        if session.input_media(bytes, now, &mut media).is_err() {
            return;
        }
        assert!(session.outbox().len() <= RTMP_OUTBOX_BYTES_MAX, "the outbox is bounded");
        while let Some(event) = session.event() {
            let granted = match event {
                ServerEvent::Publish { .. } => session.accept_publish(now),
                ServerEvent::Stop => {
                    assert_eq!(
                        media.open,
                        PerTrack::default(),
                        "what is open is aborted at the end"
                    );
                    Ok(())
                }
                _ => Ok(()),
            };
            if granted.is_err() {
                return;
            }
        }
        session.owed().sent(usize::MAX);
    }
    media.units.restart(&mut media.sink);
    assert_eq!(media.sink.open, PerTrack::both(false));
    let _ = session.end_publish(Ending::Idle);
}

/// Holds a session to the rules of [`MediaSink`].
#[derive(Default)]
struct Media {
    open: PerTrack<Option<usize>>,
    units: TagUnits,
    sink: Units,
}

impl MediaSink for Media {
    fn begin(&mut self, track: Track, timestamp_ms: u32, bytes: usize) {
        assert!((1..=0xff_ffff).contains(&bytes), "{bytes}");
        let open = &mut self.open[track];
        assert_eq!(open.replace(bytes), None, "one of a kind at a time");
        self.units.begin(TagKind::from(track), timestamp_ms, bytes, &mut self.sink);
    }

    fn data(&mut self, track: Track, bytes: &[u8]) {
        let open = &mut self.open[track];
        let left = open.as_mut().expect("an open message");
        *left = left.checked_sub(bytes.len()).expect("no more than announced");
        self.units.data(TagKind::from(track), bytes, &mut self.sink);
    }

    fn end(&mut self, track: Track) {
        let open = &mut self.open[track];
        assert_eq!(open.take(), Some(0), "a whole message is whole");
        self.units.end(TagKind::from(track), &mut self.sink);
    }

    fn abort(&mut self, track: Track) {
        let open = &mut self.open[track];
        assert!(open.take().is_some(), "what is aborted was open");
        self.units.abort(TagKind::from(track), &mut self.sink);
    }
}

/// Holds the units to the rules of [`UnitSink`].
#[derive(Default)]
struct Units {
    open: PerTrack<bool>,
    configured: [bool; 2],
}

impl Units {
    fn set(&mut self, track: Track, open: bool) {
        assert_ne!(self.open[track], open, "{track:?}");
        self.open[track] = open;
    }

    fn is_open(&self, track: Track) -> bool {
        self.open[track]
    }
}

impl UnitSink for Units {
    fn config(&mut self, config: &TrackConfig) {
        assert!(!self.is_open(config.track()), "no configuration inside a unit");
        *self.configured.get_mut(config.track() as usize).expect("two tracks") = true;
    }
    fn begin(&mut self, start: UnitStart) {
        assert!(start.pts >= start.dts);
        assert_eq!(self.configured.get(start.track as usize), Some(&true));
        self.set(start.track, true);
    }
    fn write(&mut self, track: Track, _: &[u8]) {
        assert!(self.is_open(track));
    }
    fn patch(&mut self, track: Track, _: usize, _: [u8; 4]) {
        assert!(self.is_open(track));
    }
    fn commit(&mut self, track: Track) {
        self.set(track, false);
    }
    fn abort(&mut self, track: Track) {
        self.set(track, false);
    }
}

/// A server that we push to.
pub fn client(input: &[u8]) {
    let url = RtmpUrl::parse("rtmp://host/app").expect("a plain address");
    let key = StreamKey::new(KEY).expect("a plain key");
    let mut session = ClientSession::new(url, key, Mono::default()).expect("a first word");
    session.owed().sent(usize::MAX);
    if session.input(&handshake(3), Mono::default()).is_err() {
        return;
    }
    for (now, bytes) in pieces(input) {
        if !step(&mut session, bytes, now) {
            return;
        }
        if let Some(ClientEvent::Refused { code, description }) = session.event() {
            assert!(!code.contains(KEY), "the key is not echoed");
            assert!(!description.contains(KEY), "the key is not echoed");
        }
        session.owed().sent(usize::MAX);
    }
    let _ = session.finish();
}
