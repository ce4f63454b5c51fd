//! The passwords of strangers that are checked. Purpose: strangers all over the world together get
//! one hash computed each [`STRANGER_TRY_MS`], so that a botnet cannot occupy the processor, and
//! what networks guess does not use up what is left for others. Non-goals: what each address has
//! had; passwords. Bound: [`STRANGER_LANES`] lanes.
//!
//! A network (an IPv4 /16, an IPv6 /32) tries in one lane, chosen by a number that nobody else
//! knows. With tries from `n` other lanes under way, each lane is served once in `n + 1` tries' time
//! at most. So in any such time the others take `n` of the `n + 1` tries, and who comes from a lane
//! of its own has one within `(n + 1) * STRANGER_TRY_MS`: 1.5 s while one network guesses, 24 s at
//! the worst. Who shares a lane with a network that guesses shares its turns, until the networks are
//! spread over the lanes in another way, each [`STRANGER_LANE_MS`]: with `k` networks guessing that
//! is a lane of its own with a probability of `(1 - 1 / STRANGER_LANES) ^ k`, 97 % against one, a
//! half against 22.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::limits::{
    STRANGER_LANES, STRANGER_LANE_MS, STRANGER_TRIES_BURST, STRANGER_TRY_MS,
};
use crate::base::time::Mono;
use crate::control::auth::bucket::Bucket;

/// Tries from the networks of one lane.
#[derive(Clone, Copy, Default)]
struct Lane {
    /// In which spread one was last wanted.
    asked: Option<u64>,
    /// When one was last granted.
    served: Option<Mono>,
}

/// The lanes, and the budget they share.
pub struct Lanes {
    salt: u64,
    lanes: [Lane; STRANGER_LANES],
    bucket: Bucket,
}

impl Lanes {
    /// Nobody has tried. `salt`: what nobody else knows.
    pub fn new(salt: u64) -> Lanes {
        let lanes = [Lane::default(); STRANGER_LANES];
        Lanes { salt, lanes, bucket: Bucket::new(STRANGER_TRY_MS, STRANGER_TRIES_BURST) }
    }

    /// Takes a try for somebody of this source.
    ///
    /// # Errors
    /// When there may be one.
    pub fn take(&mut self, source: IpAddr, now: Mono) -> Result<(), Mono> {
        let spread = now.to_ms() / STRANGER_LANE_MS;
        let at = self.lane_of(source, spread);
        let Some(lane) = self.lanes.get_mut(at) else { return Ok(()) };
        lane.asked = Some(spread);
        let served = lane.served;
        let is_active = |lane: &&Lane| lane.asked == Some(spread);
        let active = self.lanes.iter().filter(is_active).count() as u64;
        let turn = Duration::from_millis(active * STRANGER_TRY_MS);
        // A lane that is alone has the whole budget.
        let next = served.filter(|_| active > 1).map_or(now, |served| served + turn);
        let free = self.bucket.free_at(now);
        if next.max(free) > now {
            return Err(next.max(free));
        }
        self.bucket.take(now);
        if let Some(lane) = self.lanes.get_mut(at) {
            lane.served = Some(now);
        }
        Ok(())
    }

