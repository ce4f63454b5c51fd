//! Whole small messages (RTMP 1.0, 5.4 and 7.1). Purpose: collect from chunks the messages a
//! session acts on, read past all others, and write protocol control and user control messages.
//!
//! Non-goals: keeping media (its chunks are shown to who takes it piece by piece) and data
//! messages; the meaning of commands.
//!
//! Bound: a command or control message has at most [`RTMP_COMMAND_BYTES_MAX`] bytes, all that are
//! unfinished together at most [`RTMP_PARTIAL_BYTES_MAX`], and memory is taken as bytes arrive,
//! never because a header announces them.

use crate::base::limits::{RTMP_CHUNK_STREAMS_MAX, RTMP_COMMAND_BYTES_MAX, RTMP_PARTIAL_BYTES_MAX};
use crate::base::time::Mono;

use super::chunk::{ChunkError, MessageHead, CHUNK_BYTES_INITIAL};
use super::chunk_reader::{ChunkEvent, ChunkReader};
use super::chunk_writer::{write_message, CHUNK_STREAM_CONTROL};

/// Set Chunk Size (5.4.1).
pub const TYPE_SET_CHUNK_SIZE: u8 = 1;
/// Acknowledgement (5.4.3).
pub const TYPE_ACKNOWLEDGEMENT: u8 = 3;
/// User Control (7.1.7).
pub const TYPE_USER_CONTROL: u8 = 4;
/// Window Acknowledgement Size (5.4.4).
pub const TYPE_WINDOW_SIZE: u8 = 5;
/// Set Peer Bandwidth (5.4.5).
pub const TYPE_PEER_BANDWIDTH: u8 = 6;
/// Audio (7.1.4).
pub const TYPE_AUDIO: u8 = 8;
/// Video (7.1.5).
pub const TYPE_VIDEO: u8 = 9;
/// Command in AMF3 (7.1.1): AMF0 values behind one byte.
pub const TYPE_COMMAND_AMF3: u8 = 17;
/// Data in AMF0 (7.1.2).
pub const TYPE_DATA: u8 = 18;
/// Command in AMF0 (7.1.1).
pub const TYPE_COMMAND: u8 = 20;
/// Aggregate (7.1.6).
pub const TYPE_AGGREGATE: u8 = 22;

/// User control events (7.1.7) we send or answer.
pub(super) const EVENT_STREAM_BEGIN: u16 = 0;
pub(super) const EVENT_STREAM_EOF: u16 = 1;
const EVENT_SET_BUFFER_LENGTH: u16 = 3;
pub(super) const EVENT_PING_REQUEST: u16 = 6;
pub(super) const EVENT_PING_RESPONSE: u16 = 7;

/// A message a session acts on.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// What its chunk headers said.
    pub head: MessageHead,
    /// All of its payload.
    pub payload: Vec<u8>,
}

/// Collects messages from chunks.
#[derive(Default)]
pub struct MessageReader {
    chunks: ChunkReader,
    partials: [Vec<u8>; RTMP_CHUNK_STREAMS_MAX],
}

impl MessageReader {
    /// A reader right behind the handshake.
    pub fn new() -> MessageReader {
        MessageReader::default()
    }

    /// See [`ChunkReader::tick`].
    pub fn tick(&mut self, now: Mono) {
        self.chunks.tick(now);
    }

    /// Takes what it can from `input`, shortening it, up to the next command or control message.
    /// `None`: all input is taken. After an error the connection has to be closed.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Message>, ChunkError> {
        self.next_beside(input, |_| {})
    }

    /// Like [`next`](MessageReader::next); shows what it reads to `beside`.
    pub(super) fn next_beside(
        &mut self,
        input: &mut &[u8],
        mut beside: impl FnMut(&ChunkEvent<'_>),
    ) -> Result<Option<Message>, ChunkError> {
        while let Some(event) = self.chunks.next(input)? {
            beside(&event);
            match event {
                ChunkEvent::Start(head) => {
                    if is_kept(head.type_id) && head.length > RTMP_COMMAND_BYTES_MAX {
                        return Err(ChunkError::Length {
                            type_id: head.type_id,
                            bytes: head.length,
                        });
                    }
                }
                ChunkEvent::Payload(head, bytes) if is_kept(head.type_id) => {
                    let stored: usize = self.partials.iter().map(Vec::len).sum();
                    if stored + bytes.len() > RTMP_PARTIAL_BYTES_MAX {
                        return Err(ChunkError::Partials { limit: RTMP_PARTIAL_BYTES_MAX });
                    }
                    if let Some(partial) = self.partials.get_mut(head.slot) {
                        partial.extend_from_slice(bytes);
                    }
                }
                ChunkEvent::Payload(..) => {}
                ChunkEvent::End(head) => {
                    if is_kept(head.type_id) {
                        let payload = self.partials.get_mut(head.slot).map(std::mem::take);
                        return Ok(Some(Message { head, payload: payload.unwrap_or_default() }));
                    }
                }
                ChunkEvent::Dropped { slot } => {
                    if let Some(partial) = self.partials.get_mut(slot) {
                        *partial = Vec::new();
                    }
                }
            }
        }
        Ok(None)
    }
}

