//! The state of the whole, as the data plane last told it. Purpose: what the control plane knows of
//! the data plane it reads here; neither side ever waits for the other. Bounds: viewers and destinations by
//! their limits; texts by [`TEXT_BYTES_MAX`]. No secret is ever put in here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, TryLockError};

use serde::Serialize;

use super::commands::{FileName, Playlist};
use super::reason::Reason;
use crate::base::history::BpsSamples;
use crate::base::time::Mono;
use crate::codec::access_unit::{AacConfig, AvcConfig};
pub use crate::program::source::Source;
use crate::rtmp::server::RtmpRefusal;
pub use crate::system::text::{text, Text, TEXT_BYTES_MAX};
use crate::ts::demux::{ProgrammeState, StreamInfo, TsCounters};

/// The state of the whole.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When it was taken.
    pub taken: Mono,
    /// The programme.
    pub programme: ProgrammeStatus,
    /// The UDP input.
    pub udp: UdpStatus,
    /// The RTMP publisher, if there is one.
    pub publisher: PublisherStatus,
    /// The RTMP pull.
    pub pull: PullStatus,
    /// Playing files.
    pub playout: PlayoutStatus,
    /// The RTMP server as a whole.
    pub rtmp: RtmpServerStatus,
    /// Each viewer.
    pub viewers: Vec<ViewerStatus>,
    /// Each destination, in the order of the configuration.
    pub destinations: Vec<DestinationStatus>,
    /// The previews.
    pub previews: PreviewsStatus,
}

/// The programme.
#[derive(Clone, Debug, Default)]
pub struct ProgrammeStatus {
    /// What is on air.
    pub on_air: Source,
    /// Since when.
    pub on_air_since: Mono,
    /// Cuts since the start, from one source to another or from one file to the next.
    pub cuts: u64,
    /// Programme time of the newest unit, milliseconds.
    pub time_ms: u64,
    /// Access units stored since the start.
    pub units: u64,
    /// Payload bytes stored since the start.
    pub bytes: u64,
    /// Video bit rate over the last 10 s, bit/s.
    pub video_bps: u64,
    /// The video bit rate over the last minutes, oldest first, bit/s.
    pub bps_history: BpsSamples,
    /// The distance of the last two key frames, or how long there has been none if that is
    /// longer, milliseconds; `None` until there were two.
    pub keyframe_interval_ms: Option<u64>,
    /// When the picture's size or the sound's format last changed.
    pub parameters_changed: Option<Mono>,
    /// Audio bit rate over the last 10 s, bit/s.
    pub audio_bps: u64,
    /// Video configuration on air.
    pub video: Option<AvcConfig>,
    /// Audio configuration on air.
    pub audio: Option<AacConfig>,
    /// Units dropped: audio that would overlap at a cut.
    pub dropped_overlap: u64,
    /// Units dropped: larger than an access unit may be.
    pub dropped_oversize: u64,
    /// Units dropped: time that did not fit the source's clock.
    pub dropped_time: u64,
    /// Silent audio units that stood in for audio the source on air did not have.
    pub filled_audio: u64,
    /// Silence stands in for its audio now.
    pub is_filling: bool,
    /// Payload bytes the ring can hold.
    pub ring_bytes: u64,
    /// Media time the ring holds now, milliseconds.
    pub ring_ms: u64,
}

