//! Texts of one form, for the API's document. Only tests have it.

use std::borrow::Cow;

use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};

use crate::base::limits::{FILE_NAME_BYTES_MAX, PLAYLIST_NAME_BYTES_MAX};
use crate::control::api::body::{Seconds, YEAR_S};
use crate::control::api::moment::CivilTime;
use crate::control::http::problem::{Problem, PROBLEMS};
use crate::health;
use crate::operator::snapshot;
use crate::rtmp::server::RtmpRefusal;

macro_rules! schema {
    ($($type:ty, $name:expr => $schema:expr;)*) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        })*
    };
}

macro_rules! texts {
    ($($name:ident: $schema:tt;)*) => {
        $(
            #[doc = stringify!($name)]
            pub struct $name;
            schema! { $name, stringify!($name) => json_schema!($schema); }
        )*
    };
}

/// What no name of a file may be.
const NAME: &str = "^(?!\\.)(?!.*\\.\\.)[^/\\u0000-\\u001f\\u007f-\\u009f]+$";

texts! {
    FileName: {
        "type": "string", "pattern": NAME, "minLength": 1, "maxLength": FILE_NAME_BYTES_MAX,
        "example": "clip.mp4",
        "description": format!("Without slash, NUL, control characters, two dots in a row or a \
            dot at its beginning; at most {FILE_NAME_BYTES_MAX} bytes"),
    };
    PlaylistName: {
        "type": "string", "pattern": NAME, "minLength": 1, "maxLength": PLAYLIST_NAME_BYTES_MAX,
        "example": "night",
        "description": format!("As a file's name, of at most {PLAYLIST_NAME_BYTES_MAX} bytes"),
    };
    UploadId: { "type": "string", "pattern": "^[0-9a-f]{16}$", "example": "00c0ffee00c0ffee" };
    StreamStatus: {
        "type": "string", "enum": ["stopped", "streaming", "switching", "downloading", "error"],
        "description":
            "streaming while the programme runs, standby included; error when it does not",
    };
    Source: {
        "type": "string", "description": "local is a file of the library",
        "enum": ["local", "googledrive", "udp", "rtmp", "pull", "standby"],
    };
    Verdict: {
        "type": "string",
        "enum": ([health::Verdict::Healthy, health::Verdict::Degraded, health::Verdict::Unhealthy]
            .map(health::Verdict::name)),
    };
    DestinationState: {
        "type": "string",
        "enum": ([
            snapshot::DestinationState::Idle,
            snapshot::DestinationState::Connecting,
            snapshot::DestinationState::Live,
            snapshot::DestinationState::BackingOff,
            snapshot::DestinationState::Refused,
            snapshot::DestinationState::Held,
            snapshot::DestinationState::Rejecting,
            snapshot::DestinationState::Stalled,
        ].map(snapshot::DestinationState::name)),
    };
    RefusalName: {
        "type": "string",
        "enum": ([
            RtmpRefusal::App,
            RtmpRefusal::PublishName,
            RtmpRefusal::PublishKeyRequired,
            RtmpRefusal::PublishNeedsSetting,
            RtmpRefusal::PublishDenied,
            RtmpRefusal::PublishBusy,
            RtmpRefusal::StreamNotFound,
            RtmpRefusal::KeyRequired,
            RtmpRefusal::Full,
            RtmpRefusal::ShareTaken,
            RtmpRefusal::ProxyHeader,
            RtmpRefusal::NoProxyHeader,
            RtmpRefusal::BadProxyHeader,
            RtmpRefusal::NoCertificate,
            RtmpRefusal::CertificateNotTrusted,
        ].map(RtmpRefusal::name)),
    };
    Parameters: {
        "type": "object",
        "description": "What it is about: sender, wanted, present, codec, error, on_air, address, \
            asked, apart_ms",
    };
    SettingValue: {
        "type": ["string", "integer", "boolean", "array", "null"], "items": { "type": "string" },
    };
}

schema! {
    CivilTime, "Time" => json_schema!({
        "type": "string", "description": "UTC, ISO 8601", "example": "2026-11-22T12:27:54.018Z",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,12}Z$",
    });
    Seconds, "Seconds" => json_schema!({ "type": "number", "minimum": 0, "maximum": YEAR_S });
    Problem, "Code" => {
        let mut codes: Vec<_> = PROBLEMS.iter().map(|problem| problem.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        json_schema!({ "type": "string", "enum": codes })
    };
}
