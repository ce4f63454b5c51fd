//! The source lock of a datagram input. Purpose: two senders never mix: while one is live,
//! packets from another are counted and ignored. Non-goal: choosing the better of two. Bounds: one
//! sender, and [`FAILED_MAX`] that have lost it.
//!
//! A sender takes the lock with a datagram that holds a packet of a transport stream. Any other
//! loses it to the next such sender when
//!
//! - nothing of it has come for `release`, or for half as long again as the pauses it makes: a
//!   sender that delivers in pulses is not dead in between; or
//! - no access unit of it became whole for [`UNPROVEN`], or for half as long again as its units have
//!   ever been apart: packets without a stream in them hold nothing. It is not let in again before
//!   [`FAILED_FOR`] have passed, unless nobody else sends.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::time::Mono;

/// A stream has a unit in every so much time.
const UNPROVEN: Duration = Duration::from_secs(3);
/// Slides come further apart; further than this none do.
const APART_MAX: Duration = Duration::from_secs(10);
/// Shorter pauses are no pulse: the least `release` is longer.
const PAUSE_MIN: Duration = Duration::from_millis(80);
/// Longer ones are outages.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Senders that lost the lock because they brought no units.
const FAILED_MAX: usize = 8;
const FAILED_FOR: Duration = Duration::from_secs(30);

/// Who holds the input.
struct Holder {
    from: SocketAddr,
    /// When its last plausible datagram came.
    heard: Mono,
    /// Its last two pauses.
    pauses: [Duration; 2],
    /// When it took the lock, or its last unit became whole.
    proved: Mono,
    /// The longest time between two units.
    apart: Duration,
}

impl Holder {
    fn new(from: SocketAddr, now: Mono) -> Holder {
        Holder { from, heard: now, pauses: [Duration::ZERO; 2], proved: now, apart: Duration::ZERO }
    }

    fn heard(&mut self, now: Mono) {
        let pause = now.since(self.heard);
        if (PAUSE_MIN..=PAUSE_MAX).contains(&pause) {
            let [_, last] = self.pauses;
            self.pauses = [last, pause];
        }
        self.heard = now;
    }

    fn is_silent(&self, release: Duration, now: Mono) -> bool {
        let [one, other] = self.pauses;
        now.since(self.heard) >= release.max(one.min(other) * 3 / 2)
    }

    fn brings_nothing(&self, now: Mono) -> bool {
        now.since(self.proved) >= UNPROVEN.max(self.apart * 3 / 2)
    }
}

/// The lock.
pub(super) struct SourceLock {
    holder: Option<Holder>,
    /// The oldest first, with the time at which each lost the lock.
    failed: heapless::Deque<(SocketAddr, Mono), FAILED_MAX>,
    release: Duration,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockVerdict {
    /// Its sender holds the lock.
    Holder,
    /// Its sender has just taken the lock.
    NewHolder,
    /// Another sender holds the lock.
    Ignored,
}

impl SourceLock {
    /// A lock that a sender silent for `release` loses.
    pub(super) fn new(release: Duration) -> SourceLock {
        SourceLock { holder: None, failed: heapless::Deque::new(), release }
    }

    /// A sender silent for `release` loses it from now on.
    pub(super) fn set_release(&mut self, release: Duration) {
        self.release = release;
    }

    /// A datagram came. One that is no media (`plausible` is false) neither takes nor keeps the
    /// lock, or a sender of garbage could hold the input for ever.
    pub(super) fn datagram(&mut self, from: SocketAddr, plausible: bool, now: Mono) -> LockVerdict {
        if let Some(holder) = self.holder.as_mut().filter(|holder| holder.from == from) {
            if plausible {
                holder.heard(now);
            }
            return LockVerdict::Holder;
        }
        if !plausible {
            return LockVerdict::Ignored;
        }
        let has_failed =
            self.failed.iter().any(|(one, at)| *one == from && now.since(*at) < FAILED_FOR);
        if let Some(holder) = &self.holder {
            let fails = holder.brings_nothing(now) && !has_failed;
            if !holder.is_silent(self.release, now) && !fails {
                return LockVerdict::Ignored;
            }
            if fails {
                if self.failed.is_full() {
                    self.failed.pop_front();
                }
                // There is room.
                let _ = self.failed.push_back((holder.from, now));
            }
        }
        self.holder = Some(Holder::new(from, now));
        LockVerdict::NewHolder
    }

