//! How often passwords may be tried. Purpose: after [`TRIES_FREE`] wrong ones an address waits, each
//! time twice as long; and all addresses together get so few hashes computed that a botnet cannot
//! occupy the processor: one each [`PASSWORD_TRY_MS`]. Of these a part is for who logged in before,
//! whom strangers that guess therefore do not keep out, and strangers share the others as
//! [`lanes`](super::lanes) says. Non-goals: the passwords; who is who. Bound:
//! [`TRIES_ADDRESSES_MAX`] addresses; the one that tried longest ago goes.
//!
//! A try counts as a wrong one as soon as it begins, and is taken back when it turns out right: many
//! at once gain nothing.
//!
//! [`PASSWORD_TRY_MS`]: crate::base::limits::PASSWORD_TRY_MS

use std::net::IpAddr;
use std::time::Duration;

use crate::base::limits::{KNOWN_TRIES_BURST, KNOWN_TRY_MS, TRIES_ADDRESSES_MAX};
use crate::base::time::Mono;
use crate::control::auth::bucket::Bucket;
use crate::control::auth::lanes::Lanes;

/// Wrong passwords of one address (an IPv6 /64 counts as one) before it has to wait.
pub(super) const TRIES_FREE: u32 = 3;
/// The first such wait; it doubles with each further wrong one.
const TRY_PAUSE_MS_MIN: u64 = 1_000;
/// The longest such wait.
const TRY_PAUSE_MS_MAX: u64 = 60_000;
/// An address that tried nothing for so long begins again.
const TRIES_FORGOTTEN_MS: u64 = 15 * 60_000;

/// What speaks for somebody before the password is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A session, or being on this machine: only its own wrong tries count.
    Proven,
    /// From its address, or with the cookie it sends, somebody was logged in before.
    Known,
    /// Nothing.
    Stranger,
}

struct Tries {
    source: IpAddr,
    wrong: u32,
    last: Mono,
    /// No other before.
    next: Mono,
}

impl Tries {
    fn new(source: IpAddr, now: Mono) -> Tries {
        let mut tries = Tries { source, wrong: 0, last: now, next: now };
        tries.set(1, now);
        tries
    }

