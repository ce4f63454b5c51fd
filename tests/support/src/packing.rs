//! What the writers of FLV, MP4 and Matroska have in common: records, lengths, and how truly key
//! units are marked.

use crate::units::{AccessUnit, Media, Track};

/// How key units are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// As they are.
    True,
    /// None is.
    None,
    /// Every unit is.
    All,
}

impl Marks {
    /// All of them.
    pub const ALL: [Marks; 3] = [Marks::True, Marks::None, Marks::All];

    /// Whether a unit is marked.
    pub fn marks(self, unit: &AccessUnit) -> bool {
        match self {
            Marks::True => unit.key,
            Marks::None => false,
            Marks::All => true,
        }
    }
}

/// An AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1.2) of parameter sets, for lengths
/// of so many bytes; without sets it counts none.
///
/// # Panics
/// Sets that are longer than a record can say.
pub fn avc_record(sets: &[Vec<u8>], length_bytes: usize) -> Vec<u8> {
    let kind = |set: &&Vec<u8>| set.first().is_some_and(|header| header & 0x1f == 7);
    let (sps, pps): (Vec<_>, Vec<_>) = sets.iter().partition(kind);
    let profile = sps.first().and_then(|sps| sps.get(1..4)).unwrap_or(&[0x42, 0xc0, 10]);
    let mut record = vec![1];
    record.extend(profile);
    record.push(0xfc | u8::try_from(length_bytes - 1).expect("a size of 1 to 4"));
    for (mask, sets) in [(0xe0, sps), (0, pps)] {
        record.push(mask | u8::try_from(sets.len()).expect("a few sets"));
        for set in sets {
            record.extend(u16::try_from(set.len()).expect("a short set").to_be_bytes());
            record.extend(set);
        }
    }
    record
}

/// A unit's payload with NAL units behind lengths of so many bytes.
///
/// # Panics
/// A NAL unit that is longer than such a length says.
pub fn payload(unit: &AccessUnit, length_bytes: usize) -> Vec<u8> {
    if unit.track == Track::Audio {
        return unit.payload();
    }
    let mut payload = Vec::new();
    for nal in &unit.nals {
        let length = u32::try_from(nal.len()).expect("a short NAL unit").to_be_bytes();
        let (zeros, length) = length.split_at(4 - length_bytes);
        assert!(zeros.iter().all(|byte| *byte == 0), "a NAL unit of {} bytes", nal.len());
        payload.extend(length);
        payload.extend(nal);
    }
    payload
}

impl Media {
    /// The units of a track.
    pub fn of(&self, track: Track) -> impl Iterator<Item = &AccessUnit> + Clone {
        self.units.iter().filter(move |unit| unit.track == track)
    }
}
