//! Handshakes of encrypted connections: RTMPS, to servers and from clients. Purpose: a server is who
//! its address says by a certificate that an authority has signed, or there is a sentence that says why
//! not; clients cannot take the programme's time by handshakes. Non-goals: the bytes behind the
//! handshake (byte_stream), certificates of our own (certificate). Bounds: [`RTMPS_UNSENT_BYTES_MAX`]
//! wait unsent, [`RTMPS_HANDSHAKES_MAX`] servers are in their handshake, whose messages have 64 KiB at
//! most (rustls), and whose time is the caller's.

use std::cell::OnceCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use futures_rustls::rustls::client::Resumption;
use futures_rustls::rustls::crypto::ring;
use futures_rustls::rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use futures_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Connection, Error,
    InvalidMessage, RootCertStore, ServerConfig, ServerConnection,
};
use smol::lock::Semaphore;

use crate::base::limits::{RTMPS_HANDSHAKES_MAX, RTMPS_SESSIONS_MAX, RTMPS_UNSENT_BYTES_MAX};
use crate::base::time::Utc;

use super::byte_stream::{in_words, tls_in_words, ByteStream};
use super::certificate::AuthorityFile;
use super::reactor::{Sleep, Watched};

/// The first byte of a TLS connection (RFC 8446, 5.1: content type handshake).
pub const HANDSHAKE: u8 = 0x16;

/// Of the time, one in so many may go into handshakes with clients.
const HANDSHAKES_SHARE: u32 = 10;
/// A step that costs less computes nothing, or next to nothing.
const STEP_FREE: Duration = Duration::from_micros(30);
/// A step is not taken to cost more than this.
const STEP_MAX: Duration = Duration::from_millis(10);

/// The authorities whose signatures are believed: those of Mozilla's list, and the operator's.
pub struct Authorities {
    own: Arc<[CertificateDer<'static>]>,
    /// Made when the first connection needs it.
    config: OnceCell<Arc<ClientConfig>>,
    turns: Semaphore,
}

impl Default for Authorities {
    fn default() -> Authorities {
        Authorities::with(None)
    }
}

/// Why no encrypted connection came about.
#[derive(Debug)]
pub enum TlsError {
    /// Its address is no name that a certificate could have.
    Name(InvalidDnsNameError),
    /// The handshake.
    Tls(Error),
    /// The connection.
    Io(io::Error),
    /// The server closed it.
    Closed,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Name(_) => f.write_str("its name cannot be a certificate's"),
            TlsError::Tls(Error::InvalidCertificate(error)) => certificate(f, error),
            TlsError::Tls(Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            )) => {
                f.write_str("the server does not use TLS on this port; try rtmp:// or another port")
            }
            // rustls' own limits, 64 KiB.
            TlsError::Tls(Error::InvalidMessage(
                InvalidMessage::HandshakePayloadTooLarge
                | InvalidMessage::CertificatePayloadTooLarge,
            )) => f.write_str(
                "the server's certificates are larger than 64 KiB; only its operator can shorten \
                 the chain",
            ),
            TlsError::Tls(Error::AlertReceived(alert)) => {
                write!(f, "the server refused the TLS handshake ({alert:?})")
            }
            TlsError::Tls(error) => write!(f, "the TLS handshake failed: {}", tls_in_words(error)),
            TlsError::Io(error) => write!(f, "the TLS handshake failed: {}", in_words(error)),
            TlsError::Closed => {
                f.write_str("the server closed the connection during the TLS handshake")
            }
        }
    }
}

impl TlsError {
    /// Whether the peer does not believe our certificate.
    pub fn is_distrust(&self) -> bool {
        use AlertDescription::{
            BadCertificate, CertificateExpired, CertificateUnknown, UnknownCA,
            UnsupportedCertificate,
        };
        let TlsError::Tls(Error::AlertReceived(alert)) = self else { return false };
        matches!(
            alert,
            BadCertificate
                | CertificateExpired
                | CertificateUnknown
                | UnknownCA
                | UnsupportedCertificate
        )
    }
}

/// What is wrong with a server's certificate, for the operator.
fn certificate(f: &mut fmt::Formatter<'_>, error: &CertificateError) -> fmt::Result {
    match error {
        CertificateError::NotValidForNameContext { expected, presented } => write!(
            f,
            "its certificate is for {}, not for {}; correct the server's address",
            presented.first().map_or("another name", |name| plain(name)),
            expected.to_str()
        ),
        CertificateError::NotValidForName => {
            f.write_str("its certificate is for another name; correct the server's address")
        }
        // Of an authority by that name, and not of that one: it was made again, or is somebody else's.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => f.write_str(
            "its certificate is not signed by a known authority; if it is your own server, add the \
             authority's certificate as ca_file in [tls]",
        ),
        CertificateError::ExpiredContext { not_after, .. } => {
            write!(f, "its certificate expired on {}; only its operator can renew it", day(*not_after))
        }
        CertificateError::Expired => f.write_str("its certificate has expired"),
        CertificateError::NotValidYetContext { time, not_before } => write!(
            f,
            "its certificate is valid from {} on, and this machine's clock says {}; check the clock",
            day(*not_before),
            day(*time)
        ),
        CertificateError::NotValidYet => {
            f.write_str("its certificate is not valid yet by this machine's clock; check the clock")
        }
        // The checks' own error, which is not to be had by its type.
        CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => f
            .write_str(
                "its certificate is an authority's own, such as one that signs itself; its operator \
                 has to have one signed for it",
            ),
        other => write!(f, "its certificate is not valid: {other}"),
    }
}

