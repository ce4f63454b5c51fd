//! When a video PES packet may be taken as whole before the next one begins. Purpose: a frame
//! leaves when its last byte is here, not one frame duration later. Bound: a few counters.
//!
//! A video PES usually states no length (ISO/IEC 13818-1, 2.4.3.7), so its end is only certain at
//! the next start. But muxers begin each PES in a packet of its own and so have to stuff the
//! packet before it. Where a stream has done so often enough without exception, a stuffed packet
//! is believed to be the last. A frame that ends flush with its packet waits for the next start,
//! as it would anyway. Where the length is stated it is the guide instead: a PES ends in the stuffed
//! packet with which it has its length. Field encoders let the length overflow at 65,536 and leave
//! out a trailing zero byte, so both are allowed for.
//!
//! Both say where a PES packet ends, and that matters only where a PES packet ends with an access
//! unit: segmenters, cameras and muxers that pack by NAL unit let frames go on in the next
//! (hls.js #6, shaka-packager #47). So this is learnt as well, from how the next one begins.
//!
//! What is believed may be wrong: then a frame has left without its end. So the proof asked for is
//! strict, one counterexample withdraws the belief, it is earned once more only by a far longer
//! proof, and a second counterexample ends it for good.

use std::cmp::Ordering;

use crate::codec::h264::Border;

/// PES packets in a row that must have ended stuffed, and none stuffed before its end, before a
/// stuffed packet is believed to be the last one.
const PROOF: u32 = 8;
/// The same after the belief was wrong once: most of a minute.
const SECOND_PROOF: u32 = 1024;
/// PES packets in a row that may differ from their stated length before lengths are not believed.
const MISFITS_MAX: u8 = 3;

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

/// The belief that a PES packet ends with an access unit.
pub(super) struct WholeUnits {
    trust: Trust,
    /// Bytes of the PES packet in hand, and of the one before.
    bytes: usize,
    bytes_before: usize,
    /// Bytes of the largest that ended with an access unit, and how many of that size did.
    bytes_max: usize,
    largest: u32,
}

impl WholeUnits {
    pub(super) const fn new() -> WholeUnits {
        let trust = Trust { run: 0, needed: Some(PROOF) };
        WholeUnits { trust, bytes: 0, bytes_before: 0, bytes_max: 0, largest: 0 }
    }

    /// A PES packet begins.
    pub(super) fn begin(&mut self) {
        self.bytes_before = self.bytes;
        self.bytes = 0;
    }

    /// More of its body.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len());
    }

    /// How the PES packet in hand began, and so how the one before ended.
    pub(super) fn border(&mut self, border: Border) {
        match border {
            Border::Unit => {
                self.trust.confirm();
                match self.bytes_before.cmp(&self.bytes_max) {
                    Ordering::Greater => (self.bytes_max, self.largest) = (self.bytes_before, 1),
                    Ordering::Equal => self.largest = self.largest.saturating_add(1),
                    Ordering::Less => {}
                }
            }
            Border::Inside if self.trust.holds() => self.trust.withdraw(),
            Border::Inside => self.trust.run = 0,
        }
    }

    /// Whether PES packets are taken to begin and end with access units.
    pub(super) fn holds(&self) -> bool {
        self.trust.holds()
    }

    /// Whether the one in hand is taken to end with an access unit, if it ends here. Not one that
    /// is larger than all that did: muxers that bound their PES packets split the large frames. One of
    /// the largest's size may be such a part as well, unless two frames have filled it exactly: then all
    /// frames are of one size.
    pub(super) fn ends_here(&self) -> bool {
        self.trust.holds()
            && (self.bytes < self.bytes_max || self.bytes == self.bytes_max && self.largest > 1)
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

/// A video PES packet's body as its stated length sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatedBody {
    stated: u16,
    came: usize,
    /// Zero bytes at the end of what came.
    zeros: usize,
}

impl StatedBody {
    pub(super) const fn new(stated: u16) -> StatedBody {
        StatedBody { stated, came: 0, zeros: 0 }
    }

