use super::*;

const FRAME: i64 = 3000;

fn at_ms(ms: u64) -> Mono {
    Mono::from_ms(ms)
}

/// Plays `frames` frames of a source that began at `dts`, one each 33 ms from `ms` on; returns
/// the programme time of the last.
fn play(timeline: &mut Timeline, dts: i64, ms: u64, frames: i64, cut: bool) -> Ticks {
    if cut {
        timeline.cut(Ticks(dts), Ticks(dts), at_ms(ms));
    }
    let mut last = Ticks(0);
    for n in 0..frames {
        let now = Mono(ms * 1000 + (n as u64) * 33_333);
        last = timeline.video(Ticks(dts + n * FRAME), Ticks(dts + n * FRAME), now, cut && n == 0);
    }
    last
}

/// Where a source's time 0 stands: the offset is whole milliseconds.
fn whole_ms(time: Ticks) -> Ticks {
    Ticks::from_ms(time.to_ms())
}

#[test]
fn a_cut_without_a_gap_follows_by_one_frame() {
    let mut timeline = Timeline::default();
    let last = play(&mut timeline, 900_000, 0, 30, true);
    assert_eq!(last, ORIGIN + Ticks(29 * FRAME), "the first source begins at the origin");
    let next = play(&mut timeline, 5, 980, 1, true);
    assert!(((next - last).0 - FRAME).abs() < 90, "{:?}", next - last);
}

#[test]
fn a_cut_after_a_gap_takes_the_time_that_passed() {
    let mut timeline = Timeline::default();
    play(&mut timeline, 0, 0, 1, true);
    let next = play(&mut timeline, 777, 2490, 1, true);
    assert!(((next - ORIGIN).to_ms() - 2500).abs() <= 1, "75 frames");
}

#[test]
fn the_offset_is_whole_milliseconds_so_that_roundings_agree() {
    let mut timeline = Timeline::default();
    for dts in [1, 89, 90, 91, -1, 123_457] {
        timeline.cut(Ticks(dts), Ticks(dts), at_ms(5));
        assert_eq!(timeline.offset().0 % TICKS_PER_MS, 0);
        timeline.video(Ticks(dts), Ticks(dts), at_ms(5), true);
    }
}

#[test]
fn many_quick_cuts_do_not_run_away_from_the_wall_clock() {
    let mut timeline = Timeline::default();
    let mut rng = fastrand::Rng::with_seed(3);
    let mut wall_us = 0;
    let mut programme = Ticks(0);
    for _ in 0..500 {
        let dts = rng.i64(0..1 << 33);
        timeline.cut(Ticks(dts), Ticks(dts), Mono(wall_us));
        let frames = rng.i64(1..40);
        for n in 0..frames {
            let before = programme;
            programme = timeline.video(
                Ticks(dts + n * FRAME),
                Ticks(dts + n * FRAME),
                Mono(wall_us),
                n == 0,
            );
            assert!(programme.to_ms() > before.to_ms());
            wall_us += 33_333;
        }
        wall_us -= rng.u64(..33_000);
    }
    let ahead_ms = (programme - ORIGIN).to_ms() - (wall_us / 1000) as i64;
    // As far as it may, and the frame that each cut adds.
    assert!(ahead_ms.abs() < 240, "{ahead_ms} ms ahead after 500 cuts");
}

