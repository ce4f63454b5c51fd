//! Destinations: platforms the programme is pushed to. Purpose: each is one task that lasts as
//! long as the program. Non-goals: a single try (push), trying again (retry), what is known of it
//! (record). Bound: one connection per destination.

use std::cell::RefCell;
use std::rc::Rc;

use log::info;

use crate::base::time::Mono;
use crate::config::Destination as Config;
use crate::net::retry::Retry;
use crate::net::tls::Authorities;
use crate::operator::record::Record;
use crate::operator::snapshot::{text, DestinationStatus};
use crate::program::Programme;
use crate::system::clock;
use crate::system::shutdown::Shutdown;

use super::push::push;

/// One platform.
pub struct PushDestination {
    config: Config,
    authorities: Rc<Authorities>,
    record: Rc<RefCell<Record>>,
}

impl PushDestination {
    /// A destination that has not been tried yet.
    pub fn new(config: Config, authorities: Rc<Authorities>) -> PushDestination {
        let record = Rc::new(RefCell::new(Record::new(clock::mono())));
        PushDestination { config, authorities, record }
    }

    /// The same under another configuration, or for another session: what is known of it stays.
    pub fn after(config: Config, before: &PushDestination) -> PushDestination {
        let (authorities, record) = (Rc::clone(&before.authorities), Rc::clone(&before.record));
        PushDestination { config, authorities, record }
    }

    /// Pushes until the program ends.
    pub async fn run(&self, programme: &Programme, shutdown: &Shutdown) {
        if !self.config.enabled {
            return;
        }
        let who = format!("destination {}", self.config.name);
        let hidden = [self.config.key.secret()];
        let retry = Retry { who: &who, hidden: &hidden, record: &self.record };
        let push = || push(&self.config, &self.authorities, &self.record, programme, shutdown);
        retry.run(shutdown, push).await;
        info!("{who}: ended");
    }

    /// Its state.
    pub fn status(&self, now: Mono) -> DestinationStatus {
        let (name, url) = (text(&self.config.name), text(&self.config.url));
        self.record.borrow_mut().sample(now);
        self.record.borrow().status(name, url, now)
    }
}
