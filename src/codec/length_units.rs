//! H.264 access units as FLV, MP4 and Matroska store them: NAL units, each behind its length
//! (ISO/IEC 14496-15, 5.3.4.2), as the bytes arrive. Purpose: say of a unit what its NAL units
//! say. What stands before the first slice (AUD, SEI, SPS, PPS) is held back until the slice's
//! first byte has come: only then it is known whether a decoder can start there, and whether the
//! parameter sets in force are others than the container's record. From there on every byte goes
//! straight to the sink. Lengths are checked against the bytes there are, and those of one, two or
//! three bytes become the four that the programme keeps. Non-goals: what a container says of a
//! unit, its times included. Bound: `ACCESS_UNIT_HEAD_BYTES_MAX`, allocated once, and the
//! parameter sets.

use super::access_unit::{AvcConfig, Track, TrackConfig, UnitSink, UnitStart};
use super::key_units::{KeyJudge, UnitHead};
use super::nal_type;
use super::parameter_sets::ParameterSets;
use crate::base::limits::ACCESS_UNIT_HEAD_BYTES_MAX;
use crate::base::time::Ticks;

/// Bytes of a length as the programme keeps it.
const LENGTH_BYTES: usize = 4;

/// What became of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitOutcome {
    /// It was handed over whole.
    Whole,
    /// It has no slice (parameter sets in a message of their own); it goes with the next unit.
    Held,
    /// It was given up: bytes are missing, its lengths do not add up, or more than
    /// `ACCESS_UNIT_HEAD_BYTES_MAX` stood before its first slice.
    Broken,
    /// It was left out, because no parameter sets are known that it can be decoded with.
    Unconfigured {
        /// It is a key unit, in which they would have to stand.
        key: bool,
    },
}

/// Where the assembler stands in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Between units.
    Idle,
    /// Before the first slice.
    Head,
    /// Behind its first byte: the sink has the unit open.
    Open,
    /// Nothing more of the unit is wanted.
    Dropped(UnitOutcome),
}

/// Makes access units of one H.264 track.
#[derive(Debug)]
pub struct LengthUnits {
    length_bytes: u8,
    /// The length being read, and how many of its bytes have come.
    length: usize,
    length_got: u8,
    /// Bytes of the current NAL unit still to come, and whether its first one is.
    nal_left: usize,
    nal_begins: bool,
    /// Bytes of the access unit still to come.
    unit_left: usize,
    stage: Stage,
    times: (Ticks, Ticks),
    /// NAL units before the first slice, each behind its length.
    head: Vec<u8>,
    /// How much of it stood there before this unit began.
    held: usize,
    /// What the container's record says.
    record: Option<AvcConfig>,
    /// The record came since the last unit: it holds from the next one on, key unit or not.
    record_is_new: bool,
    sets: ParameterSets,
    config: Option<AvcConfig>,
    /// It holds: no record that cannot be used has come since.
    in_force: bool,
    /// The sink has heard of the configuration.
    announced: bool,
    keys: KeyJudge,
    /// It is known of the place that a decoder can start there: the first recovery point is a key
    /// unit, whatever else the stream has.
    at_entry: bool,
}

impl Default for LengthUnits {
    fn default() -> LengthUnits {
        LengthUnits::new()
    }
}

impl LengthUnits {
    /// One that knows no parameter sets, for lengths of four bytes.
    pub fn new() -> LengthUnits {
        LengthUnits {
            length_bytes: 4,
            length: 0,
            length_got: 0,
            nal_left: 0,
            nal_begins: false,
            unit_left: 0,
            stage: Stage::Idle,
            times: (Ticks(0), Ticks(0)),
            head: Vec::with_capacity(ACCESS_UNIT_HEAD_BYTES_MAX),
            held: 0,
            record: None,
            record_is_new: false,
            sets: ParameterSets::default(),
            config: None,
            in_force: false,
            announced: false,
            keys: KeyJudge::default(),
            at_entry: false,
        }
    }

    /// The next units stand where a decoder can start, by what is known of the place: the first
    /// recovery point among them is a key unit, whatever else the stream has.
    pub fn expect_entry(&mut self) {
        self.at_entry = true;
    }

    /// From the next unit on the container's record says this, and that lengths have so many
    /// bytes, 1 to 4. `None`: it says nothing that can be used, and the parameter sets have to
    /// come among the pictures. Nothing changes when it says the same as before: what the
    /// pictures said since then is newer.
    pub fn set_record(&mut self, record: Option<&AvcConfig>, length_bytes: u8) {
        self.length_bytes = length_bytes.clamp(1, 4);
        if record.is_some() && self.record.as_ref() == record {
            return;
        }
        self.record = record.cloned();
        self.record_is_new = true;
        self.sets = sets_of(record);
        self.in_force &= record.is_some();
    }

