//! The bytes between the gate and a client. Purpose: anybody who serves a connection reads and writes
//! one thing, whatever is beneath it. Non-goals: deadlines, HTTP. Bound: nothing is kept here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_net::TcpStream;
use futures_rustls::server::TlsStream;
use smol::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use socket2::SockRef;

/// A client's connection.
pub enum Wire {
    /// Bare TCP.
    Plain(TcpStream),
    /// TLS over it.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// The socket beneath.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Says that nothing more will be sent; what the client still sends can be read.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn finish(&mut self) -> io::Result<()> {
        // Of TLS first its farewell (RFC 8446, 6.1), then TCP's.
        self.close().await
    }

    /// The close that follows throws away what the kernel has not sent.
    pub fn reset(&self) {
        // Without it the close is merely slower.
        let _ = SockRef::from(self.socket()).set_linger(Some(Duration::ZERO));
    }

    /// A client that acknowledges nothing for so long is gone, to the kernel.
    pub fn give_up_after(&self, span: Duration) {
        // Without it the client is given up all the same, later.
        let _ = SockRef::from(self.socket()).set_tcp_user_timeout(Some(span));
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        piece: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_read(cx, piece),
            Wire::Tls(stream) => Pin::new(stream).poll_read(cx, piece),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_close(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}
