//! What platforms will object to. Purpose: the operator is told before a file goes on air, not by
//! a broadcast that breaks. Non-goals: forbidding it; what a platform changed since. Bound: one
//! objection of each kind.

use serde::Serialize;

use super::survey::{FileDetails, SoundFault, VideoDetails};
use crate::base::limits::FILE_SOUND_AHEAD_BYTES_MAX;
use crate::codec::access_unit::{AacConfig, AvcConfig};
use crate::codec::profile::h264_profile;
use crate::operator::platforms::{
    AUDIO_BPS_TWITCH, KEYFRAME_MS_FORGIVEN, KEYFRAME_MS_TWITCH, KEYFRAME_MS_YOUTUBE,
    VIDEO_BPS_TWITCH,
};

/// One thing a platform will object to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Objection {
    /// Which, for a program; never changes its meaning.
    pub code: &'static str,
    /// One sentence for a person.
    pub words: String,
}

/// What is on air, as far as a file can differ from it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnAir<'a> {
    /// The picture.
    pub video: Option<&'a AvcConfig>,
    /// The sound.
    pub audio: Option<&'a AacConfig>,
}

/// What platforms will object to if this file is played after what is on air.
pub fn objections(details: &FileDetails, on_air: OnAir<'_>) -> Vec<Objection> {
    let found = [
        b_frames(details),
        keyframes(details),
        no_audio(details),
        pauses(details),
        sound_begins(details),
        sound_fault(details),
        breaks_off(details),
        video_rate(details),
        audio_rate(details),
        on_air.video.and_then(|video| resolution(details, video)),
        on_air.video.and_then(|video| codec(details, video)),
        on_air.audio.and_then(|audio| sound(details, audio)),
    ];
    found.into_iter().flatten().collect()
}

fn objection(code: &'static str, words: String) -> Option<Objection> {
    Some(Objection { code, words })
}

fn b_frames(details: &FileDetails) -> Option<Objection> {
    let words = "It has B-frames, which Amazon IVS rejects in its real-time mode.";
    details.b_frames.then(|| objection("B_FRAMES", words.to_owned())).flatten()
}

fn keyframes(details: &FileDetails) -> Option<Objection> {
    let ms = details.keyframe_interval_ms?;
    let apart = format!("Its key frames are up to {} apart", seconds(ms));
    if ms > KEYFRAME_MS_YOUTUBE + KEYFRAME_MS_FORGIVEN {
        let words = format!("{apart}: YouTube warns above 4 s, Twitch wants 2 s.");
        return objection("KEYFRAMES_FAR_APART", words);
    }
    if ms > KEYFRAME_MS_TWITCH + KEYFRAME_MS_FORGIVEN {
        return objection("KEYFRAMES_OVER_2S", format!("{apart}: Twitch wants 2 s."));
    }
    None
}

fn no_audio(details: &FileDetails) -> Option<Objection> {
    if details.audio.is_some() {
        return None;
    }
    let words = match details.left_out {
        Some(left_out) => format!(
            "It has no supported sound ({left_out} is left out), and Facebook requires sound; \
             silence is filled in unless that is switched off."
        ),
        None => "It has no sound, which Facebook requires; silence is filled in unless that is \
                 switched off."
            .to_owned(),
    };
    objection("NO_AUDIO", words)
}

/// A picture that stands longer is a slide or a screen nobody touched, not a slow camera.
const PAUSE_MS: u32 = 1_000;
/// Sound that begins later is not late by the way it was written: a transport stream keeps its
/// tracks within a second (ISO/IEC 13818-1, 2.4.2.6), sloppy muxers a little more.
const SOUND_DELAY_MS: u32 = 3_000;

fn pauses(details: &FileDetails) -> Option<Objection> {
    let ms = details.pause_ms;
    let words = || {
        format!(
            "Its picture stands still for up to {} without a new frame: it is played so, but \
             platforms ask for a constant frame rate.",
            seconds(ms)
        )
    };
    (ms >= PAUSE_MS).then(|| objection("LONG_PAUSES", words())).flatten()
}

fn sound_begins(details: &FileDetails) -> Option<Objection> {
    let ms = details.sound_delay_ms;
    if details.audio.is_none() || details.sound_fault.is_some() || ms < SOUND_DELAY_MS {
        return None;
    }
    let words = format!(
        "By its time stamps its sound begins {} after its picture or later; silence is filled in \
         until then unless that is switched off.",
        seconds(ms)
    );
    objection("SOUND_BEGINS_LATE", words)
}

