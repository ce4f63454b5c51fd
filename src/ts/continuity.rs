//! The continuity counter of one PID (ISO/IEC 13818-1, 2.4.3.3). Purpose: find what was lost and
//! what came twice. Non-goal: putting reordered packets right. Bound: one payload is remembered.
//!
//! A counter equal to the last one means a repeated packet *or* 15 lost ones: only the payload
//! tells them apart, so it is kept and compared. 16 lost packets cannot be seen here.

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

/// What is remembered of the last packet with payload.
pub(super) struct ContinuityCheck {
    counter: Option<u8>,
    repeated: bool,
    payload: [u8; PAYLOAD_BYTES_MAX],
    payload_bytes: usize,
}

impl ContinuityCheck {
    pub(super) const fn new() -> ContinuityCheck {
        ContinuityCheck {
            counter: None,
            repeated: false,
            payload: [0; PAYLOAD_BYTES_MAX],
            payload_bytes: 0,
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
        let verdict = match self.counter {
            None => Continuity::Follows,
            Some(last) if packet.counter == (last + 1) & 0x0f => Continuity::Follows,
            Some(_) if packet.discontinuity => Continuity::Restarts,
            Some(last) if packet.counter == last && !self.repeated && self.is_last(payload) => {
                Continuity::Repeats
            }
            Some(_) => Continuity::Broken,
        };
        self.repeated = verdict == Continuity::Repeats;
        if !self.repeated {
            self.remember(packet.counter, payload);
        }
        verdict
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
    fn packets_without_payload_do_not_count() {
        let mut check = ContinuityCheck::new();
        check.check(&packet(3, Some(&[1]), false));
        assert_eq!(check.check(&packet(3, None, false)), Continuity::Follows);
        assert_eq!(check.check(&packet(4, Some(&[1]), false)), Continuity::Follows);
        check.check(&packet(4, None, true));
        assert_eq!(check.check(&packet(11, Some(&[1]), false)), Continuity::Follows);
    }
}
