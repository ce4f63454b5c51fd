use super::*;
use crate::codec::access_unit::UnitSink;
use crate::codec::access_unit::{AacConfig, AvcConfig, TrackConfig};
use crate::program::ring::Capacity;
use crate::program::testing::{start, whole};

const SILENCE: Duration = Duration::from_millis(500);

pub(super) fn switcher() -> Switcher {
    let capacity =
        Capacity { video_bytes: 1 << 20, audio_bytes: 1 << 16, units: 4096, unit_bytes_max: 4096 };
    Switcher::new(Ring::new(capacity), SILENCE, FillAudio::No)
}

pub(super) fn avc(height: u32) -> TrackConfig {
    TrackConfig::Avc(AvcConfig {
        record: Default::default(),
        width: 16,
        height,
        frame_rate: 30.0,
        profile_idc: 77,
        constraints: 0,
        level_idc: 31,
    })
}

pub(super) fn aac() -> TrackConfig {
    TrackConfig::Aac(AacConfig {
        record: Default::default(),
        object_type: 2,
        sample_rate_hz: 48_000,
        channels: 2,
    })
}

/// Everything in the ring: track, DTS, payload behind the tag header.
pub(super) fn stored(switcher: &Switcher) -> Vec<(Track, i64, Vec<u8>)> {
    let ring = switcher.ring();
    (ring.tail()..ring.head())
        .map(|seq| {
            let Lookup::Unit(unit) = ring.get(seq) else { panic!("held") };
            let header = if unit.track == Track::Video { 5 } else { 2 };
            (unit.track, unit.dts.0, ring.payload(&unit).concat().split_off(header))
        })
        .collect()
}

pub(super) fn card(switcher: &mut Switcher, ms: u64, frames: std::ops::Range<i64>) {
    for n in frames {
        let now = Mono(ms * 1000 + n as u64 * 33_333);
        whole(switcher, Source::Standby, now, start(Track::Video, n * 3000, n == 0), b"card");
    }
}

#[test]
fn silence_is_covered_and_the_live_input_taken_back_at_its_idr() {
    let mut switcher = switcher();
    card(&mut switcher, 0, 0..1);
    assert_eq!(switcher.deadline(), None);
    whole(&mut switcher, Source::Udp, Mono::from_ms(50), start(Track::Video, 0, true), b"idr");
    // One picture may be a slide.
    assert_eq!(switcher.cover_at(), Some(Mono::from_ms(50 + 8250)));
    switcher.sink(Source::Udp, Mono::from_ms(100)).begin(start(Track::Video, 3000, false));
    assert_eq!(switcher.cover_at(), Some(Mono::from_ms(550)));
    switcher.sink(Source::Udp, Mono::from_ms(400)).write(Track::Video, b"slow");
    switcher.tick(Mono::from_ms(899));
    assert_eq!(switcher.on_air(), Source::Udp);
    switcher.tick(Mono::from_ms(900));
    assert_eq!(switcher.on_air(), Source::Standby);
    let silent = switcher.take_cut().and_then(|cut| cut.silent);
    assert_eq!(silent, Some(Duration::from_millis(850)));
    switcher.sink(Source::Udp, Mono::from_ms(901)).commit(Track::Video);
    card(&mut switcher, 900, 0..3);
    whole(&mut switcher, Source::Udp, Mono::from_ms(990), start(Track::Video, 9000, false), b"p");
    assert_eq!(switcher.on_air(), Source::Standby);
    whole(&mut switcher, Source::Udp, Mono::from_ms(995), start(Track::Video, 9000, true), b"i");
    assert_eq!(switcher.on_air(), Source::Udp);
    let times: Vec<i64> = stored(&switcher).iter().map(|unit| unit.1 / 90).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    let gap = times[2] - times[1];
    assert!((817..=850).contains(&gap), "the gap is as long as it was: {gap} ms");
}

#[test]
fn bytes_that_never_make_a_unit_are_no_picture() {
    let mut switcher = switcher();
    card(&mut switcher, 0, 0..1);
    whole(&mut switcher, Source::Udp, Mono::from_ms(10), start(Track::Video, 0, true), b"idr");
    for ms in (20..4000).step_by(20) {
        let now = Mono::from_ms(ms);
        switcher.sink(Source::Udp, now).begin(start(Track::Video, ms as i64 * 90, false));
        switcher.sink(Source::Udp, now).write(Track::Video, b"lost");
        switcher.sink(Source::Udp, now).abort(Track::Video);
        switcher.tick(now);
        let covered = ms >= 10 + UNIT_SILENCE_MS_MAX;
        assert_eq!(switcher.on_air() == Source::Standby, covered, "at {ms} ms");
    }
}

