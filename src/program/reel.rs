//! A file's access units, paced. Purpose: parcels come in as the disk gives them, units leave when
//! they are due: at the start plus what their DTS says, each whole, so that no frame hangs
//! half-sent while the disk stalls. Non-goals: reading, choosing what plays. Bounds:
//! [`PARCELS_PER_DECK`] parcels.
//!
//! Video gives the pace. Audio waits for its own time, but not inside an open video unit, and not
//! for a time that nothing leads up to. A file whose time jumps (recordings joined without care)
//! goes on a frame later, whatever it says; one that is late by more than a second, because the
//! disk stood or the machine slept, goes on from now instead of hurrying.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::limits::{
    FILE_JUMP_MS, FILE_LATE_MS_MAX, FRAME_TICKS_MAX, PARCELS_PER_DECK, PRE_ROLL_MS,
};
use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, UnitSink, UnitStart};

use super::parcel::{Call, Ending, Parcel};

/// Distance taken for a frame's while none is known: 30 frames per second.
const FRAME_DEFAULT: Ticks = Ticks(3000);
const LATE_MAX: Duration = Duration::from_millis(FILE_LATE_MS_MAX);
const JUMP: Ticks = Ticks::from_ms(FILE_JUMP_MS);
/// Frame durations a pause may last and still be no jump: a slide show has long frames.
const JUMP_FRAMES: i64 = 3;

/// Whether a file can go on air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet.
    Waits,
    /// Its key frame and some more are here.
    Ready,
    /// It never will: it ended or failed before its first key frame.
    Never,
}

/// Units of one file, in order.
#[derive(Default)]
pub struct Reel {
    parcels: VecDeque<Parcel>,
    spent: Vec<Parcel>,
    /// The next call in the first parcel.
    next: usize,
    /// When it may begin; the first key unit fixes the clock.
    begins: Option<Mono>,
    clock: Option<Clock>,
    /// The latest time of either track.
    latest: Option<Ticks>,
    video: Option<LastVideo>,
    frame: Ticks,
    open: [bool; 2],
    left_out: u64,
}

/// Media time `media` leaves at `at`.
#[derive(Clone, Copy)]
struct Clock {
    at: Mono,
    media: Ticks,
}

impl Clock {
    fn due(self, dts: Ticks) -> Mono {
        self.at + (dts - self.media).to_duration()
    }
}

#[derive(Clone, Copy)]
struct LastVideo {
    dts: Ticks,
    due: Mono,
}

impl Reel {
    /// Takes what has been read.
    pub fn push(&mut self, parcel: Parcel) {
        self.parcels.push_back(parcel);
        self.drop_spent();
    }

    /// A parcel that has been used up, to be filled again.
    pub fn take_spent(&mut self) -> Option<Parcel> {
        self.spent.pop()
    }

    /// Whether it can go on air.
    pub fn readiness(&self) -> Readiness {
        let mut key = None;
        for call in self.calls_ahead() {
            match (call, key) {
                (Call::Begin(start), None) if start.key => key = Some(start.dts),
                (Call::Abort(Track::Video), Some(_)) => key = None,
                (Call::Begin(start), Some(key))
                    if start.track == Track::Video
                        && start.dts - key >= Ticks::from_ms(PRE_ROLL_MS) =>
                {
                    return Readiness::Ready;
                }
                _ => {}
            }
        }
        match (self.is_all_here(), key) {
            (true, Some(_)) => Readiness::Ready,
            (true, None) if self.ending().is_some() => Readiness::Never,
            _ => Readiness::Waits,
        }
    }

    /// Lets it begin: its first key unit leaves with the next [`Reel::play`], as if it were `at`.
    pub fn start(&mut self, at: Mono) {
        self.begins = Some(at);
    }

    /// Lets everything that has not left come so much later.
    pub fn postpone(&mut self, by: Duration) {
        if let Some(clock) = &mut self.clock {
            clock.at = clock.at + by;
        }
        if let Some(video) = &mut self.video {
            video.due = video.due + by;
        }
    }

    /// When [`Reel::play`] has something to do; `None`: not before more has been read.
    pub fn due(&self, now: Mono) -> Option<Mono> {
        self.begins?;
        match self.calls_ahead().next()? {
            Call::Begin(start) => match self.unit_due(start) {
                Some(due) if self.is_whole_ahead(start.track) => Some(due.max(now)),
                _ => None,
            },
            _ => Some(now),
        }
    }

    /// Whether it waits for more to be read.
    pub fn is_starved(&self, now: Mono) -> bool {
        match self.begins {
            Some(_) => self.due(now).is_none() && self.ending().is_none(),
            None => self.readiness() == Readiness::Waits,
        }
    }

    /// Hands over what is due; whether that was anything.
    pub fn play(&mut self, now: Mono, sink: &mut dyn UnitSink) -> bool {
        let mut played = false;
        while self.due(now).is_some_and(|due| due <= now) {
            let Some(call) = self.calls_ahead().next() else { break };
            self.take_note(call, now);
            if let Some(parcel) = self.parcels.front() {
                parcel.replay(call, sink);
            }
            self.next += 1;
            self.drop_spent();
            played = true;
        }
        played
    }