/// The UDP input.
#[derive(Clone, Debug, Default)]
pub struct UdpStatus {
    /// Address and port it listens on.
    pub listen: Text,
    /// Media comes in now.
    pub receiving: bool,
    /// Who sends, while the source lock holds.
    pub sender: Option<Text>,
    /// Receive buffer the kernel granted, bytes.
    pub receive_buffer_bytes: u64,
    /// Datagrams taken.
    pub datagrams: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Bit rate over the last 10 s, bit/s.
    pub bps: u64,
    /// Datagrams the kernel dropped for want of room.
    pub kernel_drops: u64,
    /// Datagrams refused: sender not in the allow-list.
    pub refused_network: u64,
    /// Datagrams ignored: another sender holds the lock.
    pub ignored_sender: u64,
    /// Datagrams left out: the sender exceeds the bit rate taken.
    pub over_rate: u64,
    /// Units left out: media that came faster than it plays.
    pub ahead_units: u64,
    /// What the demultiplexer counted.
    pub counters: TsCounters,
    /// Which programme is taken, or why none is.
    pub programme: ProgrammeState,
    /// Programmes the stream holds.
    pub programmes: u64,
    /// The elementary streams of that programme.
    pub streams: Vec<TsStream>,
    /// Why it is not on air, if something is there.
    pub reason: Option<Reason>,
    /// Why its sound is not, if its sender is there.
    pub sound_reason: Option<Reason>,
}

/// An elementary stream of the transport stream's programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TsStream {
    /// Its PID.
    pub pid: u16,
    /// What it is, for a person.
    pub codec: &'static str,
    /// Units of it have come through.
    pub carried: bool,
    /// Whether it is or will be.
    pub state: TsStreamState,
    /// Why it is not carried, for a person; empty when it is.
    pub reason: &'static str,
}

/// What becomes of an elementary stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum TsStreamState {
    /// Units of it have come through.
    Carried,
    /// It is of a kind that is carried; no unit of it has come through yet.
    Waiting,
    /// It is not carried.
    LeftOut,
}

impl TsStream {
    /// A stream the demultiplexer has found; `came`: units of it have come through.
    pub fn of(info: StreamInfo, came: bool) -> TsStream {
        let StreamInfo { pid, codec, carried, reason } = info;
        let (state, reason) = match (carried, came) {
            (true, true) => (TsStreamState::Carried, reason),
            (true, false) => (TsStreamState::Waiting, "no complete unit of it was received yet"),
            (false, _) => (TsStreamState::LeftOut, reason),
        };
        TsStream { pid, codec, carried: state == TsStreamState::Carried, state, reason }
    }
}

/// The RTMP publisher.
#[derive(Clone, Debug, Default)]
pub struct PublisherStatus {
    /// One is there.
    pub present: bool,
    /// Its address.
    pub address: Text,
    /// What it calls itself.
    pub agent: Text,
    /// By RTMPS.
    pub encrypted: bool,
    /// When it began to publish.
    pub since: Mono,
    /// Media bytes received from it.
    pub bytes: u64,
    /// All bytes received from it.
    pub bytes_in: u64,
    /// Bit rate over the last 10 s, bit/s.
    pub bps: u64,
    /// Video as it announced it.
    pub video: Option<AvcConfig>,
    /// Audio likewise.
    pub audio: Option<AacConfig>,
    /// Why something it sends is not carried, for a person; empty when all is.
    pub detail: Text,
    /// Units of its session left out: broken, or media that came faster than it plays.
    pub left_out: u64,
    /// Publishers refused for a wrong or missing key, since the start.
    pub refused_key: u64,
    /// Why it is not on air, or why who wanted to publish was refused just now.
    pub reason: Option<Reason>,
    /// Why its sound is not.
    pub sound_reason: Option<Reason>,
}

/// The RTMP pull.
#[derive(Clone, Debug, Default)]
pub struct PullStatus {
    /// Scheme, host, port and app; never the key. Empty: no pull is configured.
    pub url: Text,
    /// What it is doing.
    pub state: DestinationState,
    /// Since when.
    pub since: Mono,
    /// When it will be tried again.
    pub retry_at: Option<Mono>,
    /// Why it is not live, for a person.
    pub detail: Text,
    /// Media bytes received.
    pub bytes: u64,
    /// Bit rate over the last 10 s, bit/s.
    pub bps: u64,
    /// Times it went live.
    pub sessions: u64,
    /// Why what it brings is not on air, while the server plays.
    pub reason: Option<Reason>,
    /// Why its sound is not.
    pub sound_reason: Option<Reason>,
}

