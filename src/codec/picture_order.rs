//! Picture order count (ISO/IEC 14496-10, 8.2.1) as a clock. Purpose: when a picture without a PTS
//! of its own is shown, told by those that have one. Non-goals: pic_order_cnt_type 1 and
//! memory_management_control_operation 5: then the order of decoding is taken. Bound: a few numbers.

use super::slice_header::{OrderType, SliceHeader};
use crate::base::limits::FRAME_TICKS_MAX;
use crate::base::time::{Ticks, TICKS_PER_S};

/// Picture order counts in a frame, unless an odd one shows that it is one: a frame has two fields.
const COUNTS_IN_FRAME: i64 = 2;
/// The most a picture is taken to be shown behind its decoding when its own PTS is missing.
const REORDERING_MAX: Ticks = Ticks(2 * TICKS_PER_S);

/// The PTS of a stream's units by picture order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PictureOrder {
    /// PicOrderCntMsb and pic_order_cnt_lsb of the last reference picture.
    msb: i64,
    lsb: i64,
    /// A picture since the last IDR whose PTS is known: its count, its PTS, and whether that was its
    /// own.
    known: Option<(i64, Ticks, bool)>,
    /// Ticks between two of them, and the difference of their counts.
    rate: Option<(i64, i64)>,
    /// An odd count was seen in a frame.
    is_dense: bool,
    /// PTS - DTS of the last IDR, and of the last unit, that stated them.
    idr_delay: Option<Ticks>,
    delay: Ticks,
}

impl PictureOrder {
    /// The PTS of a unit whose DTS is given; `stated` is its own, `frame` how long one lasts.
    pub(super) fn pts(
        &mut self,
        slice: Option<&SliceHeader>,
        dts: Ticks,
        stated: Option<Ticks>,
        frame: Ticks,
    ) -> Ticks {
        if slice.is_some_and(|slice| slice.idr) {
            (self.msb, self.lsb, self.known) = (0, 0, None);
        }
        let count = slice.and_then(|slice| self.count(slice));
        let Some(count) = count else {
            self.known = None;
            self.delay = stated.map_or(self.delay, |pts| pts - dts);
            return stated.unwrap_or(dts + self.delay);
        };
        let idr = slice.is_some_and(|slice| slice.idr);
        if let Some(pts) = stated {
            self.learn(count, pts);
            self.delay = pts - dts;
            if idr {
                self.idr_delay = Some(self.delay);
            }
            return pts;
        }
        let pts = match self.known {
            Some((known, pts, _)) => pts + Ticks(self.span(count - known, frame)),
            None if idr => dts + self.idr_delay.unwrap_or(self.delay),
            None => dts + self.delay,
        };
        if !(dts..=dts + REORDERING_MAX).contains(&pts) {
            return dts;
        }
        self.known.get_or_insert((count, pts, false));
        pts
    }

    /// What comes next does not follow what came last; what was learnt of the stream holds.
    pub(super) fn jump(&mut self) {
        (self.msb, self.lsb, self.known) = (0, 0, None);
    }

    fn learn(&mut self, count: i64, pts: Ticks) {
        if let Some((known, before, true)) = self.known {
            let (counts, ticks) = (count - known, (pts - before).0);
            let (counts, ticks) = if counts < 0 { (-counts, -ticks) } else { (counts, ticks) };
            if counts > 0 && (1..=FRAME_TICKS_MAX).contains(&(ticks / counts)) {
                self.rate = Some((ticks, counts));
            }
        }
        self.known = Some((count, pts, true));
    }

    fn span(&self, counts: i64, frame: Ticks) -> i64 {
        let in_frame = if self.is_dense { 1 } else { COUNTS_IN_FRAME };
        let (ticks, of) = self.rate.unwrap_or((frame.0, in_frame));
        counts.saturating_mul(ticks) / of.max(1)
    }

