//! One connection of the data plane. Purpose: non-blocking reads and vectored writes, and one
//! place to wait for whatever comes first. Bounds: the kernel's send buffer
//! ([`SOCKET_SEND_BUFFER_BYTES`]); what is not sent stays in the ring.

use std::cell::Cell;
use std::fmt;
use std::future::{poll_fn, Future};
use std::io::{self, ErrorKind, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use socket2::SockRef;

use crate::base::limits::{
    DESTINATION_STALL_MS_MAX, MEDIA_RECEIVE_BUFFER_BYTES, RTMP_RECEIVE_BUFFER_BYTES,
    SOCKET_SEND_BUFFER_BYTES, VIEWER_STALL_MS_MAX,
};
use crate::base::time::Mono;
use crate::operator::record::TcpProgress;
use crate::program::bell::Listener;
use crate::rtmp::media::MediaSink;
use crate::rtmp::{RtmpSession, SessionError};

use super::byte_stream::{in_words, ByteStream};
use super::reactor::Sleep;
use super::tcp_progress::tcp_progress;

/// Time bytes on the wire may stay unacknowledged before the kernel gives the connection up.
const UNACKNOWLEDGED_MS_MAX: u64 = 25_000;
/// How often a connection looks at its deadlines, which are all longer: with a thousand viewers a
/// second would be a thousand needless wake-ups each second.
const TICK: Duration = Duration::from_secs(4);

const _: () = assert!(UNACKNOWLEDGED_MS_MAX > VIEWER_STALL_MS_MAX + TICK.as_millis() as u64);
const _: () = assert!(UNACKNOWLEDGED_MS_MAX > DESTINATION_STALL_MS_MAX + TICK.as_millis() as u64);

/// Bytes read at once.
const READ_BYTES: usize = 4096;
/// Bytes read at once of a connection that brings media.
const MEDIA_READ_BYTES: usize = 16 << 10;
/// Bytes read before others get their turn.
const READS_BYTES_MAX: usize = 64 << 10;
/// How often a connection that brings media looks at its deadlines.
const MEDIA_TICK: Duration = Duration::from_secs(1);

/// Why a connection ended by itself.
#[derive(Debug)]
pub enum LinkEnd {
    /// The peer closed it.
    Closed,
    /// The peer broke the protocol.
    Session(SessionError),
    /// The network.
    Io(io::Error),
}

impl From<SessionError> for LinkEnd {
    fn from(error: SessionError) -> LinkEnd {
        LinkEnd::Session(error)
    }
}

impl fmt::Display for LinkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkEnd::Closed => write!(f, "the peer closed the connection"),
            LinkEnd::Session(error) => write!(f, "{error}"),
            LinkEnd::Io(error) => f.write_str(&in_words(error)),
        }
    }
}

