use super::*;

const SILENCE: Duration = Duration::from_millis(500);

fn begins(state: &mut SourceState, track: Track, ticks: i64, ms: u64) {
    let dts = Ticks(ticks);
    state.begins(UnitStart { track, dts, pts: dts, key: false }, Mono::from_ms(ms));
}

#[test]
fn a_paced_source_is_waited_for_three_of_its_own_frames() {
    let mut state = SourceState::new(Source::File);
    let mut patience = |track, ticks| {
        begins(&mut state, track, ticks, 0);
        state.patience(SILENCE).as_millis()
    };
    let (second, longest) = (90_000, FRAME_MAX.0);
    assert_eq!(patience(Track::Video, 7 * second), 500, "of one frame nothing is known");
    assert_eq!(patience(Track::Video, 8 * second), 3_000);
    assert_eq!(patience(Track::Audio, 90 * second), 3_000, "sound says nothing of it");
    assert_eq!(patience(Track::Video, 8 * second + longest), 6_000);
    assert_eq!(patience(Track::Video, 8 * second + 2 * longest + 1), 6_000, "a pause");
    assert_eq!(patience(Track::Video, 8 * second), 6_000, "a step back");
    assert_eq!(patience(Track::Video, 8 * second), 6_000, "none");
    assert_eq!(patience(Track::Video, 8 * second + 900), 500, "a hundred a second");
}

#[test]
fn a_live_source_is_mute_once_a_second_has_brought_no_sound() {
    let mut live = SourceState::new(Source::Udp);
    assert!(!live.is_mute(Mono::from_ms(9_000)), "nothing of it has come");
    begins(&mut live, Track::Video, 0, 1_000);
    assert!(!live.is_mute(Mono::from_ms(1_999)));
    assert!(live.is_mute(Mono::from_ms(2_000)));
    begins(&mut live, Track::Audio, 0, 2_100);
    assert!(!live.is_mute(Mono::from_ms(9_000)));
    begins(&mut live, Track::Video, 3_000, 2_200);
    assert!(!live.is_mute(Mono::from_ms(9_000)), "a picture takes no sound away");
    let mut paced = SourceState::new(Source::File);
    begins(&mut paced, Track::Video, 0, 1_000);
    assert!(!paced.is_mute(Mono::from_ms(9_000)), "its configurations say it");
}

#[test]
fn sound_is_life_and_only_a_picture_is_seen() {
    let mut state = SourceState::new(Source::Udp);
    let at = Mono::from_ms;
    assert!(!state.is_alive(SILENCE, at(0)));
    assert!(!state.is_seen(SILENCE, at(0)));
    state.flows(Track::Video, at(100));
    state.flows(Track::Audio, at(300));
    assert!(state.is_seen(SILENCE, at(599)));
    assert!(!state.is_seen(SILENCE, at(600)));
    assert!(state.is_alive(SILENCE, at(799)));
    assert!(!state.is_alive(SILENCE, at(800)));
}
