//! Destinations: platforms the programme is pushed to. Purpose: each is one task that tries,
//! pauses, and tries again. Non-goals: a single try (push), what is known of it (record). Bound:
//! one connection per destination.

use std::cell::RefCell;
use std::rc::Rc;

use log::{info, warn};
use smol::future::FutureExt;

use crate::base::redact::scrub;
use crate::base::time::Mono;
use crate::program::Programme;
use crate::system::clock;
use crate::system::config::Destination as Config;
use crate::system::reactor::Sleep;
use crate::system::shutdown::Shutdown;
use crate::system::snapshot::{text, DestinationStatus};

use super::push::{push, End};
use crate::system::backoff::{Backoff, Reason};
use crate::system::record::{Phase, Record};

/// One platform.
pub struct Destination {
    config: Config,
    record: Rc<RefCell<Record>>,
}

impl Destination {
    /// A destination that has not been tried yet.
    pub fn new(config: Config) -> Destination {
        Destination { config, record: Rc::new(RefCell::new(Record::new(clock::mono()))) }
    }

    /// The same under another configuration, or for another session: what is known of it stays.
    pub fn after(config: Config, before: &Destination) -> Destination {
        let record = Rc::clone(&before.record);
        Destination { config, record }
    }

    /// Pushes until the program ends.
    pub async fn run(&self, programme: &Programme, shutdown: &Shutdown) {
        if !self.config.enabled {
            return;
        }
        let mut backoff = Backoff::new(fastrand::Rng::new());
        while !shutdown.is_asked() {
            self.enter(Phase::Connecting);
            let end = match push(&self.config, &self.record, programme, shutdown).await {
                Ok(never) => match never {},
                Err(end) => end,
            };
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
            self.tell(&end, until);
            self.enter(Phase::Waiting { until, reason });
            let wait = async {
                Sleep::after(pause).await;
            };
            wait.or(shutdown.asked()).await;
        }
        self.enter(Phase::Idle);
        info!("destination {}: ended", self.config.name);
    }

    /// Its state.
    pub fn status(&self, now: Mono) -> DestinationStatus {
        let (name, url) = (text(&self.config.name), text(&self.config.url));
        self.record.borrow_mut().sample(now);
        self.record.borrow().status(name, url, now)
    }

    fn enter(&self, phase: Phase) {
        self.record.borrow_mut().enter(phase, clock::mono());
    }

    /// Keeps why a try ended, and logs it if it is news.
    fn tell(&self, end: &End, until: Mono) {
        let now = clock::mono();
        let words = text(scrub(&end.to_string(), &[self.config.key.secret()]));
        if self.record.borrow_mut().failed(words.clone(), now) {
            let (name, pause_ms) = (&self.config.name, until.since(now).as_millis());
            warn!("destination {name}: {words}; tried again in {pause_ms} ms");
        }
    }
}
