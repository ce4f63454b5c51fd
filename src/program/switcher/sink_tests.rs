//! Sources that hand over units in every way there is: in pieces, patched, broken off, beside one
//! another.

use std::time::Duration;

use super::*;
use crate::codec::access_unit::{AvcConfig, ConfigRecord};
use crate::program::ring::{Capacity, Lookup};
use crate::program::silence::FillAudio;
use crate::program::testing::{self, start};

const SLICE: &[u8] = &[0, 0, 0, 2, 0x65, 9];

fn switcher() -> Switcher {
    let capacity =
        Capacity { video_bytes: 1 << 16, audio_bytes: 1 << 14, units: 512, unit_bytes_max: 1024 };
    Switcher::new(Ring::new(capacity), Duration::from_millis(500), FillAudio::No)
}

/// A configuration with parameter sets of its own.
fn avc(number: u8) -> TrackConfig {
    let record = [1, 77, 0, 31, 0xff, 0xe1, 0, 2, 0x67, number, 1, 0, 2, 0x68, number];
    TrackConfig::Avc(AvcConfig {
        record: ConfigRecord::from_slice(&record).expect("a short record"),
        width: 16,
        height: number.into(),
        frame_rate: 30.0,
        profile_idc: 77,
        constraints: 0,
        level_idc: 31,
    })
}

fn whole(switcher: &mut Switcher, source: Source, ms: u64, unit: UnitStart, payload: &[u8]) {
    testing::whole(switcher, source, Mono::from_ms(ms), unit, payload);
}

/// Standby with a picture, from which all begin.
fn on_standby() -> Switcher {
    let mut switcher = switcher();
    switcher.sink(Source::Standby, Mono::from_ms(1)).config(&avc(1));
    whole(&mut switcher, Source::Standby, 1, start(Track::Video, 0, true), SLICE);
    switcher
}

/// The payloads stored since a place in the ring, behind their tag headers.
fn stored(switcher: &Switcher, from: u64) -> Vec<Vec<u8>> {
    let ring = switcher.ring();
    let units = (from..ring.head()).map(|seq| match ring.get(seq) {
        Lookup::Unit(unit) => unit,
        _ => panic!("held"),
    });
    let header = |track| if track == Track::Video { 5 } else { 2 };
    units.map(|unit| ring.payload(&unit).concat().split_off(header(unit.track))).collect()
}

#[test]
fn a_source_of_the_same_parameter_sets_is_taken_over_without_more_of_them() {
    let mut switcher = switcher();
    // The very first picture brings none either: its sequence header says it.
    switcher.sink(Source::Udp, Mono::from_ms(1)).config(&avc(1));
    whole(&mut switcher, Source::Udp, 1, start(Track::Video, 0, true), SLICE);
    assert_eq!((switcher.on_air(), stored(&switcher, 0)), (Source::Udp, vec![SLICE.to_vec()]));
    switcher.choose(Some(Source::Rtmp), Mono::from_ms(30));
    switcher.sink(Source::Rtmp, Mono::from_ms(30)).config(&avc(1));
    whole(&mut switcher, Source::Rtmp, 34, start(Track::Video, 0, true), SLICE);
    assert_eq!(switcher.on_air(), Source::Rtmp);
    assert_eq!(stored(&switcher, 1), [SLICE]);
}

#[test]
fn what_is_kept_for_a_cut_is_moved_whole_wherever_it_lies() {
    let mut switcher = on_standby();
    let mut random = fastrand::Rng::with_seed(5);
    for n in 0..200 {
        // To and fro: each cut's IDR lies elsewhere in what is kept.
        let source = [Source::Udp, Source::Rtmp][n % 2];
        let (now, from) = (10 + n as u64 * 40, switcher.ring().head());
        switcher.choose(Some(source), Mono::from_ms(now));
        switcher.sink(source, Mono::from_ms(now)).config(&avc(1));
        let mut slice: Vec<u8> = (0..random.usize(1..900)).map(|_| random.u8(1..)).collect();
        slice[0] = 0x65;
        let own = [&(slice.len() as u32).to_be_bytes()[..], &slice].concat();
        whole(&mut switcher, source, now, start(Track::Video, n as i64 * 3600, true), &own);
        assert_eq!(switcher.on_air(), source, "{n}");
        assert_eq!(stored(&switcher, from), [own], "{n}");
    }
}

#[test]
fn sound_that_breaks_costs_no_picture_that_is_kept_and_a_picture_that_breaks_leaves_nothing() {
    let mut switcher = on_standby();
    let (now, from) = (Mono::from_ms(40), switcher.ring().head());
    let mut sink = switcher.sink(Source::Udp, now);
    sink.config(&avc(1));
    sink.begin(start(Track::Video, 0, true));
    sink.write(Track::Video, b"broken IDR");
    sink.abort(Track::Video);
    // Frames that build on it.
    whole(&mut switcher, Source::Udp, 44, start(Track::Video, 3600, false), b"no IDR");
    let mut sink = switcher.sink(Source::Udp, now);
    sink.begin(start(Track::Video, 7200, true));
    sink.write(Track::Video, SLICE);
    sink.begin(start(Track::Audio, 7300, false));
    sink.write(Track::Audio, b"half");
    sink.abort(Track::Audio);
    // Nor does another source's.
    let mut other = switcher.sink(Source::Rtmp, now);
    other.begin(start(Track::Video, 0, false));
    other.abort(Track::Video);
    assert_eq!(switcher.on_air(), Source::Standby);
    switcher.sink(Source::Udp, now).commit(Track::Video);
    assert_eq!(switcher.on_air(), Source::Udp);
    assert_eq!(stored(&switcher, from), [SLICE]);
}

