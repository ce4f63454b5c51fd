//! The order of time. Purpose: units are stored in the order in which they become whole; a
//! destination gets them in the order of their DTS across both tracks. How long a unit has to wait
//! for that is measured, for each source: as long as units of the other track are known to come
//! behind later ones of its own, and not at all where they never do. FFmpeg packs up to 380 ms of
//! AAC into a PES packet, so its sound arrives behind the picture; servers that hold a unit out of
//! order for an error in its time (SRS, by more than 250 ms) tear such a stream. Non-goal: copying
//! or queueing: a reader looks at both tracks in the ring and takes what is settled. Bounds: these
//! structs; [`LAG_MAX`].

use std::time::Duration;

use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, UnitStart};

/// The longest a unit is held back.
pub(super) const LAG_MAX: Ticks = Ticks::from_ms(700);
/// The most that order may cost a viewer; where it costs more, units leave as they come.
pub(super) const VIEWER_LAG_MAX: Ticks = Ticks::from_ms(50);
/// A lag is believed for this long of the source's time after it was last seen, and as long again
/// at most.
const LAG_HOLDS: Ticks = Ticks::from_ms(10_000);
/// Where a track does not go on, its newest unit waits this much longer than the other's units come
/// behind it: they jitter. A unit that is followed waits no longer than its followers say.
const JITTER: Duration = Duration::from_millis(100);
/// Steps longer than this are jumps, and say nothing of how tracks are interleaved.
const JUMP: Ticks = Ticks::from_ms(3_000);

/// How the units of one source are interleaved as they arrive: by how much each track comes behind
/// the other, in the source's own time.
#[derive(Default)]
pub(super) struct Interleave {
    open: [Option<Ticks>; 2],
    newest: [Option<Ticks>; 2],
    /// The furthest that a track's units came behind the other's newest, by [`Track::index`]: in
    /// the span that began at `since`, and in the one before.
    lags: [[Ticks; 2]; 2],
    since: Option<Ticks>,
}

impl Interleave {
    /// A unit begins.
    pub(super) fn begins(&mut self, start: UnitStart) {
        if let Some(open) = self.open.get_mut(start.track.index()) {
            *open = Some(start.dts);
        }
    }

    /// The track's open unit is whole.
    pub(super) fn whole(&mut self, track: Track) {
        let Some(dts) = self.open.get_mut(track.index()).and_then(Option::take) else { return };
        let [video, audio] = &mut self.newest;
        let (own, other) = match track {
            Track::Video => (video, audio),
            Track::Audio => (audio, video),
        };
        let before = own.replace(dts);
        if before.is_some_and(|before| dts < before || dts - before > JUMP) {
            // Another time begins, for the other track too.
            (*other, self.since) = (None, Some(dts));
        }
        if dts - *self.since.get_or_insert(dts) > LAG_HOLDS {
            let [now, _] = self.lags;
            (self.lags, self.since) = ([[Ticks(0); 2], now], Some(dts));
        }
        let behind = other.map_or(Ticks(0), |newest| newest - dts);
        let [now, _] = &mut self.lags;
        if let Some(lag) = now.get_mut(track.index()).filter(|_| behind <= JUMP) {
            *lag = (*lag).max(behind.min(LAG_MAX));
        }
    }

    /// How far a track's units come behind the other's at most.
    fn lag(&self, track: Track) -> Ticks {
        let of = |lags: [Ticks; 2]| lags.get(track.index()).copied().unwrap_or_default();
        let [now, before] = self.lags;
        let lag = of(now).max(of(before));
        // What jitters comes later still, once in a while.
        (lag + Ticks(lag.0 / 4)).min(LAG_MAX)
    }
}

/// What of the ring may leave in order of time. Times are the programme's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Units up to this time may leave, by [`Track::index`]: nothing of the other track that would
    /// have to leave before them is known to be on its way.
    pub until: [Ticks; 2],
    /// For viewers too: order costs them no more than a frame or two.
    pub for_viewers: bool,
}

impl Default for Settled {
    fn default() -> Settled {
        Settled { until: [Ticks(i64::MAX); 2], for_viewers: true }
    }
}

/// A unit that was stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) track: Track,
    pub(super) dts: Ticks,
    /// How long it lasts, where that is known: nothing of its track comes before its end.
    pub(super) duration: Ticks,
}

/// Knows what is settled.
pub(super) struct Order {
    newest: [Option<(Ticks, Mono)>; 2],
    until: [Ticks; 2],
    lags: [Ticks; 2],
    /// Where the newest sound ends.
    sound_ends: Ticks,
    /// Behind a cut no sound has come up with the first picture yet.
    joins: Option<Join>,
}

