//! Parameter sets in-band behind a cut. Purpose: when the configuration has changed, the first key
//! frame brings the new sets itself, besides the sequence header in front of it. FFmpeg's H.264
//! parser, and with it anybody who records or plays by it, takes sequence headers to the decoder but
//! goes on reading slice headers by the sets it had first, until it meets others in-band.
//! Non-goal: sources that bring them anyway. Bound: the sets of one configuration.

use crate::codec::access_unit::{Track, TrackConfig};

use super::super::ring::Ring;

/// nal_unit_type of an SPS (ITU-T H.264, table 7-1).
const SPS: u8 = 7;
/// The first type that holds no slice.
const SEI: u8 = 6;
const LENGTH_BYTES: usize = 4;
/// NAL units looked at in front of an access unit's first slice.
const UNITS_MAX: usize = 8;

/// Writes the sets in force into the open video unit, where a source's first byte would stand,
/// and returns their length.
pub(super) fn write(ring: &mut Ring) -> usize {
    let Some(TrackConfig::Avc(config)) = ring.newest_config(Track::Video).cloned() else {
        return 0;
    };
    let mut bytes = 0;
    for set in config.parameter_sets() {
        let length = u32::try_from(set.len()).unwrap_or(u32::MAX);
        ring.write(Track::Video, &length.to_be_bytes());
        ring.write(Track::Video, set);
        bytes += LENGTH_BYTES + set.len();
    }
    bytes
}

/// Whether an access unit whose first NAL unit stands at `at` brings an SPS in front of its
/// slices, as far as can be seen: of one that is still being written, perhaps with its lengths to
/// come, that may be nothing.
pub(super) fn are_in(payload: [&[u8]; 2], mut at: usize) -> bool {
    let [first, second] = payload;
    let byte = |at: usize| first.get(at).or_else(|| second.get(at - first.len())).copied();
    for _ in 0..UNITS_MAX {
        let length = (at..at + LENGTH_BYTES)
            .try_fold(0, |length: usize, at| Some((length << 8) | usize::from(byte(at)?)));
        let (Some(length), Some(header)) = (length, byte(at + LENGTH_BYTES)) else { return false };
        match header & 0x1f {
            SPS => return true,
            kind if kind < SEI => return false,
            _ => at = at.saturating_add(LENGTH_BYTES + length),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_found_in_front_of_the_slices_wherever_the_ring_wraps() {
        let unit = |types: &[u8]| {
            let nals = types.iter().flat_map(|kind| [0, 0, 0, 3, 0x60 | kind, 0, 0]);
            [0x17, 1, 0, 0, 0].into_iter().chain(nals).collect::<Vec<u8>>()
        };
        for (types, expected) in [
            (&[7, 8, 5][..], true),
            (&[9, 7, 8, 6, 5], true),
            (&[6, 7, 8, 5], true),
            (&[5, 7], false),
            (&[9, 6, 1, 7], false),
            (&[8, 5], false),
            (&[], false),
        ] {
            let unit = unit(types);
            for middle in 0..=unit.len() {
                let (first, second) = unit.split_at(middle);
                assert_eq!(are_in([first, second], 5), expected, "{types:?} at {middle}");
            }
        }
        assert!(!are_in([&[0xff, 0xff, 0xff, 0xff, 9], &[]], 0));
        // Lengths to come.
        assert!(are_in([&[0, 0, 0, 0, 0x67], &[]], 0));
        assert!(!are_in([&[0; 12], &[]], 0));
    }
}
