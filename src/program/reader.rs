//! A reader: a cursor into the ring. Purpose: what comes next for a viewer or a destination, and
//! under which timestamp; a reader that falls behind skips to the newest keyframe and costs the
//! others nothing (MediaMTX #4651, #5162). Non-goals: bytes on a wire, sockets. Bound: this
//! struct.

use crate::base::time::Ticks;
use crate::codec::access_unit::Track;

use super::ring::{Lookup, Ring};
use super::unit::{Generation, Unit};

/// What a reader has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait for the ring to move.
    Wait,
    /// Before anything else, send the configurations that have changed, by [`Track::index`]: the
    /// decoder configuration of each track that is `Some`, under `timestamp_ms`.
    Configure {
        /// Generations to send.
        changed: [Option<Generation>; 2],
        /// All generations in force, for the metadata.
        in_force: [Generation; 2],
        /// RTMP timestamp.
        timestamp_ms: u32,
    },
    /// Send this unit, then call [`Reader::sent`].
    Send {
        /// The unit.
        unit: Unit,
        /// RTMP timestamp.
        timestamp_ms: u32,
    },
}

/// A cursor into the ring. Small: a copy of it is how to come back to where it stood.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    next: u64,
    /// It may only go on with a key unit: it has just begun, was skipped, or pauses.
    needs_key: bool,
    /// Programme time, in whole milliseconds, of its timestamp 0. Whole, so that the rounding of
    /// its timestamps is that of the composition times stored with the units.
    base_ms: Option<i64>,
    known: [Generation; 2],
    last_ms: [Option<i64>; 2],
    skips: u64,
    dropped: u64,
}

impl Reader {
    /// A reader that begins at the newest key unit in the ring, or the first to come.
    pub fn new() -> Reader {
        Reader { needs_key: true, ..Reader::default() }
    }

    /// What comes next.
    pub fn step(&mut self, ring: &Ring) -> Step {
        loop {
            if self.needs_key && !self.find_key(ring) {
                return Step::Wait;
            }
            let unit = match ring.get(self.next) {
                Lookup::NotYet => return Step::Wait,
                Lookup::Gone => {
                    self.skip();
                    continue;
                }
                Lookup::Unit(unit) => unit,
            };
            if is_nearly_lost(ring, &unit, self.next) && self.key_ahead(ring) {
                self.skip();
                continue;
            }
            let base_ms = *self.base_ms.get_or_insert(unit.dts.to_ms());
            let time_ms = unit.dts.to_ms() - base_ms;
            if time_ms < 0 {
                // Audio from before the key frame it began with.
                self.next += 1;
                continue;
            }
            // 32 bits of milliseconds wrap after 49.7 days, as RTMP has it (RTMP 1.0, 4).
            let timestamp_ms = time_ms as u32;
            let changed = self.changed(&unit);
            if is_forgotten(ring, changed) {
                self.skip();
                self.next += 1;
                continue;
            }
            if changed != [None, None] {
                self.known = unit.configs;
                return Step::Configure { changed, in_force: unit.configs, timestamp_ms };
            }
            return Step::Send { unit, timestamp_ms };
        }
    }

    /// The unit that [`Reader::step`] returned is on its way: the next step is the one behind it.
    pub fn sent(&mut self, unit: &Unit) {
        self.next += 1;
        let time_ms = unit.dts.to_ms() - self.base_ms.unwrap_or_default();
        let [video, audio] = &mut self.last_ms;
        match unit.track {
            Track::Video => *video = Some(time_ms),
            Track::Audio => *audio = Some(time_ms),
        }
    }

    /// Goes on with the newest key unit, or the next to come: after a pause.
    pub fn restart(&mut self) {
        self.needs_key = true;
    }

    /// Times it was skipped forward.
    pub fn skips(&self) -> u64 {
        self.skips
    }

    /// Units it did not get because of that.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The last timestamp sent on a track, milliseconds since its beginning.
    pub fn last_ms(&self, track: Track) -> Option<i64> {
        let [video, audio] = self.last_ms;
        match track {
            Track::Video => video,
            Track::Audio => audio,
        }
    }

    /// How far the unit it stands at lies behind the newest, media time.
    pub fn lag(&self, ring: &Ring) -> Ticks {
        match (ring.get(self.next), ring.newest()) {
            (Lookup::Unit(unit), Some(newest)) => (newest.dts - unit.dts).max(Ticks(0)),
            _ => Ticks(0),
        }
    }

    fn find_key(&mut self, ring: &Ring) -> bool {
        let Some(key) = ring.newest_key().filter(|&key| key >= self.next) else { return false };
        if self.base_ms.is_some() {
            self.dropped += key - self.next;
        }
        self.next = key;
        self.needs_key = false;
        true
    }

    fn key_ahead(&self, ring: &Ring) -> bool {
        ring.newest_key().is_some_and(|key| key > self.next)
    }

    fn skip(&mut self) {
        self.skips += 1;
        self.needs_key = true;
    }

    fn changed(&self, unit: &Unit) -> [Option<Generation>; 2] {
        let [video, audio] = unit.configs;
        let [known_video, known_audio] = self.known;
        [
            Some(video).filter(|&video| video != known_video),
            Some(audio).filter(|&audio| audio != known_audio),
        ]
    }
}

/// Whether a configuration that must be sent is no longer remembered: a source that changes it
/// from frame to frame.
fn is_forgotten(ring: &Ring, changed: [Option<Generation>; 2]) -> bool {
    Track::ALL.into_iter().zip(changed).any(|(track, generation)| {
        generation.is_some_and(|generation| ring.config(track, generation).is_none())
    })
}

/// Whether a unit is in the older half of the ring: a reader that starts on it may be overtaken
/// in the middle of it, which would cost it its connection.
fn is_nearly_lost(ring: &Ring, unit: &Unit, seq: u64) -> bool {
    let by_bytes = ring.distance(unit) > ring.track_capacity(unit.track) as u64 / 2;
    let by_units = ring.head() - seq > ring.unit_capacity() as u64 / 2;
    by_bytes || by_units
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
