//! The 33-bit clock of PTS and DTS made endless (ISO/IEC 13818-1, 2.4.3.7). Purpose: one reference
//! per programme, so that audio and video, DTS and PTS stay in one epoch through every wrap (one
//! each 26.5 hours), wherever it falls. Non-goals: PCR; judging jumps, which the programme's
//! timeline does. Bound: a jump of more than 13 hours is taken for one the other way.

use super::pes::PesTimes;
use crate::base::limits::COMPOSITION_TICKS_MAX;
use crate::base::time::Ticks;

/// The clock's period, 2^33 ticks.
pub(super) const PERIOD: i64 = 1 << 33;

/// The programme's clock.
#[derive(Default)]
pub(super) struct Clock {
    reference: Option<i64>,
}

impl Clock {
    /// The endless time of a wire time that is nearest to the one before.
    pub(super) fn unwrap(&mut self, wire: u64) -> Ticks {
        let wire = i64::try_from(wire).unwrap_or(0).rem_euclid(PERIOD);
        let time = match self.reference {
            None => wire,
            Some(reference) => reference.saturating_add(distance(reference, wire)),
        };
        self.reference = Some(time);
        Ticks(time)
    }

    /// The time last seen on any stream.
    pub(super) fn latest(&self) -> Option<Ticks> {
        self.reference.map(Ticks)
    }
}

/// The shortest way from one time to another on the 33-bit circle.
fn distance(from: i64, to: i64) -> i64 {
    let ahead = to.wrapping_sub(from).rem_euclid(PERIOD);
    if ahead >= PERIOD / 2 {
        ahead - PERIOD
    } else {
        ahead
    }
}

/// What a video PES packet says of its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stated {
    /// DTS and PTS.
    Whole(Ticks, Ticks),
    /// Its PTS was impossible beside its DTS, and is made equal to it: the order of DTS is the order
    /// of decoding.
    Corrected(Ticks),
    /// Nothing.
    Missing,
}

impl Stated {
    /// Reads the times of a PES packet.
    pub(super) fn of(times: PesTimes, clock: &mut Clock) -> Stated {
        let Some(pts_wire) = times.pts else { return Stated::Missing };
        let dts_wire = times.dts.unwrap_or(pts_wire);
        let dts = clock.unwrap(dts_wire);
        let composition =
            distance(i64::try_from(dts_wire).unwrap_or(0), i64::try_from(pts_wire).unwrap_or(0));
        if (0..=COMPOSITION_TICKS_MAX).contains(&composition) {
            Stated::Whole(dts, dts + Ticks(composition))
        } else {
            Stated::Corrected(dts)
        }
    }

    /// DTS and PTS.
    pub(super) fn times(self) -> Option<(Ticks, Ticks)> {
        match self {
            Stated::Whole(dts, pts) => Some((dts, pts)),
            Stated::Corrected(dts) => Some((dts, dts)),
            Stated::Missing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRAP: u64 = 1 << 33;

    fn both(dts: u64, pts: u64) -> PesTimes {
        PesTimes { pts: Some(pts % WRAP), dts: Some(dts % WRAP) }
    }

    #[test]
    fn time_runs_on_through_two_wraps_on_both_tracks() {
        let mut clock = Clock::default();
        let step = 90_000 * 600;
        let start = WRAP - step * 2;
        for n in 0..400 {
            let video = start + n * step;
            assert_eq!(clock.unwrap(video % WRAP).0, video as i64);
            assert_eq!(clock.unwrap((video - 500) % WRAP).0, video as i64 - 500, "audio behind");
        }
        assert!(start + 400 * step > 3 * WRAP, "the test crosses the wrap more than twice");
    }

    #[test]
    fn the_wrap_may_fall_between_dts_and_pts() {
        let mut clock = Clock::default();
        let stated = Stated::of(both(WRAP - 100, WRAP + 3500), &mut clock);
        assert_eq!(stated, Stated::Whole(Ticks(WRAP as i64 - 100), Ticks(WRAP as i64 + 3500)));
        let stated = Stated::of(both(WRAP + 3500, WRAP + 3500), &mut clock);
        assert_eq!(stated.times(), Some((Ticks(WRAP as i64 + 3500), Ticks(WRAP as i64 + 3500))));
    }

    #[test]
    fn a_time_before_the_first_is_negative_not_a_day_ahead() {
        let mut clock = Clock::default();
        assert_eq!(clock.unwrap(10).0, 10);
        assert_eq!(clock.unwrap(WRAP - 10).0, -10);
    }

    #[test]
    fn a_jump_back_is_passed_on() {
        let mut clock = Clock::default();
        clock.unwrap(90_000 * 3600);
        assert_eq!(clock.unwrap(900).0, 900);
    }

    #[test]
    fn dts_behind_pts_is_corrected_upwards() {
        let mut clock = Clock::default();
        assert_eq!(Stated::of(both(9000, 5400), &mut clock), Stated::Corrected(Ticks(9000)));
        let far = COMPOSITION_TICKS_MAX as u64 + 1;
        let stated = Stated::of(both(9000, 9000 + far), &mut clock);
        assert_eq!(stated.times(), Some((Ticks(9000), Ticks(9000))));
    }

    #[test]
    fn dts_is_pts_where_it_is_not_stated_and_nothing_is_where_pts_is_not() {
        let mut clock = Clock::default();
        let pts = PesTimes { pts: Some(500), dts: None };
        assert_eq!(Stated::of(pts, &mut clock), Stated::Whole(Ticks(500), Ticks(500)));
        assert_eq!(Stated::of(PesTimes::default(), &mut clock).times(), None);
        assert_eq!(clock.latest(), Some(Ticks(500)));
    }
}
