use std::io::{self, ErrorKind};

use super::*;
use crate::base::time::Ticks;
use crate::codec::access_unit::{AacConfig, AvcConfig, ConfigRecord};
use crate::program::ring::{Begin, Capacity};
use crate::rtmp::chunk_reader::{ChunkEvent, ChunkReader};
use crate::rtmp::media::MediaSink;
use crate::rtmp::outbox::Outbox;
use crate::rtmp::SessionError;

/// A session that owes its peer some bytes: whole messages of one byte.
#[derive(Default)]
struct Owing(Outbox);

impl Session for Owing {
    fn input_media(
        &mut self,
        _bytes: &[u8],
        _now: Mono,
        _media: &mut dyn MediaSink,
    ) -> Result<(), SessionError> {
        Ok(())
    }
    fn owed(&mut self) -> &mut Outbox {
        &mut self.0
    }
    fn is_closing(&self) -> bool {
        false
    }
    fn deadline(&self) -> Option<Mono> {
        None
    }
    fn on_deadline(&mut self, _now: Mono) -> Result<(), SessionError> {
        Ok(())
    }
}

/// An acknowledgement: what a session's outbox holds in these tests.
const ACK: [u8; 16] = [2, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 9];

/// A socket that takes `room` bytes, at most `portion` at once.
struct Socket {
    taken: Vec<u8>,
    room: usize,
    portion: usize,
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room).min(self.portion);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.taken.extend_from_slice(&bytes[..count]);
        self.room -= count;
        Ok(count)
    }
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.write(&all)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ring() -> Ring {
    let mut ring = Ring::new(Capacity {
        video_bytes: 100_000,
        audio_bytes: 10_000,
        units: 100,
        unit_bytes_max: 50_000,
    });
    let record = |bytes: &[u8]| ConfigRecord::from_slice(bytes).expect("small");
    ring.set_config(&TrackConfig::Avc(AvcConfig {
        record: record(b"avc record"),
        width: 1280,
        height: 720,
        frame_rate: 30.0,
        profile_idc: 77,
        constraints: 0,
        level_idc: 31,
    }));
    ring.set_config(&TrackConfig::Aac(AacConfig {
        record: record(b"asc"),
        object_type: 2,
        sample_rate_hz: 48_000,
        channels: 2,
    }));
    ring
}

fn store(ring: &mut Ring, track: Track, ms: i64, key: bool, payload: &[u8]) {
    ring.begin(Begin { track, dts: Ticks::from_ms(ms), key });
    ring.write(track, payload);
    ring.commit(track);
}

/// What arrived: message type, timestamp, payload.
fn messages(wire: &[u8], chunk_bytes: usize) -> Vec<(u8, u32, Vec<u8>)> {
    let size = u32::try_from(chunk_bytes).expect("small").to_be_bytes();
    let announced = [&[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0][..], &size, wire].concat();
    let (mut reader, mut input) = (ChunkReader::new(), &announced[..]);
    let mut messages = Vec::new();
    let mut payload = Vec::new();
    while let Some(event) = reader.next(&mut input).expect("well formed") {
        match event {
            ChunkEvent::Start(_) => payload.clear(),
            ChunkEvent::Payload(_, bytes) => payload.extend_from_slice(bytes),
            ChunkEvent::End(head) => {
                messages.push((head.type_id, head.timestamp_ms, payload.clone()));
            }
            ChunkEvent::Dropped { .. } => panic!("nothing is given up"),
        }
    }
    messages
}

#[test]
fn a_player_gets_metadata_and_configurations_before_the_first_unit() {
    let mut ring = ring();
    store(&mut ring, Track::Video, 1000, true, &[0x17; 9000]);
    store(&mut ring, Track::Audio, 1020, false, b"sound");
    let mut socket = Socket { taken: Vec::new(), room: usize::MAX, portion: usize::MAX };
    let mut feeder = Feeder::new(1, Audience::Platform, Mono(0));
    let mut session = Owing::default();
    session.0.push(&ACK).expect("room for it");
    let fed = feeder.feed(&ring, &mut session, &mut socket, Mono(1));
    assert!(matches!(fed, Ok(Fed::UpToDate)));
    let got = messages(&socket.taken, Audience::Platform.chunk_bytes());
    let kinds: Vec<(u8, u32)> = got.iter().map(|message| (message.0, message.1)).collect();
    let wanted = [
        (3, 0),
        (TYPE_DATA, 0),
        (TYPE_VIDEO, 0),
        (TYPE_AUDIO, 0),
        (TYPE_VIDEO, 0),
        (TYPE_AUDIO, 20),
    ];
    assert_eq!(kinds, wanted);
    assert_eq!(got[2].2, b"\x17\0\0\0\0avc record");
    assert_eq!(got[3].2, b"\xaf\0asc");
    assert_eq!(got[4].2, [0x17; 9000]);
    assert_eq!(feeder.timestamp_ms(), 20);
}

