use super::super::ring::{Begin, Capacity};
use super::*;
use crate::codec::access_unit::{AacConfig, TrackConfig};

const CAPACITY: Capacity =
    Capacity { video_bytes: 10_000, audio_bytes: 1000, units: 1000, unit_bytes_max: 2000 };

fn store(ring: &mut Ring, track: Track, ms: i64, key: bool, len: usize) {
    ring.begin(Begin { track, dts: Ticks::from_ms(ms), key });
    ring.write(track, &vec![0; len]);
    ring.commit(track);
}

fn next(reader: &mut Reader, ring: &Ring) -> Option<(Track, u32)> {
    match reader.step(ring) {
        ReaderStep::Wait => None,
        ReaderStep::Send { unit, timestamp_ms } => {
            reader.sent(&unit);
            Some((unit.track, timestamp_ms))
        }
        ReaderStep::Configure { .. } => panic!("no configuration was set"),
    }
}

#[test]
fn it_begins_at_the_newest_key_unit_with_timestamp_zero() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::new();
    store(&mut ring, Track::Video, 5000, false, 10);
    assert_eq!(next(&mut reader, &ring), None, "nothing to begin with");
    store(&mut ring, Track::Video, 5040, true, 10);
    store(&mut ring, Track::Video, 5080, true, 10);
    store(&mut ring, Track::Audio, 5079, false, 10);
    store(&mut ring, Track::Audio, 5100, false, 10);
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 0)));
    assert_eq!(next(&mut reader, &ring), Some((Track::Audio, 20)), "audio from before is left out");
    assert_eq!(next(&mut reader, &ring), None);
}

#[test]
fn one_that_falls_behind_is_skipped_to_the_newest_key_unit() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::new();
    store(&mut ring, Track::Video, 0, true, 1000);
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 0)));
    for n in 1..=5 {
        store(&mut ring, Track::Video, n * 40, n == 4, 1000);
    }
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 40)), "half a ring is still safe");
    store(&mut ring, Track::Video, 240, false, 1000);
    store(&mut ring, Track::Video, 280, false, 1000);
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 160)));
    assert_eq!((reader.skips(), reader.dropped()), (1, 2));
}

/// Small units fill the table of units before the memory of their bytes.
#[test]
fn one_that_is_half_the_rings_units_behind_is_skipped_too() {
    for (behind, got_ms) in [(5, 40), (6, 160)] {
        let mut ring = Ring::new(Capacity { units: 10, ..CAPACITY });
        let mut reader = Reader::new();
        store(&mut ring, Track::Video, 0, true, 1);
        assert_eq!(next(&mut reader, &ring), Some((Track::Video, 0)));
        for n in 1..=behind {
            store(&mut ring, Track::Video, n * 40, n == 4, 1);
        }
        assert_eq!(next(&mut reader, &ring), Some((Track::Video, got_ms)), "{behind} behind");
    }
}

#[test]
fn the_newest_key_unit_is_sent_though_it_is_nearly_lost() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::new();
    for n in 0..8 {
        store(&mut ring, Track::Video, n * 40, n == 0, 1000);
    }
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 0)), "there is none to skip to");
    assert_eq!(reader.skips(), 0);
}

#[test]
fn without_a_key_unit_ahead_it_waits_for_one() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::new();
    store(&mut ring, Track::Video, 0, true, 1000);
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 0)));
    for n in 1..=20 {
        store(&mut ring, Track::Video, n * 40, false, 1000);
    }
    assert_eq!(next(&mut reader, &ring), None);
    store(&mut ring, Track::Video, 1000, true, 1000);
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 1000)));
    assert_eq!((reader.skips(), reader.dropped()), (1, 20));
}

#[test]
fn after_a_pause_it_goes_on_with_a_key_unit_it_has_not_sent() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::new();
    store(&mut ring, Track::Video, 0, true, 10);
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 0)));
    reader.restart();
    store(&mut ring, Track::Video, 40, false, 10);
    assert_eq!(next(&mut reader, &ring), None);
    store(&mut ring, Track::Video, 80, true, 10);
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 80)));
}

#[test]
fn timestamps_wrap_after_49_days_and_7_hours() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::new();
    store(&mut ring, Track::Video, 1000, true, 10);
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 0)));
    store(&mut ring, Track::Video, 1000 + (1 << 32) - 1, true, 10);
    store(&mut ring, Track::Video, 1000 + (1 << 32) + 39, true, 10);
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, u32::MAX)));
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 39)));
}

