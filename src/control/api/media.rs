//! Video and audio as configured, in the words of the HTTP API. Bound: a few numbers.

use serde::Serialize;

use crate::codec::access_unit::{AacConfig, AvcConfig};

/// Video as configured.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "VideoConfig"))]
pub struct Video {
    codec: &'static str,
    width: u32,
    height: u32,
    /// Frames a second.
    frame_rate: f64,
    profile: &'static str,
    level: f64,
}

/// Audio as configured.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "AudioConfig"))]
pub struct Audio {
    codec: &'static str,
    profile: &'static str,
    sample_rate_hz: u32,
    channels: u8,
}

/// Tells a video configuration.
pub fn video(config: &AvcConfig) -> Video {
    Video {
        codec: "H.264",
        width: config.width,
        height: config.height,
        frame_rate: config.frame_rate,
        profile: config.profile(),
        level: f64::from(config.level_idc) / 10.0,
    }
}

/// Tells an audio configuration.
pub fn audio(config: &AacConfig) -> Audio {
    Audio {
        codec: "AAC",
        profile: config.profile(),
        sample_rate_hz: config.sample_rate_hz,
        channels: config.channels,
    }
}
