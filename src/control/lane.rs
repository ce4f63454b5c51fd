//! The way from the gate to the HTTP server behind it: a few kept connections over a unix socket,
//! one request at a time on each. Purpose: tiny_http, which grows a thread per connection and
//! knows no timeouts, never sees more than [`HTTP_LANES`](crate::base::limits::HTTP_LANES)
//! connections. Non-goals: deadlines: a client that has waited enough leaves, the lane stays with
//! its request until that is answered, so that a server that hangs is never given more. Bounds:
//! an answer's head by [`HTTP_HEAD_BYTES_MAX`], its body by [`HTTP_ANSWER_BYTES_MAX`], all bodies
//! together by [`HTTP_ANSWERS_BYTES_MAX`].

use std::cell::Cell;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::rc::Rc;

use async_io::Async;
use smol::channel::{Receiver, Sender};
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use std::os::unix::net::UnixStream;

use crate::base::limits::{HTTP_ANSWERS_BYTES_MAX, HTTP_ANSWER_BYTES_MAX, HTTP_HEAD_BYTES_MAX};
use crate::control::stream::{Stream, STREAM_FIELD};

/// A request on its way.
pub struct Job {
    /// Head and body, as the server shall see them.
    pub request: Vec<u8>,
    /// The method is HEAD: the answer has no body, whatever length it states.
    pub bodiless: bool,
    /// Where the answer goes; closed when the client has left.
    pub reply: Sender<io::Result<Reply>>,
}

/// An answer.
pub struct Reply {
    /// Status line and fields, each with CRLF, without the empty line.
    pub head: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
    /// What the gate serves instead.
    pub stream: Option<Stream>,
    _share: Share,
}

/// What all answers under way may hold together.
#[derive(Clone, Default)]
pub struct Purse(Rc<Cell<usize>>);

impl Purse {
    fn take(&self, bytes: usize) -> Option<Share> {
        let held = self.0.get().checked_add(bytes)?;
        (held <= HTTP_ANSWERS_BYTES_MAX).then(|| {
            self.0.set(held);
            Share { purse: self.clone(), bytes }
        })
    }
}

/// A part of the purse, given back when dropped.
struct Share {
    purse: Purse,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        let held = self.purse.0.get();
        self.purse.0.set(held.saturating_sub(self.bytes));
    }
}

/// A lane's whole life: carries jobs one after the other until no more can come.
pub async fn run(socket: PathBuf, jobs: Receiver<Job>, purse: Purse) {
    // Connected before the first job: should tiny_http's accept loop end later (it does on any
    // error, such as no descriptor left), the lanes still stand.
    let mut kept = Async::<UnixStream>::connect(&socket).await.ok();
    while let Ok(job) = jobs.recv().await {
        if job.reply.is_closed() {
            continue;
        }
        let mut stream = match kept.take() {
            Some(stream) => Ok(stream),
            None => Async::<UnixStream>::connect(&socket).await,
        };
        let result = match &mut stream {
            Ok(stream) => {
                let exchanged = AssertUnwindSafe(exchange(stream, &job, &purse)).catch_unwind();
                exchanged.await.unwrap_or_else(|_| Err(malformed()))
            }
            Err(e) => Err(io::Error::from(e.kind())),
        };
        // A refused share leaves the connection in step; any other error does not.
        let in_step = result.as_ref().err().is_none_or(|e| e.kind() == io::ErrorKind::OutOfMemory);
        kept = stream.ok().filter(|_| in_step);
        // The client may have left meanwhile: nobody misses the answer.
        let _ = job.reply.try_send(result);
    }
}

