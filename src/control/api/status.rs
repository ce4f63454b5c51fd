//! The snapshot in the words of the HTTP API. Purpose: the one place that knows the names of the
//! JSON fields; the names of the original controller stay for ever, fields may only be added.
//! Non-goals: routing. Bound: viewers are listed up to [`HTTP_VIEWERS_LISTED_MAX`].
//!
//! The original's fields mean here: `stream_status` is `streaming` while the data plane runs,
//! standby included, for the programme never stops, `switching` while a file is made ready, and
//! `error` when it does not run. `current_video` keeps the original's promise that it is a text
//! while streaming: the library's file when one is on air or paused, or the name of the source.

use serde::Serialize;

use crate::base::limits::HTTP_VIEWERS_LISTED_MAX;
#[cfg(test)]
use crate::base::limits::RTMP_REFUSALS_MAX;
use crate::control::api::checks::{checks, CheckAnswer};
use crate::control::api::inputs::{self, Playout, Publisher, Pull};
use crate::control::api::machine::{machine, Machine};
use crate::control::api::media::{self, Audio, Video};
use crate::control::api::moment::{CivilTime, Moment};
use crate::control::api::reasons::{reason, refusal, ReasonAnswer, RefusalAnswer};
#[cfg(test)]
use crate::control::api::schemas;
use crate::control::build_info::BUILD;
use crate::control::http::meter::HttpUse;
use crate::health::{self, judge, Health};
use crate::operator::snapshot::{
    DestinationStatus, PreviewsStatus, ProgrammeStatus, RtmpServerStatus, Snapshot, TsStream,
    UdpStatus, ViewerStatus,
};
use crate::system::heap::HeapUse;
use crate::ts::demux::{ProgrammeState, TsCounters};

/// The state of the whole.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Status"))]
pub struct StatusAnswer<'a> {
    #[cfg_attr(test, schemars(with = "schemas::StreamStatus"))]
    stream_status: &'static str,
    /// A file of the library, or the name of the source.
    current_video: Option<&'a str>,
    #[cfg_attr(test, schemars(with = "schemas::Source"))]
    current_video_source: &'static str,
    process_status: ProcessStatus,
    googledrive_available: bool,
    timestamp: CivilTime,
    /// What the machine is called.
    name: Option<String>,
    version: &'static str,
    git: &'static str,
    uptime_s: u64,
    memory: Memory,
    machine: Machine,
    #[cfg_attr(test, schemars(with = "schemas::Verdict"))]
    health: &'static str,
    checks: Vec<CheckAnswer<'a>>,
    programme: ProgrammeAnswer,
    playout: Playout<'a>,
    udp: Udp<'a>,
    publisher: Publisher<'a>,
    pull: Option<Pull<'a>>,
    rtmp: Rtmp<'a>,
    previews: PreviewsStatus,
    http: HttpUse,
    viewer_count: usize,
    /// The first of them.
    #[cfg_attr(test, schemars(length(max = HTTP_VIEWERS_LISTED_MAX)))]
    viewers: Vec<Viewer<'a>>,
    destinations: Vec<DestinationAnswer<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Memory {
    resident_bytes: u64,
    heap_used_bytes: usize,
    heap_peak_bytes: usize,
    /// An allocation past it fails.
    heap_limit_bytes: usize,
}

