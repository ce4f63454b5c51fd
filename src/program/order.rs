//! The order of time. Purpose: units are stored in the order in which they become whole; a
//! destination gets them in the order of their DTS across both tracks, without exception: servers
//! that hold a unit out of order for an error in its time (SRS, by more than 250 ms) tear such a
//! stream. FFmpeg packs up to 380 ms of AAC into a PES packet, so its sound arrives behind the
//! picture.
//!
//! A picture leaves as soon as no sound of an earlier time is to come: sound up to it is there, or
//! silence that stands in for it. So what is well interleaved does not wait, and what lags is waited
//! for exactly as long as it lags. Where neither comes, pictures leave once those [`LAG_MAX`] later
//! are there; of a source whose sound is known to lag further, as much later as that. Sound leaves
//! as soon as a picture of its time or later is there, or when by the rhythm of its source's
//! pictures none of an earlier time is to come.
//!
//! Time on the wall lets a picture leave only where its source does less than it has done before:
//! what stands still between two bursts goes on in order, and what stands still for good is covered.
//! What comes too late all the same is moved or left out by the [`Reader`](super::reader::Reader).
//!
//! Non-goal: copying or queueing: a reader looks at both tracks in the ring and takes what is
//! settled. Bounds: these structs; [`LAG_MAX`].

mod interleave;
mod viewers;

use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::Track;
use crate::codec::per_track::PerTrack;

use self::interleave::LAG_MAX;
pub(super) use self::interleave::{Interleave, JITTER, LAG_KNOWN_MAX};
use self::viewers::ViewerOrder;

/// A cut is on time a quarter of a frame of 100 ms after the programme is due, and rounds.
const CUT_EARLY_MAX: Ticks = Ticks::from_ms(27);

/// What of the ring may leave in order of time: units up to these times.
/// Nothing that would have to leave before them is to come. Times are the programme's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// To destinations.
    pub until: PerTrack<Ticks>,
    /// To viewers; `None`: order would cost them more than a frame or two.
    pub for_viewers: Option<PerTrack<Ticks>>,
}

impl Default for Settled {
    fn default() -> Settled {
        let all = PerTrack::both(Ticks(i64::MAX));
        Settled { until: all, for_viewers: Some(all) }
    }
}

/// A unit that was stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) track: Track,
    pub(super) dts: Ticks,
    /// How long it lasts, where that is known: nothing of its track comes before its end.
    pub(super) duration: Ticks,
    /// Where the programme is to stand by the clock: there the next source would begin.
    pub(super) due: Ticks,
}

/// Knows what is settled.
pub(super) struct SettledOrder {
    newest: PerTrack<Option<(Ticks, Mono)>>,
    /// No sound is to come that stands before this.
    next_sound: Ticks,
    /// The shortest step from one sound to the next since the cut: clocks of encoders jitter.
    sound_step: Ticks,
    until: PerTrack<Ticks>,
    /// How far a track's newest must be ahead of a unit that leaves without the other track.
    holds: PerTrack<Ticks>,
    /// How far pictures stand ahead of sound where their source pauses between two bursts.
    ahead: Ticks,
    due: Ticks,
    viewers: ViewerOrder,
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

impl Default for SettledOrder {
    fn default() -> SettledOrder {
        SettledOrder {
            newest: PerTrack::default(),
            next_sound: Ticks(i64::MIN),
            sound_step: Ticks(i64::MAX),
            until: PerTrack::both(Ticks(i64::MIN)),
            holds: PerTrack::both(LAG_MAX),
            ahead: Ticks(0),
            due: Ticks(i64::MIN),
            viewers: ViewerOrder::default(),
            joins: Some(Join::default()),
        }
    }
}

impl SettledOrder {
    /// A unit was stored, of a source that is interleaved like this; `None`: it is known to have no
    /// sound. Answers whether it is sound that lets pictures leave that were held back for it.
    pub(super) fn stored(
        &mut self,
        unit: Stored,
        interleave: Option<&Interleave>,
        now: Mono,
    ) -> bool {
        let before = self.until.video;
        let holds_picture = self.newest.video.is_some_and(|(dts, _)| dts > before);
        self.take(unit, now);
        self.join(unit, interleave.is_some());
        let lags = PerTrack::of(|track| interleave.map_or(Ticks(0), |it| it.lag(track)));
        self.holds = match interleave {
            None => PerTrack { video: Ticks(0), audio: LAG_KNOWN_MAX },
            Some(it) => PerTrack {
                video: lags.audio.max(LAG_MAX),
                audio: if it.is_known() { lags.video + JITTER } else { LAG_KNOWN_MAX },
            },
        };
        (self.ahead, self.due) = (lags.audio.max(JITTER), unit.due);
        self.settle(now);
        let lags = match self.joins {
            None => lags,
            Some(Join { first: Some(_) }) => PerTrack { audio: LAG_MAX, ..lags },
            // Its bytes still flow, and sound beside it is whole before.
            Some(Join { first: None }) => PerTrack::both(LAG_MAX),
        };
        self.viewers.stored(self.newest, lags, now);
        unit.track == Track::Audio && holds_picture && self.until.video > before
    }