/// A P frame is decoded before the B frames shown in front of it: cut off behind it, the picture
/// shown last is not the one decoded last, and a decoder that puts out both in order would show
/// what comes next too early.
#[test]
fn what_follows_a_cut_is_shown_behind_all_that_was() {
    let mut timeline = Timeline::default();
    timeline.cut(Ticks(0), Ticks(2 * FRAME), at_ms(0));
    let first = timeline.video(Ticks(0), Ticks(2 * FRAME), at_ms(0), true);
    let last = timeline.video(Ticks(FRAME), Ticks(5 * FRAME), at_ms(33), false);
    let shown = first + Ticks(5 * FRAME);
    // Without B-frames: shown when decoded.
    timeline.cut(Ticks(7), Ticks(7), at_ms(66));
    let next = timeline.video(Ticks(7), Ticks(7), at_ms(66), true);
    assert!((next - shown - Ticks(FRAME)).0.abs() < 90, "{:?} behind", next - shown);
    // Four frames further than the clock; made up for when the source comes so much later.
    let ahead = timeline.take_ahead();
    assert!((ahead - Ticks(4 * FRAME)).0.abs() < 300, "{ahead:?}");
    assert_eq!(timeline.take_ahead(), Ticks(0));
    // With B-frames again: decoded a frame behind the last, for it is shown two later.
    let (dts, now) = (Ticks(900_000), at_ms(66 + 33 + 133));
    timeline.cut(dts, dts + Ticks(2 * FRAME), now);
    let again = timeline.video(dts, dts + Ticks(2 * FRAME), now, true);
    assert!((again - next - Ticks(FRAME)).0.abs() < 180, "{:?} behind", again - next);
    assert!(last < next);
}

/// Five seconds at once: who comes behind waits for no more of it than players have in store.
#[test]
fn what_a_source_ran_ahead_is_given_back_by_and_by() {
    let mut timeline = Timeline::default();
    play(&mut timeline, 0, 0, 30, true);
    timeline.cut(Ticks(0), Ticks(0), at_ms(1000));
    for n in 0..150 {
        timeline.video(Ticks(n * FRAME), Ticks(n * FRAME), at_ms(1000), n == 0);
    }
    timeline.cut(Ticks(0), Ticks(0), at_ms(1500));
    timeline.video(Ticks(0), Ticks(0), at_ms(1500), true);
    assert_eq!(timeline.take_ahead(), Ticks(180_000), "two seconds");
    let mut all = GIVEN_BACK_MAX;
    for _ in 0..5000 / GIVEN_BACK_MAX.to_ms() {
        let given = timeline.take_ahead();
        assert!(given <= GIVEN_BACK_MAX, "{given:?} at once");
        all = all + given;
    }
    // Five seconds, of which half a one has passed.
    assert!((4400..4600).contains(&all.to_ms()), "{} ms", all.to_ms());
    assert_eq!(timeline.take_ahead(), Ticks(0));
}

/// A source that lies about its composition times costs no more than the longest believed.
#[test]
fn a_picture_shown_in_a_minute_does_not_hold_up_what_follows() {
    let mut timeline = Timeline::default();
    timeline.cut(Ticks(0), Ticks(0), at_ms(0));
    let last = timeline.video(Ticks(0), Ticks(60 * TICKS_PER_S), at_ms(0), true);
    timeline.cut(Ticks(0), Ticks(0), at_ms(33));
    let next = timeline.video(Ticks(0), Ticks(0), at_ms(33), true);
    assert_eq!(next, whole_ms(last + Ticks(450_000 + FRAME)), "five seconds, and a frame");
}

#[test]
fn a_first_frame_that_comes_late_each_time_does_not_push_the_programme_ahead() {
    let mut timeline = Timeline::default();
    let mut programme = play(&mut timeline, 0, 0, 30, true);
    let mut wall_ms = 1000;
    for dts in (0..100).map(|n| n * 1_000_000) {
        // Until the end of its frames is foreseen, they come a frame later than afterwards.
        timeline.cut(Ticks(dts), Ticks(dts), at_ms(wall_ms + 33));
        for n in 0..90 {
            let late_us = if n < 8 { 33_333 } else { 0 };
            let now = Mono(wall_ms * 1000 + (n as u64) * 33_333 + late_us);
            programme = timeline.video(Ticks(dts + n * FRAME), Ticks(dts + n * FRAME), now, n == 0);
        }
        wall_ms += 3500;
        programme = programme.max(play(&mut timeline, 5, wall_ms, 30, true));
        wall_ms += 1000;
    }
    let ahead_ms = (programme - ORIGIN).to_ms() - wall_ms as i64;
    assert!(ahead_ms.abs() < 120, "{ahead_ms} ms ahead after 200 cuts");
}

