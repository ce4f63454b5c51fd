use super::*;
use crate::base::limits::TRACK_CONFIG_BYTES_MAX;
use crate::codec::collector::{hex, Collector, Random, Said};
use crate::flv::reader::FlvReader;

/// x264 by way of ffmpeg: baseline, 64x48.
const AVC: &str = "0142c00affe100156742c00ada11ec0440000003004000000f03c489a801000468ce0fc8";

fn tag(units: &mut TagUnits, sink: &mut Collector, kind: TagKind, ms: u32, body: &str) {
    let body = hex(body);
    units.begin(kind, ms, body.len(), sink);
    units.data(kind, &body, sink);
    units.end(kind, sink);
}

/// A stream with both sequence headers told.
fn begun() -> (TagUnits, Collector) {
    let (mut units, mut sink) = (TagUnits::new(), Collector::default());
    tag(&mut units, &mut sink, TagKind::Video, 0, &format!("1700000000{AVC}"));
    tag(&mut units, &mut sink, TagKind::Audio, 0, "af001190");
    (units, sink)
}

fn times(sink: &Collector) -> Vec<(i64, i64)> {
    sink.units().iter().map(|(start, _)| (start.dts.to_ms(), start.pts.to_ms())).collect()
}

#[test]
fn the_card_comes_out_whole_however_it_is_cut() {
    let card = include_bytes!("../inputs/standby.flv");
    let mut random = Random(5);
    let mut first: Option<Vec<Said>> = None;
    for _ in 0..10 {
        let (mut units, mut sink) = (TagUnits::new(), Collector::default());
        for tag in FlvReader::new(card).unwrap().map(Result::unwrap) {
            units.begin(tag.kind, tag.timestamp_ms, tag.body.len(), &mut sink);
            let mut rest = tag.body;
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(1 + random.below(rest.len().min(2000)));
                units.data(tag.kind, piece, &mut sink);
                rest = behind;
            }
            units.end(tag.kind, &mut sink);
        }
        assert_eq!(units.counters(), TagCounters { units: 164, ..TagCounters::default() });
        assert_eq!(sink.configs().len(), 2);
        assert_eq!(sink.nals().len(), 66);
        assert_eq!(sink.units().iter().filter(|(start, _)| start.key).count(), 1);
        assert_eq!((units.video().unwrap().width, units.audio().unwrap().channels), (1280, 2));
        assert_eq!(first.get_or_insert_with(|| sink.said.clone()), &sink.said);
    }
}

#[test]
fn an_audio_and_a_video_tag_may_be_open_at_once() {
    let (mut units, mut sink) = begun();
    units.begin(TagKind::Video, 40, 11, &mut sink);
    units.data(TagKind::Video, &hex("1701000000000000"), &mut sink);
    tag(&mut units, &mut sink, TagKind::Audio, 30, "af01aabb");
    units.data(TagKind::Video, &hex("026588"), &mut sink);
    units.end(TagKind::Video, &mut sink);
    assert_eq!(times(&sink), [(30, 30), (40, 40)]);
    assert_eq!(sink.units()[0].1, hex("aabb"));
    assert_eq!(sink.nals(), [hex("6588")]);
}

#[test]
fn timestamps_wrap_and_step_back() {
    let (mut units, mut sink) = begun();
    for ms in [0x7000_0000, 0xe000_0000, 0xffff_fff0, 5, 0xffff_fffe, 20] {
        tag(&mut units, &mut sink, TagKind::Audio, ms, "af0100");
    }
    let wrap = 1 << 32;
    let wanted = [0x7000_0000, 0xe000_0000, wrap - 16, wrap + 5, wrap - 2, wrap + 20];
    let dts: Vec<i64> = times(&sink).iter().map(|(dts, _)| *dts).collect();
    assert_eq!(dts, wanted);
    let (mut units, mut sink) = begun();
    tag(&mut units, &mut sink, TagKind::Audio, 0xffff_fff0, "af0100");
    assert_eq!(times(&sink), [(-16, -16)], "a first one may be negative");
}

#[test]
fn a_presentation_time_before_the_decoding_time_is_put_right() {
    let (mut units, mut sink) = begun();
    for (ms, composition) in [(0, "000042"), (40, "ffffff"), (80, "7fffff"), (120, "000000")] {
        tag(&mut units, &mut sink, TagKind::Video, ms, &format!("2701{composition}0000000141"));
    }
    assert_eq!(times(&sink), [(0, 66), (40, 40), (80, 80), (120, 120)]);
    assert_eq!(units.counters().corrected_times, 2);
}

