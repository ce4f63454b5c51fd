//! Which H.264 access units are key units: where a decoder may start, and so where the programme
//! may cut. Purpose: one judgement for every container and publisher, made from NAL units alone,
//! because flags and tables of sync samples lie (MiBeeNvr #426, HaishinKit #1515, mp4box.js #65).
//! Non-goals: flags of containers, parameter sets. Bound: a few counters; of a head only the bytes
//! it is given are read.
//!
//! A cut needs an IDR. But a broadcast with open GOPs never sends one, only I pictures with a
//! recovery point, and an encoder with intra refresh sends one at its start, if at all, and from
//! then on recovery points with `recovery_frame_cnt` > 0 (ExoPlayer #1654). Either would never come
//! on air for one who joins late. So a recovery point is a key unit where no IDR is to be expected.

use super::nal_type;

/// Units without an IDR after which none is expected any more: about ten seconds, longer than any
/// encoder that sends IDRs regularly waits between two.
const IDR_EXPECTED_UNITS: u64 = 300;

/// A recovery point SEI message (ISO/IEC 14496-10, D.1.8 and D.2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// `recovery_frame_cnt` 0: this very picture is right, as far as it refers to itself.
    AtOnce,
    /// `recovery_frame_cnt` > 0, intra refresh: a later picture is the first that is right.
    Gradual,
}

/// What the NAL units of an access unit say up to its first slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnitHead {
    /// The type of the first slice, once it has come.
    pub first_slice: Option<u8>,
    /// The recovery point before it.
    pub recovery: Option<Recovery>,
}

impl UnitHead {
    /// Looks at the next NAL unit, header byte included; of a slice the header byte is enough.
    /// Says whether the head is over: nothing behind the first slice matters.
    pub fn take(&mut self, nal: &[u8]) -> bool {
        match nal.first().map(|header| nal_type::of(*header)) {
            Some(nal_type::SEI) if self.first_slice.is_none() => {
                self.recovery = self.recovery.or_else(|| recovery_point(nal));
            }
            Some(kind) if nal_type::SLICES.contains(&kind) => {
                self.first_slice.get_or_insert(kind);
            }
            _ => {}
        }
        self.first_slice.is_some()
    }

    /// Looks at an access unit, or the beginning of one, whose NAL units stand behind lengths of so
    /// many bytes, 1 to 4. Where the bytes end before the first slice, `first_slice` is `None`.
    pub fn of_lengths(unit: &[u8], length_bytes: u8) -> UnitHead {
        let mut head = UnitHead::default();
        let mut rest = unit;
        while let Some((length, behind)) = rest.split_at_checked(usize::from(length_bytes.max(1))) {
            let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            let (nal, behind) = behind.split_at_checked(length).unwrap_or((behind, &[]));
            if head.take(nal) {
                break;
            }
            rest = behind;
        }
        head
    }
}

/// Tells key units of one track, in decoding order.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyJudge {
    /// Units since the last IDR, or since the beginning.
    units: u64,
    idr_seen: bool,
    /// Recovery points since then.
    at_once_seen: bool,
    gradual_seen: bool,
    /// The last key unit was a recovery point.
    recovery_points: bool,
}

impl KeyJudge {
    /// Takes note of a unit, whose head is whole; says whether it is a key unit.
    ///
    /// A recovery point is one when the one before it was not followed by an IDR either, or none
    /// has come for [`IDR_EXPECTED_UNITS`]; never while the last IDR is nearer than that. One with
    /// `recovery_frame_cnt` > 0 only where the stream has none with 0.
    pub fn unit(&mut self, head: UnitHead) -> bool {
        if head.first_slice == Some(nal_type::IDR_SLICE) {
            *self = KeyJudge { idr_seen: true, ..KeyJudge::default() };
            return true;
        }
        self.units = self.units.saturating_add(1);
        let is_late = self.units >= IDR_EXPECTED_UNITS;
        let idr_is_near = self.idr_seen && !is_late;
        let key = !idr_is_near
            && match head.recovery {
                None => false,
                Some(Recovery::AtOnce) => self.at_once_seen || is_late,
                Some(Recovery::Gradual) => !self.at_once_seen && (self.gradual_seen || is_late),
            };
        self.at_once_seen |= head.recovery == Some(Recovery::AtOnce);
        self.gradual_seen |= head.recovery == Some(Recovery::Gradual);
        self.recovery_points |= key;
        key
    }

