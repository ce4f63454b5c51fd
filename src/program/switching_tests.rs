//! What the operator chooses, and what comes of it.

use std::time::Duration;

use super::model::{Feed, World, HZ_44100, HZ_48000, SILENCE};
use super::source::Source;
use super::switcher::FillAudio;
use crate::base::time::Ticks;
use crate::codec::access_unit::{Track, UnitSink, UnitStart};

/// Two frames at the model's 30 per second, and two roundings.
const TWO_FRAMES: i64 = 2 * 3000 + 180;

const IDR: UnitStart = UnitStart { track: Track::Video, dts: Ticks(0), pts: Ticks(0), key: true };

fn feed(world: &World, id: u32) -> Feed {
    Feed::new(id, 3000, Some(HZ_48000), world.now)
}

#[test]
fn without_a_choice_a_live_input_is_not_pushed_aside() {
    let mut world = World::new(FillAudio::No);
    world.run(500);
    world.udp = Some(feed(&world, 2));
    world.run(100);
    world.rtmp = Some(feed(&world, 3));
    world.file = Some(feed(&world, 4));
    world.run(3000);
    assert_eq!(world.on_air(), Source::Udp);
    world.udp = None;
    world.run(3000);
    assert_eq!(world.on_air(), Source::Rtmp);
    world.rtmp = None;
    world.run(600);
    assert_eq!(world.on_air(), Source::Standby, "a file is on air by choice only");
}

#[test]
fn a_chosen_live_input_is_covered_by_another_and_takes_over_again() {
    let mut world = World::new(FillAudio::No);
    world.udp = Some(feed(&world, 2));
    world.run(300);
    world.rtmp = Some(feed(&world, 3));
    world.run(200);
    world.choose(Some(Source::Rtmp));
    world.run(700);
    assert_eq!(world.on_air(), Source::Udp, "until the next IDR");
    world.run(600);
    assert_eq!(world.on_air(), Source::Rtmp);
    let rtmp = world.rtmp.take();
    world.run(2300);
    assert_eq!(world.on_air(), Source::Udp);
    world.rtmp = rtmp.map(|feed| Feed { began: world.now, sent: [0; 2], ..feed });
    world.run(5);
    assert_eq!(world.on_air(), Source::Rtmp);
    world.choose(Some(Source::Pull));
    world.run(3000);
    assert_eq!(world.on_air(), Source::Rtmp, "the old one stays, for the new one is not there");
    world.rtmp = None;
    // Of a connection so new a second's pause is waited for, and then for an IDR.
    world.run(2300);
    assert_eq!(world.on_air(), Source::Udp, "and another covers");
}

#[test]
fn standby_is_on_air_at_once_and_is_not_interrupted() {
    let mut world = World::new(FillAudio::No);
    world.udp = Some(feed(&world, 2));
    world.run(500);
    world.choose(Some(Source::Standby));
    assert_eq!(world.on_air(), Source::Standby);
    world.run(5000);
    assert_eq!((world.on_air(), world.seen.ids), (Source::Standby, [1, 1]));
    assert!(world.seen.steps[0] <= TWO_FRAMES, "{:?}", world.seen.steps);
    world.choose(None);
    world.run(1000);
    assert_eq!(world.on_air(), Source::Udp);
}

#[test]
fn a_file_that_stalls_is_covered_by_standby_only() {
    let mut world = World::new(FillAudio::No);
    world.udp = Some(feed(&world, 2));
    world.run(500);
    world.choose(Some(Source::File));
    world.next_file(feed(&world, 4));
    world.run(5);
    assert_eq!(world.on_air(), Source::File);
    let stalled = world.file.take();
    world.run(3000);
    assert_eq!(world.on_air(), Source::Standby);
    let mut file = stalled.expect("it played");
    file.began = file.began + std::time::Duration::from_millis(3000);
    world.file = Some(file);
    world.run(900);
    assert_eq!(world.on_air(), Source::Standby);
    world.run(200);
    assert_eq!(world.on_air(), Source::File, "at its next key unit");
}

