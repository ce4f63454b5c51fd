//! RTMP publishers. Purpose: one at a time; a publisher that comes back takes over from what is
//! left of itself (nginx-rtmp #1152, #1689), any other waits until the first is gone; what the one
//! sends is fed to the programme, one batch per read. Non-goals: who may publish (ports), what is
//! on air. Bounds: one session; [`MEDIA_RECEIVE_BUFFER_BYTES`] in the kernel.
//!
//! [`MEDIA_RECEIVE_BUFFER_BYTES`]: crate::base::limits::MEDIA_RECEIVE_BUFFER_BYTES

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use log::info;

use crate::base::events::News;
use crate::base::limits::{MEDIA_BPS_MAX, MEDIA_BURST_BYTES_MAX, MEDIA_IDLE_MS_MAX};
use crate::base::rate::Allowance;
use crate::base::time::Mono;
use crate::net::link::{Link, LinkEnd, Wake};
use crate::operator::reason::Why;
use crate::operator::snapshot::{text, PublisherStatus, Text};
use crate::program::bell::{Bell, Listener};
use crate::program::source::Source;
use crate::program::Programme;
use crate::rtmp::server::{Ending, ServerEvent, ServerSession};
use crate::rtmp::RtmpSession;
use crate::system::clock;
use crate::system::shutdown::Shutdown;

use super::diagnosis::Air;
use super::entry::{pace, SourceEntry};

/// A publisher from whom no byte has come for so long gives way to any other.
const PUBLISHER_STALE_MS: u64 = 2_000;

/// The place of the one publisher.
pub struct Publishers {
    holder: RefCell<Option<Holder>>,
    entry: SourceEntry,
    refused_key: Cell<u64>,
    /// Messages the session has left out.
    session_left_out: Cell<u64>,
    /// Bytes its connection has brought.
    bytes_in: Cell<u64>,
    arrivals: RefCell<News>,
}

impl Default for Publishers {
    fn default() -> Publishers {
        Publishers {
            holder: RefCell::default(),
            entry: SourceEntry::new(Source::Rtmp),
            refused_key: Cell::new(0),
            session_left_out: Cell::new(0),
            bytes_in: Cell::new(0),
            arrivals: RefCell::default(),
        }
    }
}

/// Who wants the place, and may publish.
pub struct Applicant {
    /// Number given on accepting.
    pub id: u64,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// What it calls itself.
    pub agent: String,
    /// It has given the stream key.
    pub by_key: bool,
    /// It comes by RTMPS.
    pub is_encrypted: bool,
}

/// Who has the place.
struct Holder {
    id: u64,
    by_key: bool,
    /// When the last byte came.
    heard: Mono,
    /// Rung when another takes over.
    replaced: Rc<Bell>,
    address: Text,
    agent: Text,
    is_encrypted: bool,
    since: Mono,
}

impl Holder {
    /// Whether it makes room. The key counts for more than being there; with the same right the place
    /// is only free once nothing more comes, from whatever address: two encoders behind one NAT would
    /// displace each other for ever.
    fn gives_way_to(&self, applicant: &Applicant, now: Mono) -> bool {
        match (self.by_key, applicant.by_key) {
            (false, true) => true,
            (true, false) => false,
            _ => now.since(self.heard) >= Duration::from_millis(PUBLISHER_STALE_MS),
        }
    }
}

/// The place, taken; given back when dropped.
pub struct Claim {
    publishers: Rc<Publishers>,
    id: u64,
    replaced: Listener,
}

impl Claim {
    /// Whether nobody has taken over.
    fn is_held(&self) -> bool {
        self.publishers.holder.borrow().as_ref().is_some_and(|holder| holder.id == self.id)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.is_held() {
            self.publishers.holder.replace(None);
        }
    }
}

impl Publishers {
    /// Gives the place to who wants it, unless another is live. Who had it is told to go.
    pub fn claim(
        self: &Rc<Self>,
        applicant: &Applicant,
        programme: &Programme,
        now: Mono,
    ) -> Option<Claim> {
        let mut holder = self.holder.borrow_mut();
        if holder.as_ref().is_some_and(|holder| !holder.gives_way_to(applicant, now)) {
            return None;
        }
        let Applicant { id, peer, agent, by_key, is_encrypted } = applicant;
        let how = if *is_encrypted { "publishes by RTMPS" } else { "publishes" };
        self.say(format_args!("publisher {id} {peer} {how} ({agent})"));
        let replaced = Rc::<Bell>::default();
        let claim = Claim { publishers: Rc::clone(self), id: *id, replaced: replaced.listen() };
        let fresh = Holder {
            id: *id,
            by_key: *by_key,
            heard: now,
            replaced,
            address: text(peer),
            agent: text(agent),
            is_encrypted: *is_encrypted,
            since: now,
        };
        if let Some(gone) = holder.replace(fresh) {
            gone.replaced.ring();
        }
        self.entry.restart(programme, now);
        self.session_left_out.set(0);
        self.bytes_in.set(0);
        Some(claim)
    }

    /// One was refused for a wrong or missing key.
    pub fn refused_key(&self) {
        self.refused_key.set(self.refused_key.get() + 1);
    }

    /// Finds out why what is published is not on air; `refused`: why somebody who wanted to
    /// publish was refused just now.
    pub fn look(&self, refused: Option<Why>, air: Air, now: Mono) {
        self.entry.look(self.holder.borrow().is_some(), refused, air, now);
    }

