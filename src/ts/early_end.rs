//! When a video PES packet may be taken as whole before the next one begins. Purpose: a frame
//! leaves when its last byte is here, not one frame duration later. Bound: a few counters.
//!
//! A video PES usually states no length (ISO/IEC 13818-1, 2.4.3.7), so its end is only certain at
//! the next start. But muxers begin each PES in a packet of its own and so have to stuff the
//! packet before it. Where a stream has done so often enough without exception, a stuffed packet
//! is believed to be the last. A frame that ends flush with its packet waits for the next start,
//! as it would anyway. Where the length is stated it is the guide instead.
//!
//! Whoever believes may be deceived: then a frame has left without its end. So the proof asked
//! for is strict, one counterexample withdraws the belief, it is earned once more only by a far
//! longer proof, and a second counterexample ends it for good.

/// PES packets in a row that must have ended stuffed, and none stuffed before its end, before a
/// stuffed packet is believed to be the last one.
const PROOF: u32 = 8;
/// The same after the belief was wrong once: most of a minute.
const SECOND_PROOF: u32 = 1024;
/// Stated lengths in a row that may be longer than what came before lengths are not believed.
const SHORT_PACKETS_MAX: u8 = 3;

/// Belief that is earned, lost, and earned once more.
struct Trust {
    /// Observations in its favour, in a row.
    run: u32,
    /// How many it takes; `None` when it is lost for good.
    needed: Option<u32>,
}

impl Trust {
    fn holds(&self) -> bool {
        self.needed.is_some_and(|needed| self.run >= needed)
    }

    fn confirm(&mut self) {
        self.run = self.run.saturating_add(1);
    }

    fn withdraw(&mut self) {
        self.run = 0;
        self.needed =
            self.needed.and_then(|needed| (needed < SECOND_PROOF).then_some(SECOND_PROOF));
    }
}

/// The belief that a stuffed packet is its PES packet's last.
pub(super) struct StuffingEnd {
    trust: Trust,
    last_stuffed: bool,
    stuffed_before_last: bool,
}

impl StuffingEnd {
    pub(super) const fn new() -> StuffingEnd {
        let trust = Trust { run: 0, needed: Some(PROOF) };
        StuffingEnd { trust, last_stuffed: false, stuffed_before_last: false }
    }

    /// A PES packet begins, or the open one is given up.
    pub(super) fn begin(&mut self) {
        self.last_stuffed = false;
        self.stuffed_before_last = false;
    }

    /// A transport packet of the open PES packet; returns whether to take it as the last.
    pub(super) fn packet(&mut self, stuffed: bool) -> bool {
        self.stuffed_before_last |= self.last_stuffed;
        self.last_stuffed = stuffed;
        stuffed && self.trust.holds()
    }

    /// The next PES packet begins and nothing was lost between. One that ended flush says nothing.
    pub(super) fn ended(&mut self) {
        if self.stuffed_before_last {
            self.trust.run = 0;
        } else if self.last_stuffed {
            self.trust.confirm();
        }
    }

    /// More came of a PES packet that was taken as whole.
    pub(super) fn wrong(&mut self) {
        self.trust.withdraw();
    }
}

/// The belief that `PES_packet_length` is right: held from the start, and lost by encoders that
/// write a length modulo 65,536 or count it wrong.
pub(super) struct LengthEnd {
    trust: Trust,
    short: u8,
}

impl LengthEnd {
    pub(super) const fn new() -> LengthEnd {
        LengthEnd { trust: Trust { run: 0, needed: Some(0) }, short: 0 }
    }

    /// Whether a PES packet ends at its stated length.
    pub(super) fn holds(&self) -> bool {
        self.trust.holds()
    }

    /// A PES packet was over, nothing lost, and this much of it had come.
    pub(super) fn ended(&mut self, stated: usize, came: usize) {
        if came == stated {
            self.short = 0;
            self.trust.confirm();
        } else {
            self.trust.run = 0;
            self.short = self.short.saturating_add(1);
            if self.short == SHORT_PACKETS_MAX && self.trust.holds() {
                self.wrong();
            }
        }
    }

    /// More came than was stated.
    pub(super) fn wrong(&mut self) {
        self.short = 0;
        self.trust.withdraw();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pes(end: &mut StuffingEnd, packets: &[bool]) -> bool {
        end.begin();
        let mut believed = false;
        for stuffed in packets {
            believed |= end.packet(*stuffed);
        }
        end.ended();
        believed
    }

    #[test]
    fn belief_takes_eight_in_a_row() {
        let mut end = StuffingEnd::new();
        for _ in 0..PROOF {
            assert!(!pes(&mut end, &[false, false, true]));
        }
        assert!(pes(&mut end, &[false, true]));
        assert!(pes(&mut end, &[true]), "a PES of a single packet");
    }

    #[test]
    fn flush_ends_neither_teach_nor_unteach() {
        let mut end = StuffingEnd::new();
        for _ in 0..PROOF {
            pes(&mut end, &[false, false]);
        }
        assert!(!pes(&mut end, &[false, true]));
        for _ in 1..PROOF {
            pes(&mut end, &[false, true]);
            pes(&mut end, &[false, false]);
        }
        assert!(pes(&mut end, &[false, true]));
    }

    #[test]
    fn stuffing_in_the_middle_begins_the_proof_anew() {
        let mut end = StuffingEnd::new();
        for _ in 1..PROOF {
            pes(&mut end, &[false, true]);
        }
        pes(&mut end, &[true, false, true]);
        for _ in 0..PROOF {
            assert!(!pes(&mut end, &[false, true]));
        }
        assert!(pes(&mut end, &[false, true]));
    }

    #[test]
    fn belief_is_earned_twice_and_no_more() {
        let mut end = StuffingEnd::new();
        for proof in [PROOF, SECOND_PROOF] {
            for _ in 0..proof {
                assert!(!pes(&mut end, &[false, true]));
            }
            assert!(pes(&mut end, &[false, true]));
            end.wrong();
        }
        for _ in 0..3 * SECOND_PROOF {
            assert!(!pes(&mut end, &[false, true]));
        }
    }

    #[test]
    fn lengths_are_believed_until_they_lie() {
        let mut length = LengthEnd::new();
        length.ended(100, 60);
        length.ended(100, 60);
        length.ended(100, 100);
        length.ended(100, 60);
        length.ended(100, 60);
        assert!(length.holds(), "never three in a row");
        length.ended(100, 60);
        assert!(!length.holds());
        for _ in 0..SECOND_PROOF {
            assert!(!length.holds());
            length.ended(100, 100);
        }
        assert!(length.holds());
        length.wrong();
        for _ in 0..2 * SECOND_PROOF {
            length.ended(100, 100);
        }
        assert!(!length.holds());
    }
}