    /// The stream sends no IDRs: recovery points are its key units.
    pub const fn recovery_points(&self) -> bool {
        self.recovery_points
    }
}

/// The recovery point in an SEI NAL unit, header byte included: payloadType 6 (7.3.2.3, D.1.8).
fn recovery_point(nal: &[u8]) -> Option<Recovery> {
    const RECOVERY_POINT: usize = 6;
    let mut rbsp = unescaped(nal).skip(1);
    while let (Some(kind), Some(size)) = (sei_number(&mut rbsp), sei_number(&mut rbsp)) {
        let mut payload = rbsp.by_ref().take(size);
        if kind == RECOVERY_POINT {
            // recovery_frame_cnt is ue(v), of which 0 is a single set bit.
            let first = payload.next()?;
            return Some(if first & 0x80 != 0 { Recovery::AtOnce } else { Recovery::Gradual });
        }
        payload.for_each(drop);
    }
    None
}

/// A payload type or size: 255 for each 0xff byte, and the first other byte.
fn sei_number(rbsp: &mut impl Iterator<Item = u8>) -> Option<usize> {
    let mut number = 0usize;
    loop {
        let byte = rbsp.next()?;
        number = number.saturating_add(usize::from(byte));
        if byte != 0xff {
            return Some(number);
        }
    }
}

