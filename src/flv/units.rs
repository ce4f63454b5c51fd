//! FLV tag bodies, which are RTMP's audio and video messages, into access units as their bytes
//! arrive. Purpose: publishers, pulls and files all deliver through it; payload is checked and
//! passed on, never kept. Non-goals: Enhanced RTMP and codecs other than H.264 and AAC, which are
//! named; smoothing of audio times, which milliseconds make uneven. Bound: two decoder
//! configuration records (`TRACK_CONFIG_BYTES_MAX`), two headers, the head of an access unit.
//!
//! FrameType (Adobe FLV specification 10.1, E.4.3.1) is not looked at: there are publishers that
//! mark every frame as a key frame, and others that mark none (HaishinKit #1515). The NAL units
//! say what a unit is; they may also hold the only parameter sets (SRS #2994).

use crate::base::limits::COMPOSITION_TICKS_MAX;
use crate::base::time::Ticks;
use crate::codec::access_unit::{
    AacConfig, AvcConfig, ConfigRecord, Track, TrackConfig, UnitSink, UnitStart,
};
use crate::codec::length_units::{LengthUnits, UnitOutcome};
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
enum TagBody {
    /// More of the header is needed.
    Unknown,
    Record,
    Unit {
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
    /// Of video: what makes units of its messages. On the heap: its parameter sets take some 14 KiB,
    /// and readers of files are built and moved on stacks of `THREAD_STACK_BYTES`.
    pictures: Option<Box<LengthUnits>>,
    /// Of audio: what the last sequence header says that could be used, and whether that was the
    /// last.
    sound: Option<AacConfig>,
    usable: bool,
    /// The sink has heard of it.
    announced: bool,
    complaint: Option<Complaint>,
    /// A key unit of video came, and nothing had said what to decode it with.
    lacks_sets: bool,
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
            pictures: (track == Track::Video).then(Box::default),
            sound: None,
            usable: false,
            announced: false,
            complaint: None,
            lacks_sets: false,
        }
    }

    fn complain(&mut self, complaint: Complaint) {
        self.complaint.get_or_insert(complaint);
    }

    fn body(&self) -> TagBody {
        match self.track {
            Track::Video => video_body(&self.head),
            Track::Audio => audio_body(&self.head),
        }
    }

    /// The header may be whole: what follows it begins.
    fn behind_head<S: UnitSink + ?Sized>(&mut self, counters: &mut TagCounters, sink: &mut S) {
        match self.body() {
            TagBody::Unknown => {}
            TagBody::Record => {
                self.record.clear();
                self.phase = Phase::Record;
            }
            TagBody::Ignored => self.phase = Phase::Skip,
            TagBody::Refused(complaint) => {
                self.complain(complaint);
                counters.not_carried += 1;
                self.phase = Phase::Skip;
            }
            TagBody::Unit { .. } if self.left == 0 => self.phase = Phase::Skip,
            TagBody::Unit { composition_ms } => self.begin_unit(composition_ms, counters, sink),
        }
    }

    fn begin_unit<S: UnitSink + ?Sized>(
        &mut self,
        composition_ms: i32,
        counters: &mut TagCounters,
        sink: &mut S,
    ) {
        let ticks = Ticks::from_ms(i64::from(composition_ms));
        let believed = (0..=COMPOSITION_TICKS_MAX).contains(&ticks.0);
        counters.corrected_times += u64::from(!believed);
        let (dts, pts) = (self.dts, if believed { self.dts + ticks } else { self.dts });
        self.phase = Phase::Unit;
        if let Some(pictures) = &mut self.pictures {
            pictures.begin(dts, pts, self.left, sink);
        } else if self.usable {
            self.announce(sink);
            sink.begin(UnitStart { track: self.track, dts, pts, key: false });
        } else {
            counters.unconfigured += 1;
            self.phase = Phase::Skip;
        }
    }

    /// Says what the sound is. What the picture is, its units say.
    fn announce<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        if let Some(config) = self.sound.as_ref().filter(|_| !self.announced) {
            sink.config(&TrackConfig::Aac(config.clone()));
            self.announced = true;
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
                self.take_record(true, sink);
                self.phase = Phase::Skip;
            }
            Phase::Unit => match &mut self.pictures {
                Some(pictures) => pictures.data(bytes, sink),
                None => sink.write(Track::Audio, bytes),
            },
            _ => {}
        }
    }

    /// The open unit is over; all its bytes have come, or they will not.
    fn close<S: UnitSink + ?Sized>(
        &mut self,
        came_whole: bool,
        counters: &mut TagCounters,
        sink: &mut S,
    ) {
        if std::mem::replace(&mut self.phase, Phase::Idle) != Phase::Unit {
            return;
        }
        let outcome = match &mut self.pictures {
            Some(pictures) if came_whole => pictures.end(sink),
            Some(pictures) => pictures.abort(sink).unwrap_or(UnitOutcome::Broken),
            None if came_whole => {
                sink.commit(Track::Audio);
                UnitOutcome::Whole
            }
            None => {
                sink.abort(Track::Audio);
                UnitOutcome::Broken
            }
        };
        match outcome {
            UnitOutcome::Whole => {
                counters.units += 1;
                self.lacks_sets = false;
                self.complaint = self.complaint.filter(|complaint| !complaint.is_over());
            }
            UnitOutcome::Held => {}
            UnitOutcome::Broken => counters.broken += 1,
            UnitOutcome::Unconfigured { key } => {
                counters.unconfigured += 1;
                self.lacks_sets |= key;
            }
        }
    }

    fn end<S: UnitSink + ?Sized>(&mut self, counters: &mut TagCounters, sink: &mut S) {
        let came_whole = self.left == 0;
        if self.phase == Phase::Record && came_whole {
            self.take_record(false, sink);
        }
        self.close(came_whole, counters, sink);
    }

    /// A sequence header is whole, or larger than any that can be used.
    fn take_record<S: UnitSink + ?Sized>(&mut self, is_excessive: bool, sink: &mut S) {
        let read = match &mut self.pictures {
            Some(pictures) => {
                let read = match is_excessive {
                    true => Err(AvcRecordError::Limit),
                    false => AvcConfig::with_length_size(&self.record),
                };
                // NAL unit lengths leave with four bytes whatever the record says of them.
                let length_bytes = AvcConfig::length_size(&self.record);
                pictures.set_record(read.as_ref().ok().map(|(config, _)| config), length_bytes);
                read.map(|_| ()).map_err(Complaint::VideoRecord)
            }
            None => self.take_sound(is_excessive).map_err(Complaint::AudioRecord),
        };
        match read {
            Ok(()) => {
                self.complaint = None;
                self.announce(sink);
            }
            Err(complaint) => self.complain(complaint),
        }
    }

    fn take_sound(&mut self, is_excessive: bool) -> Result<(), AacRecordError> {
        let read = match is_excessive {
            true => Err(AacRecordError::Limit),
            false => AacConfig::from_record(&self.record),
        };
        self.usable = read.is_ok();
        let config = read?;
        if self.sound.as_ref() != Some(&config) {
            self.sound = Some(config);
            self.announced = false;
        }
        Ok(())
    }
}

