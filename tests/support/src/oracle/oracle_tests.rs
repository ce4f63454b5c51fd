use std::time::Duration;

use super::*;
use crate::units::{AccessUnit, Media};

const SPS: [u8; 4] = [0x67, 66, 0, 30];
const PPS: [u8; 2] = [0x68, 0xCE];
const FRAME_MS: i64 = 40;

/// A source whose pictures are shown I P B P B …, two behind decoding; sound with each picture.
fn media(name: u8, frames: u8) -> Media {
    let mut units = Vec::new();
    for number in 0..frames {
        let dts = i64::from(number) * FRAME_MS * TICKS_IN_MS;
        let later = match number {
            0 => 1,
            _ if number % 2 == 1 => 2,
            _ => 0,
        };
        let first = if number == 0 { 0x65 } else { 0x41 };
        let pts = dts + later * FRAME_MS * TICKS_IN_MS;
        let key = number == 0;
        let nals = vec![vec![first, name, number, 0x80]];
        units.push(AccessUnit { track: Track::Video, dts, pts, key, nals });
        let nals = vec![vec![name, number, 1]];
        units.push(AccessUnit { track: Track::Audio, dts, pts: dts, key: false, nals });
    }
    Media {
        parameter_sets: vec![[&SPS[..], &[name, 0x80]].concat(), PPS.to_vec()],
        audio_config: vec![0x11, name],
        units,
    }
}

/// A message with a body of its own.
#[derive(Clone)]
struct Owned {
    kind: u8,
    time_ms: u32,
    body: Vec<u8>,
}

impl Owned {
    fn message(&self) -> Message<'_> {
        Message { kind: self.kind, time_ms: self.time_ms, body: &self.body, arrived: None }
    }
}

fn headers(media: &Media, time_ms: u32) -> Vec<Owned> {
    let mut body = vec![0x17, 0, 0, 0, 0, 1, 66, 0, 30, 0xFF];
    for (set, count) in media.parameter_sets.iter().zip([0xE1, 1]) {
        body.extend([count, 0, u8::try_from(set.len()).unwrap()]);
        body.extend(set);
    }
    let video = Owned { kind: VIDEO, time_ms, body };
    let body = [&[0xAF, 0], media.audio_config.as_slice()].concat();
    vec![video, Owned { kind: AUDIO, time_ms, body }]
}

/// The messages of a source from `offset_ms` on.
fn sent(media: &Media, offset_ms: i64) -> Vec<Owned> {
    let mut messages = headers(media, u32::try_from(offset_ms & 0xFFFF_FFFF).unwrap());
    for unit in &media.units {
        let dts_ms = unit.dts / TICKS_IN_MS + offset_ms;
        let time_ms = u32::try_from(dts_ms & 0xFFFF_FFFF).unwrap();
        let [_, c2, c1, c0] = i32::try_from((unit.pts - unit.dts) / 90).unwrap().to_be_bytes();
        let (kind, head) = match unit.track {
            Track::Video => (VIDEO, vec![if unit.key { 0x17 } else { 0x27 }, 1, c2, c1, c0]),
            Track::Audio => (AUDIO, vec![0xAF, 1]),
        };
        messages.push(Owned { kind, time_ms, body: [head, unit.payload()].concat() });
    }
    messages
}

fn sources() -> Vec<Source> {
    vec![Source::of_media("one", &media(1, 6)), Source::of_media("two", &media(2, 6))]
}

/// One behind the other, as it should be: the second's first picture is shown `gap_ms` behind the
/// first's last.
fn cut(gap_ms: i64) -> Vec<Owned> {
    // The last P is shown at 280, the new IDR 40 ms behind its decoding.
    let mut messages = sent(&media(1, 6), 0);
    messages.extend(sent(&media(2, 6), 280 + gap_ms - 40));
    messages
}

fn faults(rules: Rules, messages: &[Owned]) -> Vec<Fault> {
    let report = Oracle::judge(rules, sources(), messages.iter().map(Owned::message));
    report.violations.into_iter().map(|violation| violation.fault).collect()
}