/// The bytes of a NAL unit without emulation_prevention_three_bytes (7.3.1).
pub(super) fn unescaped(nal: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut zeros = 0u8;
    nal.iter().copied().filter(move |&byte| {
        let escape = byte == 3 && zeros >= 2;
        zeros = if byte == 0 { zeros.saturating_add(1) } else { 0 };
        !escape
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffering period, then recovery_frame_cnt 0; 3 is an emulation prevention byte of the
    /// first.
    const AT_ONCE: &[u8] = &[6, 0, 4, 0x80, 0, 0, 3, 1, 6, 1, 0xc4, 0x80];
    /// recovery_frame_cnt 1.
    const GRADUAL: &[u8] = &[6, 6, 1, 0x44, 0x80];
    const SLICE: &[u8] = &[0x41, 0x9a];
    const IDR: &[u8] = &[0x65, 0x88];

    fn head(nals: &[&[u8]]) -> UnitHead {
        let mut head = UnitHead::default();
        for nal in nals {
            head.take(nal);
        }
        head
    }

    /// How the units of these recovery points, or IDRs, are judged.
    struct Stream(KeyJudge);

    impl Stream {
        fn unit(&mut self, nals: &[&[u8]]) -> bool {
            self.0.unit(head(nals))
        }

        fn plain(&mut self, units: u64) {
            for _ in 0..units {
                assert!(!self.unit(&[SLICE]));
            }
        }
    }

    #[test]
    fn a_recovery_point_is_found_among_other_messages() {
        assert_eq!(recovery_point(AT_ONCE), Some(Recovery::AtOnce));
        assert_eq!(recovery_point(GRADUAL), Some(Recovery::Gradual));
        // A message of 300 bytes before it, whose zeros are escaped: 150 pairs, each with a 3.
        let mut long = vec![6, 5, 0xff, 45];
        long.extend((0..100).flat_map(|_| [0, 0, 3, 1]));
        long.extend([6, 1, 0xc4, 0x80]);
        assert_eq!(recovery_point(&long), Some(Recovery::AtOnce));
        // The same length without escapes, and a type of 255 and more.
        for (kind, size) in [(&[5u8][..], 300usize), (&[0xff, 1], 255), (&[0xff, 0xff, 0], 509)] {
            let mut nal = [&[6], kind].concat();
            let mut left = size;
            while left >= 255 {
                nal.push(0xff);
                left -= 255;
            }
            nal.push(left as u8);
            nal.extend(vec![6; size]);
            assert_eq!(recovery_point(&nal), None, "{kind:?}: what is in it is not looked at");
            nal.extend([6, 1, 0x44, 0x80]);
            assert_eq!(recovery_point(&nal), Some(Recovery::Gradual), "{kind:?}");
        }
        for broken in [&[6][..], &[6, 6], &[6, 6, 1], &[6, 0xff, 0xff], &[6, 5, 200, 6, 1, 0x80]] {
            assert_eq!(recovery_point(broken), None, "{broken:x?}");
        }
    }

    #[test]
    fn a_head_ends_with_its_first_slice() {
        let read = head(&[&[9, 0xf0], GRADUAL, SLICE, AT_ONCE, IDR]);
        assert_eq!(read, UnitHead { first_slice: Some(1), recovery: Some(Recovery::Gradual) });
        assert_eq!(head(&[AT_ONCE, &[]]).first_slice, None);
        for length_bytes in 1..=4u8 {
            let with = |nal: &&[u8]| {
                let length = (nal.len() as u32).to_be_bytes();
                [&length[4 - usize::from(length_bytes)..], nal].concat()
            };
            let unit: Vec<u8> = [AT_ONCE, IDR, SLICE].iter().flat_map(with).collect();
            let expected = UnitHead { first_slice: Some(5), recovery: Some(Recovery::AtOnce) };
            assert_eq!(UnitHead::of_lengths(&unit, length_bytes), expected);
            let slice_at = usize::from(length_bytes) * 2 + AT_ONCE.len();
            let cut = UnitHead::of_lengths(&unit[..=slice_at], length_bytes);
            assert_eq!(cut, expected, "its header byte is enough");
            let cut = UnitHead::of_lengths(&unit[..slice_at], length_bytes);
            assert_eq!(cut.first_slice, None);
        }
        assert_eq!(UnitHead::of_lengths(&[0; 9], 0), UnitHead::default());
    }

    #[test]
    fn recovery_points_are_key_units_only_where_there_are_no_idrs() {
        let mut stream = Stream(KeyJudge::default());
        assert!(!stream.unit(&[AT_ONCE, SLICE]), "an IDR may come yet");
        assert!(!stream.unit(&[GRADUAL, SLICE]));
        assert!(!stream.0.recovery_points());
        assert!(stream.unit(&[AT_ONCE, SLICE]));
        assert!(stream.0.recovery_points());
        assert!(stream.unit(&[IDR]));
        assert!(!stream.0.recovery_points());
        assert!(!stream.unit(&[AT_ONCE, SLICE]));
        assert!(!stream.unit(&[AT_ONCE, SLICE]));
        // An encoder with open GOPs that sent an IDR at its start only.
        stream.plain(IDR_EXPECTED_UNITS - 3);
        assert!(stream.unit(&[AT_ONCE, SLICE]));
        assert!(stream.unit(&[AT_ONCE, SLICE]));
    }

    #[test]
    fn an_intra_refresh_stream_is_joined_at_its_second_recovery_point() {
        let mut stream = Stream(KeyJudge::default());
        stream.plain(7);
        assert!(!stream.unit(&[GRADUAL, SLICE]));
        stream.plain(29);
        assert!(stream.unit(&[GRADUAL, SLICE]));
        assert!(stream.0.recovery_points());
        stream.plain(29);
        assert!(stream.unit(&[GRADUAL, SLICE]));
    }

    #[test]
    fn the_wait_for_an_idr_is_bounded() {
        let mut stream = Stream(KeyJudge::default());
        stream.plain(IDR_EXPECTED_UNITS - 1);
        assert!(stream.unit(&[GRADUAL, SLICE]), "the first, after so long without an IDR");
        let mut stream = Stream(KeyJudge::default());
        assert!(stream.unit(&[IDR]));
        stream.plain(IDR_EXPECTED_UNITS - 2);
        assert!(!stream.unit(&[GRADUAL, SLICE]), "one unit too near");
        assert!(stream.unit(&[GRADUAL, SLICE]));
    }

    #[test]
    fn a_stream_with_better_recovery_points_waits_for_one() {
        let mut stream = Stream(KeyJudge::default());
        stream.unit(&[AT_ONCE, SLICE]);
        for _ in 0..5 {
            assert!(!stream.unit(&[GRADUAL, SLICE]));
        }
        assert!(stream.unit(&[AT_ONCE, SLICE]));
    }
}