/// A name as the library has it, `DnsName("localhost")`, without what it is.
fn plain(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

/// The date, UTC.
fn day(time: UnixTime) -> String {
    let utc = Utc(time.as_secs() * 1000).to_string();
    utc.split('T').next().unwrap_or_default().to_owned()
}

impl Authorities {
    /// Those of Mozilla's list, and the operator's.
    pub fn with(own: Option<&AuthorityFile>) -> Authorities {
        let own = own.map_or_else(|| [].into(), |file| Arc::clone(&file.certificates));
        let turns = Semaphore::new(RTMPS_HANDSHAKES_MAX);
        Authorities { own, config: OnceCell::new(), turns }
    }

    fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(self.config.get_or_init(|| client(&self.own, Arc::new(DefaultTimeProvider))))
    }

    /// Shakes hands as the client of `host`.
    ///
    /// # Errors
    /// What is wrong with the server, its certificate or the connection.
    pub async fn shake(
        &self,
        socket: Watched<TcpStream>,
        host: &str,
    ) -> Result<ByteStream, TlsError> {
        let _turn = self.turns.acquire().await;
        let name = ServerName::try_from(host.to_owned()).map_err(TlsError::Name)?;
        let session = ClientConnection::new(self.config(), name).map_err(TlsError::Tls)?;
        let mut session = Connection::Client(session);
        session.set_buffer_limit(Some(RTMPS_UNSENT_BYTES_MAX));
        let stream = ByteStream::encrypted(socket, session);
        shaken(&stream, None).await?;
        Ok(stream)
    }
}

/// Handshakes with clients, of whom anybody may begin as many as he likes: what they compute is done
/// one after the other, and takes a [`HANDSHAKES_SHARE`]th of the time at most.
pub struct ClientHandshakes {
    turn: Semaphore,
}

impl Default for ClientHandshakes {
    fn default() -> ClientHandshakes {
        ClientHandshakes { turn: Semaphore::new(1) }
    }
}

impl ClientHandshakes {
    /// Shakes hands as a server. The time it has is the caller's.
    ///
    /// # Errors
    /// What is wrong with the client or the connection.
    pub async fn shake(
        &self,
        socket: Watched<TcpStream>,
        config: Arc<ServerConfig>,
    ) -> Result<ByteStream, TlsError> {
        let session = ServerConnection::new(config).map_err(TlsError::Tls)?;
        let mut session = Connection::Server(session);
        session.set_buffer_limit(Some(RTMPS_UNSENT_BYTES_MAX));
        let stream = ByteStream::encrypted(socket, session);
        shaken(&stream, Some(self)).await?;
        Ok(stream)
    }

    /// Does a step of one of them, and lets the time pass that it costs the others.
    async fn step<T>(&self, work: impl FnOnce() -> T) -> T {
        let _turn = self.turn.acquire().await;
        let begun = Instant::now();
        let done = work();
        let cost = begun.elapsed();
        if cost >= STEP_FREE {
            // One that was interrupted by other programs is not to stop all others for long.
            Sleep::after(cost.min(STEP_MAX) * (HANDSHAKES_SHARE - 1)).await;
        }
        done
    }
}

/// Goes through a connection's handshake; `turns`: those who begin many.
async fn shaken(stream: &ByteStream, turns: Option<&ClientHandshakes>) -> Result<(), TlsError> {
    loop {
        let step = match turns {
            Some(turns) => turns.step(|| stream.advance_handshake()).await,
            None => stream.advance_handshake(),
        };
        match step {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll_fn(|cx| {
                    // What waits to be sent goes as soon as it can.
                    let _ = stream.poll_writable(false, cx);
                    stream.poll_readable(cx)
                })
                .await;
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(TlsError::Closed),
            Err(error) => {
                let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
                let tls = tls.cloned().map(TlsError::Tls);
                return Err(tls.unwrap_or(TlsError::Io(error)));
            }
        }
    }
}

/// What a client believes, and when it thinks it is.
fn client(own: &[CertificateDer<'static>], clock: Arc<dyn TimeProvider>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    // What cannot be an authority signs nothing.
    roots.add_parsable_certificates(own.iter().cloned());
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_details(provider, clock)
        .with_safe_default_protocol_versions()
        .expect("the provider has the usual cipher suites");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(RTMPS_SESSIONS_MAX);
    Arc::new(config)
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
