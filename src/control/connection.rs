//! One client's connection: a request, its answer, perhaps another. Purpose: nothing of a client
//! reaches the server behind the gate before it is whole and in order, and nothing waits for a
//! client without a deadline. Non-goals: admission. Bounds: [`HTTP_HEAD_BYTES_MAX`] and
//! [`HTTP_BODY_BYTES_MAX`](crate::base::limits::HTTP_BODY_BYTES_MAX) are held of a request, one
//! request at a time.

use std::io;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::time::Duration;

use async_io::{Async, Timer};
use smol::channel::{bounded, Sender};
use smol::future::{or, Future};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use socket2::SockRef;

use crate::base::limits::{
    HTTP_ANSWER_MS_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEAD_MS_MAX, HTTP_IDLE_MS_MAX,
    HTTP_LINGER_BYTES_MAX, HTTP_LINGER_MS_MAX,
};
use crate::control::head::{self, Head, Refusal};
use crate::control::lane::{Job, Reply};
use crate::control::routes::{self, Port};
use crate::control::worker::{PEER_FIELD, PORT_FIELD};

/// How a connection tells the gate that it could be given up for another.
pub trait Seat {
    /// It waits for its client to send its request, or to leave.
    fn waits(&self);
    /// It has a whole request and owes an answer.
    fn works(&self);
}

/// Why a connection ends.
enum End {
    /// The client left, or asked nothing more in time: there is nobody to talk to.
    Silent,
    /// The client is told why.
    Refused(Refusal),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> End {
        End::Silent
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> End {
        End::Refused(refusal)
    }
}

/// Where a client comes from, and by which port.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// The port it came in by.
    pub port: Port,
    /// Its address.
    pub peer: IpAddr,
}

/// Serves a client until the connection ends.
pub async fn serve(stream: Async<TcpStream>, door: Door, jobs: Sender<Job>, seat: impl Seat) {
    let mut client = Client { stream, input: Vec::new() };
    let mut kept = false;
    loop {
        seat.waits();
        match client.exchange(kept, door, &jobs, &seat).await {
            Ok(true) => kept = true,
            Ok(false) => break,
            Err(End::Silent) => return,
            Err(End::Refused(refusal)) => {
                client.refuse(refusal).await;
                break;
            }
        }
    }
    seat.waits();
    client.linger().await;
}

/// Tells a client that there is no room, and closes.
pub async fn turn_away(stream: Async<TcpStream>) {
    let mut client = Client { stream, input: Vec::new() };
    client.refuse(Refusal::Unavailable).await;
    client.linger().await;
}

struct Client {
    stream: Async<TcpStream>,
    /// What was read and not yet used.
    input: Vec<u8>,
}

impl Client {
    /// One request and its answer; whether another may follow.
    async fn exchange(
        &mut self,
        kept: bool,
        door: Door,
        jobs: &Sender<Job>,
        seat: &impl Seat,
    ) -> Result<bool, End> {
        let head = self.read_head(kept).await?;
        let body = self.read_body(&head).await?;
        seat.works();
        // Who sends more than it asked for has its answer and no other.
        let keep_alive = head.keep_alive && self.input.is_empty();
        let reply = ask(&head, &body, door, jobs).await?;
        let last = if keep_alive { "keep-alive" } else { "close" };
        let last = format!("Connection: {last}\r\n\r\n");
        self.send(&[&reply.head, last.as_bytes(), &reply.body]).await?;
        Ok(keep_alive)
    }

    async fn read_head(&mut self, kept: bool) -> Result<Head, End> {
        if kept {
            within(HTTP_IDLE_MS_MAX, self.read_more()).await.ok_or(End::Silent)??;
        }
        let result = within(HTTP_HEAD_MS_MAX, self.read_whole_head()).await;
        // Silence is no mistake: browsers open connections ahead.
        let late = if self.input.is_empty() { End::Silent } else { Refusal::TooSlow.into() };
        result.unwrap_or(Err(late))
    }

    async fn read_whole_head(&mut self) -> Result<Head, End> {
        let mut seen = 0;
        loop {
            let end = head::end_of_head(&self.input, seen);
            if end.unwrap_or(self.input.len()) > HTTP_HEAD_BYTES_MAX {
                return Err(Refusal::HeadTooLarge.into());
            }
            if let Some(end) = end {
                let rest = self.input.split_off(end);
                let head = std::mem::replace(&mut self.input, rest);
                return Ok(head::parse(&head)?);
            }
            seen = self.input.len();
            self.read_more().await?;
        }
    }

