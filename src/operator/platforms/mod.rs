//! What is known of platforms: where they take a stream, where its key is found, what they take.
//! Purpose: page, API, checks and settings share one table. Non-goals: what a platform changed since;
//! an address that is an account's own. Bound: the table.

mod kind;
pub mod pasted;
mod table;
mod warnings;

pub use kind::{
    Platform, PlatformLimits, PlatformServer, AUDIO_BPS_TWITCH, KEYFRAME_MS_FORGIVEN,
    KEYFRAME_MS_TWITCH, KEYFRAME_MS_YOUTUBE, VIDEO_BPS_TWITCH,
};
pub use table::PLATFORMS;
pub use warnings::{objections, warnings, Warning};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::snapshot::ProgrammeStatus;

    #[test]
    fn platforms_are_known_by_their_servers() {
        for (host, id) in [
            ("live.twitch.tv", "twitch"),
            ("LIVE.Twitch.tv.", "twitch"),
            ("ingest.global-contribute.live-video.net", "twitch"),
            ("lax.contribute.live-video.net", "twitch"),
            ("fa723fc1b171.global-contribute.live-video.net", "kick"),
            ("0123456789ab.global-contribute.live-video.net", "ivs"),
            ("a.rtmp.youtube.com", "youtube"),
            ("rtmp-api.facebook.com", "facebook"),
            ("live.restream.io", "restream"),
            ("nottwitch.tv", ""),
            ("twitch.tv.example", ""),
            ("127.0.0.1", ""),
        ] {
            assert_eq!(Platform::of(host).map_or("", |it| it.id), id, "{host}");
        }
    }

    #[test]
    fn the_table_holds_together() {
        for platform in &PLATFORMS {
            let Platform { id, servers, backup_url, .. } = *platform;
            assert!(id.bytes().all(|it| it.is_ascii_lowercase()), "{id}");
            assert_eq!(PLATFORMS.iter().filter(|it| it.id == id).count(), 1, "{id}");
            assert!(platform.key_page.is_none_or(|it| it.starts_with("https://")), "{id}");
            assert!(platform.domains.is_empty() || platform.key_page.is_some(), "{id}");
            for text in servers.iter().map(|server| server.url).chain(backup_url) {
                let (url, key) = pasted::address(text, Some("some_key")).unwrap();
                assert_eq!(key.secret().expose(), "some_key");
                assert_eq!(Platform::of(&url.host), Some(platform), "{text}");
                assert_eq!(url.app.split('?').next(), platform.app, "{text}");
                let quiet = ProgrammeStatus::default();
                let told = warnings(&url, &quiet, None).into_iter().map(|it| it.code);
                let told: Vec<_> = told.filter(|code| *code != "TRACK_MISSING").collect();
                assert_eq!(told, [""; 0], "{text}");
                // As a person may have it: without scheme, application, port.
                let bare = pasted::address(&url.host, Some("some_key")).unwrap().0;
                assert_eq!((bare.host, bare.app.as_str()), (url.host, platform.app.unwrap()));
            }
            let first = servers.first().map_or("rtmps://", |server| server.url);
            assert_eq!(first.starts_with("rtmps://"), id != "trovo", "{id}");
        }
    }
}