    /// An access unit of the holder became whole.
    pub(super) fn proved(&mut self, now: Mono) {
        if let Some(holder) = &mut self.holder {
            let apart = now.since(holder.proved).min(APART_MAX);
            holder.apart = holder.apart.max(apart);
            holder.proved = now;
        }
    }

    /// Who holds the lock at this time.
    pub(super) fn holder(&self, now: Mono) -> Option<SocketAddr> {
        let holder = self.holder.as_ref()?;
        (!holder.is_silent(self.release, now)).then_some(holder.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: Duration = Duration::from_millis(500);

    fn sender(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn a_second_sender_waits_until_the_first_is_silent() {
        let mut lock = SourceLock::new(RELEASE);
        assert_eq!(lock.datagram(sender(1), true, Mono::from_ms(0)), LockVerdict::NewHolder);
        assert_eq!(lock.datagram(sender(2), true, Mono::from_ms(100)), LockVerdict::Ignored);
        assert_eq!(lock.datagram(sender(1), true, Mono::from_ms(400)), LockVerdict::Holder);
        assert_eq!(lock.datagram(sender(2), true, Mono::from_ms(899)), LockVerdict::Ignored);
        assert_eq!(lock.holder(Mono::from_ms(899)), Some(sender(1)));
        assert_eq!(lock.holder(Mono::from_ms(900)), None);
        assert_eq!(lock.datagram(sender(2), true, Mono::from_ms(900)), LockVerdict::NewHolder);
        assert_eq!(lock.datagram(sender(1), true, Mono::from_ms(901)), LockVerdict::Ignored);
    }

    #[test]
    fn garbage_neither_takes_nor_keeps_the_lock() {
        let mut lock = SourceLock::new(RELEASE);
        assert_eq!(lock.datagram(sender(9), false, Mono::from_ms(0)), LockVerdict::Ignored);
        assert_eq!(lock.datagram(sender(1), true, Mono::from_ms(1)), LockVerdict::NewHolder);
        assert_eq!(lock.datagram(sender(1), false, Mono::from_ms(450)), LockVerdict::Holder);
        assert_eq!(lock.datagram(sender(2), true, Mono::from_ms(501)), LockVerdict::NewHolder);
    }

    #[test]
    fn packets_without_units_hold_it_for_three_seconds_and_never_again() {
        let mut lock = SourceLock::new(RELEASE);
        let mut holders = Vec::new();
        for ms in (0..20_000).step_by(10) {
            let now = Mono::from_ms(ms);
            // Three senders of nothing, and one of a stream that begins after a second.
            for port in [1, 2, 3] {
                lock.datagram(sender(port), true, now);
            }
            if ms >= 1000 && lock.datagram(sender(9), true, now) != LockVerdict::Ignored {
                lock.proved(now);
            }
            if holders.last() != lock.holder(now).as_ref() {
                holders.extend(lock.holder(now));
            }
        }
        assert_eq!(holders, [1, 2, 3, 9].map(sender));
    }

    #[test]
    fn nobody_else_sends_so_nothing_is_taken_away() {
        let mut lock = SourceLock::new(RELEASE);
        for ms in (0..60_000).step_by(100) {
            let verdict = lock.datagram(sender(1), true, Mono::from_ms(ms));
            assert_eq!(verdict == LockVerdict::NewHolder, ms == 0);
        }
    }

    #[test]
    fn slides_and_pulses_keep_it() {
        let mut lock = SourceLock::new(RELEASE);
        let mut lost = 0;
        for ms in (0..60_000).step_by(20) {
            let now = Mono::from_ms(ms);
            // From the tenth second on in pulses of a second; a unit every five seconds, from the
            // second one on, for the first shows how far they are apart.
            if ms < 10_000 || ms % 1000 < 100 {
                lock.datagram(sender(1), true, now);
            }
            if ms % 2_500 == 0 || ms % 5_000 == 0 {
                lock.proved(now);
            }
            if (5_000..8_000).contains(&ms) || ms > 13_000 {
                lost += u32::from(lock.datagram(sender(2), true, now) == LockVerdict::NewHolder);
            }
        }
        assert_eq!(lost, 0);
    }
}
