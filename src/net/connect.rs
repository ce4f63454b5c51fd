//! Connections we make: to platforms, and to a server we pull from. Purpose: the name is looked up
//! again each time (go2rtc #2300), its addresses are tried one after the other, and every step has
//! a deadline, because neither DNS nor connect has one of its own. Non-goals: trying again
//! (backoff). Bound: [`CONNECT_STEP_MS_MAX`] for each step.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::io::Errno;
use smol::future::FutureExt;
use socket2::{Domain, Protocol, Socket, Type};

use crate::base::limits::CONNECT_STEP_MS_MAX;
use crate::rtmp::url::RtmpUrl;

use super::byte_stream::{in_words, ByteStream};
use super::reactor::{Sleep, Watched};
use super::tls::{Authorities, TlsError};

/// Why no connection came about.
#[derive(Debug)]
pub enum ConnectError {
    /// Name look-up.
    Lookup(io::Error),
    /// No address could be connected to; the last one's error.
    Connect(io::Error),
    /// No encrypted connection came about.
    Tls(TlsError),
    /// A step took too long.
    Deadline(&'static str),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Lookup(error) => write!(f, "its name cannot be resolved: {error}"),
            ConnectError::Connect(error) => write!(f, "cannot connect: {}", in_words(error)),
            ConnectError::Tls(error) => write!(f, "{error}"),
            ConnectError::Deadline(step) => {
                write!(f, "{step} took more than {CONNECT_STEP_MS_MAX} ms")
            }
        }
    }
}

/// Looks the name up again and tries its addresses one after the other.
///
/// # Errors
/// What went wrong with the last of them.
pub async fn connect(url: &RtmpUrl, authorities: &Authorities) -> Result<ByteStream, ConnectError> {
    let lookup = async {
        let host = (url.host.as_str(), url.port);
        async_net::resolve(host).await.map_err(ConnectError::Lookup)
    };
    let addresses = in_time("the name look-up", lookup).await?;
    let mut last = ConnectError::Lookup(io::Error::other("it has no address"));
    for address in addresses {
        match in_time("connecting", connect_to(address)).await {
            Ok(socket) if !url.tls => return Ok(ByteStream::plain(socket)),
            Ok(socket) => {
                let shake = async {
                    let shaken = authorities.shake(socket, &url.host).await;
                    shaken.map_err(ConnectError::Tls)
                };
                return in_time("the TLS handshake", shake).await;
            }
            Err(end) => last = end,
        }
    }
    Err(last)
}

async fn connect_to(address: SocketAddr) -> Result<Watched<TcpStream>, ConnectError> {
    let begun = || {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
                Err(error)
            }
            _ => Watched::new(TcpStream::from(socket)),
        }
    };
    let socket = begun().map_err(ConnectError::Connect)?;
    socket.writable().await;
    match socket.get_ref().take_error() {
        Ok(None) => Ok(socket),
        Ok(Some(error)) | Err(error) => Err(ConnectError::Connect(error)),
    }
}

async fn in_time<T>(
    step: &'static str,
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let late = async {
        Sleep::after(Duration::from_millis(CONNECT_STEP_MS_MAX)).await;
        Err(ConnectError::Deadline(step))
    };
    work.or(late).await
}