/// However little the socket takes at once, the same bytes leave, and the session's own never
/// stand inside a message.
#[test]
fn a_socket_that_takes_little_at_once_gets_the_same() {
    let mut ring = ring();
    let mut whole = Socket { taken: Vec::new(), room: usize::MAX, portion: usize::MAX };
    for n in 0..20 {
        store(&mut ring, Track::Video, n * 40, n == 0, &vec![n as u8; 5000 - n as usize]);
        store(&mut ring, Track::Audio, n * 40 + 1, false, &[n as u8; 100]);
    }
    let mut feeder = Feeder::new(1, Audience::Platform, Mono(0));
    feeder.feed(&ring, &mut Owing::default(), &mut whole, Mono(0)).expect("fed");
    let expected = messages(&whole.taken, Audience::Platform.chunk_bytes());
    assert_eq!(expected.len(), 3 + 40);
    let mut rng = fastrand::Rng::with_seed(5);
    for portion in [1, 3, 700, 4097] {
        let mut socket = Socket { taken: Vec::new(), room: 0, portion };
        let mut feeder = Feeder::new(1, Audience::Platform, Mono(0));
        let mut session = Owing::default();
        loop {
            socket.room = rng.usize(1..3000);
            if rng.u8(..10) == 0 {
                session.0.push(&ACK).expect("room for it");
            }
            let fed = feeder.feed(&ring, &mut session, &mut socket, Mono(0)).expect("fed");
            if fed == Fed::UpToDate {
                break;
            }
        }
        let mut got = messages(&socket.taken, Audience::Platform.chunk_bytes());
        got.retain(|message| message.0 != 3);
        assert!(got == expected, "portions of {portion}");
    }
}

#[test]
fn one_overtaken_in_the_middle_of_a_message_cannot_go_on() {
    let mut ring = ring();
    store(&mut ring, Track::Video, 0, true, &[1; 40_000]);
    let mut socket = Socket { taken: Vec::new(), room: 20_000, portion: usize::MAX };
    let mut feeder = Feeder::new(1, Audience::Viewer, Mono(0));
    let mut session = Owing::default();
    assert!(matches!(feeder.feed(&ring, &mut session, &mut socket, Mono(0)), Ok(Fed::Blocked)));
    for n in 1..4 {
        store(&mut ring, Track::Video, n * 40, true, &[2; 40_000]);
    }
    socket.room = 100_000;
    let fed = feeder.feed(&ring, &mut session, &mut socket, Mono(0));
    assert!(matches!(fed, Err(FeedError::Overtaken)));
    assert_eq!(socket.taken.len(), 20_000, "nothing more has left");
}

#[test]
fn one_that_ends_finishes_its_message_and_takes_no_other() {
    let mut ring = ring();
    store(&mut ring, Track::Video, 0, true, &[1; 9000]);
    store(&mut ring, Track::Video, 40, false, &[2; 9000]);
    let mut socket = Socket { taken: Vec::new(), room: 5000, portion: usize::MAX };
    let mut feeder = Feeder::new(1, Audience::Platform, Mono(0));
    let mut session = Owing::default();
    assert!(matches!(feeder.feed(&ring, &mut session, &mut socket, Mono(0)), Ok(Fed::Blocked)));
    session.0.push(&ACK).expect("room for it");
    feeder.hold();
    socket.room = usize::MAX;
    assert!(matches!(feeder.feed(&ring, &mut session, &mut socket, Mono(0)), Ok(Fed::UpToDate)));
    let got = messages(&socket.taken, Audience::Platform.chunk_bytes());
    let tail: Vec<u8> = got.iter().rev().take(2).map(|message| message.0).collect();
    assert_eq!(tail, [3, TYPE_VIDEO], "the farewell comes behind the whole message");
}

/// A viewer that pauses in the middle of a message gets the rest of it before the answer.
#[test]
fn a_pause_waits_for_the_message_on_its_way_and_ends_at_a_keyframe() {
    let mut ring = ring();
    store(&mut ring, Track::Video, 0, true, &[1; 9000]);
    let mut socket = Socket { taken: Vec::new(), room: 5000, portion: usize::MAX };
    let mut feeder = Feeder::new(1, Audience::Platform, Mono(0));
    let mut session = Owing::default();
    assert!(matches!(feeder.feed(&ring, &mut session, &mut socket, Mono(0)), Ok(Fed::Blocked)));
    session.0.push(&ACK).expect("room for it");
    feeder.hold();
    socket.room = usize::MAX;
    store(&mut ring, Track::Video, 40, false, &[2; 100]);
    assert!(matches!(feeder.feed(&ring, &mut session, &mut socket, Mono(0)), Ok(Fed::UpToDate)));
    feeder.resume();
    store(&mut ring, Track::Video, 80, false, &[3; 100]);
    assert!(matches!(feeder.feed(&ring, &mut session, &mut socket, Mono(0)), Ok(Fed::UpToDate)));
    store(&mut ring, Track::Video, 120, true, &[4; 100]);
    assert!(matches!(feeder.feed(&ring, &mut session, &mut socket, Mono(0)), Ok(Fed::UpToDate)));
    let got = messages(&socket.taken, Audience::Platform.chunk_bytes());
    let tail: Vec<(u8, u32)> = got.iter().rev().take(3).map(|m| (m.0, m.1)).collect();
    assert_eq!(tail, [(TYPE_VIDEO, 120), (3, 0), (TYPE_VIDEO, 0)]);
}
