//! A reader: a cursor into the ring. Purpose: what comes next for a viewer or a destination, in
//! which order, and under which timestamp; a reader that falls behind skips to the newest keyframe and costs the
//! others nothing (MediaMTX #4651, #5162). Non-goals: bytes on a wire, sockets. Bound: this
//! struct.

use crate::base::time::Ticks;
use crate::codec::access_unit::Track;
use crate::codec::per_track::PerTrack;

use super::order::JITTER;
use super::ring::{Lookup, NextUnit, Ring};
use super::unit::{Generation, Unit};

/// What a reader has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum ReaderStep {
    /// Wait for the ring to move.
    Wait,
    /// Before anything else, send the configurations that have changed: the decoder
    /// configuration of each track that is `Some`, under `timestamp_ms`.
    Configure {
        /// Generations to send.
        changed: PerTrack<Option<Generation>>,
        /// All generations in force, for the metadata.
        in_force: PerTrack<Generation>,
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

/// In which order a reader gets the units of the two tracks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadOrder {
    /// As they have become whole.
    #[default]
    Arrival,
    /// By their time where that costs no more than a frame or two, else as they come: a player
    /// sorts them itself.
    Viewer,
    /// By their time, always: a platform, a recording. What comes later than anything of its source
    /// was to be waited for, see [order](super::order), gets the time of what has left before it: a
    /// platform that decodes by counting samples hears no difference, where time that goes back
    /// would make it stutter, or begin another time line (SRS). Sound that is more than [`JITTER`]
    /// late is left out, for so much of it would lie on top of what follows. A picture never is:
    /// those behind it need it.
    Time,
}

/// A cursor into the ring, one place for each track. Small: a copy of it is how to come back to
/// where it stood.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    order: ReadOrder,
    /// The next unit of each track has this sequence number or a later one.
    next: PerTrack<u64>,
    /// It may only go on with a key unit: it has just begun, was skipped, or pauses.
    needs_key: bool,
    /// Programme time, in whole milliseconds, of its timestamp 0. Whole, so that the rounding of
    /// its timestamps is that of the composition times stored with the units.
    base_ms: Option<i64>,
    /// Time of the key unit it went on with last: sound from before it is left out.
    floor_ms: i64,
    known: PerTrack<Generation>,
    last_ms: PerTrack<Option<i64>>,
    skips: u64,
    dropped: u64,
    moved: u64,
    left_out: u64,
}

/// What is next in the ring.
enum Pick {
    Unit(u64, Unit),
    NotYet,
    Gone,
}

impl Reader {
    /// A reader that begins at the newest key unit in the ring, or the first to come, and gets
    /// units as they come.
    pub fn new() -> Reader {
        Reader::ordered(ReadOrder::Arrival)
    }

    /// The same, in this order.
    pub fn ordered(order: ReadOrder) -> Reader {
        Reader { order, needs_key: true, ..Reader::default() }
    }

    /// What comes next.
    pub fn step(&mut self, ring: &Ring) -> ReaderStep {
        loop {
            if self.needs_key && !self.find_key(ring) {
                return ReaderStep::Wait;
            }
            let (seq, unit) = match self.pick(ring) {
                Pick::NotYet => return ReaderStep::Wait,
                Pick::Gone => {
                    self.skip();
                    continue;
                }
                Pick::Unit(seq, unit) => (seq, unit),
            };
            let key_ahead = ring.newest_key().is_some_and(|key| key > seq);
            if key_ahead && is_nearly_lost(ring, &unit, seq) {
                self.skip();
                continue;
            }
            if unit.dts.to_ms() < self.floor_ms {
                self.pass(unit.track);
                continue;
            }
            if unit.track == Track::Audio && self.late_ms(&unit) > JITTER.to_ms() {
                self.left_out += 1;
                self.pass(unit.track);
                continue;
            }
            // 32 bits of milliseconds wrap after 49.7 days, as RTMP has it (RTMP 1.0, 4).
            let timestamp_ms = self.time_ms(&unit) as u32;
            match self.changed(ring, &unit) {
                None => {
                    // A source that changes it from frame to frame.
                    self.skip();
                    self.pass(unit.track);
                }
                Some(PerTrack { video: None, audio: None }) => {
                    return ReaderStep::Send { unit, timestamp_ms }
                }
                Some(changed) => {
                    let known = self.known;
                    self.known = PerTrack::of(|track| changed[track].unwrap_or(known[track]));
                    return ReaderStep::Configure { changed, in_force: self.known, timestamp_ms };
                }
            }
        }
    }

