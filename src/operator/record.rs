//! What is known of a connection we make. Purpose: its state comes from bytes that flow, not from
//! having connected: a push that sat at 0 kbit/s for eight hours was shown as streaming (MiBeeNvr
//! #429). Pure: `now` comes in. Bound: this struct.

use std::time::Duration;

use crate::base::history::History;
use crate::base::rate::Rate;
use crate::base::time::Mono;

use super::snapshot::{text, DestinationState, DestinationStatus, Text};
use crate::base::backoff::FailureReason;

/// A destination whose last byte left longer ago than this is not live.
const FLOWING_MS_MAX: u64 = 2_000;
/// Media that flowed this long make the next failure a new one.
const STEADY_MS_MIN: u64 = 10_000;
/// How often a failure that goes on is logged again.
const TELL_AGAIN_MS_MIN: u64 = 60_000;

/// Where the work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkPhase {
    /// Switched off, or ended.
    Idle,
    /// Not pushed to until the programme fits.
    Held,
    /// Look-up, connect, handshake, publish.
    Connecting,
    /// The server has agreed to be pushed to, or to be played.
    Agreed,
    /// The next try is at `until`.
    Waiting {
        /// When.
        until: Mono,
        /// Why the last one ended.
        reason: FailureReason,
    },
}

/// The record of a destination or a pull.
pub struct Record {
    phase: WorkPhase,
    since: Mono,
    detail: Text,
    /// When `detail` was last news.
    told: Mono,
    bytes: u64,
    rate: Rate,
    history: History,
    /// First and last time media flowed since the server agreed.
    flow: Option<(Mono, Mono)>,
    sessions: u64,
    skips: u64,
    late: u64,
    lag_ms: u64,
}

impl Record {
    /// Nothing was tried yet.
    pub fn new(now: Mono) -> Record {
        Record {
            phase: WorkPhase::Idle,
            since: now,
            detail: Text::new(),
            told: Mono::default(),
            bytes: 0,
            rate: Rate::default(),
            history: History::default(),
            flow: None,
            sessions: 0,
            skips: 0,
            late: 0,
            lag_ms: 0,
        }
    }

    /// Another phase begins.
    pub fn enter(&mut self, phase: WorkPhase, now: Mono) {
        if phase == WorkPhase::Connecting {
            self.flow = None;
        }
        self.phase = phase;
        self.since = now;
    }

    /// Media has passed; returns whether it went live with that.
    pub fn flowed(&mut self, bytes: u64, now: Mono) -> bool {
        let (first, is_first) = self.flow.map_or((now, true), |(first, _)| (first, false));
        self.flow = Some((first, now));
        self.bytes += bytes;
        self.rate.add(now, bytes);
        if is_first {
            self.sessions += 1;
        }
        is_first
    }

    /// Remembers the bit rate, now and then.
    pub fn sample(&mut self, now: Mono) {
        let bps = self.rate.bps(now);
        self.history.take(now, bps);
    }

    /// How far it lies behind, and how often it was skipped forward since the last time. Returns
    /// all the skips there were, if it was.
    pub fn lags(&mut self, lag_ms: u64, fresh_skips: u64) -> Option<u64> {
        self.lag_ms = lag_ms;
        self.skips += fresh_skips;
        (fresh_skips > 0).then_some(self.skips)
    }

    /// So many more units came too late for the order of time.
    pub fn was_late(&mut self, fresh: u64) {
        self.late += fresh;
    }

    /// A try has ended for this reason. Returns whether that is news: a platform that is away for
    /// a night is, once a minute, not with every try.
    pub fn failed(&mut self, words: Text, now: Mono) -> bool {
        let again = Duration::from_millis(TELL_AGAIN_MS_MIN);
        let is_news = words != self.detail || now.since(self.told) >= again;
        if is_news {
            self.told = now;
        }
        self.detail = words;
        is_news
    }

    /// Whether media flowed long enough for the next failure to be a new one. A server that takes
    /// a publisher and drops it at once must not be knocked at without pause.
    pub fn was_steady(&self) -> bool {
        let steady = Duration::from_millis(STEADY_MS_MIN);
        self.flow.is_some_and(|(first, last)| last.since(first) >= steady)
    }

