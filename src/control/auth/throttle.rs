//! How often passwords may be tried. Purpose: after [`TRIES_FREE`] wrong ones an address waits, each
//! time twice as long; and strangers all over the world together get no more than one hash computed
//! each [`STRANGER_TRY_MS`], so that a botnet cannot occupy the processor. Non-goals: the passwords.
//! Bound: [`TRIES_ADDRESSES_MAX`] addresses; the one that tried longest ago goes.
//!
//! A try counts as a wrong one as soon as it begins, and is taken back when it turns out right: many
//! at once gain nothing.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::limits::{
    STRANGER_TRIES_BURST, STRANGER_TRY_MS, TRIES_ADDRESSES_MAX, TRIES_FORGOTTEN_MS, TRIES_FREE,
    TRY_PAUSE_MS_MAX, TRY_PAUSE_MS_MIN,
};
use crate::base::time::Mono;

struct Tries {
    source: IpAddr,
    wrong: u32,
    last: Mono,
    /// No other before.
    next: Mono,
}

impl Tries {
    fn set(&mut self, wrong: u32, now: Mono) {
        self.wrong = wrong;
        self.last = now;
        self.next = now + pause(wrong);
    }
}

/// The pause after so many wrong ones.
fn pause(wrong: u32) -> Duration {
    let doubled = |times| TRY_PAUSE_MS_MIN.checked_shl(times).unwrap_or(TRY_PAUSE_MS_MAX);
    // Twenty doublings are far beyond the longest pause.
    let ms = wrong.checked_sub(TRIES_FREE).map_or(0, |times| doubled(times.min(20)));
    Duration::from_millis(ms.min(TRY_PAUSE_MS_MAX))
}

/// Who tried.
#[derive(Default)]
pub struct Throttle {
    tries: Vec<Tries>,
    /// When strangers would have nothing left to wait for.
    strangers: Mono,
}

/// How long somebody has to wait, whole seconds, one at least.
fn seconds(until: Mono, now: Mono) -> u64 {
    until.since(now).as_millis().div_ceil(1000).try_into().unwrap_or(1).max(1)
}

impl Throttle {
    /// Whether an address may try now.
    ///
    /// # Errors
    /// The seconds it has to wait.
    pub fn may_try(&mut self, source: IpAddr, now: Mono) -> Result<(), u64> {
        let forgotten = Duration::from_millis(TRIES_FORGOTTEN_MS);
        self.tries.retain(|tries| now.since(tries.last) < forgotten);
        match self.tries.iter().find(|tries| tries.source == source) {
            Some(tries) if tries.next > now => Err(seconds(tries.next, now)),
            _ => Ok(()),
        }
    }

    /// Begins a try. `stranger`: nothing but the password speaks for whoever tries.
    ///
    /// # Errors
    /// The seconds to wait; nothing is counted then.
    pub fn begin(&mut self, source: IpAddr, stranger: bool, now: Mono) -> Result<(), u64> {
        self.may_try(source, now)?;
        if stranger {
            self.count_stranger(now)?;
        }
        if let Some(tries) = self.tries.iter_mut().find(|tries| tries.source == source) {
            tries.set(tries.wrong.saturating_add(1), now);
            return Ok(());
        }
        if self.tries.len() >= TRIES_ADDRESSES_MAX {
            let oldest = self.tries.iter().enumerate().min_by_key(|(_, tries)| tries.last);
            if let Some((at, _)) = oldest {
                self.tries.swap_remove(at);
            }
        }
        self.tries.push(Tries { source, wrong: 1, last: now, next: now + pause(1) });
        Ok(())
    }

    /// The try was right: the address begins anew.
    pub fn right(&mut self, source: IpAddr) {
        self.tries.retain(|tries| tries.source != source);
    }

    /// The try came to nothing.
    pub fn take_back(&mut self, source: IpAddr, now: Mono) {
        if let Some(tries) = self.tries.iter_mut().find(|tries| tries.source == source) {
            tries.set(tries.wrong.saturating_sub(1), now);
        }
    }