fn sound_fault(details: &FileDetails) -> Option<Objection> {
    match details.sound_fault? {
        SoundFault::TooFarBehind => objection(
            "SOUND_TOO_FAR_BEHIND",
            format!(
                "Its sound stands more than {} MiB behind its picture in the file, further than \
                 is read ahead, and is left out; writing the file again, in the order of time, \
                 helps.",
                FILE_SOUND_AHEAD_BYTES_MAX >> 20
            ),
        ),
        SoundFault::BreaksOff => objection(
            "SOUND_BREAKS_OFF",
            "Its sound is damaged and ends early; the picture goes on.".to_owned(),
        ),
    }
}

fn breaks_off(details: &FileDetails) -> Option<Objection> {
    let why = details.breaks_off.as_ref()?;
    objection("BREAKS_OFF", format!("It can be played up to a point only: {why}."))
}

fn video_rate(details: &FileDetails) -> Option<Objection> {
    let bps = details.video.bps;
    let words = || format!("Its video has {} kbit/s: Twitch takes 6000 at most.", bps / 1000);
    (bps > VIDEO_BPS_TWITCH).then(|| objection("VIDEO_BIT_RATE", words())).flatten()
}

fn audio_rate(details: &FileDetails) -> Option<Objection> {
    let bps = details.audio?.bps;
    let words = || format!("Its audio has {} kbit/s: Twitch takes 320 at most.", bps / 1000);
    let is_high = bps > AUDIO_BPS_TWITCH + AUDIO_BPS_TWITCH / 10;
    is_high.then(|| objection("AUDIO_BIT_RATE", words())).flatten()
}

fn resolution(details: &FileDetails, on_air: &AvcConfig) -> Option<Objection> {
    let VideoDetails { width, height, .. } = details.video;
    if (width, height) == (on_air.width, on_air.height) {
        return None;
    }
    let words = format!(
        "It has {width}x{height}, on air is {}x{}: Facebook forbids a change during a broadcast, \
         Amazon IVS and Kick end it.",
        on_air.width, on_air.height
    );
    objection("RESOLUTION_DIFFERS", words)
}

fn codec(details: &FileDetails, on_air: &AvcConfig) -> Option<Objection> {
    let video = &details.video;
    let own = described(video.profile_idc, video.constraints, video.level_idc);
    let air = described(on_air.profile_idc, on_air.constraints, on_air.level_idc);
    let words =
        || format!("Its video is H.264 {own}, on air is {air}: Facebook forbids such a change.");
    (own != air).then(|| objection("VIDEO_CONFIG_DIFFERS", words())).flatten()
}

/// Profile and level, as far as they mean something to a decoder.
fn described(profile_idc: u8, constraints: u8, level_idc: u8) -> String {
    let profile = match h264_profile(profile_idc, constraints) {
        "" => format!("profile {profile_idc}"),
        name => name.to_owned(),
    };
    format!("{profile} {}.{}", level_idc / 10, level_idc % 10)
}

fn sound(details: &FileDetails, on_air: &AacConfig) -> Option<Objection> {
    let audio = details.audio?;
    let mut differences = Vec::new();
    if audio.sample_rate_hz != on_air.sample_rate_hz {
        let (own, air) = (audio.sample_rate_hz, on_air.sample_rate_hz);
        differences.push(format!("{own} Hz instead of {air} Hz"));
    }
    if audio.channels != on_air.channels {
        differences.push(format!("{} instead of {} channels", audio.channels, on_air.channels));
    }
    if differences.is_empty() {
        return None;
    }
    let words = format!(
        "Its audio has {} as on air: Facebook forbids such a change.",
        differences.join(" and ")
    );
    objection("AUDIO_CONFIG_DIFFERS", words)
}