/// A file's next frame time is known: it is waited for, and what comes after it is not.
#[test]
fn a_files_silence_is_counted_from_the_moment_it_has_said() {
    let mut world = World::new(FillAudio::No);
    world.choose(Some(Source::File));
    world.next_file(feed(&world, 4));
    world.run(100);
    world.file = None;
    let due = world.now + Duration::from_secs(60);
    world.switcher.expect(Source::File, due);
    assert_eq!(world.switcher.deadline(), Some(due + SILENCE));
    world.run(60_499);
    assert_eq!(world.on_air(), Source::File);
    world.run(1);
    assert_eq!(world.on_air(), Source::Standby);
    // Another recording has not said anything.
    world.next_file(feed(&world, 5));
    world.run(100);
    world.switcher.expect(Source::File, due + Duration::from_secs(60));
    world.next_file(feed(&world, 6));
    world.run(1);
    world.file = None;
    world.run(700);
    assert_eq!(world.on_air(), Source::Standby);
}

#[test]
fn a_file_that_ends_gives_way_to_a_live_input_or_at_once_to_standby() {
    let mut world = World::new(FillAudio::No);
    world.choose(Some(Source::File));
    world.next_file(feed(&world, 4));
    world.run(1000);
    world.file = None;
    world.choose(None);
    assert_eq!(world.on_air(), Source::Standby, "nobody is there");
    let cut = world.switcher.take_cut().expect("a cut");
    assert_eq!((cut.from, cut.silent), (Source::File, None));

    world.choose(Some(Source::File));
    world.next_file(feed(&world, 5));
    world.udp = Some(feed(&world, 2));
    world.run(1400);
    world.choose(None);
    assert_eq!(world.on_air(), Source::File, "it plays on");
    world.run(590);
    assert_eq!((world.on_air(), world.seen.ids), (Source::File, [5, 5]));
    world.run(300);
    assert_eq!(world.on_air(), Source::Udp, "at its next IDR");

    // One that is there, but has no IDR for ever.
    world.udp.as_mut().expect("there").gop = i64::MAX;
    world.choose(Some(Source::File));
    world.next_file(feed(&world, 7));
    world.run(1000);
    world.choose(None);
    world.run(5000);
    world.choose(None);
    world.run(4999);
    assert_eq!(world.on_air(), Source::File, "asking again changes nothing");
    world.run(1);
    assert_eq!(world.on_air(), Source::Standby, "no IDR in time, although the file goes on");
    let cut = world.switcher.take_cut().expect("a cut");
    assert_eq!((cut.from, cut.silent), (Source::File, None), "it was not silent");
    world.udp.as_mut().expect("there").gop = 30;
    world.run(1100);
    assert_eq!(world.on_air(), Source::Udp);

    world.choose(Some(Source::File));
    world.next_file(feed(&world, 6));
    world.run(500);
    world.file = None;
    world.choose(None);
    world.run(400);
    assert_eq!(world.on_air(), Source::Udp, "from the last frame to the live input");
}

#[test]
fn a_choice_taken_back_is_not_made_later() {
    let mut world = World::new(FillAudio::No);
    world.run(100);
    let (video, key) = (crate::codec::access_unit::Track::Video, true);
    let start =
        crate::codec::access_unit::UnitStart { track: video, dts: Ticks(0), pts: Ticks(0), key };
    world.choose(Some(Source::File));
    use crate::codec::access_unit::UnitSink;
    world.switcher.sink(Source::File, world.now).begin(start);
    world.choose(Some(Source::Standby));
    world.switcher.sink(Source::File, world.now).commit(Track::Video);
    assert_eq!(world.on_air(), Source::Standby);
}