    fn set(&mut self, wrong: u32, now: Mono) {
        self.wrong = wrong;
        self.last = now;
        // Two that come together may be taken up in the other order: without a pause none is early.
        let pause = pause(wrong);
        self.next = if pause.is_zero() { Mono::default() } else { now + pause };
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
pub struct Throttle {
    tries: Vec<Tries>,
    known: Bucket,
    strangers: Lanes,
}

/// How long somebody has to wait, whole seconds, one at least.
fn seconds(until: Mono, now: Mono) -> u64 {
    until.since(now).as_millis().div_ceil(1000).try_into().unwrap_or(1).max(1)
}

impl Throttle {
    /// Nobody tried. `salt`: a number that nobody else knows.
    pub fn new(salt: u64) -> Throttle {
        let known = Bucket::new(KNOWN_TRY_MS, KNOWN_TRIES_BURST);
        Throttle { tries: Vec::new(), known, strangers: Lanes::new(salt) }
    }

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

    /// Begins a try.
    ///
    /// # Errors
    /// The seconds to wait; nothing is counted then.
    pub fn begin(&mut self, source: IpAddr, standing: Standing, now: Mono) -> Result<(), u64> {
        self.may_try(source, now)?;
        match standing {
            Standing::Proven => {}
            Standing::Known => self.take_known(now)?,
            Standing::Stranger => {
                self.strangers.take(source, now).map_err(|until| seconds(until, now))?;
            }
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
        self.tries.push(Tries::new(source, now));
        Ok(())
    }

    /// The try was right: the address has none to answer for any more.
    pub fn right(&mut self, source: IpAddr) {
        self.tries.retain(|tries| tries.source != source);
    }

    /// The try came to nothing.
    pub fn take_back(&mut self, source: IpAddr, now: Mono) {
        if let Some(tries) = self.tries.iter_mut().find(|tries| tries.source == source) {
            tries.set(tries.wrong.saturating_sub(1), now);
        }
    }

    fn take_known(&mut self, now: Mono) -> Result<(), u64> {
        let free = self.known.free_at(now);
        if free > now {
            return Err(seconds(free, now));
        }
        self.known.take(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{PASSWORD_TRY_MS, STRANGER_TRIES_BURST};

    fn address(number: usize) -> IpAddr {
        IpAddr::from([10, 0, u8::try_from(number / 256).unwrap(), (number % 256) as u8])
    }

    #[test]
    fn waits_double_up_to_a_minute_and_are_forgotten() {
        let mut throttle = Throttle::new(1);
        let (one, mut now, mut waits) = (address(1), Mono(0), Vec::new());
        for _ in 0..12 {
            let wait = throttle.begin(one, Standing::Proven, now).err().unwrap_or(0);
            now = now + Duration::from_secs(wait);
            assert!(
                wait == 0 || throttle.begin(one, Standing::Proven, now).is_ok(),
                "after its wait"
            );
            waits.push(wait);
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(throttle.may_try(one, now), Err(60));
        assert_eq!(throttle.may_try(address(2), now), Ok(()), "others do not wait");
        now = now + Duration::from_millis(TRIES_FORGOTTEN_MS);
        assert!((0..TRIES_FREE).all(|_| throttle.begin(one, Standing::Proven, now).is_ok()));
    }

    #[test]
    fn two_at_once_are_both_taken_in_whatever_order() {
        let mut throttle = Throttle::new(1);
        for ms in [10, 9] {
            let now = Mono::from_ms(ms);
            assert_eq!(throttle.begin(address(1), Standing::Proven, now), Ok(()), "at {ms}");
        }
    }

    #[test]
    fn what_is_left_of_a_second_is_a_second() {
        let mut throttle = Throttle::new(1);
        for _ in 0..TRIES_FREE {
            throttle.begin(address(1), Standing::Proven, Mono(0)).unwrap();
        }
        assert_eq!(throttle.may_try(address(1), Mono::from_ms(TRY_PAUSE_MS_MIN - 1)), Err(1));
        assert_eq!(throttle.may_try(address(1), Mono::from_ms(TRY_PAUSE_MS_MIN)), Ok(()));
    }

    #[test]
    fn the_right_one_ends_the_waiting_and_what_came_to_nothing_does_not_count() {
        let mut throttle = Throttle::new(1);
        for _ in 0..TRIES_FREE {
            throttle.begin(address(1), Standing::Proven, Mono(0)).unwrap();
        }
        assert_eq!(throttle.begin(address(1), Standing::Proven, Mono(0)), Err(1));
        throttle.right(address(1));
        for _ in 0..20 {
            assert_eq!(throttle.begin(address(1), Standing::Proven, Mono(0)), Ok(()));
            throttle.take_back(address(1), Mono(0));
        }
    }

    #[test]
    fn a_full_table_forgets_who_tried_longest_ago() {
        let mut throttle = Throttle::new(1);
        for number in 0..TRIES_ADDRESSES_MAX {
            for _ in 0..TRIES_FREE {
                throttle
                    .begin(address(number), Standing::Proven, Mono::from_ms(number as u64))
                    .unwrap();
            }
        }
        let now = Mono::from_ms(TRIES_ADDRESSES_MAX as u64);
        throttle.begin(address(9999), Standing::Proven, now).unwrap();
        assert_eq!(throttle.tries.len(), TRIES_ADDRESSES_MAX);
        assert_eq!(throttle.may_try(address(0), now), Ok(()), "the oldest is forgotten");
        assert_eq!(throttle.may_try(address(1), now), Err(1));
    }

    /// A botnet of ten thousand addresses that asks every millisecond.
    fn besieged(seed: u64) -> (Throttle, fastrand::Rng) {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut throttle = Throttle::new(dice.u64(..));
        for ms in 0..60_000 {
            attack(&mut throttle, &mut dice, Mono::from_ms(ms));
        }
        (throttle, dice)
    }

    fn attack(throttle: &mut Throttle, dice: &mut fastrand::Rng, now: Mono) -> bool {
        let bot = IpAddr::from([dice.u8(1..200), dice.u8(..50), 0, 1]);
        throttle.begin(bot, Standing::Stranger, now).is_ok()
    }

    #[test]
    fn who_logged_in_before_has_a_try_at_once_whatever_strangers_do() {
        for seed in 0..20 {
            let (mut throttle, mut dice) = besieged(seed);
            let mut waited_s = 0;
            for ms in 60_000..90_000 {
                let now = Mono::from_ms(ms);
                attack(&mut throttle, &mut dice, now);
                // Somebody of the house tries each two seconds, each time from another address.
                if ms % 2_000 == 0 {
                    let own = IpAddr::from([203, 0, 113, (ms / 2_000 % 16) as u8]);
                    let refused = throttle.begin(own, Standing::Known, now).err();
                    waited_s = waited_s.max(refused.unwrap_or(0));
                    assert_eq!(throttle.begin(own, Standing::Proven, now), Ok(()));
                    throttle.right(own);
                }
            }
            assert_eq!(waited_s, 0, "seed {seed}");
        }
    }

    #[test]
    fn all_together_get_two_hashes_a_second() {
        let (mut throttle, mut dice) = besieged(1);
        let mut granted = 0;
        for ms in 60_000..120_000 {
            let now = Mono::from_ms(ms);
            granted += u64::from(attack(&mut throttle, &mut dice, now));
            let known = IpAddr::from([203, 0, dice.u8(..), dice.u8(..)]);
            granted += u64::from(throttle.begin(known, Standing::Known, now).is_ok());
        }
        let most = 60_000 / PASSWORD_TRY_MS + STRANGER_TRIES_BURST + KNOWN_TRIES_BURST;
        assert!(granted <= most, "{granted} > {most}");
    }

    #[test]
    fn a_refused_try_is_not_counted_as_a_wrong_one() {
        let mut throttle = Throttle::new(1);
        let own = address(7);
        while throttle.begin(address(9), Standing::Stranger, Mono(0)).is_ok() {
            throttle.right(address(9));
        }
        for _ in 0..100 {
            assert_eq!(throttle.begin(own, Standing::Stranger, Mono(0)), Err(1));
        }
        assert_eq!(throttle.begin(own, Standing::Known, Mono(0)), Ok(()));
        assert!(throttle.tries.iter().all(|tries| tries.wrong == 1));
    }
}
