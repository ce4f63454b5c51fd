//! How a connection's bytes come: in clear, or by TLS on the same port. Purpose: the first byte decides
//! (RTMP 1.0, 5.2.2: version 3; RFC 8446, 5.1: 0x16). Non-goals: RTMP's own handshake. Bound: the time
//! the caller gives. Without a certificate nothing is looked at here.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;

use smol::future::FutureExt;

use crate::base::time::Mono;
use crate::net::byte_stream::ByteStream;
use crate::net::reactor::{Sleep, Watched};
use crate::net::served_certificate::ServedCertificate;
use crate::net::tls::{ClientHandshakes, TlsError, HANDSHAKE};
use crate::system::clock;

/// Opens connections.
pub(super) struct Opener {
    certificate: Option<Arc<ServedCertificate>>,
    handshakes: ClientHandshakes,
}

/// Why one was not opened.
#[derive(Debug)]
pub(super) enum Unopened {
    /// It ended before it said anything, or said nothing.
    Left(io::Error),
    /// The TLS handshake.
    Tls(TlsError),
}

impl Opener {
    /// Takes TLS with this certificate, if there is one.
    pub(super) fn new(certificate: Option<Arc<ServedCertificate>>) -> Opener {
        Opener { certificate, handshakes: ClientHandshakes::default() }
    }

    /// Whether TLS is taken.
    pub(super) fn takes_tls(&self) -> bool {
        self.certificate.is_some()
    }

    /// Waits for the first byte, and for the handshake if it is one's.
    pub(super) async fn open(
        &self,
        socket: Watched<TcpStream>,
        until: Mono,
    ) -> Result<ByteStream, Unopened> {
        let Some(certificate) = &self.certificate else {
            return Ok(ByteStream::plain(socket));
        };
        let opened = async {
            if first_byte(&socket).await.map_err(Unopened::Left)? != HANDSHAKE {
                return Ok(ByteStream::plain(socket));
            }
            let shaken = self.handshakes.shake(socket, certificate.rtmp()).await;
            shaken.map_err(Unopened::Tls)
        };
        let late = async {
            Sleep::after(until.since(clock::mono())).await;
            Err(Unopened::Left(ErrorKind::TimedOut.into()))
        };
        opened.or(late).await
    }
}

/// The first byte, which stays where it is.
async fn first_byte(socket: &Watched<TcpStream>) -> io::Result<u8> {
    loop {
        let mut first = [0];
        match socket.try_read(|socket| socket.peek(&mut first)) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(first[0]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => socket.readable().await,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