    fn lane_of(&self, source: IpAddr, spread: u64) -> usize {
        let network = match source {
            IpAddr::V4(v4) => u64::from(v4.to_bits() >> 16),
            IpAddr::V6(v6) => 1 << 32 | (v6.to_bits() >> 96) as u64,
        };
        // SplitMix64's mixing function (Steele, Lea, Flood 2014).
        let mut mixed = network ^ self.salt.wrapping_add(spread << 40);
        for factor in [0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB_u64] {
            mixed = (mixed ^ mixed >> 30).wrapping_mul(factor);
        }
        ((mixed ^ mixed >> 31) % STRANGER_LANES as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_millis(STRANGER_TRY_MS);
    const WORST: Duration = Duration::from_millis(STRANGER_LANES as u64 * STRANGER_TRY_MS);

    fn network(number: usize) -> IpAddr {
        IpAddr::from([10 + (number / 256) as u8, (number % 256) as u8, 0, 1])
    }

    /// Bots of `networks` networks that ask whenever they like, each from an address of its own, and
    /// from a minute on somebody who asks as soon as there may be a try, from elsewhere, in a lane
    /// without bots or not: the address, and the wait.
    fn wait(seed: u64, networks: usize, shares: bool) -> (Lanes, IpAddr, Duration) {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut lanes = Lanes::new(dice.u64(..));
        let bots: Vec<IpAddr> = (0..networks).map(network).collect();
        let begins = Mono::from_ms(STRANGER_LANE_MS + dice.u64(..2_000));
        let lane = |at: &IpAddr| lanes.lane_of(*at, 1);
        let attacked: Vec<usize> = bots.iter().map(lane).collect();
        let operator = (1000..).map(network).find(|at| attacked.contains(&lane(at)) == shares);
        let operator = operator.expect("a lane is free");
        let mut asks_at = begins;
        for ms in 0..1_000_000 {
            let now = Mono::from_ms(ms);
            // Networks begin one after another, some when the one who waits is there already.
            for _ in 0..3 {
                let from = dice.usize(..networks);
                if ms >= 1_100 * from as u64 {
                    let _ = lanes.take(bots[from], now);
                }
            }
            if now >= asks_at {
                match lanes.take(operator, now) {
                    Ok(()) => return (lanes, operator, now.since(begins)),
                    Err(at) => asks_at = at.max(now + Duration::from_millis(1)),
                }
            }
        }
        unreachable!("seed {seed}: never, with {networks} networks")
    }

    #[test]
    fn one_network_that_guesses_leaves_every_second_try_to_others() {
        for seed in 0..50 {
            let (.., waited) = wait(seed, 1, false);
            assert!(waited.as_millis() as u64 <= 2 * STRANGER_TRY_MS, "seed {seed}: {waited:?}");
        }
    }

    #[test]
    fn from_a_lane_without_guesses_the_wait_is_bounded() {
        for seed in 0..50 {
            for networks in [2, 5, 20, 60] {
                let (lanes, _, waited) = wait(seed, networks, false);
                let guessed =
                    lanes.lanes.iter().filter(|lane| lane.asked == Some(1)).count() as u64;
                let bound = Duration::from_millis(guessed * STRANGER_TRY_MS);
                assert!(bound <= WORST && waited <= bound, "seed {seed}: {waited:?} > {bound:?}");
            }
        }
    }

    #[test]
    fn who_shares_a_lane_has_another_when_networks_are_spread_again() {
        for seed in 0..30 {
            let (lanes, operator, waited) = wait(seed, 1, true);
            let apart = |spread: &u64| {
                lanes.lane_of(operator, *spread) != lanes.lane_of(network(0), *spread)
            };
            let spreads = (1..).find(apart).expect("some time") - 1;
            let bound = Duration::from_millis(spreads * STRANGER_LANE_MS) + 2 * TURN;
            assert!(waited <= bound, "seed {seed}: {waited:?} > {bound:?}");
        }
    }

    #[test]
    fn networks_from_everywhere_get_no_more_than_the_budget() {
        let mut lanes = Lanes::new(7);
        let granted = |lanes: &mut Lanes, from_ms: u64, ms: u64| {
            let asked = (from_ms..from_ms + ms)
                .filter(|&ms| lanes.take(network(ms as usize % 2000), Mono::from_ms(ms)).is_ok());
            asked.count() as u64
        };
        let first = granted(&mut lanes, 100_000, 30_000);
        assert!(first <= STRANGER_TRIES_BURST - 1 + 30_000 / STRANGER_TRY_MS, "{first}");
        let more = granted(&mut lanes, 130_000, 30_000);
        assert!(more <= 30_000 / STRANGER_TRY_MS, "{more}");
        // Nothing of it lies idle while all want it.
        assert!(more + STRANGER_TRIES_BURST >= 30_000 / STRANGER_TRY_MS, "{more}");
    }

    #[test]
    fn addresses_of_a_network_share_a_lane_and_networks_are_spread() {
        let lanes = Lanes::new(3);
        let lane = |text: &str| lanes.lane_of(text.parse().unwrap(), 5);
        assert_eq!(lane("192.0.2.1"), lane("192.0.200.255"));
        assert_eq!(lane("2001:db8:1::"), lane("2001:db8:ffff:1::"));
        let mut used: Vec<usize> = (0..1000).map(|n| lanes.lane_of(network(n), 5)).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), STRANGER_LANES);
        let other = Lanes::new(4);
        let moves = |to: &Lanes, spread: u64| {
            let moved =
                |n: &usize| lanes.lane_of(network(*n), 5) != to.lane_of(network(*n), spread);
            (0..1000).filter(moved).count()
        };
        // All but one in 32, give or take five times the root of their number.
        for moved in [moves(&other, 5), moves(&lanes, 6), moves(&lanes, 7)] {
            assert!((941..=996).contains(&moved), "{moved}");
        }
    }
}
