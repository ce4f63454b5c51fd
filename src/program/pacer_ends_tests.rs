//! When a file can go on air, what breaks in it, and when it ends.

use super::*;
use crate::base::limits::READ_AHEAD_CALLS_MAX;

/// What a writer has made of a file so far.
fn recorded(says: impl FnOnce(&mut ReadAheadWriter<Pile>)) -> VecDeque<ReadAhead> {
    let pile = Pile::default();
    let mut writer = ReadAheadWriter::new(ReadAhead::default(), pile.clone());
    configs().iter().for_each(|config| writer.config(config));
    says(&mut writer);
    writer.flush();
    pile.full.take().into()
}

fn scene(says: impl FnOnce(&mut ReadAheadWriter<Pile>)) -> Scene {
    let mut scene = Scene { source: recorded(says), ..Scene::default() };
    scene.read();
    scene
}

fn broken(sink: &mut dyn UnitSink, ms: i64, key: bool) {
    let dts = Ticks::from_ms(ms);
    sink.begin(UnitStart { track: Track::Video, dts, pts: dts, key });
    sink.write(Track::Video, b"half");
    sink.abort(Track::Video);
}

#[test]
fn a_file_is_ready_once_its_key_frame_and_a_fifth_of_a_second_are_here() {
    for (ms, readiness) in [(PRE_ROLL_MS - 1, Readiness::Waits), (PRE_ROLL_MS, Readiness::Ready)] {
        let mut whole = scene(|sink| {
            frame(sink, Track::Video, 5_000, true);
            frame(sink, Track::Audio, 5_000 + ms, false);
        });
        assert_eq!(whole.pacer.readiness(), readiness, "{ms} ms");
        assert_eq!(whole.pacer.is_starved(whole.now), readiness == Readiness::Waits);
        whole.pacer.start(whole.now);
        // A key frame that is still being read cannot be shown, whatever sound is here.
        let open = scene(|sink| {
            let dts = Ticks::from_ms(5_000);
            sink.begin(UnitStart { track: Track::Video, dts, pts: dts, key: true });
            sink.write(Track::Video, b"half");
            frame(sink, Track::Audio, 5_000 + ms, false);
        });
        assert_eq!(open.pacer.readiness(), Readiness::Waits, "{ms} ms");
    }
}

#[test]
fn a_file_whose_first_key_frame_is_broken_waits_for_its_next() {
    let says = |again: bool| {
        move |sink: &mut ReadAheadWriter<Pile>| {
            broken(sink, 0, true);
            (1..25).for_each(|n| frame(sink, Track::Video, n * 40, false));
            if again {
                frame(sink, Track::Video, 1_000, true);
            }
            sink.end(FileEnding::Whole);
        }
    };
    assert_eq!(scene(says(false)).pacer.readiness(), Readiness::Never);
    assert_eq!(scene(says(true)).pacer.readiness(), Readiness::Ready);
}

/// A damaged recording: four megabytes until the next key frame, four times what is read ahead.
#[test]
fn a_file_whose_next_key_frame_is_far_behind_a_broken_one_can_be_played() {
    let mut scene = scene(|sink| {
        broken(sink, 0, true);
        (1..100).for_each(|n| {
            let dts = Ticks::from_ms(n * 40);
            sink.begin(UnitStart { track: Track::Video, dts, pts: dts, key: n == 99 });
            sink.write(Track::Video, &[4; 40_000]);
            sink.commit(Track::Video);
        });
        (100..120).for_each(|n| frame(sink, Track::Video, n * 40, false));
        sink.end(FileEnding::Whole);
    });
    assert_eq!(scene.pacer.readiness(), Readiness::Ready);
    scene.pacer.start(scene.now);
    scene.run(Duration::from_secs(5));
    assert_eq!(
        scene.heard.units().first().map(|(unit, _)| unit.dts),
        Some(Ticks::from_ms(99 * 40))
    );
}