#[test]
fn the_programme_follows_a_clock_that_drifts_and_keeps_that_through_cuts() {
    for ppm in [-200, 200] {
        let mut timeline = Timeline::default();
        let mut programme = Ticks(0);
        let mut wall_us = 0;
        for round in 0..10 {
            timeline.cut(Ticks(7), Ticks(7), Mono(wall_us));
            let began_us = wall_us;
            for n in 0..30 * 600 {
                programme = timeline.video(
                    Ticks(7 + n * FRAME),
                    Ticks(7 + n * FRAME),
                    Mono(wall_us),
                    n == 0,
                );
                wall_us = began_us + ((n + 1) * (1_000_000 + ppm) / 30) as u64;
            }
            let ahead_ms = (programme - ORIGIN).to_ms() - (wall_us / 1000) as i64;
            let drift_ms = -(round + 1) * 600_000 * ppm / 1_000_000;
            assert!((ahead_ms - drift_ms).abs() < 120, "{ahead_ms} ms ahead, {drift_ms} due");
        }
    }
}

#[test]
fn sources_of_one_frame_rate_stay_on_one_grid() {
    let mut timeline = Timeline::default();
    let mut rng = fastrand::Rng::with_seed(9);
    let mut wall_ms = 0;
    for _ in 0..200 {
        let programme = play(&mut timeline, rng.i64(0..1 << 33), wall_ms, 30, true);
        let beside_grid = (programme - ORIGIN).0.rem_euclid(FRAME);
        let distance = beside_grid.min(FRAME - beside_grid);
        assert!(distance <= TICKS_PER_MS, "{distance} ticks beside the grid");
        wall_ms += 1000 + rng.u64(500..5000);
    }
}

#[test]
fn audio_keeps_the_videos_offset_and_never_overlaps() {
    let mut timeline = Timeline::default();
    assert_eq!(timeline.audio(Ticks(0), at_ms(0)), Placed::OutOfTime, "no video yet");
    play(&mut timeline, 90_000, 0, 1, true);
    assert_eq!(timeline.audio(Ticks(90_000 + 500), at_ms(1)), Placed::At(ORIGIN + Ticks(500)));
    assert_eq!(timeline.audio(Ticks(90_000 + 500), at_ms(1)), Placed::Overlap);
    assert_eq!(
        timeline.audio(Ticks(90_000 + 500 + 1920), at_ms(2)),
        Placed::At(ORIGIN + Ticks(2420))
    );
    let cut = play(&mut timeline, 0, 20, 1, true);
    let offset = timeline.offset();
    let mut placed = 0;
    for n in -4..5 {
        match timeline.audio(Ticks(n * 1920), at_ms(20)) {
            Placed::At(dts) => {
                assert_eq!(dts, Ticks(n * 1920) + offset);
                assert!(dts >= ORIGIN + Ticks(2420 + 1918), "{dts:?}");
                placed += 1;
            }
            Placed::Overlap => assert_eq!(placed, 0),
            Placed::OutOfTime => panic!("within three seconds"),
        }
    }
    assert!(placed >= 4);
    assert!(cut > ORIGIN);
}

#[test]
fn audio_of_another_time_is_not_let_in() {
    let mut timeline = Timeline::default();
    play(&mut timeline, 900_000, 0, 1, true);
    assert_eq!(timeline.audio(Ticks(900_000 + 271_000), at_ms(1)), Placed::OutOfTime);
    assert_eq!(timeline.audio(Ticks(900_000 - 271_000), at_ms(1)), Placed::OutOfTime);
}

#[test]
fn a_source_that_jumps_is_mended_like_a_cut() {
    for jump in [-20_000_000, -FRAME * 2, 10 * 90_000] {
        let mut timeline = Timeline::default();
        let last = play(&mut timeline, 30_000_000, 0, 30, true);
        let next = play(&mut timeline, 30_000_000 + 30 * FRAME + jump, 1000, 1, false);
        assert_eq!(timeline.jumps(), 1, "jump of {jump}");
        assert!((next - last).to_ms() <= 35, "jump of {jump}: {:?}", next - last);
    }
}