    /// Its state.
    pub fn status(&self, now: Mono) -> PublisherStatus {
        let intake = self.entry.intake();
        let [reason, sound_reason] = self.entry.reasons();
        let holder = self.holder.borrow();
        let absent = PublisherStatus {
            reason,
            sound_reason,
            refused_key: self.refused_key.get(),
            ..Default::default()
        };
        let Some(Holder { address, agent, is_encrypted, since, .. }) = &*holder else {
            return absent;
        };
        PublisherStatus {
            present: true,
            address: address.clone(),
            agent: agent.clone(),
            encrypted: *is_encrypted,
            since: *since,
            bytes: intake.bytes(),
            bytes_in: self.bytes_in.get(),
            bps: intake.bps(now),
            video: intake.video().cloned(),
            audio: intake.audio().cloned(),
            detail: intake.detail(),
            left_out: intake.left_out() + self.session_left_out.get(),
            ..absent
        }
    }

    fn heard(&self, now: Mono) {
        if let Some(holder) = &mut *self.holder.borrow_mut() {
            holder.heard = now;
        }
    }

    fn say(&self, words: impl fmt::Display) {
        match self.arrivals.borrow_mut().say(clock::mono()) {
            Some(0) => info!("{words}"),
            Some(more) => info!("{words} ({more} more like this were not logged)"),
            None => {}
        }
    }
}

/// Why a publication ended.
enum PublicationEnd {
    /// The connection.
    Left(LinkEnd),
    /// The publisher said so.
    Stopped,
    /// We did.
    Ended(Ending),
}

impl From<LinkEnd> for PublicationEnd {
    fn from(end: LinkEnd) -> PublicationEnd {
        PublicationEnd::Left(end)
    }
}

impl fmt::Display for PublicationEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublicationEnd::Left(end) => write!(f, "{end}"),
            PublicationEnd::Stopped => write!(f, "it stopped publishing"),
            PublicationEnd::Ended(Ending::TakenOver) => write!(f, "another publisher took over"),
            PublicationEnd::Ended(Ending::Idle) => {
                write!(f, "it sent no media for {MEDIA_IDLE_MS_MAX} ms")
            }
            PublicationEnd::Ended(Ending::Shutdown) => write!(f, "the program is stopping"),
        }
    }
}

/// Feeds the programme from a publisher whose session has just accepted it, until that is over.
/// Returns the connection if there is somebody who should still be told why.
pub async fn publish(
    claim: Claim,
    programme: &Programme,
    shutdown: &Shutdown,
    link: Link,
    session: ServerSession,
) -> Option<(Link, ServerSession)> {
    let allowance = Allowance::new(MEDIA_BPS_MAX, MEDIA_BURST_BYTES_MAX);
    let mut publication = Publication { claim, programme, link, session, allowance };
    let end = match publication.run(shutdown).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    let Publication { claim, link, mut session, .. } = publication;
    let Claim { publishers, id, .. } = &claim;
    if claim.is_held() && !shutdown.is_asked() {
        publishers.entry.leave(programme, clock::mono());
    }
    publishers.say(format_args!("publisher {id} left: {end}"));
    match end {
        PublicationEnd::Left(_) => None,
        PublicationEnd::Stopped => Some((link, session)),
        PublicationEnd::Ended(ending) => {
            session.end_publish(ending).is_ok().then_some((link, session))
        }
    }
}

/// A publisher that publishes.
struct Publication<'p> {
    claim: Claim,
    programme: &'p Programme,
    link: Link,
    session: ServerSession,
    allowance: Allowance,
}

impl Publication<'_> {
    async fn run(
        &mut self,
        shutdown: &Shutdown,
    ) -> Result<std::convert::Infallible, PublicationEnd> {
        loop {
            let blocked = !self.link.flush(&mut self.session)?;
            let wake = self.link.wake(Some(&mut self.claim.replaced), blocked).await;
            if shutdown.is_asked() {
                return Err(PublicationEnd::Ended(Ending::Shutdown));
            }
            if !self.claim.is_held() {
                return Err(PublicationEnd::Ended(Ending::TakenOver));
            }
            if wake == Wake::Readable {
                self.receive().await?;
            }
            self.look_at_deadlines(clock::mono())?;
        }
    }

    /// Takes what is there, at most one batch.
    async fn receive(&mut self) -> Result<(), PublicationEnd> {
        let now = clock::mono();
        let Publication { claim, programme, link, session, .. } = self;
        let publishers = &*claim.publishers;
        let received = publishers.entry.receive(link, session, programme, now);
        publishers.session_left_out.set(session.media_left_out());
        publishers.bytes_in.set(link.bytes_in());
        let count = received?;
        if count > 0 {
            publishers.heard(now);
        }
        while let Some(event) = session.event() {
            if event == ServerEvent::Stop {
                return Err(PublicationEnd::Stopped);
            }
        }
        pace(&mut self.allowance, count).await;
        Ok(())
    }

    fn look_at_deadlines(&mut self, now: Mono) -> Result<(), PublicationEnd> {
        let idle = Duration::from_millis(MEDIA_IDLE_MS_MAX);
        if now.since(self.claim.publishers.entry.intake().flowed()) >= idle {
            return Err(PublicationEnd::Ended(Ending::Idle));
        }
        if self.session.deadline().is_some_and(|deadline| deadline <= now) {
            self.session.on_deadline(now).map_err(LinkEnd::Session)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
