//! Audio that never stops, in virtual time.

use std::time::Duration;

use super::model::{aac, Feed, World, HZ_44100, HZ_48000};
use super::silence::{Expected, Filler};
use super::source::Source;
use super::switcher::FillAudio;
use crate::base::time::Ticks;
use crate::codec::aac_silence::{usual_config, SilentFrame};
use crate::codec::access_unit::{AacConfig, Track, TrackConfig, UnitSink, UnitStart};

const FRAME_48000: i64 = 1920;
const FRAME_44100: i64 = 2090;

#[test]
fn a_source_without_audio_for_hours_is_silent_without_a_gap() {
    let mut world = World::new(FillAudio::Yes);
    world.run(1000);
    world.udp = Some(Feed::new(2, 3600, None, world.now));
    world.run(3 * 3_600_000);
    assert_eq!((world.on_air(), world.seen.ids), (Source::Udp, [2, 0]));
    assert!(world.seen.audio_gap <= 4, "{} ticks", world.seen.audio_gap);
    // A live input may have announced audio that comes late; one second is the longest.
    assert!(world.seen.without_audio <= 90_000 + 3600 + 90, "{}", world.seen.without_audio);
    let due = 3 * 3600 * 48_000 / 1024;
    assert!(world.seen.silent.abs_diff(due) <= 2, "{} of {due}", world.seen.silent);
    let behind = world.seen.last[0].zip(world.seen.audio_end).map(|(video, end)| video - end);
    assert!(behind.is_some_and(|behind| (-FRAME_48000..4).contains(&behind)), "{behind:?}");
}

#[test]
fn the_first_source_of_all_may_be_silent() {
    let mut world = World::new(FillAudio::Yes);
    world.card.audio = None;
    world.run(5000);
    assert_eq!(world.seen.ids, [1, 0]);
    let due = 5 * 48_000 / 1024;
    assert!(world.seen.silent.abs_diff(due) <= 2, "{} of {due}", world.seen.silent);
    assert!(world.seen.audio_gap <= 4);
    assert!(world.seen.without_audio <= 27_000 + 3600 + 90, "{}", world.seen.without_audio);
}

#[test]
fn audio_that_stops_and_returns_is_joined_on_both_sides() {
    let mut rng = fastrand::Rng::with_seed(8);
    let mut world = World::new(FillAudio::Yes);
    world.udp = Some(Feed::new(2, 3000, Some(HZ_44100), world.now));
    world.run(1000);
    for _ in 0..50 {
        let silent = world.seen.silent;
        world.udp.as_mut().expect("there").set_audio(None);
        world.run(rng.u64(1..950));
        world.udp.as_mut().expect("there").set_audio(Some(HZ_44100));
        world.run(200);
        assert_eq!(world.seen.ids, [2, 2]);
        assert!(world.seen.silent < silent + 50);
        world.udp.as_mut().expect("there").set_audio(None);
        world.run(rng.u64(1200..9000));
        assert_eq!(world.seen.ids, [2, 0]);
        assert!(world.seen.silent > silent);
        world.udp.as_mut().expect("there").set_audio(Some(HZ_44100));
        world.run(1000);
        assert_eq!(world.seen.ids, [2, 2]);
    }
    // Gaps shorter than those that are taken for missing stay as the source has them.
    assert!(world.seen.audio_gap <= 27_000 + FRAME_44100, "{}", world.seen.audio_gap);
    assert!(world.seen.skew <= 90, "{}", world.seen.skew);
}

/// The input's picture, and its sound for itself.
fn picture_and_sound() -> (World, Feed) {
    let mut world = World::new(FillAudio::Yes);
    world.udp = Some(Feed::new(2, 3000, None, world.now));
    let mut sound = Feed::new(2, i64::MAX / 4, Some(HZ_48000), world.now);
    // Its first frame of video is one that comes long after the test.
    sound.sent[0] = 1;
    (world, sound)
}

#[test]
fn audio_that_comes_late_takes_its_place_back_from_silence() {
    let (mut world, mut sound) = picture_and_sound();
    sound.began = world.now + Duration::from_millis(500);
    world.run(3000);
    assert_eq!(world.seen.ids, [2, 0]);
    for _ in 0..1000 {
        sound.play(world.now, &mut world.switcher.sink(Source::Udp, world.now));
        world.run(1);
    }
    assert_eq!(world.seen.ids, [2, 2]);
    assert!(world.seen.audio_gap <= FRAME_48000, "{}", world.seen.audio_gap);
}

#[test]
fn audio_that_comes_in_bursts_is_never_pushed_out() {
    for burst_ms in [100, 350, 700, 950] {
        let (mut world, mut sound) = picture_and_sound();
        sound.play(world.now, &mut world.switcher.sink(Source::Udp, world.now));
        world.run(3000);
        world.seen.silent = 0;
        for _ in 0..100 {
            world.run(burst_ms);
            sound.play(world.now, &mut world.switcher.sink(Source::Udp, world.now));
        }
        world.run(1);
        assert!(world.seen.silent <= 50, "{} in bursts of {burst_ms} ms", world.seen.silent);
        let dropped = world.switcher.counters().dropped_overlap;
        assert!(dropped <= 150, "{dropped} dropped in bursts of {burst_ms} ms");
        assert_eq!(world.seen.ids, [2, 2]);
    }
}

