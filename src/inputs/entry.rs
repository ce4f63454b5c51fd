//! Where the media of a connection enters the programme. Purpose: what a publisher and a pull do
//! alike: feed what has come, one batch per read, and let what comes too fast wait. Non-goals: who
//! may send, what a session's events mean, deadlines. Bound: one intake.

use std::cell::{Ref, RefCell};
use std::time::Duration;

use smol::future::yield_now;

use crate::base::rate::Allowance;
use crate::base::time::Mono;
use crate::net::link::{Link, LinkEnd};
use crate::net::reactor::Sleep;
use crate::operator::reason::{Reason, ReasonWatch, Why};
use crate::program::source::Source;
use crate::program::Programme;
use crate::rtmp::RtmpSession;
use crate::system::clock;

use super::diagnosis::{self, Air};
use super::intake::Intake;
use super::{log_cut, log_reason};

/// Pause of a peer that sends more than is taken.
const FLOOD_PAUSE: Duration = Duration::from_millis(20);

/// The place of one source, whose connections come and go.
pub(super) struct SourceEntry {
    source: Source,
    intake: RefCell<Intake>,
    /// Why it is not on air, and why its sound is not.
    reasons: RefCell<[ReasonWatch; 2]>,
}

impl SourceEntry {
    /// Nothing has come.
    pub(super) fn new(source: Source) -> SourceEntry {
        SourceEntry { source, intake: RefCell::new(Intake::new()), reasons: RefCell::default() }
    }

    /// Finds the reasons why what comes is not on air. Without a connection, `otherwise` is the
    /// reason.
    pub(super) fn look(&self, connected: bool, otherwise: Option<Why>, air: Air, now: Mono) {
        let intake = self.intake.borrow();
        let facts = intake.facts(self.source);
        let (picture, sound) = match connected {
            true => (diagnosis::rtmp(&facts, air, now), diagnosis::rtmp_sound(&facts, now)),
            false => (otherwise, None),
        };
        let [on_air, heard] = &mut *self.reasons.borrow_mut();
        let source = self.source.name();
        log_reason(source, "cannot be put on air", on_air.look(now, picture));
        log_reason(source, "its sound is left out", heard.look(now, sound));
    }

    /// Why it is not on air, and why its sound is not.
    pub(super) fn reasons(&self) -> [Option<Reason>; 2] {
        let [on_air, heard] = &*self.reasons.borrow();
        [on_air.standing().cloned(), heard.standing().cloned()]
    }

    /// What has come.
    pub(super) fn intake(&self) -> Ref<'_, Intake> {
        self.intake.borrow()
    }

    /// Another connection's media begins.
    pub(super) fn restart(&self, programme: &Programme, now: Mono) {
        let mut intake = self.intake.borrow_mut();
        log_cut(programme.feed(self.source, now, |sink| {
            intake.restart(sink, now);
            sink.restart();
        }));
    }

    /// Nothing more comes, which is certain: the connection has said goodbye or is closed.
    pub(super) fn leave(&self, programme: &Programme, now: Mono) {
        let mut intake = self.intake.borrow_mut();
        log_cut(programme.feed(self.source, now, |sink| {
            intake.restart(sink, now);
            sink.leave();
        }));
    }

    /// Media may come from now on.
    pub(super) fn expect(&self, now: Mono) {
        self.intake.borrow_mut().expect(now);
    }

    /// Feeds what is there, at most one batch. Returns how many bytes have come.
    ///
    /// # Errors
    /// The connection's end; what came before it was fed.
    pub(super) fn receive(
        &self,
        link: &Link,
        session: &mut impl RtmpSession,
        programme: &Programme,
        now: Mono,
    ) -> Result<usize, LinkEnd> {
        let mut received = Ok(0);
        let mut intake = self.intake.borrow_mut();
        log_cut(programme.feed(self.source, now, |sink| {
            received = link.receive_media(session, now, &mut intake.feed(sink, now));
        }));
        received
    }
}

/// Lets the readers go first after so many bytes; what comes too fast waits in its socket.
pub(super) async fn pace(allowance: &mut Allowance, bytes: usize) {
    yield_now().await;
    while !allowance.take(clock::mono(), bytes as u64) {
        Sleep::after(FLOOD_PAUSE).await;
    }
}
