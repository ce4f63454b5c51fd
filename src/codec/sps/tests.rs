use super::*;
use crate::codec::collector::{hex, Random};

/// x264, constrained baseline, 64x48, 30 frames a second.
const BASELINE: &str = "6742c00ada11ec0440000003004000000f03c489a8";
/// x264, High 4:2:2 with ten bits, 1918x1080 in fields, 29.97 frames a second.
const HIGH_422_FIELDS: &str = "677a0028b6ce8078044f52e022000007d20001d4c03e2c5d40";
/// A DVB broadcast, High with scaling lists, 1080i at 25 frames a second.
const SCALING_LISTS: &str = "67640028ad90a47080320b8d0600e83a40e72120830347fc8c110808121424a101024146\
fff4d1020114e83c133b10161a390b12322070e16132050263e160f06638cac158e04c2058d0a074418e2cc501e0113f780f\
0808080f800001f4000061a84a";
/// A DVB broadcast, High, 1024x576 at 25 frames a second.
const HIGH: &str = "6764001facb300800934d4140815000003000100000300328f183268";

fn parse(digits: &str) -> Sps {
    Sps::parse(&hex(digits)).unwrap()
}

#[test]
fn sets_of_encoders_and_broadcasts_are_read() {
    let sps = parse(BASELINE);
    assert_eq!((sps.profile_idc, sps.constraints, sps.level_idc, sps.id), (66, 0xc0, 10, 0));
    assert_eq!((sps.width, sps.height, sps.frame_rate), (64, 48, 30.0));
    let sps = parse(HIGH_422_FIELDS);
    assert_eq!((sps.profile_idc, sps.width, sps.height), (122, 1918, 1080));
    assert_eq!((sps.chroma_format, sps.luma_depth_minus8, sps.chroma_depth_minus8), (2, 2, 2));
    assert_eq!(sps.frame_rate, 30_000.0 / 1001.0);
    let sps = parse(SCALING_LISTS);
    assert_eq!((sps.profile_idc, sps.level_idc), (100, 40));
    assert_eq!((sps.width, sps.height, sps.frame_rate), (1920, 1080, 25.0));
    let sps = parse(HIGH);
    assert_eq!((sps.chroma_format, sps.luma_depth_minus8), (1, 0));
    assert_eq!((sps.width, sps.height, sps.frame_rate), (1024, 576, 25.0));
}

#[test]
fn a_level_too_low_for_the_picture_does_no_harm() {
    let mut nal = hex(SCALING_LISTS);
    nal[3] = 10;
    let sps = Sps::parse(&nal).unwrap();
    assert_eq!((sps.level_idc, sps.width, sps.height), (10, 1920, 1080));
}

#[test]
fn a_broken_vui_costs_the_frame_rate_only() {
    let whole = hex(BASELINE);
    let sps = Sps::parse(&whole[..12]).unwrap();
    assert_eq!((sps.width, sps.height, sps.frame_rate), (64, 48, 0.0));
}

#[test]
fn a_set_cut_short_names_the_field() {
    assert_eq!(Sps::parse(&[]), Err(SetError::Unreadable("profile_idc")));
    assert_eq!(Sps::parse(&hex("6742c0")), Err(SetError::Unreadable("level_idc")));
    assert_eq!(Pps::parse(&hex("68")), Err(SetError::Unreadable("pic_parameter_set_id")));
    let pps = Pps { id: 0, sps: 0, bottom_field_order: false, redundant_pictures: false };
    assert_eq!(Pps::parse(&hex("68ce0fc8")), Ok(pps));
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    // Macroblocks, cropping before and after, pixels of a step.
    assert_eq!(edge(119, 16, [0, 0], 2), Some(1920));
    assert_eq!(edge(33, 32, [0, 2], 4), Some(1080));
    assert_eq!(edge(0, 16, [4, 4], 2), None, "nothing is left");
    assert_eq!(edge(0, 16, [u32::MAX, 1], 2), None);
    assert_eq!(edge(u32::MAX, 16, [0, 0], 1), None);
    assert_eq!(edge(2000, 16, [0, 0], 1), None, "larger than any level");
}

/// 100,000 sets with bits turned, bytes replaced and ends cut: none panics, and what is accepted
/// is in range.
#[test]
fn mutated_sets_do_no_harm() {
    let originals = [BASELINE, HIGH_422_FIELDS, SCALING_LISTS, HIGH].map(hex);
    let mut random = Random(0x5eed);
    let mut accepted = 0;
    for round in 0..100_000 {
        let mut nal = originals[round % originals.len()].clone();
        for _ in 0..=random.below(4) {
            let place = random.below(nal.len());
            match random.below(3) {
                0 => nal[place] ^= 1 << random.below(8),
                1 => nal[place] = random.byte(),
                _ => nal.truncate(place.max(1)),
            }
        }
        let _ = Pps::parse(&nal);
        if let Ok(sps) = Sps::parse(&nal) {
            accepted += 1;
            assert!(sps.id <= 31);
            assert!(sps.chroma_format <= 3);
            assert!(sps.luma_depth_minus8 <= 6);
            assert!((1..=EDGE_PIXELS_MAX).contains(&sps.width));
            assert!((1..=EDGE_PIXELS_MAX).contains(&sps.height));
            assert!(sps.frame_rate.is_finite());
            assert!(sps.frame_rate >= 0.0);
        }
    }
    assert!((10_000..90_000).contains(&accepted), "{accepted} accepted: the test tests little");
}
