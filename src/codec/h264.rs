//! H.264 access units out of Annex B, as the bytes arrive.
//! Purpose: turn the payload of PES packets into length-prefixed NAL units (ISO/IEC 14496-15,
//! 5.3.4.2) without collecting them. What stands before a unit's first slice (AUD, parameter
//! sets, SEI) is held back, because only the slice tells whether the unit is a key unit and
//! whether its configuration is complete; from there every byte goes straight to the sink.
//! All NAL units are passed on unchanged and in order, repeated parameter sets included.
//! Non-goals: decoding, repairing, waiting for a key unit.
//! Bound: `ACCESS_UNIT_HEAD_BYTES_MAX`, allocated once, and the parameter sets.

use super::access_unit::{AvcConfig, Track, TrackConfig, UnitSink, UnitStart};
use super::annexb::{Piece, Splitter};
use super::key_units::{KeyJudge, UnitHead};
use super::nal_type;
use super::parameter_sets::{ParameterSets, Refused};
use crate::base::limits::ACCESS_UNIT_HEAD_BYTES_MAX;
use crate::base::time::{Ticks, TICKS_PER_S};

/// Bytes of a NAL unit's length.
const LENGTH_BYTES: usize = 4;

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
    /// SPS and PPS that do not parse; the ones known before stay in force.
    pub bad_parameter_sets: u64,
    /// SPS and PPS over the limits on their number or size; passed on in-band only.
    pub excess_parameter_sets: u64,
    /// Units whose DTS stood after their PTS; shown at their DTS (MediaMTX #5226).
    pub corrected_times: u64,
}

/// Where the assembler stands in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Between units: bytes are not looked at.
    Idle,
    /// Before the first slice: NAL units are collected in the head.
    Head,
    /// Behind it: bytes go to the sink.
    Open,
    /// The unit is not wanted; only an access unit delimiter is looked for.
    Dropped,
}

/// The NAL unit being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nal {
    /// Before the first start code.
    None,
    /// A start code has come, the header byte has not.
    Begins,
    /// Its length word stands at this offset of the unit.
    At(usize),
}

/// Makes access units of one H.264 elementary stream.
#[derive(Debug)]
pub struct H264Assembler {
    splitter: Splitter,
    sets: ParameterSets,
    config: Option<AvcConfig>,
    stage: Stage,
    nal: Nal,
    /// NAL units before the first slice, each behind its length.
    head: Vec<u8>,
    /// Bytes of the open unit so far, length words included.
    unit_bytes: usize,
    clock: UnitClock,
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
            head: Vec::with_capacity(ACCESS_UNIT_HEAD_BYTES_MAX),
            unit_bytes: 0,
            clock: UnitClock::default(),
            keys: KeyJudge::default(),
            counters: H264Counters::default(),
        }
    }

    /// The payload of a PES packet begins; its first access unit has these times. To be called
    /// after [`end`](Self::end) or [`abort`](Self::abort) of the one before: a unit still open
    /// just goes on.
    pub fn begin(&mut self, dts: Ticks, pts: Ticks) {
        if dts > pts {
            self.counters.corrected_times += 1;
        }
        self.clock.begin(dts, pts.max(dts));
        if self.stage != Stage::Open {
            if let Nal::At(offset) = self.nal {
                self.head.truncate(offset);
            }
            self.stage = Stage::Head;
            self.nal = Nal::None;
            self.splitter.reset();
        }
    }

    /// A fragment of the payload.
    pub fn data<S: UnitSink + ?Sized>(&mut self, bytes: &[u8], sink: &mut S) {
        if self.stage == Stage::Idle {
            return;
        }
        let mut input = bytes;
        while let Some(piece) = self.splitter.next(&mut input) {
            match piece {
                Piece::Start => {
                    self.end_nal(sink);
                    self.nal = Nal::Begins;
                }
                Piece::Payload(bytes) => self.payload(bytes, sink),
            }
        }
    }

    /// The payload is whole, and with it its last access unit. NAL units that had no slice behind
    /// them (parameter sets in a PES packet of their own) go with the next unit.
    pub fn end<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        self.end_nal(sink);
        self.finish_unit(sink);
        self.stage = Stage::Idle;
    }

    /// A part of the payload was lost: nothing of the unit leaves.
    pub fn abort<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        match self.stage {
            Stage::Idle => return,
            Stage::Open => sink.abort(Track::Video),
            Stage::Head | Stage::Dropped => {}
        }
        self.counters.broken += 1;
        self.head.clear();
        self.nal = Nal::None;
        self.stage = Stage::Idle;
    }

    /// What the units came to.
    pub fn counters(&self) -> H264Counters {
        self.counters
    }

    /// The stream sends no IDRs: recovery points are its key units (open GOP).
    pub fn recovery_points(&self) -> bool {
        self.keys.recovery_points()
    }

    fn payload<S: UnitSink + ?Sized>(&mut self, bytes: &[u8], sink: &mut S) {
        if self.nal == Nal::Begins {
            if let Some(&header) = bytes.first() {
                self.begin_nal(header & 0x1f, sink);
            }
        }
        match (self.stage, self.nal) {
            (Stage::Open, Nal::At(_)) => {
                sink.write(Track::Video, bytes);
                self.unit_bytes = self.unit_bytes.saturating_add(bytes.len());
            }
            (Stage::Head, Nal::At(_)) => self.push_head(bytes),
            _ => {}
        }
    }

    fn begin_nal<S: UnitSink + ?Sized>(&mut self, kind: u8, sink: &mut S) {
        // An access unit delimiter behind a slice: a second unit in the same PES packet.
        if kind == nal_type::ACCESS_UNIT_DELIMITER
            && matches!(self.stage, Stage::Open | Stage::Dropped)
        {
            self.finish_unit(sink);
            self.clock.next_unit(self.config.as_ref().map_or(0.0, |config| config.frame_rate));
            self.stage = Stage::Head;
        }
        if self.stage == Stage::Head && nal_type::SLICES.contains(&kind) {
            self.open_unit(kind, sink);
        }
        match self.stage {
            Stage::Head => {
                self.nal = Nal::At(self.head.len());
                self.push_head(&[0; LENGTH_BYTES]);
            }
            Stage::Open => {
                self.nal = Nal::At(self.unit_bytes);
                sink.write(Track::Video, &[0; LENGTH_BYTES]);
                self.unit_bytes = self.unit_bytes.saturating_add(LENGTH_BYTES);
            }
            Stage::Idle | Stage::Dropped => self.nal = Nal::None,
        }
    }

    /// Writes the length of the NAL unit that ends here.
    fn end_nal<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        if let Nal::At(offset) = self.nal {
            let body = offset.saturating_add(LENGTH_BYTES);
            match self.stage {
                Stage::Open => {
                    let length = length_word(self.unit_bytes.saturating_sub(body));
                    sink.patch(Track::Video, offset, length);
                }
                Stage::Head => {
                    let length = length_word(self.head.len().saturating_sub(body));
                    if let Some(word) = self.head.get_mut(offset..body) {
                        word.copy_from_slice(&length);
                    }
                }
                Stage::Idle | Stage::Dropped => {}
            }
        }
        self.nal = Nal::None;
    }

    fn push_head(&mut self, bytes: &[u8]) {
        if self.head.len().saturating_add(bytes.len()) > ACCESS_UNIT_HEAD_BYTES_MAX {
            self.counters.oversized_heads += 1;
            self.drop_unit();
        } else {
            self.head.extend_from_slice(bytes);
        }
    }

    fn drop_unit(&mut self) {
        self.head.clear();
        self.stage = Stage::Dropped;
        self.nal = Nal::None;
    }

    /// The first slice begins: what the head says is now complete.
    fn open_unit<S: UnitSink + ?Sized>(&mut self, first_slice: u8, sink: &mut S) {
        let mut head = read_head(&self.head, &mut self.sets, &mut self.counters);
        head.first_slice = Some(first_slice);
        let key = self.keys.unit(head);
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
        if self.config.is_none() {
            self.counters.without_config += 1;
            self.counters.keys_without_config += u64::from(first_slice == nal_type::IDR_SLICE);
            self.drop_unit();
            return;
        }
        let (dts, pts) = self.clock.times();
        sink.begin(UnitStart { track: Track::Video, dts, pts, key });
        if !self.head.is_empty() {
            sink.write(Track::Video, &self.head);
        }
        self.unit_bytes = self.head.len();
        self.head.clear();
        self.stage = Stage::Open;
    }

    fn finish_unit<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        if self.stage == Stage::Open {
            sink.commit(Track::Video);
            self.counters.units += 1;
        }
    }
}

