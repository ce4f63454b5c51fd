//! One client's connection: a request, its answer, perhaps another. Purpose: nothing of a client
//! reaches the workers before it is whole and in order, and nothing waits for a
//! client without a deadline. Non-goals: admission. Bounds: [`HTTP_HEAD_BYTES_MAX`] and
//! [`HTTP_BODY_BYTES_MAX`](crate::base::limits::HTTP_BODY_BYTES_MAX) are held of a request, one
//! request at a time.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use async_net::TcpStream;
use smol::channel::{bounded, Sender};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use tiny_http::Method;

use crate::base::limits::{
    HTTP_ANSWER_MS_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEAD_MS_MAX, HTTP_IDLE_MS_MAX,
    HTTP_LINGER_BYTES_MAX, PROXY_HEADER_MS_MAX, UPLOAD_LINGER_BYTES_MAX,
};
use crate::control::http::answer;
use crate::control::http::client::{Allowed, Client, End};
use crate::control::http::deadline::within;
use crate::control::http::head::{self, Body, Head, MayBeLarge, Refusal};
use crate::control::http::job::{Job, Reply, Request};
use crate::control::http::meter::Meter;
use crate::control::http::port::Port;
use crate::control::http::print;
use crate::control::http::problem::Problem;
use crate::control::http::seats::Seat;
use crate::control::http::service::Service;
use crate::control::http::stream::Carrier;
use crate::control::http::tls::{Speech, Tls};
use crate::control::http::turns::Turns;
use crate::control::http::wire::Wire;
use crate::net::proxy::header::{self, Beginning};
use crate::net::proxy::Proxies;

/// Time in which what comes behind a last answer is read and thrown away.
const HTTP_LINGER_MS_MAX: u64 = 1_000;
/// The same behind an upload that was refused: a package by 4.5 Mbit/s. A connection that waits for
/// nothing but this makes room for others.
const UPLOAD_LINGER_MS_MAX: u64 = 120_000;

/// What answers, behind the gate.
pub struct Behind<S: Service> {
    /// Requests, to the workers.
    pub jobs: Sender<Job<S::Stream>>,
    /// Long streams.
    pub service: S,
    /// What is counted.
    pub meter: Arc<Meter>,
    /// The certificate, if page and API have one.
    pub tls: Option<Tls>,
    /// Who speaks for others.
    pub proxies: Proxies,
    /// Who may connect.
    pub allowed: Allowed,
    /// Whose TLS handshake is computed.
    pub turns: Rc<Turns>,
}

/// Serves a client until the connection ends.
pub async fn serve<S: Service>(
    stream: TcpStream,
    mut from: Client,
    behind: Rc<Behind<S>>,
    seat: impl Seat,
) {
    seat.waits();
    let mut early = Vec::new();
    if from.is_proxy() {
        match introduce(&stream, &mut from, &mut early, &seat).await {
            Ok(()) => {}
            Err(End::Silent) => return,
            Err(End::Refused(refusal)) => {
                behind.meter.refuse(from.peer, &refusal);
                return turn_away(Wire::Plain(stream), refusal).await;
            }
        }
    }
    let wire = match behind.tls.as_ref().filter(|_| from.port == Port::Http) {
        None => Wire::Plain(stream),
        Some(tls) => match tls.open(stream, &early, from.source(), &behind.turns).await {
            Speech::Secure(wire) => {
                from.secure = true;
                wire
            }
            Speech::Plain(wire) if from.is_wire_here() => wire,
            Speech::Plain(wire) => return send_to_https(wire, early, from, &behind).await,
            Speech::Gone => return,
        },
    };
    let mut connection = Connection::new(wire, early);
    let mut kept = false;
    loop {
        seat.waits();
        match connection.exchange(kept, from, &behind, &seat).await {
            Ok(true) => kept = true,
            Ok(false) => break,
            Err(End::Silent) => return,
            Err(End::Refused(refusal)) => {
                behind.meter.refuse(from.peer, &refusal);
                if refusal == Refusal::BodyTooLarge {
                    connection.linger_for_a_body();
                }
                connection.refuse(refusal).await;
                break;
            }
        }
    }
    seat.waits();
    connection.linger().await;
}

