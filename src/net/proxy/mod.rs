//! The proxies in front of this program, as `[proxy] from` names them. Purpose: whom a connection is
//! for that a load balancer has made (HAProxy's `send-proxy` and `send-proxy-v2`, AWS's network load
//! balancer): who plays, publishes, guesses or asks counts by its own address, on all three ports.
//! Non-goals: waiting, refusing; HTTP's own fields (`control`). Bound: a list of networks, and
//! [`PROXY_HEADER_BYTES_MAX`] on the stack while a header is looked at.

pub mod header;

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use self::header::{Beginning, HeaderError, NamedPeer};
use super::network::Network;
use crate::base::limits::PROXY_HEADER_BYTES_MAX;
use crate::net::sockets::source;

/// The proxies that are believed; none unless the configuration names some.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<[Network]>);

impl Proxies {
    /// Those of these networks.
    pub fn new(from: &[Network]) -> Proxies {
        Proxies(from.into())
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one has this address.
    pub fn have(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemotePeer {
    /// Its address, as it is shown.
    pub address: SocketAddr,
    /// A proxy made the connection for it, or for itself.
    pub is_proxied: bool,
}

impl RemotePeer {
    /// Who has made its connection itself.
    pub fn direct(address: SocketAddr) -> RemotePeer {
        RemotePeer { address, is_proxied: false }
    }

    /// Whom a proxy at `proxy` has named.
    pub fn behind(proxy: SocketAddr, named: NamedPeer) -> RemotePeer {
        let address = match named {
            NamedPeer::Client(address) => address,
            NamedPeer::Itself => proxy,
        };
        RemotePeer { address, is_proxied: true }
    }

    /// The address its rights are judged by: nobody has this machine's through a proxy.
    pub fn judged(&self) -> IpAddr {
        let address = self.address.ip();
        if self.is_proxied {
            distant(address)
        } else {
            address
        }
    }

    /// Whom it counts for.
    pub fn source(&self) -> IpAddr {
        let source = source(self.address.ip());
        if self.is_proxied {
            distant(source)
        } else {
            source
        }
    }
}

/// An address that a proxy has named: the same, or, for a loopback address, another that no connection
/// can have (the obsolete form of RFC 4291, 2.5.5.1). A proxy on this machine,
/// and one whose clients are beside it, lends nobody this machine's rights.
pub fn distant(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) if v4.is_loopback() => IpAddr::V6(v4.to_ipv6_compatible()),
        IpAddr::V6(v6) if v6.is_loopback() => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        other => other,
    }
}

/// How a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// With a header, which has been taken off it.
    Header(NamedPeer),
    /// Without one; nothing of the client's own bytes has been taken.
    Bare,
    /// With something that begins as a header and is not one.
    Broken(HeaderError),
}

/// Takes the header off a connection that does not block, once it has come whole.
///
/// # Errors
/// `WouldBlock`: it has not. Another: the connection is gone.
pub fn take_whole(socket: &TcpStream) -> io::Result<Opening> {
    match look(socket, &[])? {
        (_, Ok(Beginning::Incomplete)) => Err(ErrorKind::WouldBlock.into()),
        (_, Ok(Beginning::Header { bytes, named })) => {
            take(socket, bytes)?;
            Ok(Opening::Header(named))
        }
        (_, Ok(Beginning::Absent)) => Ok(Opening::Bare),
        (_, Err(error)) => Ok(Opening::Broken(error)),
    }
}

/// The same, piece by piece, for a connection whose readiness is a matter of what lies unread in it:
/// what has come of a header goes into `early`. Without a header, those are the client's own bytes.
///
/// # Errors
/// `WouldBlock`: more of it has to come. Another: the connection is gone.
pub fn take_pieces(socket: &TcpStream, early: &mut Vec<u8>) -> io::Result<Opening> {
    loop {
        match look(socket, early)? {
            (came, Ok(Beginning::Incomplete)) => early.extend(take(socket, came)?),
            (_, Ok(Beginning::Header { bytes, named })) => {
                take(socket, bytes.saturating_sub(early.len()))?;
                early.clear();
                return Ok(Opening::Header(named));
            }
            (_, Ok(Beginning::Absent)) => return Ok(Opening::Bare),
            (_, Err(error)) => return Ok(Opening::Broken(error)),
        }
    }
}

/// Looks at what lies unread in a connection, behind what came `early`: how much that is, and what
/// both are together.
fn look(socket: &TcpStream, early: &[u8]) -> io::Result<(usize, Result<Beginning, HeaderError>)> {
    let mut bytes = early.to_vec();
    bytes.resize(PROXY_HEADER_BYTES_MAX.max(early.len() + 1), 0);
    let came = socket.peek(bytes.get_mut(early.len()..).unwrap_or_default())?;
    if came == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    bytes.truncate(early.len() + came);
    Ok((came, header::parse(&bytes)))
}