fn memory(moment: Moment) -> Memory {
    let HeapUse { used_bytes, peak_bytes, limit_bytes } = moment.heap;
    Memory {
        resident_bytes: moment.resident_bytes,
        heap_used_bytes: used_bytes,
        heap_peak_bytes: peak_bytes,
        heap_limit_bytes: limit_bytes,
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ProcessStatus {
    udp_streaming_running: bool,
    /// This program's.
    udp_sender_pid: u32,
    is_switching: bool,
}

/// What the original calls the state of the stream.
pub fn stream_status(snapshot: &Snapshot, moment: Moment) -> &'static str {
    match (health::is_running(snapshot, moment.now), snapshot.playout.switching) {
        (false, _) => "error",
        (true, true) => "switching",
        (true, false) => "streaming",
    }
}

/// The state of the whole in JSON, as `GET /api/status` and the events tell it.
pub fn document(snapshot: &Snapshot, moment: Moment) -> Vec<u8> {
    let health = judge(snapshot, &moment.figures(), moment.now);
    // Our own structs of numbers, texts and lists: there is nothing JSON could not say.
    serde_json::to_vec(&status(snapshot, &health, moment)).unwrap_or_default()
}

/// Tells the state of the whole.
fn status<'a>(snapshot: &'a Snapshot, health: &'a Health, moment: Moment) -> StatusAnswer<'a> {
    let running = health::is_running(snapshot, moment.now);
    let (video, source) = inputs::current(snapshot);
    StatusAnswer {
        stream_status: stream_status(snapshot, moment),
        current_video: running.then_some(video),
        current_video_source: source,
        process_status: ProcessStatus {
            udp_streaming_running: running,
            udp_sender_pid: moment.pid,
            is_switching: running && snapshot.playout.switching,
        },
        googledrive_available: false,
        timestamp: CivilTime(moment.utc),
        name: moment.name.map(|name| name.as_str().to_owned()),
        version: BUILD.version,
        git: BUILD.git,
        uptime_s: moment.now.to_ms() / 1000,
        memory: memory(moment),
        machine: machine(moment),
        health: health.verdict.name(),
        checks: checks(health),
        programme: programme(&snapshot.programme, moment),
        playout: inputs::playout(&snapshot.playout),
        udp: udp(&snapshot.udp, moment),
        publisher: inputs::publisher(&snapshot.publisher, moment),
        pull: inputs::pull(&snapshot.pull, moment),
        rtmp: rtmp(&snapshot.rtmp, moment),
        previews: snapshot.previews,
        http: moment.http,
        viewer_count: snapshot.viewers.len(),
        viewers: snapshot
            .viewers
            .iter()
            .take(HTTP_VIEWERS_LISTED_MAX)
            .map(|viewer| self::viewer(viewer, moment))
            .collect(),
        destinations: snapshot.destinations.iter().map(|d| destination(d, moment)).collect(),
    }
}

/// What is sent to everybody.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Programme"))]
struct ProgrammeAnswer {
    on_air: &'static str,
    since: CivilTime,
    cuts: u64,
    /// Programme time.
    time_ms: u64,
    /// Access units.
    units: u64,
    bytes: u64,
    video_bps: u64,
    /// The newest last.
    bps_history: Vec<u64>,
    keyframe_interval_ms: Option<u64>,
    audio_bps: u64,
    video: Option<Video>,
    audio: Option<Audio>,
    /// Units left out, by reason.
    dropped: Dropped,
    /// Silent units that stood in.
    filled_audio: u64,
    /// Silence stands in now.
    is_filling: bool,
    ring_bytes: u64,
    ring_ms: u64,
}

/// Units left out, by reason.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Dropped {
    overlap: u64,
    oversize: u64,
    time: u64,
}

fn programme(status: &ProgrammeStatus, moment: Moment) -> ProgrammeAnswer {
    ProgrammeAnswer {
        on_air: status.on_air.name(),
        since: moment.civil(status.on_air_since),
        cuts: status.cuts,
        time_ms: status.time_ms,
        units: status.units,
        bytes: status.bytes,
        video_bps: status.video_bps,
        bps_history: status.bps_history.to_vec(),
        keyframe_interval_ms: status.keyframe_interval_ms,
        audio_bps: status.audio_bps,
        video: status.video.as_ref().map(media::video),
        audio: status.audio.as_ref().map(media::audio),
        dropped: Dropped {
            overlap: status.dropped_overlap,
            oversize: status.dropped_oversize,
            time: status.dropped_time,
        },
        filled_audio: status.filled_audio,
        is_filling: status.is_filling,
        ring_bytes: status.ring_bytes,
        ring_ms: status.ring_ms,
    }
}

