//! What both sides of a connection have in common. Purpose: handshake first, then protocol
//! control answered (pings, acknowledgements, bandwidth), so that a session sees commands only.
//!
//! Non-goals: the meaning of commands. Bound: see [`Outbox`] and [`MessageReader`].

use std::fmt;

use crate::base::limits::{RTMP_OUTBOX_BYTES_MAX, RTMP_WINDOW_BYTES, RTMP_WINDOW_BYTES_MIN};
use crate::base::time::Mono;

use super::amf::AmfError;
use super::chunk::{ChunkError, CHUNK_BYTES_INITIAL};
use super::chunk_writer::{write_message, CHUNK_STREAM_COMMAND, CHUNK_STREAM_DATA};
use super::handshake::{Handshake, HandshakeError};
use super::media::{MediaReader, MediaSink};
use super::message::{
    control, user_control, Message, MessageReader, EVENT_PING_REQUEST, EVENT_PING_RESPONSE,
    EVENT_STREAM_EOF, TYPE_ACKNOWLEDGEMENT, TYPE_COMMAND, TYPE_COMMAND_AMF3, TYPE_PEER_BANDWIDTH,
    TYPE_SET_CHUNK_SIZE, TYPE_USER_CONTROL, TYPE_WINDOW_SIZE,
};
use super::outbox::{Outbox, OutboxFull};