/// Playing files.
#[derive(Clone, Debug, Default)]
pub struct PlayoutStatus {
    /// What the operator has chosen; `None`: what comes.
    pub choice: Option<Source>,
    /// The file that plays, or is paused.
    pub file: Option<FileName>,
    /// Where it stands, milliseconds.
    pub position_ms: u64,
    /// How long it plays, milliseconds, when known.
    pub duration_ms: Option<u64>,
    /// It plays again and again.
    pub looped: bool,
    /// It waits for its operator, standby is on air.
    pub paused: bool,
    /// A file is being made ready.
    pub switching: bool,
    /// The playlist that plays.
    pub playlist: Option<Text>,
    /// Which of its files, counted from 0 in the list's own order.
    pub index: usize,
    /// The file that comes next.
    pub next: Option<FileName>,
    /// Why the last file could not be played or played on, for a person; empty: it could.
    pub error: Text,
    /// Units left out because they were broken.
    pub left_out: u64,
    /// The lists there are.
    pub playlists: Arc<BTreeMap<String, Arc<Playlist>>>,
}

/// The RTMP server as a whole.
#[derive(Clone, Debug, Default)]
pub struct RtmpServerStatus {
    /// Address and port it listens on.
    pub listen: Text,
    /// RTMPS is taken on it, too.
    pub tls: bool,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Connections refused because a limit was reached.
    pub refused_full: u64,
    /// Viewers refused because few seats were left and their address held its share.
    pub refused_share: u64,
    /// Sessions refused: wrong app, stream or key, or a publisher.
    pub refused: u64,
    /// Sessions closed because the peer broke the protocol.
    pub protocol_errors: u64,
    /// Viewers closed because they fell behind or stalled.
    pub closed_slow: u64,
    /// Viewers closed because they answered nothing.
    pub closed_unheard: u64,
    /// Viewers closed to make room for others: paused, silent, or of an address that held most.
    pub closed_for_others: u64,
    /// Times a viewer was skipped to the newest keyframe.
    pub skips: u64,
    /// Bytes received on all connections: of publishers, viewers and those who are neither yet.
    pub bytes_in: u64,
    /// The same over the last 10 s, bit/s.
    pub bps_in: u64,
    /// Bytes received from viewers.
    pub viewer_bytes_in: u64,
    /// Bytes sent to viewers.
    pub bytes_out: u64,
    /// Bytes sent to viewers over the last 10 s, bit/s.
    pub bps_out: u64,
    /// Who was refused in the last minutes, the latest first.
    pub refusals: Vec<RefusalStatus>,
}

/// Somebody who was refused, however often.
#[derive(Clone, Debug)]
pub struct RefusalStatus {
    /// Why.
    pub refusal: RtmpRefusal,
    /// The address it comes from.
    pub address: Text,
    /// What it calls itself.
    pub agent: Text,
    /// What it asked for; never a key.
    pub asked: Text,
    /// When it was refused first.
    pub first: Mono,
    /// When last.
    pub last: Mono,
    /// How often.
    pub count: u64,
    /// It has published since.
    pub is_resolved: bool,
}

/// One viewer.
#[derive(Clone, Debug, Default)]
pub struct ViewerStatus {
    /// Number given on accepting, counted from 1.
    pub id: u64,
    /// The peer's address.
    pub address: Text,
    /// What it calls itself in `connect` (flashVer).
    pub agent: Text,
    /// By RTMPS.
    pub encrypted: bool,
    /// When it began to play.
    pub since: Mono,
    /// Bytes received from it.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// RTMP timestamp last sent, milliseconds.
    pub timestamp_ms: u32,
    /// Audio's last timestamp minus video's, milliseconds.
    pub av_sync_ms: i64,
    /// How far behind the newest unit, milliseconds.
    pub lag_ms: u64,
    /// Units it did not get because it was skipped forward.
    pub dropped: u64,
    /// It asked to pause.
    pub paused: bool,
}

