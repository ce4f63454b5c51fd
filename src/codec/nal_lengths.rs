//! The NAL units of an access unit as FLV, MP4 and Matroska store them, each behind its length
//! (ISO/IEC 14496-15, 5.3.4.2), as the bytes arrive. Purpose: check the lengths against the bytes
//! there are, and bring those of one, two or three bytes to the four that the programme keeps.
//! Bound: the length being read; payload is not kept.

use super::access_unit::{Track, UnitSink};

/// A length reaches beyond the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthBroken;

/// Walks through one access unit after the other.
#[derive(Clone, Copy, Debug)]
pub struct NalLengths {
    length_bytes: u8,
    /// The length being read, and how many of its bytes have come.
    length: usize,
    length_got: u8,
    /// Bytes of the current NAL unit still to come.
    nal_left: usize,
    /// Bytes of the access unit still to come.
    unit_left: usize,
    written: bool,
}

impl NalLengths {
    /// For lengths of so many bytes, 1 to 4: lengthSizeMinusOne + 1.
    pub const fn new(length_bytes: u8) -> NalLengths {
        NalLengths {
            length_bytes,
            length: 0,
            length_got: 0,
            nal_left: 0,
            unit_left: 0,
            written: false,
        }
    }

    /// An access unit of so many bytes begins; the one before is forgotten.
    pub fn begin(&mut self, unit_bytes: usize) {
        *self = NalLengths { unit_left: unit_bytes, ..NalLengths::new(self.length_bytes) };
    }

    /// The next bytes of the unit, which the sink has open. NAL units of no bytes are left out.
    ///
    /// # Errors
    /// The lengths do not add up; the caller aborts the unit.
    pub fn data<S: UnitSink + ?Sized>(
        &mut self,
        mut bytes: &[u8],
        sink: &mut S,
    ) -> Result<(), LengthBroken> {
        while let Some((&byte, behind)) = bytes.split_first() {
            if self.nal_left > 0 {
                let (part, rest) = bytes.split_at_checked(self.nal_left).unwrap_or((bytes, &[]));
                sink.write(Track::Video, part);
                self.nal_left -= part.len();
                self.unit_left = self.unit_left.checked_sub(part.len()).ok_or(LengthBroken)?;
                bytes = rest;
                continue;
            }
            bytes = behind;
            self.length = (self.length << 8) | usize::from(byte);
            self.length_got += 1;
            self.unit_left = self.unit_left.checked_sub(1).ok_or(LengthBroken)?;
            if self.length_got == self.length_bytes {
                self.start_nal(sink)?;
            }
        }
        Ok(())
    }

    /// A length is whole.
    fn start_nal<S: UnitSink + ?Sized>(&mut self, sink: &mut S) -> Result<(), LengthBroken> {
        let word = u32::try_from(self.length).map_err(|_| LengthBroken)?;
        if self.length > self.unit_left {
            return Err(LengthBroken);
        }
        if word > 0 {
            sink.write(Track::Video, &word.to_be_bytes());
            self.written = true;
        }
        self.nal_left = self.length;
        (self.length, self.length_got) = (0, 0);
        Ok(())
    }

    /// All bytes have come, the last NAL unit ends with the access unit, and there is one.
    pub fn is_whole(&self) -> bool {
        self.written && self.unit_left == 0 && self.nal_left == 0 && self.length_got == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Ticks;
    use crate::codec::access_unit::{AvcConfig, TrackConfig, UnitStart};
    use crate::codec::collector::{hex, Collector, Random};

    fn collector() -> Collector {
        let mut sink = Collector::default();
        let record =
            hex("0142c00affe100156742c00ada11ec0440000003004000000f03c489a801000468ce0fc8");
        sink.config(&TrackConfig::Avc(AvcConfig::from_record(&record).unwrap()));
        let (dts, pts) = (Ticks(0), Ticks(0));
        sink.begin(UnitStart { track: Track::Video, dts, pts, key: true });
        sink
    }

    /// What comes of a unit fed in pieces; `None` when it is refused.
    fn walk(length_bytes: u8, unit: &[u8], pieces: &mut Random) -> Option<Vec<Vec<u8>>> {
        let mut sink = collector();
        let mut lengths = NalLengths::new(length_bytes);
        lengths.begin(unit.len());
        let mut rest = unit;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(1 + pieces.below(rest.len()));
            lengths.data(piece, &mut sink).ok()?;
            rest = behind;
        }
        lengths.is_whole().then(|| {
            sink.commit(Track::Video);
            sink.nals()
        })
    }

    #[test]
    fn lengths_of_every_size_become_four_bytes() {
        let mut random = Random(7);
        for length_bytes in 1..=4 {
            let mut unit = Vec::new();
            for nal in [&b"abc"[..], b"", b"d"] {
                let length = (nal.len() as u32).to_be_bytes();
                unit.extend(&length[4 - usize::from(length_bytes)..]);
                unit.extend(nal);
            }
            for _ in 0..50 {
                let nals = walk(length_bytes, &unit, &mut random).unwrap();
                assert_eq!(nals, [b"abc".to_vec(), b"d".to_vec()]);
            }
        }
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        let mut random = Random(9);
        for unit in ["00000003aabb", "00000001aa000000", "00000001aa0000000100ff", "00000000", ""] {
            assert_eq!(walk(4, &hex(unit), &mut random), None, "{unit}");
        }
        let mut lengths = NalLengths::new(4);
        lengths.begin(5);
        assert_eq!(lengths.data(&hex("00000001aa00"), &mut collector()), Err(LengthBroken));
    }
}