fn length_word(bytes: usize) -> [u8; LENGTH_BYTES] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

/// Reads the NAL units before a first slice: takes in the parameter sets, and says what the head
/// says of key units.
fn read_head(mut head: &[u8], sets: &mut ParameterSets, counters: &mut H264Counters) -> UnitHead {
    let mut said = UnitHead::default();
    while let Some((length, rest)) = head.split_first_chunk::<LENGTH_BYTES>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (nal, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        head = behind;
        said.take(nal);
        let taken = match nal.first().map_or(0, |header| nal_type::of(*header)) {
            nal_type::SPS => sets.take_sps(nal),
            nal_type::PPS => sets.take_pps(nal),
            _ => Ok(()),
        };
        match taken {
            Ok(()) => {}
            Err(Refused::Broken(_)) => counters.bad_parameter_sets += 1,
            Err(Refused::Limit) => counters.excess_parameter_sets += 1,
        }
    }
    said
}

/// The times of the units of a PES packet. Only its first has times of its own; those of further
/// ones are spread over the time to the next packet, as far as the last ones tell.
#[derive(Debug, Default)]
struct UnitClock {
    first: Option<(Ticks, Ticks)>,
    /// Units begun in this packet before the current one.
    index: i64,
    /// From one packet's DTS to the next one's.
    packet_ticks: Option<i64>,
    /// Units the last packet held.
    units_before: i64,
}

impl UnitClock {
    fn begin(&mut self, dts: Ticks, pts: Ticks) {
        if let Some((before, _)) = self.first {
            let span = (dts - before).0;
            if (1..=TICKS_PER_S).contains(&span) {
                self.packet_ticks = Some(span);
            }
            self.units_before = self.index + 1;
        }
        self.first = Some((dts, pts));
        self.index = 0;
    }

    fn next_unit(&mut self, frame_rate: f64) {
        self.index = self.index.saturating_add(1);
        if self.packet_ticks.is_none() && frame_rate >= 1.0 {
            // Two units at least, so twice the time of one.
            self.packet_ticks = Some((2.0 * TICKS_PER_S as f64 / frame_rate) as i64);
        }
    }

    /// DTS and PTS of the current unit; before the DTS of the next packet if that comes when
    /// expected.
    fn times(&self) -> (Ticks, Ticks) {
        let (dts, pts) = self.first.unwrap_or_default();
        let units = self.units_before.max(self.index.saturating_add(1)).max(1);
        let later = self.packet_ticks.unwrap_or(0).saturating_mul(self.index) / units;
        (dts + Ticks(later), pts + Ticks(later))
    }
}

#[cfg(test)]
#[path = "h264_tests.rs"]
mod tests;
