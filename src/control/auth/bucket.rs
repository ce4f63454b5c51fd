//! A budget of tries. Purpose: one each so many milliseconds, a few at once. Bound: this struct.

use std::time::Duration;

use crate::base::time::Mono;

/// The budget; it leaks evenly.
pub struct Bucket {
    try_ms: u64,
    burst: u64,
    /// When it would be empty.
    until: Mono,
}

impl Bucket {
    /// One try each `try_ms`, `burst` at once when none was taken for a while.
    pub fn new(try_ms: u64, burst: u64) -> Bucket {
        Bucket { try_ms, burst, until: Mono::default() }
    }

    /// When there is one.
    pub fn free_at(&self, now: Mono) -> Mono {
        let ahead = Duration::from_millis(self.try_ms * self.burst.saturating_sub(1));
        if self.until.since(now) <= ahead {
            return now;
        }
        now + (self.until.since(now) - ahead)
    }

    /// Takes one, which there is.
    pub fn take(&mut self, now: Mono) {
        self.until = self.until.max(now) + Duration::from_millis(self.try_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_at_once_and_then_one_by_one() {
        let mut bucket = Bucket::new(500, 3);
        let taken: Vec<u64> = (10_000..13_000)
            .filter(|&ms| {
                let now = Mono::from_ms(ms);
                let is_free = bucket.free_at(now) == now;
                is_free.then(|| bucket.take(now)).is_some()
            })
            .collect();
        assert_eq!(taken, [10_000, 10_001, 10_002, 10_500, 11_000, 11_500, 12_000, 12_500]);
        assert_eq!(bucket.free_at(Mono::from_ms(12_700)), Mono::from_ms(13_000));
    }
}
