//! From a media's own time to the programme's ticks. Purpose: every time is computed from the
//! media's, so that rounding does not add up. Bound: a few numbers.

use crate::base::limits::COMPOSITION_TICKS_MAX;
use crate::base::time::{Ticks, TICKS_PER_S};

use super::edits::{Edit, Scales};
use super::tables::Sample;

/// A media's clock; 0 is the beginning of what is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct MediaClock {
    /// The media's units per second; never 0.
    scale: u32,
    /// The media's time that is shown first.
    origin: i64,
    /// When it is shown.
    delay: Ticks,
    /// What decoding happens earlier by than the tables say: composition offsets may be negative
    /// (ISO/IEC 14496-12, 8.6.1.4).
    shift: i64,
}

impl MediaClock {
    pub(super) fn new(scales: Scales, edit: &Edit) -> MediaClock {
        let delay = span(edit.delay, scales.movie);
        MediaClock { scale: scales.media.max(1), origin: edit.from, delay, shift: 0 }
    }

    /// Lets decoding happen earlier by a composition offset's negative reach. One that cannot be
    /// meant is not believed.
    pub(super) fn reach_back(&mut self, composition: i32) {
        let units = i64::from(composition).saturating_neg();
        let ticks = i128::from(units) * i128::from(TICKS_PER_S) / i128::from(self.scale);
        self.shift = if ticks > i128::from(COMPOSITION_TICKS_MAX) { 0 } else { units.max(0) };
    }

    /// Times count from `base` of what they did.
    pub(super) fn rebase(&mut self, base: Ticks) {
        self.delay = self.delay - base;
    }

    /// When the media is shown first; `None` when nothing of it is left out before.
    pub(super) fn cut_at(&self) -> Option<Ticks> {
        Some(self.delay).filter(|_| self.origin > 0)
    }

    /// A moment of the media.
    pub(super) fn ticks(&self, media: i64) -> Ticks {
        let since = i128::from(media) - i128::from(self.origin);
        let ticks = (since * i128::from(TICKS_PER_S)).div_euclid(i128::from(self.scale));
        Ticks(saturated(ticks)) + self.delay
    }

    /// The DTS of a decoding time.
    pub(super) fn dts(&self, media: i64) -> Ticks {
        self.ticks(media.saturating_sub(self.shift))
    }

    /// DTS and PTS of a sample.
    pub(super) fn times(&self, sample: &Sample) -> (Ticks, Ticks) {
        let dts = self.dts(sample.dts);
        let pts = self.ticks(sample.dts.saturating_add(i64::from(sample.composition)));
        let believed = (pts - dts).0 <= COMPOSITION_TICKS_MAX;
        (dts, if believed { pts.max(dts) } else { dts })
    }

    /// The last decoding time whose DTS is at or before `to`.
    pub(super) fn media(&self, to: Ticks) -> i64 {
        let behind = i128::from((to - self.delay).0) + 1;
        let scaled = behind * i128::from(self.scale);
        let last = -(-scaled).div_euclid(i128::from(TICKS_PER_S)) - 1;
        saturated(last + i128::from(self.origin) + i128::from(self.shift))
    }
}

/// A span in units of which a second has `scale`.
pub(super) fn span(units: u64, scale: u32) -> Ticks {
    let ticks = i128::from(units) * i128::from(TICKS_PER_S) / i128::from(scale.max(1));
    Ticks(saturated(ticks))
}

fn saturated(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(media: u32, edit: Edit) -> MediaClock {
        MediaClock::new(Scales { movie: 1000, media }, &edit)
    }

    #[test]
    fn rounding_does_not_add_up() {
        let clock = clock(44_100, Edit::default());
        assert_eq!(clock.ticks(1024), Ticks(2089));
        assert_eq!(clock.ticks(44_100 * 3600 * 24 * 365), Ticks(90_000 * 3600 * 24 * 365));
        assert_eq!(clock.ticks(-1), Ticks(-3));
        assert_eq!(clock.ticks(i64::MIN), Ticks(i64::MIN));
    }

    #[test]
    fn a_time_told_is_found_again() {
        for scale in [1, 600, 12_800, 30_000, 44_100, 90_000, 1_000_000, 10_000_000, u32::MAX] {
            let mut clock = clock(scale, Edit { delay: 77, from: 1001, length: 0 });
            clock.reach_back(-512);
            for media in [0, 1, 511, 1001, 30_030, 123_456_789_012] {
                let found = clock.media(clock.dts(media));
                assert!(found >= media, "{scale}: {media}, not {found}");
                assert_eq!(clock.dts(found), clock.dts(media));
                assert!(clock.dts(found.saturating_add(1)) > clock.dts(media));
            }
        }
    }

    #[test]
    fn delay_origin_and_reach_move_the_times() {
        let mut clock = clock(1000, Edit { delay: 500, from: 40, length: 0 });
        clock.reach_back(-20);
        let (offset, bytes, duration, key, description) = (0, 1, 20, true, 0);
        let sample = |dts, composition| {
            clock.times(&Sample { offset, bytes, dts, composition, duration, key, description })
        };
        assert_eq!(sample(40, 0), (Ticks::from_ms(480), Ticks::from_ms(500)));
        assert_eq!(sample(60, -20), (Ticks::from_ms(500), Ticks::from_ms(500)));
        // Earlier than decoded: put right. A minute later: not believed.
        assert_eq!(sample(60, -40), (Ticks::from_ms(500), Ticks::from_ms(500)));
        assert_eq!(sample(60, 61_000), (Ticks::from_ms(500), Ticks::from_ms(500)));
    }
}
