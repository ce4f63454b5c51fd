//! The continuity counter of one PID (ISO/IEC 13818-1, 2.4.3.3). Purpose: find what was lost and
//! what came twice. Non-goal: putting reordered packets right. Bound: one payload is remembered.
//!
//! A counter equal to the last one means a repeated packet *or* 15 lost ones: only the payload
//! tells them apart, so it is kept and compared. 16 lost packets cannot be seen here.
//!
//! A datagram that comes late breaks the order three times: where it is missing, where it comes,
//! and where the stream goes on behind it. If counters happen to meet, one break or two do not
//! show. So for a few datagrams after a break, a packet that would also go on with what stood
//! before a break counts as a break too. The price is a frame more now and then after a loss,
//! which has spoilt the frames that refer to it anyway.

use super::counters::TsCounters;
use super::packet::{Packet, PAYLOAD_BYTES_MAX};

/// How a packet follows the one before it on its PID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// The next one, or the first.
    Follows,
    /// The last one once more: legal, once, and to be dropped.
    Repeats,
    /// Packets between are missing, or the order is not kept.
    Broken,
    /// The counter jumps, and the multiplexer says that it means to.
    Restarts,
}

/// What an elementary stream has of a packet.
pub(super) struct Arrival<'p> {
    /// What came before does not go on.
    pub(super) gap: bool,
    /// Its payload, if that is to be read.
    pub(super) payload: Option<&'p [u8]>,
}

/// Datagrams after a break in which one may come late, or what came late may end.
const LATE_DATAGRAMS_MAX: usize = 5;

/// What is remembered of the last packet with payload.
pub(super) struct ContinuityCheck {
    counter: Option<u8>,
    /// The counters before the breaks of the latest datagrams, newest first, a bit for each.
    before_breaks: [u16; LATE_DATAGRAMS_MAX],
    /// The next packet may go on with that one as well.
    is_ambiguous: bool,
    repeated: bool,
    payload: [u8; PAYLOAD_BYTES_MAX],
    payload_bytes: usize,
}

impl ContinuityCheck {
    pub(super) const fn new() -> ContinuityCheck {
        ContinuityCheck {
            counter: None,
            before_breaks: [0; LATE_DATAGRAMS_MAX],
            is_ambiguous: false,
            repeated: false,
            payload: [0; PAYLOAD_BYTES_MAX],
            payload_bytes: 0,
        }
    }

    /// The next datagram begins.
    pub(super) fn datagram(&mut self) {
        let last = self.counter.map_or(0, |counter| 1u16 << counter);
        self.is_ambiguous |= self.before_breaks.iter().any(|before| before & last != 0);
        self.before_breaks.rotate_right(1);
        if let Some(newest) = self.before_breaks.first_mut() {
            *newest = 0;
        }
    }

    /// Judges a packet and remembers it. A packet without payload does not advance the counter.
    pub(super) fn check(&mut self, packet: &Packet<'_>) -> Continuity {
        let Some(payload) = packet.payload else {
            if packet.discontinuity {
                self.counter = None;
            }
            return Continuity::Follows;
        };
        let is_ambiguous = std::mem::take(&mut self.is_ambiguous);
        let verdict = match self.counter {
            None => Continuity::Follows,
            Some(_) if is_ambiguous && !packet.discontinuity => Continuity::Broken,
            Some(last) if packet.counter == (last + 1) & 0x0f => Continuity::Follows,
            Some(_) if packet.discontinuity => Continuity::Restarts,
            Some(last) if packet.counter == last && !self.repeated && self.is_last(payload) => {
                Continuity::Repeats
            }
            Some(_) => Continuity::Broken,
        };
        if verdict == Continuity::Broken && !is_ambiguous {
            if let (Some(newest), Some(last)) = (self.before_breaks.first_mut(), self.counter) {
                *newest |= 1 << last;
            }
        }
        self.repeated = verdict == Continuity::Repeats;
        if !self.repeated {
            self.remember(packet.counter, payload);
        }
        verdict
    }

