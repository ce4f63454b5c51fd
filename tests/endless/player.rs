//! The far side: a reader's units through RTMP chunks, every header checked, and the times held
//! to those the units' stamps tell. Purpose: what a player or platform would stumble over fails
//! here. Bound: one message at a time.

use std::io::IoSlice;
use std::time::Duration;

use streamcaster::base::time::{Mono, Ticks, TICKS_PER_MS};
use streamcaster::codec::access_unit::Track;
use streamcaster::flv::tag::{self, AacPacket, AvcPacket};
use streamcaster::program::reader::{Reader, ReaderStep};
use streamcaster::program::ring::Ring;
use streamcaster::rtmp::chunk_reader::{ChunkEvent, ChunkReader};
use streamcaster::rtmp::chunk_writer::{MediaMessage, CHUNK_STREAM_AUDIO, CHUNK_STREAM_VIDEO};
use streamcaster::rtmp::message::{TYPE_AUDIO, TYPE_VIDEO};

use crate::card;
use crate::encoder::SPS;
use crate::stamp::Stamp;
use crate::wire;

/// So small that every message is several chunks.
const CHUNK_BYTES: usize = 8;
const MESSAGE_STREAM: u32 = 1;
/// Two roundings to a millisecond.
pub const ROUNDING: i64 = 2 * TICKS_PER_MS;
const SET_CHUNK_BYTES: [u8; 16] = [2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, CHUNK_BYTES as u8];

/// What a player has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Units of each track.
    pub units: [u64; 2],
    /// Configurations of each track.
    pub configs: [u64; 2],
    /// Type 3 chunks with an extended timestamp.
    pub extended_chunks: u64,
    /// Timestamps that began again at 0 after 32 bits, video.
    pub wraps: u32,
    /// The longest time from one unit to the next, by track, milliseconds.
    pub gap_ms: [u32; 2],
    /// From the picture of one source shown last to the one of the next shown first, milliseconds:
    /// the least and the most.
    pub seam_ms: Option<(i64, i64)>,
    /// How far sound and picture of one source were apart at most, 90 kHz.
    pub skew: i64,
    /// How far the picture's times strayed from its source's at most, 90 kHz.
    pub stray: i64,
    /// Audio units whose source's picture was not the last one.
    pub apart: u64,
    /// Units of encoders, not of the card.
    pub live: u64,
    /// Connections, the first one counted.
    pub connections: u32,
    /// Times the reader was skipped forward.
    pub skips: u64,
}

/// A player.
pub struct Player {
    reader: Reader,
    peer: ChunkReader,
    /// Programme time of its timestamp 0, milliseconds.
    base_ms: Option<i64>,
    last_ms: [Option<u32>; 2],
    /// Whose configuration is in force, by track: is it the card's?
    configured: [Option<bool>; 2],
    run: Option<Run>,
    wire: Vec<u8>,
    payload: Vec<u8>,
    seen: Seen,
    /// It takes nothing between two times that lie so far apart.
    pause: Duration,
    wakes: Mono,
    /// It connects again whenever it has been connected for so long.
    stays: Duration,
    leaves: Mono,
}

/// Video units of one source behind one another: one offset holds for all of them.
struct Run {
    id: u8,
    /// Programme time less source time.
    offset: i64,
    /// The latest PTS, milliseconds.
    shown_ms: i64,
}

impl Player {
    pub fn new() -> Player {
        let mut player = Player {
            reader: Reader::new(),
            peer: ChunkReader::new(),
            base_ms: None,
            last_ms: [None; 2],
            configured: [None; 2],
            run: None,
            wire: Vec::new(),
            payload: Vec::new(),
            seen: Seen::default(),
            pause: Duration::ZERO,
            wakes: Mono::default(),
            stays: Duration::MAX,
            leaves: Mono(u64::MAX),
        };
        player.connect(Mono::default());
        player
    }

    /// One that takes what there is only now and then.
    pub fn slow(pause: Duration) -> Player {
        Player { pause, ..Player::new() }
    }

    /// A destination whose server breaks the connection whenever it has stood so long.
    pub fn unsteady(stays: Duration) -> Player {
        Player { stays, leaves: Mono::default() + stays, ..Player::new() }
    }

    fn connect(&mut self, now: Mono) {
        self.seen.skips += self.reader.skips();
        self.leaves = now + self.stays;
        self.reader = Reader::new();
        self.peer = ChunkReader::new();
        (self.base_ms, self.run) = (None, None);
        (self.last_ms, self.configured) = ([None; 2], [None; 2]);
        self.seen.connections += 1;
        let mut input = &SET_CHUNK_BYTES[..];
        assert!(matches!(self.peer.next(&mut input), Ok(None)), "obeyed without a word");
    }