/// The MPEG-TS input.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Udp<'a> {
    listen: &'a str,
    receiving: bool,
    /// Its address.
    sender: Option<&'a str>,
    receive_buffer_bytes: u64,
    datagrams: u64,
    bytes: u64,
    bps: u64,
    kernel_drops: u64,
    refused_network: u64,
    ignored_sender: u64,
    over_rate: u64,
    ahead_units: u64,
    #[serde(flatten)]
    counters: TsCounters,
    /// `no_table`, `waiting`, `absent` (the chosen one is not in the stream) or `taken`.
    #[cfg_attr(test, schemars(extend("enum" = ["no_table", "waiting", "absent", "taken"])))]
    programme_state: &'static str,
    programme_number: Option<u16>,
    programmes: u64,
    streams: &'a [TsStream],
    reason: Option<ReasonAnswer<'a>>,
    sound_reason: Option<ReasonAnswer<'a>>,
}

fn udp(status: &UdpStatus, moment: Moment) -> Udp<'_> {
    let (programme_state, programme_number) = match status.programme {
        ProgrammeState::NoTable => ("no_table", None),
        ProgrammeState::Waiting => ("waiting", None),
        ProgrammeState::Absent(number) => ("absent", Some(number)),
        ProgrammeState::Taken(number) => ("taken", Some(number)),
    };
    Udp {
        listen: &status.listen,
        receiving: status.receiving,
        sender: status.sender.as_deref(),
        receive_buffer_bytes: status.receive_buffer_bytes,
        datagrams: status.datagrams,
        bytes: status.bytes,
        bps: status.bps,
        kernel_drops: status.kernel_drops,
        refused_network: status.refused_network,
        ignored_sender: status.ignored_sender,
        over_rate: status.over_rate,
        ahead_units: status.ahead_units,
        counters: status.counters,
        programme_state,
        programme_number,
        programmes: status.programmes,
        streams: &status.streams,
        reason: reason(status.reason.as_ref(), moment),
        sound_reason: reason(status.sound_reason.as_ref(), moment),
    }
}

/// The RTMP server.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Rtmp<'a> {
    listen: &'a str,
    /// RTMPS is taken on the same port: there is a certificate.
    tls: bool,
    accepted: u64,
    refused_full: u64,
    /// Viewers, when few seats were left and their address held its share.
    refused_share: u64,
    refused: u64,
    protocol_errors: u64,
    closed_slow: u64,
    /// Viewers that answered no ping and nothing else.
    closed_unheard: u64,
    /// Viewers that made room for others when all seats were taken.
    closed_for_others: u64,
    skips: u64,
    /// On all connections.
    bytes_in: u64,
    bps_in: u64,
    viewer_bytes_in: u64,
    bytes_out: u64,
    bps_out: u64,
    /// Of the last minutes, the latest first.
    #[cfg_attr(test, schemars(length(max = RTMP_REFUSALS_MAX)))]
    refusals: Vec<RefusalAnswer<'a>>,
}

fn rtmp(status: &RtmpServerStatus, moment: Moment) -> Rtmp<'_> {
    Rtmp {
        listen: &status.listen,
        tls: status.tls,
        accepted: status.accepted,
        refused_full: status.refused_full,
        refused_share: status.refused_share,
        refused: status.refused,
        protocol_errors: status.protocol_errors,
        closed_slow: status.closed_slow,
        closed_unheard: status.closed_unheard,
        closed_for_others: status.closed_for_others,
        skips: status.skips,
        bytes_in: status.bytes_in,
        bps_in: status.bps_in,
        viewer_bytes_in: status.viewer_bytes_in,
        bytes_out: status.bytes_out,
        bps_out: status.bps_out,
        refusals: status.refusals.iter().map(|each| refusal(each, moment)).collect(),
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Viewer<'a> {
    id: u64,
    address: &'a str,
    agent: &'a str,
    /// By RTMPS.
    encrypted: bool,
    since: CivilTime,
    bytes_in: u64,
    bytes_out: u64,
    timestamp_ms: u32,
    av_sync_ms: i64,
    lag_ms: u64,
    dropped: u64,
    paused: bool,
}

