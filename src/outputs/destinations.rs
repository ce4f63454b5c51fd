//! Pushes to platforms. Purpose: each destination is one task that looks up, connects, publishes
//! and feeds from the ring, and tries again when it ends. Its state comes from bytes that flow,
//! not from having connected (MiBeeNvr #429). Non-goals: RTMPS (refused by the configuration).
//! Bounds: one connection per destination; each step has a deadline.

use std::cell::RefCell;
use std::fmt;
use std::net::{Shutdown as Half, SocketAddr, TcpStream};
use std::time::Duration;

use async_io::{Async, Timer};
use log::{info, warn};
use smol::future::FutureExt;

use crate::base::limits::{
    CONNECT_STEP_MS_MAX, DESTINATION_STALL_MS_MAX, FAREWELL_MS_MAX, FLOWING_MS_MAX,
};
use crate::base::rate::Rate;
use crate::base::redact::{scrub, Secret};
use crate::base::time::Mono;
use crate::program::bell::Listener;
use crate::program::Programme;
use crate::rtmp::client::{ClientEvent, ClientSession};
use crate::system::clock;
use crate::system::config::Destination as Config;
use crate::system::link::{Link, LinkEnd, Wake};
use crate::system::shutdown::Shutdown;
use crate::system::snapshot::{text, DestinationState, DestinationStatus, Text};

use super::backoff::{Backoff, Reason};
use super::feeder::{Audience, Fed, FeedError, Feeder};

/// One platform.
pub struct Destination {
    config: Config,
    key: Secret,
    state: RefCell<State>,
}

struct State {
    phase: Phase,
    since: Mono,
    detail: Text,
    bytes_out: u64,
    rate: Rate,
    flowed: Option<Mono>,
    sessions: u64,
    skips: u64,
    lag_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Connecting,
    Published,
    Waiting { until: Mono, reason: Reason },
}

/// Why a try ended.
enum End {
    /// Name look-up.
    Lookup(std::io::Error),
    /// No address could be connected to; the last one's error.
    Connect(std::io::Error),
    /// A step took too long.
    Deadline(&'static str),
    /// The connection.
    Link(LinkEnd),
    /// The server said no.
    Refused(String),
    /// The ring overtook it in the middle of a message.
    Overtaken,
    /// It took no byte for too long.
    Stalled,
    /// The program ends.
    Shutdown,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Lookup(error) => write!(f, "its name is not known: {error}"),
            End::Connect(error) => write!(f, "no connection: {error}"),
            End::Deadline(step) => write!(f, "{step} took more than {CONNECT_STEP_MS_MAX} ms"),
            End::Link(end) => write!(f, "{end}"),
            End::Refused(words) => write!(f, "refused: {words}"),
            End::Overtaken => write!(f, "too slow: overtaken in the middle of a message"),
            End::Stalled => write!(f, "it took no byte for {DESTINATION_STALL_MS_MAX} ms"),
            End::Shutdown => write!(f, "the program ends"),
        }
    }
}

impl From<LinkEnd> for End {
    fn from(end: LinkEnd) -> End {
        End::Link(end)
    }
}

impl From<FeedError> for End {
    fn from(error: FeedError) -> End {
        match error {
            FeedError::Overtaken => End::Overtaken,
            FeedError::Link(end) => End::Link(end),
        }
    }
}

impl Destination {
    /// A destination that has not been tried yet.
    pub fn new(config: Config) -> Destination {
        let state = State {
            phase: Phase::Idle,
            since: clock::mono(),
            detail: Text::new(),
            bytes_out: 0,
            rate: Rate::default(),
            flowed: None,
            sessions: 0,
            skips: 0,
            lag_ms: 0,
        };
        let key = Secret::new(config.key.expose());
        Destination { config, key, state: RefCell::new(state) }
    }