#[test]
fn files_with_and_without_audio_make_one_track() {
    let mut world = World::new(FillAudio::Yes);
    world.choose(Some(Source::File));
    for round in 0..20 {
        world.next_file(Feed::new(10 + round, 3600, Some(HZ_44100), world.now));
        world.run(2013);
        assert_eq!(world.seen.ids, [10 + round, 10 + round]);
        let silent = world.seen.silent;
        world.next_file(Feed::new(40 + round, 3000, None, world.now));
        world.run(1507);
        assert_eq!(world.seen.ids, [40 + round, 0]);
        // In the configuration of the file before.
        let filled = i64::try_from(world.seen.silent - silent).expect("few") * FRAME_44100;
        assert!((filled - 1507 * 90).abs() < 3 * 3600, "{filled} ticks");
    }
    assert!(world.seen.audio_gap <= FRAME_44100 + 4, "{}", world.seen.audio_gap);
    assert!(world.seen.skew <= 90);
    assert!(world.seen.steps[0] <= 2 * 3600 + 180);
}

#[test]
fn switched_off_there_is_none() {
    let mut world = World::new(FillAudio::No);
    world.udp = Some(Feed::new(2, 3600, None, world.now));
    world.run(10_000);
    assert_eq!((world.seen.silent, world.switcher.counters().filled_audio), (0, 0));
}

#[test]
fn silence_that_needs_another_configuration_gives_it_back() {
    let mut world = World::new(FillAudio::Yes);
    world.udp = Some(Feed::new(2, 3600, Some(HZ_48000), world.now));
    world.run(1000);
    let low_delay = TrackConfig::Aac(AacConfig { object_type: 23, ..usual_config() });
    world.switcher.sink(Source::Udp, world.now).config(&low_delay);
    world.run(100);
    let in_force = |world: &World| world.switcher.ring().newest_config(Track::Audio).cloned();
    let udp = |world: &mut World, audio| {
        let feed = world.udp.as_mut().expect("there");
        feed.set_audio(audio);
        feed.told = true;
    };
    udp(&mut world, None);
    world.run(2000);
    assert_eq!(world.seen.ids, [2, 0]);
    assert_eq!(in_force(&world), Some(TrackConfig::Aac(usual_config())));
    udp(&mut world, Some(HZ_48000));
    world.run(500);
    assert_eq!(world.seen.ids, [2, 2]);
    assert_eq!(in_force(&world), Some(low_delay));
}

#[test]
fn an_audio_unit_that_never_ends_does_not_hold_silence_up() {
    let mut world = World::new(FillAudio::Yes);
    world.udp = Some(Feed::new(2, 3600, None, world.now));
    world.run(100);
    let start = UnitStart { track: Track::Audio, dts: Ticks(9000), pts: Ticks(9000), key: false };
    world.switcher.sink(Source::Udp, world.now).begin(start);
    world.switcher.sink(Source::Udp, world.now).write(Track::Audio, b"half a frame");
    world.run(2000);
    assert!(world.seen.silent > 80, "{}", world.seen.silent);
    let units = world.seen.units;
    world.switcher.sink(Source::Udp, world.now).commit(Track::Audio);
    world.run(1);
    assert!(world.seen.units <= units + 2, "it was given up");
}

/// Behind a cut silence is believed in the sooner the earlier the last source's sound ended, for
/// destinations have waited that long already; but not before ffmpeg's first packet can be there.
#[test]
fn how_long_the_first_sound_behind_a_cut_is_waited_for() {
    let ms = |ms: i64| Ticks::from_ms(ms);
    for (early, patience) in [(-40, 600), (0, 600), (100, 500), (150, 450), (200, 400), (900, 400)]
    {
        let mut filler = Filler::new(FillAudio::Yes);
        filler.stored(ms(5000), ms(20));
        filler.video(ms(5020 + early), true);
        let since = ms(5020 + early.max(0));
        filler.video(since + ms(patience), false);
        assert!(!filler.is_missing(Expected::Live(Ticks(0))), "{early} ms early");
        filler.video(since + ms(patience) + Ticks(1), false);
        assert!(filler.is_missing(Expected::Live(Ticks(0))), "{early} ms early");
    }
}

/// Sound that comes two seconds behind its picture: later than destinations wait for, but it is
/// there. Silence in its place would push it out for good.
#[test]
fn sound_that_comes_seconds_late_is_not_replaced() {
    let (mut world, mut sound) = picture_and_sound();
    sound.began = world.now + Duration::from_secs(2);
    let run = |world: &mut World, sound: &mut Feed, ms| {
        for _ in 0..ms {
            world.run(1);
            sound.play(world.now, &mut world.switcher.sink(Source::Udp, world.now));
        }
    };
    run(&mut world, &mut sound, 10_000);
    let silent = world.seen.silent;
    run(&mut world, &mut sound, 10_000);
    assert_eq!((world.seen.ids, world.seen.silent), ([2, 2], silent));
}

