//! What a platform will not like about the programme on air. Purpose: the operator is told while it
//! can still be changed. Non-goals: forbidding it. Bound: one warning of each kind.

use super::kind::{Platform, KEYFRAME_MS_ANYWHERE, KEYFRAME_MS_FORGIVEN};
use crate::base::time::Mono;
use crate::operator::snapshot::ProgrammeStatus;
use crate::rtmp::url::RtmpUrl;

/// One thing a platform will not like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Which, for a program; never changes its meaning.
    pub code: &'static str,
    /// One sentence for a person.
    pub words: String,
}

/// What the platform at `url` will not like about the programme that is on air, and about how it is
/// sent there, `live_since` when.
pub fn warnings(
    url: &RtmpUrl,
    programme: &ProgrammeStatus,
    live_since: Option<Mono>,
) -> Vec<Warning> {
    let mut found = objections(url, programme);
    if let Some(platform) = Platform::of(&url.host) {
        found.extend(changed(platform, programme, live_since));
        found.extend(tls(platform, url));
        found.extend(app(platform, url));
    }
    found
}

/// What the platform at `url` will not like about the programme itself, from any sender: what is
/// told ends when the programme is another.
pub fn objections(url: &RtmpUrl, programme: &ProgrammeStatus) -> Vec<Warning> {
    let Some(platform) = Platform::of(&url.host) else {
        return keyframes_anywhere(programme).into_iter().collect();
    };
    let found = [
        video_rate(platform, programme),
        audio_rate(platform, programme),
        keyframes(platform, programme).or_else(|| keyframes_anywhere(programme)),
        tracks(platform, programme),
    ];
    found.into_iter().flatten().collect()
}

fn warning(code: &'static str, words: String) -> Option<Warning> {
    Some(Warning { code, words })
}

fn video_rate(platform: &Platform, programme: &ProgrammeStatus) -> Option<Warning> {
    let (max, bps) = (platform.limits.video_bps_max?, programme.video_bps);
    let words = || {
        let (name, taken) = (platform.name, max / 1000);
        format!("The video has {} kbit/s: {name} takes {taken} at most.", bps / 1000)
    };
    (bps > max.into()).then(|| warning("VIDEO_BIT_RATE", words())).flatten()
}

fn audio_rate(platform: &Platform, programme: &ProgrammeStatus) -> Option<Warning> {
    let (max, bps) = (platform.limits.audio_bps_max?, programme.audio_bps);
    let words = || {
        let (name, taken) = (platform.name, max / 1000);
        format!("The audio has {} kbit/s: {name} takes {taken} at most.", bps / 1000)
    };
    let is_high = bps > u64::from(max + max / 10);
    is_high.then(|| warning("AUDIO_BIT_RATE", words())).flatten()
}

fn keyframes(platform: &Platform, programme: &ProgrammeStatus) -> Option<Warning> {
    let (max, ms) = (platform.limits.keyframe_ms_max?, programme.keyframe_interval_ms?);
    let (whole, tenth) = (ms / 1000, ms % 1000 / 100);
    let words = || {
        let (name, taken) = (platform.name, max / 1000);
        format!(
            "Key frames are {whole}.{tenth} s apart: {name} wants {taken} s at most; set the \
             encoder's key frame interval to 2 s."
        )
    };
    let is_far = ms > u64::from(max + KEYFRAME_MS_FORGIVEN);
    is_far.then(|| warning("KEYFRAMES_FAR_APART", words())).flatten()
}

/// A new viewer waits for a key frame, and a platform that cuts the stream into pieces
/// can cut at none other.
fn keyframes_anywhere(programme: &ProgrammeStatus) -> Option<Warning> {
    let ms = programme.keyframe_interval_ms.filter(|ms| *ms >= KEYFRAME_MS_ANYWHERE)?;
    let words = format!(
        "Key frames are {}.{} s apart: who begins to watch waits so long for a picture; set the \
         encoder's key frame interval to 2 s.",
        ms / 1000,
        ms % 1000 / 100
    );
    warning("KEYFRAMES_FAR_APART", words)
}

/// The broadcast goes on with parameters other than those it began with.
fn changed(
    platform: &Platform,
    programme: &ProgrammeStatus,
    live_since: Option<Mono>,
) -> Option<Warning> {
    let is_changed = programme.parameters_changed? >= live_since?;
    let words = || {
        format!(
            "The size of the picture or the sound's format has changed since this broadcast began: \
             {} may go on with a broken picture; restart the destination.",
            platform.name
        )
    };
    let is_told = platform.limits.fixed_parameters && is_changed;
    is_told.then(|| warning("PARAMETERS_CHANGED", words())).flatten()
}

fn tracks(platform: &Platform, programme: &ProgrammeStatus) -> Option<Warning> {
    if !platform.limits.audio_required {
        return None;
    }
    let missing = match (&programme.video, &programme.audio) {
        (Some(_), Some(_)) => return None,
        (Some(_), None) => "audio",
        (None, Some(_)) => "video",
        (None, None) => "video and audio",
    };
    let words = format!("The programme has no {missing}: {} needs both.", platform.name);
    warning("TRACK_MISSING", words)
}

