//! What there is to know of a platform.

use serde::Serialize;

/// The longest distance of key frames that YouTube takes without a warning, milliseconds.
pub const KEYFRAME_MS_YOUTUBE: u32 = 4_000;
/// What Twitch asks for, milliseconds.
pub const KEYFRAME_MS_TWITCH: u32 = 2_000;
/// What no platform likes, milliseconds.
pub const KEYFRAME_MS_ANYWHERE: u64 = 10_000;
/// What is forgiven for rounding.
pub const KEYFRAME_MS_FORGIVEN: u32 = 100;
/// The highest video bit rate Twitch takes, bit/s.
pub const VIDEO_BPS_TWITCH: u32 = 6_000_000;
/// The highest audio bit rate Twitch takes, bit/s; a tenth is forgiven to variable rates.
pub const AUDIO_BPS_TWITCH: u32 = 320_000;

/// A platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Platform {
    /// Its name for a program, and of a destination that is given no other.
    pub id: &'static str,
    /// Its name for a person.
    pub name: &'static str,
    /// Where it takes streams, the usual one first; none where each account has its own.
    pub servers: &'static [PlatformServer],
    /// A second server that takes the same stream at the same time.
    pub backup_url: Option<&'static str>,
    /// The application on its servers.
    pub app: Option<&'static str>,
    /// Where a person finds the stream key.
    pub key_page: Option<&'static str>,
    /// The query behind a key that makes it a test which nobody sees.
    pub test_query: Option<&'static str>,
    /// The pause between two sessions behind which it begins a new broadcast, seconds: Twitch takes one
    /// back for 90 s, YouTube ends one after about a minute without data.
    pub new_broadcast_s: u32,
    /// It takes rtmps:// only.
    pub tls_only: bool,
    /// What it takes.
    pub limits: PlatformLimits,
    /// Its servers' domains.
    #[serde(skip)]
    pub domains: &'static [&'static str],
}

/// One of a platform's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlatformServer {
    /// Where it stands; empty where the platform chooses.
    pub place: &'static str,
    /// Its address.
    pub url: &'static str,
}

/// What a platform takes, as far as it says; null where it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlatformLimits {
    /// Of the picture, bit/s.
    pub video_bps_max: Option<u32>,
    /// Of the sound, bit/s.
    pub audio_bps_max: Option<u32>,
    /// The longest distance of key frames, milliseconds.
    pub keyframe_ms_max: Option<u32>,
    /// Sound must be there.
    pub audio_required: bool,
    /// Size and codec must stay as they are while a broadcast lasts.
    pub fixed_parameters: bool,
    /// The longest broadcast, or the longest that is archived, hours.
    pub hours_max: Option<u32>,
    /// The codecs it takes, as far as this program can send them.
    pub codecs: &'static [&'static str],
}
