//! Connections as an attacker opens them: from any address of the loopback network, with buffers
//! of any size.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::wait::seconds;

/// An attacker's address.
pub const ENEMY: [u8; 4] = [127, 0, 0, 2];

/// Connects from `from`; `None` when the other side does not take it in time.
pub fn connect(from: [u8; 4], to: SocketAddr) -> Option<TcpStream> {
    connect_with(from, to, None)
}

/// Connects with a receive buffer of `receive_bytes`.
pub fn connect_with(
    from: [u8; 4],
    to: SocketAddr,
    receive_bytes: Option<usize>,
) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("descriptors are left");
    if let Some(bytes) = receive_bytes {
        socket.set_recv_buffer_size(bytes).expect("a buffer size");
    }
    socket.bind(&SockAddr::from(SocketAddr::from((from, 0)))).expect("a loopback address");
    socket.connect_timeout(&SockAddr::from(to), seconds(10)).ok()?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(seconds(10))).expect("a timeout");
    stream.set_write_timeout(Some(seconds(10))).expect("a timeout");
    Some(stream)
}

/// Sends as much as the other side takes; being closed on is no mistake.
pub fn push(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// Whether the other side closes within `limit`; what it sends until then is read and dropped.
pub fn is_closed_within(stream: &mut TcpStream, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        stream.set_read_timeout(Some(left)).expect("a timeout");
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
            }
        }
    }
}
