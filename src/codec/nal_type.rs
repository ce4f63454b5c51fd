//! NAL unit types (ISO/IEC 14496-10, table 7-1).

use std::ops::RangeInclusive;

/// Coded slices and slice data partitions of a primary coded picture.
pub const SLICES: RangeInclusive<u8> = 1..=5;
/// A coded slice of an IDR picture.
pub const IDR_SLICE: u8 = 5;
/// Supplemental enhancement information.
pub const SEI: u8 = 6;
/// Sequence parameter set.
pub const SPS: u8 = 7;
/// Picture parameter set.
pub const PPS: u8 = 8;
/// Access unit delimiter.
pub const ACCESS_UNIT_DELIMITER: u8 = 9;

/// The type of a NAL unit that begins with this byte.
pub const fn of(header: u8) -> u8 {
    header & 0x1f
}
