//! H.264 access units out of Annex B, as the bytes arrive.
//! Purpose: turn a byte stream, in whatever packets it comes, into access units of length-prefixed
//! NAL units (ISO/IEC 14496-15, 5.3.4.2) without collecting them. Where a unit ends and the next
//! begins its NAL units say (ISO/IEC 14496-10, 7.4.1.2.3 and 7.4.1.2.4), never the packets: an
//! access unit delimiter; parameter sets or SEI behind a slice; the first slice of a new primary
//! picture. What stands before a unit's first slice is held back, because only the slice tells
//! whether the unit is a key unit and whether its configuration is complete; from there every byte
//! goes straight to the sink. All NAL units are passed on unchanged and in order. The two fields of
//! a frame are one unit, unless a delimiter stands between them.
//! Non-goals: decoding, repairing, waiting for a key unit.
//! Bound: `ACCESS_UNIT_HEAD_BYTES_MAX`, allocated once, and the parameter sets.

use super::access_unit::{AvcConfig, Track, TrackConfig, UnitSink, UnitStart};
use super::annexb::{AnnexbPiece, Splitter};
use super::key_units::{KeyJudge, UnitHead};
use super::nal_type;
use super::parameter_sets::{ParameterSets, SetRefused};
use super::slice_header::{Relation, SliceHeader, SLICE_HEAD_BYTES};
use super::unit_starts::UnitStarts;
pub use super::unit_times::PacketStart;
use super::unit_times::UnitTimes;
use super::unit_writer::UnitWriter;

/// What a video track's units came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct H264Counters {
    /// Units handed over whole.
    pub units: u64,
    /// Units dropped because no SPS and PPS had come yet.
    pub without_config: u64,
    /// Those of them that were IDRs: it is not for want of a key unit that nothing leaves.
    pub keys_without_config: u64,
    /// Units given up because a part was lost.
    pub broken: u64,
    /// Units dropped because more than `ACCESS_UNIT_HEAD_BYTES_MAX` stood before the first slice.
    pub oversized_heads: u64,
    /// Units dropped because nothing said their time, behind a jump.
    pub without_time: u64,
    /// SPS and PPS that do not parse; the ones known before stay in force.
    pub bad_parameter_sets: u64,
    /// SPS and PPS over the limits on their number or size; passed on in-band only.
    pub excess_parameter_sets: u64,
    /// Units whose DTS stood after their PTS; shown at their DTS (MediaMTX #5226).
    pub corrected_times: u64,
}

/// How a packet began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// With an access unit: the packet before ended with one.
    Unit,
    /// Within a NAL unit, or between two of the same access unit.
    Inside,
}

/// Where the access unit begun last can be found once more with the same times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessUnitOrigin {
    /// The packet from which on nothing is missing: that of the unit before the one whose times hold
    /// for it, so that this one's beginning is certain.
    pub place: u64,
    /// It is a key unit.
    pub key: bool,
}

/// Where the assembler stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before the first packet, or behind a loss: bytes are not looked at.
    Idle,
    /// Before a unit's first slice: NAL units are held.
    Head,
    /// Behind it: bytes go to the sink.
    Open,
    /// The unit is not wanted; the next one is looked for.
    Dropped,
}

/// The NAL unit in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nal {
    /// None, or one that is left out.
    None,
    /// A start code has come, the header byte has not.
    Begins,
    /// It is known where it belongs.
    Known,
    /// A slice whose header has not come far enough.
    Slice,
}

/// Makes access units of one H.264 elementary stream.
#[derive(Debug)]
pub struct H264Assembler {
    splitter: Splitter,
    sets: ParameterSets,
    config: Option<AvcConfig>,
    stage: Stage,
    nal: Nal,
    writer: UnitWriter,
    /// What the head of the unit says of key units.
    head: UnitHead,
    /// The latest slice, and whether it is of the second field of its frame.
    slice: Option<(SliceHeader, bool)>,
    /// Which field comes first in a frame: the bottom one, or the top one.
    first_field: Option<bool>,
    /// What is known of how units begin in this stream.
    starts: UnitStarts,
    /// Zeros that the packet before ended with; `None` once something of this one was seen.
    packet_begins: Option<usize>,
    /// The NAL unit in hand is the packet's first.
    nal_begins_packet: bool,
    border: Option<Border>,
    times: UnitTimes,
    begun: Option<AccessUnitOrigin>,
    keys: KeyJudge,
    counters: H264Counters,
}

