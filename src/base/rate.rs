//! Byte rates. Purpose: the bit rates of the status over a sliding window, and what a sender may
//! send at most, in constant memory and without a clock of their own. Non-goal: delaying anything.
//! Bound: one counter per second of the window; two words for an allowance.

use super::time::Mono;

/// Length of the window, seconds: what nginx-rtmp's `bw_in` and `bw_out` cover, so that tools
/// made for its numbers see the same ones.
pub const RATE_WINDOW_S: u64 = 10;

const BUCKETS: u64 = RATE_WINDOW_S;
const BUCKET_US: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, Default)]
struct SecondBytes {
    second: u64,
    bytes: u64,
}

/// Counts bytes and tells their rate over the last [`RATE_WINDOW_S`].
#[derive(Clone, Debug, Default)]
pub struct Rate {
    buckets: [SecondBytes; BUCKETS as usize],
    first: Option<Mono>,
}

impl Rate {
    /// Counts `bytes` that passed at `now`.
    pub fn add(&mut self, now: Mono, bytes: u64) {
        let first = *self.first.get_or_insert(now);
        // A pause longer than the window begins a new measurement: its silence is not averaged in.
        if now.since(first).as_secs() > RATE_WINDOW_S && self.sum(now) == 0 {
            self.first = Some(now);
        }
        let second = now.0 / BUCKET_US;
        let slot = usize::try_from(second % BUCKETS).unwrap_or(0);
        if let Some(bucket) = self.buckets.get_mut(slot) {
            if bucket.second != second {
                *bucket = SecondBytes { second, bytes: 0 };
            }
            bucket.bytes = bucket.bytes.saturating_add(bytes);
        }
    }

    /// The rate at `now`, bit/s. In its first seconds a meter divides by the time since the first
    /// byte (at least one second), not by the whole window.
    pub fn bps(&self, now: Mono) -> u64 {
        let Some(first) = self.first else { return 0 };
        let window_start = Mono((now.0 / BUCKET_US + 1).saturating_sub(BUCKETS) * BUCKET_US);
        let span = now.since(window_start.max(first)).as_micros().max(u128::from(BUCKET_US));
        let bits = u128::from(self.sum(now)) * 8 * u128::from(BUCKET_US);
        u64::try_from(bits / span).unwrap_or(u64::MAX)
    }

    fn sum(&self, now: Mono) -> u64 {
        let newest = now.0 / BUCKET_US;
        let oldest = (newest + 1).saturating_sub(BUCKETS);
        self.buckets
            .iter()
            .filter(|bucket| (oldest..=newest).contains(&bucket.second))
            .fold(0, |sum, bucket| sum.saturating_add(bucket.bytes))
    }
}

/// What may come in: `bps` on average, and `burst_bytes` on top of it at once.
#[derive(Clone, Debug)]
pub struct Allowance {
    bps: u64,
    burst_bytes: u64,
    /// Bytes spent and not yet earned again, times eight million: bits by microseconds.
    spent: u64,
    looked: Mono,
}

/// Bits by microseconds in a byte-second.
const SPENT_PER_BYTE: u64 = 8_000_000;

impl Allowance {
    /// An allowance of which nothing is spent. Both at most 2^40.
    pub const fn new(bps: u64, burst_bytes: u64) -> Allowance {
        Allowance { bps, burst_bytes, spent: 0, looked: Mono(0) }
    }

    /// Spends `bytes` at `now`; false, and nothing is spent, when there is not so much left.
    pub fn take(&mut self, now: Mono, bytes: u64) -> bool {
        let passed_us = now.0.saturating_sub(self.looked.0);
        self.looked = now.max(self.looked);
        self.spent = self.spent.saturating_sub(passed_us.saturating_mul(self.bps));
        let spent = self.spent.saturating_add(bytes.saturating_mul(SPENT_PER_BYTE));
        let fits = spent <= self.burst_bytes.saturating_mul(SPENT_PER_BYTE);
        if fits {
            self.spent = spent;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_average() {
        let mut allowance = Allowance::new(8_000_000, 100_000);
        let passed = |allowance: &mut Allowance, from_ms: u64, to_ms: u64| -> u64 {
            let times = (from_ms * 10..to_ms * 10).map(|tenth| Mono(tenth * 100));
            times.filter(|&now| allowance.take(now, 1_000)).count() as u64
        };
        // Ten datagrams of 1000 bytes a millisecond, where one is allowed.
        let first = passed(&mut allowance, 0, 1_000);
        assert!((1_095..=1_101).contains(&first), "{first}");
        let next = passed(&mut allowance, 1_000, 2_000);
        assert!((999..=1_001).contains(&next), "{next}");
        assert_eq!(passed(&mut allowance, 10_000, 10_005), 50, "a pause earns the burst again");
        assert!(!allowance.take(Mono(u64::MAX), u64::MAX));
        assert!(allowance.take(Mono(u64::MAX), 100_000));
    }

    #[test]
    fn a_steady_flow_is_told_exactly() {
        let mut rate = Rate::default();
        for ms in (5_000..65_000).step_by(10) {
            rate.add(Mono::from_ms(ms), 3750);
            if ms >= 8_000 {
                let bps = rate.bps(Mono::from_ms(ms));
                assert!((2_990_000..=3_010_000).contains(&bps), "{bps} at {ms} ms");
            }
        }
    }

    #[test]
    fn the_first_seconds_divide_by_the_time_passed() {
        let mut rate = Rate::default();
        assert_eq!(rate.bps(Mono::from_ms(900)), 0);
        rate.add(Mono::from_ms(1000), 1000);
        assert_eq!(rate.bps(Mono::from_ms(1000)), 8000);
        assert_eq!(rate.bps(Mono::from_ms(5000)), 2000);
    }

    #[test]
    fn what_leaves_the_window_is_forgotten() {
        let mut rate = Rate::default();
        rate.add(Mono::from_ms(1000), 1000);
        assert!(rate.bps(Mono::from_ms(10_900)) > 0);
        assert_eq!(rate.bps(Mono::from_ms(11_000)), 0);
        rate.add(Mono::from_ms(3_600_000), 500);
        assert_eq!(rate.bps(Mono::from_ms(3_600_100)), 4000, "the pause is not averaged in");
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut rate = Rate::default();
        rate.add(Mono(u64::MAX), u64::MAX);
        rate.add(Mono(u64::MAX), u64::MAX);
        assert_eq!(rate.bps(Mono(u64::MAX)), u64::MAX);
        assert_eq!(rate.bps(Mono(0)), 0);
    }
}