#[test]
fn a_configuration_is_told_when_it_means_something_new() {
    let (mut units, mut sink) = begun();
    tag(&mut units, &mut sink, TagKind::Audio, 0, "af00119056e500");
    assert_eq!(sink.configs().len(), 1, "the same in more words");
    tag(&mut units, &mut sink, TagKind::Audio, 0, "af001210");
    assert_eq!(sink.configs().len(), 2);
    assert_eq!(units.audio().unwrap().sample_rate_hz, 44_100);
    // A broken one ends the track until a good one comes.
    tag(&mut units, &mut sink, TagKind::Audio, 0, "af001180");
    tag(&mut units, &mut sink, TagKind::Audio, 0, "af0100");
    assert_eq!((sink.units().len(), units.counters().unconfigured), (0, 1));
    let complaint = units.complaint(Track::Audio).unwrap();
    assert_eq!(complaint, Complaint::AudioRecord(AacRecordError::Channels(0)));
    assert_eq!(units.audio(), None);
    tag(&mut units, &mut sink, TagKind::Audio, 0, "af001210");
    tag(&mut units, &mut sink, TagKind::Audio, 0, "af0100");
    assert_eq!((sink.units().len(), sink.configs().len()), (1, 2));
    assert_eq!(units.complaint(Track::Audio), None);
}

#[test]
fn short_lengths_become_four_bytes() {
    let (mut units, mut sink) = (TagUnits::new(), Collector::default());
    let record = AVC.replacen("0142c00aff", "0142c00afd", 1);
    tag(&mut units, &mut sink, TagKind::Video, 0, &format!("1700000000{record}"));
    tag(&mut units, &mut sink, TagKind::Video, 0, "17010000000002658800016a");
    assert_eq!(sink.units()[0].1, hex("000000026588000000016a"));
}

#[test]
fn what_does_not_add_up_never_leaves() {
    let broken = [
        "1701000000000000036588",
        "170100000000000001658800",
        "17010000000000",
        "170100000000000000",
    ];
    for body in broken {
        let (mut units, mut sink) = begun();
        tag(&mut units, &mut sink, TagKind::Video, 0, body);
        assert_eq!((sink.units().len(), units.counters().broken), (0, 1), "{body}");
        tag(&mut units, &mut sink, TagKind::Video, 40, "17010000000000000165");
        assert_eq!(sink.units().len(), 1, "and the next one does");
    }
    let (mut units, mut sink) = begun();
    units.begin(TagKind::Audio, 0, 100, &mut sink);
    units.data(TagKind::Audio, &hex("af01aa"), &mut sink);
    units.end(TagKind::Audio, &mut sink);
    units.begin(TagKind::Audio, 0, 100, &mut sink);
    units.data(TagKind::Audio, &hex("af01aa"), &mut sink);
    tag(&mut units, &mut sink, TagKind::Audio, 21, "af01bb");
    assert_eq!((sink.units().len(), units.counters().broken), (1, 2));
    units.data(TagKind::Audio, b"behind its end", &mut sink);
    units.end(TagKind::Audio, &mut sink);
    assert_eq!(sink.units().len(), 1);
}

#[test]
fn what_is_nothing_is_let_pass() {
    let (mut units, mut sink) = begun();
    let told = sink.said.clone();
    for body in ["", "17", "1702000000", "5700", "1701000000", "1705000000aa"] {
        tag(&mut units, &mut sink, TagKind::Video, 0, body);
    }
    for body in ["", "af", "af01", "af02aa"] {
        tag(&mut units, &mut sink, TagKind::Audio, 0, body);
    }
    tag(&mut units, &mut sink, TagKind::Script, 0, "02000a6f6e4d65746144617461");
    assert_eq!((units.counters(), sink.said), (TagCounters::default(), told));
}

#[test]
fn what_is_not_carried_is_named() {
    let cases = [
        (TagKind::Video, "1400aabb", Complaint::VideoCodec(4)),
        (TagKind::Video, "9068766331aabb", Complaint::Enhanced(Track::Video, *b"hvc1")),
        (TagKind::Audio, "2faabb", Complaint::AudioFormat(2)),
        (TagKind::Audio, "904f707573aabb", Complaint::Enhanced(Track::Audio, *b"Opus")),
    ];
    for (kind, body, complaint) in cases {
        let (mut units, mut sink) = (TagUnits::new(), Collector::default());
        tag(&mut units, &mut sink, kind, 0, body);
        tag(&mut units, &mut sink, kind, 0, if kind == TagKind::Video { "12aa" } else { "b2aa" });
        let track = if kind == TagKind::Video { Track::Video } else { Track::Audio };
        assert_eq!(units.complaint(track), Some(complaint), "the first reason");
        assert_eq!((units.counters().not_carried, sink.said.len()), (2, 0));
    }
}

#[test]
fn units_before_a_sequence_header_are_left_out() {
    let (mut units, mut sink) = (TagUnits::new(), Collector::default());
    tag(&mut units, &mut sink, TagKind::Video, 0, "17010000000000000165");
    tag(&mut units, &mut sink, TagKind::Audio, 0, "af0100");
    assert_eq!((sink.said.len(), units.counters().unconfigured), (0, 2));
    assert!(units.lacks_parameter_sets());
    let mut long = "1700000000".to_owned();
    long.push_str(&"00".repeat(3000));
    tag(&mut units, &mut sink, TagKind::Video, 0, &long);
    let complaint = units.complaint(Track::Video).unwrap();
    assert_eq!(complaint, Complaint::VideoRecord(AvcRecordError::Limit));
}

#[test]
fn it_is_moved_on_small_stacks() {
    // A record and a configuration for each kind of tag; what makes units is elsewhere.
    assert!(std::mem::size_of::<TagUnits>() <= 5 * TRACK_CONFIG_BYTES_MAX);
}