#[test]
fn behind_an_idr_that_breaks_on_air_the_next_one_is_waited_for() {
    let mut switcher = on_standby();
    whole(&mut switcher, Source::Udp, 40, start(Track::Video, 0, true), SLICE);
    let from = switcher.ring().head();
    let mut sink = switcher.sink(Source::Udp, Mono::from_ms(80));
    sink.restart();
    sink.begin(start(Track::Video, 0, true));
    sink.write(Track::Video, b"broken IDR");
    sink.abort(Track::Video);
    whole(&mut switcher, Source::Udp, 120, start(Track::Video, 3600, false), b"no IDR");
    whole(&mut switcher, Source::Udp, 160, start(Track::Video, 7200, true), SLICE);
    // A frame that breaks later costs itself alone.
    let mut sink = switcher.sink(Source::Udp, Mono::from_ms(200));
    sink.begin(start(Track::Video, 10_800, false));
    sink.write(Track::Video, b"broken");
    sink.abort(Track::Video);
    sink.commit(Track::Video);
    whole(&mut switcher, Source::Udp, 240, start(Track::Video, 14_400, false), b"next");
    assert_eq!(stored(&switcher, from), [SLICE, b"next"]);
}

#[test]
fn lengths_are_patched_where_they_stand_and_sound_beside_them_is_none_of_it() {
    let mut switcher = on_standby();
    whole(&mut switcher, Source::Udp, 40, start(Track::Video, 0, true), SLICE);
    let from = switcher.ring().head();
    let mut sink = switcher.sink(Source::Udp, Mono::from_ms(80));
    sink.restart();
    sink.config(&avc(2));
    sink.begin(start(Track::Video, 0, true));
    sink.begin(start(Track::Audio, 0, false));
    // A slice, if it were a picture's.
    sink.write(Track::Audio, SLICE);
    sink.write(Track::Video, &[0, 0, 0, 0, 0x67, 2, 0, 0, 0, 0, 0x68, 2, 0, 0, 0, 0, 0x65, 9]);
    for offset in [0, 6, 12] {
        sink.patch(Track::Video, offset, [0, 0, 0, 2]);
    }
    sink.commit(Track::Video);
    let own = [0, 0, 0, 2, 0x67, 2, 0, 0, 0, 2, 0x68, 2, 0, 0, 0, 2, 0x65, 9];
    assert_eq!(stored(&switcher, from), [own]);
}

#[test]
fn a_file_says_when_its_next_picture_is_due() {
    let mut switcher = on_standby();
    switcher.choose(Some(Source::File), Mono::from_ms(2));
    whole(&mut switcher, Source::File, 40, start(Track::Video, 0, true), SLICE);
    switcher.sink(Source::File, Mono::from_ms(40)).expect(Mono::from_ms(9_000));
    switcher.tick(Mono::from_ms(9_499));
    assert_eq!(switcher.on_air(), Source::File);
    switcher.tick(Mono::from_ms(9_500));
    assert_eq!(switcher.on_air(), Source::Standby);
}

#[test]
fn parameter_sets_behind_a_long_sei_are_not_brought_twice() {
    let mut switcher = on_standby();
    let from = switcher.ring().head();
    // 300 bytes: their length has two.
    let sei = [&[0, 0, 1, 44, 6][..], &[0x80; 299]].concat();
    let own = [&sei[..], &[0, 0, 0, 2, 0x67, 2, 0, 0, 0, 2, 0x68, 2], SLICE].concat();
    switcher.sink(Source::Udp, Mono::from_ms(40)).config(&avc(2));
    whole(&mut switcher, Source::Udp, 40, start(Track::Video, 0, true), &own);
    assert_eq!(switcher.on_air(), Source::Udp);
    assert_eq!(stored(&switcher, from), [own]);
}

#[test]
fn a_change_behind_a_change_of_which_no_picture_came_brings_its_parameter_sets() {
    let mut switcher = on_standby();
    let (now, from) = (Mono::from_ms(40), switcher.ring().head());
    let mut sink = switcher.sink(Source::Standby, now);
    sink.restart();
    sink.config(&avc(2));
    sink.begin(start(Track::Video, 0, true));
    sink.write(Track::Video, b"broken IDR");
    sink.abort(Track::Video);
    sink.config(&avc(3));
    whole(&mut switcher, Source::Standby, 40, start(Track::Video, 3600, true), SLICE);
    let sets = [0, 0, 0, 2, 0x67, 3, 0, 0, 0, 2, 0x68, 3];
    assert_eq!(stored(&switcher, from), [[&sets, SLICE].concat()]);
}