    /// When what follows may begin: the last frame has been shown. Audio that lasts longer gives
    /// way. `None`: there is more to come.
    pub fn end(&self) -> Option<Mono> {
        self.ending()?;
        let is_video = |call| matches!(call, Call::Begin(start) if start.track == Track::Video);
        if self.is_open(Track::Video) || self.calls_ahead().any(is_video) {
            return None;
        }
        Some(self.video.map_or(Mono::default(), |last| last.due + self.frame().to_duration()))
    }

    /// How it ends, once that is known: it may lie ahead.
    pub fn ending(&self) -> Option<&Ending> {
        self.parcels.back()?.ending.as_ref()
    }

    /// Where the picture stands in the file.
    pub fn position(&self) -> Ticks {
        self.video.map_or(Ticks(0), |last| last.dts).max(Ticks(0))
    }

    /// When the last video unit was due.
    pub fn last_due(&self) -> Option<Mono> {
        self.video.map(|last| last.due)
    }

    /// Units that were broken.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether no more parcels can come: the end is known, or all there are are here.
    fn is_all_here(&self) -> bool {
        self.ending().is_some() || self.parcels.len() >= PARCELS_PER_DECK
    }

    fn calls_ahead(&self) -> impl Iterator<Item = Call> + '_ {
        let all = self.parcels.iter().flat_map(|parcel| parcel.calls().iter().copied());
        // Skipping inside the first parcel would walk over what has been said, call by call.
        let first = self.parcels.front().map(Parcel::calls).unwrap_or_default();
        let ahead = first.get(self.next..).unwrap_or_default().iter().copied();
        ahead.chain(all.skip(first.len()))
    }

    /// Whether a unit that begins next is here to its end, or never will be.
    fn is_whole_ahead(&self, track: Track) -> bool {
        let ends = |call| match call {
            Call::Commit(ended) | Call::Abort(ended) => ended == track,
            _ => false,
        };
        self.is_all_here() || self.calls_ahead().any(ends)
    }

    /// When a unit is to leave.
    fn unit_due(&self, start: UnitStart) -> Option<Mono> {
        let Some(clock) = self.clock else { return Some(Mono::default()) };
        match start.track {
            Track::Video => Some(self.video_due(clock, start.dts)),
            Track::Audio => {
                let strays = self.latest.is_none_or(|latest| start.dts - latest > JUMP);
                let inside = self.is_open(Track::Video);
                Some(if strays || inside { clock.at } else { clock.due(start.dts) })
            }
        }
    }

    fn video_due(&self, clock: Clock, dts: Ticks) -> Mono {
        match self.video {
            Some(last) if self.jumps(last, dts) => last.due + self.frame().to_duration(),
            _ => clock.due(dts),
        }
    }

    fn jumps(&self, last: LastVideo, dts: Ticks) -> bool {
        let pause = JUMP.max(Ticks(self.frame().0.saturating_mul(JUMP_FRAMES)));
        dts <= last.dts || self.latest.is_some_and(|latest| dts - latest > pause)
    }

    fn frame(&self) -> Ticks {
        if self.frame.0 > 0 {
            self.frame
        } else {
            FRAME_DEFAULT
        }
    }

    fn take_note(&mut self, call: Call, now: Mono) {
        match call {
            Call::Begin(start) => {
                self.set_open(start.track, true);
                match start.track {
                    Track::Video => self.video_begins(start.dts, now),
                    // A time that nothing leads up to is believed of video only.
                    Track::Audio if self.latest.is_some_and(|at| start.dts - at > JUMP) => {}
                    Track::Audio => self.latest = self.latest.max(Some(start.dts)),
                }
            }
            Call::Commit(track) => self.set_open(track, false),
            Call::Abort(track) => {
                self.set_open(track, false);
                self.left_out += 1;
            }
            Call::Config(_) | Call::Write(..) | Call::Patch(..) => {}
        }
    }

    fn video_begins(&mut self, dts: Ticks, now: Mono) {
        let begins = Clock { at: self.begins.unwrap_or(now), media: dts };
        let clock = *self.clock.get_or_insert(begins);
        let mut due = self.video_due(clock, dts);
        let jumped = self.video.is_some_and(|last| self.jumps(last, dts));
        let late = now.since(due) > LATE_MAX;
        if late {
            due = now;
        }
        if late || jumped {
            self.clock = Some(Clock { at: due, media: dts });
        }
        if let Some(last) = self.video.filter(|_| !jumped) {
            let step = dts - last.dts;
            if (1..=FRAME_TICKS_MAX).contains(&step.0) {
                self.frame = step;
            }
        }
        self.latest = if jumped { Some(dts) } else { self.latest.max(Some(dts)) };
        self.video = Some(LastVideo { dts, due });
    }

    fn is_open(&self, track: Track) -> bool {
        self.open.get(track.index()).copied().unwrap_or(false)
    }

    fn set_open(&mut self, track: Track, open: bool) {
        if let Some(slot) = self.open.get_mut(track.index()) {
            *slot = open;
        }
    }

    /// Puts parcels that have been said to the end aside; the one with the ending stays.
    fn drop_spent(&mut self) {
        while let Some(first) = self.parcels.front() {
            if self.next < first.calls().len() || first.ending.is_some() {
                return;
            }
            self.next = 0;
            if let Some(mut parcel) = self.parcels.pop_front() {
                parcel.clear();
                self.spent.push(parcel);
            }
        }
    }
}

#[cfg(test)]
#[path = "reel_tests.rs"]
mod tests;
