//! Whether a live source keeps to real time. Purpose: media that comes faster than it plays (a
//! file sent as fast as it can be read, a broken clock) is no live source: no viewer's line
//! follows it, so the standby card is to cover it until it has calmed down. Non-goal: delaying
//! anything. Bound: this struct.

use std::time::Duration;

use crate::base::limits::FRAME_TICKS_MAX;
use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::per_track::PerTrack;

/// The lead wears off by this much of the time that passes: a source that has come to its senses
/// would otherwise keep the lead it had for ever.
const WORN_PER_CENT: u32 = 125;
/// How far a lead is counted beyond the one allowed.
const EXCESS: Ticks = Ticks::from_ms(500);
/// How far a live input's media may run ahead of the clock: what a network held back may come at
/// once, a whole file may not.
const LEAD_MAX: Ticks = Ticks::from_ms(5_000);

/// How far a source's media runs ahead of the clock.
#[derive(Default)]
pub(super) struct Pace {
    lead: Ticks,
    looked: Mono,
    last: Option<Ticks>,
    /// It ran too far ahead; a key unit at a fair pace ends this.
    runs_away: bool,
    /// Nothing is let through before the next key unit.
    awaits_key: bool,
    /// Whether each track's open unit is let through.
    open: PerTrack<bool>,
    left_out: u64,
}

impl Pace {
    /// Units left out since the start.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether it runs away at the moment.
    pub(super) fn runs_away(&self) -> bool {
        self.runs_away
    }

    /// Another stream begins: nothing of it is let through before its first key unit, because some
    /// servers let a player join in the middle of a GOP.
    pub(super) fn await_key(&mut self) {
        self.awaits_key = true;
        self.last = None;
    }

    /// Judges a unit that begins at `now`.
    fn lets_in(&mut self, start: UnitStart, now: Mono) -> bool {
        let passed: Duration = now.since(self.looked) * WORN_PER_CENT / 100;
        self.looked = now;
        self.lead = (self.lead - Ticks::from_duration(passed)).max(Ticks(0));
        if start.track == Track::Video {
            let step = self.last.map_or(Ticks(0), |last| start.dts - last);
            self.last = Some(start.dts);
            // A jump of the clock is another matter: no media comes with it.
            if (1..=FRAME_TICKS_MAX).contains(&step.0) {
                self.lead = (self.lead + step).min(LEAD_MAX + EXCESS);
            }
            match self.lead > LEAD_MAX {
                true => self.runs_away = true,
                false if start.key => self.runs_away = false,
                false => {}
            }
        }
        self.awaits_key &= !start.key;
        self.left_out += u64::from(self.runs_away);
        !self.runs_away && !self.awaits_key
    }
}

/// A sink before which a source's pace is judged.
pub(super) struct Paced<'a, S> {
    /// The pace.
    pub(super) pace: &'a mut Pace,
    /// Where units go.
    pub(super) sink: &'a mut S,
    /// The time.
    pub(super) now: Mono,
}

impl<S: UnitSink> UnitSink for Paced<'_, S> {
    fn config(&mut self, config: &TrackConfig) {
        self.sink.config(config);
    }

    fn begin(&mut self, start: UnitStart) {
        let open = self.pace.lets_in(start, self.now);
        self.pace.open[start.track] = open;
        if open {
            self.sink.begin(start);
        }
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        if self.pace.open[track] {
            self.sink.write(track, bytes);
        }
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        if self.pace.open[track] {
            self.sink.patch(track, offset, bytes);
        }
    }

    fn commit(&mut self, track: Track) {
        if self.pace.open[track] {
            self.sink.commit(track);
        }
        self.pace.open[track] = false;
    }

    fn abort(&mut self, track: Track) {
        if self.pace.open[track] {
            self.sink.abort(track);
        }
        self.pace.open[track] = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_MS: i64 = 40;

    /// Sends frames `from..to`, an IDR each 25th, one every `every_us`; how many are let in.
    fn send(
        pace: &mut Pace,
        clock: &mut Mono,
        frames: std::ops::Range<i64>,
        every_us: u64,
    ) -> usize {
        let let_in = frames.filter(|frame| {
            clock.0 += every_us;
            let dts = Ticks::from_ms(frame * FRAME_MS);
            let key = frame % 25 == 0;
            pace.lets_in(UnitStart { track: Track::Video, dts, pts: dts, key }, *clock)
        });
        let_in.count()
    }

    #[test]
    fn real_time_passes_for_hours_though_the_clocks_differ() {
        let (mut pace, mut clock) = (Pace::default(), Mono(0));
        assert_eq!(send(&mut pace, &mut clock, 0..500_000, 39_000), 500_000);
        assert_eq!(pace.left_out(), 0);
    }

    #[test]
    fn what_a_network_held_back_passes_at_once() {
        let (mut pace, mut clock) = (Pace::default(), Mono(0));
        send(&mut pace, &mut clock, 0..100, 40_000);
        clock = clock + Duration::from_secs(4);
        assert_eq!(send(&mut pace, &mut clock, 100..200, 10), 100);
        assert_eq!(send(&mut pace, &mut clock, 200..1000, 40_000), 800);
    }

    #[test]
    fn a_file_sent_at_once_is_left_out_until_it_has_calmed_down() {
        let (mut pace, mut clock) = (Pace::default(), Mono(0));
        let seconds_let_in = send(&mut pace, &mut clock, 0..100_000, 100) as i64 * FRAME_MS / 1000;
        assert!((4..=5).contains(&seconds_let_in), "{seconds_let_in}");
        assert_eq!(send(&mut pace, &mut clock, 100_000..100_025, 40_000), 0);
        let later = send(&mut pace, &mut clock, 100_025..100_225, 40_000);
        assert!((75..200).contains(&later), "{later} of 200 once it plays in real time");
    }

    #[test]
    fn a_clock_that_jumps_brings_no_media() {
        let (mut pace, mut clock) = (Pace::default(), Mono(0));
        for round in 0..100 {
            let from = round % 2 * 1_000_000;
            assert_eq!(send(&mut pace, &mut clock, from..from + 5, 40_000), 5);
        }
    }
}