#[test]
fn what_was_left_out_and_what_broke_is_counted() {
    let mut scene = scene(|sink| {
        frame(sink, Track::Video, 0, true);
        sink.leave_out(3);
        broken(sink, 40, false);
        sink.leave_out(1);
        frame(sink, Track::Video, 80, false);
        sink.end(FileEnding::Whole);
    });
    assert_eq!(scene.pacer.left_out(), 4, "before it plays");
    scene.pacer.start(scene.now);
    scene.run(Duration::from_secs(1));
    assert_eq!(scene.pacer.left_out(), 5);
}

/// A disk that gives nothing more: since when is known, and what was used goes back empty.
#[test]
fn a_file_of_which_nothing_more_is_read_stalls_since_its_last_unit() {
    let mut scene = scene(|sink| {
        (0..10).for_each(|n| frame(sink, Track::Video, n * 40, n == 0));
        sink.leave_out(2);
    });
    scene.pacer.start(scene.now);
    assert_eq!(scene.pacer.last_due(), None);
    while let Some(due) = scene.pacer.due(scene.now) {
        scene.now = due;
        scene.play();
    }
    scene.now = Mono::from_ms(500);
    assert!(scene.pacer.is_starved(scene.now));
    let last = Some(Mono::from_ms(360));
    assert_eq!((scene.pacer.last_due(), scene.pacer.stalls_since(scene.now)), (last, last));
    let spent = scene.pacer.take_spent().expect("it has been used up");
    assert!(spent.is_empty());
    assert_eq!((spent.left_out, spent.calls().len()), (0, 0));
}

#[test]
fn what_is_postponed_comes_so_much_later_to_its_end() {
    let mut scene = pictures(&[0, 40, 80, 120]);
    scene.read();
    scene.pacer.start(scene.now);
    scene.run(Duration::from_millis(50));
    scene.pacer.postpone(Duration::from_millis(700));
    assert_eq!(scene.pacer.last_due(), Some(Mono::from_ms(740)));
    scene.run(Duration::from_secs(1));
    assert_eq!(scene.video(), [(0, 0), (40, 40), (780, 80), (820, 120)]);
    assert_eq!(scene.pacer.end(), Some(Mono::from_ms(860)));
}

/// A recording that cannot be read on is not waited for until the end that it states.
#[test]
fn a_file_that_fails_or_jumps_ends_with_its_last_picture() {
    let stated = Some(Ticks::from_ms(9_000));
    for (timing, fails, jump_ms, end_ms) in [
        (Timing::Tables, false, 0, 9_000),
        (Timing::Tables, true, 0, 120),
        (Timing::Clock, false, 0, 9_000),
        (Timing::Clock, false, 3_600_000, 120),
    ] {
        let mut scene = scene(|sink| {
            for (n, jump_ms) in [(0, 0), (1, 0), (2, jump_ms)] {
                frame(sink, Track::Video, n * 40 + jump_ms, true);
            }
            let failed = FileEnding::Failed("the disk is gone".to_owned());
            sink.end(if fails { failed } else { FileEnding::Whole });
        });
        scene.pacer.set_times(FileTimes { timing, duration: stated, picture_end: stated });
        scene.pacer.start(scene.now);
        scene.run(Duration::from_secs(1));
        assert_eq!(scene.pacer.end(), Some(Mono::from_ms(end_ms)), "{timing:?} {fails} {jump_ms}");
    }
}

/// With B-frames each picture is decoded before it is shown; a file states when its last one has
/// been shown, and the next file's first is decoded as much sooner.
#[test]
fn with_b_frames_a_file_ends_sooner_by_its_reordering() {
    for (origin_ms, stated_ms, end_ms) in
        [(0, 1_500, 1_420), (0, 10_200, 10_120), (0, 10_201, 120), (5_000, 6_500, 1_420)]
    {
        let mut scene = scene(|sink| {
            for n in 0..3 {
                let dts = Ticks::from_ms(origin_ms + n * 40);
                let pts = dts + Ticks::from_ms(80);
                sink.begin(UnitStart { track: Track::Video, dts, pts, key: n == 0 });
                sink.write(Track::Video, b"frame");
                sink.commit(Track::Video);
            }
            sink.end(FileEnding::Whole);
        });
        let stated = Some(Ticks::from_ms(stated_ms));
        let times = FileTimes { timing: Timing::Stated, duration: stated, picture_end: stated };
        scene.pacer.set_times(times);
        scene.pacer.start(scene.now);
        scene.run(Duration::from_secs(1));
        assert_eq!(scene.pacer.end(), Some(Mono::from_ms(end_ms)), "{stated_ms} ms stated");
    }
}

