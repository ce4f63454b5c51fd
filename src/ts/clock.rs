//! The 33-bit clock of PTS and DTS made endless (ISO/IEC 13818-1, 2.4.3.7). Purpose: one reference
//! per programme, so that audio and video, DTS and PTS stay in one epoch through every wrap (one
//! each 26.5 hours), wherever it falls. Non-goals: PCR; judging jumps, which the programme's
//! timeline does. Bound: a jump of more than 13 hours is taken for one the other way.

use super::pes::PesTimes;
use crate::base::limits::{COMPOSITION_TICKS_MAX, FRAME_TICKS_MAX};
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

/// How the times of a video access unit came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stated {
    /// As the PES packet says.
    Whole,
    /// PTS was impossible beside DTS and made equal to it.
    Corrected,
    /// The PES packet has none: estimated.
    Missing,
}

/// A video stream's DTS and PTS: corrects what cannot be, estimates what is missing.
pub(super) struct VideoTimes {
    last: Option<Ticks>,
    /// The last access unit whose DTS was stated, and how many without followed it.
    stated: Option<(Ticks, i64)>,
    frame: Ticks,
}

impl VideoTimes {
    /// Until two stated times tell better, frames are taken to come 25 times a second.
    pub(super) const fn new() -> VideoTimes {
        VideoTimes { last: None, stated: None, frame: Ticks(3600) }
    }

    /// DTS and PTS of the next access unit. Where they contradict each other DTS is kept, because
    /// its order is the order of decoding, and PTS is raised to it. A unit without times follows
    /// the last one by the frame duration learnt.
    pub(super) fn next(&mut self, times: PesTimes, clock: &mut Clock) -> (Ticks, Ticks, Stated) {
        let Some(pts_wire) = times.pts else {
            let dts = match self.last {
                Some(last) => last + self.frame,
                None => clock.latest().unwrap_or_default(),
            };
            if let Some((_, untimed)) = &mut self.stated {
                *untimed = untimed.saturating_add(1);
            }
            self.last = Some(dts);
            return (dts, dts, Stated::Missing);
        };
        let dts_wire = times.dts.unwrap_or(pts_wire);
        let dts = clock.unwrap(dts_wire);
        let composition =
            distance(i64::try_from(dts_wire).unwrap_or(0), i64::try_from(pts_wire).unwrap_or(0));
        self.learn(dts);
        if (0..=COMPOSITION_TICKS_MAX).contains(&composition) {
            (dts, dts + Ticks(composition), Stated::Whole)
        } else {
            (dts, dts, Stated::Corrected)
        }
    }

    /// What comes next does not follow what came last.
    pub(super) fn jump(&mut self) {
        self.last = None;
        self.stated = None;
    }

    fn learn(&mut self, dts: Ticks) {
        if let Some((stated, untimed)) = self.stated {
            let frame = (dts - stated).0 / untimed.saturating_add(1);
            if (1..=FRAME_TICKS_MAX).contains(&frame) {
                self.frame = Ticks(frame);
            }
        }
        self.last = Some(dts);
        self.stated = Some((dts, 0));
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
        let (mut clock, mut times) = (Clock::default(), VideoTimes::new());
        let (dts, pts, stated) = times.next(both(WRAP - 100, WRAP + 3500), &mut clock);
        assert_eq!((dts.0, pts.0), (WRAP as i64 - 100, WRAP as i64 + 3500));
        assert_eq!(stated, Stated::Whole);
        let (dts, _, _) = times.next(both(WRAP + 3500, WRAP + 3500), &mut clock);
        assert_eq!(dts.0, WRAP as i64 + 3500);
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
        let (mut clock, mut times) = (Clock::default(), VideoTimes::new());
        let (dts, pts, stated) = times.next(both(9000, 5400), &mut clock);
        assert_eq!((dts.0, pts.0, stated), (9000, 9000, Stated::Corrected));
        let far = COMPOSITION_TICKS_MAX as u64 + 1;
        let (dts, pts, stated) = times.next(both(9000, 9000 + far), &mut clock);
        assert_eq!((dts.0, pts.0, stated), (9000, 9000, Stated::Corrected));
    }

    #[test]
    fn missing_times_go_on_by_the_frame_duration_learnt() {
        let (mut clock, mut times) = (Clock::default(), VideoTimes::new());
        let none = PesTimes::default();
        times.next(both(1000, 1000), &mut clock);
        assert_eq!(times.next(none, &mut clock), (Ticks(4600), Ticks(4600), Stated::Missing));
        times.next(both(7000, 7000), &mut clock);
        let (dts, _, _) = times.next(none, &mut clock);
        assert_eq!(dts.0, 10_000, "6000 ticks for two frames are 3000 for one");
        let (dts, _, _) = times.next(none, &mut clock);
        assert_eq!(dts.0, 13_000);
    }

    #[test]
    fn a_stream_that_begins_without_times_begins_where_the_other_is() {
        let (mut clock, mut times) = (Clock::default(), VideoTimes::new());
        assert_eq!(times.next(PesTimes::default(), &mut clock).0, Ticks(0));
        let mut times = VideoTimes::new();
        clock.unwrap(777);
        assert_eq!(times.next(PesTimes::default(), &mut clock).0, Ticks(777));
    }
}
