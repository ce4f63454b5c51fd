//! How a segment counts time (RFC 9559, 5.1.2.9). Bound: a value.

use crate::base::time::Ticks;

/// Nanoseconds of the segment's unit, unless it says otherwise.
const SCALE_DEFAULT_NS: u64 = 1_000_000;

/// The unit of a segment's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    /// Nanoseconds, never 0.
    ns: u64,
}

impl Default for Scale {
    fn default() -> Scale {
        Scale { ns: SCALE_DEFAULT_NS }
    }
}

impl Scale {
    /// Of so many nanoseconds.
    pub(super) fn new(ns: u64) -> Scale {
        Scale { ns: ns.max(1) }
    }

    /// Nanoseconds of a unit.
    pub(super) fn ns(self) -> u64 {
        self.ns
    }

    /// 90 kHz ticks of a time in the segment's unit, the nearest.
    pub(super) fn ticks(self, time: i64) -> Ticks {
        let ticks = (i128::from(time) * i128::from(self.ns) * 9 + 50_000).div_euclid(100_000);
        // Half the range, so that differences fit.
        let most = i128::from(i64::MAX / 4);
        Ticks(i64::try_from(ticks.clamp(-most, most)).unwrap_or(0))
    }

    /// The nearest number of units to so many nanoseconds.
    pub(super) fn units(self, ns: u64) -> i64 {
        i64::try_from((ns.saturating_add(self.ns / 2)) / self.ns).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_become_the_nearest_unit() {
        for (unit, ns, units) in [(1_000_000, 23_219_955, 23), (1_000_000, 23_500_000, 24)] {
            assert_eq!(Scale::new(unit).units(ns), units);
        }
        assert_eq!(Scale::new(0).units(5), 5);
        assert_eq!(Scale::default().ticks(23), Ticks(2070));
    }
}
