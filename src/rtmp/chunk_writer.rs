//! Messages into chunks (RTMP 1.0, 5.3). Purpose: two forms. [`write_message`] serialises a small
//! message whole; [`MediaMessage`] only knows its headers and yields slices of a payload that
//! lies elsewhere, so that one stored payload leaves to any number of peers without a copy.
//!
//! Every message begins with a type 0 header: eleven bytes a message buy that no state need be
//! kept per peer. A timestamp of 0xFFFFFF or more (4 h 39 min) is extended, in the type 3 chunks
//! as well (5.3.1.3).
//!
//! Non-goals: choosing what to send. Bound: [`MediaMessage`] is a few words and never allocates.

use std::io::IoSlice;

use super::chunk_reader::EXTENDED;

/// Chunk stream for protocol control messages (RTMP 1.0, 5.4).
pub const CHUNK_STREAM_CONTROL: u8 = 2;
/// Chunk stream for commands.
pub const CHUNK_STREAM_COMMAND: u8 = 3;
/// Chunk stream for audio.
pub const CHUNK_STREAM_AUDIO: u8 = 4;
/// Chunk stream for data messages and for commands about a message stream.
pub const CHUNK_STREAM_DATA: u8 = 5;
/// Chunk stream for video.
pub const CHUNK_STREAM_VIDEO: u8 = 6;

/// Basic header, message header, extended timestamp.
const FIRST_HEADER_BYTES_MAX: usize = 1 + 11 + 4;
/// Basic header, extended timestamp.
const NEXT_HEADER_BYTES_MAX: usize = 1 + 4;

/// A message whose payload lies elsewhere: in the ring, in two slices where the ring wraps. The
/// headers' bytes are made once. See the module's text for the wire form.
#[derive(Clone, Copy, Debug)]
pub struct MediaMessage {
    first: [u8; FIRST_HEADER_BYTES_MAX],
    first_len: usize,
    next: [u8; NEXT_HEADER_BYTES_MAX],
    next_len: usize,
    payload_len: usize,
    chunk_bytes: usize,
}

impl MediaMessage {
    /// A message of `payload_len` bytes (at most 0xFFFFFF) for the given chunk stream (2 to 63)
    /// and message stream, cut into chunks of `chunk_bytes` (at least 1).
    pub fn new(
        chunk_stream: u8,
        message_stream: u32,
        type_id: u8,
        timestamp_ms: u32,
        payload_len: usize,
        chunk_bytes: usize,
    ) -> MediaMessage {
        debug_assert!((2..=63).contains(&chunk_stream), "one-byte basic headers only");
        debug_assert!(payload_len <= 0xFF_FFFF, "the length field has 24 bits");
        let extended = timestamp_ms >= EXTENDED;
        let [_, t2, t1, t0] = timestamp_ms.min(EXTENDED).to_be_bytes();
        let [_, l2, l1, l0] = (payload_len as u32).to_be_bytes();
        let [m0, m1, m2, m3] = message_stream.to_le_bytes();
        let [e3, e2, e1, e0] = timestamp_ms.to_be_bytes();
        let id = chunk_stream & 0x3F;
        let (first_len, next_len) = if extended { (16, 5) } else { (12, 1) };
        MediaMessage {
            first: [id, t2, t1, t0, l2, l1, l0, type_id, m0, m1, m2, m3, e3, e2, e1, e0],
            first_len,
            next: [0xC0 | id, e3, e2, e1, e0],
            next_len,
            payload_len,
            chunk_bytes: chunk_bytes.max(1),
        }
    }

    /// Bytes of the whole message on the wire, headers included.
    pub fn wire_len(&self) -> usize {
        let chunks = self.payload_len.div_ceil(self.chunk_bytes).max(1);
        self.first_len + self.payload_len + (chunks - 1) * self.next_len
    }

    /// Fills `out` with slices of what is still to be sent once `sent` bytes of the wire form
    /// have left. `payload` holds `payload_len` bytes in its two parts. Stops when `out` is full;
    /// true when everything up to the message's end is in it. Costs one step per slice.
    pub fn slices<'a, const N: usize>(
        &'a self,
        payload: [&'a [u8]; 2],
        sent: usize,
        out: &mut heapless::Vec<IoSlice<'a>, N>,
    ) -> bool {
        let [front, back] = payload;
        debug_assert_eq!(front.len() + back.len(), self.payload_len, "payload as announced");
        let Some(behind_first) = sent.checked_sub(self.first_len) else {
            return push(out, self.first.get(sent..self.first_len))
                && self.payload_slices(payload, 0, None, out);
        };
        // Behind the first header the wire is periodic: a chunk's payload, a type 3 header.
        let period = self.chunk_bytes + self.next_len;
        let (chunk, within) = (behind_first / period, behind_first % period);
        let at = chunk * self.chunk_bytes + within.min(self.chunk_bytes);
        self.payload_slices(payload, at, within.checked_sub(self.chunk_bytes), out)
    }

    /// Slices from byte `at` of the payload on. `header_sent`: a type 3 header is due there, of
    /// which this much has left already.
    fn payload_slices<'a, const N: usize>(
        &'a self,
        [front, back]: [&'a [u8]; 2],
        mut at: usize,
        mut header_sent: Option<usize>,
        out: &mut heapless::Vec<IoSlice<'a>, N>,
    ) -> bool {
        while at < self.payload_len {
            let header = header_sent.and_then(|sent| self.next.get(sent..self.next_len));
            if !push(out, header) {
                return false;
            }
            let end = (at - at % self.chunk_bytes + self.chunk_bytes).min(self.payload_len);
            if let Some(slice) = front.get(at..end.min(front.len())) {
                if !push(out, Some(slice)) {
                    return false;
                }
            }
            let (from, to) = (at.max(front.len()) - front.len(), end.saturating_sub(front.len()));
            if let Some(slice) = back.get(from..to) {
                if !push(out, Some(slice)) {
                    return false;
                }
            }
            at = end;
            header_sent = Some(0);
        }
        true
    }
}

/// Adds a slice unless it is empty. False: there is no room.
fn push<'a, const N: usize>(
    out: &mut heapless::Vec<IoSlice<'a>, N>,
    slice: Option<&'a [u8]>,
) -> bool {
    match slice {
        None | Some([]) => true,
        Some(slice) => out.push(IoSlice::new(slice)).is_ok(),
    }
}

/// A small message, serialised whole.
pub(super) fn write_message(
    chunk_stream: u8,
    message_stream: u32,
    type_id: u8,
    payload: &[u8],
    chunk_bytes: usize,
) -> Vec<u8> {
    let head =
        MediaMessage::new(chunk_stream, message_stream, type_id, 0, payload.len(), chunk_bytes);
    let mut wire = Vec::with_capacity(head.wire_len());
    wire.extend_from_slice(head.first.get(..head.first_len).unwrap_or_default());
    for (index, chunk) in payload.chunks(head.chunk_bytes).enumerate() {
        if index > 0 {
            wire.extend_from_slice(head.next.get(..head.next_len).unwrap_or_default());
        }
        wire.extend_from_slice(chunk);
    }
    wire
}

#[cfg(test)]
#[path = "chunk_writer_tests.rs"]
mod tests;
