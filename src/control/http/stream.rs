//! A connection that a long stream has taken over. Purpose: who serves one reads and sends in time,
//! or ends. Non-goals: what is in it. Bounds: a piece is sent within [`STREAM_SEND_MS_MAX`] or the
//! connection is cut; a client that brings a body sends [`UPLOAD_STEP_BYTES_MIN`] in
//! [`UPLOAD_STEP_MS_MAX`].

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::time::Duration;

use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::base::limits::{
    HTTP_IDLE_MS_MAX, STREAM_SEND_MS_MAX, UPLOAD_STEP_BYTES_MIN, UPLOAD_STEP_MS_MAX,
};
use crate::control::http::answer::COMMON_FIELDS;
use crate::control::http::deadline::within;
use crate::control::http::wire::Wire;

/// A connection that a stream has taken over, its request's head read and answered for.
pub struct Carrier<'a> {
    wire: &'a mut Wire,
    /// What came behind the head and is not used yet.
    input: &'a mut Vec<u8>,
    expects_continue: bool,
    peer: IpAddr,
}

impl<'a> Carrier<'a> {
    /// Takes over `peer`'s connection; `expects_continue` when the client waits before it sends its body.
    pub fn new(
        wire: &'a mut Wire,
        input: &'a mut Vec<u8>,
        expects_continue: bool,
        peer: IpAddr,
    ) -> Carrier<'a> {
        wire.give_up_after(Duration::from_millis(STREAM_SEND_MS_MAX));
        Carrier { wire, input, expects_continue, peer }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Sends the head of an answer that ends with the connection (RFC 9112, 6.3).
    ///
    /// # Errors
    /// As [`Carrier::send`].
    pub async fn begin(&mut self, content_type: &str) -> io::Result<()> {
        let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
        for (name, value) in COMMON_FIELDS {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.extend(["Content-Type: ", content_type, "\r\n"]);
        head += "Cache-Control: no-store\r\nConnection: close\r\n\r\n";
        self.send(head.as_bytes()).await
    }

    /// Sends all of `bytes` in time, or cuts the connection.
    ///
    /// # Errors
    /// The client is gone, or was too slow; the stream is to end.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let all = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        let sent = within(STREAM_SEND_MS_MAX, all).await;
        if sent.is_none() {
            self.wire.reset();
        }
        sent.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Ready once the client has left, or says what it was not asked for. To be waited for beside
    /// what is sent next.
    pub async fn left(&mut self) {
        if self.input.is_empty() {
            // Whatever comes ends the stream.
            let _ = self.wire.read(&mut [0]).await;
        }
    }

    /// Reads the next bytes of the body, of any number; 0 when the client has left. The caller
    /// knows how many belong to the body.
    ///
    /// # Errors
    /// Nothing came in time, or the connection broke.
    pub async fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        if !self.input.is_empty() {
            let taken = piece.len().min(self.input.len());
            for (to, from) in piece.iter_mut().zip(self.input.drain(..taken)) {
                *to = from;
            }
            return Ok(taken);
        }
        if std::mem::take(&mut self.expects_continue) {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let read = within(HTTP_IDLE_MS_MAX, self.wire.read(piece)).await;
        read.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Fills a piece from the client, step by step, each in time; how much came, and whether more may.
    pub async fn fill(&mut self, piece: &mut [u8]) -> (usize, io::Result<()>) {
        let mut filled = 0;
        while filled < piece.len() {
            let step_end = filled.saturating_add(UPLOAD_STEP_BYTES_MIN).min(piece.len());
            let step = async {
                while filled < step_end {
                    match self.read(piece.get_mut(filled..).unwrap_or_default()).await? {
                        0 => return Err(io::Error::from(ErrorKind::UnexpectedEof)),
                        taken => filled += taken,
                    }
                }
                Ok(())
            };
            match within(UPLOAD_STEP_MS_MAX, step).await {
                Some(Ok(())) => {}
                Some(Err(error)) => return (filled, Err(error)),
                None => return (filled, Err(ErrorKind::TimedOut.into())),
            }
        }
        (filled, Ok(()))
    }
}
