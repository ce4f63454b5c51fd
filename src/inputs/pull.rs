//! A programme taken from another RTMP server: how an edge follows its origin. Purpose: connect,
//! play, feed what comes to the programme; when that ends, for whatever reason, pause and try
//! again, while the standby card covers. A server that is connected and brings no media is as good
//! as away. Non-goals: RTMPS; noticing a circle of appliances that pull from each other: the
//! configuration refuses the one that shows at home. Bound: one connection, its session, its
//! intake.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use log::{info, warn};
use smol::future::{yield_now, FutureExt};

use crate::base::limits::{MEDIA_BPS_MAX, MEDIA_BURST_BYTES_MAX, MEDIA_IDLE_MS_MAX};
use crate::base::rate::Allowance;
use crate::base::time::Mono;
use crate::program::switcher::Source;
use crate::program::Programme;
use crate::rtmp::client::{ClientEvent, ClientSession};
use crate::rtmp::Session;
use crate::system::backoff::{Backoff, Reason};
use crate::system::clock;
use crate::system::config::PullConfig;
use crate::system::connect::{connect, ConnectError};
use crate::system::link::{Link, LinkEnd, Wake};
use crate::system::reactor::Sleep;
use crate::system::record::{Phase, Record};
use crate::system::shutdown::Shutdown;
use crate::system::snapshot::{text, PullStatus, Text};

use super::intake::Intake;
use super::log_cut;

/// Pause of a server that sends more than is taken.
const FLOOD_PAUSE: Duration = Duration::from_millis(20);

/// Why a try ended.
enum End {
    /// No connection came about.
    Connect(ConnectError),
    /// The connection.
    Link(LinkEnd),
    /// The server closed instead of giving this answer.
    Wordless(&'static str),
    /// The server said no.
    Refused(String),
    /// The server says that the stream is over.
    Over,
    /// It brought no media for too long.
    Silent,
    /// The program ends.
    Shutdown,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Connect(error) => write!(f, "{error}"),
            End::Link(end) => write!(f, "{end}"),
            End::Wordless(answer) => write!(
                f,
                "it closed the connection instead of giving {answer}; \
                 its URL's application, the stream's name or the key may be wrong"
            ),
            End::Refused(words) => write!(f, "refused: {words}"),
            End::Over => write!(f, "the stream is over, says the server"),
            End::Silent => write!(f, "it sent no media for {MEDIA_IDLE_MS_MAX} ms"),
            End::Shutdown => write!(f, "the program ends"),
        }
    }
}

impl From<LinkEnd> for End {
    fn from(end: LinkEnd) -> End {
        End::Link(end)
    }
}

/// The server pulled from.
pub struct Pull {
    config: PullConfig,
    record: RefCell<Record>,
    intake: RefCell<Intake>,
}

impl Pull {
    /// A pull that has not been tried yet.
    pub fn new(config: PullConfig) -> Pull {
        let record = RefCell::new(Record::new(clock::mono()));
        Pull { config, record, intake: RefCell::new(Intake::new()) }
    }

    /// Pulls until the program ends.
    pub async fn run(&self, programme: &Programme, shutdown: &Shutdown) {
        if !self.config.enabled {
            return;
        }
        let mut backoff = Backoff::new(fastrand::Rng::new());
        while !shutdown.is_asked() {
            self.enter(Phase::Connecting);
            let end = match self.pull(programme, shutdown).await {
                Ok(never) => match never {},
                Err(end) => end,
            };
            self.restart(programme);
            let reason = match end {
                End::Shutdown => break,
                End::Refused(_) => Reason::Refused,
                _ => Reason::Away,
            };
            if self.record.borrow().was_steady() {
                backoff.reset();
            }
            let pause = backoff.pause(reason);
            let until = clock::mono() + pause;
            let words = text(&end);
            if self.record.borrow_mut().failed(words.clone(), clock::mono()) {
                let url = &self.config.url;
                warn!("pull {url}: {words}; tried again in {} ms", pause.as_millis());
            }
            self.enter(Phase::Waiting { until, reason });
            let wait = async {
                Sleep::after(pause).await;
            };
            wait.or(shutdown.asked()).await;
        }
        self.enter(Phase::Idle);
    }

    /// Its state.
    pub fn status(&self, now: Mono) -> PullStatus {
        let url = text(&self.config.url);
        let status = self.record.borrow().status(Text::new(), url, now);
        let intake = self.intake.borrow();
        let complaint = intake.detail();
        PullStatus {
            url: status.url,
            state: status.state,
            since: status.since,
            retry_at: status.retry_at,
            detail: if status.detail.is_empty() { complaint } else { status.detail },
            bytes: status.bytes_out,
            bps: status.bps,
            sessions: status.sessions,
        }
    }

