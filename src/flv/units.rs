//! FLV tag bodies, which are RTMP's audio and video messages, into access units as their bytes
//! arrive. Purpose: publishers, pulls and files all deliver through it; payload is checked and
//! passed on, never kept. Non-goals: Enhanced RTMP and codecs other than H.264 and AAC, which are
//! named; smoothing of audio times, which milliseconds make uneven. Bound: two decoder
//! configuration records (`TRACK_CONFIG_BYTES_MAX`), two headers.
//!
//! A video unit is a key unit when its FrameType says so (Adobe FLV specification 10.1, E.4.3.1):
//! the sink is told before the payload comes, and what writers call a key frame is one in H.264.

use crate::base::limits::COMPOSITION_TICKS_MAX;
use crate::base::time::Ticks;
use crate::codec::access_unit::{
    AacConfig, AvcConfig, ConfigRecord, Track, TrackConfig, UnitSink, UnitStart,
};
use crate::codec::nal_lengths::NalLengths;
use crate::codec::{AacRecordError, AvcRecordError};

use super::complaint::Complaint;
use super::reader::TagKind;
use super::tag::{parse_audio, parse_video, AacPacket, AvcPacket, TagError, VideoHeader};

/// The longest header: five bytes of AVC or of Enhanced RTMP, FourCC included.
const HEAD_BYTES_MAX: usize = 5;
/// SoundFormat of an audio tag with an Enhanced RTMP header.
const FORMAT_ENHANCED: u8 = 9;

/// What the tags came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagCounters {
    /// Access units handed over whole.
    pub units: u64,
    /// Units given up: cut short, abandoned, or with NAL unit lengths that do not add up.
    pub broken: u64,
    /// Tags left out because their codec is not carried.
    pub not_carried: u64,
    /// Units left out because no usable sequence header had come.
    pub unconfigured: u64,
    /// Presentation times before the decoding time, or absurdly far behind it, that were put
    /// right (MediaMTX #5226).
    pub corrected_times: u64,
}

/// What is done with the open tag's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No tag is open.
    Idle,
    /// The header is not whole.
    Head,
    /// A sequence header is collected.
    Record,
    /// The sink has a unit open.
    Unit,
    /// They are let pass.
    Skip,
}

/// What a header says of the body behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// More of the header is needed.
    Unknown,
    Record,
    Unit {
        key: bool,
        composition_ms: i32,
    },
    /// Nothing of use: command frames, ends of sequence, packet types to come.
    Ignored,
    Refused(Complaint),
}

/// One of the two kinds of tags that carry media.
#[derive(Debug)]
struct Lane {
    track: Track,
    phase: Phase,
    /// Bytes of the open tag's body still to come.
    left: usize,
    dts: Ticks,
    head: heapless::Vec<u8, HEAD_BYTES_MAX>,
    record: ConfigRecord,
    nals: NalLengths,
    config: Option<TrackConfig>,
    /// The last sequence header could be used.
    usable: bool,
    /// The sink has heard of the configuration.
    told: bool,
    complaint: Option<Complaint>,
}

impl Lane {
    fn new(track: Track) -> Lane {
        Lane {
            track,
            phase: Phase::Idle,
            left: 0,
            dts: Ticks(0),
            head: heapless::Vec::new(),
            record: ConfigRecord::new(),
            nals: NalLengths::new(4),
            config: None,
            usable: false,
            told: false,
            complaint: None,
        }
    }

    fn complain(&mut self, complaint: Complaint) {
        self.complaint.get_or_insert(complaint);
    }

    fn body(&self) -> Body {
        match self.track {
            Track::Video => video_body(&self.head),
            Track::Audio => audio_body(&self.head),
        }
    }

    /// The header may be whole: what follows it begins.
    fn behind_head<S: UnitSink + ?Sized>(&mut self, counters: &mut TagCounters, sink: &mut S) {
        match self.body() {
            Body::Unknown => {}
            Body::Record => {
                self.record.clear();
                self.phase = Phase::Record;
            }
            Body::Ignored => self.phase = Phase::Skip,
            Body::Refused(complaint) => {
                self.complain(complaint);
                counters.not_carried += 1;
                self.phase = Phase::Skip;
            }
            Body::Unit { .. } if self.left == 0 => self.phase = Phase::Skip,
            Body::Unit { .. } if !self.usable => {
                counters.unconfigured += 1;
                self.phase = Phase::Skip;
            }
            Body::Unit { key, composition_ms } => {
                let ticks = Ticks::from_ms(i64::from(composition_ms));
                let believed = (0..=COMPOSITION_TICKS_MAX).contains(&ticks.0);
                counters.corrected_times += u64::from(!believed);
                let pts = if believed { self.dts + ticks } else { self.dts };
                self.tell(sink);
                sink.begin(UnitStart { track: self.track, dts: self.dts, pts, key });
                self.nals.begin(self.left);
                self.phase = Phase::Unit;
            }
        }
    }

