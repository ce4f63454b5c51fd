//! The sound of a file that is read at a place of its own. Bounds: [`FILE_SOUND_HELD_BYTES`] and
//! [`FILE_SOUND_HELD_UNITS`] are held, allocated once; more at once is left out and counted.

use std::collections::VecDeque;
use std::mem;

use crate::base::limits::{
    FILE_SOUND_AHEAD_BYTES_MAX, FILE_SOUND_HELD_BYTES, FILE_SOUND_HELD_CONFIGS,
    FILE_SOUND_HELD_UNITS, FILE_SOUND_UNIT_BYTES,
};
use crate::base::time::Ticks;
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::container::{FileError, Progress};

use super::order::{AudioOrder, AudioTurn, Recordings};
use super::place::FilePlace;

/// Sound that is first found so much later than its picture, more than a frame of it, stands before
/// that in the file.
const MISSING: Ticks = Ticks::from_ms(50);
/// So much of it is taken to be missing where none is found: the file may end before.
const NOT_FOUND: Ticks = Ticks::from_ms(10_000);
/// How much further back it is looked for.
const FURTHER: Ticks = Ticks::from_ms(1_000);

/// A file's sound.
pub(super) struct Sound {
    place: FilePlace,
    held: Held,
    order: AudioOrder,
    has_ended: bool,
    error: Option<FileError>,
}

impl Sound {
    pub(super) fn new(place: FilePlace) -> Sound {
        let (held, order) = (Held::default(), AudioOrder::default());
        Sound { place, held, order, has_ended: false, error: None }
    }

    /// Where it is read.
    pub(super) fn at(&self) -> u64 {
        self.place.file.at
    }

    pub(super) fn error(&self) -> Option<&FileError> {
        self.error.as_ref()
    }

    pub(super) fn take_left_out(&mut self) -> u64 {
        mem::take(&mut self.held.left_out)
    }

    /// Hands over what comes before a picture, which is read at `picture_at`.
    pub(super) fn lead_up_to(&mut self, picture: Ticks, picture_at: u64, sink: &mut dyn UnitSink) {
        self.order.picture(picture);
        let end = picture_at.saturating_add(FILE_SOUND_AHEAD_BYTES_MAX);
        while self.hand_over(Some(picture), sink) && !self.has_ended && self.at() <= end {
            self.step();
        }
        self.order.handed(picture);
    }

    /// Hands over what comes next, whatever its time.
    pub(super) fn pass(&mut self, sink: &mut dyn UnitSink) -> Progress {
        self.hand_over(None, sink);
        if self.has_ended {
            return Progress::End;
        }
        self.step();
        Progress::More
    }

    /// Goes to where the picture went when it was asked to go to `to`, which begins at `key`.
    pub(super) fn seek(&mut self, to: Ticks, key: Ticks) {
        self.go(to, key);
        let end = self.at().saturating_add(FILE_SOUND_AHEAD_BYTES_MAX);
        while self.held.first().is_none() && !self.has_ended && self.at() <= end {
            self.step();
        }
        // Sound that stands before its picture begins earlier in the file, by as much.
        let missing = self.held.first().map_or(NOT_FOUND, |unit| unit.start.dts - key);
        if missing > MISSING {
            self.go(key - missing - FURTHER, key);
        }
    }

    fn go(&mut self, to: Ticks, key: Ticks) {
        self.held.clear();
        (self.order, self.error) = (AudioOrder::from(key), None);
        let sought = self.place.seek(to.max(Ticks(0)), &mut self.held);
        self.held.clear();
        self.has_ended = sought.is_err();
        self.error = sought.err();
    }

    fn step(&mut self) {
        match self.place.next(&mut self.held) {
            Ok(Progress::More) => {}
            Ok(Progress::End) => self.has_ended = true,
            Err(error) => (self.has_ended, self.error) = (true, Some(error)),
        }
    }

    /// Hands over what is held and comes before a picture; whether more may.
    fn hand_over(&mut self, picture: Option<Ticks>, sink: &mut dyn UnitSink) -> bool {
        while let Some(unit) = self.held.first() {
            match self.order.turn(unit.recording, unit.start.dts, picture) {
                AudioTurn::Now => self.held.give(sink),
                AudioTurn::Later => return false,
                AudioTurn::Before => self.held.drop_first(),
                AudioTurn::Over => {
                    self.held.left_out += 1;
                    self.held.drop_first();
                }
            }
        }
        true
    }
}