/// Finds out whom a proxy's connection is for, and whether that one has room for it.
async fn introduce(
    stream: &TcpStream,
    from: &mut Client,
    early: &mut Vec<u8>,
    seat: &impl Seat,
) -> Result<(), End> {
    match within(PROXY_HEADER_MS_MAX, from.read_header(stream, early)).await {
        Some(read) => read?,
        // Silence is no mistake: proxies open connections ahead.
        None if early.is_empty() => return Err(End::Silent),
        None => return Err(Refusal::TooSlow.into()),
    }
    match from.is_proxy() || seat.counts_for(from.source()) {
        true => Ok(()),
        false => Err(Refusal::Unavailable.into()),
    }
}

/// Tells a client why it is not served, and closes.
pub async fn turn_away(wire: Wire, refusal: Refusal) {
    let mut connection = Connection::new(wire, Vec::new());
    connection.refuse(refusal).await;
    connection.linger().await;
}

/// Tells who speaks plain HTTP where to go. A request other than to look at something is not sent
/// elsewhere: what was in it has travelled in the open, and its sender shall notice.
async fn send_to_https<S: Service>(wire: Wire, early: Vec<u8>, from: Client, behind: &Behind<S>) {
    let meter = &behind.meter;
    let mut connection = Connection::new(wire, early);
    let answer = match connection.read_head(false, S::may_be_large).await {
        Ok(head) => {
            meter.refuse(from.peer, &"plain HTTP on a port that speaks HTTPS");
            https_bytes(&head)
        }
        Err(End::Refused(refusal)) => {
            meter.refuse(from.peer, &refusal);
            refusal_bytes(refusal)
        }
        Err(End::Silent) => return,
    };
    // A client that does not take it is about to be closed anyway.
    let _ = connection.send(&[&answer]).await;
    connection.linger().await;
}

/// The answer to a plain request where HTTPS is spoken (RFC 9110, 15.4.9).
fn https_bytes(head: &Head) -> Vec<u8> {
    let host = head.fields.host();
    let looks = matches!(head.method, Method::Get | Method::Head);
    if looks && !host.is_empty() && !host.contains([' ', '/', '@', '\\']) {
        return print::last(&answer::redirect(format!("https://{host}{}", head.target)));
    }
    let words = "This port speaks HTTPS; send the request to https:// instead.";
    print::last(&Problem::Invalid.answer(words))
}

struct Connection {
    wire: Wire,
    /// What was read and not yet used.
    input: Vec<u8>,
    /// Bytes that may come behind the last answer.
    linger_bytes: usize,
    /// Time they may take.
    linger_ms: u64,
}

impl Connection {
    /// Its first bytes may have been read already.
    fn new(wire: Wire, input: Vec<u8>) -> Connection {
        let (linger_bytes, linger_ms) = (HTTP_LINGER_BYTES_MAX, HTTP_LINGER_MS_MAX);
        Connection { wire, input, linger_bytes, linger_ms }
    }

