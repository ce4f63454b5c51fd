//! What is known of a connection we make. Purpose: its state comes from bytes that flow, not from
//! having connected: a push that sat at 0 kbit/s for eight hours was shown as streaming (MiBeeNvr
//! #429). Pure: `now` comes in. Bound: this struct.

use std::time::Duration;

use crate::base::history::{DayHistory, History};
use crate::base::rate::Rate;
use crate::base::time::Mono;

use super::snapshot::{text, DestinationState, DestinationStatus, Text};
use crate::base::backoff::FailureReason;

/// A destination whose last byte left longer ago than this is not live.
const FLOWING_MS_MAX: u64 = 2_000;
/// Media that flowed this long make the next failure a new one.
const STEADY_MS_MIN: u64 = 10_000;
/// Media that flowed this long are live: less is what a server takes before it drops a publisher.
const LIVE_MS_MIN: u64 = 500;
/// A session that the server ended this soon after it had agreed was ended at once.
const BRIEF_MS_MAX: u64 = 5_000;
/// So many such sessions in a row are a rejection.
const BRIEF_SESSIONS_MIN: u32 = 3;
/// A server that has acknowledged nothing for so long while bytes wait has stopped reading. With a
/// look each second, and a state told four times a second, that is seen within five seconds.
const NOT_READING_MS_MIN: u64 = 3_000;
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

/// What TCP knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpProgress {
    /// Bytes the peer has acknowledged.
    pub acked_bytes: u64,
    /// Some wait to be acknowledged, or to be sent.
    pub is_waiting: bool,
    /// Round-trip time, microseconds.
    pub rtt_us: u64,
    /// Segments sent again.
    pub retransmits: u64,
}