    /// Pushes until the program ends.
    pub async fn run(&self, programme: &Programme, shutdown: &Shutdown) {
        if !self.config.enabled {
            return;
        }
        let mut backoff = Backoff::new(fastrand::Rng::new());
        while !shutdown.is_asked() {
            self.enter(Phase::Connecting);
            let sessions = self.state.borrow().sessions;
            let end = match self.push(programme, shutdown).await {
                Ok(never) => match never {},
                Err(end) => end,
            };
            if matches!(end, End::Shutdown) {
                info!("destination {}: ended", self.config.name);
                break;
            }
            if self.state.borrow().sessions > sessions {
                backoff.reset();
            }
            let reason = match end {
                End::Refused(_) => Reason::Refused,
                _ => Reason::Away,
            };
            let pause = backoff.pause(reason);
            let words = scrub(&end.to_string(), &[&self.key]);
            warn!(
                "destination {}: {words}; tried again in {} ms",
                self.config.name,
                pause.as_millis()
            );
            self.state.borrow_mut().detail = text(words);
            self.enter(Phase::Waiting { until: clock::mono() + pause, reason });
            let wait = async {
                Timer::after(pause).await;
            };
            wait.or(shutdown.asked()).await;
        }
        self.enter(Phase::Idle);
    }

    /// Its state.
    pub fn status(&self, now: Mono) -> DestinationStatus {
        let state = self.state.borrow();
        let flows = state.flows(now);
        let (shown, retry_at) = match state.phase {
            Phase::Idle => (DestinationState::Idle, None),
            Phase::Published if flows => (DestinationState::Live, None),
            Phase::Connecting | Phase::Published => (DestinationState::Connecting, None),
            Phase::Waiting { until, reason: Reason::Away } => {
                (DestinationState::BackingOff, Some(until))
            }
            Phase::Waiting { until, reason: Reason::Refused } => {
                (DestinationState::Refused, Some(until))
            }
        };
        let detail = match state.phase {
            Phase::Published if flows => Text::new(),
            Phase::Published => text("published, but no media flows"),
            _ => state.detail.clone(),
        };
        DestinationStatus {
            name: text(&self.config.name),
            url: text(&self.config.url),
            state: shown,
            since: state.since,
            retry_at,
            detail,
            bytes_out: state.bytes_out,
            bps: state.rate.bps(now),
            sessions: state.sessions,
            skips: state.skips,
            lag_ms: state.lag_ms,
        }
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state.borrow_mut();
        state.phase = phase;
        state.since = clock::mono();
    }

    /// One try: returns only when it has ended.
    async fn push(
        &self,
        programme: &Programme,
        shutdown: &Shutdown,
    ) -> Result<std::convert::Infallible, End> {
        let socket = async { self.connect().await }
            .or(async {
                shutdown.asked().await;
                Err(End::Shutdown)
            })
            .await?;
        let (url, key) = (self.config.url.clone(), self.config.key.clone());
        let mut push = Push {
            destination: self,
            programme,
            link: Link::new(socket).map_err(LinkEnd::Io)?,
            session: ClientSession::new(url, key, clock::mono()).map_err(LinkEnd::Session)?,
            publishing: None,
        };
        match push.run(shutdown).await {
            Err(End::Shutdown) => {
                push.say_farewell().await;
                Err(End::Shutdown)
            }
            ended => ended,
        }
    }

    /// Looks the name up anew and tries its addresses one after the other.
    async fn connect(&self) -> Result<Async<TcpStream>, End> {
        let lookup = async {
            let host = (self.config.url.host.as_str(), self.config.url.port);
            async_net::resolve(host).await.map_err(End::Lookup)
        };
        let addresses = in_time("the name look-up", lookup).await?;
        let mut last = End::Lookup(std::io::Error::other("it has no address"));
        for address in addresses {
            match in_time("connecting", connect(address)).await {
                Ok(socket) => return Ok(socket),
                Err(end) => last = end,
            }
        }
        Err(last)
    }
}

impl State {
    fn flows(&self, now: Mono) -> bool {
        let recent = Duration::from_millis(FLOWING_MS_MAX);
        self.flowed.is_some_and(|flowed| now.since(flowed) < recent)
    }
}

async fn connect(address: SocketAddr) -> Result<Async<TcpStream>, End> {
    Async::<TcpStream>::connect(address).await.map_err(End::Connect)
}

/// A step with its deadline: DNS and connect have none of their own.
async fn in_time<T>(
    step: &'static str,
    work: impl std::future::Future<Output = Result<T, End>>,
) -> Result<T, End> {
    let late = async {
        Timer::after(Duration::from_millis(CONNECT_STEP_MS_MAX)).await;
        Err(End::Deadline(step))
    };
    work.or(late).await
}

/// A connection to a platform.
struct Push<'d> {
    destination: &'d Destination,
    programme: &'d Programme,
    link: Link,
    session: ClientSession,
    /// Once the server has agreed.
    publishing: Option<(Feeder, Listener)>,
}

