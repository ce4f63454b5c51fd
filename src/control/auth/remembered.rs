//! Passwords of HTTP Basic that were right a short while ago. Purpose: a script that asks once a
//! second costs one hash in [`REMEMBERED_MS_MAX`], not a tenth of a small processor. Non-goals: how
//! often wrong ones may be tried: anybody who asks here has seen to that before, or this would be a fast
//! place to guess. Bound: [`REMEMBERED_MAX`], one for each address; the oldest goes.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::limits::REMEMBERED_MAX;
use crate::base::time::Mono;
use crate::control::auth::seal::Digest;

/// Time such a one is remembered.
pub(super) const REMEMBERED_MS_MAX: u64 = 10 * 60_000;

struct Entry {
    source: IpAddr,
    password: Digest,
    since: Mono,
}

/// The table of them, oldest first.
#[derive(Default)]
pub struct Remembered(Vec<Entry>);

impl Remembered {
    /// Whether this password was right from there.
    pub fn knows(&self, source: IpAddr, password: &Digest, now: Mono) -> bool {
        let lasts = Duration::from_millis(REMEMBERED_MS_MAX);
        self.0.iter().any(|entry| {
            entry.source == source && entry.password == *password && now.since(entry.since) < lasts
        })
    }

    /// It was.
    pub fn keep(&mut self, source: IpAddr, password: Digest, now: Mono) {
        self.0.retain(|entry| entry.source != source);
        if self.0.len() >= REMEMBERED_MAX {
            self.0.remove(0);
        }
        self.0.push(Entry { source, password, since: now });
    }

    /// Forgets all.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_password_is_known_where_it_was_right_and_for_a_while() {
        let mut remembered = Remembered::default();
        let now = Mono::from_ms(5_000);
        remembered.keep(address(1), [1; 32], now);
        assert!(remembered.knows(address(1), &[1; 32], now));
        assert!(!remembered.knows(address(1), &[2; 32], now));
        assert!(!remembered.knows(address(2), &[1; 32], now), "from elsewhere");
        let last = Mono::from_ms(5_000 + REMEMBERED_MS_MAX - 1);
        assert!(remembered.knows(address(1), &[1; 32], last));
        assert!(!remembered.knows(address(1), &[1; 32], last + Duration::from_millis(1)));
        remembered.forget();
        assert!(!remembered.knows(address(1), &[1; 32], now));
    }

    #[test]
    fn an_address_has_one_and_the_oldest_goes() {
        let mut remembered = Remembered::default();
        for number in 0..=REMEMBERED_MAX {
            remembered.keep(address(number as u8), [1; 32], Mono(0));
            remembered.keep(address(number as u8), [2; 32], Mono(0));
        }
        assert_eq!(remembered.0.len(), REMEMBERED_MAX);
        assert!(!remembered.knows(address(0), &[2; 32], Mono(0)));
        assert!(!remembered.knows(address(1), &[1; 32], Mono(0)));
        assert!(remembered.knows(address(1), &[2; 32], Mono(0)));
    }
}