/// Milliseconds for a person: `5 s`, `2.4 s`.
fn seconds(ms: u32) -> String {
    let tenths = ms / 100;
    match tenths % 10 {
        0 => format!("{} s", tenths / 10),
        rest => format!("{}.{rest} s", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::super::survey::AudioDetails;
    use super::*;
    use crate::codec::access_unit::ConfigRecord;

    fn details() -> FileDetails {
        FileDetails {
            duration_ms: Some(60_000),
            video: VideoDetails {
                width: 1280,
                height: 720,
                frame_rate: 30.0,
                profile_idc: 77,
                constraints: 0x40,
                level_idc: 31,
                bps: 3_000_000,
            },
            audio: Some(AudioDetails {
                codec: "AAC-LC",
                sample_rate_hz: 48_000,
                channels: 2,
                bps: 192_000,
            }),
            bps: 3_192_000,
            keyframe_interval_ms: Some(2_000),
            b_frames: false,
            left_out: None,
            pause_ms: 33,
            sound_delay_ms: 0,
            sound_fault: None,
            breaks_off: None,
        }
    }

    fn avc() -> AvcConfig {
        AvcConfig {
            record: ConfigRecord::new(),
            width: 1280,
            height: 720,
            frame_rate: 25.0,
            profile_idc: 77,
            constraints: 0,
            level_idc: 31,
        }
    }

    fn aac() -> AacConfig {
        let record = ConfigRecord::from_slice(&[0x11, 0x90, 0x56]).unwrap();
        AacConfig { record, object_type: 2, sample_rate_hz: 48_000, channels: 2 }
    }

    /// Codes of the objections beside what is on air.
    fn codes(details: &FileDetails) -> Vec<&'static str> {
        let (avc, aac) = (avc(), aac());
        let found = objections(details, OnAir { video: Some(&avc), audio: Some(&aac) });
        assert!(found.iter().all(|each| each.words.ends_with('.')), "{found:?}");
        found.into_iter().map(|each| each.code).collect()
    }

    #[test]
    fn what_means_the_same_is_not_objected_to() {
        // Other bytes of the records, other constraint flags, another frame rate.
        assert_eq!(codes(&details()), [""; 0]);
    }

    #[test]
    fn each_rule_has_its_code() {
        let of = |change: &dyn Fn(&mut FileDetails)| {
            let mut changed = details();
            change(&mut changed);
            codes(&changed)
        };
        assert_eq!(of(&|d| d.b_frames = true), ["B_FRAMES"]);
        assert_eq!(of(&|d| d.keyframe_interval_ms = Some(4_101)), ["KEYFRAMES_FAR_APART"]);
        assert_eq!(of(&|d| d.keyframe_interval_ms = Some(4_000)), ["KEYFRAMES_OVER_2S"]);
        assert_eq!(of(&|d| d.keyframe_interval_ms = Some(2_033)), [""; 0]);
        assert_eq!(of(&|d| d.keyframe_interval_ms = None), [""; 0]);
        assert_eq!(of(&|d| d.audio = None), ["NO_AUDIO"]);
        assert_eq!(of(&|d| d.video.bps = 6_000_001), ["VIDEO_BIT_RATE"]);
        assert_eq!(of(&|d| d.pause_ms = 999), [""; 0]);
        assert_eq!(of(&|d| d.pause_ms = 1_600), ["LONG_PAUSES"]);
        assert_eq!(of(&|d| d.sound_delay_ms = 10_000), ["SOUND_BEGINS_LATE"]);
        let far = of(&|d| d.sound_fault = Some(SoundFault::TooFarBehind));
        assert_eq!(far, ["SOUND_TOO_FAR_BEHIND"]);
        let broken = of(&|d| d.sound_fault = Some(SoundFault::BreaksOff));
        assert_eq!(broken, ["SOUND_BREAKS_OFF"]);
        assert_eq!(of(&|d| d.breaks_off = Some("it is cut short".into())), ["BREAKS_OFF"]);
        assert_eq!(of(&|d| d.audio.as_mut().unwrap().bps = 400_000), ["AUDIO_BIT_RATE"]);
        assert_eq!(of(&|d| d.video.height = 1080), ["RESOLUTION_DIFFERS"]);
        assert_eq!(of(&|d| d.video.profile_idc = 100), ["VIDEO_CONFIG_DIFFERS"]);
        assert_eq!(of(&|d| d.video.level_idc = 40), ["VIDEO_CONFIG_DIFFERS"]);
        assert_eq!(of(&|d| d.audio.as_mut().unwrap().channels = 1), ["AUDIO_CONFIG_DIFFERS"]);
        let rate = of(&|d| d.audio.as_mut().unwrap().sample_rate_hz = 44_100);
        assert_eq!(rate, ["AUDIO_CONFIG_DIFFERS"]);
    }

    #[test]
    fn differences_are_named() {
        let mut changed = details();
        changed.audio =
            changed.audio.map(|a| AudioDetails { sample_rate_hz: 44_100, channels: 1, ..a });
        changed.left_out = Some("AC-3 audio");
        let aac = aac();
        let found = objections(&changed, OnAir { video: None, audio: Some(&aac) });
        assert!(found[0].words.contains("44100 Hz instead of 48000 Hz and 1 instead of 2"));
        changed.audio = None;
        let found = objections(&changed, OnAir::default());
        assert!(found.len() == 1, "{found:?}");
        assert!(found[0].words.contains("AC-3 audio is left out"), "{found:?}");
        changed.keyframe_interval_ms = Some(8_340);
        assert!(objections(&changed, OnAir::default())[0].words.contains("8.3 s apart"));
    }

    #[test]
    fn nothing_on_air_is_nothing_to_differ_from() {
        assert_eq!(objections(&details(), OnAir::default()), []);
    }
}
