//! Chunks into messages, as the bytes arrive (RTMP 1.0, 5.3). Purpose: hand out each message's
//! head, its payload in pieces borrowed from the input, and its end, for interleaved chunk
//! streams, in whatever fragments the network delivers. The two messages that change how chunks
//! are read, Set Chunk Size and Abort (5.4.1, 5.4.2), are obeyed here and not handed out.
//!
//! Non-goals: storing payload, judging message types (see [`message`](super::message)).
//!
//! Bound: [`RTMP_CHUNK_STREAMS_MAX`] chunk streams, each a few words; no payload is kept but the
//! four bytes that may or may not be an extended timestamp. Work per chunk is constant, and a
//! peer that cuts its payload into crumbs runs out of credit (compare Red5 #475): every chunk
//! costs one, every [`RTMP_CHUNK_CREDIT_BYTES`] of payload and the passing of time give one back.

use crate::base::limits::{
    RTMP_CHUNK_STREAMS_MAX, RTMP_COMMAND_BYTES_MAX, RTMP_PEER_CHUNK_BYTES_MAX,
};
use crate::base::time::Mono;

use super::chunk::{ChunkError, MessageHead, CHUNK_BYTES_INITIAL, EXTENDED};

/// Chunks a peer may send that bring hardly any payload, before it is closed.
const RTMP_CHUNK_CREDIT_MAX: u32 = 16_384;
/// Chunks a peer is granted again every second, whatever they bring.
const RTMP_CHUNK_CREDIT_PER_S: u64 = 256;
/// Payload bytes that grant a peer another chunk.
const RTMP_CHUNK_CREDIT_BYTES: usize = 64;

const TYPE_SET_CHUNK_SIZE: u8 = 1;
const TYPE_ABORT: u8 = 2;
/// Basic header of three bytes and message header of eleven.
const HEADER_BYTES_MAX: usize = 14;

/// What has arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum ChunkEvent<'a> {
    /// A message begins.
    Start(MessageHead),
    /// The next piece of its payload.
    Payload(MessageHead, &'a [u8]),
    /// It is whole.
    End(MessageHead),
    /// The peer gave up the message begun in this slot (Abort Message).
    Dropped {
        /// Its [`MessageHead::slot`].
        slot: usize,
    },
}

/// What is remembered of a chunk stream.
#[derive(Clone, Copy, Debug)]
struct ChunkStream {
    id: u32,
    type_id: u8,
    message_stream: u32,
    timestamp_ms: u32,
    /// What a type 3 chunk adds to begin another message (5.3.1.2.4).
    delta_ms: u32,
    /// The extended timestamp of the last full header, if it had one.
    extended: Option<u32>,
    length: usize,
    received: usize,
    /// A message has begun and not ended.
    open: bool,
    /// First bytes of a Set Chunk Size or Abort.
    control: u32,
    /// When it was used last, counted in chunks.
    used: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Collecting basic and message header.
    Header,
    /// Collecting (or disproving) the extended timestamp.
    Extended,
    /// The header is whole.
    Begin,
    /// Inside the chunk's payload.
    Body,
}

/// Reads one direction of a connection.
pub struct ChunkReader {
    chunk_bytes: usize,
    streams: heapless::Vec<ChunkStream, RTMP_CHUNK_STREAMS_MAX>,
    step: Step,
    header: heapless::Vec<u8, HEADER_BYTES_MAX>,
    extended: heapless::Vec<u8, 4>,
    /// Bytes taken for an extended timestamp that proved to be something else: read them before
    /// the input.
    replay: heapless::Vec<u8, 8>,
    replayed: usize,
    /// Format of the chunk being read, 0 to 3.
    format: u8,
    slot: usize,
    /// Timestamp field of the chunk being read, extension applied.
    time_field: u32,
    chunk_left: usize,
    chunks: u64,
    credit: u32,
    credit_bytes: usize,
    refilled: Mono,
}

impl Default for ChunkReader {
    fn default() -> Self {
        ChunkReader::new()
    }
}