/// A transport stream whose tables no longer list its picture: sound alone is no programme.
#[test]
fn flowing_sound_holds_a_slow_picture_and_none_that_has_left() {
    for leaves in [false, true] {
        let mut switcher = switcher();
        card(&mut switcher, 0, 0..1);
        whole(&mut switcher, Source::Udp, Mono::from_ms(10), start(Track::Video, 0, true), b"idr");
        for ms in (20..2000).step_by(20) {
            let now = Mono::from_ms(ms);
            if ms == 1000 && leaves {
                switcher.sink(Source::Udp, now).lose_picture();
            }
            if ms == 900 {
                let unit = start(Track::Video, 900 * 90, false);
                whole(&mut switcher, Source::Udp, now, unit, b"p");
            }
            let sound = start(Track::Audio, ms as i64 * 90, false);
            whole(&mut switcher, Source::Udp, now, sound, b"a");
            switcher.tick(now);
            let covered =
                leaves && Duration::from_millis(ms) >= Duration::from_millis(900) + SILENCE;
            assert_eq!(switcher.on_air() == Source::Standby, covered, "{leaves}, at {ms} ms");
        }
        let now = Mono::from_ms(2000);
        whole(&mut switcher, Source::Udp, now, start(Track::Video, 2000 * 90, true), b"idr");
        assert_eq!(switcher.on_air(), Source::Udp, "another stream brings it back");
    }
}

#[test]
fn a_slide_show_is_not_taken_for_dead() {
    let mut switcher = switcher();
    card(&mut switcher, 0, 0..1);
    for n in 0..20_u64 {
        let now = Mono::from_ms(10 + n * 1000);
        switcher.tick(now);
        let unit = start(Track::Video, n as i64 * 90_000, n % 3 == 0);
        whole(&mut switcher, Source::Udp, now, unit, b"slide");
        if n > 5 {
            assert_eq!(switcher.on_air(), Source::Udp, "slide {n}");
        }
    }
}

/// A seeded storm of two sources, losses and silences: whatever happens, DTS grows per track, and
/// the first unit after a cut is a key unit.
#[test]
fn a_storm_leaves_every_track_growing() {
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut switcher = switcher();
        let (mut now, mut udp_dts, mut card_dts) = (Mono(0), 0, 0);
        let mut cuts = 0;
        let mut last = [i64::MIN; 2];
        let mut read = 0;
        for _ in 0..5000 {
            now = now + Duration::from_millis(rng.u64(1..40));
            if rng.u16(..500) == 0 {
                // The source is silent; the machine does not stand still.
                for _ in 0..35 {
                    now = now + Duration::from_millis(20);
                    switcher.tick(now);
                }
                cuts += u32::from(switcher.take_cut().is_some());
            }
            if rng.u16(..1000) == 0 {
                udp_dts = rng.i64(0..1 << 33);
            }
            switcher.tick(now);
            if switcher.on_air() == Source::Standby {
                let unit = start(Track::Video, card_dts, switcher.awaits_key);
                whole(&mut switcher, Source::Standby, now, unit, b"card");
                whole(
                    &mut switcher,
                    Source::Standby,
                    now,
                    start(Track::Audio, card_dts, false),
                    b"",
                );
                card_dts += 3000;
            }
            let unit = start(Track::Video, udp_dts, rng.u8(..20) == 0);
            let mut sink = switcher.sink(Source::Udp, now);
            sink.begin(unit);
            sink.write(Track::Video, b"live");
            match rng.u8(..10) {
                0 => sink.abort(Track::Video),
                _ => sink.commit(Track::Video),
            }
            whole(&mut switcher, Source::Udp, now, start(Track::Audio, udp_dts, false), b"");
            udp_dts += 1800;
            cuts += u32::from(switcher.take_cut().is_some());
            for seq in read..switcher.ring().head() {
                let Lookup::Unit(unit) = switcher.ring().get(seq) else { panic!("held") };
                let last = &mut last[unit.track as usize];
                assert!(unit.dts.to_ms() > *last, "seed {seed}: {} after {last}", unit.dts.to_ms());
                *last = unit.dts.to_ms();
            }
            read = switcher.ring().head();
        }
        assert!(cuts > 5, "seed {seed}: {cuts} cuts");
    }
}

/// A record of one SPS and one PPS that name the height; nothing here looks into them.
fn avc_with_sets(height: u8) -> TrackConfig {
    let TrackConfig::Avc(mut avc) = avc(height.into()) else { unreachable!() };
    let record = [1, 77, 0, 31, 0xff, 0xe1, 0, 2, 0x67, height, 1, 0, 2, 0x68, height];
    avc.record.extend_from_slice(&record).unwrap();
    TrackConfig::Avc(avc)
}

