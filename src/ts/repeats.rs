//! Datagrams that come twice. Purpose: networks double datagrams (two paths, a rejoined multicast
//! group), and each doubling looks like a continuity error to everything behind. Non-goal: doubled
//! packets inside a datagram, which the continuity check drops. Bound: a few fingerprints.
//!
//! Dropping is safe: a datagram equal to one of the last few is either doubled or made only of
//! packets that mean nothing the second time (null packets, repeated packets), because the
//! counter of every other packet has moved on.

use crate::base::limits::TS_RECENT_DATAGRAMS_MAX;

/// Fingerprints of the latest datagrams.
#[derive(Default)]
pub(super) struct RecentDatagrams {
    prints: heapless::HistoryBuf<u64, TS_RECENT_DATAGRAMS_MAX>,
}

impl RecentDatagrams {
    /// Whether this datagram came a moment ago; remembers it if not.
    pub(super) fn is_repeated(&mut self, datagram: &[u8]) -> bool {
        let print = fingerprint(datagram);
        let known = self.prints.contains(&print);
        if !known {
            self.prints.write(print);
        }
        known
    }
}

/// A 64-bit mix of all bytes and the length. Each step is one-to-one in the word it takes, so two
/// datagrams that differ in a single word never collide.
fn fingerprint(bytes: &[u8]) -> u64 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |state: u64, word: u64| (state.rotate_left(23) ^ word).wrapping_mul(MIX);
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    let mut state = u64::try_from(bytes.len()).unwrap_or(0);
    for word in words.filter_map(<[u8]>::first_chunk) {
        state = step(state, u64::from_le_bytes(*word));
    }
    rest.iter().fold(state, |state, byte| step(state, u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known_the_older_forgotten() {
        let mut recent = RecentDatagrams::default();
        let datagram = |n: u8| [n; 21];
        for n in 0..9 {
            assert!(!recent.is_repeated(&datagram(n)));
        }
        assert!(recent.is_repeated(&datagram(8)));
        assert!(recent.is_repeated(&datagram(1)));
        assert!(!recent.is_repeated(&datagram(0)));
        assert!(!recent.is_repeated(&datagram(0)[..20]), "length counts");
    }
}
