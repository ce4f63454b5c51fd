use super::interleave::tests::interleaved;
use super::*;

fn until(order: &SettledOrder) -> [i64; 2] {
    let PerTrack { video, audio } = order.settled().until;
    [video, audio].map(Ticks::to_ms)
}

/// When a picture for a destination leaves by the clock.
fn due(order: &SettledOrder) -> Option<Mono> {
    order.pictures_due()
}

/// A source is on air whose sound has come up with its first picture.
fn joined() -> SettledOrder {
    let (mut order, it) = (SettledOrder::default(), Interleave::default());
    stored(&mut order, Track::Video, 0, &it, 0);
    stored(&mut order, Track::Audio, 0, &it, 0);
    order
}

fn stored(order: &mut SettledOrder, track: Track, ms: i64, it: &Interleave, at_ms: u64) -> bool {
    let (dts, duration) = (Ticks::from_ms(ms), Ticks::from_ms(20));
    let unit = Stored { track, dts, duration, due: Ticks::from_ms(at_ms as i64) };
    order.stored(unit, Some(it), Mono::from_ms(at_ms))
}

/// A picture leaves at once when the next sound cannot stand before it.
#[test]
fn what_is_well_interleaved_leaves_at_once() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 0));
    for ms in (20..1000).step_by(20) {
        assert!(!stored(&mut order, Track::Audio, ms, &it, ms as u64));
        if ms % 40 == 0 {
            assert!(!stored(&mut order, Track::Video, ms, &it, ms as u64));
            assert_eq!((until(&order)[0], due(&order)), (ms + 20, None));
        }
    }
    assert_eq!(until(&order), [1000, 960], "sound rides with the next picture");
}

#[test]
fn pictures_wait_for_their_sound_and_for_no_other() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 200));
    for ms in (20..800).step_by(20) {
        stored(&mut order, Track::Audio, ms, &it, ms as u64);
    }
    for ms in (800..=1040).step_by(40) {
        stored(&mut order, Track::Video, ms, &it, ms as u64);
    }
    assert_eq!(until(&order)[0], 800);
    assert_eq!(
        order.settled().for_viewers,
        None,
        "it would cost a viewer more than a frame or two"
    );
    assert!(stored(&mut order, Track::Audio, 800, &it, 1040));
    assert_eq!(until(&order)[0], 820);
    assert_eq!(due(&order), None, "no further behind than it always is");
    // It stays away: each picture is released by those behind it, the last by the clock.
    for ms in (1080..=1600).step_by(40) {
        stored(&mut order, Track::Video, ms, &it, ms as u64);
    }
    assert_eq!(until(&order)[0], 1600 - 700);
    assert_eq!(due(&order), Some(Mono::from_ms(1600 + 700)));
    assert_eq!(order.leaves_without_sound(Mono::from_ms(2299)), None);
    order.tick(Mono::from_ms(2299));
    assert_eq!(until(&order)[0], 1600 - 700);
    assert_eq!(order.leaves_without_sound(Mono::from_ms(2300)), Some(Ticks::from_ms(1600)));
    assert!(order.tick(Mono::from_ms(2300)));
    assert_eq!((until(&order)[0], due(&order)), (1600, None));
}

/// A transport stream may keep its tracks a second apart: that is waited for once it is known.
#[test]
fn sound_that_is_known_to_lag_further_is_waited_for() {
    for (lag_ms, waits_ms) in [(0, 700), (400, 700), (640, 800), (1000, 1250), (2000, 1250)] {
        let (mut order, it) = (joined(), interleaved(0, 4000, lag_ms));
        for ms in (0..=4000).step_by(40) {
            stored(&mut order, Track::Video, ms, &it, ms as u64);
        }
        assert_eq!(until(&order)[0], 4000 - waits_ms);
        assert_eq!(order.waits_for_sound().to_ms(), waits_ms);
    }
}

/// Sound waits for a picture while pictures come, however far it is ahead, and goes on without one
/// when none has come for longer than they jitter; but not past where a cut would be made.
#[test]
fn sound_waits_for_pictures_that_come() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 0));
    for ms in (0..=2000).step_by(40) {
        stored(&mut order, Track::Video, ms, &it, ms as u64);
        stored(&mut order, Track::Audio, ms + 500, &it, ms as u64);
    }
    assert_eq!(until(&order)[1], 2000);
    for at_ms in (2000..3000).step_by(20) {
        stored(&mut order, Track::Audio, at_ms + 520, &it, at_ms as u64);
    }
    assert_eq!(until(&order)[1], 2980 - 100);
    // The programme is ahead of the clock by 500 ms.
    let (mut order, it) = (joined(), interleaved(0, 4000, 0));
    stored(&mut order, Track::Video, 2500, &it, 2000);
    for at_ms in (2000..3000).step_by(20) {
        stored(&mut order, Track::Audio, at_ms + 520, &it, at_ms as u64);
    }
    assert_eq!(until(&order)[1], 2980 - 27);
    // Of a source that is new nobody knows how its pictures come.
    let (mut order, new) = (joined(), Interleave::default());
    stored(&mut order, Track::Audio, 1400, &new, 1400);
    assert_eq!(until(&order)[1], 1400 - 1250);
}

