//! RTMP 1.0, both sides of a connection, sans-I/O: bytes and `now` come in; bytes, events and a
//! deadline go out.
//!
//! ```text
//! server  client            who says what when: a player's session, a push's session
//! connection                handshake, protocol control, acknowledgements, the outbox
//! message                   whole small messages out of chunks; control messages; AMF commands
//! chunk_reader chunk_writer chunks: reading streams what arrives, media is written by reference
//! handshake  amf  metadata  url  words
//! ```
//!
//! Non-goals: RTMPE, AMF3 (a peer that asks for it is answered in AMF0), shared objects,
//! aggregate messages, taking media in (it is read past).
//!
//! Bound: what a session holds of a peer is the sum of [`RTMP_PARTIAL_BYTES_MAX`],
//! [`RTMP_OUTBOX_BYTES_MAX`] and a few names of at most [`RTMP_NAME_BYTES_MAX`]; a quiet session
//! holds next to nothing.
//!
//! [`RTMP_PARTIAL_BYTES_MAX`]: crate::base::limits::RTMP_PARTIAL_BYTES_MAX
//! [`RTMP_OUTBOX_BYTES_MAX`]: crate::base::limits::RTMP_OUTBOX_BYTES_MAX
//! [`RTMP_NAME_BYTES_MAX`]: crate::base::limits::RTMP_NAME_BYTES_MAX

pub mod amf;
pub mod chunk_reader;
pub mod chunk_writer;
pub mod client;
mod connection;
pub mod handshake;
pub mod message;
pub mod metadata;
mod outbox;
pub mod server;
pub mod url;
mod words;

pub use connection::SessionError;