/// An audio unit that is held.
#[derive(Clone, Copy)]
struct HeldUnit {
    start: UnitStart,
    recording: i64,
    bytes: usize,
    number: u64,
}

const _: () = assert!(size_of::<HeldUnit>() <= FILE_SOUND_UNIT_BYTES);

/// What the reader has yielded and has not been handed over.
struct Held {
    units: VecDeque<HeldUnit>,
    bytes: VecDeque<u8>,
    /// Configurations, and the number of the unit from which each holds.
    configs: VecDeque<(u64, TrackConfig)>,
    /// The last unit is not whole.
    is_open: bool,
    /// The number of the next unit.
    next: u64,
    recordings: Recordings,
    left_out: u64,
}

impl Default for Held {
    fn default() -> Held {
        Held {
            units: VecDeque::with_capacity(FILE_SOUND_HELD_UNITS),
            bytes: VecDeque::with_capacity(FILE_SOUND_HELD_BYTES),
            configs: VecDeque::with_capacity(FILE_SOUND_HELD_CONFIGS),
            is_open: false,
            next: 0,
            recordings: Recordings::default(),
            left_out: 0,
        }
    }
}

impl Held {
    fn clear(&mut self) {
        self.units.clear();
        self.bytes.clear();
        self.configs.clear();
        (self.is_open, self.recordings) = (false, Recordings::default());
    }

    /// The first unit that is whole.
    fn first(&self) -> Option<HeldUnit> {
        let is_whole = self.units.len() > usize::from(self.is_open);
        self.units.front().copied().filter(|_| is_whole)
    }

    /// Hands the first unit over, behind its configuration when that is new.
    fn give(&mut self, sink: &mut dyn UnitSink) {
        let Some(unit) = self.units.front() else { return };
        while self.configs.front().is_some_and(|(from, _)| *from <= unit.number) {
            if let Some((_, config)) = self.configs.pop_front() {
                sink.config(&config);
            }
        }
        sink.begin(unit.start);
        let (front, back) = self.bytes.as_slices();
        let first = front.get(..unit.bytes.min(front.len())).unwrap_or_default();
        let rest = back.get(..unit.bytes.saturating_sub(first.len())).unwrap_or_default();
        for bytes in [first, rest].into_iter().filter(|bytes| !bytes.is_empty()) {
            sink.write(Track::Audio, bytes);
        }
        sink.commit(Track::Audio);
        self.drop_first();
    }

    fn drop_first(&mut self) {
        if let Some(unit) = self.units.pop_front() {
            self.bytes.drain(..unit.bytes.min(self.bytes.len()));
        }
    }

    /// The open unit will not be whole.
    fn drop_open(&mut self) {
        if mem::take(&mut self.is_open) {
            if let Some(unit) = self.units.pop_back() {
                self.bytes.truncate(self.bytes.len().saturating_sub(unit.bytes));
                self.left_out += 1;
            }
        }
    }
}

impl UnitSink for Held {
    fn config(&mut self, config: &TrackConfig) {
        if config.track() != Track::Audio {
            return;
        }
        // More changes in one step than this are no sound.
        if self.configs.len() >= FILE_SOUND_HELD_CONFIGS {
            self.configs.pop_back();
        }
        self.configs.push_back((self.next, config.clone()));
    }

    fn begin(&mut self, start: UnitStart) {
        if start.track != Track::Audio {
            return;
        }
        self.drop_open();
        let recording = self.recordings.begins(start.dts);
        if self.units.len() >= FILE_SOUND_HELD_UNITS {
            self.left_out += 1;
            return;
        }
        self.units.push_back(HeldUnit { start, recording, bytes: 0, number: self.next });
        (self.next, self.is_open) = (self.next + 1, true);
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        if track != Track::Audio || !self.is_open {
            return;
        }
        if self.bytes.len().saturating_add(bytes.len()) > FILE_SOUND_HELD_BYTES {
            return self.drop_open();
        }
        if let Some(unit) = self.units.back_mut() {
            unit.bytes += bytes.len();
            self.bytes.extend(bytes);
        }
    }

    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {}

    fn commit(&mut self, track: Track) {
        if track == Track::Audio {
            self.is_open = false;
        }
    }

    fn abort(&mut self, track: Track) {
        if track == Track::Audio {
            self.drop_open();
        }
    }
}
