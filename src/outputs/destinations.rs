//! Destinations: platforms the programme is pushed to. Purpose: each is one task that tries,
//! pauses, and tries again. Its state comes from bytes that flow, not from having connected
//! (MiBeeNvr #429). Non-goal: a single try (push). Bound: one connection per destination.

use std::cell::RefCell;
use std::time::Duration;

use async_io::Timer;
use log::{info, warn};
use smol::future::FutureExt;

use crate::base::limits::FLOWING_MS_MAX;
use crate::base::rate::Rate;
use crate::base::redact::scrub;
use crate::base::time::Mono;
use crate::program::Programme;
use crate::system::clock;
use crate::system::config::Destination as Config;
use crate::system::shutdown::Shutdown;
use crate::system::snapshot::{text, DestinationState, DestinationStatus, Text};

use super::backoff::{Backoff, Reason};
use super::push::{push, End};

/// How often a failure that goes on is logged again.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// One platform.
pub struct Destination {
    config: Config,
    state: RefCell<State>,
}

struct State {
    phase: Phase,
    since: Mono,
    detail: Text,
    /// When `detail` was last logged.
    told: Mono,
    bytes_out: u64,
    rate: Rate,
    flowed: Option<Mono>,
    sessions: u64,
    skips: u64,
    lag_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Connecting,
    Published,
    Waiting { until: Mono, reason: Reason },
}

impl Destination {
    /// A destination that has not been tried yet.
    pub fn new(config: Config) -> Destination {
        let state = State {
            phase: Phase::Idle,
            since: clock::mono(),
            detail: Text::new(),
            told: Mono::default(),
            bytes_out: 0,
            rate: Rate::default(),
            flowed: None,
            sessions: 0,
            skips: 0,
            lag_ms: 0,
        };
        Destination { config, state: RefCell::new(state) }
    }

    /// Pushes until the program ends.
    pub async fn run(&self, programme: &Programme, shutdown: &Shutdown) {
        if !self.config.enabled {
            return;
        }
        let mut backoff = Backoff::new(fastrand::Rng::new());
        while !shutdown.is_asked() {
            self.enter(Phase::Connecting);
            let sessions = self.state.borrow().sessions;
            let end = match push(self, programme, shutdown).await {
                Ok(never) => match never {},
                Err(end) => end,
            };
            if matches!(end, End::Shutdown) {
                info!("destination {}: ended", self.config.name);
                break;
            }
            if self.state.borrow().sessions > sessions {
                backoff.reset();
            }
            let reason = match end {
                End::Refused(_) => Reason::Refused,
                _ => Reason::Away,
            };
            let pause = backoff.pause(reason);
            self.tell_failure(&end, pause);
            self.enter(Phase::Waiting { until: clock::mono() + pause, reason });
            let wait = async {
                Timer::after(pause).await;
            };
            wait.or(shutdown.asked()).await;
        }
        self.enter(Phase::Idle);
    }

    /// Its state.
    pub fn status(&self, now: Mono) -> DestinationStatus {
        let state = self.state.borrow();
        let flows = state.flows(now);
        let (shown, retry_at) = match state.phase {
            Phase::Idle => (DestinationState::Idle, None),
            Phase::Published if flows => (DestinationState::Live, None),
            Phase::Connecting | Phase::Published => (DestinationState::Connecting, None),
            Phase::Waiting { until, reason: Reason::Away } => {
                (DestinationState::BackingOff, Some(until))
            }
            Phase::Waiting { until, reason: Reason::Refused } => {
                (DestinationState::Refused, Some(until))
            }
        };
        let detail = match state.phase {
            Phase::Published if flows => Text::new(),
            Phase::Published => text("published, but no media flows"),
            _ => state.detail.clone(),
        };
        DestinationStatus {
            name: text(&self.config.name),
            url: text(&self.config.url),
            state: shown,
            since: state.since,
            retry_at,
            detail,
            bytes_out: state.bytes_out,
            bps: state.rate.bps(now),
            sessions: state.sessions,
            skips: state.skips,
            lag_ms: state.lag_ms,
        }
    }

    /// Keeps and logs why a try ended. A platform that is away for a night says so once a minute,
    /// not with every try.
    fn tell_failure(&self, end: &End, pause: Duration) {
        let now = clock::mono();
        let words = text(scrub(&end.to_string(), &[self.config.key.secret()]));
        let mut state = self.state.borrow_mut();
        let is_news = words != state.detail || now.since(state.told) >= TELL_AGAIN;
        if is_news {
            let (name, pause_ms) = (&self.config.name, pause.as_millis());
            warn!("destination {name}: {words}; tried again in {pause_ms} ms");
            state.told = now;
        }
        state.detail = words;
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state.borrow_mut();
        state.phase = phase;
        state.since = clock::mono();
    }

    /// The server has agreed to be published to.
    pub(super) fn published(&self) {
        self.state.borrow_mut().flowed = None;
        self.enter(Phase::Published);
    }

    /// The socket has taken `bytes` of media.
    pub(super) fn flowed(&self, bytes: u64, now: Mono) {
        let mut state = self.state.borrow_mut();
        if state.flowed.is_none() {
            state.sessions += 1;
            state.detail.clear();
            info!("destination {}: live", self.config.name);
        }
        state.flowed = Some(now);
        state.bytes_out += bytes;
        state.rate.add(now, bytes);
    }

    /// How far it lies behind, and how often it was skipped forward.
    pub(super) fn lags(&self, lag_ms: u64, fresh_skips: u64) {
        let mut state = self.state.borrow_mut();
        state.lag_ms = lag_ms;
        state.skips += fresh_skips;
        if fresh_skips > 0 {
            let (name, skips) = (&self.config.name, state.skips);
            warn!(
                "destination {name} is too slow: skipped to the newest keyframe ({skips} so far)"
            );
        }
    }

    /// Where and what to push.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

impl State {
    fn flows(&self, now: Mono) -> bool {
        let recent = Duration::from_millis(FLOWING_MS_MAX);
        self.flowed.is_some_and(|flowed| now.since(flowed) < recent)
    }
}