    /// One request and its answer; whether another may follow.
    async fn exchange<S: Service>(
        &mut self,
        kept: bool,
        from: Client,
        behind: &Behind<S>,
        seat: &impl Seat,
    ) -> Result<bool, End> {
        let head = self.read_head(kept, S::may_be_large).await?;
        let from = from.of_request(&head.forwarding, &behind.proxies);
        if !behind.allowed.has(&from) {
            return Err(Refusal::Network.into());
        }
        let is_held = matches!(head.body, Body::Whole(_));
        let body = match head.body {
            Body::Whole(length) => self.read_body(length, head.expects_continue).await?,
            Body::Piece(_) => {
                self.linger_for_a_body();
                Vec::new()
            }
        };
        seat.works();
        // Who sends more than it asked for has its answer and no other.
        let keep_alive = head.keep_alive && is_held && self.input.is_empty();
        let expects_continue = head.expects_continue;
        match ask(Request { head, client: from, body }, &behind.jobs).await? {
            Reply::Whole(printed) => {
                self.send(&printed.parts(keep_alive)).await?;
                Ok(keep_alive)
            }
            Reply::Stream(stream) => {
                self.carry(stream, expects_continue, from, &behind.service).await?;
                Ok(false)
            }
            Reply::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// Serves a long stream, the last thing on this connection.
    async fn carry<S: Service>(
        &mut self,
        stream: S::Stream,
        expects_continue: bool,
        from: Client,
        service: &S,
    ) -> io::Result<()> {
        let mut carrier =
            Carrier::new(&mut self.wire, &mut self.input, expects_continue, from.peer);
        match service.serve(stream, &mut carrier).await? {
            Some(answer) => self.send(&[&print::last(&answer)]).await,
            None => Ok(()),
        }
    }

    async fn read_head(&mut self, kept: bool, may_be_large: MayBeLarge) -> Result<Head, End> {
        if kept {
            within(HTTP_IDLE_MS_MAX, self.read_more()).await.ok_or(End::Silent)??;
        }
        let result = within(HTTP_HEAD_MS_MAX, self.read_whole_head(may_be_large)).await;
        // Silence is no mistake: browsers open connections ahead.
        let late = if self.input.is_empty() { End::Silent } else { Refusal::TooSlow.into() };
        result.unwrap_or(Err(late))
    }

    async fn read_whole_head(&mut self, may_be_large: MayBeLarge) -> Result<Head, End> {
        let mut seen = 0;
        loop {
            if is_proxy_header(&self.input) {
                return Err(Refusal::ProxyHeader.into());
            }
            let end = head::end_of_head(&self.input, seen);
            if end.unwrap_or(self.input.len()) > HTTP_HEAD_BYTES_MAX {
                return Err(Refusal::HeadTooLarge.into());
            }
            if let Some(end) = end {
                let rest = self.input.split_off(end);
                let head = std::mem::replace(&mut self.input, rest);
                return Ok(head::parse(&head, may_be_large)?);
            }
            seen = self.input.len();
            self.read_more().await?;
        }
    }

    async fn read_body(&mut self, bytes: usize, expects_continue: bool) -> Result<Vec<u8>, End> {
        let whole = async {
            if expects_continue && self.input.len() < bytes {
                self.wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                self.wire.flush().await?;
            }
            while self.input.len() < bytes {
                self.read_more().await?;
            }
            let rest = self.input.split_off(bytes);
            Ok(std::mem::replace(&mut self.input, rest))
        };
        within(HTTP_IDLE_MS_MAX, whole).await.unwrap_or(Err(Refusal::TooSlow.into()))
    }

    /// Appends a piece of what has come to `input`.
    async fn read_more(&mut self) -> io::Result<()> {
        let mut piece = [0; 2048];
        let taken = self.wire.read(&mut piece).await?;
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
                self.wire.write_all(part).await?;
            }
            self.wire.flush().await
        };
        let sent = within(HTTP_IDLE_MS_MAX, all).await;
        if sent.is_none() {
            self.wire.reset();
        }
        sent.unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }

    async fn refuse(&mut self, refusal: Refusal) {
        let answer = refusal_bytes(refusal);
        // A client that does not take it is about to be closed anyway.
        let _ = self.send(&[&answer]).await;
    }

    /// A body that is not taken is on its way, and its sender may look for the answer behind it.
    fn linger_for_a_body(&mut self) {
        self.linger_bytes = usize::try_from(UPLOAD_LINGER_BYTES_MAX).unwrap_or(usize::MAX);
        self.linger_ms = UPLOAD_LINGER_MS_MAX;
    }

    /// Closes so that the last answer arrives: a close with unread bytes pending would be a
    /// reset, and a reset throws away what the client has not read (RFC 9112, 9.6).
    async fn linger(&mut self) {
        let drained = async {
            if self.wire.finish().await.is_err() {
                return;
            }
            let mut piece = [0; 4096];
            let mut bytes = 0;
            while bytes < self.linger_bytes {
                // One that sends nothing for so long has sent all, or is gone.
                match within(HTTP_IDLE_MS_MAX, self.wire.read(&mut piece)).await {
                    Some(Ok(taken @ 1..)) => bytes += taken,
                    _ => return,
                }
            }
        };
        if within(self.linger_ms, drained).await.is_none() {
            self.wire.reset();
        }
    }
}

/// Whether somebody begins with a header of the PROXY protocol where none is taken.
fn is_proxy_header(input: &[u8]) -> bool {
    !matches!(header::parse(input), Ok(Beginning::Absent | Beginning::Incomplete))
}

/// Hands a request to the workers and waits for its answer.
async fn ask<S>(request: Request, jobs: &Sender<Job<S>>) -> Result<Reply<S>, Refusal> {
    let (reply, answered) = bounded(1);
    jobs.try_send(Job { request, reply }).map_err(|_| Refusal::Unavailable)?;
    match within(HTTP_ANSWER_MS_MAX, answered.recv()).await {
        Some(Ok(reply)) => Ok(reply),
        _ => Err(Refusal::Unavailable),
    }
}

/// What the gate itself answers.
fn refusal_bytes(refusal: Refusal) -> Vec<u8> {
    print::last(&refusal.problem().answer(refusal))
}
