//! A programme taken from another RTMP server: how an edge follows its origin. Purpose: connect,
//! play, feed what comes to the programme; when that ends, for whatever reason, pause and try
//! again, while the standby card covers. A server that is connected and brings no media is as good
//! as away. Non-goals: noticing a circle of appliances that pull from each other: the
//! configuration refuses the one that shows at home. Bound: one connection, its session, its
//! intake.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use log::info;
use smol::future::FutureExt;

use crate::base::limits::{MEDIA_BPS_MAX, MEDIA_BURST_BYTES_MAX, MEDIA_IDLE_MS_MAX};
use crate::base::rate::Allowance;
use crate::base::time::Mono;
use crate::config::PullConfig;
use crate::net::link::{Link, LinkEnd, Wake};
use crate::net::retry::{connect_until, Retry, TryEnd};
use crate::net::tls::Authorities;
use crate::operator::record::{Record, WorkPhase};
use crate::operator::snapshot::{text, PullStatus, Text};
use crate::program::source::Source;
use crate::program::Programme;
use crate::rtmp::client::{ClientEvent, ClientSession};
use crate::rtmp::RtmpSession;
use crate::system::clock;
use crate::system::shutdown::Shutdown;

use super::diagnosis::Air;
use super::entry::{pace, SourceEntry};

/// What may be wrong when the server closes without a word.
const SUSPECTS: &str = "its URL's application, the stream's name or the key";

/// The server pulled from.
pub struct PullSource {
    config: PullConfig,
    authorities: Rc<Authorities>,
    record: RefCell<Record>,
    entry: SourceEntry,
    /// The server has agreed to play, and has not closed.
    is_playing: Cell<bool>,
}

impl PullSource {
    /// A pull that has not been tried yet.
    pub fn new(config: PullConfig, authorities: Rc<Authorities>) -> PullSource {
        let record = RefCell::new(Record::new(clock::mono()));
        PullSource {
            config,
            authorities,
            record,
            entry: SourceEntry::new(Source::Pull),
            is_playing: Cell::new(false),
        }
    }

    /// Pulls until the program ends.
    pub async fn run(&self, programme: &Programme, shutdown: &Shutdown) {
        if !self.config.enabled {
            return;
        }
        let who = format!("pull {}", self.config.url);
        let retry = Retry { who: &who, hidden: &[], record: &self.record };
        retry
            .run(shutdown, || async {
                let ended = self.pull(programme, shutdown).await;
                self.is_playing.set(false);
                if !shutdown.is_asked() {
                    self.entry.leave(programme, clock::mono());
                }
                ended
            })
            .await;
    }

    /// Finds out why what it brings is not on air, while the server plays.
    pub fn look(&self, air: Air, now: Mono) {
        self.entry.look(self.is_playing.get(), None, air, now);
    }

    /// Its state.
    pub fn status(&self, now: Mono) -> PullStatus {
        let url = text(&self.config.url);
        let status = self.record.borrow().status(Text::new(), url, now);
        let intake = self.entry.intake();
        let complaint = intake.detail();
        let [reason, sound_reason] = self.entry.reasons();
        PullStatus {
            url: status.url,
            state: status.state,
            since: status.since,
            retry_at: status.retry_at,
            detail: if status.detail.is_empty() { complaint } else { status.detail },
            bytes: status.bytes_out,
            bps: status.bps,
            sessions: status.sessions,
            reason,
            sound_reason,
        }
    }

    /// One try: returns only when it has ended.
    async fn pull(&self, programme: &Programme, shutdown: &Shutdown) -> Result<Infallible, TryEnd> {
        let socket = connect_until(&self.config.url, &self.authorities, shutdown).await?;
        let mut link = Link::new(socket).map_err(LinkEnd::Io)?;
        link.expect_media().map_err(LinkEnd::Io)?;
        let (url, name) = (self.config.url.clone(), self.config.name.clone());
        let session = ClientSession::play(url, name, clock::mono()).map_err(LinkEnd::Session)?;
        self.entry.restart(programme, clock::mono());
        let allowance = Allowance::new(MEDIA_BPS_MAX, MEDIA_BURST_BYTES_MAX);
        let mut playback = Playback { pull: self, programme, link, session, allowance };
        match playback.run(shutdown).await {
            Err(TryEnd::Shutdown) => {
                // Best effort: what the socket does not take at once is not waited for.
                if playback.session.finish().is_ok() {
                    let _ = playback.link.flush(&mut playback.session);
                }
                Err(TryEnd::Shutdown)
            }
            Err(end) => Err(end.instead_of(playback.session.awaited(), SUSPECTS)),
            Ok(never) => match never {},
        }
    }
}

/// A connection to the server.
struct Playback<'p> {
    pull: &'p PullSource,
    programme: &'p Programme,
    link: Link,
    session: ClientSession,
    allowance: Allowance,
}

impl Playback<'_> {
    async fn run(&mut self, shutdown: &Shutdown) -> Result<Infallible, TryEnd> {
        loop {
            let blocked = !self.link.flush(&mut self.session)?;
            let stop = async {
                shutdown.asked().await;
                Wake::Tick
            };
            let wake = self.link.wake(None, blocked).or(stop).await;
            if shutdown.is_asked() {
                return Err(TryEnd::Shutdown);
            }
            if wake == Wake::Readable {
                self.receive().await?;
            }
            self.look_at_deadlines(clock::mono())?;
        }
    }

    /// Takes what is there, at most one batch.
    async fn receive(&mut self) -> Result<(), TryEnd> {
        let now = clock::mono();
        let Playback { pull, programme, link, session, .. } = self;
        let who = format_args!("pull {}", pull.config.url);
        let before = pull.entry.intake().bytes();
        let received = pull.entry.receive(link, session, programme, now);
        let fresh = pull.entry.intake().bytes() - before;
        if fresh > 0 && pull.record.borrow_mut().flowed(fresh, now) {
            info!("{who}: live");
        }
        // What the server said before it closed counts for more than that it closed.
        self.hear(now)?;
        pace(&mut self.allowance, received?).await;
        Ok(())
    }

    fn hear(&mut self, now: Mono) -> Result<(), TryEnd> {
        match self.session.event() {
            Some(ClientEvent::Playing) => {
                self.pull.record.borrow_mut().enter(WorkPhase::Agreed, now);
                self.pull.entry.expect(now);
                self.pull.is_playing.set(true);
                Ok(())
            }
            Some(ClientEvent::Refused { code, description }) => {
                Err(TryEnd::refused(&code, &description))
            }
            Some(ClientEvent::Closed) => Err(TryEnd::Over),
            // We did not ask to publish.
            Some(ClientEvent::Published { .. }) | None => Ok(()),
        }
    }

    fn look_at_deadlines(&mut self, now: Mono) -> Result<(), TryEnd> {
        let idle = Duration::from_millis(MEDIA_IDLE_MS_MAX);
        let agreed = self.session.awaited().is_none();
        if agreed && now.since(self.pull.entry.intake().flowed()) >= idle {
            return Err(TryEnd::Silent);
        }
        self.session.on_deadline(now).map_err(LinkEnd::Session)?;
        Ok(())
    }
}
