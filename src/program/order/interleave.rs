//! How the units of one source are interleaved as they arrive. Purpose: by how much each track
//! comes behind the other, in the source's own time. Bound: this struct, one for each source.

use crate::base::time::Ticks;
use crate::codec::access_unit::{Track, UnitStart};
use crate::codec::per_track::PerTrack;

/// Threads and networks jitter: by so much units come later than ever before, once in a while.
pub(in crate::program) const JITTER: Ticks = Ticks::from_ms(100);
/// The longest a unit is held back for what is not known to come so late.
pub(super) const LAG_MAX: Ticks = Ticks::from_ms(700);
/// The longest for what is: a transport stream keeps its tracks within a second (ISO/IEC 13818-1,
/// 2.4.2.6), and a quarter for jitter. To leave such a stream's sound out would be worse than to
/// wait for it.
pub(in crate::program) const LAG_KNOWN_MAX: Ticks = Ticks::from_ms(1_250);
/// A lag is believed for this long of the source's time after it was last seen, and as long again
/// at most.
const LAG_HOLDS: Ticks = Ticks::from_ms(10_000);
/// Steps longer than this are jumps, and say nothing of how tracks are interleaved.
const JUMP: Ticks = Ticks::from_ms(3_000);

/// How the units of one source are interleaved as they arrive: by how much each track comes behind
/// the other, in the source's own time.
#[derive(Default)]
pub(in crate::program) struct Interleave {
    open: PerTrack<Option<Ticks>>,
    newest: PerTrack<Option<Ticks>>,
    /// The furthest that a track's units came behind the other's newest: in the span that began at
    /// `since`, and in the one before.
    lags: [PerTrack<Ticks>; 2],
    since: Option<Ticks>,
    /// Where its time begins.
    first: Option<Ticks>,
    is_known: bool,
}

impl Interleave {
    /// A unit begins.
    pub(in crate::program) fn begins(&mut self, start: UnitStart) {
        self.open[start.track] = Some(start.dts);
    }

    /// The track's open unit is whole.
    pub(in crate::program) fn whole(&mut self, track: Track) {
        let Some(dts) = self.open[track].take() else { return };
        let PerTrack { video, audio } = &mut self.newest;
        let (own, other) = match track {
            Track::Video => (video, audio),
            Track::Audio => (audio, video),
        };
        let before = own.replace(dts);
        if before.is_some_and(|before| dts < before || dts - before > JUMP) {
            // Another time begins, for the other track too.
            (*other, self.since, self.first) = (None, Some(dts), Some(dts));
        }
        let first = *self.first.get_or_insert(dts);
        self.is_known |= other.is_some() && dts - first >= LAG_MAX;
        if dts - *self.since.get_or_insert(dts) > LAG_HOLDS {
            let [now, _] = self.lags;
            (self.lags, self.since) = ([PerTrack::default(), now], Some(dts));
        }
        let behind = other.map_or(Ticks(0), |newest| newest - dts);
        let [now, _] = &mut self.lags;
        if behind <= JUMP {
            now[track] = now[track].max(behind.min(LAG_KNOWN_MAX));
        }
    }

    /// How far a track's units come behind the other's at most.
    pub(in crate::program) fn lag(&self, track: Track) -> Ticks {
        let [now, before] = self.lags;
        let lag = now[track].max(before[track]);
        // What jitters comes later still, once in a while.
        (lag + Ticks(lag.0 / 4)).min(LAG_KNOWN_MAX)
    }

    /// Whether both tracks have come for long enough that what they do is what they always do.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }
}

#[cfg(test)]
#[path = "interleave_tests.rs"]
pub(super) mod tests;