impl Default for H264Assembler {
    fn default() -> H264Assembler {
        H264Assembler::new()
    }
}

impl H264Assembler {
    /// An assembler that knows no parameter sets yet.
    pub fn new() -> H264Assembler {
        H264Assembler {
            splitter: Splitter::new(),
            sets: ParameterSets::default(),
            config: None,
            stage: Stage::Idle,
            nal: Nal::None,
            writer: UnitWriter::new(),
            head: UnitHead::default(),
            slice: None,
            first_field: None,
            starts: UnitStarts::default(),
            packet_begins: None,
            nal_begins_packet: false,
            border: None,
            times: UnitTimes::default(),
            begun: None,
            keys: KeyJudge::default(),
            counters: H264Counters::default(),
        }
    }

    /// A packet begins; what is open goes on in it.
    pub fn begin(&mut self, start: PacketStart) {
        let mut start = start;
        if let Some((dts, pts)) = &mut start.times {
            if dts > pts {
                self.counters.corrected_times += 1;
                *pts = *dts;
            }
        }
        self.times.begin(start);
        self.packet_begins = Some(self.splitter.zeros());
        self.border = None;
        if self.stage == Stage::Idle {
            self.splitter.reset();
            self.packet_begins = Some(0);
            self.stage = if self.starts.is_certain() { Stage::Head } else { Stage::Dropped };
        }
    }

    /// A fragment of the packet.
    pub fn data<S: UnitSink + ?Sized>(&mut self, bytes: &[u8], sink: &mut S) {
        if self.stage == Stage::Idle {
            return;
        }
        let mut input = bytes;
        while let Some(piece) = self.splitter.next(&mut input) {
            match piece {
                AnnexbPiece::Start => {
                    self.end_nal(sink);
                    self.start_code();
                }
                AnnexbPiece::Payload(bytes) => {
                    if self.packet_begins.take().is_some() {
                        self.nal_begins_packet = false;
                        self.note(Border::Inside);
                    }
                    self.payload(bytes, sink);
                }
            }
        }
    }

    /// Whether a slice of the unit in hand has come, so that it may be whole.
    pub fn is_in_picture(&self) -> bool {
        self.stage == Stage::Open || self.nal == Nal::Slice
    }

