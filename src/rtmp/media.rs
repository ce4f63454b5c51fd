//! Media that comes in: from a publisher, or from a server we play (RTMP 1.0, 7.1.4 to 7.1.6).
//! Purpose: tell each audio and video message from its first byte to its last, in pieces as they
//! arrive, and take aggregate messages apart on the way.
//!
//! Non-goals: what is in them (a shell hands the pieces to who knows FLV), data messages.
//!
//! Bound: nothing of a message is kept, but the eleven bytes of a header inside an aggregate; a
//! few words for each of [`RTMP_CHUNK_STREAMS_MAX`] chunk streams.

use crate::base::limits::RTMP_CHUNK_STREAMS_MAX;
use crate::codec::access_unit::Track;
use crate::codec::per_track::PerTrack;

use super::chunk::MessageHead;
use super::chunk_reader::ChunkEvent;
use super::message::{TYPE_AGGREGATE, TYPE_AUDIO, TYPE_VIDEO};

/// The track that a message of this type is part of; of types that carry no media there is none.
const fn track_of(type_id: u8) -> Option<Track> {
    match type_id {
        TYPE_AUDIO => Some(Track::Audio),
        TYPE_VIDEO => Some(Track::Video),
        _ => None,
    }
}

/// Takes media messages as their bytes arrive. Of each track at most one is open; one of either may
/// be open at once, and their pieces alternate. An empty message is not told.
pub trait MediaSink {
    /// A message begins that will have `bytes` bytes, at least one, and at most 0xFFFFFF if its
    /// sender keeps his word; nothing may be allocated on it. `timestamp_ms` wraps after 49.7 days.
    fn begin(&mut self, track: Track, timestamp_ms: u32, bytes: usize);
    /// The next piece of the open message.
    fn data(&mut self, track: Track, bytes: &[u8]);
    /// The open message is whole.
    fn end(&mut self, track: Track);
    /// The open message will not be finished; nothing of it is to be used.
    fn abort(&mut self, track: Track);
}

/// Where media goes that nobody wants.
pub struct NoMedia;

impl MediaSink for NoMedia {
    fn begin(&mut self, _: Track, _: u32, _: usize) {}
    fn data(&mut self, _: Track, _: &[u8]) {}
    fn end(&mut self, _: Track) {}
    fn abort(&mut self, _: Track) {}
}

/// Tells a sink what of the chunks is media.
#[derive(Default)]
pub(super) struct MediaReader {
    taken: bool,
    /// The message open on each chunk stream, by [`MessageHead::slot`].
    slots: [Open; RTMP_CHUNK_STREAMS_MAX],
    /// The slot whose message is open at the sink.
    told: PerTrack<Option<usize>>,
    left_out: u64,
}

#[derive(Clone, Copy, Default)]
enum Open {
    /// Nothing, or nothing that is taken.
    #[default]
    Nothing,
    /// A message of this track.
    Message(Track),
    /// An aggregate.
    Aggregate(Aggregate),
}

impl MediaReader {
    /// From the next message on, media is told to the sink.
    pub(super) fn take(&mut self) {
        self.taken = true;
    }

    /// No more media is told; what is open is aborted.
    pub(super) fn refuse(&mut self, sink: &mut dyn MediaSink) {
        self.taken = false;
        for slot in 0..RTMP_CHUNK_STREAMS_MAX {
            self.drop_slot(slot, sink);
        }
    }

    /// Messages left out: begun while another of their track was open, or broken inside an
    /// aggregate.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn chunk(&mut self, event: &ChunkEvent<'_>, sink: &mut dyn MediaSink) {
        match *event {
            ChunkEvent::Start(head) => self.start(head, sink),
            ChunkEvent::Payload(head, bytes) => match self.slots.get(head.slot) {
                Some(Open::Message(track)) => sink.data(*track, bytes),
                Some(&Open::Aggregate(aggregate)) => {
                    self.aggregate(head.slot, aggregate, bytes, sink);
                }
                _ => {}
            },
            ChunkEvent::End(head) => {
                if let Some(&Open::Message(track)) = self.slots.get(head.slot) {
                    self.close(track);
                    sink.end(track);
                }
                self.drop_slot(head.slot, sink);
            }
            ChunkEvent::Dropped { slot } => self.drop_slot(slot, sink),
        }
    }

    fn start(&mut self, head: MessageHead, sink: &mut dyn MediaSink) {
        if !self.taken || head.length == 0 {
            return;
        }
        let open = match track_of(head.type_id) {
            Some(track) if self.open(track, head.slot) => {
                sink.begin(track, head.timestamp_ms, head.length);
                Open::Message(track)
            }
            None if head.type_id == TYPE_AGGREGATE => Open::Aggregate(Aggregate::new(&head)),
            _ => Open::Nothing,
        };
        if let Some(slot) = self.slots.get_mut(head.slot) {
            *slot = open;
        }
    }

    /// Whether a message of this track may be told now; counts it if not.
    fn open(&mut self, track: Track, slot: usize) -> bool {
        if self.told[track].is_some() {
            self.left_out += 1;
            return false;
        }
        self.told[track] = Some(slot);
        true
    }

    fn close(&mut self, track: Track) {
        self.told[track] = None;
    }

    /// Forgets what is open in a slot; what of it was told is aborted.
    fn drop_slot(&mut self, slot: usize, sink: &mut dyn MediaSink) {
        for track in Track::ALL {
            if self.told[track] == Some(slot) {
                self.close(track);
                self.left_out += 1;
                sink.abort(track);
            }
        }
        if let Some(open) = self.slots.get_mut(slot) {
            *open = Open::Nothing;
        }
    }

    /// Takes a piece of an aggregate apart.
    fn aggregate(
        &mut self,
        slot: usize,
        mut aggregate: Aggregate,
        mut bytes: &[u8],
        sink: &mut dyn MediaSink,
    ) {
        while let Some(part) = aggregate.next(&mut bytes) {
            match part {
                Part::Begin { track, timestamp_ms, bytes } => {
                    aggregate.told = self.open(track, slot).then_some(track);
                    if aggregate.told.is_some() {
                        sink.begin(track, timestamp_ms, bytes);
                    }
                }
                Part::Data(bytes) => {
                    if let Some(track) = aggregate.told {
                        sink.data(track, bytes);
                    }
                }
                Part::End => {
                    if let Some(track) = aggregate.told.take() {
                        self.close(track);
                        sink.end(track);
                    }
                }
                Part::Broken => self.left_out += 1,
            }
        }
        if let Some(open) = self.slots.get_mut(slot) {
            *open = Open::Aggregate(aggregate);
        }
    }
}