#[test]
fn repeated_and_slightly_backward_times_still_grow() {
    let mut timeline = Timeline::default();
    let mut last = play(&mut timeline, 0, 0, 10, true);
    for dts in [9 * FRAME, 9 * FRAME - 10, 9 * FRAME + 1, 10 * FRAME] {
        let next = timeline.video(Ticks(dts), Ticks(dts), at_ms(333), false);
        assert!(next >= last + STEP_MIN);
        last = next;
    }
    assert_eq!(timeline.jumps(), 0);
}

#[test]
fn lost_frames_leave_their_gap() {
    let mut timeline = Timeline::default();
    let last = play(&mut timeline, 0, 0, 10, true);
    let next = timeline.video(Ticks(25 * FRAME), Ticks(25 * FRAME), at_ms(833), false);
    assert_eq!(next - last, Ticks(16 * FRAME));
}

#[test]
fn audio_is_let_in_up_to_three_seconds_beside_its_picture_and_as_long_as_that_stands() {
    for (apart, stood_ms, fits) in [
        (270_000, 0, true),
        (SKEW_MAX.0 + 1, 0, false),
        (-SKEW_MAX.0, 0, true),
        (-SKEW_MAX.0 - 1, 0, false),
        (SKEW_MAX.0 + 90_000, 1_000, true),
        (SKEW_MAX.0 + 90_001, 1_000, false),
        (-SKEW_MAX.0 - 1, 1_000, false),
    ] {
        let mut timeline = Timeline::default();
        let video = play(&mut timeline, 900_000, 0, 1, true);
        let placed = timeline.audio(Ticks(900_000 + apart), at_ms(stood_ms));
        // Nothing is placed before the programme's beginning.
        let at = (video + Ticks(apart)).max(Ticks(0));
        let expected = if fits { Placed::At(at) } else { Placed::OutOfTime };
        assert_eq!(placed, expected, "{apart} after {stood_ms} ms");
    }
}

#[test]
fn audio_joins_behind_silence_when_that_has_ended_and_goes_on_a_millisecond_later() {
    let mut timeline = Timeline::default();
    let video = play(&mut timeline, 0, 0, 1, true);
    let (silence, frame) = (video + Ticks(4_000), Ticks(1_920));
    timeline.filled(silence, frame, at_ms(0));
    let mut audio = |programme: Ticks| timeline.audio(programme - video, at_ms(0));
    let end = silence + frame;
    assert_eq!(audio(end - Ticks(3)), Placed::Overlap);
    assert_eq!(audio(end - Ticks(2)), Placed::At(end - Ticks(2)), "give or take a rounding");
    // It has joined: its own times are believed, as far as they grow.
    assert_eq!(audio(end + Ticks(87)), Placed::Overlap);
    let next = end - Ticks(2) + frame;
    assert_eq!(audio(next), Placed::At(next));
    // At the next cut what counts is how long its frames are.
    timeline.cut(Ticks(3_000), Ticks(3_000), at_ms(33));
    let video = timeline.video(Ticks(3_000), Ticks(3_000), at_ms(33), true);
    let mut audio = |programme: Ticks| timeline.audio(programme - video + Ticks(3_000), at_ms(33));
    let joins = next + frame;
    assert_eq!(audio(joins - Ticks(3)), Placed::Overlap);
    assert_eq!(audio(joins - Ticks(2)), Placed::At(joins - Ticks(2)));
}

/// Up to 200 ms ahead of the clock the next source follows by a frame, from there on by a quarter
/// of one, and never by less than RTMP's two milliseconds.
#[test]
fn how_closely_a_cut_follows_where_the_programme_is_ahead() {
    for (frame, frames, follows) in
        [(3000, 7, 3000), (3000, 8, 750), (360, 51, 360), (360, 52, 180)]
    {
        let mut timeline = Timeline::default();
        timeline.cut(Ticks(0), Ticks(0), at_ms(0));
        let mut last = Ticks(0);
        for n in 0..frames {
            last = timeline.video(Ticks(n * frame), Ticks(n * frame), at_ms(0), n == 0);
        }
        timeline.cut(Ticks(0), Ticks(0), at_ms(0));
        let next = timeline.video(Ticks(0), Ticks(0), at_ms(0), true);
        assert_eq!(next, whole_ms(last + Ticks(follows)), "{frames} frames of {frame} ticks");
    }
}