    fn enter(&self, phase: Phase) {
        self.record.borrow_mut().enter(phase, clock::mono());
    }

    fn restart(&self, programme: &Programme) {
        let now = clock::mono();
        let mut intake = self.intake.borrow_mut();
        log_cut(programme.feed(Source::Pull, now, |sink| {
            intake.restart(sink, now);
            sink.restart();
        }));
    }

    /// One try: returns only when it has ended.
    async fn pull(&self, programme: &Programme, shutdown: &Shutdown) -> Result<Infallible, End> {
        let socket = async { connect(&self.config.url).await.map_err(End::Connect) }
            .or(async {
                shutdown.asked().await;
                Err(End::Shutdown)
            })
            .await?;
        let mut link = Link::new(socket).map_err(LinkEnd::Io)?;
        link.expect_media().map_err(LinkEnd::Io)?;
        let (url, name) = (self.config.url.clone(), self.config.name.clone());
        let session = ClientSession::play(url, name, clock::mono()).map_err(LinkEnd::Session)?;
        self.restart(programme);
        let allowance = Allowance::new(MEDIA_BPS_MAX, MEDIA_BURST_BYTES_MAX);
        let mut playback = Playback { pull: self, programme, link, session, allowance };
        match playback.run(shutdown).await {
            Err(End::Shutdown) => {
                // Best effort: what the socket does not take at once is not waited for.
                if playback.session.finish().is_ok() {
                    let _ = playback.link.flush(&mut playback.session);
                }
                Err(End::Shutdown)
            }
            Err(End::Link(LinkEnd::Closed)) => {
                let awaited = playback.session.awaited();
                Err(awaited.map_or(End::Link(LinkEnd::Closed), End::Wordless))
            }
            ended => ended,
        }
    }
}

/// A connection to the server.
struct Playback<'p> {
    pull: &'p Pull,
    programme: &'p Programme,
    link: Link,
    session: ClientSession,
    allowance: Allowance,
}

impl Playback<'_> {
    async fn run(&mut self, shutdown: &Shutdown) -> Result<Infallible, End> {
        loop {
            let blocked = !self.link.flush(&mut self.session)?;
            let stop = async {
                shutdown.asked().await;
                Wake::Tick
            };
            let wake = self.link.wake(None, blocked).or(stop).await;
            if shutdown.is_asked() {
                return Err(End::Shutdown);
            }
            if wake == Wake::Readable {
                self.receive().await?;
            }
            self.look_at_deadlines(clock::mono())?;
        }
    }

    /// Takes what is there, at most one batch.
    async fn receive(&mut self) -> Result<(), End> {
        let now = clock::mono();
        let Playback { pull, programme, link, session, .. } = self;
        let mut received = Ok(0);
        let fresh = {
            let mut intake = pull.intake.borrow_mut();
            let before = intake.bytes();
            let cut = programme.feed(Source::Pull, now, |sink| {
                received = link.receive_media(session, now, &mut intake.feed(sink, now));
            });
            log_cut(cut);
            if let Some(words) = intake.news() {
                warn!("pull {}: {words}", pull.config.url);
            }
            intake.bytes() - before
        };
        if fresh > 0 && pull.record.borrow_mut().flowed(fresh, now) {
            info!("pull {}: live", pull.config.url);
        }
        // What the server said before it closed counts for more than that it closed.
        self.hear(now)?;
        let count = received?;
        // The readers go first; what comes too fast waits in its socket.
        yield_now().await;
        while !self.allowance.take(clock::mono(), count as u64) {
            Sleep::after(FLOOD_PAUSE).await;
        }
        Ok(())
    }

    fn hear(&mut self, now: Mono) -> Result<(), End> {
        match self.session.event() {
            Some(ClientEvent::Playing) => {
                self.pull.record.borrow_mut().enter(Phase::Agreed, now);
                self.pull.intake.borrow_mut().expect(now);
                Ok(())
            }
            Some(ClientEvent::Refused { code, description }) => {
                Err(End::Refused(format!("{code} {description}")))
            }
            Some(ClientEvent::Closed) => Err(End::Over),
            // We did not ask to publish.
            Some(ClientEvent::Published { .. }) | None => Ok(()),
        }
    }

    fn look_at_deadlines(&mut self, now: Mono) -> Result<(), End> {
        let idle = Duration::from_millis(MEDIA_IDLE_MS_MAX);
        let agreed = self.session.awaited().is_none();
        if agreed && now.since(self.pull.intake.borrow().flowed()) >= idle {
            return Err(End::Silent);
        }
        self.session.on_deadline(now).map_err(LinkEnd::Session)?;
        Ok(())
    }
}
