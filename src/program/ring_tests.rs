use super::*;
use crate::base::time::Ticks;

const SMALL: Capacity =
    Capacity { video_bytes: 1000, audio_bytes: 200, units: 16, unit_bytes_max: 300 };

fn begin(track: Track, dts: i64) -> Begin {
    Begin { track, dts: Ticks(dts), key: track == Track::Video && dts % 5 == 0 }
}

fn bytes_of(ring: &Ring, seq: u64) -> Vec<u8> {
    match ring.get(seq) {
        Lookup::Unit(unit) => ring.payload(&unit).concat(),
        other => panic!("unit {seq} is {other:?}"),
    }
}

fn store(ring: &mut Ring, track: Track, dts: i64, payload: &[u8]) {
    ring.begin(begin(track, dts));
    ring.write(track, payload);
    ring.commit(track);
}

#[test]
fn units_are_ordered_by_completion_and_may_be_open_side_by_side() {
    let mut ring = Ring::new(SMALL);
    ring.begin(begin(Track::Video, 0));
    ring.write(Track::Video, b"vid");
    ring.begin(begin(Track::Audio, 1));
    ring.write(Track::Audio, b"audio");
    assert_eq!(ring.get(0), Lookup::NotYet);
    ring.commit(Track::Audio);
    ring.write(Track::Video, b"eo");
    ring.patch(Track::Video, 0, *b"VIDE");
    ring.commit(Track::Video);
    assert_eq!(bytes_of(&ring, 0), b"audio");
    assert_eq!(bytes_of(&ring, 1), b"VIDEo");
    assert_eq!(ring.newest_key(), Some(1));
}

#[test]
fn an_aborted_unit_leaves_nothing_but_the_hole_it_burnt() {
    let mut ring = Ring::new(SMALL);
    for n in 0..4 {
        store(&mut ring, Track::Video, n, &[n as u8; 240]);
    }
    ring.begin(begin(Track::Video, 4));
    ring.write(Track::Video, &[9; 100]);
    assert_eq!(ring.get(0), Lookup::Gone, "its bytes lie under the open unit");
    ring.abort(Track::Video);
    assert_eq!(ring.get(0), Lookup::Gone, "and are not whole again");
    assert_eq!(ring.next_of(Track::Video, 0), NextUnit::Gone(0), "nobody is given them");
    store(&mut ring, Track::Video, 5, &[5; 200]);
    assert_eq!(bytes_of(&ring, 1), [1; 240], "what was aborted takes no room");
    assert_eq!(bytes_of(&ring, 4), [5; 200]);
}

#[test]
fn a_unit_too_large_is_counted_and_costs_the_others_nothing_more() {
    let mut ring = Ring::new(SMALL);
    store(&mut ring, Track::Video, 0, &[1; 100]);
    let oversized = ring.oversized();
    ring.begin(begin(Track::Video, 1));
    for _ in 0..50 {
        ring.write(Track::Video, &[2; 100]);
    }
    ring.patch(Track::Video, 0, [7; 4]);
    assert_eq!(ring.commit(Track::Video), None);
    assert_eq!((oversized, ring.oversized()), (0, 1));
    assert_eq!(ring.head(), 1);
    assert_eq!(bytes_of(&ring, 0), [1; 100]);
}

#[test]
fn configurations_stay_as_long_as_the_table_remembers_them() {
    let mut ring = Ring::new(SMALL);
    let config = |rate| {
        TrackConfig::Aac(crate::codec::access_unit::AacConfig {
            record: Default::default(),
            object_type: 2,
            sample_rate_hz: rate,
            channels: 2,
        })
    };
    ring.set_config(&config(1));
    ring.set_config(&config(1));
    store(&mut ring, Track::Audio, 0, b"a");
    let Lookup::Unit(unit) = ring.get(0) else { panic!("stored") };
    assert_eq!(unit.configs, PerTrack { video: 0, audio: 1 }, "the same again is no change");
    for rate in 2..=TRACK_CONFIGS_MAX as u32 {
        ring.set_config(&config(rate));
    }
    assert_eq!(ring.config(Track::Audio, 1), Some(&config(1)));
    ring.set_config(&config(99));
    assert_eq!(ring.config(Track::Audio, 1), None);
    assert_eq!(ring.newest_config(Track::Audio), Some(&config(99)));
    assert_eq!(ring.config(Track::Audio, 0), None);
}

#[test]
fn a_cleared_ring_begins_again() {
    let mut ring = Ring::new(SMALL);
    for n in 0..10 {
        store(&mut ring, Track::Video, n, &[n as u8; 250]);
    }
    ring.begin(begin(Track::Video, 10));
    ring.write(Track::Video, b"open");
    ring.clear();
    assert_eq!((ring.get(9), ring.newest_key()), (Lookup::Gone, None));
    assert_eq!(ring.commit(Track::Video), None);
    store(&mut ring, Track::Video, 15, b"again");
    assert_eq!(ring.newest_key(), Some(10));
    assert_eq!(bytes_of(&ring, 10), b"again");
    let Lookup::Unit(unit) = ring.get(10) else { panic!("stored") };
    assert_eq!(unit.start, 0, "where the first bytes were");
}

/// Against a model that forgets nothing: whatever the ring still gives out is what was stored.
#[test]
fn what_is_held_is_always_what_was_stored() {
    let mut ring = Ring::new(SMALL);
    let mut rng = fastrand::Rng::with_seed(7);
    let mut model: Vec<(Track, Vec<u8>)> = Vec::new();
    let mut open: [Option<Vec<u8>>; 2] = [None, None];
    let mut seen_gone = false;
    for step in 0..20_000 {
        let track = Track::ALL[rng.usize(..2)];
        let limit = SMALL.unit_bytes_max.min([1000, 200][track as usize]);
        let slot = &mut open[track as usize];
        match (rng.u8(..10), slot.as_mut()) {
            (0..=6, Some(bytes)) => {
                let more = vec![rng.u8(..); rng.usize(..90)];
                ring.write(track, &more);
                bytes.extend(more);
                if bytes.len() >= 8 && bytes.len() <= limit {
                    ring.patch(track, 4, [step as u8; 4]);
                    bytes[4..8].fill(step as u8);
                }
            }
            (7, Some(_)) => {
                ring.abort(track);
                *slot = None;
            }
            (_, Some(_)) => {
                let bytes = slot.take().expect("open");
                match ring.commit(track) {
                    Some(unit) => {
                        assert_eq!(unit.len, bytes.len());
                        model.push((track, bytes));
                    }
                    None => assert!(bytes.len() > limit),
                }
            }
            (_, None) => {
                ring.begin(begin(track, step));
                *slot = Some(Vec::new());
            }
        }
        assert_eq!(ring.head(), model.len() as u64);
        let tail = ring.tail();
        assert!(tail == 0 || ring.get(tail - 1) == Lookup::Gone);
        for (seq, (track, bytes)) in model.iter().enumerate().rev().take(20) {
            match ring.get(seq as u64) {
                Lookup::Unit(unit) => {
                    assert_eq!(unit.track, *track);
                    assert_eq!(&ring.payload(&unit).concat(), bytes, "unit {seq} at step {step}");
                }
                Lookup::Gone => seen_gone = true,
                Lookup::NotYet => panic!("unit {seq} was committed"),
            }
        }
    }
    assert!(seen_gone);
    assert!(model.len() > 1000);
    assert!(ring.tail() > 1000);
    assert_eq!(ring.capacity_bytes(), 1200);
}