    /// Bytes of the length before each NAL unit.
    pub fn length_bytes(&self) -> u8 {
        self.length_bytes
    }

    /// The configuration in force: that of the last unit, or else the record's.
    pub fn config(&self) -> Option<&AvcConfig> {
        let in_force = self.config.as_ref().filter(|_| self.in_force);
        self.record.as_ref().filter(|_| self.record_is_new).or(in_force)
    }

    /// A unit of so many bytes begins, with these DTS and PTS. One still open is abandoned.
    pub fn begin<S: UnitSink + ?Sized>(
        &mut self,
        dts: Ticks,
        pts: Ticks,
        unit_bytes: usize,
        sink: &mut S,
    ) {
        self.abort(sink);
        (self.length, self.length_got, self.nal_left) = (0, 0, 0);
        self.unit_left = unit_bytes;
        self.times = (dts, pts);
        self.held = self.head.len();
        self.stage = Stage::Head;
    }

    /// The next bytes of the unit. NAL units of no bytes are left out. Bytes beyond the unit are
    /// let pass, and so are those of a unit that turned out to be broken.
    pub fn data<S: UnitSink + ?Sized>(&mut self, bytes: &[u8], sink: &mut S) {
        let mut bytes = bytes.get(..self.unit_left).unwrap_or(bytes);
        self.unit_left -= bytes.len();
        while let Some((&byte, behind)) = bytes.split_first() {
            if !matches!(self.stage, Stage::Head | Stage::Open) {
                return;
            }
            if self.nal_left > 0 {
                if std::mem::take(&mut self.nal_begins) {
                    self.begin_nal(nal_type::of(byte), sink);
                }
                let (part, rest) = bytes.split_at_checked(self.nal_left).unwrap_or((bytes, &[]));
                self.put(part, sink);
                self.nal_left -= part.len();
                bytes = rest;
                continue;
            }
            bytes = behind;
            self.length = (self.length << 8) | usize::from(byte);
            self.length_got += 1;
            if self.length_got == self.length_bytes {
                self.begin_length(bytes.len(), sink);
            }
        }
    }