#[test]
fn what_is_well_is_not_named_and_the_passages_are_told() {
    let messages = cut(40);
    let report = Oracle::judge(Rules::DESTINATION, sources(), messages.iter().map(Owned::message));
    report.assert_clean("two sources");
    let told: Vec<_> = report.video.iter().map(|p| (p.source, p.first, p.last, p.units)).collect();
    assert_eq!(told, [(0, 0, 5, 6), (1, 0, 5, 6)]);
    assert_eq!((report.video_configs, report.audio_configs), (2, 2));
    assert_eq!(report.lag_ms_max, Some(0));
    assert!(report.video.iter().chain(&report.audio).all(Passage::is_whole));
}

#[test]
fn a_cut_is_shown_behind_what_was_shown() {
    assert_eq!(faults(Rules::VIEWER, &cut(1)), []);
    for gap_ms in [0, -13] {
        let seam = Fault::Seam { to: "two".to_owned(), gap_ms };
        assert_eq!(faults(Rules::VIEWER, &cut(gap_ms)), [seam]);
    }
}

#[test]
fn a_source_that_begins_again_is_a_cut_too_but_a_lost_picture_is_none() {
    let mut again = sent(&media(1, 6), 0);
    again.extend(sent(&media(1, 6), 230));
    let seam = Fault::Seam { to: "one".to_owned(), gap_ms: -10 };
    assert_eq!(faults(Rules::VIEWER, &again), [seam]);
    let mut holed = sent(&media(1, 6), 0);
    holed.remove(6);
    assert_eq!(faults(Rules::VIEWER, &holed), []);
}

#[test]
fn times_grow_and_lie_together() {
    let mut messages = sent(&media(1, 6), 0);
    let twin = messages[4].clone();
    messages.insert(5, twin);
    let named = faults(Rules::VIEWER, &messages);
    let repeats = Fault::DtsNotGrowing { track: Track::Video, before_ms: 40, dts_ms: 40 };
    assert!(named.contains(&repeats), "{named:?}");
    // All sound behind all pictures.
    let mut messages = sent(&media(1, 6), 0);
    messages.sort_by_key(|m| (m.body[1] != 0, m.kind == AUDIO));
    let rules = Rules { lag_ms_max: 199, ..Rules::VIEWER };
    let lag = Fault::Lag { track: Track::Audio, lag_ms: 200 };
    assert_eq!(faults(rules, &messages), [lag]);
    assert_eq!(faults(Rules::VIEWER, &messages), []);
    assert_eq!(faults(Rules::DESTINATION, &messages).len(), 5);
    let rules = Rules { step_ms_max: Some(40), ..Rules::VIEWER };
    let step = Fault::Step { track: Track::Audio, step_ms: 80 };
    let mut holed = sent(&media(1, 6), 0);
    holed.remove(5);
    assert_eq!(faults(rules, &holed), [step]);
}

/// A unit that came too late for the order of time stands where time is, no further than it may be
/// moved, and two milliseconds of rounding.
#[test]
fn what_came_too_late_is_moved() {
    for (moved_ms, faulty) in [(102, 0), (104, 1)] {
        let mut media = media(1, 6);
        let picture =
            media.units.iter().position(|unit| unit.dts == 120 * 90).expect("it is there");
        let sound = &mut media.units[picture + 1];
        sound.dts -= (moved_ms - 40) * 90;
        sound.pts = sound.dts;
        let sources = vec![Source::of_media("one", &media)];
        let mut messages = sent(&media, 0);
        // Behind the next picture, with its time.
        let late = 2 + picture + 1;
        messages.swap(late, late + 1);
        messages[late + 1].time_ms = 160;
        messages[late + 2].time_ms = 161;
        let judge =
            |rules| Oracle::judge(rules, sources.clone(), messages.iter().map(Owned::message));
        let report = judge(Rules::DESTINATION);
        assert_eq!(report.violations.len(), faulty, "{moved_ms} ms: {report}");
        assert_eq!(report.moved, 1 - faulty);
        assert_ne!(judge(Rules::VIEWER).violations, []);
    }
}

