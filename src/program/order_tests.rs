use super::*;

fn whole(interleave: &mut Interleave, track: Track, ms: i64) {
    let dts = Ticks::from_ms(ms);
    interleave.begins(UnitStart { track, dts, pts: dts, key: false });
    interleave.whole(track);
}

/// Pictures every 40 ms, and sound every 20 ms that comes `lag_ms` late.
fn interleaved(from_ms: i64, to_ms: i64, lag_ms: i64) -> Interleave {
    let mut interleave = Interleave::default();
    for ms in (from_ms..to_ms).step_by(20) {
        if ms % 40 == 0 {
            whole(&mut interleave, Track::Video, ms);
        }
        whole(&mut interleave, Track::Audio, ms - lag_ms);
    }
    interleave
}

#[test]
fn how_far_sound_comes_behind_its_picture_is_measured() {
    for (lag_ms, measured_ms) in [(0, 0), (200, 250), (400, 500), (650, 700), (2000, 700)] {
        let interleave = interleaved(0, 4000, lag_ms);
        assert_eq!(interleave.lag(Track::Audio).to_ms(), measured_ms, "{lag_ms} ms");
        assert_eq!(interleave.lag(Track::Video), Ticks(0));
    }
    // Further than tracks are ever apart: another time base.
    assert_eq!(interleaved(0, 4000, 10_000).lag(Track::Audio), Ticks(0));
}

#[test]
fn a_lag_is_forgotten_when_it_is_not_seen_again() {
    let mut interleave = interleaved(0, 4000, 400);
    let mut forgotten = None;
    for ms in (4000..40_000).step_by(40) {
        whole(&mut interleave, Track::Video, ms);
        whole(&mut interleave, Track::Audio, ms);
        if interleave.lag(Track::Audio) == Ticks(0) {
            forgotten.get_or_insert(ms);
        }
    }
    assert!(forgotten.is_some_and(|ms| (14_000..24_100).contains(&ms)), "{forgotten:?}");
}

#[test]
fn a_clock_that_steps_back_is_no_lag() {
    let mut interleave = interleaved(0, 4000, 0);
    whole(&mut interleave, Track::Video, 3000);
    whole(&mut interleave, Track::Audio, 3000);
    assert_eq!(interleave.lag(Track::Video), Ticks(0));
}

fn until(order: &Order) -> [i64; 2] {
    order.settled().until.map(Ticks::to_ms)
}

/// A source is on air whose sound has come up with its first picture.
fn joined() -> Order {
    let (mut order, it) = (Order::default(), Interleave::default());
    stored(&mut order, Track::Video, 0, &it, 0);
    stored(&mut order, Track::Audio, 0, &it, 0);
    order
}

fn stored(order: &mut Order, track: Track, ms: i64, it: &Interleave, at_ms: u64) -> bool {
    let unit = Stored { track, dts: Ticks::from_ms(ms), duration: Ticks::from_ms(20) };
    order.stored(unit, Some(it), Mono::from_ms(at_ms))
}

#[test]
fn what_is_well_interleaved_leaves_at_once() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 0));
    assert!(!stored(&mut order, Track::Video, 1000, &it, 1000));
    assert_eq!((until(&order)[0], order.deadline()), (1000, None));
    assert!(!stored(&mut order, Track::Audio, 1010, &it, 1010));
    assert_eq!((until(&order), order.deadline()), ([1000, 1010], None));
    assert!(order.settled().for_viewers);
}

#[test]
fn pictures_wait_for_sound_as_long_as_it_is_known_to_lag() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 200));
    stored(&mut order, Track::Video, 1000, &it, 1000);
    assert_eq!(until(&order)[0], 750);
    assert!(!order.settled().for_viewers, "it would cost a viewer more than a frame or two");
    // Sound comes as far as that: the pictures it belongs to leave.
    stored(&mut order, Track::Video, 1040, &it, 1040);
    assert!(stored(&mut order, Track::Audio, 1010, &it, 1050));
    assert_eq!(until(&order), [1010, 1010]);
    // It stays away: each picture is released by those behind it, the last by the clock.
    for ms in (1080..1400).step_by(40) {
        stored(&mut order, Track::Video, ms, &it, ms as u64);
    }
    assert_eq!(until(&order)[0], 1360 - 250);
    assert_eq!(order.deadline(), Some(Mono::from_ms(1360 + 250 + 100)));
    assert!(!order.tick(Mono::from_ms(1709)));
    assert!(order.tick(Mono::from_ms(1710)));
    assert_eq!((until(&order)[0], order.deadline()), (1360, None));
    // Nothing goes back.
    stored(&mut order, Track::Video, 1400, &it, 1720);
    assert_eq!(until(&order)[0], 1360);
}

#[test]
fn behind_a_cut_pictures_wait_until_sound_has_come_up_with_the_first() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 0));
    stored(&mut order, Track::Video, 1000, &it, 1000);
    order.cut();
    for ms in [1040, 1080] {
        stored(&mut order, Track::Video, ms, &it, ms as u64);
    }
    assert_eq!(until(&order)[0], 1000);
    assert!(!order.settled().for_viewers, "viewers do not wait for it");
    // With B-frames the first sounds stand before the first picture.
    assert!(stored(&mut order, Track::Audio, 1005, &it, 1085));
    assert_eq!(until(&order)[0], 1005);
    assert!(stored(&mut order, Track::Audio, 1025, &it, 1085));
    assert_eq!((until(&order)[0], order.deadline()), (1080, None));
    assert!(order.settled().for_viewers);
}

#[test]
fn sound_that_stays_away_is_waited_for_as_long_as_any_may_lag() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 0));
    order.cut();
    for ms in (1000..=1680).step_by(40) {
        stored(&mut order, Track::Video, ms, &it, ms as u64);
    }
    assert_eq!(until(&order)[0], 980);
    assert_eq!(order.deadline(), Some(Mono::from_ms(1680 + 700 + 100)));
    stored(&mut order, Track::Video, 1720, &it, 1720);
    assert_eq!((until(&order)[0], order.deadline()), (1720, None));
}

#[test]
fn what_is_known_to_have_no_sound_is_not_held() {
    let mut order = Order::default();
    let unit = Stored { track: Track::Video, dts: Ticks::from_ms(1000), duration: Ticks(0) };
    order.stored(unit, None, Mono::from_ms(1000));
    assert_eq!((until(&order)[0], order.deadline()), (1000, None));
}

/// What waits for sound of the source that is left goes on waiting, for that of the next.
#[test]
fn behind_a_cut_pictures_wait_for_the_next_sources_sound() {
    let (mut order, it) = (joined(), interleaved(0, 4000, 400));
    stored(&mut order, Track::Video, 1000, &it, 1000);
    assert_eq!(until(&order)[0], 500);
    order.cut();
    stored(&mut order, Track::Video, 1040, &it, 1040);
    assert_eq!(until(&order)[0], 500);
    stored(&mut order, Track::Audio, 600, &it, 1050);
    assert_eq!(until(&order)[0], 600);
}