    fn tell<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        if let Some(config) = self.config.as_ref().filter(|_| !self.told) {
            sink.config(config);
            self.told = true;
        }
    }

    fn data<S: UnitSink + ?Sized>(
        &mut self,
        bytes: &[u8],
        counters: &mut TagCounters,
        sink: &mut S,
    ) {
        let mut bytes = bytes.get(..self.left).unwrap_or(bytes);
        while self.phase == Phase::Head {
            let Some((&byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            self.left -= 1;
            // Full, it is never `Unknown`, so there is room.
            let _ = self.head.push(byte);
            self.behind_head(counters, sink);
        }
        self.left -= bytes.len();
        match self.phase {
            Phase::Record if self.record.extend_from_slice(bytes).is_err() => {
                self.usable = false;
                self.complain(match self.track {
                    Track::Video => Complaint::VideoRecord(AvcRecordError::Limit),
                    Track::Audio => Complaint::AudioRecord(AacRecordError::Limit),
                });
                self.phase = Phase::Skip;
            }
            Phase::Unit if self.track == Track::Audio => sink.write(Track::Audio, bytes),
            Phase::Unit if self.nals.data(bytes, sink).is_err() => {
                self.close(false, counters, sink);
                self.phase = Phase::Skip;
            }
            _ => {}
        }
    }

    /// Closes what the sink has open.
    fn close<S: UnitSink + ?Sized>(
        &mut self,
        whole: bool,
        counters: &mut TagCounters,
        sink: &mut S,
    ) {
        if self.phase == Phase::Unit {
            if whole {
                sink.commit(self.track);
                counters.units += 1;
            } else {
                sink.abort(self.track);
                counters.broken += 1;
            }
        }
        self.phase = Phase::Idle;
    }

    fn end<S: UnitSink + ?Sized>(&mut self, counters: &mut TagCounters, sink: &mut S) {
        let came_whole = self.left == 0;
        if self.phase == Phase::Record && came_whole {
            self.take_record(sink);
        }
        let whole = came_whole && (self.track == Track::Audio || self.nals.is_whole());
        self.close(whole, counters, sink);
    }

    /// A sequence header is whole.
    fn take_record<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        let read = match self.track {
            Track::Video => self.read_avc(),
            Track::Audio => AacConfig::from_record(&self.record)
                .map(TrackConfig::Aac)
                .map_err(Complaint::AudioRecord),
        };
        self.usable = read.is_ok();
        match read {
            Ok(config) if self.config.as_ref() == Some(&config) => {}
            Ok(config) => {
                self.config = Some(config);
                self.told = false;
            }
            Err(complaint) => self.complain(complaint),
        }
        if self.usable {
            self.complaint = None;
            self.tell(sink);
        }
    }

    /// Reads an AVCDecoderConfigurationRecord. NAL unit lengths leave with four bytes whatever it
    /// says of them.
    fn read_avc(&mut self) -> Result<TrackConfig, Complaint> {
        let read = AvcConfig::with_length_size(&self.record);
        let (config, length_bytes) = read.map_err(Complaint::VideoRecord)?;
        self.nals = NalLengths::new(length_bytes);
        Ok(TrackConfig::Avc(config))
    }
}

fn video_body(head: &[u8]) -> Body {
    if let [first, rest @ ..] = head {
        if first & 0x80 != 0 {
            let four_cc = rest.first_chunk().copied();
            return four_cc.map_or(Body::Unknown, |four_cc| {
                Body::Refused(Complaint::Enhanced(Track::Video, four_cc))
            });
        }
    }
    match parse_video(head) {
        Ok((VideoHeader { key, packet, composition_ms }, _)) => match packet {
            AvcPacket::SequenceHeader => Body::Record,
            AvcPacket::Nalu => Body::Unit { key, composition_ms },
            AvcPacket::EndOfSequence => Body::Ignored,
        },
        Err(TagError::Truncated) => Body::Unknown,
        Err(TagError::VideoCodec(id)) => Body::Refused(Complaint::VideoCodec(id)),
        Err(_) => Body::Ignored,
    }
}