#[test]
fn the_configuration_comes_before_what_it_holds_for() {
    let mut messages = cut(40);
    messages.drain(..2);
    let none = [Fault::NoConfig(Track::Video), Fault::NoConfig(Track::Audio)];
    let named = faults(Rules::VIEWER, &messages);
    assert_eq!((named.len(), named.iter().all(|fault| none.contains(fault))), (12, true));
    let mut messages = cut(40);
    // The second source's headers, one unit too late.
    messages[14..18].rotate_left(2);
    let source = || "two".to_owned();
    let wrong =
        [Track::Video, Track::Audio].map(|track| Fault::WrongConfig { track, source: source() });
    assert_eq!(faults(Rules::VIEWER, &messages), wrong);
}

#[test]
fn a_change_of_parameter_sets_within_the_unit_needs_its_header() {
    let mut messages = sent(&media(1, 6), 0);
    let other: &[u8] = &[0, 0, 0, 6, 0x67, 66, 0, 30, 9, 0x80];
    let unit = messages[2].body.split_off(5);
    messages[2].body.extend([other, &unit].concat());
    assert_eq!(faults(Rules::VIEWER, &messages), [Fault::ConfigInBandOnly]);
}

#[test]
fn what_this_product_never_sends_is_a_fault() {
    let with = |kind: u8, body: &[u8]| {
        let mut messages = sent(&media(1, 6), 0);
        messages.push(Owned { kind, time_ms: 240, body: body.to_vec() });
        faults(Rules::VIEWER, &messages)
    };
    assert_eq!(with(20, &[]), [Fault::UnknownKind(20)]);
    assert_eq!(with(DATA, b"\x02\0\x0aonMetaData\x08"), []);
    assert!(matches!(with(DATA, b"\x02\0\x09onCuePoint").as_slice(), [Fault::Malformed(_)]));
    assert_eq!(with(VIDEO, &[0x90, 1, 0, 0, 0, 1]), [Fault::CodecByte(0x90)]);
    assert_eq!(with(AUDIO, &[0x2F, 1, 0]), [Fault::CodecByte(0x2F)]);
    for body in [&[0x27, 1, 0, 0, 0, 0, 0, 0, 9, 1][..], &[0x17, 2, 0, 0, 0], &[0x27], &[]] {
        assert!(matches!(with(VIDEO, body).as_slice(), [Fault::Malformed(_)]), "{body:?}");
    }
    for body in [&[0xAF, 1][..], &[0xAF, 2, 0], &[]] {
        assert!(matches!(with(AUDIO, body).as_slice(), [Fault::Malformed(_)]), "{body:?}");
    }
    let cut_short = [0x17, 0, 0, 0, 0, 1, 66, 0, 30, 0xFF, 0xE1, 0, 9, 0x67];
    assert!(matches!(with(VIDEO, &cut_short).as_slice(), [Fault::Malformed(_)]));
}

#[test]
fn the_frame_type_says_what_the_nal_units_say() {
    let flagged = |at: usize, byte: u8| {
        let mut messages = sent(&media(1, 6), 0);
        messages[at].body[0] = byte;
        faults(Rules::VIEWER, &messages)
    };
    assert_eq!(flagged(2, 0x27), [Fault::KeyFlag { flag: false }]);
    assert_eq!(flagged(4, 0x17), [Fault::KeyFlag { flag: true }]);
    // A recovery point behind a message of user data.
    let sei: &[u8] = &[6, 5, 3, 0, 0, 3, 3, 6, 1, 0x84, 0x80];
    assert!(can_start(&[sei, &[0x41]]));
    assert!(!can_start(&[&[6, 5, 3, 0, 0, 3, 3, 0x80], &[0x41]]));
    assert!(!can_start(&[&[6, 255], &[6]]));
}

