//! What every generated unit carries: whose it is and its time in its source's own endless clock.
//! Purpose: the far side can tell from content alone what timestamps ought to be. No byte of a
//! stamp is below 0x80, so it holds no start code and no emulation prevention byte.

/// Seven-bit digits of a composition time and of a decoding time.
const COMPOSITION_DIGITS: usize = 3;
const DTS_DIGITS: usize = 10;
/// Bytes of a stamp.
pub const STAMP_BYTES: usize = 1 + COMPOSITION_DIGITS + DTS_DIGITS;

/// Ids from here on are the card's; those below are encoders'.
pub const CARD_ID_MIN: u8 = 0x40;

/// Whose a unit is, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The source, again for each of its clock's epochs; below 0x80.
    pub id: u8,
    /// Decoding time, 90 kHz.
    pub dts: i64,
    /// Presentation time behind it, 90 kHz.
    pub composition: i64,
}

impl Stamp {
    /// Appends it.
    pub fn write(self, out: &mut Vec<u8>) {
        out.push(0x80 | self.id);
        for (value, digits) in [(self.composition, COMPOSITION_DIGITS), (self.dts, DTS_DIGITS)] {
            let digit = |n: usize| 0x80 | (value >> (7 * n).min(63) & 0x7f) as u8;
            out.extend((0..digits).rev().map(digit));
        }
    }

    /// The stamp these bytes begin with.
    pub fn read(bytes: &[u8]) -> Stamp {
        let stamp = bytes.first_chunk::<STAMP_BYTES>().expect("a whole stamp");
        let (composition, dts) = stamp[1..].split_at(COMPOSITION_DIGITS);
        let value = |digits: &[u8]| {
            digits.iter().fold(0, |value: i64, digit| value << 7 | i64::from(digit & 0x7f))
        };
        Stamp { id: stamp[0] & 0x7f, dts: value(dts), composition: value(composition) }
    }

    /// Whether the card made it.
    pub fn is_card(self) -> bool {
        self.id >= CARD_ID_MIN
    }
}