/// FFmpeg's parser goes on with the sets it had first until it meets others in-band.
#[test]
fn a_key_frame_behind_a_change_brings_its_parameter_sets_once() {
    const SETS: &[u8] = &[0, 0, 0, 2, 0x67, 2, 0, 0, 0, 2, 0x68, 2];
    const SLICE: &[u8] = &[0, 0, 0, 2, 0x65, 9];
    let mut switcher = switcher();
    switcher.sink(Source::Standby, Mono::from_ms(0)).config(&avc_with_sets(1));
    card(&mut switcher, 0, 0..2);
    // Kept for its cut: moved over with the sets in front.
    switcher.sink(Source::Udp, Mono::from_ms(100)).config(&avc_with_sets(2));
    whole(&mut switcher, Source::Udp, Mono::from_ms(100), start(Track::Video, 0, true), SLICE);
    let newest = |switcher: &Switcher| stored(switcher).pop().unwrap().2;
    assert_eq!(newest(&switcher), [SETS, SLICE].concat());
    whole(&mut switcher, Source::Udp, Mono::from_ms(133), start(Track::Video, 3000, true), SLICE);
    assert_eq!(newest(&switcher), SLICE, "only behind the cut");
    // Another recording on air, its lengths patched afterwards; then one of the same sets.
    for (ms, height, sets) in [(166, 3, true), (200, 3, false)] {
        let mut sink = switcher.sink(Source::Udp, Mono::from_ms(ms));
        sink.restart();
        sink.config(&avc_with_sets(height));
        sink.begin(start(Track::Video, 0, true));
        sink.write(Track::Video, &[0, 0, 0, 0, 0x65, 9]);
        sink.patch(Track::Video, 0, [0, 0, 0, 2]);
        sink.commit(Track::Video);
        let stored = newest(&switcher);
        assert_eq!(stored.starts_with(&[0, 0, 0, 2, 0x67, 3]), sets);
        assert!(stored.ends_with(SLICE));
    }
    // A source that brings them anyway.
    switcher.choose(Some(Source::Rtmp), Mono::from_ms(300));
    switcher.sink(Source::Rtmp, Mono::from_ms(300)).config(&avc_with_sets(2));
    let own = [SETS, SLICE].concat();
    whole(&mut switcher, Source::Rtmp, Mono::from_ms(300), start(Track::Video, 0, true), &own);
    assert_eq!(newest(&switcher), own);
}

/// SRS forwards its queue every 500 ms, others every second: they stay on air from the first burst
/// on, and are covered half as long again after the last.
#[test]
fn a_publisher_that_delivers_in_pulses_stays_on_air() {
    for (every_ms, covered_ms) in [(500, 750), (1000, 1500)] {
        let mut switcher = switcher();
        card(&mut switcher, 0, 0..1);
        let mut now = Mono::from_ms(10);
        for ms in (0..17_000).step_by(every_ms) {
            now = Mono::from_ms(10 + ms);
            switcher.tick(now);
            for frame in (ms as i64..(ms + every_ms as u64) as i64).step_by(40) {
                let unit = start(Track::Video, frame * 90, frame % 1000 == 0);
                whole(&mut switcher, Source::Rtmp, now, unit, b"frame");
            }
            assert_eq!(switcher.on_air(), Source::Rtmp, "at {ms} ms, every {every_ms}");
        }
        assert_eq!(switcher.counters().cuts, 1, "the first one");
        assert_eq!(switcher.deadline(), Some(now + Duration::from_millis(covered_ms)));
        switcher.tick(now + Duration::from_millis(covered_ms));
        assert_eq!(switcher.on_air(), Source::Standby);
    }
}

#[test]
fn a_goodbye_is_covered_at_once_and_forgotten() {
    let mut switcher = switcher();
    card(&mut switcher, 0, 0..1);
    let now = Mono::from_ms(10);
    whole(&mut switcher, Source::Rtmp, now, start(Track::Video, 0, true), b"idr");
    switcher.take_cut();
    switcher.sink(Source::Rtmp, Mono::from_ms(20)).leave();
    let cut = Cut { from: Source::Rtmp, to: Source::Standby, silent: None };
    assert_eq!(switcher.take_cut(), Some(cut));
    // One that is not on air takes nothing with it; one that was about to be is no longer.
    switcher.sink(Source::Pull, now).begin(start(Track::Video, 0, true));
    switcher.sink(Source::Udp, now).leave();
    assert_eq!(switcher.take_cut(), None);
    switcher.sink(Source::Pull, now).leave();
    switcher.sink(Source::Pull, now).commit(Track::Video);
    assert_eq!(switcher.on_air(), Source::Standby);
}

