//! DTS and PTS of access units, most or few of which have times of their own. Purpose: a unit that
//! states its times keeps them; the others get a DTS from the frame duration learnt, and a PTS from
//! picture order. Non-goals: jumps of the source's clock, which the programme's timeline judges.
//! Bound: a few numbers.

use super::picture_order::PictureOrder;
use super::slice_header::SliceHeader;
use crate::base::limits::FRAME_TICKS_MAX;
use crate::base::time::{Ticks, TICKS_PER_S};

/// How long a frame is taken to last while nothing tells: 25 a second.
const FRAME: Ticks = Ticks(3600);
/// The same where several stand in one packet, whose next one's times must not be overtaken: 60 a
/// second.
const SHORT_FRAME: Ticks = Ticks(1500);
/// Frame rates of an SPS that are believed: some write a clock's rate there.
const FRAME_RATES: std::ops::RangeInclusive<f64> = 1.0..=300.0;
/// What is known of a unit when it begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UnitTime<'a> {
    /// DTS and PTS of its own; PTS is not before DTS.
    pub(super) stated: Option<(Ticks, Ticks)>,
    /// The one before it commenced in the same packet.
    pub(super) shares_packet: bool,
    /// Frames a second by the SPS, 0 when it does not say.
    pub(super) frame_rate: f64,
    /// Its first slice.
    pub(super) slice: Option<&'a SliceHeader>,
    /// The time last seen on any track, for a stream that begins without times.
    pub(super) latest: Option<Ticks>,
}

/// The clock of one track.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UnitClock {
    last: Option<Ticks>,
    last_is_estimate: bool,
    /// The last unit whose DTS was stated, and how many without followed it.
    stated: Option<(Ticks, i64)>,
    /// Ticks between the last two stated ones, and how many frames lay between.
    learnt: Option<(i64, i64)>,
    order: PictureOrder,
}

impl UnitClock {
    /// DTS and PTS of the next unit.
    pub(super) fn unit(&mut self, unit: &UnitTime<'_>) -> (Ticks, Ticks) {
        let dts = match unit.stated {
            Some((dts, _)) => self.stated_dts(dts),
            None => self.estimated_dts(unit),
        };
        self.last = Some(dts);
        self.last_is_estimate = unit.stated.is_none();
        let frame = self.frame(unit);
        let pts = unit.stated.map(|(_, pts)| pts);
        (dts, self.order.pts(unit.slice, dts, pts, frame).max(dts))
    }

    /// Units may be missing before the next one: what lies between does not tell how long a frame
    /// lasts.
    pub(super) fn lost(&mut self) {
        self.stated = None;
    }

    /// What comes next does not follow what came last.
    pub(super) fn jump(&mut self) {
        self.order.jump();
        (self.last, self.last_is_estimate, self.stated) = (None, false, None);
    }

    fn stated_dts(&mut self, dts: Ticks) -> Ticks {
        let before = self.stated.replace((dts, 0));
        if let Some((before, untimed)) = before {
            let (span, frames) = ((dts - before).0, untimed.saturating_add(1));
            if (1..=FRAME_TICKS_MAX).contains(&(span / frames)) {
                self.learnt = Some((span, frames));
            }
        }
        // Estimates have overtaken it; a time before the last one stated is a jump of the source.
        let goes_on = before.is_some_and(|(before, _)| dts > before);
        match self.last {
            Some(last) if self.last_is_estimate && goes_on && dts <= last => last + Ticks(1),
            _ => dts,
        }
    }

    fn estimated_dts(&mut self, unit: &UnitTime<'_>) -> Ticks {
        let frame = self.frame(unit);
        let after = self.last.map(|last| last + Ticks(1));
        let Some((stated, untimed)) = &mut self.stated else {
            let next = self.last.map(|last| last + frame);
            return next.or(unit.latest).unwrap_or_default();
        };
        *untimed = untimed.saturating_add(1);
        let since = match self.learnt {
            Some((ticks, frames)) => untimed.saturating_mul(ticks) / frames.max(1),
            None => untimed.saturating_mul(frame.0),
        };
        let dts = *stated + Ticks(since);
        after.map_or(dts, |after| dts.max(after))
    }