    /// More of the body.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if zeros == bytes.len() { self.zeros.saturating_add(zeros) } else { zeros };
        self.came = self.came.saturating_add(bytes.len());
    }

    /// Whether what came is what was stated, modulo 65,536; zero bytes behind a NAL unit
    /// (ISO/IEC 14496-10, B.1) may be left out of account.
    pub(super) fn fits(&self) -> bool {
        let excess = self.came.wrapping_sub(usize::from(self.stated)) & 0xffff;
        excess <= self.zeros && excess <= self.came
    }
}

/// The belief that `PES_packet_length` is right: held from the start, lost by encoders that count
/// it wrong.
pub(super) struct LengthEnd {
    trust: Trust,
    misfits: u8,
}

impl LengthEnd {
    pub(super) const fn new() -> LengthEnd {
        LengthEnd { trust: Trust { run: 0, needed: Some(0) }, misfits: 0 }
    }

    /// Whether a PES packet that is not of its stated length is broken.
    pub(super) fn holds(&self) -> bool {
        self.trust.holds()
    }

    /// A PES packet is over, and no loss was seen.
    pub(super) fn ended(&mut self, fits: bool) {
        if fits {
            self.misfits = 0;
            self.trust.confirm();
            return;
        }
        self.misfits = self.misfits.saturating_add(1);
        if !self.holds() {
            self.trust.run = 0;
        } else if self.misfits >= MISFITS_MAX {
            self.wrong();
        }
    }

    /// More came of a PES packet that had its length.
    pub(super) fn wrong(&mut self) {
        self.misfits = 0;
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

    /// A muxer that bounds its PES packets, to the size that a frame happened to have.
    #[test]
    fn a_part_of_a_frame_that_has_the_largest_frames_size_is_not_taken_for_one() {
        let mut whole = WholeUnits::new();
        let pes = |whole: &mut WholeUnits, bytes: usize, border| {
            whole.begin();
            whole.border(border);
            whole.add(&vec![1; bytes]);
            whole.ends_here()
        };
        for _ in 0..PROOF {
            pes(&mut whole, 500, Border::Unit);
        }
        assert!(pes(&mut whole, 500, Border::Unit), "frames of one size");
        pes(&mut whole, 977, Border::Unit);
        assert!(!pes(&mut whole, 977, Border::Unit), "one frame had this size");
        pes(&mut whole, 20, Border::Inside);
        for _ in 0..SECOND_PROOF {
            pes(&mut whole, 977, Border::Unit);
        }
        assert!(pes(&mut whole, 977, Border::Unit), "frames of one size");
        assert!(!pes(&mut whole, 978, Border::Unit));
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
    fn stuffing_in_the_middle_begins_the_proof_again() {
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
        for fits in [false, false, true, false, false] {
            length.ended(fits);
        }
        assert!(length.holds(), "never three in a row");
        length.ended(false);
        assert!(!length.holds());
        for _ in 0..SECOND_PROOF {
            assert!(!length.holds());
            length.ended(true);
        }
        assert!(length.holds());
        length.wrong();
        for _ in 0..2 * SECOND_PROOF {
            length.ended(true);
        }
        assert!(!length.holds());
    }

    #[test]
    fn a_body_fits_its_length_modulo_65536_and_trailing_zeros() {
        let body = |stated: u16, parts: &[&[u8]]| {
            let mut body = StatedBody::new(stated);
            parts.iter().for_each(|part| body.add(part));
            body.fits()
        };
        assert!(body(4, &[b"ab", b"cd"]));
        assert!(!body(4, &[b"abc"]));
        assert!(!body(4, &[b"abcde"]));
        assert!(body(4, &[b"abcd\0"]));
        assert!(body(4, &[b"abcd", b"\0", b"\0\0"]));
        assert!(body(4, &[b"abc\0"]), "a zero that counts");
        assert!(!body(4, &[b"abc\0", b"e"]));
        assert!(!body(4, &[b"abcde\0"]));
        assert!(!body(6, &[b"abc\0"]), "zeros do not stand in for what is missing");
        let big = vec![7; 65_536 + 4];
        assert!(body(4, &[&big]));
        assert!(!body(5, &[&big]));
        assert!(body(0, &[]));
        assert!(!body(1, &[]));
    }
}