/// Whether a session acts on messages of this type.
const fn is_kept(type_id: u8) -> bool {
    matches!(
        type_id,
        TYPE_ACKNOWLEDGEMENT
            | TYPE_USER_CONTROL
            | TYPE_WINDOW_SIZE
            | TYPE_PEER_BANDWIDTH
            | TYPE_COMMAND_AMF3
            | TYPE_COMMAND
    )
}

/// A protocol control message whose payload is one 32-bit number.
pub(super) fn control(type_id: u8, number: u32) -> Vec<u8> {
    write_message(CHUNK_STREAM_CONTROL, 0, type_id, &number.to_be_bytes(), CHUNK_BYTES_INITIAL)
}

/// Set Peer Bandwidth of limit type dynamic (5.4.5).
pub(super) fn peer_bandwidth(bytes: u32) -> Vec<u8> {
    let [a, b, c, d] = bytes.to_be_bytes();
    let payload = [a, b, c, d, 2];
    write_message(CHUNK_STREAM_CONTROL, 0, TYPE_PEER_BANDWIDTH, &payload, CHUNK_BYTES_INITIAL)
}

/// A user control message whose event carries one 32-bit number.
pub(super) fn user_control(event: u16, number: u32) -> Vec<u8> {
    let ([a, b], [c, d, e, f]) = (event.to_be_bytes(), number.to_be_bytes());
    let payload = [a, b, c, d, e, f];
    write_message(CHUNK_STREAM_CONTROL, 0, TYPE_USER_CONTROL, &payload, CHUNK_BYTES_INITIAL)
}

/// Set Buffer Length (7.1.7): what a player asks to be held ready for it.
pub(super) fn buffer_length(message_stream: u32, ms: u32) -> Vec<u8> {
    let mut payload = [0; 10];
    let words = [message_stream.to_be_bytes(), ms.to_be_bytes()];
    let bytes =
        EVENT_SET_BUFFER_LENGTH.to_be_bytes().into_iter().chain(words.into_iter().flatten());
    payload.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    write_message(CHUNK_STREAM_CONTROL, 0, TYPE_USER_CONTROL, &payload, CHUNK_BYTES_INITIAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(reader: &mut MessageReader, mut wire: &[u8]) -> Result<Vec<Message>, ChunkError> {
        let mut messages = Vec::new();
        while let Some(message) = reader.next(&mut wire)? {
            messages.push(message);
        }
        Ok(messages)
    }

    #[test]
    fn commands_are_collected_and_media_is_read_past() {
        let command = write_message(3, 1, TYPE_COMMAND, &[5; 300], 128);
        let media = write_message(4, 1, TYPE_VIDEO, &[9; 0xFF_FFFF], 128);
        let mut reader = MessageReader::new();
        let wire = [&media[..], &command, &media[..media.len() / 2]].concat();
        let messages = all(&mut reader, &wire).unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].payload, [5; 300]);
        assert!(reader.partials.iter().all(|partial| partial.capacity() == 0));
    }

    #[test]
    fn a_declared_length_takes_no_memory_and_too_long_a_command_is_refused() {
        let mut reader = MessageReader::new();
        let wire = write_message(3, 0, TYPE_COMMAND, &[0; RTMP_COMMAND_BYTES_MAX], 128);
        assert_eq!(all(&mut reader, &wire[..12]), Ok(vec![]));
        assert!(reader.partials.iter().all(|partial| partial.capacity() == 0));
        assert_eq!(all(&mut reader, &wire[12..]).unwrap()[0].payload.len(), RTMP_COMMAND_BYTES_MAX);
        for bytes in [RTMP_COMMAND_BYTES_MAX + 1, 0xFF_FFFF] {
            let [_, a, b, c] = (bytes as u32).to_be_bytes();
            let head = [3, 0, 0, 0, a, b, c, TYPE_COMMAND, 0, 0, 0, 0];
            let refused = all(&mut MessageReader::new(), &head);
            assert_eq!(refused, Err(ChunkError::Length { type_id: TYPE_COMMAND, bytes }));
        }
    }

    #[test]
    fn unfinished_messages_share_one_limit() {
        // The first half of the longest command on each chunk stream.
        const HALF: usize = RTMP_COMMAND_BYTES_MAX / 2;
        let mut reader = MessageReader::new();
        all(&mut reader, &control(TYPE_SET_CHUNK_SIZE, HALF as u32)).unwrap();
        let mut outcome = Ok(vec![]);
        let mut begun = 0;
        for id in 3..3 + RTMP_CHUNK_STREAMS_MAX as u8 - 1 {
            let whole = write_message(id, 0, TYPE_COMMAND, &[0; 2 * HALF], HALF);
            outcome = all(&mut reader, &whole[..12 + HALF]);
            if outcome.is_err() {
                break;
            }
            begun += 1;
        }
        assert_eq!(outcome, Err(ChunkError::Partials { limit: RTMP_PARTIAL_BYTES_MAX }));
        assert_eq!(begun, RTMP_PARTIAL_BYTES_MAX / HALF);
    }

    #[test]
    fn an_aborted_command_leaves_nothing_behind() {
        let command = write_message(3, 0, TYPE_COMMAND, &[1; 200], 128);
        let abort = control(2, 3);
        let mut reader = MessageReader::new();
        let wire = [&command[..12 + 128], &abort, &command].concat();
        assert_eq!(all(&mut reader, &wire).unwrap()[0].payload, [1; 200]);
    }
}