#[test]
fn sound_that_flows_keeps_a_source_on_air_whose_picture_stands_still() {
    let mut switcher = switcher();
    card(&mut switcher, 0, 0..1);
    let mut now = Mono::from_ms(10);
    whole(&mut switcher, Source::Udp, now, start(Track::Video, 0, true), b"slide");
    for n in 1..1000 {
        now = Mono::from_ms(10 + n * 21);
        switcher.tick(now);
        let unit = start(Track::Audio, n as i64 * 1890, false);
        whole(&mut switcher, Source::Udp, now, unit, b"sound");
        assert_eq!(switcher.on_air(), Source::Udp, "unit {n}");
    }
    assert_eq!(switcher.counters().dropped_time, 0, "sound of 20 s beside one picture");
    switcher.tick(now + SILENCE);
    assert_eq!(switcher.on_air(), Source::Standby);
}

#[test]
fn another_silence_is_in_force_at_once() {
    let mut switcher = switcher();
    card(&mut switcher, 0, 0..1);
    whole(&mut switcher, Source::Udp, Mono::from_ms(10), start(Track::Video, 0, true), b"idr");
    // With sound beside it, for which no picture has to wait.
    whole(&mut switcher, Source::Udp, Mono::from_ms(10), start(Track::Audio, 0, false), b"aac");
    switcher.set_silence(Duration::from_millis(2000));
    assert_eq!(switcher.deadline(), Some(Mono::from_ms(2010)));
    switcher.set_silence(Duration::from_millis(100));
    assert_eq!(switcher.deadline(), Some(Mono::from_ms(110)));
}

/// A configuration that changes on air stands before the unit it was made for, and not before.
#[test]
fn a_configuration_that_changes_on_air_holds_from_the_next_unit_on() {
    let mut switcher = switcher();
    switcher.sink(Source::Standby, Mono::default()).config(&avc(1));
    card(&mut switcher, 0, 0..2);
    switcher.sink(Source::Standby, Mono::from_ms(60)).config(&avc(2));
    let unit = start(Track::Video, 6000, true);
    whole(&mut switcher, Source::Standby, Mono::from_ms(66), unit, b"other");
    let ring = switcher.ring();
    let heights: Vec<Option<&TrackConfig>> = (ring.tail()..ring.head())
        .map(|seq| {
            let Lookup::Unit(unit) = ring.get(seq) else { panic!("held") };
            ring.config(Track::Video, unit.configs.video)
        })
        .collect();
    assert_eq!(heights, [Some(&avc(1)), Some(&avc(1)), Some(&avc(2))]);
}

/// What was kept for a cut is shown when its source said, with B-frames too, and with the
/// configuration it began with.
#[test]
fn what_was_kept_for_a_cut_keeps_its_composition_time() {
    let mut switcher = switcher();
    switcher.sink(Source::Standby, Mono::default()).config(&avc(1));
    card(&mut switcher, 0, 0..3);
    let now = Mono::from_ms(100);
    switcher.sink(Source::Udp, now).config(&avc(2));
    let unit = UnitStart { track: Track::Video, dts: Ticks(900), pts: Ticks(6900), key: true };
    whole(&mut switcher, Source::Udp, now, unit, b"idr");
    let Some(Lookup::Unit(unit)) = switcher.ring().newest_key().map(|seq| switcher.ring().get(seq))
    else {
        panic!("the IDR")
    };
    let body = switcher.ring().payload(&unit).concat();
    let (header, payload) = tag::parse_video(&body).expect("a tag");
    assert!((66..=67).contains(&header.composition_ms), "{}", header.composition_ms);
    assert!(header.key);
    assert!(payload == b"idr");
    // And what follows it on air.
    let unit = UnitStart { track: Track::Video, dts: Ticks(3900), pts: Ticks(12_900), key: false };
    whole(&mut switcher, Source::Udp, Mono::from_ms(133), unit, b"p");
    let unit = switcher.ring().newest().expect("the picture");
    let body = switcher.ring().payload(&unit).concat();
    let (header, _) = tag::parse_video(&body).expect("a tag");
    assert!((99..=101).contains(&header.composition_ms), "{}", header.composition_ms);
}

#[test]
fn sound_that_finds_no_place_is_counted() {
    let mut switcher = switcher();
    card(&mut switcher, 0, 0..1);
    let now = Mono::from_ms(10);
    let mut sound = |dts| {
        whole(&mut switcher, Source::Standby, now, start(Track::Audio, dts, false), b"aac");
        let SwitcherCounters { units, dropped_overlap, dropped_time, .. } = switcher.counters();
        (units, dropped_overlap, dropped_time)
    };
    assert_eq!(sound(0), (2, 0, 0));
    assert_eq!(
        (sound(0), sound(0)),
        ((2, 1, 0), (2, 2, 0)),
        "it would lie on top of what has left"
    );
    let other = 10 * 90_000;
    assert_eq!((sound(other), sound(-other)), ((2, 2, 1), (2, 2, 2)), "of another time");
    // With the headers of their tags.
    assert_eq!(switcher.counters().bytes, PerTrack { video: 5 + 4, audio: 2 + 3 });
}
