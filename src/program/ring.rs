//! The ring: what the programme was, as far back as its memory goes. Purpose: one writer appends
//! access units as their bytes arrive; any number of readers borrow them. Non-goals: deciding
//! what is written (the switcher) or who reads what (the reader).
//!
//! Each track has a payload ring of its own, because a transport stream interleaves the packets
//! of an audio and a video unit that are open at the same time. One ring of metadata beside them
//! gives the order of completion. Bounds: [`Capacity`], allocated at the start; configurations by
//! [`TRACK_CONFIGS_MAX`].

use crate::base::limits::TRACK_CONFIGS_MAX;
use crate::base::time::Ticks;
use crate::codec::access_unit::{Track, TrackConfig};
use crate::codec::per_track::PerTrack;

use super::order::Settled;
use super::payload::Payload;
use super::unit::{Generation, Unit};

/// What stands under a sequence number.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The unit.
    Unit(Unit),
    /// It has not been completed yet.
    NotYet,
    /// It has been overwritten.
    Gone,
}

/// The next unit of a track.
#[derive(Debug, PartialEq, Eq)]
pub enum NextUnit {
    /// Its sequence number, and the unit.
    Unit(u64, Unit),
    /// It has not been completed yet; its sequence number is this or a later one.
    NotYet(u64),
    /// The one under this sequence number has been overwritten.
    Gone(u64),
}

/// What a new unit is, before its first byte.
#[derive(Clone, Copy, Debug)]
pub struct Begin {
    /// The track it belongs to.
    pub track: Track,
    /// Decoding time on the programme's clock, 90 kHz.
    pub dts: Ticks,
    /// A decoder can start here.
    pub key: bool,
}

/// How much a ring holds.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Payload bytes of the video track.
    pub video_bytes: usize,
    /// Payload bytes of the audio track.
    pub audio_bytes: usize,
    /// Units of both.
    pub units: usize,
    /// The largest unit, bytes; at most a track's payload.
    pub unit_bytes_max: usize,
}

/// The ring.
pub struct Ring {
    unit_bytes_max: usize,
    units: Box<[Option<Unit>]>,
    /// Sequence number of the oldest unit still held.
    tail: u64,
    /// Sequence number the next completed unit gets.
    head: u64,
    newest_key: Option<u64>,
    settled: Settled,
    payloads: PerTrack<Payload>,
    open: PerTrack<Option<Open>>,
    configs: PerTrack<Configs>,
    oversized: u64,
}

#[derive(Clone, Copy)]
struct Open {
    begin: Begin,
    start: u64,
    too_large: bool,
}

/// The last configurations of a track; `newest` counts all there were. In a box: a ring is moved
/// about while the program starts, and what lies in it by value stays behind on the stack for good.
struct Configs {
    slots: Box<[Option<TrackConfig>]>,
    newest: Generation,
}

impl Configs {
    fn new() -> Configs {
        Configs { slots: vec![None; TRACK_CONFIGS_MAX].into_boxed_slice(), newest: 0 }
    }
}

impl Ring {
    /// An empty ring. Everything it will ever need is allocated here.
    pub fn new(capacity: Capacity) -> Ring {
        let Capacity { video_bytes, audio_bytes, units, unit_bytes_max } = capacity;
        Ring {
            unit_bytes_max,
            units: vec![None; units.max(1)].into_boxed_slice(),
            tail: 0,
            head: 0,
            newest_key: None,
            settled: Settled::default(),
            payloads: PerTrack {
                video: Payload::new(video_bytes.max(1)),
                audio: Payload::new(audio_bytes.max(1)),
            },
            open: PerTrack::default(),
            configs: PerTrack::of(|_| Configs::new()),
            oversized: 0,
        }
    }

    /// The sequence number the next completed unit gets.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The sequence number of the oldest unit held.
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// Payload bytes it can hold, all tracks together.
    pub fn capacity_bytes(&self) -> usize {
        self.payloads.values().map(Payload::capacity).sum()
    }

    /// Units dropped because they were larger than an access unit may be.
    pub fn oversized(&self) -> u64 {
        self.oversized
    }

    /// The newest key unit, if it is still held.
    pub fn newest_key(&self) -> Option<u64> {
        self.newest_key.filter(|&seq| matches!(self.get(seq), Lookup::Unit(_)))
    }

    /// What may leave in order of time; everything, unless the writer says otherwise.
    pub fn settled(&self) -> Settled {
        self.settled
    }

    /// What may leave in order of time from now on.
    pub fn settle(&mut self, settled: Settled) {
        self.settled = settled;
    }

    /// The next unit of a track from this sequence number on.
    pub fn next_of(&self, track: Track, from: u64) -> NextUnit {
        if from < self.tail {
            return NextUnit::Gone(from);
        }
        for seq in from..self.head {
            match self.slot(seq) {
                Some(unit) if unit.track != track => {}
                Some(unit) if self.holds(&unit) => return NextUnit::Unit(seq, unit),
                _ => return NextUnit::Gone(seq),
            }
        }
        NextUnit::NotYet(from.max(self.head))
    }

    /// The newest unit.
    pub fn newest(&self) -> Option<Unit> {
        match self.get(self.head.checked_sub(1)?) {
            Lookup::Unit(unit) => Some(unit),
            Lookup::NotYet | Lookup::Gone => None,
        }
    }

    /// The unit with this sequence number.
    pub fn get(&self, seq: u64) -> Lookup {
        if seq >= self.head {
            return Lookup::NotYet;
        }
        if seq < self.tail {
            return Lookup::Gone;
        }
        match self.slot(seq) {
            Some(unit) if self.holds(&unit) => Lookup::Unit(unit),
            _ => Lookup::Gone,
        }
    }