    /// All bytes of the unit have come. What became of it.
    pub fn end<S: UnitSink + ?Sized>(&mut self, sink: &mut S) -> UnitOutcome {
        let adds_up = self.unit_left == 0 && self.nal_left == 0 && self.length_got == 0;
        if !adds_up {
            self.drop_unit(UnitOutcome::Broken, sink);
        }
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Open => {
                sink.commit(Track::Video);
                UnitOutcome::Whole
            }
            Stage::Head if self.head.len() > self.held => UnitOutcome::Held,
            Stage::Dropped(outcome) => outcome,
            Stage::Head | Stage::Idle => UnitOutcome::Broken,
        }
    }

    /// The unit begun last will not be finished. What would have become of it anyhow, or that it is
    /// broken; `None` when there was none.
    pub fn abort<S: UnitSink + ?Sized>(&mut self, sink: &mut S) -> Option<UnitOutcome> {
        self.drop_unit(UnitOutcome::Broken, sink);
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Dropped(outcome) => Some(outcome),
            Stage::Idle | Stage::Head | Stage::Open => None,
        }
    }

    /// The units go on at another place, at which a decoder can start by what is known of it. The
    /// sink hears of the configuration again, and parameter sets that came among the pictures
    /// give way to those of the record, where there is one.
    pub fn restart<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        self.abort(sink);
        self.head.clear();
        self.announced = false;
        self.keys = KeyJudge::default();
        self.at_entry = true;
        if self.record.is_some() {
            self.sets = sets_of(self.record.as_ref());
            self.record_is_new = true;
        }
    }

    /// A length is whole, and so many bytes of what was given stand behind it.
    fn begin_length<S: UnitSink + ?Sized>(&mut self, at_hand: usize, sink: &mut S) {
        let length = std::mem::take(&mut self.length);
        self.length_got = 0;
        let Some(word) = u32::try_from(length).ok().filter(|_| length <= self.unit_left + at_hand)
        else {
            self.drop_unit(UnitOutcome::Broken, sink);
            return;
        };
        if length > 0 {
            self.put(&word.to_be_bytes(), sink);
            (self.nal_left, self.nal_begins) = (length, true);
        }
    }

    /// A NAL unit's first byte is there.
    fn begin_nal<S: UnitSink + ?Sized>(&mut self, kind: u8, sink: &mut S) {
        if self.stage == Stage::Head && nal_type::SLICES.contains(&kind) {
            self.open_unit(kind, sink);
        }
    }

    /// The first slice begins: what stands before it is complete.
    fn open_unit<S: UnitSink + ?Sized>(&mut self, first_slice: u8, sink: &mut S) {
        let mut said = read_head(&self.head, LENGTH_BYTES, &mut self.sets);
        said.first_slice = Some(first_slice);
        let is_entry = self.at_entry && said.recovery.is_some();
        let key = self.keys.unit(said) || is_entry;
        self.at_entry &= !key;
        // Sets take effect at an IDR: a change is announced where a decoder may start, not in the
        // middle of a GOP; that of a record, where the container says so.
        if !self.in_force || key || self.record_is_new {
            if let Some(config) = self.sets.config() {
                self.announced &= self.config.as_ref() == Some(&config);
                self.config = Some(config);
                (self.in_force, self.record_is_new) = (true, false);
            }
        }
        let Some(config) = self.config.as_ref().filter(|_| self.in_force) else {
            self.drop_unit(UnitOutcome::Unconfigured { key }, sink);
            return;
        };
        if !std::mem::replace(&mut self.announced, true) {
            sink.config(&TrackConfig::Avc(config.clone()));
        }
        let (dts, pts) = self.times;
        sink.begin(UnitStart { track: Track::Video, dts, pts, key });
        sink.write(Track::Video, &self.head);
        self.head.clear();
        self.stage = Stage::Open;
    }

    /// Passes bytes on, or holds them.
    fn put<S: UnitSink + ?Sized>(&mut self, bytes: &[u8], sink: &mut S) {
        match self.stage {
            Stage::Open => sink.write(Track::Video, bytes),
            Stage::Head => {
                if self.head.len().saturating_add(bytes.len()) > ACCESS_UNIT_HEAD_BYTES_MAX {
                    self.drop_unit(UnitOutcome::Broken, sink);
                } else {
                    self.head.extend_from_slice(bytes);
                }
            }
            Stage::Idle | Stage::Dropped(_) => {}
        }
    }

    fn drop_unit<S: UnitSink + ?Sized>(&mut self, outcome: UnitOutcome, sink: &mut S) {
        match self.stage {
            Stage::Idle | Stage::Dropped(_) => return,
            Stage::Open => sink.abort(Track::Video),
            Stage::Head => self.head.clear(),
        }
        self.stage = Stage::Dropped(outcome);
    }
}

/// The configuration of a file's first key unit, of which these bytes, or the beginning, are the
/// NAL units: what the record says, where the sets before the first slice say nothing else.
pub fn first_config(
    record: Option<&AvcConfig>,
    unit: &[u8],
    length_bytes: u8,
) -> Option<AvcConfig> {
    let mut sets = sets_of(record);
    read_head(unit, usize::from(length_bytes.clamp(1, 4)), &mut sets);
    sets.config()
}

/// The parameter sets of a record.
fn sets_of(record: Option<&AvcConfig>) -> ParameterSets {
    let mut sets = ParameterSets::default();
    // A record has been read from such sets: they are taken. The first SPS is the one in use, and
    // the one taken last counts.
    for set in record.into_iter().flat_map(AvcConfig::parameter_sets) {
        let _ = match set.first().map(|header| nal_type::of(*header)) {
            Some(nal_type::PPS) => sets.take_pps(set),
            _ => sets.take_sps(set),
        };
    }
    if let Some(first) = record.and_then(|record| record.parameter_sets().next()) {
        let _ = sets.take_sps(first);
    }
    sets
}

/// Takes in the parameter sets before a first slice, each behind its length of so many bytes, and
/// says what stands there besides. Sets that cannot be used are passed on all the same; the ones
/// known before hold.
fn read_head(head: &[u8], length_bytes: usize, sets: &mut ParameterSets) -> UnitHead {
    let mut said = UnitHead::default();
    let mut rest = head;
    while let Some((length, behind)) = rest.split_at_checked(length_bytes) {
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let (nal, behind) = behind.split_at_checked(length).unwrap_or((behind, &[]));
        rest = behind;
        if said.take(nal) {
            break;
        }
        let _ = match nal.first().map(|header| nal_type::of(*header)) {
            Some(nal_type::SPS) => sets.take_sps(nal),
            Some(nal_type::PPS) => sets.take_pps(nal),
            _ => Ok(()),
        };
    }
    said
}

#[cfg(test)]
#[path = "length_units_tests.rs"]
mod tests;