#[test]
fn an_input_that_died_within_its_idr_does_not_keep_others_out() {
    let mut world = World::new(FillAudio::No);
    world.run(100);
    world.switcher.sink(Source::Udp, world.now).begin(IDR);
    world.switcher.sink(Source::Udp, world.now).write(Track::Video, b"half");
    world.run(200);
    world.rtmp = Some(feed(&world, 3));
    world.run(200);
    assert_eq!(world.on_air(), Source::Standby, "it may still come");
    world.run(1000);
    assert_eq!(world.on_air(), Source::Rtmp);
}

#[test]
fn the_next_file_does_not_inherit_what_the_last_one_was() {
    let mut world = World::new(FillAudio::No);
    world.choose(Some(Source::File));
    world.next_file(feed(&world, 4));
    world.run(1000);
    let cuts = world.switcher.counters().cuts;
    world.switcher.take_cut();
    world.next_file(Feed::new(5, 3600, None, world.now));
    world.run(1000);
    assert_eq!(world.switcher.counters().cuts, cuts + 1);
    assert_eq!(world.switcher.take_cut(), None, "the source has not changed");
    assert_eq!(world.seen.ids, [5, 4]);
    world.next_file(Feed { origin: 1 << 40, ..Feed::new(6, 3600, Some(HZ_44100), world.now) });
    world.run(1000);
    assert_eq!(world.seen.ids, [6, 6]);
    assert!(world.seen.steps[0] <= 2 * 3600 + 180, "{:?}", world.seen.steps);
}

#[test]
fn a_recording_whose_first_idr_breaks_begins_with_its_next() {
    let mut world = World::new(FillAudio::No);
    world.choose(Some(Source::File));
    world.next_file(feed(&world, 4));
    world.run(500);
    let file = Feed { gop: 10, ..feed(&world, 5) };
    world.next_file(Feed { sent: [1, 2], ..file });
    world.switcher.sink(Source::File, world.now).begin(IDR);
    world.switcher.sink(Source::File, world.now).write(Track::Video, &[0; 5000]);
    world.switcher.sink(Source::File, world.now).commit(Track::Video);
    world.run(320);
    assert_eq!(world.seen.ids, [4, 4], "nothing can be shown yet");
    world.run(100);
    assert_eq!((world.on_air(), world.seen.ids), (Source::File, [5, 5]));
}

#[test]
fn an_idr_on_its_way_is_not_lost_when_standby_covers() {
    let mut world = World::new(FillAudio::No);
    world.udp = Some(feed(&world, 2));
    world.run(100);
    world.rtmp = Some(feed(&world, 3));
    world.run(1400);
    world.choose(Some(Source::Rtmp));
    world.udp = None;
    world.rtmp = None;
    world.run(400);
    world.switcher.sink(Source::Rtmp, world.now).begin(IDR);
    world.switcher.sink(Source::Rtmp, world.now).write(Track::Video, b"slow ");
    world.run(200);
    assert_eq!(world.on_air(), Source::Standby);
    world.switcher.sink(Source::Rtmp, world.now).commit(Track::Video);
    assert_eq!(world.on_air(), Source::Rtmp);
}

/// Files of many kinds, the live input, standby, and no choice, in any order: 500 switches.
fn storm(seed: u64, fill: FillAudio) -> World {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = World::new(fill);
    world.run(200);
    world.udp = Some(Feed { origin: 1 << 33, ..feed(&world, 2) });
    world.run(200);
    let frames = [1800, 3000, 3003, 3600, 3750];
    for id in 0..500 {
        match rng.u8(..8) {
            0 => world.choose(Some(Source::Udp)),
            1 => {
                world.file = None;
                world.choose(None);
            }
            2 => world.choose(Some(Source::Standby)),
            _ => {
                let audio = [Some(HZ_48000), Some(HZ_44100), None][rng.usize(..3)];
                let frame = frames[rng.usize(..frames.len())];
                let file = Feed::new(100 + id, frame, audio, world.now);
                world.choose(Some(Source::File));
                world.next_file(Feed { origin: rng.i64(-9000..1 << 40), ..file });
            }
        }
        world.run(rng.u64(50..2500));
        // While a file's last frame stands nothing moves.
        let stands = world.on_air() == Source::File && world.file.is_none();
        let ahead = world.ahead();
        assert!(ahead < 40_000, "{ahead} ticks ahead, switch {id}");
        assert!((stands || ahead > -20_000), "{ahead} ticks ahead, switch {id}");
    }
    assert!(world.switcher.counters().cuts > 400);
    world
}