    /// What an elementary stream has of a packet; what is wrong with it is counted.
    pub(super) fn arrival<'p>(
        &mut self,
        packet: &Packet<'p>,
        counters: &mut TsCounters,
    ) -> Arrival<'p> {
        let continuity = self.check(packet);
        if packet.payload.is_none() || continuity == Continuity::Repeats {
            counters.duplicate_packets += u64::from(continuity == Continuity::Repeats);
            return Arrival { gap: false, payload: None };
        }
        counters.continuity_errors += u64::from(continuity == Continuity::Broken);
        counters.unusable_packets += u64::from(packet.scrambled);
        counters.scrambled_packets += u64::from(packet.scrambled);
        Arrival {
            gap: continuity != Continuity::Follows || packet.scrambled,
            payload: packet.payload.filter(|_| !packet.scrambled),
        }
    }

    fn is_last(&self, payload: &[u8]) -> bool {
        self.payload.get(..self.payload_bytes) == Some(payload)
    }

    fn remember(&mut self, counter: u8, payload: &[u8]) {
        self.counter = Some(counter);
        self.payload_bytes = 0;
        if let Some(room) = self.payload.get_mut(..payload.len()) {
            room.copy_from_slice(payload);
            self.payload_bytes = payload.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(counter: u8, payload: Option<&[u8]>, discontinuity: bool) -> Packet<'_> {
        Packet {
            pid: 0x100,
            unit_start: false,
            scrambled: false,
            counter,
            discontinuity,
            stuffed: false,
            payload,
        }
    }

    #[test]
    fn counts_to_fifteen_and_round() {
        let mut check = ContinuityCheck::new();
        for n in 0..40u8 {
            let verdict = check.check(&packet((n + 9) & 15, Some(&[n]), false));
            assert_eq!(verdict, Continuity::Follows);
        }
    }

    #[test]
    fn one_repetition_is_legal_a_second_is_not() {
        let mut check = ContinuityCheck::new();
        check.check(&packet(3, Some(&[1]), false));
        assert_eq!(check.check(&packet(3, Some(&[1]), false)), Continuity::Repeats);
        assert_eq!(check.check(&packet(3, Some(&[1]), false)), Continuity::Broken);
        assert_eq!(check.check(&packet(4, Some(&[2]), false)), Continuity::Follows);
        assert_eq!(check.check(&packet(4, Some(&[2]), false)), Continuity::Repeats);
        assert_eq!(check.check(&packet(5, Some(&[3]), false)), Continuity::Follows);
    }

    #[test]
    fn fifteen_lost_packets_are_no_repetition() {
        let mut check = ContinuityCheck::new();
        check.check(&packet(3, Some(&[1, 2]), false));
        assert_eq!(check.check(&packet(3, Some(&[1, 3]), false)), Continuity::Broken);
        let mut check = ContinuityCheck::new();
        check.check(&packet(3, Some(&[1, 2]), false));
        assert_eq!(check.check(&packet(3, Some(&[1]), false)), Continuity::Broken);
    }

    #[test]
    fn a_gap_is_an_error_unless_announced() {
        let mut check = ContinuityCheck::new();
        check.check(&packet(3, Some(&[1]), false));
        assert_eq!(check.check(&packet(5, Some(&[1]), false)), Continuity::Broken);
        assert_eq!(check.check(&packet(9, Some(&[1]), true)), Continuity::Restarts);
        assert_eq!(check.check(&packet(10, Some(&[1]), true)), Continuity::Follows);
    }

    #[test]
    fn a_late_datagram_breaks_twice_even_when_its_end_fits_what_follows() {
        let mut check = ContinuityCheck::new();
        let mut counters = |counters: &[u8]| {
            check.datagram();
            let verdicts = counters.iter().map(|n| check.check(&packet(*n, Some(&[*n]), false)));
            verdicts.map(|verdict| verdict == Continuity::Follows).collect::<Vec<_>>()
        };
        assert_eq!(counters(&[1, 2, 3]), [true; 3]);
        assert_eq!(counters(&[4, 5, 6, 7]), [true; 4]);
        assert_eq!(counters(&[5, 6, 7]), [false, true, true], "16 packets late");
        assert_eq!(counters(&[]), [true; 0], "a datagram without packets of the PID");
        assert_eq!(counters(&[8, 9]), [false, true], "where the stream goes on behind it");

        assert_eq!(counters(&[14, 15, 0]), [false, true, true], "the datagram of 10 is missing");
        assert_eq!(counters(&[1, 2]), [true; 2]);
        assert_eq!(counters(&[3, 4, 5, 6, 7, 8, 9]), [true; 7]);
        assert_eq!(counters(&[10, 11, 12, 13]), [false, true, true, true], "there it comes");
        assert_eq!(counters(&[10, 11]), [false, true]);
    }

    #[test]
    fn a_break_is_forgotten_after_a_few_datagrams() {
        let mut check = ContinuityCheck::new();
        check.check(&packet(9, Some(&[9]), false));
        check.datagram();
        assert_eq!(check.check(&packet(11, Some(&[1]), false)), Continuity::Broken);
        for counter in 12..=25 {
            let verdict = check.check(&packet(counter & 15, Some(&[counter]), false));
            assert_eq!(verdict, Continuity::Follows, "within a datagram there is no doubt");
        }
        for _ in 0..=LATE_DATAGRAMS_MAX {
            check.datagram();
            check.is_ambiguous = false;
        }
        check.datagram();
        assert_eq!(check.check(&packet(10, Some(&[26]), false)), Continuity::Follows);
    }

    #[test]
    fn packets_without_payload_do_not_count() {
        let mut check = ContinuityCheck::new();
        check.check(&packet(3, Some(&[1]), false));
        assert_eq!(check.check(&packet(3, None, false)), Continuity::Follows);
        assert_eq!(check.check(&packet(4, Some(&[1]), false)), Continuity::Follows);
        check.check(&packet(4, None, true));
        assert_eq!(check.check(&packet(11, Some(&[1]), false)), Continuity::Follows);
    }
}