/// Sends a session's own bytes; false when the socket takes no more.
pub fn flush(session: &mut impl RtmpSession, socket: &mut impl Write) -> Result<bool, LinkEnd> {
    while !session.outbox().is_empty() {
        match attempt(|| socket.write(session.outbox()))? {
            Some(count) => session.sent(count),
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// One non-blocking write: `None` when the socket takes nothing now.
pub fn attempt(mut write: impl FnMut() -> io::Result<usize>) -> Result<Option<usize>, LinkEnd> {
    loop {
        match write() {
            Ok(0) => return Err(LinkEnd::Io(ErrorKind::WriteZero.into())),
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(LinkEnd::Io(error)),
        }
    }
}

/// What a connection was woken by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The peer has sent something, or closed.
    Readable,
    /// The socket takes bytes again.
    Writable,
    /// The ring has moved.
    Rung,
    /// Time to look at deadlines.
    Tick,
}

/// A connection.
pub struct Link {
    stream: ByteStream,
    timer: Sleep,
    tick: Duration,
    bytes_in: Cell<u64>,
    /// Where they are counted besides.
    total_in: Option<Rc<Cell<u64>>>,
}

impl Link {
    /// Takes over a connected socket and bounds what it may hold unsent. Its receive buffer stays
    /// as it is until it is known what comes over it: to Linux 6.6 and later the buffer at the
    /// first full segment bounds the window for good (`tcp_measure_rcv_mss`).
    pub fn new(stream: ByteStream) -> io::Result<Link> {
        let raw = SockRef::from(stream.socket().get_ref());
        raw.set_tcp_nodelay(true)?;
        raw.set_send_buffer_size(SOCKET_SEND_BUFFER_BYTES)?;
        raw.set_tcp_notsent_lowat(SOCKET_SEND_BUFFER_BYTES as u32 / 4)?;
        // A peer that vanished without a word is noticed by what it does not acknowledge. Later
        // than any stall of our own, which is told by name: to Linux a peer that acknowledges
        // but takes nothing (a zero window) is gone, too.
        raw.set_tcp_user_timeout(Some(Duration::from_millis(UNACKNOWLEDGED_MS_MAX)))?;
        let timer = Sleep::after(TICK);
        Ok(Link { stream, timer, tick: TICK, bytes_in: Cell::new(0), total_in: None })
    }

    /// What comes is also added to `total`.
    pub fn count_into(&mut self, total: Rc<Cell<u64>>) {
        self.total_in = Some(total);
    }

    /// Bytes that have come.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.get()
    }

    /// The connection's bytes, for writing.
    pub fn stream(&self) -> &ByteStream {
        &self.stream
    }

    /// Only control messages will come over it: bounds its receive buffer to that.
    pub fn expect_little(&self) -> io::Result<()> {
        let raw = SockRef::from(self.stream.socket().get_ref());
        raw.set_recv_buffer_size(RTMP_RECEIVE_BUFFER_BYTES)
    }

    /// What TCP knows of it; `None` where the kernel does not tell.
    pub fn tcp_progress(&self) -> Option<TcpProgress> {
        tcp_progress(self.stream.socket().get_ref())
    }

    /// Looks at its deadlines each `pause`, if that is more often than it does.
    pub fn look_each(&mut self, pause: Duration) {
        if pause < self.tick {
            self.tick = pause;
            self.timer.set_after(pause);
        }
    }

    /// Media will come over it: gives it a receive buffer for that, and looks at its deadlines
    /// every second.
    pub fn expect_media(&mut self) -> io::Result<()> {
        self.tick = MEDIA_TICK;
        self.timer.set_after(MEDIA_TICK);
        let raw = SockRef::from(self.stream.socket().get_ref());
        raw.set_recv_buffer_size(MEDIA_RECEIVE_BUFFER_BYTES)
    }

    /// Hands the session what the peer has sent, in portions, so that one peer does not keep the
    /// others waiting; what is left makes the link readable again.
    pub fn receive(&self, session: &mut impl RtmpSession, now: Mono) -> Result<(), LinkEnd> {
        self.read::<READ_BYTES>(|bytes| session.input(bytes, now))?;
        Ok(())
    }

    /// Like [`receive`](Link::receive), with media to come; returns how many bytes have come.
    pub fn receive_media(
        &self,
        session: &mut impl RtmpSession,
        now: Mono,
        media: &mut dyn MediaSink,
    ) -> Result<usize, LinkEnd> {
        self.read::<MEDIA_READ_BYTES>(|bytes| session.input_media(bytes, now, media))
    }

    fn read<const BYTES: usize>(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), SessionError>,
    ) -> Result<usize, LinkEnd> {
        let mut portion = [0; BYTES];
        let mut total = 0;
        while total < READS_BYTES_MAX {
            match self.stream.read(&mut portion) {
                Ok(0) => return Err(LinkEnd::Closed),
                Ok(count) => {
                    let add = |counter: &Cell<u64>| counter.set(counter.get() + count as u64);
                    add(&self.bytes_in);
                    self.total_in.as_deref().into_iter().for_each(add);
                    take(portion.get(..count).unwrap_or_default())?;
                    total += count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(LinkEnd::Io(error)),
            }
        }
        Ok(total)
    }

    /// Sends the session's own bytes; false when the socket takes no more.
    pub fn flush(&self, session: &mut impl RtmpSession) -> Result<bool, LinkEnd> {
        flush(session, &mut &self.stream)
    }

    /// Waits for what comes first. `blocked`: the socket took less than was offered, so that only
    /// its readiness matters, not the ring.
    pub async fn wake(&mut self, listener: Option<&mut Listener>, blocked: bool) -> Wake {
        let mut listener = listener.filter(|_| !blocked);
        let Link { stream, timer, tick, .. } = self;
        poll_fn(|cx| {
            if stream.poll_readable(cx).is_ready() {
                return Poll::Ready(Wake::Readable);
            }
            if stream.poll_writable(blocked, cx).is_ready() {
                return Poll::Ready(Wake::Writable);
            }
            if let Some(listener) = &mut listener {
                if listener.poll_heard(cx).is_ready() {
                    return Poll::Ready(Wake::Rung);
                }
            }
            if Pin::new(&mut *timer).poll(cx).is_ready() {
                timer.set_after(*tick);
                return Poll::Ready(Wake::Tick);
            }
            Poll::Pending
        })
        .await
    }
}
