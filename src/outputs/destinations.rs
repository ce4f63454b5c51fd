//! Destinations: platforms the programme is pushed to. Purpose: each is one task that lasts as
//! long as the program. Non-goals: a single try (push), trying again (retry), what is known of it
//! (record). Bound: one connection per destination.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use log::{debug, info};

use crate::base::time::Mono;
use crate::config::Destination as Config;
use crate::net::retry::Retry;
use crate::net::tls::Authorities;
use crate::operator::record::Record;
use crate::operator::snapshot::{text, DestinationStatus};
use crate::program::Programme;
use crate::rtmp::url::RtmpUrl;
use crate::system::clock;
use crate::system::shutdown::Shutdown;

use super::push::push;

/// One platform.
pub struct PushDestination {
    config: Config,
    authorities: Rc<Authorities>,
    record: Rc<RefCell<Record>>,
    /// Its backup address is the one in use.
    on_backup: Cell<bool>,
}

impl PushDestination {
    /// A destination that has not been tried yet.
    pub fn new(config: Config, authorities: Rc<Authorities>) -> PushDestination {
        let record = Rc::new(RefCell::new(Record::new(clock::mono())));
        PushDestination { config, authorities, record, on_backup: Cell::default() }
    }

    /// The same under another configuration, or for another session: what is known of it stays.
    pub fn after(config: Config, before: &PushDestination) -> PushDestination {
        let (authorities, record) = (Rc::clone(&before.authorities), Rc::clone(&before.record));
        PushDestination { config, authorities, record, on_backup: Cell::default() }
    }

    /// Pushes until the program ends.
    pub async fn run(&self, programme: &Programme, shutdown: &Shutdown) {
        if !self.config.enabled {
            return;
        }
        let who = format!("destination {}", self.config.name);
        let hidden = [self.config.key.secret()];
        let retry = Retry { who: &who, hidden: &hidden, record: &self.record };
        let push = || async {
            let (config, url) = (&self.config, self.address());
            let ended =
                push(config, url, &self.authorities, &self.record, programme, shutdown).await;
            self.choose_address(&who);
            ended
        };
        retry.run(shutdown, push).await;
        info!("{who}: ended");
    }

    /// The address in use.
    fn address(&self) -> &RtmpUrl {
        let backup = self.config.backup_url.as_ref().filter(|_| self.on_backup.get());
        backup.unwrap_or(&self.config.url)
    }

    /// Chooses the address of the next try behind one that has ended: where nothing flowed for long, the
    /// other; else the first.
    fn choose_address(&self, who: &str) {
        let Some(backup) = &self.config.backup_url else { return };
        let failed = !self.record.borrow().was_steady();
        let next = failed && !self.on_backup.get();
        if self.on_backup.replace(next) != next {
            let url = if next { backup } else { &self.config.url };
            debug!("{who}: the next try is with {url}");
        }
    }

    /// Its state.
    pub fn status(&self, now: Mono) -> DestinationStatus {
        let (name, url) = (text(&self.config.name), text(self.address()));
        self.record.borrow_mut().sample(now);
        self.record.borrow().status(name, url, now)
    }
}