/// The previews, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Previews"))]
pub struct PreviewsStatus {
    /// Being watched now.
    pub count: usize,
    /// Begun since the start.
    pub served: u64,
    /// Refused because as many were being watched as may be, or memory was short.
    pub refused: u64,
    /// Times one was skipped to the newest key frame.
    pub skips: u64,
    /// Ended because the ring overtook them in the middle of a fragment.
    pub closed_slow: u64,
    /// Bytes handed to the control plane.
    pub bytes_out: u64,
}

/// What a destination is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DestinationState {
    /// Switched off.
    #[default]
    Idle,
    /// Look-up, connect, handshake, publish, or published with no byte taken yet.
    Connecting,
    /// Media bytes flow.
    Live,
    /// Waits until `retry_at` before the next try.
    BackingOff,
    /// The server said no; `detail` has its words. Tried again at `retry_at`.
    Refused,
    /// Not pushed to until the programme is one that the platform takes; `detail` says why.
    Held,
    /// The server agrees and ends the session at once, again and again. Tried again at `retry_at`.
    Rejecting,
    /// The server has agreed and no longer acknowledges what is sent.
    Stalled,
}

impl DestinationState {
    /// The name the API uses.
    pub const fn name(self) -> &'static str {
        match self {
            DestinationState::Idle => "idle",
            DestinationState::Connecting => "connecting",
            DestinationState::Live => "live",
            DestinationState::BackingOff => "backing_off",
            DestinationState::Refused => "refused",
            DestinationState::Held => "held",
            DestinationState::Rejecting => "rejecting",
            DestinationState::Stalled => "stalled",
        }
    }
}

/// One destination.
#[derive(Clone, Debug, Default)]
pub struct DestinationStatus {
    /// Its name in the configuration.
    pub name: Text,
    /// Scheme, host, port and app; never the stream key.
    pub url: Text,
    /// What it is doing.
    pub state: DestinationState,
    /// Since when.
    pub since: Mono,
    /// When it will be tried again.
    pub retry_at: Option<Mono>,
    /// Why it is not live, for a person; peers' words are scrubbed of keys.
    pub detail: Text,
    /// Media bytes sent since the start.
    pub bytes_out: u64,
    /// Bit rate over the last 10 s, bit/s.
    pub bps: u64,
    /// The bit rate over the last minutes, oldest first, bit/s.
    pub bps_history: BpsSamples,
    /// Means over five minutes of the last day, oldest first, kbit/s.
    pub kbps_day: Arc<[u32]>,
    /// Media bytes sent in this session, or in the last one.
    pub session_bytes: u64,
    /// Times it went live again after the first.
    pub reconnects: u64,
    /// Round-trip time of the connection, milliseconds; `None` without a connection.
    pub rtt_ms: Option<f64>,
    /// TCP segments sent again since the start.
    pub retransmits: u64,
    /// What the server said last, without keys; empty: nothing yet.
    pub last_words: Text,
    /// Times it went live.
    pub sessions: u64,
    /// Times it was skipped to the newest keyframe.
    pub skips: u64,
    /// Units that came too late for the order of time: sent with a later time, or, sound, left out.
    pub late: u64,
    /// How far behind the newest unit, milliseconds.
    pub lag_ms: u64,
}

/// Where the snapshot hangs: one writer that never waits, readers that copy.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<Arc<Snapshot>>>);

impl Board {
    /// Hangs up a new snapshot. If a reader holds the board at this very moment the old one stays
    /// until the next time: the data plane does not wait.
    pub fn publish(&self, snapshot: Snapshot) {
        let fresh = Arc::new(snapshot);
        match self.0.try_lock() {
            Ok(mut held) => *held = fresh,
            Err(TryLockError::Poisoned(held)) => *held.into_inner() = fresh,
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// The newest snapshot.
    pub fn read(&self) -> Arc<Snapshot> {
        match self.0.lock() {
            Ok(held) => Arc::clone(&held),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }
}
