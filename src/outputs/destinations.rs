//! Destinations: platforms the programme is pushed to. Purpose: each is one task that lasts as
//! long as the program. Non-goals: a single try (push), trying again (retry), what is known of it
//! (record). Bound: one connection per destination.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use log::{debug, info, warn};
use smol::future::{pending, FutureExt};

use crate::base::time::Mono;
use crate::config::{Destination as Config, OnWarning};
use crate::net::retry::Retry;
use crate::net::tls::Authorities;
use crate::operator::platforms;
use crate::operator::record::{Record, WorkPhase};
use crate::operator::snapshot::{text, DestinationState, DestinationStatus, ProgrammeStatus};
use crate::program::bell::Bell;
use crate::program::Programme;
use crate::rtmp::url::RtmpUrl;
use crate::system::clock;
use crate::system::shutdown::Shutdown;

use super::hold_back::{HoldBack, HoldTurn};
use super::push::push;

/// One platform.
pub struct PushDestination {
    config: Config,
    authorities: Rc<Authorities>,
    record: Rc<RefCell<Record>>,
    /// Its backup address is the one in use.
    on_backup: Cell<bool>,
    hold_back: RefCell<HoldBack>,
    /// Rings when it is held back or released.
    turned: Rc<Bell>,
}

impl PushDestination {
    /// A destination that has not been tried yet.
    pub fn new(config: Config, authorities: Rc<Authorities>) -> PushDestination {
        let record = Rc::new(RefCell::new(Record::new(clock::mono())));
        PushDestination::with(config, authorities, record)
    }

    /// The same under another configuration, or for another session: what is known of it stays.
    pub fn after(config: Config, before: &PushDestination) -> PushDestination {
        let (authorities, record) = (Rc::clone(&before.authorities), Rc::clone(&before.record));
        PushDestination::with(config, authorities, record)
    }

    fn with(
        config: Config,
        authorities: Rc<Authorities>,
        record: Rc<RefCell<Record>>,
    ) -> PushDestination {
        let (on_backup, hold_back, turned) = Default::default();
        PushDestination { config, authorities, record, on_backup, hold_back, turned }
    }

    /// Looks whether the programme is one for it.
    pub fn look(&self, programme: &ProgrammeStatus, now: Mono) {
        let Config { name, url, enabled, on_warning, .. } = &self.config;
        if !enabled || *on_warning == OnWarning::Warn {
            return;
        }
        let objection = platforms::objections(url, programme).into_iter().next();
        let turn = self.hold_back.borrow_mut().look(objection.map(|it| it.words), now);
        let Some(turn) = turn else { return };
        match (turn, self.hold_back.borrow().reason()) {
            (HoldTurn::Held, Some(why)) => warn!("destination {name}: held back: {why}"),
            _ => info!("destination {name}: the programme fits"),
        }
        self.turned.ring();
    }

    /// Pushes until the program ends.
    pub async fn run(&self, programme: &Programme, shutdown: &Shutdown) {
        if !self.config.enabled {
            return;
        }
        let who = format!("destination {}", self.config.name);
        let hidden = [self.config.key.secret()];
        let retry = Retry { who: &who, hidden: &hidden, record: &self.record };
        match self.config.on_warning {
            OnWarning::Warn => self.push(&retry, programme, shutdown).await,
            OnWarning::Hold => self.push_what_fits(&retry, programme, shutdown).await,
        }
        info!("{who}: ended");
    }

    async fn push(&self, retry: &Retry<'_>, programme: &Programme, shutdown: &Shutdown) {
        let push = || async {
            let (config, url) = (&self.config, self.address());
            let ended =
                push(config, url, &self.authorities, &self.record, programme, shutdown).await;
            self.choose_address();
            ended
        };
        retry.run(shutdown, push).await;
    }

    /// Pushes as long as the programme fits, again and again.
    async fn push_what_fits(&self, retry: &Retry<'_>, programme: &Programme, shutdown: &Shutdown) {
        let enter = |phase| self.record.borrow_mut().enter(phase, clock::mono());
        while !shutdown.is_asked() {
            if !self.hold_back.borrow().fits() {
                enter(WorkPhase::Held);
                self.until_fits(true).or(shutdown.asked()).await;
                continue;
            }
            let session = Shutdown::default();
            let end = async {
                self.until_fits(false).or(shutdown.asked()).await;
                session.ask();
                pending().await
            };
            self.push(retry, programme, &session).or(end).await;
        }
        enter(WorkPhase::Idle);
    }