#[test]
fn configurations_come_before_the_first_unit_they_hold_for() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::new();
    let aac = |rate| {
        TrackConfig::Aac(crate::codec::access_unit::AacConfig {
            record: Default::default(),
            object_type: 2,
            sample_rate_hz: rate,
            channels: 2,
        })
    };
    ring.set_config(&aac(48_000));
    store(&mut ring, Track::Video, 0, true, 10);
    ring.set_config(&aac(44_100));
    store(&mut ring, Track::Video, 40, false, 10);
    store(&mut ring, Track::Audio, 50, false, 10);
    let configure = |changed, timestamp_ms| ReaderStep::Configure {
        changed: PerTrack { video: None, audio: Some(changed) },
        in_force: PerTrack { video: 0, audio: changed },
        timestamp_ms,
    };
    assert_eq!(reader.step(&ring), configure(1, 0));
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 0)));
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 40)), "sound's is no affair of it");
    assert_eq!(reader.step(&ring), configure(2, 50));
    assert_eq!(next(&mut reader, &ring), Some((Track::Audio, 50)));
}

#[test]
fn the_last_time_sent_is_told_for_each_track() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::new();
    assert_eq!(Track::ALL.map(|track| reader.last_ms(track)), [None, None]);
    store(&mut ring, Track::Video, 5000, true, 10);
    store(&mut ring, Track::Audio, 5020, false, 10);
    store(&mut ring, Track::Video, 5040, false, 10);
    let seen = |reader: &Reader| Track::ALL.map(|track| reader.last_ms(track));
    next(&mut reader, &ring);
    assert_eq!(seen(&reader), [Some(0), None]);
    next(&mut reader, &ring);
    assert_eq!(seen(&reader), [Some(0), Some(20)]);
    next(&mut reader, &ring);
    assert_eq!(seen(&reader), [Some(40), Some(20)]);
}

#[test]
fn its_lag_is_the_media_time_from_where_it_stands_to_the_newest() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::new();
    assert_eq!(reader.lag(&ring), Ticks(0), "nothing is there");
    assert_eq!((reader.skips(), reader.dropped()), (0, 0));
    store(&mut ring, Track::Video, 1000, true, 10);
    store(&mut ring, Track::Video, 1040, false, 10);
    store(&mut ring, Track::Video, 1120, false, 10);
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 0)));
    assert_eq!(reader.lag(&ring), Ticks::from_ms(80));
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 40)));
    assert_eq!(reader.lag(&ring), Ticks(0), "it stands at the newest");
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 120)));
    assert_eq!(reader.lag(&ring), Ticks(0), "it has everything");
    // Sound arrives behind a picture of a later time.
    store(&mut ring, Track::Video, 1160, false, 10);
    store(&mut ring, Track::Audio, 1100, false, 10);
    assert_eq!(reader.lag(&ring), Ticks(0), "never negative");
}

#[test]
fn a_unit_whose_configuration_is_forgotten_is_passed_over() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::new();
    let avc = |height| {
        TrackConfig::Avc(crate::codec::access_unit::AvcConfig {
            record: Default::default(),
            width: 16,
            height,
            frame_rate: 0.0,
            profile_idc: 77,
            constraints: 0,
            level_idc: 31,
        })
    };
    ring.set_config(&avc(1));
    store(&mut ring, Track::Video, 0, true, 10);
    assert!(matches!(reader.step(&ring), ReaderStep::Configure { .. }));
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 0)));
    // One unit for each of more configurations than the ring remembers, each of them a key unit.
    let kept = crate::base::limits::TRACK_CONFIGS_MAX as u32;
    let all = kept + 3;
    for n in 0..all {
        ring.set_config(&avc(100 + n));
        store(&mut ring, Track::Video, 40 + 40 * i64::from(n), true, 10);
    }
    // The first of them holds a generation that is gone: skipped, to the newest key unit.
    let newest = all + 1;
    let step = reader.step(&ring);
    let timestamp_ms = 40 * all;
    let configured = ReaderStep::Configure {
        changed: PerTrack { video: Some(newest), audio: None },
        in_force: PerTrack { video: newest, audio: 0 },
        timestamp_ms,
    };
    assert_eq!(step, configured);
    assert_eq!(reader.skips(), 1);
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, timestamp_ms)));
    // The newest key unit itself may be such a one: then the next to come is waited for.
    ring.set_config(&avc(1000));
    store(&mut ring, Track::Video, 4000, true, 10);
    for n in 0..kept {
        ring.set_config(&avc(2000 + n));
    }
    assert_eq!(reader.step(&ring), ReaderStep::Wait);
    store(&mut ring, Track::Video, 4040, true, 10);
    let in_force = PerTrack { video: newest + 1 + kept, audio: 0 };
    let changed = PerTrack { video: Some(newest + 1 + kept), audio: None };
    assert_eq!(reader.step(&ring), ReaderStep::Configure { changed, in_force, timestamp_ms: 4040 });
}

