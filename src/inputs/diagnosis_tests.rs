use super::*;
use crate::base::time::Ticks;
use crate::codec::access_unit::UnitStart;

const STANDBY: Air = Air { on_air: Source::Standby, since: Mono::from_ms(0), choice: None };

fn s(seconds: u64) -> Mono {
    Mono::from_ms(seconds * 1000)
}

fn unit(watch: &mut Watch, now: Mono, track: Track, ms: i64, key: bool) {
    let time = Ticks::from_ms(ms);
    watch.began(UnitStart { track, dts: time, pts: time, key });
    watch.came(track, now);
}

/// A watch that has seen key units and sound of each second, `apart_ms` apart, until `until`.
fn flowing(until: u64, apart_ms: i64) -> Watch {
    let mut watch = Watch::default();
    for second in 1..=until {
        let ms = second as i64 * 1000;
        unit(&mut watch, s(second), Track::Video, ms, true);
        unit(&mut watch, s(second), Track::Audio, ms + apart_ms, false);
    }
    watch
}

fn stream(codec: &'static str, carried: bool) -> StreamInfo {
    StreamInfo { pid: 256, codec, carried, reason: "" }
}

fn facts<'a>(streams: &'a [StreamInfo], watch: &'a Watch) -> TsFacts<'a> {
    let has_video = streams.iter().any(|stream| stream.codec == "H.264" && stream.carried);
    TsFacts {
        programme: ProgrammeState::Taken(1),
        present: text("1"),
        streams,
        video: has_video.then(H264Counters::default),
        audio: None,
        is_scrambled: false,
        runs_away: false,
        over_rate: false,
        watch,
    }
}

fn code(why: Option<Why>) -> &'static str {
    why.as_ref().map_or("none", Why::code)
}

#[test]
fn a_transport_streams_tables_come_first() {
    let watch = Watch::default();
    let of = |programme| code(ts(&TsFacts { programme, ..facts(&[], &watch) }, STANDBY, s(1)));
    assert_eq!(of(ProgrammeState::NoTable), "no_pat");
    assert_eq!(of(ProgrammeState::Waiting), "no_pmt");
    assert_eq!(of(ProgrammeState::Absent(5)), "wrong_programme");
    assert_eq!(of(ProgrammeState::Taken(1)), "no_streams");
    let over = TsFacts { over_rate: true, ..facts(&[], &watch) };
    assert_eq!(code(ts(&over, STANDBY, s(1))), "over_rate");
    let air = Air { on_air: Source::Udp, ..STANDBY };
    assert_eq!(ts(&over, air, s(1)), None, "what is on air needs no reason");
}

#[test]
fn streams_that_are_no_picture_we_carry_are_named() {
    let watch = Watch::default();
    let of = |streams: &[StreamInfo]| ts(&facts(streams, &watch), STANDBY, s(1));
    assert_eq!(
        of(&[stream("HEVC", false), stream("AAC", true)]),
        Some(Why::VideoCodec(text("HEVC")))
    );
    assert_eq!(of(&[stream("AV1", false)]), Some(Why::VideoCodec(text("AV1"))));
    assert_eq!(of(&[stream("AAC", true)]), Some(Why::AudioOnly(text("AAC"))));
    assert_eq!(of(&[stream("AC-3", false)]), Some(Why::AudioOnly(text("AC-3"))));
    assert_eq!(code(of(&[stream("H.264 (encrypted)", false)])), "scrambled");
    assert_eq!(code(of(&[stream("teletext", false)])), "no_streams");
}

#[test]
fn what_its_units_came_to_tells_why_none_is_whole() {
    let (watch, streams) = (Watch::default(), [stream("H.264", true)]);
    let of = |video: H264Counters| {
        code(ts(&TsFacts { video: Some(video), ..facts(&streams, &watch) }, STANDBY, s(60)))
    };
    let none = H264Counters::default();
    assert_eq!(of(none), "no_video");
    let missed = H264Counters { without_config: 9, ..none };
    assert_eq!(of(missed), "waiting_for_key_frame");
    let missed = H264Counters { keys_without_config: 1, ..missed };
    assert_eq!(of(missed), "no_parameter_sets");
    assert_eq!(of(H264Counters { bad_parameter_sets: 1, ..missed }), "bad_parameter_sets");
    assert_eq!(of(H264Counters { broken: 5, ..none }), "broken_video");
    assert_eq!(of(H264Counters { units: 5, ..none }), "no_video", "none comes any more");
    let scrambled = TsFacts { is_scrambled: true, ..facts(&streams, &watch) };
    assert_eq!(code(ts(&scrambled, STANDBY, s(60))), "scrambled");
}

