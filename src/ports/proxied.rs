//! Connections of a proxy that is believed. Purpose: on this port nothing but a PROXY header can say
//! whom one is for, so each must begin with one; without it a client would have the proxy's rights.
//! Non-goals: everybody else's connections, which are never read here. Bound: [`PROXY_HEADER_MS_MAX`];
//! a header that is not whole yet stays in the socket.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use smol::future::FutureExt;

use crate::base::limits::PROXY_HEADER_MS_MAX;
use crate::net::proxy::header::HeaderError;
use crate::net::proxy::{take_whole, Opening, RemotePeer};
use crate::net::reactor::{Sleep, Watched};
use crate::rtmp::server::RtmpRefusal;

use super::refusals::RequestedName;

/// Why it is not known whom a connection is for.
#[derive(Debug)]
pub(super) enum Unnamed {
    /// It ended before: a proxy looks whether the port is open.
    Left(io::Error),
    /// It does not begin with a header.
    Bare,
    /// The header did not come in time.
    Late,
    /// The header cannot be read.
    Broken(HeaderError),
}

impl Unnamed {
    /// As a refusal.
    ///
    /// # Errors
    /// It is no more than a connection that has ended.
    pub(super) fn refusal(&self) -> Result<(RtmpRefusal, RequestedName<'static>), &io::Error> {
        match self {
            Unnamed::Left(error) => Err(error),
            Unnamed::Bare | Unnamed::Late => {
                Ok((RtmpRefusal::NoProxyHeader, RequestedName::Nothing))
            }
            Unnamed::Broken(error) => {
                Ok((RtmpRefusal::BadProxyHeader, RequestedName::Header(*error)))
            }
        }
    }
}

/// Waits until it is known whom the connection that `proxy` made is for.
///
/// # Errors
/// It does not become known.
pub(super) async fn named(
    socket: &Watched<TcpStream>,
    proxy: SocketAddr,
) -> Result<RemotePeer, Unnamed> {
    let opening = async {
        loop {
            match socket.try_read(take_whole) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => socket.readable().await,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                opening => break opening.map_err(Unnamed::Left),
            }
        }
    };
    let late = async {
        Sleep::after(Duration::from_millis(PROXY_HEADER_MS_MAX)).await;
        Err(Unnamed::Late)
    };
    match opening.or(late).await? {
        Opening::Header(named) => Ok(RemotePeer::behind(proxy, named)),
        Opening::Bare => Err(Unnamed::Bare),
        Opening::Broken(error) => Err(Unnamed::Broken(error)),
    }
}

/// The same without waiting, for a connection that is not watched yet; what is wrong shows later.
pub(super) fn named_already(socket: &TcpStream, proxy: SocketAddr) -> Option<RemotePeer> {
    match take_whole(socket) {
        Ok(Opening::Header(named)) => Some(RemotePeer::behind(proxy, named)),
        _ => None,
    }
}
