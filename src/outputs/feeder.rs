//! From the ring onto a socket. Purpose: what a reader is to get next leaves by vectored writes
//! that borrow from the ring; nothing is copied or queued per reader but chunk headers, and the
//! few bytes of a configuration when it changes. Non-goal: waiting. Bound: this struct and at
//! most [`OWN_MESSAGES_MAX`] small messages.

use std::io::{IoSlice, Write};

use crate::base::limits::{DESTINATION_CHUNK_BYTES, VIEWER_CHUNK_BYTES, WRITE_SLICES_MAX};
use crate::base::time::Mono;
use crate::codec::access_unit::{Track, TrackConfig};
use crate::codec::per_track::PerTrack;
use crate::flv::tag::{self, AacPacket, AvcPacket};
use crate::net::link::{attempt, flush, LinkEnd};
use crate::program::reader::{ReadOrder, Reader, ReaderStep};
use crate::program::ring::Ring;
use crate::program::unit::{Generation, Unit};
use crate::rtmp::chunk_writer::{
    MediaMessage, CHUNK_STREAM_AUDIO, CHUNK_STREAM_DATA, CHUNK_STREAM_VIDEO,
};
use crate::rtmp::message::{TYPE_AUDIO, TYPE_DATA, TYPE_VIDEO};
use crate::rtmp::metadata::{AudioMetadata, Metadata, VideoMetadata};
use crate::rtmp::RtmpSession;

/// Units sent by one write.
const BATCH_UNITS_MAX: usize = 16;
/// Metadata and a configuration of each track.
const OWN_MESSAGES_MAX: usize = 3;

/// Who is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// A player, which takes large chunks: most units leave with one header.
    Viewer,
    /// A platform, which gets what OBS would send it.
    Platform,
}

impl Audience {
    const fn order(self) -> ReadOrder {
        match self {
            Audience::Viewer => ReadOrder::Viewer,
            Audience::Platform => ReadOrder::Time,
        }
    }

    const fn chunk_bytes(self) -> usize {
        match self {
            Audience::Viewer => VIEWER_CHUNK_BYTES,
            Audience::Platform => DESTINATION_CHUNK_BYTES,
        }
    }
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// Everything there is has left.
    UpToDate,
    /// The socket takes no more.
    Blocked,
}

/// Why a connection cannot be fed any longer.
#[derive(Debug)]
pub(super) enum FeedError {
    /// The ring has overwritten the unit it was in the middle of.
    Overtaken,
    /// The connection.
    Link(LinkEnd),
}

impl From<LinkEnd> for FeedError {
    fn from(end: LinkEnd) -> FeedError {
        FeedError::Link(end)
    }
}

/// What became of a batch.
enum Batch {
    /// There was nothing to send.
    Nothing,
    /// A configuration goes first.
    Configured,
    /// So many bytes have left.
    Sent(usize),
    /// The socket takes nothing now.
    Blocked,
}

/// A unit of a batch, and where the reader stood before it.
struct Due {
    before: Reader,
    unit: Unit,
    timestamp_ms: u32,
    message: MediaMessage,
}

/// What is on its way: one message, of which `sent` bytes have left.
struct Flight {
    message: MediaMessage,
    cargo: Cargo,
    sent: usize,
}

enum Cargo {
    Unit(Unit),
    Own(Vec<u8>),
}

/// Feeds one connection.
pub(super) struct Feeder {
    reader: Reader,
    message_stream: u32,
    audience: Audience,
    own: heapless::Deque<Flight, OWN_MESSAGES_MAX>,
    flight: Option<Flight>,
    media_bytes: u64,
    timestamp_ms: u32,
    progress: Mono,
    ends_before_key: bool,
    held: bool,
}

impl Feeder {
    /// A feeder that begins at the newest keyframe.
    pub(super) fn new(message_stream: u32, audience: Audience, now: Mono) -> Feeder {
        Feeder {
            reader: Reader::ordered(audience.order()),
            message_stream,
            audience,
            own: heapless::Deque::new(),
            flight: None,
            media_bytes: 0,
            timestamp_ms: 0,
            progress: now,
            ends_before_key: false,
            held: false,
        }
    }

