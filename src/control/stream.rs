//! Long streams: answers that do not end, and bodies too large to be held. Purpose: a route only
//! says which [`Stream`] the answer is; the gate's side then serves it on the connection itself and
//! closes it, so that no worker waits for a client. Non-goals: who may have one, which is the
//! routes' business. Bounds: [`EVENT_CLIENTS_MAX`],
//! [`PREVIEWS_MAX`], [`UPLOADS_ACTIVE_MAX`] and [`FIRMWARE_ORDERS_MAX`] at once; a piece is sent within
//! [`STREAM_SEND_MS_MAX`] or the connection is cut.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use smol::future::or;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::appliance::firmware::orders::Order;
use crate::base::limits::{
    EVENT_CLIENTS_MAX, EVENT_PERIOD_MS, FIRMWARE_ORDERS_MAX, HTTP_IDLE_MS_MAX, PREVIEWS_MAX,
    STREAM_SEND_MS_MAX, UPLOADS_ACTIVE_MAX,
};
use crate::control::auth::Auth;
use crate::control::connection::within;
use crate::control::events::{self, Newsroom};
use crate::control::firmware::Appliance;
use crate::control::meter::Meter;
use crate::control::routes::{self, Answer, COMMON_FIELDS};
use crate::control::wire::Wire;
use crate::control::{firmware, preview, uploads};
use crate::library::clerk::Clerk;
use crate::outputs::preview::PreviewDesk;

/// A long stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The server-sent events.
    Events {
        /// The number of the last log line the client has.
        after: Option<u64>,
    },
    /// The picture as fragmented MP4.
    Preview,
    /// The body of a request that brings a piece of a file.
    Upload {
        /// Which upload.
        id: u64,
        /// Where in the file the body begins, bytes.
        offset: u64,
        /// Its length, bytes.
        bytes: u64,
    },
    /// An order to the update service, with the package that belongs to it.
    Firmware(Order),
}

impl Stream {
    const fn name(self) -> &'static str {
        match self {
            Stream::Events { .. } => "clients of the events",
            Stream::Preview => "previews",
            Stream::Upload { .. } => "uploads",
            Stream::Firmware(_) => "updates",
        }
    }
}

/// What streams are served from; each kind adds what it needs.
pub struct Sources {
    /// The gate's numbers.
    pub meter: Arc<Meter>,
    /// Who may.
    pub auth: Arc<Auth>,
    /// Where previews are asked for.
    pub previews: PreviewDesk,
    /// The events.
    pub news: Newsroom,
    /// Where uploads go.
    pub clerk: Clerk,
    /// Where updates go.
    pub appliance: Appliance,
}

/// A connection that a stream has taken over, its request's head read and answered for.
pub struct Carrier<'a> {
    wire: &'a mut Wire,
    /// What came behind the head and is not used yet.
    input: &'a mut Vec<u8>,
    expects_continue: bool,
    peer: IpAddr,
}

impl<'a> Carrier<'a> {
    /// Takes over `peer`'s connection; `expects_continue` when the client waits before it sends its body.
    pub fn new(
        wire: &'a mut Wire,
        input: &'a mut Vec<u8>,
        expects_continue: bool,
        peer: IpAddr,
    ) -> Carrier<'a> {
        wire.give_up_after(Duration::from_millis(STREAM_SEND_MS_MAX));
        Carrier { wire, input, expects_continue, peer }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Sends the head of an answer that ends with the connection (RFC 9112, 6.3).
    ///
    /// # Errors
    /// As [`Carrier::send`].
    pub async fn begin(&mut self, content_type: &str) -> io::Result<()> {
        let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
        for (name, value) in COMMON_FIELDS {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.extend(["Content-Type: ", content_type, "\r\n"]);
        head += "Cache-Control: no-store\r\nConnection: close\r\n\r\n";
        self.send(head.as_bytes()).await
    }

    /// Sends all of `bytes` in time, or cuts the connection.
    ///
    /// # Errors
    /// The client is gone, or was too slow; the stream is to end.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let all = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        let sent = within(STREAM_SEND_MS_MAX, all).await;
        if sent.is_none() {
            self.wire.reset();
        }
        sent.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Ready once the client has left, or says what it was not asked for. To be waited for beside
    /// what is sent next.
    pub async fn left(&mut self) {
        if self.input.is_empty() {
            // Whatever comes ends the stream.
            let _ = self.wire.read(&mut [0]).await;
        }
    }

    /// Reads the next bytes of the body, of any number; 0 when the client has left. The caller
    /// knows how many belong to the body.
    ///
    /// # Errors
    /// Nothing came in time, or the connection broke.
    pub async fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        if !self.input.is_empty() {
            let taken = piece.len().min(self.input.len());
            for (to, from) in piece.iter_mut().zip(self.input.drain(..taken)) {
                *to = from;
            }
            return Ok(taken);
        }
        if std::mem::take(&mut self.expects_continue) {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let read = within(HTTP_IDLE_MS_MAX, self.wire.read(piece)).await;
        read.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Serves a stream until it ends. An answer that comes of it is sent by the caller, who closes
/// the connection either way.
///
/// # Errors
/// The client is gone.
pub async fn serve(
    stream: Stream,
    carrier: &mut Carrier<'_>,
    sources: &Sources,
) -> io::Result<Option<Answer>> {
    let meter = &sources.meter;
    let (gauge, most) = match stream {
        Stream::Events { .. } => (&meter.events, EVENT_CLIENTS_MAX),
        Stream::Preview => (&meter.previews, PREVIEWS_MAX),
        Stream::Upload { .. } => (&meter.uploads, UPLOADS_ACTIVE_MAX),
        Stream::Firmware(_) => (&meter.firmware, FIRMWARE_ORDERS_MAX),
    };
    let Some(_place) = gauge.take(most) else {
        meter.refuse(carrier.peer, &format_args!("too many {} at once", stream.name()));
        return Ok(Some(full(stream)));
    };
    match stream {
        Stream::Events { after } => {
            let served = events::serve(carrier, &sources.news, after);
            while_granted(&sources.auth, async { served.await.map(|()| None) }).await
        }
        Stream::Preview => while_granted(&sources.auth, preview::serve(carrier, sources)).await,
        Stream::Upload { id, offset, bytes } => {
            uploads::receive(carrier, sources, id, offset, bytes).await.map(Some)
        }
        Stream::Firmware(order) => {
            firmware::carry_out(order, carrier, &sources.appliance).await.map(Some)
        }
    }
}

/// Ends what is `served` when somebody has lost a right: whoever still has theirs asks again.
async fn while_granted(
    auth: &Auth,
    served: impl Future<Output = io::Result<Option<Answer>>>,
) -> io::Result<Option<Answer>> {
    let before = auth.endings();
    let lost = async {
        while auth.endings() == before {
            Timer::after(Duration::from_millis(EVENT_PERIOD_MS)).await;
        }
        Ok(None)
    };
    or(served, lost).await
}

fn full(stream: Stream) -> Answer {
    match stream {
        Stream::Events { .. } => unavailable("Too many pages are open; ask for the state instead."),
        Stream::Preview => unavailable("Too many previews are open; close one of them."),
        Stream::Upload { .. } => unavailable("Other uploads are under way; try again later."),
        Stream::Firmware(_) => {
            routes::error(503, "BUSY", "Another update is under way; wait until it is done.")
        }
    }
}

/// There is no room, or nothing to serve.
pub fn unavailable(words: &str) -> Answer {
    routes::error(503, "SYSTEM_ERROR", words)
}