/// What TCP told last, and when it last moved.
struct TcpSeen {
    last: TcpProgress,
    moved: Mono,
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
    day: DayHistory,
    session_bytes: u64,
    tcp: Option<TcpSeen>,
    retransmits: u64,
    last_words: Text,
    /// Sessions in a row that the server ended at once.
    brief: u32,
    is_live_counted: bool,
    /// That the server has stopped reading was said.
    told_unread: bool,
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
            day: DayHistory::default(),
            session_bytes: 0,
            tcp: None,
            retransmits: 0,
            last_words: Text::new(),
            brief: 0,
            is_live_counted: false,
            told_unread: false,
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
            self.is_live_counted = false;
        }
        if phase == WorkPhase::Agreed {
            self.session_bytes = 0;
        } else {
            self.tcp = None;
        }
        self.phase = phase;
        self.since = now;
    }

    /// Media has passed; returns whether it went live with that.
    pub fn flowed(&mut self, bytes: u64, now: Mono) -> bool {
        let first = self.flow.map_or(now, |(first, _)| first);
        self.flow = Some((first, now));
        self.bytes += bytes;
        self.session_bytes += bytes;
        self.rate.add(now, bytes);
        if self.is_live_counted || !self.is_live(now) {
            return false;
        }
        self.is_live_counted = true;
        self.sessions += 1;
        true
    }

    /// Media flows, and has for long enough: a server that drops its publishers at once is believed
    /// later.
    fn is_live(&self, now: Mono) -> bool {
        let least = if self.is_rejecting() { BRIEF_MS_MAX } else { LIVE_MS_MIN };
        let (least, recent) = (Duration::from_millis(least), Duration::from_millis(FLOWING_MS_MAX));
        self.flow.is_some_and(|(first, last)| now.since(first) >= least && now.since(last) < recent)
    }

    fn is_rejecting(&self) -> bool {
        self.brief >= BRIEF_SESSIONS_MIN
    }

    /// The server, or the connection to it, has ended the try. Returns why it has, seen with the
    /// tries before.
    pub fn ended(&mut self, reason: FailureReason, now: Mono) -> FailureReason {
        let agreed = self.phase == WorkPhase::Agreed;
        let brief = now.since(self.since) < Duration::from_millis(BRIEF_MS_MAX);
        self.brief = if agreed && brief { self.brief.saturating_add(1) } else { 0 };
        match reason {
            FailureReason::Away if self.is_rejecting() => FailureReason::Rejecting,
            reason => reason,
        }
    }

    /// What TCP knows of the connection now. Returns whether the server has just been found to have
    /// stopped reading.
    pub fn tcp(&mut self, progress: TcpProgress, now: Mono) -> bool {
        let before = self.tcp.as_ref();
        let fresh = before.map_or(progress.retransmits, |seen| {
            progress.retransmits.saturating_sub(seen.last.retransmits)
        });
        let stands = before
            .filter(|seen| progress.is_waiting && seen.last.acked_bytes == progress.acked_bytes);
        let moved = stands.map_or(now, |seen| seen.moved);
        self.retransmits += fresh;
        self.tcp = Some(TcpSeen { last: progress, moved });
        let is_news = self.unread(now).is_some() && !self.told_unread;
        self.told_unread = self.unread(now).is_some();
        is_news
    }

    /// How long the server has read nothing, if that is too long.
    fn unread(&self, now: Mono) -> Option<Duration> {
        let stands = self.tcp.as_ref().filter(|seen| seen.last.is_waiting)?;
        let span = now.since(stands.moved);
        (span >= Duration::from_millis(NOT_READING_MS_MIN)).then_some(span)
    }

    /// What the server said last.
    pub fn server_said(&mut self, words: Text) {
        self.last_words = words;
    }

    /// Remembers the bit rate, now and then.
    pub fn sample(&mut self, now: Mono) {
        let bps = self.rate.bps(now);
        self.history.take(now, bps);
        self.day.take(now, self.bytes);
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
        let flows = self.is_live(now);
        let unread = self.unread(now);
        let (state, retry_at) = match self.phase {
            WorkPhase::Idle => (DestinationState::Idle, None),
            WorkPhase::Held => (DestinationState::Held, None),
            WorkPhase::Agreed if unread.is_some() => (DestinationState::Stalled, None),
            WorkPhase::Agreed if flows => (DestinationState::Live, None),
            WorkPhase::Connecting | WorkPhase::Agreed if self.is_rejecting() => {
                (DestinationState::Rejecting, None)
            }
            WorkPhase::Connecting | WorkPhase::Agreed => (DestinationState::Connecting, None),
            WorkPhase::Waiting { until, reason: FailureReason::Away } => {
                (DestinationState::BackingOff, Some(until))
            }
            WorkPhase::Waiting { until, reason: FailureReason::Refused } => {
                (DestinationState::Refused, Some(until))
            }
            WorkPhase::Waiting { until, reason: FailureReason::Rejecting } => {
                (DestinationState::Rejecting, Some(until))
            }
        };
        let detail = match (self.phase, unread) {
            (WorkPhase::Agreed, Some(span)) => text(format!(
                "the server has stopped reading: it acknowledged nothing for {} s",
                span.as_secs()
            )),
            _ if self.is_rejecting() && !flows => self.detail.clone(),
            (WorkPhase::Agreed, _) if flows => Text::new(),
            (WorkPhase::Agreed, _) => text(
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
            kbps_day: self.day.samples(),
            session_bytes: self.session_bytes,
            reconnects: self.sessions.saturating_sub(1),
            rtt_ms: self.tcp.as_ref().map(|seen| (seen.last.rtt_us / 10) as f64 / 100.0),
            retransmits: self.retransmits,
            last_words: self.last_words.clone(),
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
        assert!(!record.flowed(1000, Mono::from_ms(200)));
        assert_eq!(state(&record, 199 + LIVE_MS_MIN), DestinationState::Connecting);
        assert!(record.flowed(1000, Mono::from_ms(200 + LIVE_MS_MIN)));
        assert!(!record.flowed(0, Mono::from_ms(200 + LIVE_MS_MIN)), "live already");
        let end = 200 + LIVE_MS_MIN + FLOWING_MS_MAX;
        assert_eq!(state(&record, end - 1), DestinationState::Live);
        assert_eq!(state(&record, end), DestinationState::Connecting);
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

    /// A server that agrees, takes media for so long, and closes: states seen, and the reason.
    fn session(record: &mut Record, from_ms: u64, lasts_ms: u64) -> FailureReason {
        record.enter(WorkPhase::Connecting, Mono::from_ms(from_ms));
        record.enter(WorkPhase::Agreed, Mono::from_ms(from_ms));
        for ms in (0..lasts_ms).step_by(20) {
            record.flowed(1000, Mono::from_ms(from_ms + ms));
        }
        record.ended(FailureReason::Away, Mono::from_ms(from_ms + lasts_ms))
    }

    #[test]
    fn a_server_that_drops_at_once_three_times_is_rejecting_and_never_live() {
        let mut record = Record::new(Mono(0));
        let ends: Vec<_> = (1..=5).map(|n| session(&mut record, n * 10_000, 200)).collect();
        use FailureReason::{Away, Rejecting};
        assert_eq!(ends, [Away, Away, Rejecting, Rejecting, Rejecting]);
        let status = record.status(Text::new(), Text::new(), Mono::from_ms(50_300));
        assert_eq!((status.sessions, status.state), (0, DestinationState::Rejecting));
        // What it takes for longer than it has before is believed.
        record.enter(WorkPhase::Connecting, Mono::from_ms(60_000));
        assert_eq!(state(&record, 60_000), DestinationState::Rejecting);
        record.enter(WorkPhase::Agreed, Mono::from_ms(60_000));
        for ms in (0..=BRIEF_MS_MAX).step_by(20) {
            let is_live = record.flowed(1000, Mono::from_ms(60_000 + ms));
            assert_eq!(is_live, ms == BRIEF_MS_MAX);
        }
        assert_eq!(state(&record, 60_000 + BRIEF_MS_MAX), DestinationState::Live);
    }

    #[test]
    fn sessions_that_lasted_and_a_server_that_is_away_are_no_rejection() {
        let mut record = Record::new(Mono(0));
        for n in 1..20 {
            assert_eq!(session(&mut record, n * 60_000, 30_000), FailureReason::Away);
            assert!(record.was_steady());
        }
        let status = record.status(Text::new(), Text::new(), Mono::from_ms(2_000_000));
        assert_eq!((status.sessions, status.reconnects), (19, 18));
        session(&mut record, 3_000_000, 200);
        session(&mut record, 3_010_000, 200);
        record.enter(WorkPhase::Connecting, Mono::from_ms(3_020_000));
        record.ended(FailureReason::Away, Mono::from_ms(3_020_100));
        assert_eq!(session(&mut record, 3_030_000, 200), FailureReason::Away);
    }

    #[test]
    fn a_server_that_stops_reading_is_seen_within_five_seconds() {
        let mut record = Record::new(Mono(0));
        record.enter(WorkPhase::Agreed, Mono(0));
        let mut acked_bytes = 0;
        let mut seen_at = None;
        for ms in (0..20_000).step_by(250) {
            let now = Mono::from_ms(ms);
            if ms <= 8_100 {
                acked_bytes += 10_000;
                record.flowed(10_000, now);
            }
            if ms % 1000 == 0 {
                let (rtt_us, retransmits) = (1_234, ms / 1000);
                let progress = TcpProgress { acked_bytes, is_waiting: true, rtt_us, retransmits };
                if record.tcp(progress, now) {
                    assert_eq!(seen_at.replace(ms), None, "said once");
                }
            }
            if (LIVE_MS_MIN..8_000).contains(&ms) {
                assert_eq!(state(&record, ms), DestinationState::Live);
            }
        }
        assert!(seen_at.is_some_and(|ms| ms > 8_000 && ms <= 13_000), "{seen_at:?}");
        let status = record.status(Text::new(), Text::new(), Mono::from_ms(20_000));
        assert_eq!(status.state, DestinationState::Stalled);
        assert_eq!((status.rtt_ms, status.retransmits), (Some(1.23), 19));
        assert!(status.detail.starts_with("the server has stopped reading"), "{}", status.detail);
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