    /// Sends what there is until the socket takes no more. Media waits for a session's own bytes,
    /// which go out between two messages.
    pub(super) fn feed(
        &mut self,
        ring: &Ring,
        session: &mut impl RtmpSession,
        mut socket: impl Write,
        now: Mono,
    ) -> Result<Fed, FeedError> {
        loop {
            if let Some(flight) = &mut self.flight {
                if !flight.is_held(ring) {
                    return Err(FeedError::Overtaken);
                }
                let Some(count) = flight.send(ring, &mut socket)? else { return Ok(Fed::Blocked) };
                self.media_bytes += count as u64;
                self.progress = now;
                if flight.sent == flight.message.wire_len() {
                    self.flight = None;
                }
            } else if !session.outbox().is_empty() {
                if !flush(session, &mut socket)? {
                    return Ok(Fed::Blocked);
                }
            } else if let Some(own) = self.own.pop_front() {
                self.flight = Some(own);
            } else {
                match self.send_batch(ring, &mut socket)? {
                    Batch::Nothing => {
                        self.progress = now;
                        return Ok(Fed::UpToDate);
                    }
                    Batch::Configured => {}
                    Batch::Sent(count) => {
                        self.media_bytes += count as u64;
                        self.progress = now;
                    }
                    Batch::Blocked => return Ok(Fed::Blocked),
                }
            }
        }
    }

    /// Sends all that the reader may have, up to a batch, by one write: a system call costs more
    /// than the audio frame it carries. What the socket does not take is stepped back over; a
    /// message it took a part of stays in flight.
    fn send_batch(&mut self, ring: &Ring, socket: &mut impl Write) -> Result<Batch, FeedError> {
        let mut batch: heapless::Vec<Due, BATCH_UNITS_MAX> = heapless::Vec::new();
        while !self.held && !batch.is_full() {
            let before = self.reader.clone();
            match self.reader.step(ring) {
                ReaderStep::Wait => break,
                ReaderStep::Configure { changed, in_force, timestamp_ms } if batch.is_empty() => {
                    self.configure(ring, changed, in_force, timestamp_ms);
                    return Ok(Batch::Configured);
                }
                ReaderStep::Configure { .. } => {
                    self.reader = before;
                    break;
                }
                ReaderStep::Send { unit, .. } if self.ends_before_key && unit.key => {
                    self.reader = before;
                    self.held = true;
                }
                ReaderStep::Send { unit, timestamp_ms } => {
                    self.reader.sent(&unit);
                    let message = self.message(unit.track.into(), timestamp_ms, unit.len);
                    // There is room: the loop ends when the batch is full.
                    let _ = batch.push(Due { before, unit, timestamp_ms, message });
                }
            }
        }
        if batch.is_empty() {
            return Ok(Batch::Nothing);
        }
        let mut slices: heapless::Vec<IoSlice<'_>, WRITE_SLICES_MAX> = heapless::Vec::new();
        for due in &batch {
            if !due.message.slices(ring.payload(&due.unit), 0, &mut slices) {
                break;
            }
        }
        let count = attempt(|| socket.write_vectored(&slices))?;
        drop(slices);
        self.keep_rest(batch, count.unwrap_or(0));
        Ok(count.map_or(Batch::Blocked, Batch::Sent))
    }

    /// Of a batch of which `count` bytes have left: what is begun stays in flight, what is not is
    /// the reader's to send again.
    fn keep_rest(&mut self, batch: heapless::Vec<Due, BATCH_UNITS_MAX>, mut count: usize) {
        for Due { before, unit, timestamp_ms, message } in batch {
            if count == 0 || self.flight.is_some() {
                self.reader = before;
                return;
            }
            self.timestamp_ms = timestamp_ms;
            let sent = count.min(message.wire_len());
            count -= sent;
            if sent < message.wire_len() {
                self.flight = Some(Flight { message, cargo: Cargo::Unit(unit), sent });
            }
        }
    }

    /// Puts metadata and the changed configurations in front of the next unit: a player or
    /// platform must have them before the first frame they hold for (yasea PR #840).
    fn configure(
        &mut self,
        ring: &Ring,
        changed: PerTrack<Option<Generation>>,
        in_force: PerTrack<Generation>,
        timestamp_ms: u32,
    ) {
        let config = |track, generation| ring.config(track, generation);
        let metadata =
            metadata(config(Track::Video, in_force.video), config(Track::Audio, in_force.audio));
        let metadata = match self.audience {
            Audience::Viewer => metadata.for_players(),
            Audience::Platform => metadata.for_servers(),
        };
        self.push(MessageKind::Data, timestamp_ms, metadata);
        for (track, generation) in changed.iter() {
            let config = generation.and_then(|generation| config(track, generation));
            let Some(config) = config else { continue };
            let mut body = match track {
                Track::Video => tag::video_header(true, AvcPacket::SequenceHeader, 0).to_vec(),
                Track::Audio => tag::audio_header(AacPacket::SequenceHeader).to_vec(),
            };
            body.extend_from_slice(config.record());
            self.push(track.into(), timestamp_ms, body);
        }
    }

