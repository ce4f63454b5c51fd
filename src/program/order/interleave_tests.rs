use super::*;

pub(in crate::program) fn whole(interleave: &mut Interleave, track: Track, ms: i64) {
    let dts = Ticks::from_ms(ms);
    interleave.begins(UnitStart { track, dts, pts: dts, key: false });
    interleave.whole(track);
}

/// Pictures every 40 ms, and sound every 20 ms that comes `lag_ms` late.
pub(in crate::program) fn interleaved(from_ms: i64, to_ms: i64, lag_ms: i64) -> Interleave {
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
    for (lag_ms, measured_ms) in [(0, 0), (200, 250), (400, 500), (650, 812), (2000, 1250)] {
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
    for ms in (4000..40_000).step_by(37) {
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

/// Until both tracks have come for as long as any may lag, what they do is not known.
#[test]
fn how_tracks_are_interleaved_is_known_after_a_while() {
    for from in [0, 10_000] {
        assert!(!interleaved(from, from + 600, 0).is_known());
        for more in (800..900).step_by(20) {
            assert!(interleaved(from, from + more, 0).is_known(), "and stays known");
        }
    }
    let mut pictures = Interleave::default();
    (0..4000).step_by(40).for_each(|ms| whole(&mut pictures, Track::Video, ms));
    assert!(!pictures.is_known());
}

/// Units that repeat a time, as some encoders' do, are no jump.
#[test]
fn behind_a_jump_how_tracks_are_interleaved_is_learnt_again() {
    for (jump_ms, known) in [(0, true), (3_000, true), (3_001, false), (3_600_000, false)] {
        let mut interleave = interleaved(0, 440, 0);
        whole(&mut interleave, Track::Video, 400 + jump_ms);
        assert!(!interleave.is_known() || jump_ms == 3_000);
        whole(&mut interleave, Track::Audio, 420 + jump_ms);
        for ms in [440, 440, 700] {
            whole(&mut interleave, Track::Video, ms + jump_ms);
            whole(&mut interleave, Track::Audio, ms + jump_ms);
        }
        assert_eq!(interleave.is_known(), known, "{jump_ms} ms");
    }
}
