//! Decoding times where only presentation times are stored (RFC 9559, 11.2). Purpose: from frames
//! in decoding order, DTS that grow strictly and never pass the PTS. With frames reordered by no
//! more than `depth`, the sorted PTS, `depth` frames late, are such times. Bound: `depth` is at
//! most `REORDER_FRAMES_MAX`; a frame reordered further than was foreseen is shown late, once.

use crate::base::limits::REORDER_FRAMES_MAX;
use crate::base::time::{Ticks, TICKS_PER_MS};

/// The least distance of two decoding times: RTMP knows milliseconds.
const STEP: Ticks = Ticks(TICKS_PER_MS);

/// Frames that come before one with an earlier PTS, at most: how far frames are reordered.
pub(super) fn depth(pts: &[Ticks]) -> usize {
    let before = |(n, own): (usize, &Ticks)| pts.iter().take(n).filter(|pts| *pts > own).count();
    pts.iter().enumerate().map(before).max().unwrap_or(0).min(REORDER_FRAMES_MAX)
}

/// The least distance of two PTS, if there are two.
pub(super) fn frame_duration(pts: &[Ticks]) -> Option<Ticks> {
    let mut least: Option<Ticks> = None;
    for (n, own) in pts.iter().enumerate() {
        let distances = pts.iter().skip(n + 1).map(|other| Ticks((*other - *own).0.abs()));
        let nearest = distances.filter(|distance| *distance > Ticks(0)).min();
        least = nearest.into_iter().chain(least).min();
    }
    least
}

/// Makes decoding times, from a key frame on.
#[derive(Clone, Debug)]
pub(super) struct Reorder {
    depth: usize,
    frame: Ticks,
    /// PTS that no DTS was made of yet, in order.
    held: heapless::Vec<Ticks, { REORDER_FRAMES_MAX + 1 }>,
    /// The first PTS.
    first: Option<Ticks>,
    last: Option<Ticks>,
}

impl Reorder {
    /// For frames reordered by `depth`, with about this distance.
    pub(super) fn new(depth: usize, frame: Ticks) -> Reorder {
        let depth = depth.min(REORDER_FRAMES_MAX);
        Reorder { depth, frame, held: heapless::Vec::new(), first: None, last: None }
    }

    /// How long before its PTS a key frame is decoded that comes first.
    pub(super) fn lead(&self) -> Ticks {
        let depth = i64::try_from(self.depth).unwrap_or(0);
        Ticks(self.frame.0.saturating_mul(depth))
    }

    /// Another key frame comes next, from another place.
    pub(super) fn restart(&mut self) {
        *self = Reorder::new(self.depth, self.frame);
    }

    /// DTS and PTS of the next frame. The PTS is changed only when it would lie before the DTS.
    pub(super) fn next(&mut self, pts: Ticks) -> (Ticks, Ticks) {
        let first = *self.first.get_or_insert(pts);
        let place = self.held.iter().take_while(|held| **held <= pts).count();
        // There is room: below, never more than `depth` are left.
        let _ = self.held.insert(place, pts);
        let sorted = if self.held.len() > self.depth {
            self.held.remove(0)
        } else {
            let early = self.depth + 1 - self.held.len();
            first - Ticks(self.frame.0.saturating_mul(i64::try_from(early).unwrap_or(0)))
        };
        let least = self.last.map(|last| last + STEP);
        let dts = least.map_or(sorted, |least| least.max(sorted));
        if dts > pts && self.depth < REORDER_FRAMES_MAX {
            self.depth += 1;
        }
        self.last = Some(dts);
        (dts, pts.max(dts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Ticks = Ticks(3000);

    fn ticks(frames: &[i64]) -> Vec<Ticks> {
        frames.iter().map(|n| Ticks(n * FRAME.0)).collect()
    }

    fn run(reorder: &mut Reorder, frames: &[i64]) -> Vec<(i64, i64)> {
        let times = ticks(frames).into_iter().map(|pts| reorder.next(pts));
        times.map(|(dts, pts)| (dts.0, pts.0)).collect()
    }

    #[test]
    fn the_depth_is_that_of_the_deepest_frame() {
        for (frames, wanted) in [
            (&[0, 1, 2, 3][..], 0),
            (&[0, 2, 1, 4, 3], 1),
            (&[0, 3, 1, 2, 6, 4, 5], 1),
            (&[0, 4, 2, 1, 3, 8, 6, 5, 7], 2),
            (&[0, 8, 4, 2, 1, 3, 6], 3),
            (&[], 0),
        ] {
            assert_eq!(depth(&ticks(frames)), wanted, "{frames:?}");
        }
        assert_eq!(frame_duration(&ticks(&[0, 4, 2, 9, 6])), Some(Ticks(6000)));
        assert_eq!(frame_duration(&ticks(&[5, 5])), None);
    }

    #[test]
    fn decoding_times_are_the_sorted_presentation_times() {
        for frames in [&[0, 1, 2, 3, 4][..], &[0, 2, 1, 4, 3, 5], &[0, 4, 2, 1, 3, 8, 6, 5, 7]] {
            let depth = depth(&ticks(frames));
            let mut reorder = Reorder::new(depth, FRAME);
            assert_eq!(reorder.lead(), Ticks(depth as i64 * FRAME.0));
            let times = run(&mut reorder, frames);
            let shift = depth as i64;
            for (n, (dts, pts)) in times.iter().enumerate() {
                assert_eq!(*pts, frames[n] * FRAME.0, "left alone");
                assert_eq!(*dts, (n as i64 - shift) * FRAME.0);
            }
        }
    }

    #[test]
    fn a_deeper_frame_than_foreseen_costs_one_time() {
        let mut reorder = Reorder::new(0, FRAME);
        run(&mut reorder, &[0, 1, 2, 3]);
        let times = run(&mut reorder, &[8, 6, 5, 7, 12, 10, 9, 11, 16, 14, 13, 15]);
        let mut last = 3 * FRAME.0;
        for (n, (dts, pts)) in times.iter().enumerate() {
            assert!(*dts > last);
            assert!(dts <= pts);
            last = *dts;
            let own = [8, 6, 5, 7, 12, 10, 9, 11, 16, 14, 13, 15][n] * FRAME.0;
            assert!(*pts == own || n < 4, "only the first miniature GOP is hurt: {n}");
        }
    }

    #[test]
    fn any_times_give_growing_ones() {
        let mut random = crate::codec::collector::Random(3);
        for _ in 0..500 {
            let mut reorder = Reorder::new(random.below(20), FRAME);
            let mut last = i64::MIN;
            for _ in 0..100 {
                let pts = match random.below(20) {
                    0 => Ticks(i64::MAX / 2),
                    1 => Ticks(i64::MIN / 2),
                    _ => Ticks(random.below(1000) as i64),
                };
                let (dts, pts) = reorder.next(pts);
                assert!(dts.0 > last);
                assert!(dts <= pts);
                last = dts.0;
            }
        }
    }
}
