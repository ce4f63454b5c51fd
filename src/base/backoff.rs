//! Pauses between tries. Purpose: exponential with jitter, so that a thousand appliances do not
//! knock at a returning platform in the same second (go2rtc #2300, nginx-rtmp fork #128).
//! A server that is away is asked again soon, because the programme waits for it; one that said
//! no is left alone for longer.

use std::time::Duration;

/// First pause before a destination is tried again.
const RETRY_MS_MIN: u64 = 500;
/// Longest pause before a destination that is away is tried again: it is back on air within
/// five seconds of its return.
const RETRY_MS_MAX: u64 = 4_000;
/// Longest pause before a destination that said no, or takes the stream and drops it at once, is tried again.
const REFUSED_RETRY_MS_MAX: u64 = 60_000;

/// Why the last try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// It could not be reached, or the connection broke.
    Away,
    /// It answered no.
    Refused,
    /// It agrees, and ends the session at once, again and again.
    Rejecting,
}

/// The pauses of one destination or pull.
pub struct Backoff {
    random: fastrand::Rng,
    tries: u32,
}

impl Backoff {
    /// No try has failed yet.
    pub fn new(random: fastrand::Rng) -> Backoff {
        Backoff { random, tries: 0 }
    }

    /// The pause before the next try: doubled each time up to the limit of its reason, of which
    /// between three and four quarters.
    pub fn pause(&mut self, reason: FailureReason) -> Duration {
        let limit_ms = match reason {
            FailureReason::Away => RETRY_MS_MAX,
            FailureReason::Refused | FailureReason::Rejecting => REFUSED_RETRY_MS_MAX,
        };
        let doubled_ms = RETRY_MS_MIN.checked_shl(self.tries.min(32)).unwrap_or(u64::MAX);
        self.tries = self.tries.saturating_add(1);
        let whole_ms = doubled_ms.min(limit_ms);
        Duration::from_millis(whole_ms - self.random.u64(0..=whole_ms / 4))
    }

    /// Media has flowed: the next failure is a new one.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses_ms(reason: FailureReason, seed: u64) -> Vec<u128> {
        let mut backoff = Backoff::new(fastrand::Rng::with_seed(seed));
        (0..100).map(|_| backoff.pause(reason).as_millis()).collect()
    }

    #[test]
    fn pauses_double_to_the_limit_of_their_reason() {
        for (reason, limit_ms) in [
            (FailureReason::Away, RETRY_MS_MAX),
            (FailureReason::Refused, REFUSED_RETRY_MS_MAX),
            (FailureReason::Rejecting, REFUSED_RETRY_MS_MAX),
        ] {
            let pauses = pauses_ms(reason, 1);
            for (n, pause) in pauses.iter().enumerate() {
                let whole = u128::from((RETRY_MS_MIN << n.min(20)).min(limit_ms));
                assert!((whole * 3 / 4..=whole).contains(pause), "{reason:?} {n}: {pause}");
            }
        }
    }

    #[test]
    fn they_differ_between_destinations_and_begin_again_after_success() {
        assert_ne!(pauses_ms(FailureReason::Away, 1), pauses_ms(FailureReason::Away, 2));
        let mut backoff = Backoff::new(fastrand::Rng::with_seed(1));
        for _ in 0..10 {
            backoff.pause(FailureReason::Away);
        }
        backoff.reset();
        assert!(backoff.pause(FailureReason::Away).as_millis() <= u128::from(RETRY_MS_MIN));
    }
}
