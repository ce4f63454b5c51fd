//! One try to push to a platform: connect, handshake, publish, feed from the ring, and a
//! polite end. Purpose: every step has a deadline, everything the server sends is drained
//! (MediaMTX #5776). Non-goals: trying again (retry). Bounds: one connection, its session, its feeder.

use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Duration;

use log::{info, warn};
use smol::future::FutureExt;

use crate::base::events::Condition;
use crate::base::limits::{DESTINATION_STALL_MS_MAX, FAREWELL_MS_MAX};
use crate::config::Destination;
use crate::net::link::{Link, LinkEnd, Wake};
use crate::net::reactor::Sleep;
use crate::net::retry::{connect_until, TryEnd};
use crate::net::tls::Authorities;
use crate::operator::platforms::Platform;
use crate::operator::record::{Record, WorkPhase};
use crate::operator::snapshot::text;
use crate::program::bell::Listener;
use crate::program::source::Source;
use crate::program::Programme;
use crate::rtmp::client::{ClientEvent, ClientSession};
use crate::rtmp::url::RtmpUrl;
use crate::rtmp::RtmpSession;
use crate::system::clock;
use crate::system::shutdown::Shutdown;

use super::feeder::{Audience, Fed, FeedError, Feeder};
use super::planned_end::{EndStep, PlannedEnd};

/// A destination that was not skipped for so long keeps up again.
const KEEPS_UP: Duration = Duration::from_secs(60);
/// How often it is looked what the server acknowledges.
const TCP_LOOK: Duration = Duration::from_secs(1);
/// What may be wrong when the server closes without a word.
const SUSPECTS: &str = "its URL's application or the stream key";

impl From<FeedError> for TryEnd {
    fn from(error: FeedError) -> TryEnd {
        match error {
            FeedError::Overtaken => TryEnd::Overtaken,
            FeedError::Link(end) => TryEnd::Link(end),
        }
    }
}

/// One try: returns only when it has ended.
pub(super) async fn push(
    config: &Destination,
    url: &RtmpUrl,
    authorities: &Authorities,
    record: &RefCell<Record>,
    programme: &Programme,
    shutdown: &Shutdown,
) -> Result<Infallible, TryEnd> {
    let socket = connect_until(url, authorities, shutdown).await?;
    let key = config.key.clone();
    let mut link = Link::new(socket).map_err(LinkEnd::Io)?;
    link.expect_little().map_err(LinkEnd::Io)?;
    link.look_each(TCP_LOOK);
    let mut push = Push {
        config,
        record,
        programme,
        link,
        session: ClientSession::new(url.clone(), key, clock::mono()).map_err(LinkEnd::Session)?,
        publishing: None,
        end: PlannedEnd::new(config.reconnect, clock::mono(), clock::utc()),
        slow: Condition::default(),
        mute: Condition::default(),
    };
    let end = push.run(shutdown).await;
    if let Some(words) = push.session.said() {
        record.borrow_mut().server_said(text(words));
    }
    match end {
        Err(end @ (TryEnd::Shutdown | TryEnd::Planned(_))) => {
            push.say_farewell().await;
            Err(end)
        }
        Err(end) => Err(end.instead_of(push.session.awaited(), SUSPECTS)),
        Ok(never) => match never {},
    }
}

/// A connection to a platform.
struct Push<'d> {
    config: &'d Destination,
    record: &'d RefCell<Record>,
    programme: &'d Programme,
    link: Link,
    session: ClientSession,
    /// Once the server has agreed.
    publishing: Option<(Feeder, Listener)>,
    /// When this session ends by itself.
    end: PlannedEnd,
    slow: Condition,
    /// Sound is left out because it comes too late.
    mute: Condition,
}