    /// What the status shows under this name and address.
    pub fn status(&self, name: Text, url: Text, now: Mono) -> DestinationStatus {
        let recent = Duration::from_millis(FLOWING_MS_MAX);
        let flows = self.flow.is_some_and(|(_, last)| now.since(last) < recent);
        let (state, retry_at) = match self.phase {
            WorkPhase::Idle => (DestinationState::Idle, None),
            WorkPhase::Held => (DestinationState::Held, None),
            WorkPhase::Agreed if flows => (DestinationState::Live, None),
            WorkPhase::Connecting | WorkPhase::Agreed => (DestinationState::Connecting, None),
            WorkPhase::Waiting { until, reason: FailureReason::Away } => {
                (DestinationState::BackingOff, Some(until))
            }
            WorkPhase::Waiting { until, reason: FailureReason::Refused } => {
                (DestinationState::Refused, Some(until))
            }
        };
        let detail = match self.phase {
            WorkPhase::Agreed if flows => Text::new(),
            WorkPhase::Agreed => text(
                "the server has accepted the stream, but no media is \
                                       flowing",
            ),
            _ => self.detail.clone(),
        };
        DestinationStatus {
            name,
            url,
            state,
            since: self.since,
            retry_at,
            detail,
            bytes_out: self.bytes,
            bps: self.rate.bps(now),
            bps_history: self.history.samples(),
            sessions: self.sessions,
            skips: self.skips,
            late: self.late,
            lag_ms: self.lag_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(record: &Record, ms: u64) -> DestinationState {
        record.status(Text::new(), Text::new(), Mono::from_ms(ms)).state
    }

    #[test]
    fn live_is_what_flows_and_nothing_else() {
        let mut record = Record::new(Mono(0));
        assert_eq!(state(&record, 0), DestinationState::Idle);
        record.enter(WorkPhase::Connecting, Mono(0));
        record.enter(WorkPhase::Agreed, Mono::from_ms(100));
        assert_eq!(state(&record, 100), DestinationState::Connecting);
        assert!(record.flowed(1000, Mono::from_ms(200)));
        assert!(!record.flowed(1000, Mono::from_ms(300)));
        assert_eq!(state(&record, 299 + FLOWING_MS_MAX), DestinationState::Live);
        assert_eq!(state(&record, 300 + FLOWING_MS_MAX), DestinationState::Connecting);
        let status = record.status(Text::new(), Text::new(), Mono::from_ms(9000));
        assert_eq!(
            status.detail.as_str(),
            "the server has accepted the stream, but no media is \
                                            flowing"
        );
        assert_eq!((status.bytes_out, status.sessions), (2000, 1));
        let until = Mono::from_ms(20_000);
        record.enter(
            WorkPhase::Waiting { until, reason: FailureReason::Refused },
            Mono::from_ms(9500),
        );
        assert_eq!(state(&record, 9500), DestinationState::Refused);
    }

    #[test]
    fn only_a_session_that_lasted_begins_the_pauses_again() {
        let mut record = Record::new(Mono(0));
        record.enter(WorkPhase::Connecting, Mono(0));
        record.flowed(1, Mono::from_ms(10));
        assert!(!record.was_steady());
        record.flowed(1, Mono::from_ms(10 + STEADY_MS_MIN));
        assert!(record.was_steady());
        record.enter(WorkPhase::Connecting, Mono::from_ms(99_000));
        assert!(!record.was_steady());
    }

    #[test]
    fn the_same_failure_is_news_once_a_minute() {
        let mut record = Record::new(Mono(0));
        let away = || text("no connection");
        let news: Vec<u64> =
            (0..200).filter(|s| record.failed(away(), Mono::from_ms(s * 1000))).collect();
        assert_eq!(news, [0, 60, 120, 180]);
        assert!(record.failed(text("refused"), Mono::from_ms(200_500)));
        record.flowed(1, Mono::from_ms(201_000));
        let dropped_at_once = record.failed(text("refused"), Mono::from_ms(202_000));
        assert!(!dropped_at_once, "a platform that takes and drops us is no news each time");
    }
}
