//! RTMP 1.0, both sides of a connection, sans-I/O: bytes and `now` come in; bytes, events and a
//! deadline go out.
//!
//! ```text
//! server  client            who says what when: those who connect to us, those we connect to
//! connection                handshake, protocol control, acknowledgements, the outbox
//! message  media            whole small messages out of chunks, and media piece by piece
//! chunk_reader chunk_writer chunks: read as a stream, media written by reference
//! handshake  amf  metadata  url  words
//! ```
//!
//! Non-goals: RTMPE, AMF3 (a peer that asks for it is answered in AMF0), shared objects.
//!
//! Bound: what a session holds of a peer is at most twice the sum of
//! [`RTMP_PARTIAL_BYTES_MAX`] and [`RTMP_OUTBOX_BYTES_MAX`] (vectors grow by doubling) and a few
//! names of at most [`RTMP_NAME_BYTES_MAX`]; a quiet session holds a kilobyte or two.
//!
//! [`RTMP_PARTIAL_BYTES_MAX`]: crate::base::limits::RTMP_PARTIAL_BYTES_MAX
//! [`RTMP_OUTBOX_BYTES_MAX`]: crate::base::limits::RTMP_OUTBOX_BYTES_MAX
//! [`RTMP_NAME_BYTES_MAX`]: crate::base::limits::RTMP_NAME_BYTES_MAX

pub mod amf;
pub mod chunk;
pub mod chunk_reader;
pub mod chunk_writer;
pub mod client;
mod connection;
pub mod handshake;
pub mod media;
pub mod message;
pub mod metadata;
pub mod outbox;
pub mod server;
pub mod url;
mod words;

use crate::base::time::Mono;

pub use connection::SessionError;

use media::{MediaSink, NoMedia};
use outbox::Outbox;

/// A session as a connection sees it: bytes in, bytes out, and a time to be looked at again.
pub trait RtmpSession {
    /// Takes bytes from the peer, all of them, whenever they come: what is not read stalls it.
    ///
    /// # Errors
    /// The connection is to be closed at once.
    fn input(&mut self, bytes: &[u8], now: Mono) -> Result<(), SessionError> {
        self.input_media(bytes, now, &mut NoMedia)
    }

    /// Like [`input`](Session::input), from a peer whose media is wanted: it goes to `media` from
    /// when the session has agreed to take it, and what is open is aborted when that is over. What
    /// is open when the connection ends is the shell's to abort.
    ///
    /// # Errors
    /// The connection is to be closed at once.
    fn input_media(
        &mut self,
        bytes: &[u8],
        now: Mono,
        media: &mut dyn MediaSink,
    ) -> Result<(), SessionError>;

    /// What is owed to the peer.
    fn owed(&mut self) -> &mut Outbox;

    /// Bytes to be sent: whole messages, so media may go before or after all of them, never
    /// between.
    fn outbox(&mut self) -> &[u8] {
        self.owed().unsent()
    }

    /// The first `count` bytes of the outbox have been sent.
    fn sent(&mut self, count: usize) {
        self.owed().sent(count);
    }

    /// Whether the connection is to be closed once the outbox is empty.
    fn is_closing(&self) -> bool;

    /// When [`on_deadline`](Session::on_deadline) wants to be called.
    fn deadline(&self) -> Option<Mono>;

    /// Does what is due at `now`.
    ///
    /// # Errors
    /// The peer took too long; the connection is to be closed at once.
    fn on_deadline(&mut self, now: Mono) -> Result<(), SessionError>;
}