    /// Another source is on air, or another time of the same: its sound joins.
    pub(super) fn cut(&mut self) {
        (self.joins, self.sound_step) = (Some(Join::default()), Ticks(i64::MAX));
    }

    /// Lets time pass; whether a unit that was held back may leave because of it.
    pub(super) fn tick(&mut self, now: Mono) -> bool {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return false;
        }
        self.settle(now);
        self.viewers.settle(now);
        true
    }

    /// When [`SettledOrder::tick`] lets a unit leave, if nothing comes before.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.pictures_due().into_iter().chain(self.viewers.deadline()).min()
    }

    /// The newest picture, if it is to leave without sound now.
    pub(super) fn leaves_without_sound(&self, now: Mono) -> Option<Ticks> {
        let (newest, _) = self.newest.video?;
        self.pictures_due().is_some_and(|due| now >= due).then_some(newest)
    }

    /// What may leave.
    pub(super) fn settled(&self) -> Settled {
        Settled { until: self.until, for_viewers: self.viewers.settled() }
    }

    /// How far sound of the source on air may come behind its picture, in order all the same.
    pub(super) fn waits_for_sound(&self) -> Ticks {
        self.holds.video
    }

    fn take(&mut self, unit: Stored, now: Mono) {
        let Stored { track, dts, duration, .. } = unit;
        if track == Track::Audio {
            let step = self.newest[track].map_or(duration, |(before, _)| dts - before);
            self.sound_step = self.sound_step.min(step).max(Ticks(0));
            self.next_sound = self.next_sound.max(dts + duration.min(self.sound_step));
        }
        self.newest[track] = Some((dts, now));
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
        if !may_sound || self.next_sound > first || stays_away {
            self.joins = None;
        }
    }

    fn settle(&mut self, now: Mono) {
        let leaves = self.leaves_without_sound(now);
        let pictures = self.pictures_until().max(leaves.unwrap_or(Ticks(i64::MIN)));
        self.until = PerTrack {
            video: self.until.video.max(pictures),
            audio: self.until.audio.max(self.sound_until()),
        };
    }

    /// Pictures up to this time may leave, whatever the time is.
    fn pictures_until(&self) -> Ticks {
        let newest = self.newest.video.filter(|_| self.joins.is_none());
        let by_picture = |(newest, _)| self.next_sound.max(newest - self.holds.video);
        newest.map_or(self.next_sound, by_picture)
    }

    /// Sound up to this time may leave: up to the newest picture, and where sound has gone on since
    /// that came, further by as much time, less what pictures come behind it; but not past where the
    /// next source's first picture would stand.
    fn sound_until(&self) -> Ticks {
        let Some((picture, pictured)) = self.newest.video else {
            return Ticks(i64::MIN);
        };
        let sounded = self.newest.audio.map_or(pictured, |(_, at)| at);
        let gone_on = picture + Ticks::from_duration(sounded.since(pictured)) - self.holds.audio;
        picture.max(gone_on.min(self.due - CUT_EARLY_MAX))
    }

    /// When the newest picture may leave without sound. Where that is no further behind than it
    /// always is at times, its source just pauses.
    fn pictures_due(&self) -> Option<Mono> {
        let (newest, at) = self.newest.video?;
        let pauses = self.joins.is_none() && newest - self.next_sound <= self.ahead;
        let is_held = newest > self.until.video;
        (is_held && !pauses).then(|| at + self.waits_for_sound().max(LAG_MAX).to_duration())
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