    /// One bucket for all of them, that leaks evenly.
    fn count_stranger(&mut self, now: Mono) -> Result<(), u64> {
        let burst = Duration::from_millis(STRANGER_TRY_MS * (STRANGER_TRIES_BURST - 1));
        let due = self.strangers.max(now);
        if due.since(now) > burst {
            return Err(seconds(due, now + burst));
        }
        self.strangers = due + Duration::from_millis(STRANGER_TRY_MS);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: usize) -> IpAddr {
        IpAddr::from([10, 0, u8::try_from(number / 256).unwrap(), (number % 256) as u8])
    }

    #[test]
    fn waits_double_up_to_a_minute_and_are_forgotten() {
        let mut throttle = Throttle::default();
        let (one, mut now, mut waits) = (address(1), Mono(0), Vec::new());
        for _ in 0..12 {
            let wait = throttle.begin(one, false, now).err().unwrap_or(0);
            now = now + Duration::from_secs(wait);
            assert!(wait == 0 || throttle.begin(one, false, now).is_ok(), "after its wait");
            waits.push(wait);
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(throttle.may_try(one, now), Err(60));
        assert_eq!(throttle.may_try(address(2), now), Ok(()), "others do not wait");
        now = now + Duration::from_millis(TRIES_FORGOTTEN_MS);
        assert!((0..TRIES_FREE).all(|_| throttle.begin(one, false, now).is_ok()));
    }

    #[test]
    fn what_is_left_of_a_second_is_a_second() {
        let mut throttle = Throttle::default();
        for _ in 0..TRIES_FREE {
            throttle.begin(address(1), false, Mono(0)).unwrap();
        }
        assert_eq!(throttle.may_try(address(1), Mono::from_ms(TRY_PAUSE_MS_MIN - 1)), Err(1));
        assert_eq!(throttle.may_try(address(1), Mono::from_ms(TRY_PAUSE_MS_MIN)), Ok(()));
    }

    #[test]
    fn the_right_one_ends_the_waiting_and_what_came_to_nothing_does_not_count() {
        let mut throttle = Throttle::default();
        for _ in 0..TRIES_FREE {
            throttle.begin(address(1), false, Mono(0)).unwrap();
        }
        assert_eq!(throttle.begin(address(1), false, Mono(0)), Err(1));
        throttle.right(address(1));
        for _ in 0..20 {
            assert_eq!(throttle.begin(address(1), false, Mono(0)), Ok(()));
            throttle.take_back(address(1), Mono(0));
        }
    }

    #[test]
    fn a_full_table_forgets_who_tried_longest_ago() {
        let mut throttle = Throttle::default();
        for number in 0..TRIES_ADDRESSES_MAX {
            for _ in 0..TRIES_FREE {
                throttle.begin(address(number), false, Mono::from_ms(number as u64)).unwrap();
            }
        }
        let now = Mono::from_ms(TRIES_ADDRESSES_MAX as u64);
        throttle.begin(address(9999), false, now).unwrap();
        assert_eq!(throttle.tries.len(), TRIES_ADDRESSES_MAX);
        assert_eq!(throttle.may_try(address(0), now), Ok(()), "the oldest is forgotten");
        assert_eq!(throttle.may_try(address(1), now), Err(1));
    }

    #[test]
    fn a_botnet_gets_two_a_second() {
        let mut throttle = Throttle::default();
        let tries = |throttle: &mut Throttle, from_s: u64, s: u64| {
            let asked = (from_s * 1000..(from_s + s) * 1000).enumerate();
            let taken = asked
                .filter(|&(n, ms)| throttle.begin(address(n), true, Mono::from_ms(ms)).is_ok());
            taken.count() as u64
        };
        assert_eq!(
            tries(&mut throttle, 100, 10),
            STRANGER_TRIES_BURST - 1 + 10_000 / STRANGER_TRY_MS
        );
        assert_eq!(tries(&mut throttle, 110, 10), 10_000 / STRANGER_TRY_MS);
        let now = Mono::from_ms(120_000);
        throttle.begin(address(7), true, now).ok();
        assert_eq!(throttle.begin(address(8), true, now), Err(1));
        assert_eq!(throttle.begin(address(8), false, now), Ok(()), "who is known is not affected");
    }
}
