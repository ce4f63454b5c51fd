//! A connection's bytes, plain or encrypted. Purpose: what reads from and writes to a peer does not
//! care which of the two it is. Non-goals: the handshake (tls), waiting (link). Bound: of an encrypted
//! connection [`RTMPS_UNSENT_BYTES_MAX`](crate::base::limits::RTMPS_UNSENT_BYTES_MAX) wait as records, and
//! the rest stays in the ring; what a peer sends is taken one record after the other.

use std::cell::{RefCell, RefMut};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::task::{Context, Poll};

use futures_rustls::rustls::{Connection, Error};

use super::reactor::Watched;

/// A connection's error for a person: without the system's number, which says nothing to one, and what
/// TLS found in the words of this program.
pub(super) fn in_words(error: &io::Error) -> String {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return tls_in_words(tls);
    }
    let words = error.to_string();
    words.split(" (os error").next().unwrap_or_default().to_ascii_lowercase()
}

/// The same of an error of TLS itself.
pub(super) fn tls_in_words(error: &Error) -> String {
    match error {
        Error::DecryptError => "the data was damaged on the way".to_owned(),
        Error::AlertReceived(alert) => format!("the peer ended the TLS connection ({alert:?})"),
        other => format!("the peer broke the rules of TLS: {other}"),
    }
}

/// A connection.
pub struct ByteStream {
    socket: Watched<TcpStream>,
    tls: Option<Box<RefCell<Connection>>>,
}

impl ByteStream {
    /// One whose bytes are sent as they are.
    pub fn plain(socket: Watched<TcpStream>) -> ByteStream {
        ByteStream { socket, tls: None }
    }

    /// One that is encrypted.
    pub fn encrypted(socket: Watched<TcpStream>, tls: Connection) -> ByteStream {
        ByteStream { socket, tls: Some(Box::new(RefCell::new(tls))) }
    }

    /// Whether what goes over it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// The socket, for its options.
    pub fn socket(&self) -> &Watched<TcpStream> {
        &self.socket
    }

    /// Reads what there is; 0: the peer has closed. TLS asks for a goodbye before that, which many a
    /// server leaves out: RTMP has its own.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else {
            return self.socket.try_read(|mut socket| socket.read(buffer));
        };
        let mut tls = tls.borrow_mut();
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            self.fetch(&mut tls)?;
        }
    }

    /// Has the session take what the socket has of the peer's records.
    fn fetch(&self, tls: &mut Connection) -> io::Result<usize> {
        let count = self.socket.try_read(|mut socket| tls.read_tls(&mut socket))?;
        let taken = tls.process_new_packets();
        // An answer to what came, or the reason why it ends here; when the socket takes nothing now, it
        // leaves later, with the connection still there.
        let sent = self.send(tls);
        taken.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        sent.map(|_| count)
    }

    /// Goes on with the handshake as far as the socket lets it; whether it is done.
    pub(super) fn advance_handshake(&self) -> io::Result<bool> {
        let Some(mut tls) = self.session() else { return Ok(true) };
        self.send(&mut tls)?;
        if !tls.is_handshaking() {
            return Ok(true);
        }
        match self.fetch(&mut tls)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(!tls.is_handshaking()),
        }
    }

    /// Sends the records that wait; false when the socket takes no more.
    fn send(&self, tls: &mut Connection) -> io::Result<bool> {
        while tls.wants_write() {
            match self.socket.try_write(|mut socket| tls.write_tls(&mut socket)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                sent => drop(sent?),
            }
        }
        Ok(true)
    }

    /// Ready when it is worth trying to read.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_readable(cx)
    }

    /// Sends records that wait, as far as the socket takes them. Ready when none waits and the socket
    /// takes more; `wanted`: somebody has more to write.
    pub fn poll_writable(&self, wanted: bool, cx: &mut Context<'_>) -> Poll<()> {
        let waits = || self.session().is_some_and(|tls| tls.wants_write());
        if !wanted && !waits() {
            return Poll::Pending;
        }
        loop {
            if self.socket.poll_writable(cx).is_pending() {
                return Poll::Pending;
            }
            let Some(mut tls) = self.session() else { return Poll::Ready(()) };
            match self.send(&mut tls) {
                Ok(false) => {}
                // Of an error the next read or write tells.
                _ if wanted => return Poll::Ready(()),
                _ => return Poll::Pending,
            }
        }
    }

    fn session(&self) -> Option<RefMut<'_, Connection>> {
        self.tls.as_deref().map(RefCell::borrow_mut)
    }

    /// Says that nothing more will be sent.
    pub fn finish(&self) -> io::Result<()> {
        if let Some(mut tls) = self.session() {
            tls.send_close_notify();
            // What does not leave now is not waited for: the end of the connection says the same.
            let _ = self.send(&mut tls);
        }
        self.socket.get_ref().shutdown(Shutdown::Write)
    }
}

impl Write for &ByteStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(mut tls) = self.session() else {
            return (&self.socket).write_vectored(slices);
        };
        if !self.send(&mut tls)? {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = tls.writer().write_vectored(slices)?;
        self.send(&mut tls)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