    /// 8.2.1.1: TopFieldOrderCnt, or that of the bottom field where it comes first.
    fn count(&mut self, slice: &SliceHeader) -> Option<i64> {
        let picture = slice.picture?;
        let OrderType::Lsb { bits } = picture.facts.order else { return None };
        let (lsb, wrap) = (i64::from(picture.order_lsb), 1i64 << bits);
        let msb = if lsb < self.lsb && self.lsb - lsb >= wrap / 2 {
            self.msb + wrap
        } else if lsb > self.lsb && lsb - self.lsb > wrap / 2 {
            self.msb - wrap
        } else {
            self.msb
        };
        if slice.reference {
            (self.msb, self.lsb) = (msb, lsb);
        }
        let count = msb + lsb;
        self.is_dense |= count & 1 == 1;
        let [bottom, _] = picture.order_deltas;
        Some(count + i64::from(bottom.min(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::slice_header::frame_of_order;

    const FRAME: Ticks = Ticks(3000);

    /// PTS of pictures of this order (in counts), each decoded a frame after the one before; those
    /// in `stated` say theirs.
    fn shown(order: &mut PictureOrder, counts: &[i64], stated: &[usize], delay: i64) -> Vec<i64> {
        let per_frame = 2;
        let picture = |(n, count): (usize, &i64)| {
            let slice = frame_of_order((count & 63) as u16, *count == 0, true);
            let dts = Ticks(n as i64 * FRAME.0);
            let own = Ticks(count / per_frame * FRAME.0 + delay);
            order.pts(Some(&slice), dts, stated.contains(&n).then_some(own), FRAME).0
        };
        counts.iter().enumerate().map(picture).collect()
    }

    #[test]
    fn pictures_without_a_pts_are_shown_in_their_order() {
        let expected = [3000, 9000, 6000, 15_000, 12_000];
        let came = shown(&mut PictureOrder::default(), &[0, 4, 2, 8, 6], &[0], 3000);
        assert_eq!(came, expected);
        let came = shown(&mut PictureOrder::default(), &[0, 4, 2, 8, 6], &[0, 1, 2, 3, 4], 3000);
        assert_eq!(came, expected);
    }

    #[test]
    fn counts_wrap_and_may_run_backwards_over_the_wrap() {
        let counts: Vec<i64> = (0..70).map(|n| 2 * (n ^ 1)).collect();
        let counts = [&[0][..], &counts.iter().map(|n| n + 2).collect::<Vec<_>>()].concat();
        let came = shown(&mut PictureOrder::default(), &counts, &[0], 6000);
        let expected: Vec<i64> = counts.iter().map(|count| count / 2 * 3000 + 6000).collect();
        assert_eq!(came, expected);
    }

    #[test]
    fn an_idr_without_a_pts_has_the_delay_of_the_one_before() {
        let mut order = PictureOrder::default();
        shown(&mut order, &[0, 4, 2], &[0, 1, 2], 3000);
        let idr = frame_of_order(0, true, true);
        assert_eq!(order.pts(Some(&idr), Ticks(9000), None, FRAME), Ticks(12_000));
        let next = frame_of_order(4, false, true);
        assert_eq!(order.pts(Some(&next), Ticks(12_000), None, FRAME), Ticks(18_000));
        order.jump();
        assert_eq!(order.pts(Some(&idr), Ticks(90_000), None, FRAME), Ticks(93_000));
    }

    #[test]
    fn the_rate_is_that_of_stated_times_and_odd_counts_are_frames() {
        // 6000 ticks a frame, though 3000 are said to be usual.
        let mut order = PictureOrder::default();
        let picture = |count: u16| frame_of_order(count, count == 0, true);
        let mut pts = |count, dts, stated: Option<i64>| {
            order.pts(Some(&picture(count)), Ticks(dts), stated.map(Ticks), FRAME).0
        };
        assert_eq!(pts(0, 0, Some(0)), 0);
        assert_eq!(pts(2, 6000, Some(6000)), 6000);
        assert_eq!(pts(4, 12_000, None), 12_000);
        assert_eq!(pts(10, 18_000, None), 30_000);
        let mut order = PictureOrder::default();
        let mut pts = |count, dts| order.pts(Some(&picture(count)), Ticks(dts), None, FRAME).0;
        assert_eq!((pts(0, 0), pts(1, 3000), pts(3, 6000), pts(2, 9000)), (0, 3000, 9000, 9000));
    }

    #[test]
    fn what_cannot_be_is_shown_when_it_is_decoded() {
        let mut order = PictureOrder::default();
        let idr = frame_of_order(0, true, true);
        let far = frame_of_order(31, false, false);
        assert_eq!(order.pts(Some(&idr), Ticks(0), Some(Ticks(0)), Ticks(90_000)), Ticks(0));
        // 31 frames of a second ahead, as odd counts are frames.
        assert_eq!(order.pts(Some(&far), Ticks(90_000), None, Ticks(90_000)), Ticks(90_000));
        // Without picture order, as long behind its decoding as the last that said.
        assert_eq!(order.pts(None, Ticks(5000), Some(Ticks(8000)), FRAME), Ticks(8000));
        assert_eq!(order.pts(None, Ticks(9000), None, FRAME), Ticks(12_000));
    }
}
