//! What is played, published and pulled, in the words of the HTTP API. Purpose: the parts of
//! `GET /api/status` that tell the inputs besides UDP. Non-goals: playlists' contents, which have
//! an answer of their own. Bound: the snapshot's texts.

use serde::Serialize;

use crate::control::api::media::{self, Audio, Video};
use crate::control::api::moment::{CivilTime, Moment};
use crate::control::api::reasons::{reason, ReasonAnswer};
#[cfg(test)]
use crate::control::api::schemas;
use crate::operator::snapshot::{
    PlayoutStatus, PublisherStatus, PullStatus, Snapshot, Source, Text,
};

/// The API's name of a source: a file is `local`, as the original controller called it.
const fn name(source: Source) -> &'static str {
    match source {
        Source::File => "local",
        other => other.name(),
    }
}

/// What the original calls the current video, and its source.
pub fn current(snapshot: &Snapshot) -> (&str, &'static str) {
    let (on_air, playout) = (snapshot.programme.on_air, &snapshot.playout);
    match &playout.file {
        Some(file) if on_air == Source::File || playout.paused => (file, name(Source::File)),
        _ => (name(on_air), name(on_air)),
    }
}

/// Playing files.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Playout<'a> {
    /// What the operator chose.
    #[cfg_attr(test, schemars(with = "Option<schemas::Source>"))]
    choice: Option<&'static str>,
    file: Option<&'a str>,
    position_s: f64,
    duration_s: Option<f64>,
    #[serde(rename = "loop")]
    looped: bool,
    paused: bool,
    switching: bool,
    playlist: Option<&'a str>,
    /// Place in the list, from 0.
    index: usize,
    next: Option<&'a str>,
    error: Option<&'a str>,
    left_out: u64,
    playlist_count: usize,
}

/// Tells what is played.
pub fn playout(status: &PlayoutStatus) -> Playout<'_> {
    Playout {
        choice: status.choice.map(name),
        file: status.file.as_deref(),
        position_s: seconds(status.position_ms),
        duration_s: status.duration_ms.map(seconds),
        looped: status.looped,
        paused: status.paused,
        switching: status.switching,
        playlist: status.playlist.as_deref(),
        index: status.index,
        next: status.next.as_deref(),
        error: said(&status.error),
        left_out: status.left_out,
        playlist_count: status.playlists.len(),
    }
}

/// The RTMP publisher.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Publisher<'a> {
    present: bool,
    address: Option<&'a str>,
    agent: Option<&'a str>,
    /// By RTMPS.
    encrypted: bool,
    since: Option<CivilTime>,
    bytes: u64,
    /// All bytes of its connection.
    bytes_in: u64,
    bps: u64,
    video: Option<Video>,
    audio: Option<Audio>,
    detail: Option<&'a str>,
    left_out: u64,
    refused_key: u64,
    reason: Option<ReasonAnswer<'a>>,
    sound_reason: Option<ReasonAnswer<'a>>,
}

/// Tells who publishes.
pub fn publisher(status: &PublisherStatus, moment: Moment) -> Publisher<'_> {
    Publisher {
        present: status.present,
        address: said(&status.address),
        agent: said(&status.agent),
        encrypted: status.encrypted,
        since: status.present.then(|| moment.civil(status.since)),
        bytes: status.bytes,
        bytes_in: status.bytes_in,
        bps: status.bps,
        video: status.video.as_ref().map(media::video),
        audio: status.audio.as_ref().map(media::audio),
        detail: said(&status.detail),
        left_out: status.left_out,
        refused_key: status.refused_key,
        reason: reason(status.reason.as_ref(), moment),
        sound_reason: reason(status.sound_reason.as_ref(), moment),
    }
}

/// The RTMP pull.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pull<'a> {
    url: &'a str,
    #[cfg_attr(test, schemars(with = "schemas::DestinationState"))]
    state: &'static str,
    since: CivilTime,
    retry_in_s: Option<u64>,
    detail: Option<&'a str>,
    bytes: u64,
    bps: u64,
    sessions: u64,
    reason: Option<ReasonAnswer<'a>>,
    sound_reason: Option<ReasonAnswer<'a>>,
}

/// Tells what is pulled; nothing when no pull is configured.
pub fn pull(status: &PullStatus, moment: Moment) -> Option<Pull<'_>> {
    Some(Pull {
        url: said(&status.url)?,
        state: status.state.name(),
        since: moment.civil(status.since),
        retry_in_s: status.retry_at.map(|at| moment.seconds_until(at)),
        detail: said(&status.detail),
        bytes: status.bytes,
        bps: status.bps,
        sessions: status.sessions,
        reason: reason(status.reason.as_ref(), moment),
        sound_reason: reason(status.sound_reason.as_ref(), moment),
    })
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn said(text: &Text) -> Option<&str> {
    Some(text.as_str()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::api::sample;
    use crate::operator::commands::FileName;
    use crate::operator::snapshot::{text, DestinationState};
    use serde_json::{json, to_value};

    #[test]
    fn a_file_is_current_while_it_plays_or_waits() {
        let mut snapshot = sample::on_air();
        assert_eq!(current(&snapshot), ("udp", "udp"));
        snapshot.playout.file = FileName::try_from("a.mp4").ok();
        assert_eq!(current(&snapshot), ("udp", "udp"), "it is only being made ready");
        snapshot.programme.on_air = Source::File;
        assert_eq!(current(&snapshot), ("a.mp4", "local"));
        snapshot.programme.on_air = Source::Standby;
        assert_eq!(current(&snapshot), ("standby", "standby"));
        snapshot.playout.paused = true;
        assert_eq!(current(&snapshot), ("a.mp4", "local"));
        snapshot.playout.file = None;
        assert_eq!(current(&snapshot), ("standby", "standby"));
    }

    #[test]
    fn playing_is_told_in_seconds_and_what_is_not_known_as_null() {
        let status = PlayoutStatus {
            choice: Some(Source::File),
            file: FileName::try_from("a.mp4").ok(),
            position_ms: 1_500,
            duration_ms: Some(60_000),
            looped: true,
            playlist: Some(text("night")),
            index: 3,
            ..PlayoutStatus::default()
        };
        let told = to_value(playout(&status)).unwrap();
        assert_eq!(
            told,
            json!({
                "choice": "local", "file": "a.mp4", "position_s": 1.5, "duration_s": 60.0,
                "loop": true, "paused": false, "switching": false, "playlist": "night",
                "index": 3, "next": null, "error": null, "left_out": 0, "playlist_count": 0
            })
        );
    }

    #[test]
    fn publisher_and_pull_are_told() {
        let mut status = PublisherStatus::default();
        let told = to_value(publisher(&status, sample::MOMENT)).unwrap();
        assert_eq!((&told["present"], &told["since"]), (&json!(false), &json!(null)));
        status = PublisherStatus { present: true, agent: text("FMLE/3.0"), ..status };
        let told = to_value(publisher(&status, sample::MOMENT)).unwrap();
        assert_eq!(told["agent"], "FMLE/3.0");
        assert_eq!(told["since"], "2026-11-22T11:27:54.018Z");
        assert!(pull(&PullStatus::default(), sample::MOMENT).is_none());
        let status = PullStatus {
            url: text("rtmp://origin/live"),
            state: DestinationState::BackingOff,
            retry_at: Some(sample::MOMENT.now + std::time::Duration::from_millis(1_001)),
            ..PullStatus::default()
        };
        let told = to_value(pull(&status, sample::MOMENT)).unwrap();
        assert_eq!((&told["state"], &told["retry_in_s"]), (&json!("backing_off"), &json!(2)));
    }
}