    async fn read_body(&mut self, head: &Head) -> Result<Vec<u8>, End> {
        let whole = async {
            if head.expects_continue && self.input.len() < head.body_bytes {
                self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            while self.input.len() < head.body_bytes {
                self.read_more().await?;
            }
            let rest = self.input.split_off(head.body_bytes);
            Ok(std::mem::replace(&mut self.input, rest))
        };
        within(HTTP_IDLE_MS_MAX, whole).await.unwrap_or(Err(Refusal::TooSlow.into()))
    }

    /// Appends a piece of what has come to `input`.
    async fn read_more(&mut self) -> io::Result<()> {
        let mut piece = [0; 2048];
        let taken = self.stream.read(&mut piece).await?;
        if taken == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        self.input.extend_from_slice(piece.get(..taken).unwrap_or_default());
        Ok(())
    }

    /// Sends all parts in time, or cuts the connection at once, kernel buffers and all.
    async fn send(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let all = async {
            for part in parts {
                self.stream.write_all(part).await?;
            }
            Ok(())
        };
        let sent = within(HTTP_IDLE_MS_MAX, all).await;
        if sent.is_none() {
            self.reset();
        }
        sent.unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }

    async fn refuse(&mut self, refusal: Refusal) {
        let answer = refusal_bytes(refusal);
        // A client that does not take it is about to be closed anyway.
        let _ = self.send(&[&answer]).await;
    }

    /// Closes so that the last answer arrives: a close with unread bytes pending would be a
    /// reset, and a reset throws away what the client has not read (RFC 9112, 9.6).
    async fn linger(&mut self) {
        if self.stream.get_ref().shutdown(Shutdown::Write).is_err() {
            return;
        }
        let drained = async {
            let mut piece = [0; 4096];
            let mut bytes = 0;
            while bytes < HTTP_LINGER_BYTES_MAX {
                match self.stream.read(&mut piece).await {
                    Ok(0) | Err(_) => return,
                    Ok(taken) => bytes += taken,
                }
            }
        };
        if within(HTTP_LINGER_MS_MAX, drained).await.is_none() {
            self.reset();
        }
    }

    fn reset(&self) {
        // Without it the close is merely slower.
        let _ = SockRef::from(self.stream.get_ref()).set_linger(Some(Duration::ZERO));
    }
}

/// Hands a request to the lanes and waits for its answer.
async fn ask(head: &Head, body: &[u8], door: Door, jobs: &Sender<Job>) -> Result<Reply, Refusal> {
    let mut request = Vec::with_capacity(256 + head.passed_on.len() + body.len());
    for part in [&head.method, " ", &head.target, " HTTP/1.1\r\n", &head.passed_on] {
        request.extend_from_slice(part.as_bytes());
    }
    let own = format!(
        "{PORT_FIELD}: {}\r\n{PEER_FIELD}: {}\r\nContent-Length: {}\r\n\r\n",
        door.port.name(),
        door.peer,
        body.len()
    );
    request.extend_from_slice(own.as_bytes());
    request.extend_from_slice(body);
    let (reply, answered) = bounded(1);
    let job = Job { request, bodiless: head.method == "HEAD", reply };
    jobs.try_send(job).map_err(|_| Refusal::Unavailable)?;
    match within(HTTP_ANSWER_MS_MAX, answered.recv()).await {
        Some(Ok(Ok(reply))) => Ok(reply),
        _ => Err(Refusal::Unavailable),
    }
}

/// What the gate itself answers.
fn refusal_bytes(refusal: Refusal) -> Vec<u8> {
    let answer = routes::error(refusal.status(), refusal.code(), &refusal.to_string());
    let mut bytes = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    for (name, value) in answer.all_fields() {
        bytes.extend([name, ": ", value, "\r\n"]);
    }
    bytes += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", answer.body.len());
    let mut bytes = bytes.into_bytes();
    bytes.extend_from_slice(&answer.body);
    bytes
}

/// The reason phrases of [`Refusal::status`] (RFC 9110, 15; RFC 6585, 5).
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        505 => "HTTP Version Not Supported",
        _ => "Service Unavailable",
    }
}

/// What `work` gives within `ms`; nothing if it takes longer.
async fn within<T>(ms: u64, work: impl Future<Output = T>) -> Option<T> {
    let deadline = async {
        Timer::after(Duration::from_millis(ms)).await;
        None
    };
    or(async { Some(work.await) }, deadline).await
}