fn settle(ring: &mut Ring, video_ms: i64, audio_ms: i64, for_viewers: bool) {
    let until = PerTrack { video: Ticks::from_ms(video_ms), audio: Ticks::from_ms(audio_ms) };
    let for_viewers = for_viewers.then_some(until);
    ring.settle(super::super::order::Settled { until, for_viewers });
}

/// Sound that comes 60 ms behind its picture: a destination gets both in the order of time, as far
/// as that is settled; a viewer as they come, for it would cost more than a frame or two.
#[test]
fn a_destination_gets_units_in_the_order_of_time() {
    let mut ring = Ring::new(CAPACITY);
    let mut arrival = Reader::new();
    let mut viewer = Reader::ordered(ReadOrder::Viewer);
    let mut time = Reader::ordered(ReadOrder::Time);
    settle(&mut ring, 0, 0, false);
    for n in 0..4 {
        store(&mut ring, Track::Video, n * 40, n == 0, 10);
        if n > 1 {
            store(&mut ring, Track::Audio, n * 40 - 75, false, 10);
            store(&mut ring, Track::Audio, n * 40 - 55, false, 10);
        }
    }
    let all = |reader: &mut Reader, ring: &Ring| {
        std::iter::from_fn(|| next(reader, ring)).map(|(_, ms)| ms).collect::<Vec<u32>>()
    };
    let as_they_came = [0, 40, 80, 5, 25, 120, 45, 65];
    assert_eq!(all(&mut arrival, &ring), as_they_came);
    assert_eq!(all(&mut viewer, &ring), as_they_came);
    assert_eq!(all(&mut time, &ring), [0]);
    settle(&mut ring, 65, 65, false);
    assert_eq!(all(&mut time, &ring), [5, 25, 40, 45, 65]);
    settle(&mut ring, 120, 65, true);
    assert_eq!(all(&mut time, &ring), [80, 120]);
    // Where order costs little, a viewer has it too.
    let mut viewer = Reader::ordered(ReadOrder::Viewer);
    assert_eq!(all(&mut viewer, &ring), [0, 5, 25, 40, 45, 65, 80, 120]);
    let mut ordered = Reader::ordered(ReadOrder::Viewer);
    store(&mut ring, Track::Video, 160, true, 10);
    store(&mut ring, Track::Video, 200, false, 10);
    store(&mut ring, Track::Audio, 170, false, 10);
    settle(&mut ring, 200, 200, true);
    assert_eq!(all(&mut ordered, &ring), [0, 10, 40]);
}

/// Units of both tracks that leave in another order than they came do not take each other's
/// configurations back.
#[test]
fn a_configuration_is_sent_once_though_the_order_is_another() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::ordered(ReadOrder::Time);
    let aac = |sample_rate_hz| {
        TrackConfig::Aac(crate::codec::access_unit::AacConfig {
            record: Default::default(),
            object_type: 2,
            sample_rate_hz,
            channels: 2,
        })
    };
    ring.set_config(&aac(48_000));
    store(&mut ring, Track::Video, 0, true, 10);
    store(&mut ring, Track::Audio, 100, false, 10);
    ring.set_config(&aac(44_100));
    store(&mut ring, Track::Video, 40, false, 10);
    store(&mut ring, Track::Audio, 121, false, 10);
    store(&mut ring, Track::Video, 80, false, 10);
    let (mut units, mut configured) = (Vec::new(), Vec::new());
    loop {
        match reader.step(&ring) {
            ReaderStep::Wait => break,
            ReaderStep::Configure { changed, timestamp_ms, .. } => {
                configured.push((changed, timestamp_ms));
            }
            ReaderStep::Send { unit, timestamp_ms } => {
                reader.sent(&unit);
                units.push(timestamp_ms);
            }
        }
    }
    assert_eq!(units, [0, 40, 80, 100, 121]);
    let sound = |generation| PerTrack { video: None, audio: Some(generation) };
    assert_eq!(configured, [(sound(1), 0), (sound(2), 121)]);
}

