//! The bytes of a video sample: NAL units behind their lengths (ISO/IEC 14496-15, 5.3.4.2).
//! Purpose: see while they pass whether the lengths add up, and write them with four bytes each.
//! An empty NAL unit, with which some writers fill up, is left out. Bound: one length word.

use crate::codec::access_unit::{Track, UnitSink};

/// The position within a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    /// Bytes of a length word: 1, 2 or 4.
    word_bytes: u8,
    /// What has come of the next length word.
    word: u32,
    word_came: u8,
    /// Bytes left of the NAL unit that is passing.
    nal_left: u32,
    /// Bytes left of the sample.
    left: u32,
    empty: bool,
}

/// The lengths do not add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contradiction;

impl Lengths {
    pub(super) const fn new(word_bytes: u8, sample_bytes: u32) -> Lengths {
        let (word, word_came, nal_left) = (0, 0, 0);
        Lengths { word_bytes, word, word_came, nal_left, left: sample_bytes, empty: true }
    }

    /// Passes the sample's next bytes on.
    pub(super) fn pass(
        &mut self,
        mut bytes: &[u8],
        sink: &mut dyn UnitSink,
    ) -> Result<(), Contradiction> {
        while !bytes.is_empty() {
            if self.nal_left > 0 {
                let wanted = usize::try_from(self.nal_left).unwrap_or(usize::MAX);
                let (nal, rest) = bytes.split_at(wanted.min(bytes.len()));
                sink.write(Track::Video, nal);
                let passed = u32::try_from(nal.len()).unwrap_or(u32::MAX);
                self.nal_left = self.nal_left.saturating_sub(passed);
                self.left = self.left.saturating_sub(passed);
                bytes = rest;
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            self.word = self.word << 8 | u32::from(*byte);
            self.word_came += 1;
            self.left = self.left.saturating_sub(1);
            if self.word_came == self.word_bytes {
                let length = self.word;
                (self.word, self.word_came) = (0, 0);
                if length > self.left {
                    return Err(Contradiction);
                }
                if length > 0 {
                    sink.write(Track::Video, &length.to_be_bytes());
                    self.nal_left = length;
                    self.empty = false;
                }
            }
        }
        Ok(())
    }

    /// Whether what has passed is whole NAL units, and at least one.
    pub(super) const fn is_whole(&self) -> bool {
        self.nal_left == 0 && self.word_came == 0 && !self.empty
    }
}