    fn push(&mut self, kind: MessageKind, timestamp_ms: u32, body: Vec<u8>) {
        let message = self.message(kind, timestamp_ms, body.len());
        let pushed = self.own.push_back(Flight { message, cargo: Cargo::Own(body), sent: 0 });
        debug_assert!(pushed.is_ok(), "at most metadata and two configurations at a time");
    }

    fn message(&self, kind: MessageKind, timestamp_ms: u32, len: usize) -> MediaMessage {
        let (chunk_stream, type_id) = match kind {
            MessageKind::Audio => (CHUNK_STREAM_AUDIO, TYPE_AUDIO),
            MessageKind::Video => (CHUNK_STREAM_VIDEO, TYPE_VIDEO),
            MessageKind::Data => (CHUNK_STREAM_DATA, TYPE_DATA),
        };
        let (stream, chunk_bytes) = (self.message_stream, self.audience.chunk_bytes());
        MediaMessage::new(chunk_stream, stream, type_id, timestamp_ms, len, chunk_bytes)
    }

    /// Takes no new unit from now on: for a pause, or the end. What is on its way is finished, for
    /// within a message nothing else can be said.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Takes no key frame from now on, and nothing behind one.
    pub(super) fn end_before_key(&mut self) {
        self.ends_before_key = true;
    }

    /// Whether it takes no new unit.
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// Goes on with the next keyframe.
    pub(super) fn resume(&mut self) {
        if std::mem::take(&mut self.held) {
            self.reader.restart();
        }
    }

    /// The cursor.
    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Bytes of media messages sent, headers included.
    pub(super) fn media_bytes(&self) -> u64 {
        self.media_bytes
    }

    /// The timestamp last sent, milliseconds.
    pub(super) fn timestamp_ms(&self) -> u32 {
        self.timestamp_ms
    }

    /// When the socket last took a byte, or had taken all there was.
    pub(super) fn progress(&self) -> Mono {
        self.progress
    }
}

impl Flight {
    /// Whether what it carries has not been overwritten.
    fn is_held(&self, ring: &Ring) -> bool {
        match &self.cargo {
            Cargo::Unit(unit) => ring.holds(unit),
            Cargo::Own(_) => true,
        }
    }

    /// Sends as much as the socket takes at once: `None` if it takes nothing now.
    fn send(&mut self, ring: &Ring, socket: &mut impl Write) -> Result<Option<usize>, FeedError> {
        let payload = match &self.cargo {
            Cargo::Unit(unit) => ring.payload(unit),
            Cargo::Own(body) => [body.as_slice(), &[]],
        };
        let mut slices: heapless::Vec<IoSlice<'_>, WRITE_SLICES_MAX> = heapless::Vec::new();
        self.message.slices(payload, self.sent, &mut slices);
        let count = attempt(|| socket.write_vectored(&slices))?;
        self.sent += count.unwrap_or(0);
        Ok(count)
    }
}

/// RTMP message types that carry media (RTMP 1.0, 7.1).
#[derive(Clone, Copy)]
enum MessageKind {
    Audio,
    Video,
    Data,
}

impl From<Track> for MessageKind {
    fn from(track: Track) -> MessageKind {
        match track {
            Track::Video => MessageKind::Video,
            Track::Audio => MessageKind::Audio,
        }
    }
}

/// What is said of the stream in `onMetaData`.
fn metadata(video: Option<&TrackConfig>, audio: Option<&TrackConfig>) -> Metadata {
    let video = match video {
        Some(TrackConfig::Avc(avc)) => Some(VideoMetadata {
            width: avc.width,
            height: avc.height,
            frame_rate: avc.frame_rate,
            kbps: 0.0,
        }),
        _ => None,
    };
    let audio = match audio {
        Some(TrackConfig::Aac(aac)) => Some(AudioMetadata {
            kbps: 0.0,
            sample_rate_hz: aac.sample_rate_hz,
            channels: aac.channels,
        }),
        _ => None,
    };
    Metadata { video, audio }
}

#[cfg(test)]
#[path = "feeder_tests.rs"]
mod tests;
