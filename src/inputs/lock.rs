//! The source lock of a datagram input. Purpose: two senders never mix: while one is live,
//! packets from another are counted and ignored. Bound: one sender.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::time::Mono;

/// Who holds the input.
pub(super) struct SourceLock {
    holder: Option<(SocketAddr, Mono)>,
    release: Duration,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
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
        SourceLock { holder: None, release }
    }

    /// A sender silent for `release` loses it from now on.
    pub(super) fn set_release(&mut self, release: Duration) {
        self.release = release;
    }

    /// A datagram came. One that is no media (`plausible` is false) neither takes nor keeps the
    /// lock, or a sender of garbage could hold the input for ever.
    pub(super) fn datagram(&mut self, from: SocketAddr, plausible: bool, now: Mono) -> Verdict {
        match &mut self.holder {
            Some((holder, heard)) if *holder == from => {
                if plausible {
                    *heard = now;
                }
                Verdict::Holder
            }
            Some((_, heard)) if now.since(*heard) < self.release => Verdict::Ignored,
            _ if plausible => {
                self.holder = Some((from, now));
                Verdict::NewHolder
            }
            _ => Verdict::Ignored,
        }
    }

    /// Who holds the lock at this time.
    pub(super) fn holder(&self, now: Mono) -> Option<SocketAddr> {
        let (holder, heard) = self.holder?;
        (now.since(heard) < self.release).then_some(holder)
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
        assert_eq!(lock.datagram(sender(1), true, Mono::from_ms(0)), Verdict::NewHolder);
        assert_eq!(lock.datagram(sender(2), true, Mono::from_ms(100)), Verdict::Ignored);
        assert_eq!(lock.datagram(sender(1), true, Mono::from_ms(400)), Verdict::Holder);
        assert_eq!(lock.datagram(sender(2), true, Mono::from_ms(899)), Verdict::Ignored);
        assert_eq!(lock.holder(Mono::from_ms(899)), Some(sender(1)));
        assert_eq!(lock.holder(Mono::from_ms(900)), None);
        assert_eq!(lock.datagram(sender(2), true, Mono::from_ms(900)), Verdict::NewHolder);
        assert_eq!(lock.datagram(sender(1), true, Mono::from_ms(901)), Verdict::Ignored);
    }

    #[test]
    fn garbage_neither_takes_nor_keeps_the_lock() {
        let mut lock = SourceLock::new(RELEASE);
        assert_eq!(lock.datagram(sender(9), false, Mono::from_ms(0)), Verdict::Ignored);
        assert_eq!(lock.datagram(sender(1), true, Mono::from_ms(1)), Verdict::NewHolder);
        assert_eq!(lock.datagram(sender(1), false, Mono::from_ms(450)), Verdict::Holder);
        assert_eq!(lock.datagram(sender(2), true, Mono::from_ms(501)), Verdict::NewHolder);
    }
}