#[test]
fn slides_of_a_file_that_does_not_begin_at_zero_keep_their_pauses() {
    // With a click of sound beside each, and more than ten seconds between them.
    for origin in [0, 100_000] {
        let mut scene = scene(|sink| {
            for n in 0..6 {
                frame(sink, Track::Video, origin + n * 15_000, true);
                frame(sink, Track::Audio, origin + n * 15_000 + 20, false);
            }
            sink.end(FileEnding::Whole);
        });
        scene.pacer.start(scene.now);
        scene.run(Duration::from_secs(100));
        let expected: Vec<(u64, i64)> =
            (0..6).map(|n| (n as u64 * 15_000, origin + n * 15_000)).collect();
        assert_eq!(scene.video(), expected);
    }
}

#[test]
fn one_sound_under_a_picture_lasts_as_long_as_a_usual_frame() {
    let mut scene = scene(|sink| {
        frame(sink, Track::Video, 0, true);
        frame(sink, Track::Audio, 5_000, false);
        sink.end(FileEnding::Whole);
    });
    scene.pacer.start(scene.now);
    scene.run(Duration::from_secs(1));
    let ends = Mono::default() + (Ticks::from_ms(5_000) + Ticks(1_920)).to_duration();
    assert_eq!(scene.pacer.end(), Some(ends));
}

/// A read-ahead buffer never grows: not by steps without payload, nor by payload in pieces of a byte.
#[test]
fn read_aheads_hold_so_many_steps_and_pieces_that_follow_one_another_are_one() {
    let empty = recorded(|sink| {
        for n in 0..2 * READ_AHEAD_CALLS_MAX {
            let dts = Ticks::from_ms(n as i64);
            sink.begin(UnitStart { track: Track::Video, dts, pts: dts, key: n == 0 });
            sink.commit(Track::Video);
        }
        assert!(sink.is_wanted());
        sink.flush();
        sink.flush();
    });
    let steps: Vec<usize> = empty.iter().map(|read_ahead| read_ahead.calls().len()).collect();
    assert_eq!(
        steps,
        [READ_AHEAD_CALLS_MAX, READ_AHEAD_CALLS_MAX, READ_AHEAD_CALLS_MAX, READ_AHEAD_CALLS_MAX, 2]
    );
    let pieces = |tracks: &'static [Track]| {
        recorded(move |sink| {
            for track in Track::ALL {
                let dts = Ticks(0);
                sink.begin(UnitStart { track, dts, pts: dts, key: track == Track::Video });
            }
            let turns = tracks.iter().cycle();
            turns.take(4 * READ_AHEAD_CALLS_MAX).for_each(|track| sink.write(*track, b"x"));
        })
    };
    let one = pieces(&[Track::Video]);
    assert_eq!(one.iter().map(|read_ahead| read_ahead.calls().len()).collect::<Vec<_>>(), [5]);
    let by_turns = pieces(&[Track::Video, Track::Audio]);
    assert!(by_turns.iter().all(|read_ahead| read_ahead.calls().len() <= READ_AHEAD_CALLS_MAX));
    let written = by_turns.iter().flat_map(|read_ahead| {
        read_ahead
            .calls()
            .iter()
            .filter(|call| matches!(call, Call::Write(_, from, to) if to - from == 1))
    });
    assert_eq!(written.count(), 4 * READ_AHEAD_CALLS_MAX);
}
