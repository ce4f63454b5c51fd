//! The standby card is what its player takes for granted.

use super::reader::{FlvReader, Tag, TagKind};
use super::tag::{parse_audio, parse_video, AacPacket, AvcPacket, VideoHeader};
use crate::codec::access_unit::{AacConfig, AvcConfig};
use crate::codec::collector::split_lengths;

const CARD: &[u8] = include_bytes!("../inputs/standby.flv");
const NAL_SLICE: u8 = 1;
const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;

fn bodies(kind: TagKind) -> Vec<Tag<'static>> {
    let tags = FlvReader::new(CARD).unwrap().map(Result::unwrap);
    tags.filter(|tag| tag.kind == kind).collect()
}

#[test]
fn the_picture_is_one_closed_gop_of_64_frames() {
    let mut config = None;
    let mut frames: Vec<(VideoHeader, u32, &[u8])> = Vec::new();
    for tag in bodies(TagKind::Video) {
        let (header, body) = parse_video(tag.body).unwrap();
        match header.packet {
            AvcPacket::SequenceHeader => {
                assert!(frames.is_empty());
                assert!(config.is_none());
                config = Some(AvcConfig::from_record(body).unwrap());
            }
            AvcPacket::Nalu => frames.push((header, tag.timestamp_ms, body)),
            AvcPacket::EndOfSequence => {}
        }
    }
    let config = config.expect("a sequence header");
    assert_eq!((config.width, config.height, config.frame_rate), (1280, 720, 30.0));
    assert_eq!(config.profile_idc, 77);
    assert_eq!(frames.len(), 64);
    for (index, (header, timestamp_ms, body)) in frames.iter().enumerate() {
        assert_eq!(header.key, index == 0);
        assert_eq!(header.composition_ms, 0, "no B-frames");
        let exact_ms = index as f64 * 1000.0 / 30.0;
        assert!((f64::from(*timestamp_ms) - exact_ms).abs() <= 1.0, "frame {index}");
        // A single slice, and beside the IDR only its parameter sets.
        let types: Vec<u8> = split_lengths(body).iter().map(|nal| nal[0] & 0x1f).collect();
        let wanted = if index == 0 { &[NAL_SPS, NAL_PPS, NAL_IDR][..] } else { &[NAL_SLICE] };
        assert_eq!(types, wanted, "frame {index}");
    }
}

#[test]
fn the_sound_is_100_frames_all_alike() {
    let mut tags = bodies(TagKind::Audio).into_iter();
    let first = tags.next().expect("a sequence header");
    let (packet, record) = parse_audio(first.body).unwrap();
    assert_eq!(packet, AacPacket::SequenceHeader);
    let config = AacConfig::from_record(record).unwrap();
    assert_eq!((config.object_type, config.sample_rate_hz, config.channels), (2, 48_000, 2));
    let frames: Vec<&[u8]> = tags
        .map(|tag| {
            let (packet, frame) = parse_audio(tag.body).unwrap();
            assert_eq!(packet, AacPacket::Raw);
            frame
        })
        .collect();
    assert_eq!(frames.len(), 100);
    assert!(frames.iter().all(|frame| *frame == frames[0] && !frame.is_empty()));
}

/// It is built into the binary, and sent again every two seconds for as long as it is on air.
#[test]
fn the_card_is_small() {
    assert!(CARD.len() <= 60 << 10, "{} bytes", CARD.len());
}