/// Takes bytes off a connection that lie unread in it.
fn take(mut socket: &TcpStream, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    socket.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    fn proxies(from: &[&str]) -> Proxies {
        let networks: Vec<Network> = from.iter().map(|text| text.parse().unwrap()).collect();
        Proxies::new(&networks)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_those_that_are_named_are_proxies() {
        let some = proxies(&["10.0.0.5", "10.1.0.0/16", "::1"]);
        for one in ["10.0.0.5", "10.1.255.255", "::1", "::ffff:10.1.2.3"] {
            assert!(some.have(ip(one)), "{one}");
        }
        for other in ["10.0.0.6", "10.2.0.1", "127.0.0.1", "::2", "::", "::10.0.0.5"] {
            assert!(!some.have(ip(other)), "{other}");
        }
        assert!(Proxies::default().is_empty());
        assert!(!Proxies::default().have(ip("127.0.0.1")));
    }

    #[test]
    fn nobody_is_on_this_machine_through_a_proxy() {
        let proxy: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        for named in ["127.0.0.1:1", "127.9.8.7:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            let client = RemotePeer::behind(proxy, NamedPeer::Client(named.parse().unwrap()));
            assert!(!client.judged().to_canonical().is_loopback(), "{named}");
            assert!(!client.source().to_canonical().is_loopback(), "{named}");
            assert_eq!(client.address.to_string(), named, "it is shown as it is");
        }
        let itself = RemotePeer::behind(proxy, NamedPeer::Itself);
        assert_eq!(itself.address, proxy);
        assert!(!itself.judged().is_loopback());
        assert!(!itself.source().is_loopback());
        let (one, other) = (ip("127.0.0.1"), ip("127.0.0.2"));
        assert_ne!(distant(one), distant(other), "they count apart");
        let far = RemotePeer::behind(proxy, NamedPeer::Client("192.0.2.7:5".parse().unwrap()));
        assert_eq!((far.judged(), far.source()), (ip("192.0.2.7"), ip("192.0.2.7")));
        let here = RemotePeer::direct(proxy);
        assert!(here.judged().is_loopback());
        assert!(here.source().is_loopback());
    }

    /// Both ends of a connection; the second does not block.
    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        (client, server)
    }

    /// What `attempt` comes to once the bytes that are on their way through the kernel are there.
    fn comes_to<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            match attempt() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                result => return result,
            }
        }
    }

    const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.8 5 6\r\n";

    fn named() -> Opening {
        Opening::Header(NamedPeer::Client("192.0.2.7:5".parse().unwrap()))
    }

    #[test]
    fn a_header_in_pieces_is_taken_to_its_last_byte_and_no_further() {
        for cut in 1..HEADER.len() {
            let (mut client, server) = connection();
            let (first, last) = HEADER.split_at(cut);
            let mut early = Vec::new();
            client.write_all(first).unwrap();
            while early.len() < cut {
                let more = take_pieces(&server, &mut early).unwrap_err();
                assert_eq!(more.kind(), ErrorKind::WouldBlock);
            }
            assert_eq!(early, first);
            client.write_all(&[last, b"GET /"].concat()).unwrap();
            let taken = comes_to(|| take_pieces(&server, &mut early)).unwrap();
            assert_eq!((taken, early.as_slice()), (named(), &b""[..]));
            drop(client);
            server.set_nonblocking(false).unwrap();
            let mut rest = String::new();
            (&server).read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "GET /", "{cut}");
        }
    }

    #[test]
    fn a_header_is_left_in_the_socket_until_it_is_whole() {
        let (mut client, server) = connection();
        client.write_all(&HEADER[..20]).unwrap();
        let unread = || server.peek(&mut [0; 64]).unwrap_or(0);
        while unread() < 20 {
            std::thread::yield_now();
        }
        assert_eq!(take_whole(&server).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(unread(), 20);
        client.write_all(&HEADER[20..]).unwrap();
        assert_eq!(comes_to(|| take_whole(&server)).unwrap(), named());
        assert_eq!(unread(), 0);
        drop(client);
        let end = comes_to(|| take_whole(&server));
        assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_no_header_stays_where_it_is() {
        for (bytes, opening) in [
            (&b"\x03handshake"[..], Opening::Bare),
            (b"PROXY TCP9 \r\n", Opening::Broken(HeaderError::Line)),
        ] {
            let (mut client, server) = connection();
            client.write_all(bytes).unwrap();
            assert_eq!(comes_to(|| take_whole(&server)).unwrap(), opening);
            let mut early = Vec::new();
            assert_eq!(take_pieces(&server, &mut early).unwrap(), opening);
            assert_eq!((server.peek(&mut [0; 64]).unwrap(), early.len()), (bytes.len(), 0));
        }
        // A request whose first letters could have been a header's.
        let (mut client, server) = connection();
        client.write_all(b"P").unwrap();
        let mut early = Vec::new();
        while early.is_empty() {
            let _ = take_pieces(&server, &mut early);
        }
        client.write_all(b"UT / HTTP/1.1\r\n").unwrap();
        assert_eq!(comes_to(|| take_pieces(&server, &mut early)).unwrap(), Opening::Bare);
        assert_eq!(early, b"P");
    }
}
