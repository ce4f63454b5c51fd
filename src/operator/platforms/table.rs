//! The table of platforms, from what they and OBS's list of services say.

use std::time::Duration;

use super::kind::{
    Platform, PlatformLimits, PlatformServer, AUDIO_BPS_TWITCH, KEYFRAME_MS_TWITCH,
    KEYFRAME_MS_YOUTUBE, VIDEO_BPS_TWITCH,
};

const UNKNOWN: PlatformLimits = PlatformLimits {
    video_bps_max: None,
    audio_bps_max: None,
    keyframe_ms_max: None,
    audio_required: false,
    fixed_parameters: false,
    hours_max: None,
    codecs: &["h264", "aac"],
};

const NONE: Platform = Platform {
    id: "custom",
    name: "",
    servers: &[],
    backup_url: None,
    app: None,
    key_page: None,
    test_query: None,
    // Nothing is known of others, and nobody is to wait.
    new_broadcast_s: 3,
    tls_only: false,
    limits: UNKNOWN,
    domains: &[],
};

const fn at(place: &'static str, url: &'static str) -> PlatformServer {
    PlatformServer { place, url }
}

/// All of them, in the order in which they are offered; the last stands for any other server.
pub static PLATFORMS: [Platform; 10] = [
    Platform {
        id: "twitch",
        name: "Twitch",
        servers: &[
            at("", "rtmps://ingest.global-contribute.live-video.net:443/app"),
            at("Tokyo", "rtmp://live-tyo.twitch.tv/app"),
            at("Seoul", "rtmp://live-sel.twitch.tv/app"),
            at("Singapore", "rtmp://live-sin.twitch.tv/app"),
            at("Sydney", "rtmp://live-syd.twitch.tv/app"),
            at("Frankfurt", "rtmp://live-fra.twitch.tv/app"),
            at("London", "rtmp://live-lhr.twitch.tv/app"),
            at("Los Angeles", "rtmp://live-lax.twitch.tv/app"),
            at("New York", "rtmp://live-jfk.twitch.tv/app"),
            at("Sao Paulo", "rtmp://live-sao.twitch.tv/app"),
        ],
        app: Some("app"),
        key_page: Some("https://dashboard.twitch.tv/settings/stream"),
        test_query: Some("bandwidthtest=true"),
        new_broadcast_s: 120,
        limits: PlatformLimits {
            video_bps_max: Some(VIDEO_BPS_TWITCH),
            audio_bps_max: Some(AUDIO_BPS_TWITCH),
            keyframe_ms_max: Some(KEYFRAME_MS_TWITCH),
            hours_max: Some(48),
            ..UNKNOWN
        },
        // Amazon's names, too: those of its places; others there are customers' of its.
        domains: &[
            "twitch.tv",
            "contribute.live-video.net",
            "ingest.global-contribute.live-video.net",
        ],
        ..NONE
    },
    Platform {
        id: "youtube",
        name: "YouTube",
        servers: &[at("", "rtmps://a.rtmps.youtube.com:443/live2")],
        backup_url: Some("rtmps://b.rtmps.youtube.com:443/live2?backup=1"),
        app: Some("live2"),
        key_page: Some("https://www.youtube.com/live_dashboard"),
        new_broadcast_s: 90,
        limits: PlatformLimits {
            video_bps_max: Some(51_000_000),
            keyframe_ms_max: Some(KEYFRAME_MS_YOUTUBE),
            hours_max: Some(12),
            ..UNKNOWN
        },
        domains: &["youtube.com"],
        ..NONE
    },
    Platform {
        id: "facebook",
        name: "Facebook",
        servers: &[at("", "rtmps://live-api-s.facebook.com:443/rtmp/")],
        app: Some("rtmp"),
        key_page: Some("https://www.facebook.com/live/producer"),
        tls_only: true,
        limits: PlatformLimits {
            audio_required: true,
            fixed_parameters: true,
            hours_max: Some(8),
            ..UNKNOWN
        },
        domains: &["facebook.com"],
        ..NONE
    },
    Platform {
        id: "kick",
        name: "Kick",
        servers: &[at("", "rtmps://fa723fc1b171.global-contribute.live-video.net:443/app")],
        key_page: Some("https://kick.com/dashboard/settings/stream"),
        domains: &["fa723fc1b171.global-contribute.live-video.net", "kick.com"],
        limits: PlatformLimits { video_bps_max: Some(8_000_000), ..IVS.limits },
        ..IVS
    },
    IVS,
    Platform {
        id: "tiktok",
        name: "TikTok",
        key_page: Some("https://livecenter.tiktok.com/producer"),
        ..NONE
    },
    Platform {
        id: "instagram",
        name: "Instagram",
        key_page: Some("https://www.instagram.com/"),
        app: Some("rtmp"),
        tls_only: true,
        limits: PlatformLimits { audio_required: true, ..UNKNOWN },
        domains: &["instagram.com"],
        ..NONE
    },
    Platform {
        id: "restream",
        name: "Restream",
        servers: &[at("", "rtmps://live.restream.io:1937/live")],
        app: Some("live"),
        key_page: Some("https://restream.io/settings/streaming-setup"),
        limits: PlatformLimits { keyframe_ms_max: Some(KEYFRAME_MS_TWITCH), ..UNKNOWN },
        domains: &["restream.io"],
        ..NONE
    },
    // Documents RTMP only.
    Platform {
        id: "trovo",
        name: "Trovo",
        servers: &[at("", "rtmp://livepush.trovo.live/live/")],
        app: Some("live"),
        key_page: Some("https://studio.trovo.live/mychannel/stream"),
        limits: PlatformLimits {
            video_bps_max: Some(9_000_000),
            keyframe_ms_max: Some(KEYFRAME_MS_TWITCH),
            ..UNKNOWN
        },
        domains: &["trovo.live"],
        ..NONE
    },
    NONE,
];

