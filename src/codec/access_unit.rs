//! What every source delivers: access units of two tracks, in the shape FLV stores them.
//! Purpose: the one interface between those who take formats apart (TS demux, file readers, the
//! standby card) and the one who stores (the programme). Bytes pass through it once, borrowed.
//! Non-goals: storing, timing policy.

use crate::base::limits::{PARAMETER_SETS_MAX, TRACK_CONFIG_BYTES_MAX};
use crate::base::time::Ticks;

/// The tracks of a programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// H.264 access units: NAL units, each behind its 4-byte length (ISO/IEC 14496-15, 5.3.4.2).
    Video,
    /// AAC frames without ADTS header (ISO/IEC 14496-3).
    Audio,
}

impl Track {
    /// Both tracks.
    pub const ALL: [Track; 2] = [Track::Video, Track::Audio];
}

/// What is known of an access unit when its first byte comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitStart {
    /// The track it belongs to.
    pub track: Track,
    /// Decoding time in the source's own clock, 90 kHz, unwrapped.
    pub dts: Ticks,
    /// Presentation time in the same clock; never before `dts`.
    pub pts: Ticks,
    /// A decoder can start here: a video IDR. Audio is never a key unit.
    pub key: bool,
}

/// Takes access units as their bytes arrive. At most one unit per track is open at a time; the
/// producer closes it by [`commit`](UnitSink::commit) or [`abort`](UnitSink::abort) before it
/// begins the next of that track. A unit that grows past the sink's limit is dropped by the sink;
/// the producer need not know.
pub trait UnitSink {
    /// From the next unit of its track on, `config` holds. Called only when it differs by meaning
    /// from the one before, and never while a unit of that track is open.
    fn config(&mut self, config: &TrackConfig);
    /// Opens a unit.
    fn begin(&mut self, start: UnitStart);
    /// Appends payload to the track's open unit.
    fn write(&mut self, track: Track, bytes: &[u8]);
    /// Overwrites four bytes already written, `offset` bytes behind the open unit's beginning:
    /// a NAL unit's length, once its end is known.
    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]);
    /// The track's open unit is whole.
    fn commit(&mut self, track: Track);
    /// The track's open unit is broken; nothing of it may leave.
    fn abort(&mut self, track: Track);
}

/// A track's decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum TrackConfig {
    /// H.264.
    Avc(AvcConfig),
    /// AAC.
    Aac(AacConfig),
}

impl TrackConfig {
    /// The track it configures.
    pub const fn track(&self) -> Track {
        match self {
            TrackConfig::Avc(_) => Track::Video,
            TrackConfig::Aac(_) => Track::Audio,
        }
    }

    /// The record as FLV and MP4 store it: AVCDecoderConfigurationRecord (ISO/IEC 14496-15,
    /// 5.3.3.1) or AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1).
    pub fn record(&self) -> &[u8] {
        match self {
            TrackConfig::Avc(avc) => &avc.record,
            TrackConfig::Aac(aac) => &aac.record,
        }
    }
}

/// The bytes of a decoder configuration record.
pub type ConfigRecord = heapless::Vec<u8, TRACK_CONFIG_BYTES_MAX>;

/// What an H.264 track's parameter sets say.
#[derive(Clone, Debug, PartialEq)]
pub struct AvcConfig {
    /// AVCDecoderConfigurationRecord, at most [`PARAMETER_SETS_MAX`] sets of each kind.
    pub record: ConfigRecord,
    /// Width in pixels, cropping applied.
    pub width: u32,
    /// Height in pixels, cropping applied.
    pub height: u32,
    /// Frames per second, 0 when the SPS does not say.
    pub frame_rate: f64,
    /// profile_idc of the SPS.
    pub profile_idc: u8,
    /// The constraint flags byte behind it.
    pub constraints: u8,
    /// level_idc: ten times the level.
    pub level_idc: u8,
}

const _: () = assert!(PARAMETER_SETS_MAX <= 31, "the record counts SPS in 5 bits");

/// What an AAC track's AudioSpecificConfig says.
#[derive(Clone, Debug, PartialEq)]
pub struct AacConfig {
    /// AudioSpecificConfig.
    pub record: ConfigRecord,
    /// Audio object type: 2 is LC.
    pub object_type: u8,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// Channels.
    pub channels: u8,
}
