//! Bits of AAC's configuration records (ISO/IEC 14496-3), the most significant first. Bound: the
//! caller's slice.

/// The bytes end before the field does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BitsEnd;

/// A position in a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    position: usize,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, position: 0 }
    }

    /// The next `count` bits, at most 24.
    pub(super) fn take(&mut self, count: usize) -> Result<u32, BitsEnd> {
        let mut value = 0;
        for position in self.position..self.position.saturating_add(count) {
            let byte = self.bytes.get(position / 8).ok_or(BitsEnd)?;
            value = (value << 1) | u32::from((byte >> (7 - position % 8)) & 1);
        }
        self.position = self.position.saturating_add(count);
        Ok(value)
    }

    /// Goes to the next whole byte of the slice, if it is not at one.
    pub(super) const fn align(&mut self) {
        self.position = self.position.div_ceil(8) * 8;
    }

    /// In bits from the slice's beginning.
    pub(super) const fn position(&self) -> usize {
        self.position
    }
}