    /// The unit in hand is known to be whole. NAL units that had no slice behind them (parameter
    /// sets in a packet of their own) go with the next unit.
    pub fn end<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        self.end_nal(sink);
        self.finish_unit(sink);
        if matches!(self.stage, Stage::Open | Stage::Dropped) && self.starts.is_certain() {
            self.stage = Stage::Head;
            self.writer.clear();
        }
        self.splitter.reset();
    }

    /// A part was lost: nothing of the unit leaves, and what comes before the next packet is not
    /// looked at. `whole_packets`: packets of this stream are known to begin with access units.
    /// Says whether a unit was given up.
    pub fn lost<S: UnitSink + ?Sized>(&mut self, whole_packets: bool, sink: &mut S) -> bool {
        if self.stage == Stage::Idle {
            return false;
        }
        if self.stage == Stage::Open {
            sink.abort(Track::Video);
        }
        let is_broken = self.stage == Stage::Open || self.starts.is_headed();
        self.counters.broken += u64::from(is_broken);
        self.starts.lost(whole_packets);
        self.times.lost();
        self.forget();
        is_broken
    }

    /// What comes next stands elsewhere, and begins at a packet. What is open is aborted. Units are
    /// left out until one states its time, if `needs_time`.
    pub fn jump<S: UnitSink + ?Sized>(&mut self, needs_time: bool, sink: &mut S) {
        if self.stage == Stage::Open {
            sink.abort(Track::Video);
        }
        self.starts.jump();
        self.times.jump(needs_time);
        self.begun = None;
        self.forget();
    }

    /// How the packet in hand began, once it is known; asked once.
    pub fn take_border(&mut self) -> Option<Border> {
        self.border.take()
    }

    /// The unit begun since the last time; if there were several, the last key unit.
    pub fn take_begun(&mut self) -> Option<AccessUnitOrigin> {
        self.begun.take()
    }

    /// What the units came to.
    pub fn counters(&self) -> H264Counters {
        self.counters
    }

    /// The stream sends no IDRs: recovery points are its key units (open GOP).
    pub fn recovery_points(&self) -> bool {
        self.keys.recovery_points()
    }

    fn forget(&mut self) {
        self.stage = Stage::Idle;
        self.nal = Nal::None;
        self.writer.clear();
        self.slice = None;
        self.border = None;
    }

    fn note(&mut self, border: Border) {
        // Behind a loss it says nothing of how the packet before ended.
        if self.starts.is_certain() && self.slice.is_some() {
            self.border = Some(border);
        }
    }

    /// A NAL unit begins. Its first byte is that of its start code; zeros before the start code's
    /// own two may as well be the end of the NAL unit before.
    fn start_code(&mut self) {
        let carried = self.packet_begins.take();
        let is_split = carried.is_some_and(|zeros| {
            zeros > 0 && self.splitter.start_zeros().saturating_sub(zeros) < 2
        });
        self.nal_begins_packet = carried.is_some() && !is_split;
        if is_split {
            self.note(Border::Inside);
        }
        self.times.nal(is_split);
        self.nal = Nal::Begins;
    }

    fn payload<S: UnitSink + ?Sized>(&mut self, bytes: &[u8], sink: &mut S) {
        let mut bytes = bytes;
        if self.nal == Nal::Begins {
            if let Some(&header) = bytes.first() {
                self.begin_nal(nal_type::of(header), sink);
            }
        }
        if self.nal == Nal::Slice {
            let missing = SLICE_HEAD_BYTES.saturating_sub(self.writer.held_nal().len());
            let (head, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            bytes = rest;
            self.push(head, sink);
            self.look_at_slice(head.len() == missing, sink);
        }
        if self.nal == Nal::Known {
            self.push(bytes, sink);
        }
    }

    fn push<S: UnitSink + ?Sized>(&mut self, bytes: &[u8], sink: &mut S) {
        if self.writer.push(bytes, sink).is_err() {
            self.head_is_full(sink);
        }
    }

    fn begin_nal<S: UnitSink + ?Sized>(&mut self, kind: u8, sink: &mut S) {
        if self.begins_unit(kind) {
            self.start_unit(kind, sink);
        } else if self.nal_begins_packet && !nal_type::has_slice_header(kind) {
            self.note(Border::Inside);
        }
        let is_headed = self.stage == Stage::Head && self.starts.is_headed();
        if is_headed && self.nal_begins_packet {
            self.times.adopt();
        }
        let is_held = match self.stage {
            Stage::Idle => false,
            _ if nal_type::has_slice_header(kind) => {
                self.nal = Nal::Slice;
                if self.stage == Stage::Head {
                    self.read_head();
                }
                true
            }
            // What belongs to slices that have left, or were lost.
            Stage::Head if self.writer.held().is_empty() && nal_type::follows_slices(kind) => false,
            Stage::Head => true,
            // It belongs to the slice that comes, of this unit or the next.
            Stage::Open | Stage::Dropped if kind == nal_type::PREFIX => true,
            Stage::Open => {
                self.writer.join(sink);
                self.writer.open_nal(sink);
                self.nal = Nal::Known;
                return;
            }
            Stage::Dropped => {
                self.writer.clear();
                false
            }
        };
        if !is_held {
            self.nal = Nal::None;
            return;
        }
        if self.nal != Nal::Slice {
            self.nal = Nal::Known;
        }
        if self.writer.hold_nal().is_err() {
            self.head_is_full(sink);
        }
    }

    /// Whether a NAL unit of this type, which is no slice, is the first of an access unit.
    fn begins_unit(&self, kind: u8) -> bool {
        match self.stage {
            Stage::Idle => false,
            Stage::Head => self.writer.held().is_empty() && nal_type::precedes_slices(kind),
            _ if kind == nal_type::ACCESS_UNIT_DELIMITER => true,
            _ if !nal_type::precedes_slices(kind) => false,
            _ if self.slice.is_some() => true,
            _ => self.starts.may_be(kind, self.nal_begins_packet),
        }
    }

    fn start_unit<S: UnitSink + ?Sized>(&mut self, kind: u8, sink: &mut S) {
        if self.nal_begins_packet {
            self.note(Border::Unit);
        }
        if self.stage != Stage::Head {
            self.finish_unit(sink);
            self.stage = Stage::Head;
        }
        if self.stage == Stage::Dropped {
            self.writer.clear();
        }
        self.starts.unit(kind);
        self.times.claim();
    }

    /// The first slice has begun: what the head says is now complete.
    fn open_unit<S: UnitSink + ?Sized>(
        &mut self,
        first_slice: u8,
        slice: Option<&SliceHeader>,
        sink: &mut S,
    ) {
        self.head.first_slice = Some(first_slice);
        let key = self.keys.unit(std::mem::take(&mut self.head));
        // A new SPS takes effect at an IDR, and pictures in between carry their PPS in-band: a
        // change is announced where a decoder may start, not in the middle of a GOP.
        if self.config.is_none() || key {
            if let Some(config) = self.sets.config() {
                if self.config.as_ref() != Some(&config) {
                    sink.config(&TrackConfig::Avc(config.clone()));
                    self.config = Some(config);
                }
            }
        }
        let frame_rate = self.config.as_ref().map_or(0.0, |config| config.frame_rate);
        let (dts, pts) = self.times.unit(frame_rate, slice);
        self.starts.opened();
        if self.config.is_none() {
            self.counters.without_config += 1;
            self.counters.keys_without_config += u64::from(first_slice == nal_type::IDR_SLICE);
            self.drop_unit();
        } else if self.times.are_unknown() {
            self.counters.without_time += 1;
            self.drop_unit();
        } else {
            if key || !self.begun.is_some_and(|begun| begun.key) {
                self.begun = Some(AccessUnitOrigin { place: self.times.place(), key });
            }
            self.writer.begin(UnitStart { track: Track::Video, dts, pts, key }, sink);
            self.stage = Stage::Open;
        }
    }

    /// The NAL unit in hand is whole.
    fn end_nal<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        self.look_at_slice(true, sink);
        self.writer.end_nal(sink);
        self.nal = Nal::None;
    }

    fn head_is_full<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        self.counters.oversized_heads += 1;
        if self.stage == Stage::Open {
            sink.abort(Track::Video);
        }
        // The slices that follow are its own.
        self.slice = None;
        self.drop_unit();
    }

    fn drop_unit(&mut self) {
        self.writer.clear();
        self.stage = Stage::Dropped;
        self.nal = Nal::None;
    }

    fn finish_unit<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        if self.stage == Stage::Open {
            sink.commit(Track::Video);
            self.counters.units += 1;
        }
    }

    /// Takes in the parameter sets before a first slice, and what the head says of key units.
    fn read_head(&mut self) {
        self.head = UnitHead::default();
        let mut head = self.writer.held();
        while let Some((length, rest)) = head.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let (nal, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            head = behind;
            self.head.take(nal);
            let taken = match nal.first().map_or(0, |header| nal_type::of(*header)) {
                nal_type::SPS => self.sets.take_sps(nal),
                nal_type::PPS => self.sets.take_pps(nal),
                _ => Ok(()),
            };
            match taken {
                Ok(()) => {}
                Err(SetRefused::Broken(_)) => self.counters.bad_parameter_sets += 1,
                Err(SetRefused::Limit) => self.counters.excess_parameter_sets += 1,
            }
        }
    }
}

mod slices;
#[cfg(test)]
#[path = "h264_tests.rs"]
mod tests;
