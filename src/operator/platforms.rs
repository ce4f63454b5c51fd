//! What platforms take, as far as it is known of them. Purpose: the operator is told while it can
//! still be changed. Non-goals: forbidding it; what a platform changed since. Bound: one warning of
//! each kind.

use super::snapshot::ProgrammeStatus;
use crate::rtmp::url::RtmpUrl;

/// The longest distance of key frames that YouTube takes without a warning, milliseconds.
pub const KEYFRAME_MS_YOUTUBE: u32 = 4_000;
/// What Twitch asks for, milliseconds.
pub const KEYFRAME_MS_TWITCH: u32 = 2_000;
/// What is forgiven for rounding.
pub const KEYFRAME_MS_FORGIVEN: u32 = 100;
/// The highest video bit rate Twitch takes, bit/s.
pub const VIDEO_BPS_TWITCH: u32 = 6_000_000;
/// The highest audio bit rate Twitch takes, bit/s; a tenth is forgiven to variable rates.
pub const AUDIO_BPS_TWITCH: u32 = 320_000;

/// One thing a platform will not like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Which, for a program; never changes its meaning.
    pub code: &'static str,
    /// One sentence for a person.
    pub words: String,
}

/// A platform, told by the name of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Twitch.
    Twitch,
    /// YouTube Live.
    YouTube,
    /// Facebook Live.
    Facebook,
    /// Amazon IVS, and Kick, which uses it.
    Ivs,
}

impl Platform {
    /// The platform a server belongs to, if it is a known one. Twitch takes streams under
    /// Amazon's names, too: `ingest.global-contribute` and those of its places; other names there
    /// are IVS's customers.
    pub fn of(host: &str) -> Option<Platform> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_in = |domain: &str| {
            host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if is_in("twitch.tv")
            || host == "ingest.global-contribute.live-video.net"
            || is_in("contribute.live-video.net")
        {
            Some(Platform::Twitch)
        } else if is_in("global-contribute.live-video.net") {
            Some(Platform::Ivs)
        } else if is_in("youtube.com") {
            Some(Platform::YouTube)
        } else if is_in("facebook.com") {
            Some(Platform::Facebook)
        } else {
            None
        }
    }
}

/// What the platform at `url` will not like about the programme that is on air.
pub fn warnings(url: &RtmpUrl, programme: &ProgrammeStatus) -> Vec<Warning> {
    let Some(platform) = Platform::of(&url.host) else { return Vec::new() };
    let found = match platform {
        Platform::Twitch => [
            video_rate(programme),
            audio_rate(programme),
            keyframes(programme, "Twitch wants 2 s", KEYFRAME_MS_TWITCH),
        ],
        Platform::YouTube => {
            [keyframes(programme, "YouTube warns above 4 s", KEYFRAME_MS_YOUTUBE), None, None]
        }
        Platform::Facebook => [tracks(programme), tls(url, "Facebook takes RTMPS only"), None],
        Platform::Ivs => [
            keyframes(programme, "Amazon IVS and Kick want 2 s", KEYFRAME_MS_TWITCH),
            tls(url, "Kick takes RTMPS only, Amazon IVS unless a channel allows RTMP"),
            app(url),
        ],
    };
    found.into_iter().flatten().collect()
}

fn warning(code: &'static str, words: String) -> Option<Warning> {
    Some(Warning { code, words })
}

fn video_rate(programme: &ProgrammeStatus) -> Option<Warning> {
    let bps = programme.video_bps;
    let words = || format!("The video has {} kbit/s: Twitch takes 6000 at most.", bps / 1000);
    (bps > VIDEO_BPS_TWITCH.into()).then(|| warning("VIDEO_BIT_RATE", words())).flatten()
}

fn audio_rate(programme: &ProgrammeStatus) -> Option<Warning> {
    let bps = programme.audio_bps;
    let words = || format!("The audio has {} kbit/s: Twitch takes 320 at most.", bps / 1000);
    let is_high = bps > u64::from(AUDIO_BPS_TWITCH + AUDIO_BPS_TWITCH / 10);
    is_high.then(|| warning("AUDIO_BIT_RATE", words())).flatten()
}

fn keyframes(programme: &ProgrammeStatus, wish: &str, ms_max: u32) -> Option<Warning> {
    let ms = programme.keyframe_interval_ms?;
    let (whole, tenth) = (ms / 1000, ms % 1000 / 100);
    let words = || format!("Key frames are {whole}.{tenth} s apart: {wish}.");
    let is_far = ms > u64::from(ms_max + KEYFRAME_MS_FORGIVEN);
    is_far.then(|| warning("KEYFRAMES_FAR_APART", words())).flatten()
}

fn tracks(programme: &ProgrammeStatus) -> Option<Warning> {
    let missing = match (&programme.video, &programme.audio) {
        (Some(_), Some(_)) => return None,
        (Some(_), None) => "audio",
        (None, Some(_)) => "video",
        (None, None) => "video and audio",
    };
    warning("TRACK_MISSING", format!("The programme has no {missing}: Facebook needs both."))
}

fn tls(url: &RtmpUrl, wish: &str) -> Option<Warning> {
    let words = || format!("The address begins with rtmp://: {wish}.");
    (!url.tls).then(|| warning("NOT_ENCRYPTED", words())).flatten()
}

/// Kick gives its address out without the application (restreamer #523).
fn app(url: &RtmpUrl) -> Option<Warning> {
    let words = "The address should end in /app for Amazon IVS and Kick.";
    (url.app != "app").then(|| warning("APP_UNUSUAL", words.to_owned())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::access_unit::{AacConfig, AvcConfig, ConfigRecord};

    fn codes(url: &str, programme: &ProgrammeStatus) -> Vec<&'static str> {
        let found = warnings(&RtmpUrl::parse(url).unwrap(), programme);
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
    fn platforms_are_known_by_their_servers() {
        for (host, platform) in [
            ("live.twitch.tv", Some(Platform::Twitch)),
            ("LIVE.Twitch.tv.", Some(Platform::Twitch)),
            ("ingest.global-contribute.live-video.net", Some(Platform::Twitch)),
            ("lax.contribute.live-video.net", Some(Platform::Twitch)),
            ("fa723fc1b171.global-contribute.live-video.net", Some(Platform::Ivs)),
            ("a.rtmp.youtube.com", Some(Platform::YouTube)),
            ("rtmp-api.facebook.com", Some(Platform::Facebook)),
            ("nottwitch.tv", None),
            ("twitch.tv.example", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(Platform::of(host), platform, "{host}");
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
}