impl Push<'_> {
    async fn run(&mut self, shutdown: &Shutdown) -> Result<Infallible, TryEnd> {
        let mut blocked = false;
        loop {
            if shutdown.is_asked() {
                return Err(TryEnd::Shutdown);
            }
            if !blocked {
                blocked = self.feed()? == Fed::Blocked;
            }
            if !blocked && self.publishing.as_ref().is_some_and(|(feeder, _)| feeder.is_held()) {
                let pause = self.config.reconnect.pause;
                let pause =
                    pause.unwrap_or_else(|| Platform::new_broadcast_pause(&self.config.url.host));
                return Err(TryEnd::Planned(pause));
            }
            let listener = self.publishing.as_mut().map(|(_, listener)| listener);
            let wake = self.link.wake(listener, blocked);
            let stop = async {
                shutdown.asked().await;
                Wake::Tick
            };
            match wake.or(stop).await {
                Wake::Readable => {
                    self.link.receive(&mut self.session, clock::mono())?;
                    self.hear()?;
                }
                Wake::Writable => blocked = false,
                Wake::Rung => {}
                Wake::Tick => self.look_at_deadlines()?,
            }
        }
    }

    fn feed(&mut self) -> Result<Fed, TryEnd> {
        let now = clock::mono();
        let Some((feeder, _)) = &mut self.publishing else {
            let flushed = self.link.flush(&mut self.session)?;
            return Ok(if flushed { Fed::UpToDate } else { Fed::Blocked });
        };
        let ring = self.programme.ring();
        let (bytes, skips) = (feeder.media_bytes(), feeder.reader().skips());
        let left_out = feeder.reader().left_out();
        let late = left_out + feeder.reader().moved();
        let fed = feeder.feed(&ring, &mut self.session, self.link.stream(), now)?;
        let fresh = feeder.media_bytes() - bytes;
        let lag_ms = u64::try_from(feeder.reader().lag(&ring).to_ms()).unwrap_or(0);
        let mut record = self.record.borrow_mut();
        let name = &self.config.name;
        if fresh > 0 && record.flowed(fresh, now) {
            info!("destination {name}: live");
        }
        let left_out = feeder.reader().left_out() - left_out;
        record.was_late(feeder.reader().left_out() + feeder.reader().moved() - late);
        if left_out > 0 {
            if self.mute.occurs(now) {
                warn!(
                    "destination {name}: sound arrives too late for its picture and is left out; \
                     set the source's muxer to interleave both"
                );
            }
        } else if let Some(over) = self.mute.over_after(now, KEEPS_UP) {
            info!("destination {name}: sound arrives in time again (left out {over} times)");
        }
        if record.lags(lag_ms, feeder.reader().skips() - skips).is_some() {
            if self.slow.occurs(now) {
                warn!("destination {name} is too slow: skipped to a keyframe");
            }
        } else if let Some(over) = self.slow.over_after(now, KEEPS_UP) {
            info!("destination {name} keeps up again (skipped {over})");
        }
        Ok(fed)
    }

    /// Takes what the server has said.
    fn hear(&mut self) -> Result<(), TryEnd> {
        if let Some(words) = self.session.said() {
            self.record.borrow_mut().server_said(text(words));
        }
        while let Some(event) = self.session.event() {
            match event {
                ClientEvent::Published { message_stream } => {
                    let now = clock::mono();
                    let feeder = Feeder::new(message_stream, Audience::Platform, now);
                    self.publishing = Some((feeder, self.programme.listen()));
                    self.record.borrow_mut().enter(WorkPhase::Agreed, now);
                }
                ClientEvent::Refused { code, description } => {
                    return Err(TryEnd::refused(&code, &description));
                }
                // We did not ask to play.
                ClientEvent::Playing => {}
                ClientEvent::Closed => return Err(TryEnd::Link(LinkEnd::Closed)),
            }
        }
        Ok(())
    }

    fn look_at_deadlines(&mut self) -> Result<(), TryEnd> {
        let now = clock::mono();
        if let Some(progress) = self.link.tcp_progress() {
            if self.publishing.is_some() && self.record.borrow_mut().tcp(progress, now) {
                warn!("destination {}: the server has stopped reading", self.config.name);
            }
        }
        let stall = Duration::from_millis(DESTINATION_STALL_MS_MAX);
        if let Some((feeder, _)) = &mut self.publishing {
            if now.since(feeder.progress()) >= stall {
                return Err(TryEnd::Stalled);
            }
            let is_quiet = self.programme.switcher().on_air() == Source::Standby;
            match self.end.look(is_quiet, now, clock::utc()) {
                EndStep::Stay => {}
                EndStep::BeforeKey => feeder.end_before_key(),
                EndStep::Now => feeder.hold(),
            }
        }
        self.session.on_deadline(now).map_err(LinkEnd::Session)?;
        Ok(())
    }

    /// Ends politely: FCUnpublish, deleteStream, then close (nginx-rtmp #1595, HaishinKit #1472).
    async fn say_farewell(&mut self) {
        if self.session.finish().is_err() {
            return;
        }
        if let Some((feeder, _)) = &mut self.publishing {
            feeder.hold();
        }
        let late = Sleep::after(Duration::from_millis(FAREWELL_MS_MAX));
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
    async fn send_rest(&mut self) -> Result<(), TryEnd> {
        let mut closing = false;
        loop {
            let blocked = !closing && self.feed()? == Fed::Blocked;
            if !blocked && !closing {
                self.link.stream().finish().map_err(LinkEnd::Io)?;
                closing = true;
            }
            if self.link.wake(None, blocked).await == Wake::Readable {
                self.link.receive(&mut self.session, clock::mono())?;
            }
        }
    }
}