    /// Waits until the programme fits, or until it does not.
    async fn until_fits(&self, wished: bool) {
        let mut listener = self.turned.listen();
        while self.hold_back.borrow().fits() != wished {
            listener.heard().await;
        }
    }

    /// The address in use.
    fn address(&self) -> &RtmpUrl {
        let backup = self.config.backup_url.as_ref().filter(|_| self.on_backup.get());
        backup.unwrap_or(&self.config.url)
    }

    /// Chooses the address of the next try behind one that has ended: where nothing flowed for long, the
    /// other; else the first.
    fn choose_address(&self) {
        let Some(backup) = &self.config.backup_url else { return };
        let failed = !self.record.borrow().was_steady();
        let next = failed && !self.on_backup.get();
        if self.on_backup.replace(next) != next {
            let url = if next { backup } else { &self.config.url };
            debug!("destination {}: the next try is with {url}", self.config.name);
        }
    }

    /// Its state.
    pub fn status(&self, now: Mono) -> DestinationStatus {
        let (name, url) = (text(&self.config.name), text(self.address()));
        self.record.borrow_mut().sample(now);
        let mut status = self.record.borrow().status(name, url, now);
        if status.state == DestinationState::Held {
            status.detail = self.hold_back.borrow().reason().map(text).unwrap_or_default();
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use smol::future::zip;

    use super::*;
    use crate::config::Reconnect;
    use crate::net::reactor::{self, Sleep};
    use crate::operator::platforms::pasted;
    use crate::program::ring::{Capacity, Ring};
    use crate::program::switcher::{FillAudio, Switcher};

    async fn until(destination: &PushDestination, state: DestinationState) -> DestinationStatus {
        let begun = clock::mono();
        loop {
            let status = destination.status(clock::mono());
            if status.state == state {
                return status;
            }
            let waited = clock::mono().since(begun);
            assert!(waited < Duration::from_secs(10), "{:?} instead of {state:?}", status.state);
            Sleep::after(Duration::from_millis(1)).await;
        }
    }

    #[test]
    fn a_programme_that_does_not_fit_is_held_back_until_it_does() {
        // It takes connections and says nothing.
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("rtmp://{}/app", server.local_addr().unwrap());
        let (url, key) = pasted::address(&url, Some("key_of_a_test")).unwrap();
        let (name, on_warning) = ("held".to_owned(), OnWarning::Hold);
        let config = Config {
            name,
            url,
            backup_url: None,
            key,
            enabled: true,
            reconnect: Reconnect::default(),
            on_warning,
            is_environments: false,
        };
        let destination = PushDestination::new(config, Rc::default());
        let capacity = Capacity {
            video_bytes: 1 << 20,
            audio_bytes: 1 << 16,
            units: 256,
            unit_bytes_max: 1 << 19,
        };
        let switcher =
            Switcher::new(Ring::new(capacity), Duration::from_millis(500), FillAudio::No);
        let (programme, shutdown) = (Programme::new(switcher), Shutdown::default());
        let look = |keyframe_interval_ms, s: u64| {
            let seen = ProgrammeStatus {
                keyframe_interval_ms: Some(keyframe_interval_ms),
                ..ProgrammeStatus::default()
            };
            destination.look(&seen, Mono::from_ms(s * 1000));
        };
        let operator = async {
            let unseen = until(&destination, DestinationState::Held).await;
            assert_eq!(unseen.detail.as_str(), "");
            look(12_000, 0);
            let held = until(&destination, DestinationState::Held).await;
            assert!(held.detail.starts_with("Key frames are 12.0 s apart"), "{}", held.detail);
            for begin in [1, 101] {
                look(2_000, begin);
                look(2_000, begin + 10);
                until(&destination, DestinationState::Connecting).await;
                look(12_000, begin + 50);
                look(12_000, begin + 60);
                until(&destination, DestinationState::Held).await;
            }
            shutdown.ask();
        };
        reactor::run(zip(destination.run(&programme, &shutdown), operator));
        assert_eq!(destination.status(clock::mono()).state, DestinationState::Idle);
    }
}