const IVS: Platform = Platform {
    id: "ivs",
    name: "Amazon IVS",
    app: Some("app"),
    key_page: Some("https://console.aws.amazon.com/ivs"),
    tls_only: true,
    limits: PlatformLimits {
        video_bps_max: Some(8_500_000),
        keyframe_ms_max: Some(KEYFRAME_MS_TWITCH),
        fixed_parameters: true,
        ..UNKNOWN
    },
    domains: &["global-contribute.live-video.net"],
    ..NONE
};

impl Platform {
    /// The platform a server belongs to, if it is a known one; the longest domain decides, for some
    /// give domains to others.
    pub fn of(host: &str) -> Option<&'static Platform> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_in = |domain: &&&str| {
            host.strip_suffix(**domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let fit =
            |platform: &Platform| platform.domains.iter().filter(is_in).map(|it| it.len()).max();
        let known = PLATFORMS.iter().filter_map(|platform| Some((fit(platform)?, platform)));
        known.max_by_key(|(fit, _)| *fit).map(|(_, platform)| platform)
    }

    /// The pause between two sessions with this server, behind which its platform begins a new broadcast.
    pub fn new_broadcast_pause(host: &str) -> Duration {
        let platform = Platform::of(host).unwrap_or(&NONE);
        Duration::from_secs(platform.new_broadcast_s.into())
    }

    /// Whether a server of its that is named without a scheme is one for rtmps://.
    pub fn encrypts(&self, host: &str) -> bool {
        let is_tls = |server: &&PlatformServer| server.url.starts_with("rtmps://");
        let is_it = |server: &&PlatformServer| server.url.split([':', '/']).any(|it| it == host);
        match self.servers.iter().find(is_it) {
            Some(known) => is_tls(&known),
            // YouTube's names for the two differ in this.
            None if host.split('.').any(|label| label == "rtmp") => false,
            None => self.tls_only || self.servers.first().is_some_and(|first| is_tls(&first)),
        }
    }
}
