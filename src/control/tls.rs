//! HTTPS on the control port (TLS 1.3). Purpose: find out how a client speaks, shake hands, and
//! follow the certificate's files when they change. Non-goals: client certificates, resumption.
//! Bounds: [`TLS_HANDSHAKES_MAX`] handshakes at once, each within [`TLS_HANDSHAKE_MS_MAX`]; what a
//! connection may hold is [`TLS_CONNECTION_BYTES`](crate::base::limits::TLS_CONNECTION_BYTES).
//!
//! One port speaks both: a TLS record of a handshake begins with 0x16 (RFC 8446, 5.1), which no
//! method does. Plain HTTP is served to this machine itself only; others are sent to `https://`.

use std::cell::RefCell;
use std::net::TcpStream;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_rustls::TlsAcceptor;
use smol::lock::Semaphore;

use crate::base::limits::{
    HTTP_HEAD_MS_MAX, TLS_HANDSHAKES_MAX, TLS_HANDSHAKE_MS_MAX, TLS_LOOK_MS, TLS_UNSENT_BYTES_MAX,
};
use crate::control::connection::within;
use crate::control::wire::Wire;
use crate::system::certificate::{CertificateError, Stamp, TlsFiles};

/// The first byte of a TLS connection (RFC 8446, 5.1: content type handshake).
const HANDSHAKE: u8 = 0x16;

/// The certificate in force.
pub struct Tls {
    files: TlsFiles,
    acceptor: RefCell<TlsAcceptor>,
    stamp: RefCell<Stamp>,
    shaking: Semaphore,
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
    /// Reads the files.
    ///
    /// # Errors
    /// As [`TlsFiles::load`].
    pub fn new(files: TlsFiles) -> Result<Tls, CertificateError> {
        let stamp = RefCell::new(files.stamp());
        let acceptor = RefCell::new(TlsAcceptor::from(files.load()?));
        Ok(Tls { files, acceptor, stamp, shaking: Semaphore::new(TLS_HANDSHAKES_MAX) })
    }

    /// Waits for a client's first byte, unless it has `begun` already, and shakes hands if it asks
    /// for that.
    pub async fn open(&self, stream: Async<TcpStream>, begun: &[u8]) -> Speech {
        if !begun.is_empty() {
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
        let acceptor = self.acceptor.borrow().clone();
        let shake = async {
            let _turn = self.shaking.acquire().await;
            let bounded = acceptor
                .accept_with(stream, |tls| tls.set_buffer_limit(Some(TLS_UNSENT_BYTES_MAX)));
            bounded.await.ok()
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
            let (files, before) = (self.files.clone(), *self.stamp.borrow());
            let looked = smol::unblock(move || {
                let stamp = files.stamp();
                (stamp != before).then(|| (stamp, files.load()))
            });
            let Some((stamp, loaded)) = looked.await else { continue };
            // Whatever it is, it is looked at once.
            self.stamp.replace(stamp);
            match loaded {
                Ok(config) => {
                    self.acceptor.replace(TlsAcceptor::from(config));
                    log::info!("control: a new certificate is in force");
                }
                Err(error) => log::warn!(
                    "control: the certificate's files have changed, but {error}; the one before \
                     stays in force"
                ),
            }
        }
    }
}
