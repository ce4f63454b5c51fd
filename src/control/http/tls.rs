//! HTTPS on the control port (TLS 1.3). Purpose: find out how a client speaks, shake hands, and
//! follow the certificate's files when they change. Non-goals: client certificates, resumption.
//! Bounds: [`TLS_HANDSHAKE_MS_MAX`] for a handshake, one of which is computed at a time; what a
//! connection may hold is [`TLS_CONNECTION_BYTES`](crate::base::limits::TLS_CONNECTION_BYTES), and a
//! ClientHello of more than 64 KiB is refused (rustls).
//!
//! One port speaks both: no method begins with what a TLS connection begins with. Plain HTTP is served to this machine itself only; others are sent to `https://`.
//!
//! A client that is waited for holds nothing but its connection's seat, which the gate gives to
//! others: only when its ClientHello is whole it waits for its [turn](crate::control::http::turns), has
//! its answer computed, and gives the turn on before the answer is sent.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use async_net::TcpStream;
use futures_rustls::rustls::server::Acceptor;
use futures_rustls::LazyConfigAcceptor;
use smol::future::yield_now;

use crate::base::limits::{HTTP_HEAD_MS_MAX, TLS_UNSENT_BYTES_MAX};
use crate::control::http::deadline::within;
use crate::control::http::turns::Turns;
use crate::control::http::wire::Wire;
use crate::net::served_certificate::ServedCertificate;
use crate::net::tls::HANDSHAKE;

/// Time a client has for the TLS handshake, from its first byte on.
const TLS_HANDSHAKE_MS_MAX: u64 = 5_000;
/// How often the certificate's files are looked at.
const TLS_LOOK_MS: u64 = 10_000;

/// The certificate that page and API are served with.
pub struct Tls {
    certificate: Arc<ServedCertificate>,
}

/// How a client turned out to speak.
pub enum Speech {
    /// TLS, the handshake done.
    Secure(Wire),
    /// Plain HTTP.
    Plain(Wire),
    /// It left, said nothing, or failed to shake hands.
    Gone,
}

impl Tls {
    /// Serves with this certificate.
    pub fn new(certificate: Arc<ServedCertificate>) -> Tls {
        Tls { certificate }
    }

    /// Waits for the first byte of a client from `source`, unless some of it came `early`, and shakes
    /// hands if it asks for that.
    pub async fn open(
        &self,
        stream: TcpStream,
        early: &[u8],
        source: IpAddr,
        turns: &Rc<Turns>,
    ) -> Speech {
        if !early.is_empty() {
            return Speech::Plain(Wire::Plain(stream));
        }
        let mut first = [0];
        match within(HTTP_HEAD_MS_MAX, stream.peek(&mut first)).await {
            Some(Ok(1..)) => {}
            _ => return Speech::Gone,
        }
        if first != [HANDSHAKE] {
            return Speech::Plain(Wire::Plain(stream));
        }
        let shake = async {
            let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await.ok()?;
            let shaken = {
                let _turn = turns.take(source).await;
                // Others get theirs, whose ClientHello has come too, and answers leave in between.
                yield_now().await;
                let config = self.certificate.http();
                // Key exchange and signature are computed here, before anything is waited for. What
                // a second ClientHello costs, which one of a kind we do not know is asked for
                // (RFC 8446, 4.1.4), comes once and out of turn.
                hello.into_stream_with(config, |tls| {
                    tls.set_buffer_limit(Some(TLS_UNSENT_BYTES_MAX));
                })
            };
            shaken.await.ok()
        };
        match within(TLS_HANDSHAKE_MS_MAX, shake).await.flatten() {
            Some(stream) => Speech::Secure(Wire::Tls(Box::new(stream))),
            None => Speech::Gone,
        }
    }

    /// Looks at the files again and again, for ever, and takes a new certificate when there is
    /// one. The disk is waited for elsewhere: it may hang.
    pub async fn follow(&self) {
        loop {
            Timer::after(Duration::from_millis(TLS_LOOK_MS)).await;
            let certificate = Arc::clone(&self.certificate);
            match smol::unblock(move || certificate.look()).await {
                Ok(false) => {}
                Ok(true) => log::info!("tls: a new certificate is in force"),
                Err(error) => log::warn!(
                    "tls: the certificate's files have changed, but {error}; the one before stays \
                     in force"
                ),
            }
        }
    }
}