#[test]
fn where_a_reader_stands_is_known() {
    let mut ring = Ring::new(CAPACITY);
    let mut reader = Reader::new();
    assert_eq!(reader.lag(&ring), Ticks(0));
    assert_eq!(Track::ALL.map(|track| reader.last_ms(track)), [None, None]);
    for n in 0..4 {
        store(&mut ring, Track::Video, 1000 + n * 40, n == 0, 10);
        store(&mut ring, Track::Audio, 1005 + n * 40, false, 10);
    }
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 0)));
    assert_eq!(reader.lag(&ring), Ticks::from_ms(120), "from the first sound to the last");
    assert_eq!(next(&mut reader, &ring), Some((Track::Audio, 5)));
    assert_eq!(next(&mut reader, &ring), Some((Track::Video, 40)));
    assert_eq!(Track::ALL.map(|track| reader.last_ms(track)), [Some(40), Some(5)]);
    while next(&mut reader, &ring).is_some() {}
    assert_eq!(reader.lag(&ring), Ticks(0));
    assert_eq!(Track::ALL.map(|track| reader.last_ms(track)), [Some(120), Some(125)]);
}

#[test]
fn the_other_tracks_configuration_may_be_forgotten() {
    use crate::base::limits::TRACK_CONFIGS_MAX;
    let [avc, aac] = crate::program::testing::configs();
    let mut ring = Ring::new(CAPACITY);
    [&avc, &aac].into_iter().for_each(|config| ring.set_config(config));
    store(&mut ring, Track::Video, 5000, true, 10);
    let TrackConfig::Aac(aac) = aac else { panic!("AAC") };
    for n in 0..TRACK_CONFIGS_MAX as u32 {
        ring.set_config(&TrackConfig::Aac(AacConfig { sample_rate_hz: 8000 + n, ..aac.clone() }));
    }
    let mut reader = Reader::new();
    let step = reader.step(&ring);
    let ReaderStep::Configure { changed, .. } = step else { panic!("{step:?}") };
    assert_eq!(changed, PerTrack { video: Some(1), audio: None }, "the picture's own is sent");
    let step = reader.step(&ring);
    assert!(matches!(step, ReaderStep::Send { timestamp_ms: 0, .. }), "{step:?}");
}

/// What comes later than anything was to be waited for gets the time of what has left before it;
/// sound that is too late for that is left out, a picture never.
#[test]
fn a_destinations_time_never_goes_back() {
    let mut ring = Ring::new(CAPACITY);
    let mut time = Reader::ordered(ReadOrder::Time);
    let mut arrival = Reader::new();
    let mut units = vec![(Track::Video, 0), (Track::Video, 100), (Track::Audio, 60)];
    units.extend([(Track::Audio, 80), (Track::Audio, 101), (Track::Audio, 300)]);
    units.extend([(Track::Video, 140), (Track::Video, 299), (Track::Video, 340)]);
    for (n, (track, ms)) in units.into_iter().enumerate() {
        store(&mut ring, track, ms, n == 0, 10);
        // Each leaves before the next comes.
        let got: Vec<_> = std::iter::from_fn(|| next(&mut time, &ring)).collect();
        let moved_ms = match (track, ms) {
            (Track::Audio, 60) => 100,
            (Track::Audio, 80) => 101,
            (Track::Audio, 101) => 102,
            (Track::Video, 140) => 300,
            (Track::Video, 299) => 301,
            (_, ms) => ms as u32,
        };
        assert_eq!(got, [(track, moved_ms)]);
        assert_eq!(next(&mut arrival, &ring), Some((track, ms as u32)), "others get it as it is");
    }
    assert_eq!((time.moved(), time.left_out()), (5, 0));
    store(&mut ring, Track::Audio, 320, false, 10);
    assert_eq!(next(&mut time, &ring), Some((Track::Audio, 340)));
    store(&mut ring, Track::Video, 600, false, 10);
    assert_eq!(next(&mut time, &ring), Some((Track::Video, 600)));
    store(&mut ring, Track::Audio, 499, false, 10);
    assert_eq!(next(&mut time, &ring), None);
    store(&mut ring, Track::Audio, 500, false, 10);
    assert_eq!(next(&mut time, &ring), Some((Track::Audio, 600)));
    assert_eq!((time.moved(), time.left_out()), (7, 1));
}
