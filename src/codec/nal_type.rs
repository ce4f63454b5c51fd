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

/// Prefix of a slice (annexes F, G): of the slice that follows it.
pub const PREFIX: u8 = 14;

/// Whether a slice of this type begins with a slice header: not data partitions B and C.
pub const fn has_slice_header(kind: u8) -> bool {
    matches!(kind, 1 | 2 | IDR_SLICE)
}

/// Whether a NAL unit of this type, behind a slice, is the first of the next access unit
/// (7.4.1.2.3): delimiter, parameter sets, SEI, and 15 to 18. A prefix is judged by its slice.
pub const fn precedes_slices(kind: u8) -> bool {
    matches!(kind, SEI..=ACCESS_UNIT_DELIMITER | 15..=18)
}

/// Whether a NAL unit of this type stands behind slices of its access unit: data partitions B and
/// C, ends of sequence and stream, filler, auxiliary pictures, further layers and views.
pub const fn follows_slices(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 10..=12 | 19..=21)
}