/// An encoder whose sound is stamped with one time for ever: none of it can be used.
#[test]
fn sound_whose_time_stands_still_is_replaced_in_the_end() {
    let mut world = World::new(FillAudio::Yes);
    world.udp = Some(Feed::new(2, 3000, None, world.now));
    world.switcher.sink(Source::Udp, world.now).config(&aac(HZ_48000.0));
    let time = Ticks(0);
    let unit = UnitStart { track: Track::Audio, dts: time, pts: time, key: false };
    for _ in 0..10_000 {
        world.run(1);
        let mut sink = world.switcher.sink(Source::Udp, world.now);
        sink.begin(unit);
        sink.write(Track::Audio, b"frame");
        sink.commit(Track::Audio);
    }
    assert_eq!(world.seen.ids, [2, 0]);
    // The longest silence put in at once, a picture, and the sound that had to be there.
    let longest = 270_000 + 3000 + FRAME_48000;
    assert!(world.seen.without_audio <= longest, "{}", world.seen.without_audio);
}

#[test]
fn a_short_gap_in_sound_stays_and_a_longer_one_is_filled() {
    let ms = Ticks::from_ms;
    let mut filler = Filler::new(FillAudio::Yes);
    assert!(filler.is_missing_before(ms(0)), "before the first sound of all");
    filler.stored(ms(5000), ms(20));
    assert!(!filler.is_missing_before(ms(5020 + 300)));
    assert!(filler.is_missing_before(ms(5020 + 300) + Ticks(1)));
    let mut none = Filler::new(FillAudio::No);
    none.stored(ms(5000), ms(20));
    assert!(!none.is_missing_before(ms(9000)));
}

/// Frames of silence stand where as many frames of sound would: at 44.1 kHz they are no whole
/// number of ticks, and their roundings must not add up over hours.
#[test]
fn silent_frames_are_counted_from_where_silence_began() {
    let mut filler = Filler::new(FillAudio::Yes);
    let TrackConfig::Aac(config) = aac(HZ_44100.0) else { unreachable!() };
    let frame = SilentFrame::of(&config).expect("LC");
    let began = Ticks(1_000_000);
    filler.stored(began - Ticks(2090), Ticks(2090));
    for n in 0..10_000 {
        let stands = began + Ticks((n * 1024 * 90_000 + 22_050) / 44_100);
        let ends = began + Ticks(((n + 1) * 1024 * 90_000 + 22_050) / 44_100);
        assert_eq!(filler.next(&frame, ends - Ticks(3)), None, "it ends later, frame {n}");
        assert_eq!(
            filler.next(&frame, ends - Ticks(2)),
            Some(stands),
            "give or take two roundings"
        );
    }
}

#[test]
fn silence_begins_again_in_another_configuration_and_behind_a_long_gap() {
    let mut filler = Filler::new(FillAudio::Yes);
    let frames = [HZ_44100, HZ_48000].map(|hz| {
        let TrackConfig::Aac(config) = aac(hz.0) else { unreachable!() };
        SilentFrame::of(&config).expect("LC")
    });
    let [slow, usual] = &frames;
    let second = 90_000;
    filler.stored(Ticks(0), Ticks(0));
    assert_eq!(filler.next(slow, Ticks(second)), Some(Ticks(0)));
    assert_eq!(filler.next(slow, Ticks(second)), Some(Ticks(FRAME_44100)));
    let end = 2 * 1024 * 90_000 / 44_100 + 1;
    assert_eq!(filler.next(usual, Ticks(second)), Some(Ticks(end)));
    assert_eq!(filler.next(usual, Ticks(second)), Some(Ticks(end + FRAME_48000)));
    // Of more than three seconds the last three are filled.
    assert_eq!(filler.next(usual, Ticks(10 * second)), Some(Ticks(7 * second)));
    assert_eq!(filler.next(usual, Ticks(10 * second)), Some(Ticks(7 * second + FRAME_48000)));
}

/// A programme that stood still is not filled up to its cut, and what is shorter is.
#[test]
fn before_a_cut_no_more_than_three_seconds_are_missing() {
    let ms = Ticks::from_ms;
    let missing_from = |cut: Ticks| {
        let mut filler = Filler::new(FillAudio::Yes);
        filler.stored(ms(5000), ms(20));
        filler.video(cut, true);
        let frame = SilentFrame::of(&usual_config()).expect("LC");
        filler.next(&frame, cut + ms(100)).expect("room for a frame")
    };
    assert_eq!(missing_from(ms(7000)), ms(5020));
    let longer = ms(5020 + 3000) + Ticks(1);
    assert_eq!(missing_from(longer), longer);
}