/// The latest that pictures come is forgotten by a thousandth of the time that passes.
#[test]
fn a_picture_that_came_late_once_is_not_waited_for_for_ever() {
    let mut timeline = Timeline::default();
    play(&mut timeline, 0, 0, 30, true);
    let behind = |timeline: &Timeline, ms: u64| {
        let now = at_ms(ms);
        (timeline.due(now).expect("a picture") - timeline.passed(now).expect("a picture")).0
    };
    assert!((0..10).contains(&behind(&timeline, 1000)), "{}", behind(&timeline, 1000));
    timeline.video(Ticks(30 * FRAME), Ticks(30 * FRAME), at_ms(1100), false);
    assert!((8990..9010).contains(&behind(&timeline, 1100)), "{}", behind(&timeline, 1100));
    for n in 31..30 * 61 {
        let now = Mono(n as u64 * 1_000_000 / 30);
        timeline.video(Ticks(n * FRAME), Ticks(n * FRAME), now, false);
    }
    // From 1.1 s to the last picture, at 60.967 s; a third of a millisecond is rounding.
    let left = 9000 - 5388;
    let now = behind(&timeline, 61_000);
    assert!((left - 30..left + 30).contains(&now), "{now} ticks");
}

#[test]
fn a_second_more_than_has_passed_is_a_late_packet_and_a_tick_further_a_jump() {
    let mut timeline = Timeline::default();
    play(&mut timeline, 0, 0, 1, true);
    assert!(!timeline.jumps_to(Ticks(90_000 + 900), at_ms(10)));
    assert!(timeline.jumps_to(Ticks(90_000 + 901), at_ms(10)));
}

#[test]
fn with_b_frames_on_both_sides_of_a_cut_what_follows_is_decoded_sooner_by_its_own_reordering() {
    let mut timeline = Timeline::default();
    timeline.cut(Ticks(0), Ticks(2 * FRAME), at_ms(0));
    timeline.video(Ticks(0), Ticks(2 * FRAME), at_ms(0), true);
    let last = timeline.video(Ticks(FRAME), Ticks(5 * FRAME), at_ms(33), false);
    let shown = last + Ticks(4 * FRAME);
    let (dts, pts) = (Ticks(900_000), Ticks(900_000 + 2 * FRAME));
    timeline.cut(dts, pts, at_ms(66));
    let next = timeline.video(dts, pts, at_ms(66), true);
    let behind = next + Ticks(2 * FRAME) - shown;
    assert!((behind - Ticks(FRAME)).0.abs() < 90, "{behind:?}");
}

/// A timer is never early: a file that follows another a little late is not to leave a frame out.
#[test]
fn a_cut_a_quarter_of_a_frame_late_follows_by_one_frame_and_a_later_one_by_two() {
    for (late_us, frames) in [(0, 1), (8_000, 1), (9_000, 2), (41_000, 2)] {
        let mut timeline = Timeline::default();
        let last = play(&mut timeline, 0, 0, 30, true);
        let now = Mono(1_000_000 + late_us);
        timeline.cut(Ticks(0), Ticks(0), now);
        let next = timeline.video(Ticks(0), Ticks(0), now, true);
        assert_eq!(next, whole_ms(last + Ticks(frames * FRAME)), "{late_us} µs late");
    }
}

#[test]
fn a_programme_is_far_ahead_once_it_is_more_than_a_second_before_the_clock() {
    let mut timeline = Timeline::default();
    assert!(!timeline.is_far_ahead(at_ms(0)));
    for n in 0..=60 {
        timeline.video(Ticks(n * FRAME), Ticks(n * FRAME), at_ms(0), n == 0);
    }
    assert!(timeline.is_far_ahead(at_ms(999)));
    assert!(!timeline.is_far_ahead(at_ms(1000)), "two seconds came at once, and one has passed");
    assert!(!timeline.is_far_ahead(at_ms(1001)));
}
