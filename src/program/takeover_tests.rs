//! Who takes over from whom, who does not, and what a programme that has run ahead makes of it.

use std::time::Duration;

use super::model::{Feed, World, HZ_48000};
use super::source::Source;
use super::switcher::FillAudio;
use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, UnitSink, UnitStart};

/// Two frames at the model's 30 per second, and two roundings.
const TWO_FRAMES: i64 = 2 * 3000 + 180;

const IDR: UnitStart = UnitStart { track: Track::Video, dts: Ticks(0), pts: Ticks(0), key: true };

fn feed(world: &World, id: u32) -> Feed {
    Feed::new(id, 3000, Some(HZ_48000), world.now)
}

/// One that hands over so much at once when it begins.
fn burst(world: &World, id: u32, ms: u64) -> Feed {
    let began = world.now.since(Mono::default()) - Duration::from_millis(ms);
    Feed { began: Mono::default() + began, gop: 15, ..feed(world, id) }
}

/// An IDR of which a part has come.
fn begin_idr(world: &mut World, source: Source) {
    world.switcher.sink(source, world.now).begin(IDR);
    world.switcher.sink(source, world.now).write(Track::Video, b"half");
}

fn end_idr(world: &mut World, source: Source) {
    world.switcher.sink(source, world.now).commit(Track::Video);
}

#[test]
fn sources_have_the_names_of_the_api() {
    let all = [Source::Standby, Source::Udp, Source::Rtmp, Source::Pull, Source::File];
    assert_eq!(all.map(Source::name), ["standby", "udp", "rtmp", "pull", "file"]);
}

#[test]
fn a_new_connection_may_pause_for_a_second_and_datagrams_may_not() {
    for (source, stays) in [(Source::Rtmp, Source::Rtmp), (Source::Udp, Source::Standby)] {
        let mut world = World::new(FillAudio::No);
        world.run(1000);
        let input = Some(feed(&world, 2));
        match source {
            Source::Udp => world.udp = input,
            _ => world.rtmp = input,
        }
        world.run(500);
        assert_eq!(world.on_air(), source);
        (world.udp, world.rtmp) = (None, None);
        world.run(1000);
        assert_eq!(world.on_air(), stays);
    }
}

#[test]
fn a_live_input_whose_choice_is_taken_back_stays_on_air() {
    let mut world = World::new(FillAudio::No);
    world.udp = Some(feed(&world, 2));
    world.run(500);
    world.choose(Some(Source::Udp));
    assert_eq!(world.switcher.choice(), Some(Source::Udp));
    world.run(500);
    world.choose(None);
    assert_eq!(world.switcher.choice(), None);
    let cuts = world.switcher.counters().cuts;
    // Longer than a file would be let go on.
    world.run(15_000);
    assert_eq!((world.on_air(), world.switcher.counters().cuts), (Source::Udp, cuts));
}

#[test]
fn while_the_chosen_live_input_is_away_nothing_pushes_aside_what_covers_it() {
    let mut world = World::new(FillAudio::No);
    world.rtmp = Some(feed(&world, 3));
    world.run(500);
    world.udp = Some(feed(&world, 2));
    world.choose(Some(Source::Pull));
    let cuts = world.switcher.counters().cuts;
    world.run(3000);
    assert_eq!((world.on_air(), world.switcher.counters().cuts), (Source::Rtmp, cuts));
    (world.rtmp, world.udp) = (None, None);
    world.run(3000);
    world.file = Some(feed(&world, 4));
    world.run(3000);
    assert_eq!(world.on_air(), Source::Standby, "a file is on air by its own choice only");
}

/// An encoder that reconnects within its IDR: the rest of it never comes.
#[test]
fn an_idr_whose_source_begins_again_or_leaves_is_not_shown_in_part() {
    for leaves in [false, true] {
        let mut world = World::new(FillAudio::No);
        world.run(100);
        begin_idr(&mut world, Source::Rtmp);
        let mut sink = world.switcher.sink(Source::Rtmp, world.now);
        if leaves {
            sink.leave();
        } else {
            sink.restart();
        }
        end_idr(&mut world, Source::Rtmp);
        assert_eq!(world.on_air(), Source::Standby);
    }
}

#[test]
fn an_idr_on_its_way_is_not_lost_when_another_source_begins_again_or_leaves() {
    for leaves in [false, true] {
        let mut world = World::new(FillAudio::No);
        world.run(100);
        begin_idr(&mut world, Source::Udp);
        let mut other = world.switcher.sink(Source::Rtmp, world.now);
        if leaves {
            other.leave();
        } else {
            other.restart();
        }
        end_idr(&mut world, Source::Udp);
        assert_eq!(world.on_air(), Source::Udp);
    }
}

#[test]
fn a_recording_that_begins_beside_the_programme_costs_it_nothing() {
    let mut world = World::new(FillAudio::No);
    world.udp = Some(feed(&world, 2));
    world.run(500);
    world.udp = None;
    let (cuts, units) = (world.switcher.counters().cuts, world.switcher.counters().units);
    begin_idr(&mut world, Source::Udp);
    world.switcher.sink(Source::File, world.now).restart();
    end_idr(&mut world, Source::Udp);
    let counters = world.switcher.counters();
    assert_eq!((counters.cuts, counters.units), (cuts, units + 1));
}

