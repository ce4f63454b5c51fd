//! The beginning of a slice header (ISO/IEC 14496-10, 7.3.3), as far as it tells one picture from
//! the next. Purpose: find the first slice of a new primary coded picture (7.4.1.2.4). Non-goals:
//! decoding; what stands behind the picture order count. Bound: [`SLICE_HEAD_BYTES`] of a slice
//! are read.

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError, ByteReader};

use super::nal_type;

/// Bytes of a slice NAL unit that hold all fields read here: at most 27 bytes of them, the NAL
/// unit header and emulation prevention.
pub(super) const SLICE_HEAD_BYTES: usize = 48;

/// How an SPS says picture order is sent (7.3.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderType {
    /// pic_order_cnt_type 0: so many low bits in each slice.
    Lsb {
        /// log2_max_pic_order_cnt_lsb_minus4 + 4.
        bits: u8,
    },
    /// pic_order_cnt_type 1: differences to a cycle.
    Cycle {
        /// delta_pic_order_always_zero_flag.
        always_zero: bool,
    },
    /// pic_order_cnt_type 2: the order of decoding.
    Decoding,
}

/// What of an SPS and a PPS it takes to read a slice header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SliceFacts {
    pub(super) separate_planes: bool,
    /// log2_max_frame_num_minus4 + 4.
    pub(super) frame_num_bits: u8,
    pub(super) order: OrderType,
    pub(super) frame_mbs_only: bool,
    /// bottom_field_pic_order_in_frame_present_flag.
    pub(super) bottom_field_order: bool,
    /// redundant_pic_cnt_present_flag.
    pub(super) redundant_pictures: bool,
}

/// A slice header, as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SliceHeader {
    pub(super) idr: bool,
    /// nal_ref_idc is not 0.
    pub(super) reference: bool,
    /// first_mb_in_slice.
    pub(super) first_mb: u32,
    pps: u32,
    /// What only SPS and PPS let read.
    pub(super) picture: Option<PictureFields>,
}

/// A frame's first slice with this pic_order_cnt_lsb of 6 bits, for tests.
#[cfg(test)]
pub(super) fn frame_of_order(order_lsb: u16, idr: bool, reference: bool) -> SliceHeader {
    let facts = SliceFacts {
        separate_planes: false,
        frame_num_bits: 4,
        order: OrderType::Lsb { bits: 6 },
        frame_mbs_only: true,
        bottom_field_order: false,
        redundant_pictures: false,
    };
    let picture = PictureFields {
        facts,
        frame_num: 0,
        bottom_field: None,
        idr_pic_id: 0,
        order_lsb,
        order_deltas: [0; 2],
        is_redundant: false,
    };
    SliceHeader { idr, reference, first_mb: 0, pps: 0, picture: Some(picture) }
}

/// The fields that all slices of a picture share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PictureFields {
    pub(super) facts: SliceFacts,
    frame_num: u16,
    /// A field, and whether it is the bottom one.
    bottom_field: Option<bool>,
    idr_pic_id: u32,
    /// pic_order_cnt_lsb.
    pub(super) order_lsb: u16,
    /// delta_pic_order_cnt_bottom, or delta_pic_order_cnt.
    pub(super) order_deltas: [i32; 2],
    /// redundant_pic_cnt is not 0.
    is_redundant: bool,
}

/// What a slice is to the one before it in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// Of the same picture.
    Same,
    /// The first of the second field of its frame.
    SecondField,
    /// The first of a new picture.
    New,
}

impl SliceHeader {
    /// Reads the beginning of a slice NAL unit, header byte included. `facts` finds what SPS and
    /// PPS say, by pic_parameter_set_id. `None` while the bytes are too few.
    pub(super) fn parse(
        nal: &[u8],
        facts: impl Fn(u32) -> Option<SliceFacts>,
    ) -> Option<SliceHeader> {
        let header = *nal.first()?;
        let bits = &mut BitReader::new(ByteReader::skipping_h264_header(nal));
        let first_mb = bits.read_ue("first_mb_in_slice").ok()?;
        bits.read_ue("slice_type").ok()?;
        let pps = bits.read_ue("pic_parameter_set_id").ok()?;
        let idr = nal_type::of(header) == nal_type::IDR_SLICE;
        let picture = match facts(pps) {
            Some(facts) => Some(PictureFields::read(bits, facts, idr).ok()?),
            None => None,
        };
        Some(SliceHeader { idr, reference: header & 0x60 != 0, first_mb, pps, picture })
    }

