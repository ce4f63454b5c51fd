//! Whether a decoder can start at an access unit of a file, by its NAL units where they stand.
//! Purpose: flags and tables of key frames are a hint for where to look; they are missing, or on
//! every frame, in files of all kinds (mp4v2 #128, mp4box.js #65, HaishinKit #1515).
//! Bound: `ENTRY_NALS_MAX` NAL units are looked at, of a unit no more than its first slice's
//! header and `SEI_BYTES_MAX` of each SEI; nothing is kept.

use std::io;

use super::container::ReadAt;
use super::key_units::{Recovery, UnitHead};
use super::nal_type;
use super::window::FileWindow;

/// NAL units looked at in search of the first slice.
const ENTRY_NALS_MAX: usize = 64;
/// Bytes of an SEI NAL unit looked at.
const SEI_BYTES_MAX: usize = 1024;

/// Where a unit of length-prefixed NAL units stands.
#[derive(Clone, Copy, Debug)]
pub struct StoredUnit<'a> {
    /// Bytes that stand before it and are not stored (Matroska's header stripping).
    pub stripped: &'a [u8],
    /// Where the others begin.
    pub at: u64,
    /// How many they are.
    pub bytes: u64,
    /// Bytes of the length before each NAL unit, 1 to 4.
    pub length_bytes: u8,
}

/// How well a decoder can start at a unit, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryPoint {
    /// It needs what stands before.
    None,
    /// Its picture is right some frames later: intra refresh.
    Gradual,
    /// At once: an IDR, or an I picture with a recovery point.
    AtOnce,
}

impl EntryPoint {
    fn of(head: UnitHead) -> EntryPoint {
        match (head.first_slice, head.recovery) {
            (Some(nal_type::IDR_SLICE), _) | (Some(_), Some(Recovery::AtOnce)) => {
                EntryPoint::AtOnce
            }
            (Some(_), Some(Recovery::Gradual)) => EntryPoint::Gradual,
            _ => EntryPoint::None,
        }
    }
}

/// Looks at a unit where it stands.
///
/// # Errors
/// The disk's own.
pub fn look(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    unit: StoredUnit<'_>,
) -> io::Result<EntryPoint> {
    let whole = unit.bytes.saturating_add(unit.stripped.len() as u64);
    let length_bytes = u64::from(unit.length_bytes.clamp(1, 4));
    let (mut place, mut head) = (0, UnitHead::default());
    for _ in 0..ENTRY_NALS_MAX {
        let mut length = 0;
        for n in 0..length_bytes {
            let Some(byte) = unit.byte(file, window, place + n)? else {
                return Ok(EntryPoint::None);
            };
            length = length << 8 | u64::from(byte);
        }
        let nal = place + length_bytes;
        place = nal + length;
        if place > whole {
            break;
        }
        if length == 0 {
            continue;
        }
        let Some(header) = unit.byte(file, window, nal)? else { break };
        let is_over = match nal.checked_sub(unit.stripped.len() as u64) {
            Some(behind) if nal_type::of(header) == nal_type::SEI => {
                let bytes = usize::try_from(length).unwrap_or(usize::MAX).min(SEI_BYTES_MAX);
                let at = unit.at.saturating_add(behind);
                head.take(window.get(file, at, bytes)?)
            }
            _ => head.take(&[header]),
        };
        if is_over {
            break;
        }
    }
    Ok(EntryPoint::of(head))
}

impl StoredUnit<'_> {
    /// The byte at a place in the unit.
    fn byte(
        &self,
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
        place: u64,
    ) -> io::Result<Option<u8>> {
        let stripped = usize::try_from(place).ok().and_then(|place| self.stripped.get(place));
        if let Some(byte) = stripped {
            return Ok(Some(*byte));
        }
        let Some(behind) = place.checked_sub(self.stripped.len() as u64) else { return Ok(None) };
        if behind >= self.bytes {
            return Ok(None);
        }
        Ok(window.get(file, self.at.saturating_add(behind), 1)?.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::collector::hex;
    use crate::codec::window::InMemory;

    fn entry(unit: &[u8], stripped: usize, length_bytes: u8) -> EntryPoint {
        let (stripped, stored) = unit.split_at(stripped);
        let file = [b"before", stored].concat();
        let mut file = InMemory { bytes: &file, reads: 0 };
        let unit = StoredUnit { stripped, at: 6, bytes: stored.len() as u64, length_bytes };
        look(&mut file, &mut FileWindow::of(64), unit).unwrap()
    }

    #[test]
    fn the_first_slice_and_a_recovery_point_before_it_say_so() {
        // AUD, SEI with recovery_frame_cnt 0 or 1.
        let at_once = "0000000209f0000000050606018480";
        let gradual = &at_once.replace("0184", "0144");
        for (unit, found) in [
            ("0000000209f0000000026588", EntryPoint::AtOnce),
            ("0000000209f0000000024188", EntryPoint::None),
            ("000000000000000165", EntryPoint::AtOnce),
            (&format!("{at_once}000000024188"), EntryPoint::AtOnce),
            (&format!("{gradual}000000024188"), EntryPoint::Gradual),
            (at_once, EntryPoint::None),
            ("000000096588", EntryPoint::None),
            ("00000002", EntryPoint::None),
            ("", EntryPoint::None),
        ] {
            let unit = hex(unit);
            for stripped in 0..=unit.len().min(10) {
                assert_eq!(entry(&unit, stripped, 4), found, "{unit:x?} without {stripped}");
            }
        }
        assert_eq!(entry(&hex("0209f0026588"), 0, 1), EntryPoint::AtOnce);
        assert_eq!(entry(&hex("000209f000026588"), 1, 2), EntryPoint::AtOnce);
        assert_eq!(entry(&[0; 400], 0, 4), EntryPoint::None, "no end of empty NAL units");
    }
}