    /// The unit that [`Reader::step`] returned is on its way: the next step is the one behind it.
    pub fn sent(&mut self, unit: &Unit) {
        self.pass(unit.track);
        let time_ms = self.time_ms(unit);
        self.moved += u64::from(time_ms != self.own_time_ms(unit));
        self.last_ms[unit.track] = Some(time_ms);
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

    /// Units that came too late for the order of time, and were sent with a later time.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Sound that came so late that it was left out.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The last timestamp sent on a track, milliseconds since its beginning.
    pub fn last_ms(&self, track: Track) -> Option<i64> {
        self.last_ms[track]
    }

    /// How far the unit it stands at lies behind the newest, media time.
    pub fn lag(&self, ring: &Ring) -> Ticks {
        let next = self.next.iter().filter_map(|(track, from)| {
            let NextUnit::Unit(_, unit) = ring.next_of(track, *from) else { return None };
            Some(unit.dts)
        });
        match (next.min(), ring.newest()) {
            (Some(next), Some(newest)) => (newest.dts - next).max(Ticks(0)),
            _ => Ticks(0),
        }
    }

    /// What is next: of the two tracks' next units the one that was whole first, or the earlier
    /// one as soon as nothing is known to come before it.
    fn pick(&mut self, ring: &Ring) -> Pick {
        let mut first: Option<(u64, Unit)> = None;
        let settled = ring.settled();
        let until = match self.order {
            ReadOrder::Arrival => None,
            ReadOrder::Viewer => settled.for_viewers,
            ReadOrder::Time => Some(settled.until),
        };
        for track in Track::ALL {
            match ring.next_of(track, self.next[track]) {
                NextUnit::Gone(_) => return Pick::Gone,
                NextUnit::NotYet(seq) => self.next[track] = seq,
                NextUnit::Unit(seq, unit) => {
                    self.next[track] = seq;
                    let is_first = first.is_none_or(|(first_seq, first)| match until {
                        Some(_) => unit.dts < first.dts,
                        None => seq < first_seq,
                    });
                    if is_first {
                        first = Some((seq, unit));
                    }
                }
            }
        }
        let Some((seq, unit)) = first else { return Pick::NotYet };
        match until.is_some_and(|until| unit.dts > until[unit.track]) {
            true => Pick::NotYet,
            false => Pick::Unit(seq, unit),
        }
    }

    /// A unit's timestamp before it is cut to 32 bits.
    fn time_ms(&self, unit: &Unit) -> i64 {
        let own = self.own_time_ms(unit);
        match self.order {
            ReadOrder::Arrival | ReadOrder::Viewer => own,
            ReadOrder::Time => {
                let behind_own_track = self.last_ms(unit.track).map_or(own, |last| last + 1);
                own.max(behind_own_track).max(own + self.late_ms(unit))
            }
        }
    }

    fn own_time_ms(&self, unit: &Unit) -> i64 {
        unit.dts.to_ms() - self.base_ms.unwrap_or_default()
    }

    /// How far a unit lies before the latest that has been sent, in the order of time.
    fn late_ms(&self, unit: &Unit) -> i64 {
        let latest =
            self.last_ms.values().flatten().max().filter(|_| self.order == ReadOrder::Time);
        latest.map_or(0, |latest| (latest - self.own_time_ms(unit)).max(0))
    }

    /// The track's next unit is behind the one it stands at.
    fn pass(&mut self, track: Track) {
        self.next[track] += 1;
    }

    fn find_key(&mut self, ring: &Ring) -> bool {
        let PerTrack { video, audio } = self.next;
        let Some(key) = ring.newest_key().filter(|&key| key >= video) else { return false };
        let Lookup::Unit(unit) = ring.get(key) else { return false };
        self.floor_ms = unit.dts.to_ms();
        match self.base_ms {
            Some(_) => self.dropped += key - video.min(audio),
            None => self.base_ms = Some(self.floor_ms),
        }
        self.next = PerTrack { video: key, audio: key.max(audio) };
        self.needs_key = false;
        true
    }

    fn skip(&mut self) {
        self.skips += 1;
        self.needs_key = true;
    }

    /// The configurations that have to be sent before a unit: its own track's, and with the first
    /// unit the other's too. Units of the two tracks may leave in another order than they came,
    /// so what one says of the other's configuration may hold later only. `None`: its own is no
    /// longer remembered.
    fn changed(&self, ring: &Ring, unit: &Unit) -> Option<PerTrack<Option<Generation>>> {
        let mut changed = PerTrack::default();
        for (track, &needed) in unit.configs.iter() {
            let known = self.known[track];
            let is_own = track == unit.track;
            if needed == known || !is_own && known != 0 {
                continue;
            }
            match ring.config(track, needed) {
                Some(_) => changed[track] = Some(needed),
                None if is_own => return None,
                None => {}
            }
        }
        Some(changed)
    }
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
