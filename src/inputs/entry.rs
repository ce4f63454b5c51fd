//! Where the media of a connection enters the programme. Purpose: what a publisher and a pull do
//! alike: feed what has come, one batch per read, and let what comes too fast wait. Non-goals: who
//! may send, what a session's events mean, deadlines. Bound: one intake.

use std::cell::{Ref, RefCell};
use std::fmt;
use std::time::Duration;

use log::warn;
use smol::future::yield_now;

use crate::base::rate::Allowance;
use crate::base::time::Mono;
use crate::program::switcher::Source;
use crate::program::Programme;
use crate::rtmp::Session;
use crate::system::clock;
use crate::system::link::{Link, LinkEnd};
use crate::system::reactor::Sleep;

use super::intake::Intake;
use super::log_cut;

/// Pause of a peer that sends more than is taken.
const FLOOD_PAUSE: Duration = Duration::from_millis(20);

/// The place of one source, whose connections come and go.
pub(super) struct Entry {
    source: Source,
    intake: RefCell<Intake>,
}

impl Entry {
    /// Nothing has come.
    pub(super) fn new(source: Source) -> Entry {
        Entry { source, intake: RefCell::new(Intake::new()) }
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

    /// Feeds what is there, at most one batch, from a peer the log calls `who`. Returns how many
    /// bytes have come.
    ///
    /// # Errors
    /// The connection's end; what came before it was fed.
    pub(super) fn receive(
        &self,
        link: &Link,
        session: &mut impl Session,
        programme: &Programme,
        now: Mono,
        who: impl fmt::Display,
    ) -> Result<usize, LinkEnd> {
        let mut received = Ok(0);
        let mut intake = self.intake.borrow_mut();
        log_cut(programme.feed(self.source, now, |sink| {
            received = link.receive_media(session, now, &mut intake.feed(sink, now));
        }));
        if let Some(words) = intake.news() {
            warn!("{who}: {words}");
        }
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