#[test]
fn a_recording_that_gives_way_before_its_first_picture_is_no_cut() {
    let mut world = World::new(FillAudio::No);
    world.choose(Some(Source::File));
    world.next_file(feed(&world, 4));
    world.run(500);
    let cuts = world.switcher.counters().cuts;
    for _ in 0..3 {
        world.switcher.sink(Source::File, world.now).restart();
    }
    world.next_file(feed(&world, 5));
    world.run(100);
    assert_eq!((world.switcher.counters().cuts, world.seen.ids), (cuts + 1, [5, 5]));
}

/// A relay that sends what it has kept as soon as somebody asks for it.
#[test]
fn a_file_that_follows_a_burst_is_on_air_at_once_and_makes_up_for_it() {
    let mut world = World::new(FillAudio::No);
    world.run(4000);
    world.rtmp = Some(burst(&world, 2, 1500));
    world.run(2000);
    assert!(world.ahead() > 1400 * 90, "{} ticks", world.ahead());
    world.rtmp = None;
    world.choose(Some(Source::File));
    world.next_file(feed(&world, 4));
    world.run(1);
    assert_eq!((world.on_air(), world.seen.ids[0]), (Source::File, 4));
    // Its second picture comes so much later: that is no silence.
    let pause = world.switcher.completed().since(world.now);
    assert!((1400..1600).contains(&pause.as_millis()), "{pause:?}");
    let cuts = world.switcher.counters().cuts;
    world.run(4000);
    assert_eq!((world.on_air(), world.switcher.counters().cuts), (Source::File, cuts));
    assert!(world.ahead().abs() < 200 * 90, "{} ticks", world.ahead());
}

#[test]
fn a_burst_of_seconds_is_shown_whole_and_its_sound_behind_it() {
    let mut world = World::new(FillAudio::No);
    world.run(4000);
    let mut sound = Feed::new(2, i64::MAX / 4, Some(HZ_48000), world.now);
    // Its first frame of video is one that comes long after the test.
    sound.sent[0] = 1;
    sound.began = burst(&world, 2, 2900).began;
    world.rtmp = Some(Feed { audio: None, ..burst(&world, 2, 2900) });
    world.run(1);
    assert_eq!(world.seen.ids[0], 2);
    sound.play(world.now, &mut world.switcher.sink(Source::Rtmp, world.now));
    for _ in 0..500 {
        world.run(1);
        sound.play(world.now, &mut world.switcher.sink(Source::Rtmp, world.now));
    }
    assert_eq!(world.seen.ids, [2, 2]);
    assert!(world.seen.steps[0] <= TWO_FRAMES, "{:?}", world.seen.steps);
    let counters = world.switcher.counters();
    assert_eq!((counters.cuts, counters.dropped_time), (1, 0));
}

/// An encoder that reconnects again and again, and sends a burst each time: viewers have what it
/// repeats in their buffers, and would have more each time.
#[test]
fn a_live_source_that_begins_again_far_ahead_waits_until_time_has_caught_up() {
    for jumps in [false, true] {
        let mut world = World::new(FillAudio::No);
        world.run(4000);
        world.rtmp = Some(burst(&world, 2, 2500));
        world.run(100);
        assert!(world.ahead() > 2400 * 90, "{} ticks", world.ahead());
        let again = Feed { origin: 1 << 30, gop: 15, ..feed(&world, 3) };
        if !jumps {
            world.switcher.sink(Source::Rtmp, world.now).restart();
        }
        world.rtmp = Some(again);
        world.run(1300);
        assert_eq!((world.on_air(), world.seen.ids), (Source::Rtmp, [2, 2]), "jumps: {jumps}");
        world.run(900);
        assert_eq!((world.on_air(), world.seen.ids), (Source::Rtmp, [3, 3]), "jumps: {jumps}");
        assert!(world.ahead() < 90_000 + TWO_FRAMES, "{} ticks", world.ahead());
    }
}

#[test]
fn the_ring_says_how_much_it_holds() {
    let mut world = World::new(FillAudio::No);
    assert_eq!(world.switcher.ring_span(), Ticks(0));
    world.run(3000);
    let newest = world.seen.last.into_iter().flatten().max().expect("something");
    // The first picture of all stands a second behind the programme's beginning.
    assert_eq!(world.switcher.ring_span(), Ticks(newest - 90_000));
}

/// A burstable plan takes the processor away: what the source sent meanwhile is not lost, and no
/// look at the clock that came too late makes it silent. A source that has left is covered after
/// the same pause, and once for each silence.
#[test]
fn a_machine_that_stood_still_takes_no_source_for_silent() {
    for ms in [600, 1000, 2500] {
        let mut world = World::new(FillAudio::No);
        world.run(1000);
        world.udp = Some(feed(&world, 2));
        world.run(2000);
        for _ in 0..3 {
            world.stand_still(ms);
            world.run(1000);
            assert_eq!(world.on_air(), Source::Udp, "after {ms} ms");
        }
        world.udp = None;
        world.stand_still(ms);
        assert_eq!(world.on_air(), Source::Udp);
        world.run(249);
        assert_eq!(world.on_air(), Source::Udp);
        world.run(1);
        assert_eq!(world.on_air(), Source::Standby, "it has left, {ms} ms");
    }
}

#[test]
fn a_machine_that_stands_still_again_and_again_covers_what_has_left() {
    let mut world = World::new(FillAudio::No);
    world.udp = Some(feed(&world, 2));
    world.run(2000);
    world.udp = None;
    world.stand_still(700);
    assert_eq!(world.on_air(), Source::Udp);
    world.stand_still(700);
    assert_eq!(world.on_air(), Source::Standby);
}