    /// What this slice is to the one before it. `is_second`: that one belongs to the second field
    /// of its frame. Fields of different kind are compared as 7.4.1.2.4 lists them. A
    /// first_mb_in_slice of 0 also begins a picture where all else is equal: encoders that leave
    /// frame_num alone exist, and without SPS and PPS there is nothing else.
    pub(super) fn relation_to(&self, before: &SliceHeader, is_second: bool) -> Relation {
        if self.picture.is_some_and(|picture| picture.is_redundant) {
            return Relation::Same;
        }
        let differs = match (self.picture, before.picture) {
            (Some(this), Some(last)) => {
                let is_pair = this.bottom_field.zip(last.bottom_field).is_some_and(|(a, b)| a != b)
                    && this.frame_num == last.frame_num
                    && self.reference == before.reference
                    && (before.idr || !self.idr);
                if is_pair && !is_second {
                    return Relation::SecondField;
                }
                self.pps != before.pps
                    || self.reference != before.reference
                    || self.idr != before.idr
                    || this.differs(&last)
            }
            _ => false,
        };
        if differs || self.first_mb == 0 {
            Relation::New
        } else {
            Relation::Same
        }
    }

    /// Of a field, whether that is the bottom one.
    pub(super) fn bottom_field(&self) -> Option<bool> {
        self.picture.and_then(|picture| picture.bottom_field)
    }

    /// Whether it may be the first slice of its access unit, when nothing is known of the one
    /// before: of a field it may as well be the second's.
    pub(super) fn may_begin_unit(&self) -> bool {
        self.first_mb == 0 && self.bottom_field().is_none()
    }
}

impl PictureFields {
    fn read<R: BitRead>(
        bits: &mut R,
        facts: SliceFacts,
        idr: bool,
    ) -> Result<PictureFields, BitReaderError> {
        if facts.separate_planes {
            bits.skip(2, "colour_plane_id")?;
        }
        let frame_num = number(bits, facts.frame_num_bits, "frame_num")?;
        let is_field = !facts.frame_mbs_only && bits.read_bit("field_pic_flag")?;
        let bottom_field = if is_field { Some(bits.read_bit("bottom_field_flag")?) } else { None };
        let idr_pic_id = if idr { bits.read_ue("idr_pic_id")? } else { 0 };
        let bottom_follows = facts.bottom_field_order && !is_field;
        let mut order_lsb = 0;
        let mut order_deltas = [0; 2];
        let [first, second] = &mut order_deltas;
        match facts.order {
            OrderType::Lsb { bits: width } => {
                order_lsb = number(bits, width, "pic_order_cnt_lsb")?;
                if bottom_follows {
                    *first = bits.read_se("delta_pic_order_cnt_bottom")?;
                }
            }
            OrderType::Cycle { always_zero: false } => {
                *first = bits.read_se("delta_pic_order_cnt[0]")?;
                if bottom_follows {
                    *second = bits.read_se("delta_pic_order_cnt[1]")?;
                }
            }
            OrderType::Cycle { always_zero: true } | OrderType::Decoding => {}
        }
        let is_redundant = facts.redundant_pictures && bits.read_ue("redundant_pic_cnt")? > 0;
        Ok(PictureFields {
            facts,
            frame_num,
            bottom_field,
            idr_pic_id,
            order_lsb,
            order_deltas,
            is_redundant,
        })
    }

    fn differs(&self, other: &PictureFields) -> bool {
        (self.frame_num, self.bottom_field, self.idr_pic_id, self.order_lsb, self.order_deltas)
            != (
                other.frame_num,
                other.bottom_field,
                other.idr_pic_id,
                other.order_lsb,
                other.order_deltas,
            )
    }
}