fn tls(platform: &Platform, url: &RtmpUrl) -> Option<Warning> {
    let words = format!(
        "The address begins with rtmp://: {} takes rtmps:// only, unless told otherwise.",
        platform.name
    );
    (platform.tls_only && !url.tls).then(|| warning("NOT_ENCRYPTED", words)).flatten()
}

/// Kick gives its address out without the application (restreamer #523).
fn app(platform: &Platform, url: &RtmpUrl) -> Option<Warning> {
    let app = platform.app?;
    let is_usual = url.app.split('?').next() == Some(app);
    let words = || format!("The address should end in /{app} for {}.", platform.name);
    (!is_usual).then(|| warning("APP_UNUSUAL", words())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::access_unit::{AacConfig, AvcConfig, ConfigRecord};

    fn codes(url: &str, programme: &ProgrammeStatus) -> Vec<&'static str> {
        let found = warnings(&RtmpUrl::parse(url).unwrap(), programme, Some(Mono::from_ms(5_000)));
        assert!(found.iter().all(|each| each.words.ends_with('.')), "{found:?}");
        found.into_iter().map(|each| each.code).collect()
    }

    fn programme() -> ProgrammeStatus {
        let record = ConfigRecord::new;
        ProgrammeStatus {
            video_bps: 6_000_000,
            audio_bps: 352_000,
            keyframe_interval_ms: Some(2_100),
            video: Some(AvcConfig {
                record: record(),
                width: 1280,
                height: 720,
                frame_rate: 25.0,
                profile_idc: 77,
                constraints: 0,
                level_idc: 31,
            }),
            audio: Some(AacConfig {
                record: record(),
                object_type: 2,
                sample_rate_hz: 48_000,
                channels: 2,
            }),
            ..ProgrammeStatus::default()
        }
    }

    #[test]
    fn each_platform_has_its_rules() {
        let (twitch, youtube) = ("rtmp://live.twitch.tv/app", "rtmp://a.rtmp.youtube.com/live2");
        let facebook = "rtmps://rtmp-api.facebook.com:443/rtmp";
        let kick = "rtmps://fa7.global-contribute.live-video.net/app";
        let all = [twitch, youtube, facebook, kick, "rtmp://host/live"];
        for url in all {
            assert_eq!(codes(url, &programme()), [""; 0], "{url}");
        }
        let high = ProgrammeStatus { video_bps: 6_000_001, audio_bps: 352_001, ..programme() };
        assert_eq!(codes(twitch, &high), ["VIDEO_BIT_RATE", "AUDIO_BIT_RATE"]);
        assert_eq!(codes(youtube, &high), [""; 0]);
        let far = ProgrammeStatus { keyframe_interval_ms: Some(2_101), ..programme() };
        assert_eq!(codes(twitch, &far), ["KEYFRAMES_FAR_APART"]);
        assert_eq!(codes(youtube, &far), [""; 0]);
        let farther = ProgrammeStatus { keyframe_interval_ms: Some(4_101), ..programme() };
        assert_eq!(codes(youtube, &farther), ["KEYFRAMES_FAR_APART"]);
        let mute = ProgrammeStatus { audio: None, ..programme() };
        assert_eq!(codes(facebook, &mute), ["TRACK_MISSING"]);
        assert_eq!(codes("rtmp://live-api-s.facebook.com/rtmp", &programme()), ["NOT_ENCRYPTED"]);
        let bare = "rtmps://fa7.global-contribute.live-video.net/live";
        assert_eq!(codes(bare, &programme()), ["APP_UNUSUAL"]);
    }

    #[test]
    fn key_frames_ten_seconds_apart_are_told_for_every_server() {
        for (ms, told) in [(9_999, 0), (10_000, 1), (60_000, 1)] {
            let far = ProgrammeStatus { keyframe_interval_ms: Some(ms), ..programme() };
            for url in ["rtmp://host/live", "rtmps://rtmp-api.facebook.com/rtmp"] {
                assert_eq!(codes(url, &far), ["KEYFRAMES_FAR_APART"][..told], "{url} {ms}");
            }
            assert_eq!(codes("rtmp://live.twitch.tv/app", &far), ["KEYFRAMES_FAR_APART"]);
        }
    }

    #[test]
    fn a_change_in_mid_broadcast_is_told_until_the_next_session() {
        let (facebook, twitch) =
            ("rtmps://rtmp-api.facebook.com/rtmp", "rtmp://live.twitch.tv/app");
        for (at_ms, told) in [(4_999, 0), (5_000, 1), (7_000, 1)] {
            let parameters_changed = Some(Mono::from_ms(at_ms));
            let changed = ProgrammeStatus { parameters_changed, ..programme() };
            assert_eq!(codes(facebook, &changed), ["PARAMETERS_CHANGED"][..told], "{at_ms}");
            assert_eq!(codes(twitch, &changed), [""; 0], "takes it");
            let url = RtmpUrl::parse(facebook).unwrap();
            assert_eq!(warnings(&url, &changed, None), [], "no broadcast, no change in it");
            assert_eq!(objections(&url, &changed), [], "another programme would not mend it");
        }
    }
}
