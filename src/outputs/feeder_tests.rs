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

impl RtmpSession for Owing {
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
    /// Writes of which it took something.
    writes: usize,
}

impl Socket {
    fn with_room(room: usize) -> Socket {
        Socket { taken: Vec::new(), room, portion: usize::MAX, writes: 0 }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room).min(self.portion);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.taken.extend_from_slice(&bytes[..count]);
        self.room -= count;
        self.writes += 1;
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

fn avc(record: &[u8]) -> TrackConfig {
    TrackConfig::Avc(AvcConfig {
        record: ConfigRecord::from_slice(record).expect("small"),
        width: 1280,
        height: 720,
        frame_rate: 30.0,
        profile_idc: 77,
        constraints: 0,
        level_idc: 31,
    })
}

fn ring() -> Ring {
    let mut ring = Ring::new(Capacity {
        video_bytes: 100_000,
        audio_bytes: 10_000,
        units: 100,
        unit_bytes_max: 50_000,
    });
    ring.set_config(&avc(b"avc record"));
    ring.set_config(&TrackConfig::Aac(AacConfig {
        record: ConfigRecord::from_slice(b"asc").expect("small"),
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
    let mut socket = Socket::with_room(usize::MAX);
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
    let mut whole = Socket::with_room(usize::MAX);
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
        let mut socket = Socket { portion, ..Socket::with_room(0) };
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
    let mut socket = Socket::with_room(20_000);
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
    let mut socket = Socket::with_room(5000);
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
    let mut socket = Socket::with_room(5000);
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

/// Feeds at this time, with so much room in the socket.
fn feed(feeder: &mut Feeder, ring: &Ring, socket: &mut Socket, room: usize, now: u64) -> Fed {
    socket.room = room;
    feeder.feed(ring, &mut Owing::default(), socket, Mono(now)).expect("fed")
}

const AUDIENCES: [Audience; 2] = [Audience::Viewer, Audience::Platform];

/// A connection is given up when it takes nothing for long: each byte counts, and so does having
/// had everything.
#[test]
fn progress_is_when_the_socket_last_took_a_byte_or_had_all_there_was() {
    for audience in AUDIENCES {
        let (mut ring, mut socket) = (ring(), Socket::with_room(0));
        let mut feeder = Feeder::new(1, audience, Mono(7));
        assert_eq!(feeder.progress(), Mono(7));
        assert_eq!(feed(&mut feeder, &ring, &mut socket, 0, 10), Fed::UpToDate);
        assert_eq!(feeder.progress(), Mono(10), "there is nothing");

        store(&mut ring, Track::Video, 0, true, &[1; 9000]);
        let mut own = Socket::with_room(usize::MAX);
        let mut other = Feeder::new(1, audience, Mono(0));
        other.feed(&ring, &mut Owing::default(), &mut own, Mono(0)).expect("fed");
        let whole = own.taken.len();
        let chunks = 9000_usize.div_ceil(audience.chunk_bytes());
        let messages = whole - (12 + 9000 + (chunks - 1));

        // (room, now, what has left since, the last progress)
        let steps = [
            (0, 20, 0, 10),
            (1, 30, 1, 30),
            (0, 40, 1, 30),
            (messages - 1, 50, messages, 50),
            (0, 60, messages, 50),
            (5000, 70, messages + 5000, 70),
            (0, 80, messages + 5000, 70),
            (1, 90, messages + 5001, 90),
            (0, 100, messages + 5001, 90),
        ];
        for (room, now, left, progress) in steps {
            assert_eq!(feed(&mut feeder, &ring, &mut socket, room, now), Fed::Blocked);
            assert_eq!(feeder.progress(), Mono(progress), "{audience:?} at {now}");
            assert_eq!((socket.taken.len(), feeder.media_bytes()), (left, left as u64));
        }
        let rest = whole - messages - 5001;
        assert_eq!(feed(&mut feeder, &ring, &mut socket, rest, 110), Fed::UpToDate);
        assert_eq!(feeder.progress(), Mono(110));
        assert_eq!(feed(&mut feeder, &ring, &mut socket, 0, 120), Fed::UpToDate);
        assert_eq!(feeder.progress(), Mono(120), "it has everything");
        assert_eq!(socket.taken, own.taken);

        store(&mut ring, Track::Video, 40, false, &[2; 100]);
        feeder.hold();
        assert_eq!(feed(&mut feeder, &ring, &mut socket, 0, 130), Fed::UpToDate);
        assert_eq!(feeder.progress(), Mono(130), "one that is held is owed nothing");
        let mut session = Owing::default();
        session.0.push(&ACK).expect("room for it");
        let fed = feeder.feed(&ring, &mut session, &mut socket, Mono(140)).expect("fed");
        assert_eq!((fed, feeder.progress()), (Fed::Blocked, Mono(130)), "the answer waits");
    }
}

/// Of a batch leaves what the socket takes, however it cuts it: the wire is the same to the byte,
/// and what was not started is the reader's again.
#[test]
fn of_a_batch_in_part_what_was_not_started_is_sent_again() {
    for (audience, seed) in AUDIENCES.into_iter().flat_map(|one| (0..100).map(move |n| (one, n))) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut ring = ring();
        for n in 0..30 {
            let len = [1, 40, 400, 4500][rng.usize(..4)];
            let track = if n == 0 || rng.bool() { Track::Video } else { Track::Audio };
            let len = if track == Track::Audio { len.min(250) } else { len };
            let payload: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(len).collect();
            store(&mut ring, track, n * 10, n == 0, &payload);
        }
        let mut whole = Socket::with_room(usize::MAX);
        let mut feeder = Feeder::new(1, audience, Mono(0));
        feeder.feed(&ring, &mut Owing::default(), &mut whole, Mono(0)).expect("fed");
        let expected = messages(&whole.taken, audience.chunk_bytes());
        assert_eq!(expected.len(), 3 + 30);
        let ends = ends(&expected, audience);
        let (own, units) = ends.split_at(3);

        let mut socket = Socket::with_room(0);
        let mut feeder = Feeder::new(1, audience, Mono(0));
        let room_max = [20, 300, 12_000][rng.usize(..3)];
        loop {
            // Sometimes to the very end of a message, where nothing may stay in flight.
            let taken = socket.taken.len();
            let end = ends.iter().find(|&&end| end > taken).filter(|_| rng.bool());
            let room = end.map_or_else(|| rng.usize(..room_max), |end| end - taken);
            let fed = feed(&mut feeder, &ring, &mut socket, room, 0);
            let taken = socket.taken.len();
            assert_eq!(whole.taken.get(..taken), Some(&*socket.taken), "{audience:?} {seed}");
            // A unit of which a byte has left is sent, as far as the reader goes.
            let is_inside = own.iter().all(|&end| end < taken) && !units.contains(&taken);
            let started =
                units.iter().filter(|&&end| end <= taken).count() + usize::from(is_inside);
            let at = expected.get(2 + started).filter(|_| started > 0).map(|m| i64::from(m.1));
            let reader = feeder.reader();
            let sent = reader.last_ms(Track::Video).max(reader.last_ms(Track::Audio));
            assert_eq!(sent, at, "{audience:?} {seed}: where the reader stands at {taken}");
            assert_eq!(Some(i64::from(feeder.timestamp_ms())), at.or(Some(0)));
            assert_eq!(feeder.media_bytes(), taken as u64);
            if fed == Fed::UpToDate {
                break;
            }
        }
        assert!(socket.taken == whole.taken, "{audience:?} {seed}: nothing is missing");
    }
}

/// Where messages end on the wire.
fn ends(messages: &[(u8, u32, Vec<u8>)], audience: Audience) -> Vec<usize> {
    let mut end = 0;
    let ends = messages.iter().map(|(_, _, payload)| {
        end += 12 + payload.len() + payload.len().div_ceil(audience.chunk_bytes()) - 1;
        end
    });
    ends.collect()
}

#[cfg(test)]
#[path = "feeder_order_tests.rs"]
mod order_tests;