fn number<R: BitRead>(bits: &mut R, width: u8, field: &'static str) -> Result<u16, BitReaderError> {
    let mut value = 0;
    for _ in 0..width {
        value = value << 1 | u16::from(bits.read_bit(field)?);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: SliceFacts = SliceFacts {
        separate_planes: false,
        frame_num_bits: 4,
        order: OrderType::Lsb { bits: 6 },
        frame_mbs_only: false,
        bottom_field_order: true,
        redundant_pictures: false,
    };

    /// Bits as '0' and '1', behind a NAL unit header.
    fn nal(header: u8, bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|c| *c != b' ').map(|c| c - b'0').collect();
        let byte =
            |eight: &[u8]| eight.iter().enumerate().fold(0, |byte, (n, bit)| byte | bit << (7 - n));
        std::iter::once(header).chain(bits.chunks(8).map(byte)).chain([0x80]).collect()
    }

    fn parse(header: u8, bits: &str, facts: SliceFacts) -> SliceHeader {
        SliceHeader::parse(&nal(header, bits), |_| Some(facts)).expect("whole")
    }

    #[test]
    fn the_fields_are_read_in_their_order() {
        // first_mb 1, slice_type 0, pps 0, frame_num 5, bottom field, POC 9.
        let slice = parse(0x41, "010 1 1 0101 1 1 001001", FACTS);
        let picture = slice.picture.expect("SPS and PPS are known");
        assert_eq!((slice.first_mb, slice.idr, slice.reference), (1, false, true));
        assert_eq!((picture.frame_num, picture.bottom_field), (5, Some(true)));
        assert_eq!((picture.order_lsb, picture.order_deltas), (9, [0, 0]));
        // An IDR frame: idr_pic_id 2, POC 0, delta_pic_order_cnt_bottom -1.
        let slice = parse(0x65, "1 1 1 0000 0 011 000000 011", FACTS);
        let picture = slice.picture.expect("SPS and PPS are known");
        assert_eq!((slice.first_mb, slice.idr, picture.idr_pic_id), (0, true, 2));
        assert_eq!((picture.bottom_field, picture.order_deltas), (None, [-1, 0]));
        // Planes apart, frames only, a cycle with differences, redundant_pic_cnt 1.
        let order = OrderType::Cycle { always_zero: false };
        let facts = SliceFacts {
            separate_planes: true,
            frame_mbs_only: true,
            order,
            redundant_pictures: true,
            ..FACTS
        };
        let slice = parse(0x01, "1 1 1 10 0011 00101 010 010", facts);
        let picture = slice.picture.expect("SPS and PPS are known");
        assert_eq!((slice.reference, picture.frame_num), (false, 3));
        assert_eq!((picture.order_deltas, picture.is_redundant), ([-2, 1], true));
    }

    #[test]
    fn a_header_cut_short_is_not_read_and_one_without_facts_in_part() {
        let whole = nal(0x41, "1 1 1 0101 0 001001 1");
        for bytes in 0..3 {
            assert_eq!(SliceHeader::parse(&whole[..bytes], |_| Some(FACTS)), None);
        }
        assert!(SliceHeader::parse(&whole[..4], |_| Some(FACTS)).is_some());
        let known = SliceHeader::parse(&whole[..2], |_| None).expect("first_mb is there");
        assert_eq!((known.first_mb, known.picture), (0, None));
    }

    #[test]
    fn a_new_picture_differs_in_any_field_listed() {
        let base = parse(0x41, "1 1 1 0101 0 001001 1", FACTS);
        let later = |header, bits| parse(header, bits, FACTS).relation_to(&base, false);
        assert_eq!(later(0x41, "010 1 1 0101 0 001001 1"), Relation::Same, "the next slice");
        assert_eq!(later(0x21, "010 1 1 0101 0 001001 1"), Relation::Same, "another nal_ref_idc");
        for (header, bits, what) in [
            (0x41, "1 1 1 0101 0 001001 1", "first_mb_in_slice 0, all else equal"),
            (0x41, "010 1 1 0110 0 001001 1", "frame_num"),
            (0x41, "010 1 010 0101 0 001001 1", "pic_parameter_set_id"),
            (0x41, "010 1 1 0101 1 0 001001", "field_pic_flag"),
            (0x01, "010 1 1 0101 0 001001 1", "nal_ref_idc 0"),
            (0x45, "010 1 1 0101 0 1 001001 1", "IDR"),
            (0x41, "010 1 1 0101 0 001010 1", "pic_order_cnt_lsb"),
            (0x41, "010 1 1 0101 0 001001 010", "delta_pic_order_cnt_bottom"),
        ] {
            assert_eq!(later(header, bits), Relation::New, "{what}");
        }
        let idr = |id| parse(0x65, &format!("010 1 1 0000 0 {id} 000000 1"), FACTS);
        assert_eq!(idr("1").relation_to(&idr("1"), false), Relation::Same);
        assert_eq!(idr("010").relation_to(&idr("1"), false), Relation::New, "idr_pic_id");
        let unknown = SliceHeader { picture: None, ..base };
        assert_eq!(unknown.relation_to(&base, false), Relation::New, "first_mb_in_slice alone");
        let next = SliceHeader { first_mb: 7, picture: None, ..base };
        assert_eq!(next.relation_to(&base, false), Relation::Same);
    }

    #[test]
    fn two_fields_make_a_frame_and_no_third() {
        let field = |header, bottom: u8, frame_num| {
            parse(header, &format!("1 1 1 {frame_num} 1 {bottom} 001001"), FACTS)
        };
        let (top, bottom) = (field(0x01, 0, "0101"), field(0x01, 1, "0101"));
        assert_eq!(bottom.relation_to(&top, false), Relation::SecondField);
        assert_eq!(top.relation_to(&bottom, false), Relation::SecondField, "bottom first");
        assert_eq!(top.relation_to(&bottom, true), Relation::New, "the next frame's first field");
        assert_eq!(field(0x01, 1, "0110").relation_to(&top, false), Relation::New);
        assert_eq!(field(0x21, 1, "0101").relation_to(&top, false), Relation::New);
        let idr = parse(0x65, "1 1 1 0000 1 0 1 000000", FACTS);
        let second = parse(0x61, "1 1 1 0000 1 1 000001", FACTS);
        assert_eq!(second.relation_to(&idr, false), Relation::SecondField, "P behind IDR");
        assert_eq!(idr.relation_to(&second, false), Relation::New, "IDR behind P");
        assert!(!top.may_begin_unit());
        assert!(parse(0x41, "1 1 1 0101 0 001001 1", FACTS).may_begin_unit());
    }
}