async fn exchange(stream: &mut Async<UnixStream>, job: &Job, purse: &Purse) -> io::Result<Reply> {
    stream.write_all(&job.request).await?;
    let (mut head, mut body) = read_head(stream).await?;
    let stated = body_bytes(&head).ok_or_else(malformed)?;
    let length = if job.bodiless { 0 } else { stated };
    if length > HTTP_ANSWER_BYTES_MAX || body.len() > length {
        return Err(malformed());
    }
    let Some(share) = purse.take(length) else {
        let missing = length - body.len();
        discard(stream, missing).await?;
        return Err(io::Error::from(io::ErrorKind::OutOfMemory));
    };
    let have = body.len();
    body.resize(length, 0);
    stream.read_exact(body.get_mut(have..).unwrap_or_default()).await?;
    let stream = take_stream(&mut head)?;
    Ok(Reply { head, body, stream, _share: share })
}

/// The head without its empty line, and the bytes that came along behind it.
async fn read_head(stream: &mut Async<UnixStream>) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::with_capacity(1024);
    let mut piece = [0; 1024];
    loop {
        let taken = stream.read(&mut piece).await?;
        if taken == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        head.extend_from_slice(piece.get(..taken).unwrap_or_default());
        if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = head.split_off(at + 4);
            head.truncate(at + 2);
            return Ok((head, body));
        }
        if head.len() > HTTP_HEAD_BYTES_MAX {
            return Err(malformed());
        }
    }
}

/// The length of the body behind `head`.
fn body_bytes(head: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?;
    if status == "304" || status == "204" {
        return Some(0);
    }
    lines.find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("Content-Length").then(|| value.parse().ok())?
    })
}

/// Takes the private field out of `head`, and what it says.
fn take_stream(head: &mut Vec<u8>) -> io::Result<Option<Stream>> {
    let text = std::str::from_utf8(head).map_err(|_| malformed())?;
    let of_field = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case(STREAM_FIELD).then(|| value.trim_end().to_owned())
    };
    let Some(value) = text.split_inclusive("\r\n").find_map(of_field) else { return Ok(None) };
    let rest: String =
        text.split_inclusive("\r\n").filter(|line| of_field(line).is_none()).collect();
    *head = rest.into_bytes();
    Stream::parse(&value).map(Some).ok_or_else(malformed)
}

async fn discard(stream: &mut Async<UnixStream>, mut bytes: usize) -> io::Result<()> {
    let mut piece = [0; 4096];
    while bytes > 0 {
        let most = piece.len().min(bytes);
        let taken = stream.read(piece.get_mut(..most).unwrap_or_default()).await?;
        if taken == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        bytes -= taken;
    }
    Ok(())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the HTTP server's answer is not understood")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_found_where_a_body_follows() {
        assert_eq!(body_bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n"), Some(12));
        assert_eq!(body_bytes(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n"), Some(0));
        assert_eq!(body_bytes(b"HTTP/1.1 200 OK\r\nDate: x\r\n"), None);
        assert_eq!(body_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n"), None);
        assert_eq!(body_bytes(b""), None);
    }

    #[test]
    fn the_private_field_is_taken_out() {
        let take = |head: &str| {
            let mut head = head.as_bytes().to_vec();
            let taken = take_stream(&mut head);
            (taken.map_err(|_| ()), String::from_utf8(head).unwrap())
        };
        let plain = "HTTP/1.1 200 OK\r\nServer: a\r\n".to_owned();
        assert_eq!(take(&plain), (Ok(None), plain.clone()));
        let streamed = "HTTP/1.1 200 OK\r\nX-StreamCaster-stream: events 5\r\nServer: a\r\n";
        assert_eq!(take(streamed), (Ok(Some(Stream::Events { after: Some(5) })), plain.clone()));
        assert_eq!(take(&streamed.replace("events 5", "?")), (Err(()), plain));
    }

    #[test]
    fn the_purse_is_never_overdrawn_and_refills() {
        let purse = Purse::default();
        let first = purse.take(HTTP_ANSWERS_BYTES_MAX);
        assert!(first.is_some());
        assert!(purse.take(1).is_none());
        assert!(purse.take(usize::MAX).is_none());
        drop(first);
        assert!(purse.take(1).is_some());
    }
}
