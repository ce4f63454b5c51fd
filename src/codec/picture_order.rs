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
