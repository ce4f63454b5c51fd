//! What reading and writing chunks have in common (RTMP 1.0, 5.3): the constants, what a message's
//! headers say, and how the rules can be broken. Non-goals: doing either. Bound: none needed.

use std::fmt;

use crate::base::limits::RTMP_CHUNK_STREAMS_MAX;

/// Chunk size before any Set Chunk Size (RTMP 1.0, 5.4.1).
pub const CHUNK_BYTES_INITIAL: usize = 128;
/// A timestamp field that says: the time follows in four bytes (RTMP 1.0, 5.3.1.3).
pub(super) const EXTENDED: u32 = 0xFF_FFFF;

/// What a message's chunk headers say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageHead {
    /// Place among the open chunk streams, below [`RTMP_CHUNK_STREAMS_MAX`]: tells apart messages
    /// whose chunks are interleaved.
    pub slot: usize,
    /// Chunk stream id, 2 to 65599.
    pub chunk_stream: u32,
    /// Message type id (RTMP 1.0, 5.4 and 7.1).
    pub type_id: u8,
    /// Message stream id.
    pub message_stream: u32,
    /// Absolute timestamp in milliseconds; wraps after 49.7 days.
    pub timestamp_ms: u32,
    /// Payload bytes the message will have; at most 0xFFFFFF.
    pub length: usize,
}

/// How a peer broke the chunk protocol. No way back: the connection has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// The first chunk of this chunk stream leaves out what only an earlier one could tell.
    NoPrevious {
        /// Chunk stream id.
        chunk_stream: u32,
    },
    /// A full header in the middle of a message.
    HeaderInsideMessage {
        /// Chunk stream id.
        chunk_stream: u32,
    },
    /// More than [`RTMP_CHUNK_STREAMS_MAX`] messages begun and not finished.
    TooManyChunkStreams,
    /// Set Chunk Size outside 1 to 2^31 - 1.
    ChunkSize {
        /// The size asked for.
        bytes: u32,
    },
    /// A message longer (or, for protocol control, shorter) than its type allows.
    Length {
        /// Message type id.
        type_id: u8,
        /// Declared payload bytes.
        bytes: usize,
    },
    /// Too many unfinished messages at once.
    Partials {
        /// The limit, bytes.
        limit: usize,
    },
    /// Too many chunks for too little payload.
    Crumbs,
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChunkError::NoPrevious { chunk_stream } => {
                write!(f, "chunk stream {chunk_stream} refers to a header that was never sent")
            }
            ChunkError::HeaderInsideMessage { chunk_stream } => {
                write!(f, "chunk stream {chunk_stream} began a message before ending the last")
            }
            ChunkError::TooManyChunkStreams => {
                write!(f, "more than {RTMP_CHUNK_STREAMS_MAX} unfinished messages at once")
            }
            ChunkError::ChunkSize { bytes } => write!(f, "a chunk size of {bytes} is not allowed"),
            ChunkError::Length { type_id, bytes } => {
                write!(f, "a message of type {type_id} with {bytes} bytes is not allowed")
            }
            ChunkError::Partials { limit } => {
                write!(f, "more than {limit} bytes of unfinished messages")
            }
            ChunkError::Crumbs => write!(f, "too many chunks with too little in them"),
        }
    }
}

impl std::error::Error for ChunkError {}