#[test]
fn a_picture_that_comes_waits_for_its_key_frame_or_for_its_turn() {
    let streams = [stream("H.264", true)];
    let mut watch = Watch::default();
    unit(&mut watch, s(1), Track::Video, 0, false);
    let of = |watch: &Watch, air| code(ts(&facts(&streams, watch), air, s(2)));
    assert_eq!(of(&watch, STANDBY), "waiting_for_key_frame");
    unit(&mut watch, s(1), Track::Video, 40, true);
    assert_eq!(of(&watch, STANDBY), "waiting_for_key_frame", "the next one puts it on air");
    let chosen = Air { on_air: Source::File, choice: Some(Source::File), ..STANDBY };
    assert_eq!(ts(&facts(&streams, &watch), chosen, s(2)), Some(Why::NotChosen(Source::File)));
    let other = Air { on_air: Source::Rtmp, ..STANDBY };
    assert_eq!(of(&watch, other), "not_chosen");
    let away = TsFacts { runs_away: true, ..facts(&streams, &watch) };
    assert_eq!(code(ts(&away, chosen, s(2))), "too_fast");
}

#[test]
fn sound_that_is_left_out_has_its_reason_too() {
    let watch = flowing(20, 0);
    let of = |streams: &[StreamInfo], watch: &Watch| ts_sound(&facts(streams, watch), s(20));
    let both = [stream("H.264", true), stream("AAC", true)];
    assert_eq!(of(&both, &watch), None);
    let other = [stream("H.264", true), stream("AC-3", false)];
    assert_eq!(of(&other, &watch), Some(Why::SoundCodec(text("AC-3"))));
    assert_eq!(code(of(&both[..1], &watch)), "no_sound");
    assert_eq!(of(&both, &flowing(20, 10_000)), Some(Why::SoundTimes(10_000)));
    assert_eq!(of(&both, &flowing(20, -2_900)), None, "sloppy, and carried");
    let mut silent = Watch::default();
    (1..=20).for_each(|second| unit(&mut silent, s(second), Track::Video, 0, true));
    assert_eq!(code(of(&both, &silent)), "sound_missing");
    assert_eq!(ts_sound(&facts(&both, &silent), s(5)), None, "it may still come");
    let frames = AdtsCounters { unsupported: 9, ..AdtsCounters::default() };
    let odd = TsFacts { audio: Some(frames), ..facts(&both, &silent) };
    assert_eq!(code(ts_sound(&odd, s(20))), "sound_unusable");
}

fn messages<'a>([video, audio]: [u64; 2], watch: &'a Watch) -> RtmpFacts<'a> {
    RtmpFacts {
        source: Source::Rtmp,
        messages: PerTrack { video, audio },
        complaints: PerTrack::default(),
        configured: PerTrack::both(true),
        runs_away: false,
        watch,
    }
}

#[test]
fn a_publishers_messages_tell_why_it_is_not_on_air() {
    let watch = flowing(20, 0);
    let of = |facts: &RtmpFacts<'_>| rtmp(facts, STANDBY, s(20));
    assert_eq!(code(of(&messages([0, 0], &watch))), "no_media");
    assert_eq!(of(&messages([0, 9], &watch)), Some(Why::AudioOnly(text("AAC"))));
    let hevc = Some(Complaint::Enhanced(Track::Video, *b"hvc1"));
    let facts =
        RtmpFacts { complaints: PerTrack { video: hevc, audio: None }, ..messages([9, 9], &watch) };
    assert_eq!(of(&facts), Some(Why::VideoCodec(text("HEVC"))));
    assert_eq!(codec_name("video of an unknown codec"), "video of an unknown codec");
    assert!(codec_name("H.264 video sent as Enhanced RTMP").contains("Enhanced"));
    let bare = RtmpFacts { configured: PerTrack::default(), ..messages([9, 9], &watch) };
    assert_eq!(code(of(&bare)), "no_parameter_sets");
    let away = RtmpFacts { runs_away: true, ..messages([9, 9], &watch) };
    assert_eq!(code(of(&away)), "too_fast");
    assert_eq!(code(rtmp(&messages([9, 9], &watch), STANDBY, s(60))), "no_video");
    let air = Air { on_air: Source::Udp, ..STANDBY };
    assert_eq!(code(rtmp(&messages([9, 9], &watch), air, s(20))), "not_chosen");
    let air = Air { on_air: Source::Rtmp, ..STANDBY };
    assert_eq!(rtmp(&messages([0, 0], &watch), air, s(20)), None);
}

#[test]
fn a_publishers_sound_is_left_out_for_a_reason() {
    let watch = flowing(20, 0);
    let of = |facts: &RtmpFacts<'_>| rtmp_sound(facts, s(20));
    assert_eq!(of(&messages([9, 9], &watch)), None);
    assert_eq!(code(of(&messages([9, 0], &watch))), "no_sound");
    let mp3 = Some(Complaint::AudioFormat(2));
    let facts =
        RtmpFacts { complaints: PerTrack { video: None, audio: mp3 }, ..messages([9, 9], &watch) };
    assert_eq!(of(&facts), Some(Why::SoundCodec(text("MP3"))));
    let bare = RtmpFacts {
        configured: PerTrack { video: true, audio: false },
        ..messages([9, 9], &watch)
    };
    assert_eq!(code(of(&bare)), "sound_unusable");
    let apart = flowing(20, -10_000);
    assert_eq!(of(&messages([9, 9], &apart)), Some(Why::SoundTimes(-10_000)));
}
