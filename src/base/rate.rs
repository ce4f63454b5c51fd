//! Byte rates over a sliding window. Purpose: the bit rates of the status, in constant memory and
//! without a clock of its own. Non-goal: shaping. Bound: one counter per second of the window.

use super::time::Mono;

/// Length of the window, seconds: what nginx-rtmp's `bw_in` and `bw_out` cover, so that tools
/// made for its numbers see the same ones.
pub const RATE_WINDOW_S: u64 = 10;

const BUCKETS: u64 = RATE_WINDOW_S;
const BUCKET_US: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    second: u64,
    bytes: u64,
}

/// Counts bytes and tells their rate over the last [`RATE_WINDOW_S`].
#[derive(Clone, Debug, Default)]
pub struct Rate {
    buckets: [Bucket; BUCKETS as usize],
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
                *bucket = Bucket { second, bytes: 0 };
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

#[cfg(test)]
mod tests {
    use super::*;

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
