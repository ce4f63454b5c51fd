use super::*;
use crate::codec::collector::{Collector, Said};
use crate::flv::reader::TagKind;

/// An AudioSpecificConfig of AAC LC, 48 kHz, stereo, behind its tag header.
const AUDIO_HEADER: [u8; 4] = [0xAF, 0, 0x11, 0x90];

fn at(ms: u64) -> Mono {
    Mono::from_ms(ms)
}

fn message(intake: &mut Intake, sink: &mut Collector, track: Track, ms: u32, body: &[u8]) {
    let mut feed = intake.feed(sink, at(u64::from(ms)));
    feed.begin(track, ms, body.len());
    body.chunks(3).for_each(|piece| feed.data(track, piece));
    feed.end(track);
}

fn standby_video() -> Vec<Vec<u8>> {
    let file = include_bytes!("standby.flv");
    let mut reader = crate::flv::reader::FlvReader::new(file).expect("the card is an FLV file");
    let mut bodies = Vec::new();
    while let Some(Ok(tag)) = reader.next() {
        if tag.kind == TagKind::Video {
            bodies.push(tag.body.to_vec());
        }
    }
    bodies
}

#[test]
fn nothing_is_let_through_before_the_first_key_unit() {
    let (mut intake, mut sink) = (Intake::new(), Collector::default());
    intake.restart(&mut sink, at(0));
    let video = standby_video();
    let audio = [0xAF, 1, 9, 9];
    message(&mut intake, &mut sink, Track::Audio, 0, &AUDIO_HEADER);
    message(&mut intake, &mut sink, Track::Video, 0, &video[0]);
    // In the middle of a GOP.
    message(&mut intake, &mut sink, Track::Video, 40, &video[2]);
    message(&mut intake, &mut sink, Track::Audio, 50, &audio);
    assert!(sink.units().is_empty(), "{:?}", sink.said.len());
    message(&mut intake, &mut sink, Track::Video, 80, &video[1]);
    message(&mut intake, &mut sink, Track::Audio, 90, &audio);
    message(&mut intake, &mut sink, Track::Video, 120, &video[2]);
    let units: Vec<bool> = sink.units().iter().map(|(start, _)| start.key).collect();
    assert_eq!(units, [true, false, false]);
    assert_eq!(intake.flowed(), at(120));
    assert!(intake.video().is_some());
    assert!(intake.audio().is_some());
}

#[test]
fn another_stream_begins_with_its_own_configuration_and_nothing_open() {
    let (mut intake, mut sink) = (Intake::new(), Collector::default());
    let video = standby_video();
    message(&mut intake, &mut sink, Track::Video, 0, &video[0]);
    let mut feed = intake.feed(&mut sink, at(10));
    feed.begin(Track::Video, 10, video[1].len());
    feed.data(Track::Video, &video[1][..200]);
    intake.restart(&mut sink, at(20));
    assert!(matches!(sink.said.last(), Some(Said::Aborted(_))), "{:?}", sink.said.len());
    assert_eq!((intake.bytes(), intake.left_out()), (0, 0));
    assert!(intake.video().is_none());
    let mut fresh = Collector::default();
    message(&mut intake, &mut fresh, Track::Video, 0, &video[0]);
    message(&mut intake, &mut fresh, Track::Video, 0, &video[1]);
    assert_eq!((fresh.configs().len(), fresh.units().len()), (1, 1));
}

#[test]
fn what_is_not_carried_is_named() {
    let (mut intake, mut sink) = (Intake::new(), Collector::default());
    assert!(intake.detail().is_empty());
    message(&mut intake, &mut sink, Track::Audio, 0, &[0x2F, 1, 2]);
    let sound = intake.detail();
    message(&mut intake, &mut sink, Track::Video, 0, b"\x90hvc1\x01\x02");
    assert!(intake.detail().contains("HEVC"), "{sound}");
    assert!(intake.detail() != sound, "{sound}");
    assert_eq!(intake.left_out(), 2);
    intake.restart(&mut sink, at(1));
    assert_eq!((intake.left_out(), intake.detail().len()), (0, 0), "another session");
}

#[test]
fn a_sequence_header_of_a_megabyte_is_let_pass() {
    let (mut intake, mut sink) = (Intake::new(), Collector::default());
    let mut header = vec![0x17, 0, 0, 0, 0];
    header.resize(1 << 20, 1);
    message(&mut intake, &mut sink, Track::Video, 0, &header);
    assert!(sink.said.is_empty());
    assert!(intake.video().is_none());
    assert!(!intake.detail().is_empty());
    let video = standby_video();
    message(&mut intake, &mut sink, Track::Video, 0, &video[0]);
    message(&mut intake, &mut sink, Track::Video, 0, &video[1]);
    assert_eq!(sink.units().len(), 1);
}