    fn frame(&self, unit: &UnitTime<'_>) -> Ticks {
        match self.learnt {
            Some((ticks, frames)) => Ticks(ticks / frames.max(1)),
            None if FRAME_RATES.contains(&unit.frame_rate) => {
                Ticks((TICKS_PER_S as f64 / unit.frame_rate) as i64)
            }
            None if unit.shares_packet => SHORT_FRAME,
            None => FRAME,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(clock: &mut UnitClock, dts: i64) -> i64 {
        let stated = Some((Ticks(dts), Ticks(dts)));
        clock.unit(&UnitTime { stated, ..UnitTime::default() }).0 .0
    }

    fn untimed(clock: &mut UnitClock) -> i64 {
        clock.unit(&UnitTime::default()).0 .0
    }

    #[test]
    fn missing_times_go_on_by_the_frame_duration_learnt() {
        let clock = &mut UnitClock::default();
        assert_eq!((stated(clock, 1000), untimed(clock)), (1000, 4600), "25 frames a second");
        assert_eq!((stated(clock, 7000), untimed(clock), untimed(clock)), (7000, 10_000, 13_000));
        // A third of a tick more for each frame does not add up to an error.
        stated(clock, 16_000);
        let (_, _) = (untimed(clock), untimed(clock));
        assert_eq!(stated(clock, 25_001), 25_001);
        assert_eq!((untimed(clock), untimed(clock), untimed(clock)), (28_001, 31_001, 34_002));
    }

    #[test]
    fn the_sps_tells_while_nothing_is_learnt_and_only_what_can_be() {
        for (frame_rate, shares_packet, expected) in [
            (50.0, false, 1800),
            (29.97, true, 3003),
            (1.0, false, 90_000),
            (0.0, false, 3600),
            (0.0, true, 1500),
            (705_600_000.0, false, 3600),
            (f64::NAN, true, 1500),
        ] {
            let clock = &mut UnitClock::default();
            stated(clock, 0);
            let unit = UnitTime { frame_rate, shares_packet, ..UnitTime::default() };
            assert_eq!(clock.unit(&unit).0, Ticks(expected), "{frame_rate} {shares_packet}");
        }
    }

    #[test]
    fn a_stated_time_that_was_overtaken_is_the_next_tick_and_a_jump_is_a_jump() {
        let clock = &mut UnitClock::default();
        stated(clock, 0);
        assert_eq!((untimed(clock), untimed(clock)), (3600, 7200));
        assert_eq!(stated(clock, 4000), 7201);
        // 4000 ticks for three frames.
        assert_eq!((untimed(clock), untimed(clock), untimed(clock)), (7202, 7203, 8000));
        assert_eq!(stated(clock, 3999), 3999, "before the last one stated: the source jumped");
        assert_eq!(stated(clock, 3999), 3999, "and what it states is not put right");
        assert_eq!(stated(clock, 90_000_000), 90_000_000);
        assert_eq!(
            untimed(clock),
            90_000_000 + 1333,
            "a jump does not tell how long a frame lasts"
        );
    }

    #[test]
    fn behind_a_loss_frames_are_not_counted() {
        let clock = &mut UnitClock::default();
        stated(clock, 0);
        stated(clock, 3000);
        clock.lost();
        assert_eq!(untimed(clock), 6000);
        assert_eq!((stated(clock, 15_000), untimed(clock)), (15_000, 18_000));
        clock.jump();
        assert_eq!(untimed(clock), 0, "what comes is elsewhere");
        assert_eq!((stated(clock, 500), untimed(clock)), (500, 3500), "what was learnt holds");
    }

    #[test]
    fn a_stream_that_begins_without_times_begins_where_the_other_is() {
        let latest = Some(Ticks(777));
        let unit = UnitTime { latest, ..UnitTime::default() };
        let mut clock = UnitClock::default();
        assert_eq!(clock.unit(&unit), (Ticks(777), Ticks(777)));
        assert_eq!(clock.unit(&unit).0, Ticks(777 + 3600));
    }
}
