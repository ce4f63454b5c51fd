//! Where silence stands beside the pictures of a source, in virtual time.

use super::super::super::model::{aac, Feed, World, HZ_44100, HZ_48000, SILENCE};
use super::super::{FillAudio, Source};
use super::*;
use crate::codec::access_unit::UnitSink;

const SLIDE: i64 = 180_000;

/// On air with a picture each two seconds and no sound.
fn slides(fill: FillAudio) -> World {
    let mut world = World::new(fill);
    world.run(1000);
    world.udp = Some(Feed::new(2, SLIDE, None, world.now));
    world.run(10_000);
    assert_eq!(world.on_air(), Source::Udp);
    world
}

/// On air with a picture, and sound that is announced and never comes; known to be mute.
fn announced_and_mute(sound: (u8, i64)) -> World {
    let mut world = World::new(FillAudio::Yes);
    world.card.audio = Some(sound);
    world.run(1000);
    world.udp = Some(Feed::new(2, 3600, None, world.now));
    world.switcher.sink(Source::Udp, world.now).config(&aac(sound.0));
    world.run(4000);
    assert_eq!((world.on_air(), world.seen.ids), (Source::Udp, [2, 0]));
    assert!(world.switcher.is_filling());
    world
}

#[test]
fn beside_slides_silence_goes_on_by_the_clock_and_never_past_it() {
    let mut world = slides(FillAudio::Yes);
    let frame = aac_silence::usual_config().frame_duration();
    let latest = Ticks::from_duration(FILL_EVERY) + FILL_MARGIN + frame;
    for _ in 0..6000 {
        world.run(1);
        let behind = world.clock() - world.seen.audio_end.expect("silence");
        // The silence beside a picture ends with the frame that begins before it.
        assert!((-frame.0..=latest.0 + 90).contains(&behind), "{behind} ticks behind the clock");
    }
    assert_eq!(world.switcher.counters().filled_audio, world.seen.silent);
}

/// Beside a picture that stands for two seconds, more silence comes four times a second: less often
/// would leave players without, and more often wakes the program for nothing.
#[test]
fn beside_slides_more_silence_comes_four_times_a_second() {
    let mut world = slides(FillAudio::Yes);
    let (mut filled, mut moments) = (world.seen.silent, 0);
    for _ in 0..6000 {
        world.run(1);
        moments += u64::from(world.seen.silent > filled);
        filled = world.seen.silent;
    }
    assert!((22..=27).contains(&moments), "{moments} moments in six seconds");
}

#[test]
fn a_programme_that_is_not_filled_is_not_woken_for_silence() {
    let world = slides(FillAudio::No);
    let next = world.switcher.deadline().expect("its cover");
    assert!(next.since(world.now) > SILENCE, "{:?}", next.since(world.now));
    assert_eq!((world.seen.silent, world.switcher.counters().filled_audio), (0, 0));
    // Nor for what is not to be shown before its next key frame, nor for the card.
    let mut world = slides(FillAudio::Yes);
    world.switcher.restart(Source::Udp, world.now);
    assert_eq!(world.switcher.fill_at(), None);
    world.udp = None;
    world.run(20_000);
    assert_eq!((world.on_air(), world.switcher.fill_at()), (Source::Standby, None));
}

#[test]
fn what_is_known_to_be_mute_has_its_silence_before_each_picture() {
    for sound in [HZ_48000, HZ_44100] {
        let mut world = announced_and_mute(sound);
        world.seen.without_audio = i64::MIN;
        world.run(10_000);
        assert!(world.seen.without_audio < 0, "{sound:?}: {}", world.seen.without_audio);
    }
}

/// The sound before the cut ended 300 ms early. A file brings none for that time: silence leaves
/// before its first picture. What a live source sends may lie further back than its picture.
#[test]
fn before_the_first_picture_of_a_file_silence_stands_at_once() {
    for (source, gap) in [(Source::File, 0..1920), (Source::Rtmp, 20_000..40_000)] {
        let mut world = World::new(FillAudio::Yes);
        world.run(1000);
        world.udp = Some(Feed::new(2, 3000, Some(HZ_48000), world.now));
        world.run(5000);
        world.udp.as_mut().expect("there").set_audio(None);
        world.run(300);
        assert_eq!(world.seen.silent, 0);
        world.choose(Some(source));
        let feed = Feed::new(3, 3600, Some(HZ_48000), world.now);
        match source {
            Source::File => world.next_file(feed),
            _ => world.rtmp = Some(feed),
        }
        world.seen.without_audio = i64::MIN;
        world.run(1);
        assert_eq!(world.on_air(), source);
        assert!(
            gap.contains(&world.seen.without_audio),
            "{source:?}: {}",
            world.seen.without_audio
        );
    }
}

#[test]
fn a_picture_that_destinations_wait_for_no_longer_has_silence_before_it() {
    // With 800 ms between pictures one has waited long enough before the next shows what is missing.
    for frame in [3000, 36_000, 72_000] {
        let mut world = World::new(FillAudio::Yes);
        world.switcher.set_silence(4 * SILENCE);
        world.run(1000);
        world.udp = Some(Feed::new(2, frame, Some(HZ_48000), world.now));
        world.run(9300);
        world.udp.as_mut().expect("there").set_audio(None);
        for _ in 0..3000 {
            world.run(1);
            let left = world.switcher.order.settled().until.video;
            let sound = world.seen.audio_end.expect("sound");
            assert!(left.0 <= sound, "a picture of {} left, and sound ends at {sound}", left.0);
        }
        assert_eq!(world.seen.ids, [2, 0]);
    }
}

/// A publisher's sound header may come behind its first pictures.
#[test]
fn a_live_source_may_have_sound_that_it_has_not_announced_yet() {
    let mut world = World::new(FillAudio::Yes);
    world.run(1000);
    world.rtmp = Some(Feed::new(2, 3000, None, world.now));
    world.run(300);
    assert_eq!((world.seen.ids[0], world.seen.silent), (2, 0));
    world.rtmp.as_mut().expect("there").set_audio(Some(HZ_48000));
    world.run(1000);
    assert_eq!(world.seen.ids, [2, 2]);
    assert!(!world.switcher.is_filling());
}

/// A file without sound is known to have none from its first picture on.
#[test]
fn beside_a_file_without_sound_silence_stands_from_its_first_picture_on() {
    let mut world = World::new(FillAudio::Yes);
    world.run(1000);
    world.choose(Some(Source::File));
    world.next_file(Feed::new(3, 3600, None, world.now));
    world.seen.without_audio = i64::MIN;
    world.run(1000);
    assert_eq!(world.seen.ids, [3, 0]);
    assert!(world.seen.without_audio <= 0, "{}", world.seen.without_audio);
}