#[test]
fn nothing_is_shown_before_it_is_decoded() {
    let mut messages = sent(&media(1, 6), 0);
    messages[6].body[2..5].copy_from_slice(&[0xFF, 0xFF, 0xFF]);
    let named = faults(Rules::VIEWER, &messages);
    assert_eq!(named, [Fault::CompositionNegative(-1)]);
}

#[test]
fn strangers_and_cuts_without_a_key_are_named() {
    let mut messages = cut(40);
    messages.remove(16);
    assert_eq!(faults(Rules::VIEWER, &messages), [Fault::CutToNoKey]);
    let mut messages = sent(&media(1, 6), 0);
    messages.extend(sent(&media(3, 1), 240).drain(2..));
    assert_eq!(faults(Rules::VIEWER, &messages), [Fault::Unknown(Track::Video)]);
    let rules = Rules { unknown_sounds_max: 0, unknown_pictures_max: 1, ..Rules::VIEWER };
    assert_eq!(faults(rules, &messages), [Fault::Unknown(Track::Audio)]);
}

#[test]
fn sound_stays_with_its_picture() {
    let moved = |by_ms: u32| {
        let mut messages = sent(&media(1, 6), 1000);
        for message in messages.iter_mut().filter(|message| message.kind == AUDIO) {
            message.time_ms += by_ms;
        }
        faults(Rules::VIEWER, &messages)
    };
    assert_eq!(moved(25), []);
    let apart = Fault::Sync { source: "one".to_owned(), apart_ms: 26 };
    assert_eq!(moved(26), [apart]);
}

#[test]
fn the_clock_wraps_and_goes_on() {
    let messages = sent(&media(1, 6), (1 << 32) - 100);
    assert_eq!(faults(Rules::DESTINATION, &messages), []);
}

#[test]
fn the_way_is_measured_where_both_ends_are_known() {
    let mut source = Source::of_media("one", &media(1, 2));
    source.video[1].sent = Some(Duration::from_millis(50));
    let messages = sent(&media(1, 2), 0);
    let rules = Rules { latency_max: Some(Duration::from_millis(9)), ..Rules::VIEWER };
    let arrived = |message: &Owned| Duration::from_millis(u64::from(message.time_ms) + 20);
    let all = messages.iter().map(|m| Message { arrived: Some(arrived(m)), ..m.message() });
    let report = Oracle::judge(rules, vec![source], all);
    let latency = Duration::from_millis(10);
    assert_eq!(report.latencies, [latency]);
    let late = Fault::Late { track: Track::Video, latency };
    assert_eq!(report.violations, [Violation { at: 4, fault: late }]);
}

#[test]
fn a_source_is_known_by_its_messages_as_by_its_units() {
    let messages = sent(&media(1, 6), 0);
    let of_media = Source::of_media("one", &media(1, 6));
    let of_messages = Source::of_messages("one", messages.iter().map(Owned::message)).unwrap();
    assert_eq!(of_messages.video_configs, of_media.video_configs);
    assert_eq!(of_messages.audio_configs, of_media.audio_configs);
    for track in [Track::Video, Track::Audio] {
        let of = |source: &Source| -> Vec<_> {
            let units = source.track(track).iter();
            units.map(|unit| (unit.digest, unit.dts, unit.pts, unit.key, unit.config)).collect()
        };
        assert_eq!(of(&of_messages), of(&of_media));
    }
}

#[test]
fn configurations_of_sound_are_compared_by_meaning() {
    assert!(same_sound(&[0x11, 0x90], &[0x11, 0x90]));
    assert!(same_sound(&[0x11, 0x90, 0x56, 0xE5, 0], &[0x11, 0x90]));
    assert!(!same_sound(&[0x11, 0x90, 0x56, 0xE5, 0x80], &[0x11, 0x90]));
    assert!(!same_sound(&[0x11, 0x90], &[0x12, 0x10]));
    assert!(!same_sound(&[0x11, 0x90, 1], &[0x11, 0x90]));
}