    /// Takes all there is.
    pub fn take(&mut self, ring: &Ring, now: Mono) {
        if now < self.wakes {
            return;
        }
        self.wakes = now + self.pause;
        if now >= self.leaves {
            self.connect(now);
        }
        loop {
            let skips = self.reader.skips();
            let step = self.reader.step(ring);
            if self.reader.skips() > skips {
                // What it did not see may have been another source.
                self.run = None;
            }
            match step {
                ReaderStep::Wait => break,
                ReaderStep::Configure { changed, timestamp_ms, .. } => {
                    for (track, &generation) in changed.iter() {
                        let Some(generation) = generation else { continue };
                        let config = ring.config(track, generation).expect("remembered");
                        let body = match track {
                            Track::Video => {
                                tag::video_header(true, AvcPacket::SequenceHeader, 0).to_vec()
                            }
                            Track::Audio => tag::audio_header(AacPacket::SequenceHeader).to_vec(),
                        };
                        let body = [&body, config.record()].concat();
                        self.carry(track, timestamp_ms, [&body, &[]], now);
                        self.config(track);
                    }
                }
                ReaderStep::Send { unit, timestamp_ms } => {
                    let base_ms = *self.base_ms.get_or_insert_with(|| {
                        assert!(unit.key, "a connection begins with a key frame");
                        assert_eq!(timestamp_ms, 0, "its time begins at 0");
                        unit.dts.to_ms()
                    });
                    let due = (unit.dts.to_ms() - base_ms).rem_euclid(1 << 32);
                    assert_eq!(i64::from(timestamp_ms), due, "programme time since the beginning");
                    self.carry(unit.track, timestamp_ms, ring.payload(&unit), now);
                    self.unit(unit.track, unit.dts, unit.key, timestamp_ms);
                    self.reader.sent(&unit);
                }
            }
        }
    }

    /// What it has seen.
    pub fn seen(&self) -> Seen {
        Seen { skips: self.seen.skips + self.reader.skips(), ..self.seen }
    }

    /// Carries a message over the wire and checks what arrives, by the letter and by the
    /// program's own reader. Its payload is in `self.payload` then.
    fn carry(&mut self, track: Track, timestamp_ms: u32, parts: [&[u8]; 2], now: Mono) {
        let (chunk_stream, type_id) = match track {
            Track::Video => (CHUNK_STREAM_VIDEO, TYPE_VIDEO),
            Track::Audio => (CHUNK_STREAM_AUDIO, TYPE_AUDIO),
        };
        let length = parts.iter().map(|part| part.len()).sum();
        let message = MediaMessage::new(
            chunk_stream,
            MESSAGE_STREAM,
            type_id,
            timestamp_ms,
            length,
            CHUNK_BYTES,
        );
        self.wire.clear();
        while self.wire.len() < message.wire_len() {
            let mut slices: heapless::Vec<IoSlice<'_>, 8> = heapless::Vec::new();
            message.slices(parts, self.wire.len(), &mut slices);
            slices.iter().for_each(|slice| self.wire.extend_from_slice(slice));
        }
        let head = wire::decode(&self.wire, CHUNK_BYTES, &mut self.payload);
        let extended_chunks =
            if timestamp_ms >= 0xff_ffff { length.div_ceil(CHUNK_BYTES) as u32 - 1 } else { 0 };
        let due = wire::Decoded {
            chunk_stream,
            type_id,
            message_stream: MESSAGE_STREAM,
            timestamp_ms,
            extended_chunks,
        };
        assert_eq!(head, due);
        self.seen.extended_chunks += u64::from(extended_chunks);
        self.peer.tick(now);
        let (mut input, mut received, mut ended) = (self.wire.as_slice(), 0, false);
        while let Some(event) = self.peer.next(&mut input).expect("our own chunks are readable") {
            match event {
                ChunkEvent::Start(head) => {
                    assert_eq!((head.timestamp_ms, head.length), (timestamp_ms, length));
                    assert_eq!((head.type_id, head.message_stream), (type_id, MESSAGE_STREAM));
                }
                ChunkEvent::Payload(_, bytes) => {
                    assert!(self.payload[received..].starts_with(bytes), "the payload as sent");
                    received += bytes.len();
                }
                ChunkEvent::End(_) => ended = true,
                ChunkEvent::Dropped { .. } => unreachable!("nobody gives up a message"),
            }
        }
        assert!(ended, "the whole message");
        assert!(received == length, "the whole message");
    }

