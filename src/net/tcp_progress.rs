//! What the kernel knows of a TCP connection. Purpose: a send buffer hides a peer that has stopped
//! reading; the bytes it acknowledges do not. Non-goals: what follows from it (record). Bound: one call.

#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd};

use crate::operator::record::TcpProgress;

/// Bytes of `struct tcp_info` that are read; older kernels fill fewer (Linux, uapi/linux/tcp.h).
const INFO_BYTES: usize = 152;
/// Where its members stand: unacked (segments), rtt (µs), total_retrans, bytes_acked, notsent_bytes.
const UNACKED: usize = 24;
const RTT: usize = 68;
const RETRANSMITS: usize = 100;
const ACKED: usize = 120;
const UNSENT: usize = 144;

/// What is known now; `None` where the kernel does not tell all of it.
pub fn tcp_progress(socket: &impl AsFd) -> Option<TcpProgress> {
    let mut info = [0_u8; INFO_BYTES];
    let mut length = libc::socklen_t::try_from(INFO_BYTES).ok()?;
    // SAFETY: the kernel writes at most `length` bytes, which is how many `info` has, and the
    // descriptor is open for as long as `socket` is borrowed.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let complete = usize::try_from(length).is_ok_and(|length| length >= INFO_BYTES);
    if result != 0 || !complete {
        return None;
    }
    let word = |at: usize| {
        let bytes = info.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    let acked_bytes = u64::from_ne_bytes(*info.get(ACKED..)?.first_chunk::<8>()?);
    Some(TcpProgress {
        acked_bytes,
        is_waiting: word(UNACKED)? > 0 || word(UNSENT)? > 0,
        rtt_us: u64::from(word(RTT)?),
        retransmits: u64::from(word(RETRANSMITS)?),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_peer_that_stops_reading_leaves_bytes_waiting() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut sender =
            TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (mut peer, _) = listener.accept().expect("it connects");
        sender.write_all(&[0; 1000]).expect("room");
        peer.read_exact(&mut [0; 1000]).expect("they come");
        // The peer's answer comes behind its acknowledgement.
        peer.write_all(&[0]).expect("room");
        sender.read_exact(&mut [0]).expect("it comes");
        let read = tcp_progress(&sender).expect("this kernel tells");
        assert!(read.acked_bytes >= 1000 && !read.is_waiting && read.rtt_us > 0, "{read:?}");
        sender.set_nonblocking(true).expect("a socket");
        let mut sent = 0;
        while let Ok(count) = sender.write(&[0; 65_536]) {
            sent += count;
        }
        let full = tcp_progress(&sender).expect("this kernel tells");
        assert!(full.is_waiting, "{full:?}");
        // The peer goes on: its answer comes behind its acknowledgement of all of it.
        sender.set_nonblocking(false).expect("a socket");
        peer.read_exact(&mut vec![0; sent]).expect("they come");
        peer.write_all(&[0]).expect("room");
        sender.read_exact(&mut [0]).expect("it comes");
        let over = tcp_progress(&sender).expect("this kernel tells");
        assert!(!over.is_waiting, "{over:?}");
        assert_eq!(over.acked_bytes - read.acked_bytes, sent as u64);
    }
}