/// Why a session ends at once. Holds nothing the peer wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// See [`HandshakeError`].
    Handshake(HandshakeError),
    /// See [`ChunkError`].
    Chunk(ChunkError),
    /// A command that cannot be read.
    Command(AmfError),
    /// The peer asks and does not read the answers.
    OutboxFull,
    /// The peer raises events faster than they can be handled.
    TooManyEvents,
    /// The peer did not do in time what it had to.
    TimedOut {
        /// What that was, for a person.
        what: &'static str,
    },
    /// The peer's answer makes no sense.
    Answer {
        /// The command it answers.
        to: &'static str,
    },
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Handshake(error) => write!(f, "{error}"),
            SessionError::Chunk(error) => write!(f, "{error}"),
            SessionError::Command(error) => write!(f, "a command that cannot be read: {error}"),
            SessionError::OutboxFull => {
                write!(f, "the peer left {RTMP_OUTBOX_BYTES_MAX} bytes of answers unread")
            }
            SessionError::TooManyEvents => write!(f, "the peer sent too many requests at once"),
            SessionError::TimedOut { what } => write!(f, "the peer took too long for {what}"),
            SessionError::Answer { to } => write!(f, "the server's answer to {to} makes no sense"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<HandshakeError> for SessionError {
    fn from(error: HandshakeError) -> SessionError {
        SessionError::Handshake(error)
    }
}

impl From<ChunkError> for SessionError {
    fn from(error: ChunkError) -> SessionError {
        SessionError::Chunk(error)
    }
}

impl From<AmfError> for SessionError {
    fn from(error: AmfError) -> SessionError {
        SessionError::Command(error)
    }
}

impl From<OutboxFull> for SessionError {
    fn from(_: OutboxFull) -> SessionError {
        SessionError::OutboxFull
    }
}

/// What a session has to act on.
pub(super) enum Incoming {
    HandshakeDone,
    Command(CommandMessage),
    /// Stream EOF (7.1.7): what is played on this message stream is over.
    StreamEnd(u32),
}

/// A command's message, not yet read.
pub(super) struct CommandMessage {
    pub(super) message_stream: u32,
    /// AMF0 values.
    pub(super) values: Vec<u8>,
}

pub(super) struct RtmpConnection {
    handshake: Option<Handshake>,
    reader: MessageReader,
    media: MediaReader,
    outbox: Outbox,
    /// Size of the chunks we write.
    chunk_bytes: usize,
    /// Acknowledgement window the peer announced.
    window_bytes: u32,
    /// Bytes since the handshake, and those of them acknowledged; both wrap (5.4.3).
    received: u32,
    acknowledged: u32,
}

impl RtmpConnection {
    pub(super) fn new(handshake: Handshake) -> RtmpConnection {
        RtmpConnection {
            handshake: Some(handshake),
            reader: MessageReader::new(),
            media: MediaReader::default(),
            outbox: Outbox::default(),
            chunk_bytes: CHUNK_BYTES_INITIAL,
            window_bytes: RTMP_WINDOW_BYTES,
            received: 0,
            acknowledged: 0,
        }
    }

    pub(super) fn in_handshake(&self) -> bool {
        self.handshake.is_some()
    }

    pub(super) fn tick(&mut self, now: Mono) {
        self.reader.tick(now);
    }

    /// Media that comes, as it is told by [`next`](Connection::next) when it is taken.
    pub(super) fn media(&mut self) -> &mut MediaReader {
        &mut self.media
    }

    /// Messages of media left out, see [`MediaReader::left_out`].
    pub(super) fn media_left_out(&self) -> u64 {
        self.media.left_out()
    }

    /// Takes what it can from `input`, up to the next thing a session has to act on; media on the
    /// way goes to `media`.
    pub(super) fn next(
        &mut self,
        input: &mut &[u8],
        media: &mut dyn MediaSink,
    ) -> Result<Option<Incoming>, SessionError> {
        if let Some(handshake) = &mut self.handshake {
            let answer = handshake.input(input)?;
            let done = handshake.is_done();
            self.outbox.push(&answer)?;
            if !done {
                return Ok(None);
            }
            self.handshake = None;
            return Ok(Some(Incoming::HandshakeDone));
        }
        let before = input.len();
        let outcome = self.next_incoming(input, media);
        self.received = self.received.wrapping_add((before - input.len()) as u32);
        outcome
    }

    fn next_incoming(
        &mut self,
        input: &mut &[u8],
        sink: &mut dyn MediaSink,
    ) -> Result<Option<Incoming>, SessionError> {
        loop {
            let RtmpConnection { reader, media, .. } = self;
            let message = reader.next_beside(input, |event| media.chunk(event, sink))?;
            let Some(Message { head, payload }) = message else { return Ok(None) };
            match (head.type_id, payload.as_slice()) {
                (TYPE_COMMAND, _) => {
                    let command =
                        CommandMessage { message_stream: head.message_stream, values: payload };
                    return Ok(Some(Incoming::Command(command)));
                }
                // Those who send this type put AMF0 behind a zero byte.
                (TYPE_COMMAND_AMF3, [_, values @ ..]) => {
                    let values = values.to_vec();
                    let command = CommandMessage { message_stream: head.message_stream, values };
                    return Ok(Some(Incoming::Command(command)));
                }
                (TYPE_WINDOW_SIZE, &[a, b, c, d, ..]) => {
                    let announced = u32::from_be_bytes([a, b, c, d]);
                    self.window_bytes = announced.max(RTMP_WINDOW_BYTES_MIN);
                }
                (TYPE_PEER_BANDWIDTH, [_, _, _, _, ..]) => {
                    self.push(&control(TYPE_WINDOW_SIZE, RTMP_WINDOW_BYTES))?;
                }
                (TYPE_USER_CONTROL, &[a, b, c, d, e, f, ..])
                    if u16::from_be_bytes([a, b]) == EVENT_PING_REQUEST =>
                {
                    let time = u32::from_be_bytes([c, d, e, f]);
                    self.push(&user_control(EVENT_PING_RESPONSE, time))?;
                }
                (TYPE_USER_CONTROL, &[a, b, c, d, e, f, ..])
                    if u16::from_be_bytes([a, b]) == EVENT_STREAM_EOF =>
                {
                    return Ok(Some(Incoming::StreamEnd(u32::from_be_bytes([c, d, e, f]))));
                }
                _ => {}
            }
        }
    }

    /// Acknowledges what has come, once half a window is open: the peer may stop at a whole one.
    pub(super) fn acknowledge(&mut self) -> Result<(), SessionError> {
        if self.received.wrapping_sub(self.acknowledged) >= self.window_bytes / 2 {
            self.acknowledged = self.received;
            self.push(&control(TYPE_ACKNOWLEDGEMENT, self.received))?;
        }
        Ok(())
    }

    pub(super) fn push(&mut self, message: &[u8]) -> Result<(), SessionError> {
        Ok(self.outbox.push(message)?)
    }

    /// Announces the size of the chunks we write from here on (5.4.1).
    pub(super) fn set_chunk_bytes(&mut self, bytes: usize) -> Result<(), SessionError> {
        self.push(&control(TYPE_SET_CHUNK_SIZE, bytes as u32))?;
        self.chunk_bytes = bytes;
        Ok(())
    }

    /// Queues a message of AMF0 values.
    pub(super) fn push_values(
        &mut self,
        message_stream: u32,
        type_id: u8,
        values: &[u8],
    ) -> Result<(), SessionError> {
        let id = if message_stream == 0 { CHUNK_STREAM_COMMAND } else { CHUNK_STREAM_DATA };
        self.push(&write_message(id, message_stream, type_id, values, self.chunk_bytes))
    }

    pub(super) fn owed(&mut self) -> &mut Outbox {
        &mut self.outbox
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtmp::media::NoMedia;
    use crate::rtmp::message::{peer_bandwidth, TYPE_VIDEO};

    /// A connection behind its handshake, with an empty outbox.
    fn connection() -> RtmpConnection {
        let mut connection = RtmpConnection::new(Handshake::server());
        let hello = [&[3][..], &[0; 2 * 1536]].concat();
        assert!(matches!(
            connection.next(&mut &hello[..], &mut NoMedia),
            Ok(Some(Incoming::HandshakeDone))
        ));
        connection.owed().sent(usize::MAX);
        connection
    }

    fn take(connection: &mut RtmpConnection, mut wire: &[u8]) -> Vec<u8> {
        while connection.next(&mut wire, &mut NoMedia).unwrap().is_some() {}
        connection.acknowledge().unwrap();
        let answer = connection.owed().unsent().to_vec();
        connection.owed().sent(answer.len());
        answer
    }

    #[test]
    fn pings_and_bandwidth_are_answered() {
        let mut connection = connection();
        let answer = take(&mut connection, &user_control(EVENT_PING_REQUEST, 77));
        assert_eq!(answer, user_control(EVENT_PING_RESPONSE, 77));
        let answer = take(&mut connection, &peer_bandwidth(5_000_000));
        assert_eq!(answer, control(TYPE_WINDOW_SIZE, RTMP_WINDOW_BYTES));
        // Cut short, or not for us.
        for message in [
            write_message(2, 0, TYPE_USER_CONTROL, &[0, 6, 1], 128),
            write_message(2, 0, TYPE_WINDOW_SIZE, &[1], 128),
            write_message(2, 0, TYPE_PEER_BANDWIDTH, &[], 128),
            write_message(3, 0, TYPE_COMMAND_AMF3, &[], 128),
            user_control(31, 1),
        ] {
            assert!(take(&mut connection, &message).is_empty());
        }
    }

    #[test]
    fn acknowledgements_are_cumulative_and_wrap() {
        let mut connection = connection();
        take(&mut connection, &control(TYPE_WINDOW_SIZE, 40_000));
        let media = write_message(4, 1, TYPE_VIDEO, &[0; 60_000], 128);
        let mut total = 16 + media.len() as u32;
        assert_eq!(take(&mut connection, &media), control(TYPE_ACKNOWLEDGEMENT, total));
        total += media.len() as u32;
        assert_eq!(take(&mut connection, &media), control(TYPE_ACKNOWLEDGEMENT, total));

        connection.received = u32::MAX - 9;
        connection.acknowledged = u32::MAX - 9;
        let wrapped = media.len() as u32 - 10;
        assert_eq!(take(&mut connection, &media), control(TYPE_ACKNOWLEDGEMENT, wrapped));
    }

    #[test]
    fn a_tiny_window_does_not_cost_an_answer_per_packet() {
        let mut connection = connection();
        take(&mut connection, &control(TYPE_WINDOW_SIZE, 0));
        let message = user_control(31, 1);
        let answers = (0..1000).filter(|_| !take(&mut connection, &message).is_empty()).count();
        assert_eq!(answers, 1000 * message.len() / (512 / message.len() * message.len() + 18));
    }
}