fn viewer(status: &ViewerStatus, moment: Moment) -> Viewer<'_> {
    Viewer {
        id: status.id,
        address: &status.address,
        agent: &status.agent,
        encrypted: status.encrypted,
        since: moment.civil(status.since),
        bytes_in: status.bytes_in,
        bytes_out: status.bytes_out,
        timestamp_ms: status.timestamp_ms,
        av_sync_ms: status.av_sync_ms,
        lag_ms: status.lag_ms,
        dropped: status.dropped,
        paused: status.paused,
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "DestinationStatus"))]
struct DestinationAnswer<'a> {
    name: &'a str,
    /// Never with the key.
    url: &'a str,
    #[cfg_attr(test, schemars(with = "schemas::DestinationState"))]
    state: &'static str,
    since: CivilTime,
    retry_in_s: Option<u64>,
    detail: &'a str,
    bytes_out: u64,
    bps: u64,
    /// Media bytes sent in this session, or in the last one.
    session_bytes: u64,
    sessions: u64,
    reconnects: u64,
    /// Round-trip time of its connection.
    rtt_ms: Option<f64>,
    /// TCP segments sent again.
    retransmits: u64,
    /// The server's last status, error or goodbye.
    last_words: &'a str,
    skips: u64,
    /// Units that came too late for the order of time: sent with a later time, or, sound, left
    /// out.
    late: u64,
    lag_ms: u64,
}

fn destination(status: &DestinationStatus, moment: Moment) -> DestinationAnswer<'_> {
    DestinationAnswer {
        name: &status.name,
        url: &status.url,
        state: status.state.name(),
        since: moment.civil(status.since),
        retry_in_s: status.retry_at.map(|at| moment.seconds_until(at)),
        detail: &status.detail,
        bytes_out: status.bytes_out,
        bps: status.bps,
        session_bytes: status.session_bytes,
        sessions: status.sessions,
        reconnects: status.reconnects,
        rtt_ms: status.rtt_ms,
        retransmits: status.retransmits,
        last_words: &status.last_words,
        skips: status.skips,
        late: status.late,
        lag_ms: status.lag_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Mono;
    use crate::control::api::sample;
    use serde_json::{json, Value};

    fn told(snapshot: &Snapshot, moment: Moment) -> Value {
        let health = judge(snapshot, &moment.figures(), moment.now);
        serde_json::to_value(status(snapshot, &health, moment)).unwrap()
    }

    #[test]
    fn the_original_fields_stand_with_their_types() {
        let value = told(&sample::on_air(), sample::MOMENT);
        assert_eq!(value["stream_status"], "streaming");
        assert_eq!(value["current_video"], "udp");
        assert_eq!(value["current_video_source"], "udp");
        let process = json!({
            "udp_streaming_running": true, "udp_sender_pid": 4711, "is_switching": false
        });
        assert_eq!(value["process_status"], process);
        assert_eq!(value["googledrive_available"], false);
        assert_eq!(value["timestamp"], "2026-11-22T12:27:54.018Z");
    }

    #[test]
    fn a_stuck_data_plane_is_an_error() {
        let late = Moment { now: Mono::from_ms(3_700_000), ..sample::MOMENT };
        let value = told(&sample::on_air(), late);
        assert_eq!(value["stream_status"], "error");
        assert_eq!(value["current_video"], Value::Null);
        assert_eq!(value["health"], "unhealthy");
    }

    #[test]
    fn times_are_told_as_civil_time_and_pauses_as_seconds() {
        let value = told(&sample::on_air(), sample::MOMENT);
        assert_eq!(value["programme"]["since"], "2026-11-22T11:37:54.018Z");
        assert_eq!(value["destinations"][1]["retry_in_s"], 5);
        assert_eq!(value["destinations"][0]["retry_in_s"], Value::Null);
    }

    #[test]
    fn viewers_beyond_the_list_are_counted() {
        let mut snapshot = sample::on_air();
        snapshot.viewers = vec![snapshot.viewers[0].clone(); HTTP_VIEWERS_LISTED_MAX + 1];
        let value = told(&snapshot, sample::MOMENT);
        assert_eq!(value["viewer_count"], HTTP_VIEWERS_LISTED_MAX + 1);
        assert_eq!(value["viewers"].as_array().unwrap().len(), HTTP_VIEWERS_LISTED_MAX);
    }
}