fn audio_body(head: &[u8]) -> Body {
    match parse_audio(head) {
        Ok((AacPacket::SequenceHeader, _)) => Body::Record,
        Ok((AacPacket::Raw, _)) => Body::Unit { key: false, composition_ms: 0 },
        Err(TagError::Truncated) => Body::Unknown,
        Err(TagError::AudioFormat(FORMAT_ENHANCED)) => {
            let four_cc = head.get(1..).and_then(<[u8]>::first_chunk).copied();
            four_cc.map_or(Body::Unknown, |four_cc| {
                Body::Refused(Complaint::Enhanced(Track::Audio, four_cc))
            })
        }
        Err(TagError::AudioFormat(id)) => Body::Refused(Complaint::AudioFormat(id)),
        Err(_) => Body::Ignored,
    }
}

/// Takes the tags of one stream. One of each kind may be open at a time, as RTMP interleaves them;
/// script tags are let pass.
#[derive(Debug)]
pub struct TagUnits {
    video: Lane,
    audio: Lane,
    /// The last tag's timestamp, milliseconds, unwrapped.
    clock_ms: i64,
    counters: TagCounters,
}

impl Default for TagUnits {
    fn default() -> TagUnits {
        TagUnits::new()
    }
}

impl TagUnits {
    /// At the beginning of a stream.
    pub fn new() -> TagUnits {
        TagUnits {
            video: Lane::new(Track::Video),
            audio: Lane::new(Track::Audio),
            clock_ms: 0,
            counters: TagCounters::default(),
        }
    }

    /// A tag with a body of so many bytes begins. Its timestamp, milliseconds, is the nearest to
    /// the tag's before it, whatever its kind, that the 32 bits can mean, so they may wrap and
    /// step back. An open tag of the same kind is abandoned.
    pub fn begin<S: UnitSink + ?Sized>(
        &mut self,
        kind: TagKind,
        timestamp_ms: u32,
        bytes: usize,
        sink: &mut S,
    ) {
        self.abort(kind, sink);
        let Some(lane) = lane(kind, &mut self.video, &mut self.audio) else { return };
        let bits = i64::from(timestamp_ms).wrapping_sub(self.clock_ms) & 0xffff_ffff;
        let step = if bits < 1 << 31 { bits } else { bits - (1 << 32) };
        self.clock_ms = self.clock_ms.saturating_add(step);
        lane.dts = Ticks::from_ms(self.clock_ms);
        lane.left = bytes;
        lane.head.clear();
        lane.phase = Phase::Head;
    }

    /// The next bytes of the open tag of this kind. Bytes beyond its length are let pass.
    pub fn data<S: UnitSink + ?Sized>(&mut self, kind: TagKind, bytes: &[u8], sink: &mut S) {
        if let Some(lane) = lane(kind, &mut self.video, &mut self.audio) {
            lane.data(bytes, &mut self.counters, sink);
        }
    }

    /// The open tag of this kind is over. One whose bytes did not all come is broken.
    pub fn end<S: UnitSink + ?Sized>(&mut self, kind: TagKind, sink: &mut S) {
        if let Some(lane) = lane(kind, &mut self.video, &mut self.audio) {
            lane.end(&mut self.counters, sink);
        }
    }

    /// The open tag of this kind will not be finished.
    pub fn abort<S: UnitSink + ?Sized>(&mut self, kind: TagKind, sink: &mut S) {
        if let Some(lane) = lane(kind, &mut self.video, &mut self.audio) {
            lane.close(false, &mut self.counters, sink);
        }
    }

    /// What is open is abandoned, and the sink hears of the configurations again before the next
    /// units: the tags go on from another place.
    pub fn restart<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        for lane in [&mut self.video, &mut self.audio] {
            lane.close(false, &mut self.counters, sink);
            lane.told = false;
        }
    }

    /// What the tags came to so far.
    pub fn counters(&self) -> TagCounters {
        self.counters
    }

    /// Why a track is not carried: the first reason since its last usable sequence header.
    pub fn complaint(&self, track: Track) -> Option<Complaint> {
        match track {
            Track::Video => self.video.complaint,
            Track::Audio => self.audio.complaint,
        }
    }

    /// The video configuration in force.
    pub fn video(&self) -> Option<&AvcConfig> {
        match self.video.config.as_ref().filter(|_| self.video.usable) {
            Some(TrackConfig::Avc(config)) => Some(config),
            _ => None,
        }
    }

    /// The audio configuration in force.
    pub fn audio(&self) -> Option<&AacConfig> {
        match self.audio.config.as_ref().filter(|_| self.audio.usable) {
            Some(TrackConfig::Aac(config)) => Some(config),
            _ => None,
        }
    }
}

fn lane<'a>(kind: TagKind, video: &'a mut Lane, audio: &'a mut Lane) -> Option<&'a mut Lane> {
    match kind {
        TagKind::Video => Some(video),
        TagKind::Audio => Some(audio),
        TagKind::Script => None,
    }
}

#[cfg(test)]
#[path = "units_tests.rs"]
mod tests;
