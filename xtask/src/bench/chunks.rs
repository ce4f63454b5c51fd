//! RTMP chunks as a player reads them. Purpose: of each message its type, its timestamp, its
//! first and its last bytes, at a cost that does not grow with its length, so that one thread can
//! be a thousand players. Non-goals: payloads; servers that cheat. Bound: the state of as many
//! chunk streams as a server uses.

use super::clip::{Tail, TAIL_BYTES};

/// First bytes of a message that are kept: enough for every control message and a command's name.
const HEAD_BYTES: usize = 16;
/// Basic header, message header and extended timestamp at their longest (RTMP 1.0, 5.3.1).
const HEADER_BYTES_MAX: usize = 3 + 11 + 4;
/// From here on a timestamp stands in the extended field.
const EXTENDED: u32 = 0xFF_FFFF;

/// A whole message.
pub struct ChunkedMessage<'m> {
    /// RTMP message type.
    pub type_id: u8,
    /// Milliseconds.
    pub timestamp: u32,
    /// Its first bytes.
    pub head: &'m [u8],
    /// Its last bytes; meaningless when it is shorter than that.
    pub tail: &'m Tail,
}

#[derive(Default)]
struct Stream {
    id: u32,
    timestamp: u32,
    delta: u32,
    extended: bool,
    len: usize,
    type_id: u8,
    received: usize,
    head: Vec<u8>,
    tail: Tail,
}

/// Reads one connection's chunks.
pub struct ChunkReader {
    chunk_bytes: usize,
    header: Vec<u8>,
    streams: Vec<Stream>,
    /// The stream a chunk's payload belongs to, by its place, and the bytes still to come.
    payload: Option<(usize, usize)>,
}

impl ChunkReader {
    /// A reader of chunks of at most this many bytes.
    pub fn new(chunk_bytes: usize) -> ChunkReader {
        let header = Vec::with_capacity(HEADER_BYTES_MAX);
        ChunkReader { chunk_bytes, header, streams: Vec::new(), payload: None }
    }

    /// Takes what has arrived and tells each message that has come whole.
    pub fn input(&mut self, mut bytes: &[u8], mut tell: impl FnMut(&ChunkedMessage<'_>)) {
        while let Some(&first) = bytes.first() {
            let Some((place, left)) = self.payload else {
                self.header.push(first);
                bytes = bytes.get(1..).unwrap_or_default();
                self.payload = self.chunk();
                continue;
            };
            let (part, rest) = bytes.split_at(left.min(bytes.len()));
            bytes = rest;
            self.payload = Some((place, left - part.len())).filter(|(_, left)| *left > 0);
            let Some(stream) = self.streams.get_mut(place) else { continue };
            stream.take(part);
            if stream.received < stream.len {
                continue;
            }
            let Stream { type_id, timestamp, head, tail, .. } = stream;
            let message = ChunkedMessage { type_id: *type_id, timestamp: *timestamp, head, tail };
            if let (1, Some(size)) = (message.type_id, message.number()) {
                self.chunk_bytes = size as usize;
            }
            tell(&message);
            stream.received = 0;
            stream.head.clear();
        }
    }

    /// The chunk that begins, once its header has come whole.
    fn chunk(&mut self) -> Option<(usize, usize)> {
        let (&first, rest) = self.header.split_first()?;
        let (id, rest) = match (first & 0x3F, rest) {
            (0, [low, rest @ ..]) => (64 + u32::from(*low), rest),
            (1, [low, high, rest @ ..]) => (64 + u32::from(*low) + 256 * u32::from(*high), rest),
            (0 | 1, _) => return None,
            (id, rest) => (u32::from(id), rest),
        };
        let place = self.streams.iter().position(|stream| stream.id == id).unwrap_or_else(|| {
            self.streams.push(Stream { id, ..Stream::default() });
            self.streams.len() - 1
        });
        let stream = self.streams.get_mut(place)?;
        stream.begin(first >> 6, rest)?;
        self.header.clear();
        Some((place, self.chunk_bytes.min(stream.len - stream.received)))
    }
}

impl ChunkedMessage<'_> {
    /// A control message's 32-bit number.
    pub fn number(&self) -> Option<u32> {
        self.head.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }
}