impl Push<'_> {
    async fn run(&mut self, shutdown: &Shutdown) -> Result<std::convert::Infallible, End> {
        let began = clock::mono();
        let mut blocked = false;
        loop {
            if shutdown.is_asked() {
                return Err(End::Shutdown);
            }
            if !blocked {
                blocked = self.feed()? == Fed::Blocked;
            }
            let listener = self.publishing.as_mut().map(|(_, listener)| listener);
            let wake = async { self.link.wake(listener, blocked).await.map_err(LinkEnd::Io) };
            let stop = async {
                shutdown.asked().await;
                Ok(Wake::Tick)
            };
            match wake.or(stop).await? {
                Wake::Readable => {
                    self.link.receive(&mut self.session, clock::mono())?;
                    self.hear()?;
                }
                Wake::Writable => blocked = false,
                Wake::Rung => {}
                Wake::Tick => self.look_at_deadlines(began)?,
            }
        }
    }

    fn feed(&mut self) -> Result<Fed, End> {
        let now = clock::mono();
        let Some((feeder, _)) = &mut self.publishing else {
            let flushed = self.link.flush(&mut self.session)?;
            return Ok(if flushed { Fed::UpToDate } else { Fed::Blocked });
        };
        let ring = self.programme.ring();
        let before = feeder.media_bytes();
        let fed = feeder.feed(&ring, &mut self.session, self.link.socket(), now)?;
        let mut state = self.destination.state.borrow_mut();
        let fresh = feeder.media_bytes() - before;
        if fresh > 0 {
            if state.flowed.is_none() {
                state.sessions += 1;
                info!("destination {}: live", self.destination.config.name);
            }
            state.flowed = Some(now);
            state.bytes_out += fresh;
            state.rate.add(now, fresh);
        }
        state.lag_ms = u64::try_from(feeder.reader().lag(&ring).to_ms()).unwrap_or(0);
        Ok(fed)
    }

    /// Takes what the server has said.
    fn hear(&mut self) -> Result<(), End> {
        while let Some(event) = self.session.event() {
            match event {
                ClientEvent::Published { message_stream } => {
                    let now = clock::mono();
                    let feeder = Feeder::new(message_stream, Audience::Platform, now);
                    self.publishing = Some((feeder, self.programme.listen()));
                    self.destination.state.borrow_mut().flowed = None;
                    self.destination.enter(Phase::Published);
                }
                ClientEvent::Refused { code, description } => {
                    return Err(End::Refused(format!("{code} {description}")));
                }
                ClientEvent::Closed => return Err(End::Link(LinkEnd::Closed)),
            }
        }
        Ok(())
    }

    fn look_at_deadlines(&mut self, began: Mono) -> Result<(), End> {
        let now = clock::mono();
        match &self.publishing {
            None if now.since(began) >= Duration::from_millis(CONNECT_STEP_MS_MAX) => {
                Err(End::Deadline("the handshake and publishing"))
            }
            Some((feeder, _))
                if now.since(feeder.progress())
                    >= Duration::from_millis(DESTINATION_STALL_MS_MAX) =>
            {
                Err(End::Stalled)
            }
            _ => Ok(()),
        }
    }

    /// Ends politely: FCUnpublish, deleteStream, then close (nginx-rtmp #1595, HaishinKit #1472).
    async fn say_farewell(&mut self) {
        if self.session.finish().is_err() {
            return;
        }
        if let Some((feeder, _)) = &mut self.publishing {
            feeder.end();
        }
        let late = Timer::after(Duration::from_millis(FAREWELL_MS_MAX));
        let farewell = async {
            // Whether it arrived no longer matters when the connection breaks.
            let _ = self.send_rest().await;
        };
        farewell
            .or(async {
                late.await;
            })
            .await;
    }

    /// Sends what is left, then waits for the server to close: closing with its bytes unread
    /// would reset the connection and take the farewell with it.
    async fn send_rest(&mut self) -> Result<(), End> {
        let mut closing = false;
        loop {
            let blocked = !closing && self.feed()? == Fed::Blocked;
            if !blocked && !closing {
                self.link.socket().shutdown(Half::Write).map_err(LinkEnd::Io)?;
                closing = true;
            }
            if self.link.wake(None, blocked).await.map_err(LinkEnd::Io)? == Wake::Readable {
                self.link.receive(&mut self.session, clock::mono())?;
            }
        }
    }
}