    fn config(&mut self, track: Track) {
        let (record, card) = match track {
            Track::Video => {
                let (header, record) = tag::parse_video(&self.payload).expect("AVC");
                assert_eq!((header.packet, header.composition_ms), (AvcPacket::SequenceHeader, 0));
                (record, card::VIDEO_RECORD)
            }
            Track::Audio => {
                let (packet, record) = tag::parse_audio(&self.payload).expect("AAC");
                assert_eq!(packet, AacPacket::SequenceHeader);
                (record, card::AUDIO_RECORD)
            }
        };
        let is_card = record == card;
        let has_sps = record.windows(SPS.len()).any(|window| window == SPS);
        assert!(is_card || has_sps || track == Track::Audio && record.len() == 2);
        self.configured[track as usize] = Some(is_card);
        self.seen.configs[track as usize] += 1;
    }

    fn unit(&mut self, track: Track, dts: Ticks, key: bool, timestamp_ms: u32) {
        self.seen.units[track as usize] += 1;
        self.grows(track, timestamp_ms);
        let (stamp, composition_ms) = match track {
            Track::Video => {
                let (header, body) = tag::parse_video(&self.payload).expect("AVC");
                assert_eq!((header.packet, header.key), (AvcPacket::Nalu, key));
                (Stamp::read(slice(body, key)), header.composition_ms)
            }
            Track::Audio => {
                let (packet, body) = tag::parse_audio(&self.payload).expect("AAC");
                assert_eq!(packet, AacPacket::Raw);
                (Stamp::read(body), 0)
            }
        };
        let configured = self.configured[track as usize];
        assert_eq!(configured, Some(stamp.is_card()), "its configuration stands before a unit");
        self.seen.live += u64::from(!stamp.is_card());
        let offset = dts.0 - stamp.dts;
        match track {
            Track::Video => {
                assert!((0..=60_000).contains(&composition_ms));
                let error = i64::from(composition_ms) * TICKS_PER_MS - stamp.composition;
                assert!(error.abs() < ROUNDING, "composition time {composition_ms} is {error} off");
                let pts_ms = dts.to_ms() + i64::from(composition_ms);
                match self.run.as_mut().filter(|run| run.id == stamp.id) {
                    Some(run) => run.shown_ms = run.shown_ms.max(pts_ms),
                    None => {
                        let run = Run { id: stamp.id, offset, shown_ms: pts_ms };
                        if let Some(last) = self.run.replace(run) {
                            let seam = pts_ms - last.shown_ms;
                            let (least, most) = self.seen.seam_ms.unwrap_or((seam, seam));
                            self.seen.seam_ms = Some((least.min(seam), most.max(seam)));
                        }
                    }
                }
                let stray = self.run.as_ref().map_or(0, |run| (offset - run.offset).abs());
                self.seen.stray = self.seen.stray.max(stray);
            }
            Track::Audio => match self.run.as_ref().filter(|run| run.id == stamp.id) {
                Some(run) => self.seen.skew = self.seen.skew.max((offset - run.offset).abs()),
                None => self.seen.apart += 1,
            },
        }
    }

    /// Times of a track only grow, modulo 2^32.
    fn grows(&mut self, track: Track, timestamp_ms: u32) {
        let last = self.last_ms[track as usize].replace(timestamp_ms);
        let Some(last) = last else { return };
        let step = timestamp_ms.wrapping_sub(last);
        assert!(step > 0, "{track:?}: {timestamp_ms} twice");
        assert!(step < 1 << 31, "{track:?}: back from {last} to {timestamp_ms}");
        self.seen.wraps += u32::from(timestamp_ms < last && track == Track::Video);
        let gap = &mut self.seen.gap_ms[track as usize];
        *gap = (*gap).max(step);
    }
}

/// The slice in an access unit, its NAL header left out: the last of its NAL units.
fn slice(mut unit: &[u8], key: bool) -> &[u8] {
    loop {
        let (length, rest) = unit.split_first_chunk::<4>().expect("a length word");
        let length = u32::from_be_bytes(*length) as usize;
        let (nal, behind) = rest.split_at_checked(length).expect("a whole NAL unit");
        if behind.is_empty() {
            let (header, slice) = nal.split_first().expect("a NAL unit header");
            assert_eq!(header & 0x1f, if key { 5 } else { 1 }, "a key unit is an IDR");
            return slice;
        }
        unit = behind;
    }
}
