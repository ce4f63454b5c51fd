//! The rhythm in which a source delivers. Purpose: silence is judged against the pauses this
//! source makes, not against a number alone. SRS forwards its queue every 500 ms, a relay behind
//! Wi-Fi stalls now and then, slides come every few seconds: none of them is dead in between.
//! Non-goal: goodbyes, which are certain at once. Bound: [`GAPS_MAX`] pauses.
//!
//! A source is waited for half as long again as its longest regular pause, [`PATIENCE_MAX`] at
//! most, and never less than `programme.silence_ms`. A pause is regular if
//!
//! - the media that has just come lasts so much longer than it took to come: a burst of a second is
//!   followed by a second of nothing, from the first burst on. One picture counts for no more than
//!   the pause before it, several for [`BURST_MAX`]: a film sent at once is no burst;
//! - the stream's own parameters say that a picture lasts so long;
//! - at least two such pauses make up most of the time in which they fell; or
//! - the source is connected by TCP, where a stall loses nothing and an end is announced, and two
//!   such pauses of [`STALL_MAX`] at most fell into the last [`STALLS_SPAN`].

use std::time::Duration;

use crate::base::time::{Mono, Ticks};

/// Pauses remembered.
const GAPS_MAX: usize = 8;
/// Shorter pauses are no matter: `programme.silence_ms` is longer.
const GAP_MIN: Duration = Duration::from_millis(80);
/// A pause longer than this is an outage: slides at 0.2 a second, and some jitter.
const GAP_MAX: Duration = Duration::from_millis(5_500);
/// Half as long again as the longest regular pause.
const PATIENCE_MAX: Duration = Duration::from_millis(8_250);
/// What comes this soon after one another is one burst: less than a frame at 50 per second.
const BURST_PAUSE: Duration = Duration::from_millis(15);
/// The longest media of several pictures that is one burst.
const BURST_MAX: Duration = Duration::from_secs(2);
const STALL_MAX: Duration = Duration::from_millis(1_500);
const STALLS_SPAN: Duration = Duration::from_secs(20);
/// Of a connection nothing is known at first, and its first burst may be a part of one: pauses of
/// a second are waited for.
const FIRST_PATIENCE: Duration = Duration::from_millis(1_250);
const FIRST_SPAN: Duration = Duration::from_secs(3);
/// A first picture without sound tells nothing of the next, whatever rate its parameters state:
/// cameras that send one in five seconds state 30 a second. Covered before it, the source would be
/// off air until its next key frame.
pub(super) const AFTER_ONE_PICTURE: Duration = PATIENCE_MAX;

/// How a source delivers.
#[derive(Default)]
pub(super) struct Rhythm {
    /// It is connected by TCP.
    connected: bool,
    first: Mono,
    /// When the last byte came.
    last: Option<Mono>,
    /// Pauses, and when they ended; the oldest first.
    gaps: heapless::Deque<(Mono, Duration), GAPS_MAX>,
    /// The newest video unit's time, and what it was when the last burst began.
    media: Option<Ticks>,
    burst_from: Option<Ticks>,
    /// When that burst began, the pause before it, and the pictures in it.
    burst_at: Mono,
    burst_gap: Duration,
    burst_units: u32,
    /// How long a picture lasts by the stream's parameters; 0: they do not say.
    nominal: Duration,
}

impl Rhythm {
    /// That of a source of which nothing has come.
    pub(super) fn new(connected: bool) -> Rhythm {
        Rhythm { connected, ..Rhythm::default() }
    }

    /// How long something of it has come.
    pub(super) fn lasts(&self, now: Mono) -> Duration {
        self.last.map_or(Duration::ZERO, |_| now.since(self.first))
    }

    /// When the last byte came.
    pub(super) fn last(&self) -> Option<Mono> {
        self.last
    }

    /// Bytes come.
    pub(super) fn came(&mut self, now: Mono) {
        let Some(last) = self.last.replace(now) else {
            (self.first, self.burst_at) = (now, now);
            return;
        };
        let gap = now.since(last);
        if gap >= BURST_PAUSE {
            self.burst_from = self.media;
            (self.burst_at, self.burst_gap, self.burst_units) = (now, gap, 0);
        }
        if (GAP_MIN..=GAP_MAX).contains(&gap) {
            if self.gaps.is_full() {
                self.gaps.pop_front();
            }
            // There is room.
            let _ = self.gaps.push_back((now, gap));
        }
    }

    /// A video unit of this time comes.
    pub(super) fn video(&mut self, dts: Ticks, now: Mono) {
        self.came(now);
        self.burst_from.get_or_insert(dts);
        self.burst_units = self.burst_units.saturating_add(1);
        self.media = Some(dts);
    }

    /// The stream's parameters tell its frame rate; 0: they do not.
    pub(super) fn configured(&mut self, frames_per_s: f64) {
        let lasts = Duration::try_from_secs_f64(1.0 / frames_per_s).unwrap_or_default();
        self.nominal = if lasts <= GAP_MAX { lasts } else { Duration::ZERO };
    }

    /// How long after the last byte the source is silent, where one that delivers without a pause
    /// is after `silence`.
    pub(super) fn patience(&self, silence: Duration) -> Duration {
        let gap = self.regular().max(self.brought()).max(self.nominal);
        // Datagrams say no goodbye: a sender that flows again is not waited for as one that pauses.
        let gap = match self.connected || self.burst_gap.is_zero() {
            true => gap,
            false => gap.min(self.burst_gap * 5 / 4),
        };
        let regular = (gap * 3 / 2).min(PATIENCE_MAX);
        let is_new = self.last.is_none_or(|last| last.since(self.first) < FIRST_SPAN);
        let first = if self.connected && is_new { FIRST_PATIENCE } else { Duration::ZERO };
        silence.max(regular).max(first)
    }

    /// How much longer the media of the last burst lasts than it took to come.
    fn brought(&self) -> Duration {
        let span = self.media.zip(self.burst_from).map_or(Ticks(0), |(media, from)| media - from);
        let took = self.last.map_or(Duration::ZERO, |last| last.since(self.burst_at));
        let (ahead, most) = match self.burst_units {
            0 | 1 => (span.to_duration().min(self.burst_gap), GAP_MAX),
            _ => (span.to_duration().saturating_sub(took), BURST_MAX),
        };
        Some(ahead).filter(|ahead| *ahead <= most).unwrap_or_default()
    }

    /// The longest regular pause.
    fn regular(&self) -> Duration {
        let Some(last) = self.last else { return Duration::ZERO };
        let mut longest = [Duration::ZERO; 2];
        let (mut sum, mut regular) = (Duration::ZERO, Duration::ZERO);
        for &(end, gap) in self.gaps.iter().rev() {
            sum += gap;
            longest = match longest {
                [most, _] if gap > most => [gap, most],
                [most, second] => [most, second.max(gap)],
            };
            let [most, second] = longest;
            // Two of one kind, give or take a fifth.
            let twice = if second * 5 >= most * 4 { most } else { second };
            let age = last.since(end);
            let rules = sum * 2 >= age + gap;
            let stalls = self.connected && twice <= STALL_MAX && age <= STALLS_SPAN;
            if second > Duration::ZERO && (rules || stalls) {
                regular = regular.max(twice);
            }
        }
        regular
    }
}

#[cfg(test)]
#[path = "rhythm_tests.rs"]
mod tests;