/// A burst ends with a picture or with sound: what is behind it waits for the next burst.
#[test]
fn between_two_bursts_nothing_leaves_by_the_clock() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 200));
    for ms in (40..=1000).step_by(40) {
        stored(&mut order, Track::Audio, ms, &it, 0);
        stored(&mut order, Track::Video, ms + 200, &it, 0);
    }
    assert_eq!((until(&order)[0], due(&order)), (1020, None));
}

#[test]
fn behind_a_cut_pictures_wait_until_sound_has_come_up_with_the_first() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 0));
    stored(&mut order, Track::Audio, 980, &it, 1000);
    stored(&mut order, Track::Video, 1000, &it, 1000);
    order.cut();
    for ms in [1040, 1080] {
        stored(&mut order, Track::Video, ms, &it, ms as u64);
    }
    assert_eq!(until(&order)[0], 1000);
    assert_eq!(order.settled().for_viewers, None, "viewers do not wait for it");
    // With B-frames the first sounds stand before the first picture.
    assert!(stored(&mut order, Track::Audio, 1005, &it, 1085));
    assert_eq!(until(&order)[0], 1025);
    assert!(stored(&mut order, Track::Audio, 1025, &it, 1085));
    assert_eq!(until(&order)[0], 1045);
    assert!(order.settled().for_viewers.is_some());
}

#[test]
fn sound_that_stays_away_is_waited_for_as_long_as_any_may_lag() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 0));
    order.cut();
    for ms in (1000..=1680).step_by(40) {
        stored(&mut order, Track::Video, ms, &it, ms as u64);
    }
    assert_eq!(until(&order)[0], 20);
    stored(&mut order, Track::Video, 1700, &it, 1700);
    assert_eq!((until(&order)[0], due(&order)), (20, Some(Mono::from_ms(1700 + 700))));
    stored(&mut order, Track::Video, 1720, &it, 1720);
    assert_eq!(until(&order)[0], 1020);
}

#[test]
fn what_is_known_to_have_no_sound_is_not_held() {
    let mut order = SettledOrder::default();
    let (dts, duration) = (Ticks::from_ms(1000), Ticks(0));
    let unit = Stored { track: Track::Video, dts, duration, due: dts };
    order.stored(unit, None, Mono::from_ms(1000));
    assert_eq!((until(&order)[0], due(&order)), (1000, None));
}

/// What waits for sound of the source that is left goes on waiting, for that of the next.
#[test]
fn behind_a_cut_pictures_wait_for_the_next_sources_sound() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 400));
    stored(&mut order, Track::Audio, 600, &it, 1000);
    stored(&mut order, Track::Video, 1000, &it, 1000);
    assert_eq!(until(&order)[0], 620);
    order.cut();
    stored(&mut order, Track::Video, 1500, &it, 1500);
    assert_eq!(until(&order)[0], 620);
    stored(&mut order, Track::Audio, 620, &it, 1510);
    assert_eq!(until(&order)[0], 640);
}

/// Where an encoder's clock jitters, a sound may begin before the last one has ended.
#[test]
fn sound_is_not_expected_to_last_longer_than_it_did() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 0));
    for ms in [20, 35, 60] {
        stored(&mut order, Track::Audio, ms, &it, ms as u64);
    }
    assert_eq!(until(&order)[0], 75);
}

#[test]
fn sound_that_comes_late_lets_no_picture_leave() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 200));
    assert!(!stored(&mut order, Track::Audio, 500, &it, 500), "no picture waits");
    stored(&mut order, Track::Video, 700, &it, 700);
    assert!(!stored(&mut order, Track::Audio, 400, &it, 700));
    assert!(stored(&mut order, Track::Audio, 700, &it, 900));
}

/// A frame or two of order is worth it to a viewer: its picture waits for sound that is known to
/// come so much later, and for no longer than that jitters.
#[test]
fn a_viewers_picture_waits_for_sound_that_lags_a_little() {
    let viewers =
        |order: &SettledOrder| order.settled().for_viewers.expect("it costs little").video.to_ms();
    for comes in [false, true] {
        let (mut order, it) = (joined(), interleaved(0, 4000, 32));
        stored(&mut order, Track::Audio, 940, &it, 980);
        stored(&mut order, Track::Video, 1000, &it, 1000);
        // The lag, and a quarter for what it has not been yet.
        assert_eq!(viewers(&order), 960);
        assert_eq!(order.deadline(), Some(Mono::from_ms(1000 + 40 + 100)));
        if comes {
            stored(&mut order, Track::Audio, 1000, &it, 1040);
            assert_eq!((viewers(&order), order.deadline()), (1000, None));
        } else {
            order.tick(Mono::from_ms(1139));
            assert_eq!(viewers(&order), 960);
            order.tick(Mono::from_ms(1140));
            assert_eq!(viewers(&order), 1000);
        }
    }
}