#[test]
fn five_hundred_switches_leave_no_seam() {
    for seed in 0..4 {
        let world = storm(seed, FillAudio::No);
        let seen = &world.seen;
        assert_eq!(seen.silent, 0);
        assert!(seen.skew <= 1920, "{} ticks apart", seen.skew);
        // A file's last frame may stand until it is covered.
        assert!(seen.steps[0] <= 45_000 + 2 * 3750, "{:?}", seen.steps);
    }
}

#[test]
fn five_hundred_switches_leave_no_silence_that_is_not_ours() {
    for seed in 10..14 {
        let world = storm(seed, FillAudio::Yes);
        let seen = &world.seen;
        assert!(seen.skew <= 1920, "{} ticks apart", seen.skew);
        assert!(seen.audio_gap <= 2090 + 4, "{} ticks without audio", seen.audio_gap);
        assert!(seen.without_audio <= 90_000 + 45_000 + 8000, "{} ticks", seen.without_audio);
        assert_eq!(seen.silent, world.switcher.counters().filled_audio);
        assert!(seen.silent > 1000, "{}", seen.silent);
        assert!(seen.silent < seen.units / 3, "{}", seen.silent);
    }
}

/// Files behind one another, each at the moment the last one's next frame was due.
#[test]
fn between_two_files_there_are_two_frames_at_most() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut world = World::new(FillAudio::Yes);
    world.choose(Some(Source::File));
    world.next_file(feed(&world, 4));
    world.run(100);
    world.seen.steps = [0; 2];
    for id in 0..500 {
        world.run(rng.u64(30..900));
        let frame = [3000, 3600][usize::from(rng.bool())];
        let audio = Some([HZ_48000, HZ_44100][usize::from(rng.bool())]);
        let file = Feed::new(100 + id, frame, audio, world.now);
        world.next_file(Feed { origin: rng.i64(..1 << 40).abs(), ..file });
    }
    let (seen, ahead) = (&world.seen, world.ahead());
    assert!(seen.steps[0] <= 2 * 3600 + 180, "{:?}", seen.steps);
    assert!(seen.audio_gap <= 2090 + 4, "{} {}", seen.audio_gap, seen.skew);
    assert!(seen.skew <= 180, "{} {}", seen.audio_gap, seen.skew);
    assert!(ahead.abs() < 20_000, "{ahead} ticks ahead");
    assert_eq!(world.on_air(), Source::File);
}

#[test]
fn a_picture_each_five_seconds_is_on_air_from_the_first_on() {
    for frame in [90_000, 180_000, 450_000, 490_000] {
        let mut world = World::new(FillAudio::Yes);
        world.run(1000);
        world.udp = Some(Feed::new(2, frame, None, world.now));
        world.run(60_000);
        assert_eq!((world.on_air(), world.seen.ids), (Source::Udp, [2, 0]), "{frame}");
        assert_eq!(world.switcher.counters().cuts, 1, "{frame}");
    }
}

#[test]
fn one_picture_and_nothing_more_is_covered() {
    let mut world = World::new(FillAudio::Yes);
    world.run(1000);
    world.udp = Some(Feed::new(2, i64::MAX / 4, None, world.now));
    world.run(8000);
    assert_eq!(world.on_air(), Source::Udp);
    world.run(1000);
    assert_eq!(world.on_air(), Source::Standby);
    // With its sound it is known how it flows: half a second, as always.
    world.udp = Some(Feed::new(3, i64::MAX / 4, Some(HZ_48000), world.now));
    world.run(300);
    assert_eq!(world.on_air(), Source::Udp);
    world.udp = None;
    world.run(700);
    assert_eq!(world.on_air(), Source::Standby);
}