impl ChunkReader {
    /// A reader at the beginning of a connection, right behind the handshake.
    pub fn new() -> ChunkReader {
        ChunkReader {
            chunk_bytes: CHUNK_BYTES_INITIAL,
            streams: heapless::Vec::new(),
            step: Step::Header,
            header: heapless::Vec::new(),
            extended: heapless::Vec::new(),
            replay: heapless::Vec::new(),
            replayed: 0,
            format: 0,
            slot: 0,
            time_field: 0,
            chunk_left: 0,
            chunks: 0,
            credit: RTMP_CHUNK_CREDIT_MAX,
            credit_bytes: 0,
            refilled: Mono(0),
        }
    }

    /// Grants the chunks that the passing of time is worth.
    pub fn tick(&mut self, now: Mono) {
        let ms = now.to_ms().saturating_sub(self.refilled.to_ms());
        let granted = ms.saturating_mul(RTMP_CHUNK_CREDIT_PER_S) / 1000;
        if granted > 0 {
            self.refilled = now;
            self.grant(u32::try_from(granted).unwrap_or(u32::MAX));
        }
    }

    /// Takes what it can from `input`, shortening it, up to the next event. `None`: all input is
    /// taken. After an error the connection has to be closed; nothing more is to be read.
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<ChunkEvent<'a>>, ChunkError> {
        loop {
            match self.step {
                Step::Header => {
                    if !self.read_header(input)? {
                        return Ok(None);
                    }
                }
                Step::Extended => {
                    if !self.read_extended(input) {
                        return Ok(None);
                    }
                }
                Step::Begin => {
                    if let Some(head) = self.begin_chunk()? {
                        return Ok(Some(ChunkEvent::Start(head)));
                    }
                }
                Step::Body if self.chunk_left == 0 => {
                    self.step = Step::Header;
                    if let Some(event) = self.end_chunk()? {
                        return Ok(Some(event));
                    }
                }
                Step::Body => match self.take_piece(input) {
                    Piece::Nothing => return Ok(None),
                    Piece::Control => {}
                    Piece::Input(head, bytes) => {
                        return Ok(Some(ChunkEvent::Payload(head, bytes)));
                    }
                    Piece::Replay(head, range) => {
                        let bytes = self.replay.get(range).unwrap_or_default();
                        return Ok(Some(ChunkEvent::Payload(head, bytes)));
                    }
                },
            }
        }
    }

    fn take_byte(&mut self, input: &mut &[u8]) -> Option<u8> {
        if let Some(&byte) = self.replay.get(self.replayed) {
            self.replayed += 1;
            return Some(byte);
        }
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        Some(byte)
    }

    /// Collects basic header (5.3.1.1) and message header (5.3.1.2). False: more input is needed.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<bool, ChunkError> {
        loop {
            if let Some(&first) = self.header.first() {
                let basic = basic_header_bytes(first);
                if self.header.len() >= basic + message_header_bytes(first >> 6) {
                    self.parse_header(basic)?;
                    self.header.clear();
                    return Ok(true);
                }
            }
            let Some(byte) = self.take_byte(input) else { return Ok(false) };
            // The capacity is that of the longest header, which the check above ends.
            let _ = self.header.push(byte);
        }
    }

    fn parse_header(&mut self, basic: usize) -> Result<(), ChunkError> {
        let (ids, fields) = self.header.split_at_checked(basic).unwrap_or_default();
        let (format, id) = match *ids {
            [first] => (first >> 6, u32::from(first & 0x3F)),
            [first, low] => (first >> 6, 64 + u32::from(low)),
            [first, low, high] => (first >> 6, 64 + u32::from(low) + (u32::from(high) << 8)),
            _ => return Ok(()),
        };
        let time = fields.first_chunk::<3>().map(|&[a, b, c]| u32::from_be_bytes([0, a, b, c]));
        let length_and_type = fields.get(3..).and_then(|rest| rest.first_chunk::<4>()).copied();
        let message_stream = fields.get(7..).and_then(|rest| rest.first_chunk::<4>()).copied();
        self.chunks += 1;
        self.slot = match self.streams.iter().position(|stream| stream.id == id) {
            Some(slot) => slot,
            // librtmp begins chunk stream 2 with format 1 when it sends a user control message.
            None if format <= 1 => self.admit(id)?,
            None => return Err(ChunkError::NoPrevious { chunk_stream: id }),
        };
        let Some(stream) = self.streams.get_mut(self.slot) else { return Ok(()) };
        stream.used = self.chunks;
        if stream.open && format != 3 {
            return Err(ChunkError::HeaderInsideMessage { chunk_stream: id });
        }
        if let Some([a, b, c, type_id]) = length_and_type {
            stream.length = u32::from_be_bytes([0, a, b, c]) as usize;
            stream.type_id = type_id;
        }
        if let Some(bytes) = message_stream {
            stream.message_stream = u32::from_le_bytes(bytes);
        }
        let extended = match time {
            Some(time) => {
                stream.extended = None;
                self.time_field = time;
                time == EXTENDED
            }
            None => stream.extended.is_some(),
        };
        self.format = format;
        self.extended.clear();
        self.step = if extended { Step::Extended } else { Step::Begin };
        Ok(())
    }

    /// Makes room for a chunk stream: the least recently used one that is between two messages
    /// is forgotten when all places are taken.
    fn admit(&mut self, id: u32) -> Result<usize, ChunkError> {
        let fresh = ChunkStream {
            id,
            type_id: 0,
            message_stream: 0,
            timestamp_ms: 0,
            delta_ms: 0,
            extended: None,
            length: 0,
            received: 0,
            open: false,
            control: 0,
            used: 0,
        };
        if self.streams.push(fresh).is_ok() {
            return Ok(self.streams.len() - 1);
        }
        let idle = self.streams.iter_mut().enumerate().filter(|(_, stream)| !stream.open);
        match idle.min_by_key(|(_, stream)| stream.used) {
            Some((slot, stream)) => {
                *stream = fresh;
                Ok(slot)
            }
            None => Err(ChunkError::TooManyChunkStreams),
        }
    }

    /// Collects the extended timestamp (5.3.1.3). In the middle of a message some peers leave it
    /// out (SRS #4365) and others repeat the absolute time instead of the field: there, bytes
    /// that are neither are payload. False: more input is needed.
    fn read_extended(&mut self, input: &mut &[u8]) -> bool {
        let expected = match self.streams.get(self.slot) {
            Some(stream) if stream.open => stream
                .extended
                .map(|field| [field.to_be_bytes(), stream.timestamp_ms.to_be_bytes()]),
            _ => None,
        };
        while self.extended.len() < 4 {
            let Some(byte) = self.take_byte(input) else { return false };
            let _ = self.extended.push(byte);
            if expected.is_some_and(|times| !times.iter().any(|t| t.starts_with(&self.extended))) {
                self.give_back();
                self.step = Step::Begin;
                return true;
            }
        }
        if let (None, Some(&bytes)) = (expected, self.extended.first_chunk::<4>()) {
            self.time_field = u32::from_be_bytes(bytes);
            if let Some(stream) = self.streams.get_mut(self.slot) {
                stream.extended = Some(self.time_field);
            }
        }
        self.step = Step::Begin;
        true
    }

    /// Puts the bytes collected as an extended timestamp back before what is still to be read.
    /// They fit: of the bytes replayed at most three are left once one was read as a header.
    fn give_back(&mut self) {
        let mut replay = heapless::Vec::new();
        let left = self.replay.get(self.replayed..).unwrap_or_default();
        for &byte in self.extended.iter().chain(left) {
            let _ = replay.push(byte);
        }
        self.replay = replay;
        self.replayed = 0;
    }

    /// The header is whole. Returns the head of a message that begins with this chunk.
    fn begin_chunk(&mut self) -> Result<Option<MessageHead>, ChunkError> {
        self.credit = self.credit.checked_sub(1).ok_or(ChunkError::Crumbs)?;
        self.step = Step::Body;
        let (format, time, chunk_bytes, slot) =
            (self.format, self.time_field, self.chunk_bytes, self.slot);
        let Some(stream) = self.streams.get_mut(slot) else { return Ok(None) };
        let begins = !stream.open;
        if begins {
            match format {
                // A type 3 chunk behind a type 0 chunk adds that one's timestamp (5.3.1.2.4).
                0 => (stream.timestamp_ms, stream.delta_ms) = (time, time),
                1 | 2 => stream.delta_ms = time,
                _ => stream.delta_ms = stream.extended.unwrap_or(stream.delta_ms),
            }
            if format != 0 {
                stream.timestamp_ms = stream.timestamp_ms.wrapping_add(stream.delta_ms);
            }
            stream.received = 0;
            stream.control = 0;
            stream.open = true;
            if is_reader_control(stream.type_id)
                && !(4..=RTMP_COMMAND_BYTES_MAX).contains(&stream.length)
            {
                return Err(ChunkError::Length { type_id: stream.type_id, bytes: stream.length });
            }
        }
        self.chunk_left = chunk_bytes.min(stream.length - stream.received);
        Ok((begins && !is_reader_control(stream.type_id)).then(|| stream.head(slot)))
    }

    /// Takes what is there of the chunk's payload.
    fn take_piece<'b>(&mut self, input: &mut &'b [u8]) -> Piece<'b> {
        let Some(stream) = self.streams.get_mut(self.slot) else { return Piece::Nothing };
        let replay = self.replay.get(self.replayed..).unwrap_or_default();
        let source: &[u8] = if replay.is_empty() { input } else { replay };
        let count = source.len().min(self.chunk_left);
        if count == 0 {
            return Piece::Nothing;
        }
        let head = stream.head(self.slot);
        let control = is_reader_control(head.type_id);
        if control {
            for &byte in source.iter().take(count.min(4_usize.saturating_sub(stream.received))) {
                stream.control = stream.control << 8 | u32::from(byte);
            }
        }
        let piece = if replay.is_empty() {
            let (bytes, rest) = input.split_at_checked(count).unwrap_or_default();
            *input = rest;
            Piece::Input(head, bytes)
        } else {
            let from = self.replayed;
            self.replayed += count;
            Piece::Replay(head, from..self.replayed)
        };
        stream.received += count;
        self.chunk_left -= count;
        self.credit_bytes += count;
        self.grant(u32::try_from(self.credit_bytes / RTMP_CHUNK_CREDIT_BYTES).unwrap_or(u32::MAX));
        self.credit_bytes %= RTMP_CHUNK_CREDIT_BYTES;
        if control {
            Piece::Control
        } else {
            piece
        }
    }

    fn grant(&mut self, chunks: u32) {
        self.credit = self.credit.saturating_add(chunks).min(RTMP_CHUNK_CREDIT_MAX);
    }

    /// The chunk is over, and with it perhaps its message.
    fn end_chunk(&mut self) -> Result<Option<ChunkEvent<'static>>, ChunkError> {
        let slot = self.slot;
        let Some(stream) = self.streams.get_mut(slot) else { return Ok(None) };
        if stream.received < stream.length {
            return Ok(None);
        }
        stream.open = false;
        let (head, control) = (stream.head(slot), stream.control);
        match head.type_id {
            TYPE_SET_CHUNK_SIZE => {
                if control == 0 || control > i32::MAX as u32 {
                    return Err(ChunkError::ChunkSize { bytes: control });
                }
                self.chunk_bytes = (control as usize).min(RTMP_PEER_CHUNK_BYTES_MAX);
                Ok(None)
            }
            TYPE_ABORT => {
                let given_up = self.streams.iter_mut().position(|stream| {
                    let found = stream.open && stream.id == control;
                    stream.open &= !found;
                    // What was not handed out is not taken back either.
                    found && !is_reader_control(stream.type_id)
                });
                Ok(given_up.map(|slot| ChunkEvent::Dropped { slot }))
            }
            _ => Ok(Some(ChunkEvent::End(head))),
        }
    }
}

impl ChunkStream {
    fn head(&self, slot: usize) -> MessageHead {
        MessageHead {
            slot,
            chunk_stream: self.id,
            type_id: self.type_id,
            message_stream: self.message_stream,
            timestamp_ms: self.timestamp_ms,
            length: self.length,
        }
    }
}

/// Payload taken from where it lay.
enum Piece<'b> {
    Nothing,
    /// It belonged to a message the reader obeys itself.
    Control,
    Input(MessageHead, &'b [u8]),
    Replay(MessageHead, std::ops::Range<usize>),
}

const fn is_reader_control(type_id: u8) -> bool {
    matches!(type_id, TYPE_SET_CHUNK_SIZE | TYPE_ABORT)
}

const fn basic_header_bytes(first: u8) -> usize {
    match first & 0x3F {
        0 => 2,
        1 => 3,
        _ => 1,
    }
}

const fn message_header_bytes(format: u8) -> usize {
    match format {
        0 => 11,
        1 => 7,
        2 => 3,
        _ => 0,
    }
}

#[cfg(test)]
#[path = "chunk_credit_tests.rs"]
mod credit_tests;
#[cfg(test)]
#[path = "chunk_reader_tests.rs"]
mod tests;