/// Bytes of a message's header inside an aggregate: that of an FLV tag (FLV 10.1, E.4.1).
const TAG_HEADER_BYTES: usize = 11;
/// Bytes of the back pointer behind it.
const BACK_POINTER_BYTES: usize = 4;

/// How far an aggregate message (7.1.6) has been read.
#[derive(Clone, Copy)]
struct Aggregate {
    /// The message's own timestamp, which the first one inside has, too.
    timestamp_ms: u32,
    /// Bytes of the aggregate that have not come.
    left: usize,
    /// The first inner timestamp.
    first_ms: Option<u32>,
    header: [u8; TAG_HEADER_BYTES],
    step: Step,
    /// What is open at the sink.
    told: Option<Track>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// So many bytes of the header have come.
    Header(usize),
    /// So many bytes of the body are still to come.
    Body(usize),
    /// So many bytes of the back pointer are still to come.
    BackPointer(usize),
    /// The rest makes no sense.
    Broken,
}

/// What an aggregate brings.
enum Part<'b> {
    Begin { track: Track, timestamp_ms: u32, bytes: usize },
    Data(&'b [u8]),
    End,
    Broken,
}

impl Aggregate {
    fn new(head: &MessageHead) -> Aggregate {
        Aggregate {
            timestamp_ms: head.timestamp_ms,
            left: head.length,
            first_ms: None,
            header: [0; TAG_HEADER_BYTES],
            step: Step::Header(0),
            told: None,
        }
    }

    /// Takes what it can from `input`, shortening it, up to the next part. `None`: all is taken.
    fn next<'b>(&mut self, input: &mut &'b [u8]) -> Option<Part<'b>> {
        loop {
            match self.step {
                Step::Header(have) => {
                    let taken = self.take(input, TAG_HEADER_BYTES - have);
                    if taken.is_empty() {
                        return None;
                    }
                    for (place, byte) in self.header.iter_mut().skip(have).zip(taken) {
                        *place = *byte;
                    }
                    self.step = Step::Header(have + taken.len());
                    if have + taken.len() == TAG_HEADER_BYTES {
                        if let Some(part) = self.begin() {
                            return Some(part);
                        }
                    }
                }
                Step::Body(0) => {
                    self.step = Step::BackPointer(BACK_POINTER_BYTES);
                    return Some(Part::End);
                }
                Step::Body(left) => {
                    let taken = self.take(input, left);
                    if taken.is_empty() {
                        return None;
                    }
                    self.step = Step::Body(left - taken.len());
                    return Some(Part::Data(taken));
                }
                Step::BackPointer(0) => self.step = Step::Header(0),
                Step::BackPointer(left) => {
                    let taken = self.take(input, left);
                    if taken.is_empty() {
                        return None;
                    }
                    self.step = Step::BackPointer(left - taken.len());
                }
                Step::Broken => {
                    *input = &[];
                    return None;
                }
            }
        }
    }

    fn take<'b>(&mut self, input: &mut &'b [u8], count: usize) -> &'b [u8] {
        let (taken, rest) = input.split_at_checked(count.min(input.len())).unwrap_or_default();
        *input = rest;
        self.left = self.left.saturating_sub(taken.len());
        taken
    }

    /// A header is whole. Something that is no media is read past.
    fn begin(&mut self) -> Option<Part<'static>> {
        let [type_id, a, b, c, t1, t2, t3, t0, ..] = self.header;
        let bytes = u32::from_be_bytes([0, a, b, c]) as usize;
        if bytes > self.left {
            self.step = Step::Broken;
            return Some(Part::Broken);
        }
        self.step = Step::Body(bytes);
        let inner_ms = u32::from_be_bytes([t0, t1, t2, t3]);
        let first_ms = *self.first_ms.get_or_insert(inner_ms);
        let timestamp_ms = self.timestamp_ms.wrapping_add(inner_ms.wrapping_sub(first_ms));
        let track = track_of(type_id).filter(|_| bytes > 0)?;
        Some(Part::Begin { track, timestamp_ms, bytes })
    }
}

#[cfg(test)]
#[path = "media_tests.rs"]
mod tests;