    /// Whether a unit's payload is still there.
    pub fn holds(&self, unit: &Unit) -> bool {
        self.payloads[unit.track].holds(unit.start)
    }

    /// The payload of a unit that the ring [holds](Ring::holds).
    pub fn payload(&self, unit: &Unit) -> [&[u8]; 2] {
        self.payloads[unit.track].slices(unit.start, unit.len)
    }

    /// Payload bytes of a unit's track written since the unit began: how far it is from being
    /// overwritten, against [`Ring::track_capacity`].
    pub fn distance(&self, unit: &Unit) -> u64 {
        self.payloads[unit.track].end().saturating_sub(unit.start)
    }

    /// Payload bytes a track can hold.
    pub fn track_capacity(&self, track: Track) -> usize {
        self.payloads[track].capacity()
    }

    /// The largest unit it takes, bytes.
    pub fn unit_bytes_max(&self) -> usize {
        self.unit_bytes_max
    }

    /// Units it can hold.
    pub fn unit_capacity(&self) -> usize {
        self.units.len()
    }

    /// A track's configuration, if it is still remembered.
    pub fn config(&self, track: Track, generation: Generation) -> Option<&TrackConfig> {
        let configs = &self.configs[track];
        let age = configs.newest.checked_sub(generation)?;
        if generation == 0 || age as usize >= TRACK_CONFIGS_MAX {
            return None;
        }
        configs.slots.get(generation as usize % TRACK_CONFIGS_MAX)?.as_ref()
    }

    /// A track's configuration in force for the next unit.
    pub fn newest_config(&self, track: Track) -> Option<&TrackConfig> {
        self.config(track, self.configs[track].newest)
    }

    /// Puts a configuration into force, unless it is in force already.
    pub fn set_config(&mut self, config: &TrackConfig) {
        let track = config.track();
        if self.newest_config(track) == Some(config) {
            return;
        }
        let configs = &mut self.configs[track];
        configs.newest = configs.newest.saturating_add(1);
        if let Some(slot) = configs.slots.get_mut(configs.newest as usize % TRACK_CONFIGS_MAX) {
            *slot = Some(config.clone());
        }
    }

    /// Opens a unit; one still open on that track is given up.
    pub fn begin(&mut self, begin: Begin) {
        self.abort(begin.track);
        let (payload, open) = self.writing(begin.track);
        *open = Some(Open { begin, start: payload.end(), too_large: false });
    }

    /// Appends to the track's open unit. A unit that grows past [`Capacity::unit_bytes_max`] gives
    /// its bytes back at once and is counted when it ends.
    pub fn write(&mut self, track: Track, bytes: &[u8]) {
        let unit_bytes_max = self.unit_bytes_max;
        let (payload, open) = self.writing(track);
        let Some(open) = open.as_mut().filter(|open| !open.too_large) else { return };
        let limit = unit_bytes_max.min(payload.capacity()) as u64;
        if payload.end() - open.start + bytes.len() as u64 > limit {
            open.too_large = true;
            payload.rewind(open.start);
        } else {
            payload.append(bytes);
        }
    }

    /// Overwrites four bytes already written to the track's open unit.
    pub fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        let (payload, open) = self.writing(track);
        if let Some(open) = open.as_ref().filter(|open| !open.too_large) {
            payload.overwrite(open.start.saturating_add(offset as u64), &bytes);
        }
    }

    /// Completes the track's open unit: readers see it from now on. Returns it, or nothing if
    /// there was none or it was too large.
    pub fn commit(&mut self, track: Track) -> Option<Unit> {
        let unit = self.open_unit(track);
        let (_, open) = self.writing(track);
        if open.take().is_some_and(|open| open.too_large) {
            self.oversized += 1;
        }
        let unit = unit?;
        let slots = self.units.len() as u64;
        if let Some(slot) = self.units.get_mut((self.head % slots) as usize) {
            *slot = Some(unit);
        }
        if unit.key {
            self.newest_key = Some(self.head);
        }
        self.head += 1;
        self.tail = self.tail.max(self.head.saturating_sub(slots));
        while self.tail < self.head && matches!(self.get(self.tail), Lookup::Gone) {
            self.tail += 1;
        }
        Some(unit)
    }

    /// The track's open unit as far as it has come.
    pub fn open_unit(&self, track: Track) -> Option<Unit> {
        let open = self.open[track].as_ref().filter(|open| !open.too_large)?;
        let configs = PerTrack::of(|track| self.configs[track].newest);
        let Begin { track, dts, key } = open.begin;
        let written = self.payloads[track].end() - open.start;
        let len = usize::try_from(written).unwrap_or(usize::MAX);
        Some(Unit { track, dts, key, configs, start: open.start, len })
    }

    /// Gives up the track's open unit.
    pub fn abort(&mut self, track: Track) {
        let (payload, open) = self.writing(track);
        if let Some(open) = open.take() {
            payload.rewind(open.start);
        }
    }

    /// Forgets all units, committed and open; configurations stay. What comes next is stored where
    /// the first bytes were, so that memory never used stays unused.
    pub fn clear(&mut self) {
        self.open = PerTrack::default();
        self.payloads.values_mut().for_each(Payload::clear);
        self.tail = self.head;
        self.newest_key = None;
    }

    fn slot(&self, seq: u64) -> Option<Unit> {
        *self.units.get((seq % self.units.len() as u64) as usize)?
    }

    fn writing(&mut self, track: Track) -> (&mut Payload, &mut Option<Open>) {
        (&mut self.payloads[track], &mut self.open[track])
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