fn video_body(head: &[u8]) -> TagBody {
    if let [first, rest @ ..] = head {
        if first & 0x80 != 0 {
            let four_cc = rest.first_chunk().copied();
            return four_cc.map_or(TagBody::Unknown, |four_cc| {
                TagBody::Refused(Complaint::Enhanced(Track::Video, four_cc))
            });
        }
    }
    match parse_video(head) {
        Ok((VideoHeader { packet, composition_ms, .. }, _)) => match packet {
            AvcPacket::SequenceHeader => TagBody::Record,
            AvcPacket::Nalu => TagBody::Unit { composition_ms },
            AvcPacket::EndOfSequence => TagBody::Ignored,
        },
        Err(TagError::Truncated) => TagBody::Unknown,
        Err(TagError::VideoCodec(id)) => TagBody::Refused(Complaint::VideoCodec(id)),
        Err(_) => TagBody::Ignored,
    }
}

fn audio_body(head: &[u8]) -> TagBody {
    match parse_audio(head) {
        Ok((AacPacket::SequenceHeader, _)) => TagBody::Record,
        Ok((AacPacket::Raw, _)) => TagBody::Unit { composition_ms: 0 },
        Err(TagError::Truncated) => TagBody::Unknown,
        Err(TagError::AudioFormat(FORMAT_ENHANCED)) => {
            let four_cc = head.get(1..).and_then(<[u8]>::first_chunk).copied();
            four_cc.map_or(TagBody::Unknown, |four_cc| {
                TagBody::Refused(Complaint::Enhanced(Track::Audio, four_cc))
            })
        }
        Err(TagError::AudioFormat(id)) => TagBody::Refused(Complaint::AudioFormat(id)),
        Err(_) => TagBody::Ignored,
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

    /// At the beginning of a file, where a decoder is known to be able to start at what its first
    /// tags hold.
    pub fn of_file() -> TagUnits {
        let mut units = TagUnits::new();
        if let Some(pictures) = &mut units.video.pictures {
            pictures.expect_entry();
        }
        units
    }

    /// Bytes of the length before each NAL unit.
    pub fn length_bytes(&self) -> u8 {
        self.video.pictures.as_deref().map_or(4, LengthUnits::length_bytes)
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
            lane.announced = false;
            if let Some(pictures) = &mut lane.pictures {
                pictures.restart(sink);
            }
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

    /// Key units of video come, and parameter sets neither in a sequence header nor in them.
    pub fn lacks_parameter_sets(&self) -> bool {
        self.video.lacks_sets
    }

    /// The video configuration in force.
    pub fn video(&self) -> Option<&AvcConfig> {
        self.video.pictures.as_deref().and_then(LengthUnits::config)
    }

    /// The audio configuration in force.
    pub fn audio(&self) -> Option<&AacConfig> {
        self.audio.sound.as_ref().filter(|_| self.audio.usable)
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