impl Stream {
    /// Takes a message header if it is whole (RTMP 1.0, 5.3.1.2).
    fn begin(&mut self, format: u8, header: &[u8]) -> Option<()> {
        let wanted = [11, 7, 3, 0].get(usize::from(format)).copied()?;
        let (fields, rest) = header.split_at_checked(wanted)?;
        let time = match fields {
            [a, b, c, ..] => u32::from_be_bytes([0, *a, *b, *c]),
            _ if self.extended => EXTENDED,
            _ => 0,
        };
        let extended = time == EXTENDED;
        let time = if extended { u32::from_be_bytes(*rest.first_chunk()?) } else { time };
        self.extended = extended;
        if let [_, _, _, a, b, c, type_id, ..] = fields {
            self.len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            self.type_id = *type_id;
        }
        match format {
            0 => (self.timestamp, self.delta) = (time, 0),
            1 | 2 => {
                self.delta = time;
                self.timestamp = self.timestamp.wrapping_add(time);
            }
            _ if self.received == 0 => self.timestamp = self.timestamp.wrapping_add(self.delta),
            _ => {}
        }
        Some(())
    }

    fn take(&mut self, part: &[u8]) {
        let room = HEAD_BYTES.saturating_sub(self.head.len());
        self.head.extend_from_slice(part.get(..room).unwrap_or(part));
        let tail_from = self.len.saturating_sub(TAIL_BYTES);
        let skip = tail_from.saturating_sub(self.received);
        if let Some(last) = part.get(skip..) {
            let at = self.received + skip - tail_from;
            if let Some(place) = self.tail.get_mut(at..at + last.len()) {
                place.copy_from_slice(last);
            }
        }
        self.received += part.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(chunk_bytes: usize, bytes: &[u8], step: usize) -> Vec<(u8, u32, Vec<u8>, Tail)> {
        let mut reader = ChunkReader::new(chunk_bytes);
        let mut told = Vec::new();
        for part in bytes.chunks(step) {
            reader.input(part, |message| {
                let ChunkedMessage { type_id, timestamp, head, tail } = message;
                told.push((*type_id, *timestamp, head.to_vec(), **tail));
            });
        }
        told
    }

    #[test]
    fn messages_are_told_however_they_are_cut() {
        let payload: Vec<u8> = (0..100).collect();
        let mut wire = vec![0x02, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 60];
        wire.extend([0x06, 0, 0, 40, 0, 0, 100, 9, 1, 0, 0, 0]);
        wire.extend(&payload[..60]);
        wire.extend([0x04, 0, 0, 41, 0, 0, 2, 8, 1, 0, 0, 0, 0xAF, 1]);
        wire.push(0xC6);
        wire.extend(&payload[60..]);
        wire.extend([0x84, 0, 0, 21, 0xAF, 2]);
        for step in [1, 7, 60, 1000] {
            let told = told(128, &wire, step);
            let short: Vec<_> = told.iter().map(|(kind, ms, ..)| (*kind, *ms)).collect();
            assert_eq!(short, [(1, 0), (8, 41), (9, 40), (8, 62)], "cut at {step}");
            let (.., head, tail) = &told[2];
            assert_eq!((&head[..], &tail[..]), (&payload[..16], &payload[68..]));
        }
    }

    #[test]
    fn long_times_stand_in_the_extended_field_of_every_chunk() {
        let mut wire = vec![0x06, 0xFF, 0xFF, 0xFF, 0, 0, 5, 9, 1, 0, 0, 0, 1, 0, 0, 2];
        wire.extend([9, 9, 9]);
        wire.extend([0xC6, 1, 0, 0, 2, 8, 8]);
        let told = told(3, &wire, 2);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].1, &told[0].2[..]), (0x0100_0002, &[9, 9, 9, 8, 8][..]));
    }
}