/// Sound that joins behind a cut. How far it stands behind its picture is not known before it comes:
/// a source may be new, B-frames put the first sound before the first picture, and silence that
/// stands in begins where the last source's sound ended. So pictures wait for it as long as any may
/// lag, those of the last source too that were waiting for its sound.
#[derive(Clone, Copy, Debug, Default)]
struct Join {
    /// The first picture behind the cut.
    first: Option<Ticks>,
}

impl Default for Order {
    fn default() -> Order {
        Order {
            newest: [None; 2],
            until: [Ticks(i64::MIN); 2],
            lags: [Ticks(0); 2],
            sound_ends: Ticks(i64::MIN),
            joins: Some(Join::default()),
        }
    }
}

impl Order {
    /// A unit was stored, of a source that is interleaved like this; `None`: it is known to have no
    /// sound. Answers whether it is sound that lets pictures leave that were held back for it.
    pub(super) fn stored(
        &mut self,
        unit: Stored,
        interleave: Option<&Interleave>,
        now: Mono,
    ) -> bool {
        let Stored { track, dts, duration } = unit;
        if let Some(newest) = self.newest.get_mut(track.index()) {
            *newest = Some((dts, now));
        }
        if track == Track::Audio {
            self.sound_ends = self.sound_ends.max(dts + duration);
        }
        self.join(unit, interleave.is_some());
        let measured = |track| interleave.map_or(Ticks(0), |it| it.lag(track));
        self.lags = match self.joins {
            None => Track::ALL.map(measured),
            Some(Join { first: Some(_) }) => [measured(Track::Video), LAG_MAX],
            // Its bytes still flow, and sound beside it is whole before.
            Some(Join { first: None }) => [LAG_MAX; 2],
        };
        let [before, _] = self.until;
        self.settle(now);
        let [until, _] = self.until;
        track == Track::Audio && until > before
    }

    /// Another source is on air, or another time of the same: its sound joins.
    pub(super) fn cut(&mut self) {
        self.joins = Some(Join::default());
    }

    /// Whether sound still joins behind this unit: not when it has come up with the first picture,
    /// nor when it has stayed away longer than any may.
    fn join(&mut self, unit: Stored, may_sound: bool) {
        let Some(Join { first }) = &mut self.joins else { return };
        if unit.track == Track::Video {
            first.get_or_insert(unit.dts);
        }
        let Some(first) = *first else { return };
        let stays_away = unit.track == Track::Video && unit.dts - first > LAG_MAX;
        if !may_sound || self.sound_ends > first || stays_away {
            self.joins = None;
        }
    }

    /// Lets time pass; whether a unit that was held back may leave because of it.
    pub(super) fn tick(&mut self, now: Mono) -> bool {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return false;
        }
        self.settle(now);
        true
    }

    /// When [`Order::tick`] lets a unit leave, if nothing comes before.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let due = Track::ALL.into_iter().filter_map(|track| {
            let (dts, at) = self.newest_of(track)?;
            (dts > self.until_of(track)).then(|| at + self.hold(track))
        });
        due.min()
    }

    /// What may leave.
    pub(super) fn settled(&self) -> Settled {
        let for_viewers = self.lags.iter().all(|lag| *lag <= VIEWER_LAG_MAX);
        Settled { until: self.until, for_viewers }
    }

    fn settle(&mut self, now: Mono) {
        let [video, audio] = self.newest;
        // Within a track units come in order: none is to come that is older than its newest.
        let both =
            video.zip(audio).map_or(Ticks(i64::MIN), |((video, _), (audio, _))| video.min(audio));
        let until = Track::ALL.map(|track| {
            let Some((newest, at)) = self.newest_of(track) else { return Ticks(i64::MIN) };
            let lag = self.lag_of_other(track);
            let by_lag = if now >= at + self.hold(track) { newest } else { newest - lag };
            by_lag.max(both)
        });
        for (settled, until) in self.until.iter_mut().zip(until) {
            *settled = (*settled).max(until);
        }
    }

    /// How long a track's newest unit is held where nothing follows it.
    fn hold(&self, track: Track) -> Duration {
        match self.lag_of_other(track) {
            Ticks(0) => Duration::ZERO,
            lag => lag.to_duration() + JITTER,
        }
    }

    /// How long a track's units have to wait: as far as the other's come behind them.
    fn lag_of_other(&self, track: Track) -> Ticks {
        let [video, audio] = self.lags;
        match track {
            Track::Video => audio,
            Track::Audio => video,
        }
    }

    fn newest_of(&self, track: Track) -> Option<(Ticks, Mono)> {
        let [video, audio] = self.newest;
        match track {
            Track::Video => video,
            Track::Audio => audio,
        }
    }

    fn until_of(&self, track: Track) -> Ticks {
        let [video, audio] = self.until;
        match track {
            Track::Video => video,
            Track::Audio => audio,
        }
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
