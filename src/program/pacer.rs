//! A file's access units, paced. Purpose: read-ahead buffers come in as the disk gives them, units leave when
//! they are due: at the start plus what their DTS says, each whole, so that no frame hangs
//! half-sent while the disk stalls. Non-goals: reading, choosing what plays. Bounds:
//! [`READ_AHEADS_PER_FILE`] read-ahead buffers.
//!
//! Video gives the pace, and a picture that stands still for seconds is played as such. Audio waits
//! for its own time, but not inside an open video unit, and not for a time that nothing leads up
//! to. A file whose time jumps (recordings joined without care) goes on a frame later, whatever it
//! says; one that is late by more than a second, because the disk stood or the machine slept, goes
//! on from now instead of hurrying. The last picture is shown as long as the file says, and while
//! there is sound.

mod times;

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::limits::READ_AHEADS_PER_FILE;
use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, UnitSink, UnitStart};
use crate::codec::per_track::PerTrack;

use self::times::PAUSE_FRAMES;

pub use self::times::FileTimes;
use super::read_ahead::{Call, FileEnding, ReadAhead};

/// What must be ready of a file before it goes on air, besides its key frame.
const PRE_ROLL_MS: i64 = 200;
/// Distance taken for a frame's while none is known: 30 frames per second.
const FRAME_DEFAULT: Ticks = Ticks(3000);
/// A file later than this does not hurry after the clock any more.
const LATE_MAX: Duration = Duration::from_millis(1_000);
/// Distance taken for an audio unit's while none is known: 1024 samples at 48 kHz.
const SOUND_DEFAULT: Ticks = Ticks(1920);
/// The longest distance of two audio units that is one's duration: 1024 samples at 7350 Hz.
const SOUND_MAX: Ticks = Ticks::from_ms(140);

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
pub struct Pacer {
    read_aheads: VecDeque<ReadAhead>,
    spent: Vec<ReadAhead>,
    /// The next call in the first read-ahead buffer.
    next: usize,
    /// When it may begin; the first key unit fixes the clock.
    begins: Option<Mono>,
    clock: Option<PacerClock>,
    times: FileTimes,
    /// The latest time of either track.
    latest: Option<Ticks>,
    /// When the last unit was due.
    last_due: Option<Mono>,
    video: Option<LastVideo>,
    /// The last audio unit.
    sound: Option<Ticks>,
    /// How long audio units last.
    sound_step: Ticks,
    /// The last two distances of pictures, the latest first; 0 while unknown.
    steps: [Ticks; 2],
    /// What the first picture is shown later by than it is decoded.
    reorder: Ticks,
    /// The file's time has jumped: what it states of its end is not to be had from its units.
    jumped: bool,
    open: PerTrack<bool>,
    left_out: u64,
}

/// Media time `media` leaves at `at`.
#[derive(Clone, Copy)]
struct PacerClock {
    at: Mono,
    media: Ticks,
}

impl PacerClock {
    fn due(self, dts: Ticks) -> Mono {
        self.at + (dts - self.media).to_duration()
    }
}

#[derive(Clone, Copy)]
struct LastVideo {
    dts: Ticks,
    due: Mono,
}

impl Pacer {
    /// What the file states of its times.
    pub fn set_times(&mut self, times: FileTimes) {
        self.times = times;
    }

    /// Takes what has been read.
    pub fn push(&mut self, read_ahead: ReadAhead) {
        self.left_out += read_ahead.left_out;
        self.read_aheads.push_back(read_ahead);
        self.drop_spent();
    }

    /// A read-ahead buffer that has been used up, to be filled again.
    pub fn take_spent(&mut self) -> Option<ReadAhead> {
        self.spent.pop()
    }

    /// Whether it can go on air.
    pub fn readiness(&self) -> Readiness {
        let (mut key, mut is_whole) = (None, false);
        for call in self.calls_ahead() {
            match (call, key) {
                (Call::Begin(start), None) if start.key => key = Some(start.dts),
                (Call::Commit(Track::Video), Some(_)) => is_whole = true,
                (Call::Abort(Track::Video), Some(_)) if !is_whole => key = None,
                // Units come in the order of time: no picture stands between.
                (Call::Begin(start), Some(key))
                    if is_whole && start.dts - key >= Ticks::from_ms(PRE_ROLL_MS) =>
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

    /// Lets it begin: its first key unit leaves with the next [`Pacer::play`], as if it were `at`.
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
        self.last_due = self.last_due.map(|last| last + by);
    }

    /// When [`Pacer::play`] has something to do; `None`: not before more has been read.
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
            if let Some(read_ahead) = self.read_aheads.front() {
                read_ahead.replay(call, sink);
            }
            self.next += 1;
            self.drop_spent();
            played = true;
        }
        played
    }

    /// When what follows may begin: the last frame has been shown. Audio that lasts a little longer
    /// gives way; a picture under sound stands until that ends. `None`: there is more to come.
    pub fn end(&self) -> Option<Mono> {
        let is_whole = *self.ending()? == FileEnding::Whole;
        if self.open.video || self.next_video().is_some() {
            return None;
        }
        let (Some(last), Some(clock)) = (self.video, self.clock) else {
            return Some(Mono::default());
        };
        let shown = last.due + self.frame().to_duration();
        if !is_whole || self.jumped {
            return Some(shown);
        }
        // As decoding times: pictures leave at those.
        let picture = last.dts + self.frame();
        let picture = self.times.picture_end(picture + self.reorder) - self.reorder;
        let sound = self.sound_end().filter(|end| FileTimes::is_waited_for(*end, picture));
        Some(shown.max(clock.due(sound.unwrap_or(picture))))
    }

    /// When the next picture leaves, or the file's end comes: at least then, where only the sound
    /// before it is here. `None`: nothing is.
    pub fn next_picture(&self) -> Option<Mono> {
        match self.next_video() {
            Some(start) => self.unit_due(start),
            None => self.end().or_else(|| Some(self.clock?.due(self.sound_end()?))),
        }
    }

    /// How it ends, once that is known: it may lie ahead.
    pub fn ending(&self) -> Option<&FileEnding> {
        self.read_aheads.back()?.ending.as_ref()
    }

    /// Where it stands in the file.
    pub fn position(&self) -> Ticks {
        self.latest.unwrap_or_default().max(Ticks(0))
    }

    /// When the last unit was due.
    pub fn last_due(&self) -> Option<Mono> {
        self.last_due
    }

    /// Since when it should have gone on, but that nothing has been read.
    pub fn stalls_since(&self, now: Mono) -> Option<Mono> {
        self.last_due.filter(|_| self.is_starved(now))
    }

    /// How long it has played at its end.
    pub fn lasted(&self) -> Option<Duration> {
        Some(self.end()?.since(self.begins?))
    }

    /// Units that were broken, or left out.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether no more read-ahead buffers can come: the end is known, or all there are are here.
    fn is_all_here(&self) -> bool {
        self.ending().is_some() || self.read_aheads.len() >= READ_AHEADS_PER_FILE
    }

    fn calls_ahead(&self) -> impl Iterator<Item = Call> + '_ {
        let all = self.read_aheads.iter().flat_map(|read_ahead| read_ahead.calls().iter().copied());
        // Skipping inside the first read-ahead buffer would walk over what has been said, call by call.
        let first = self.read_aheads.front().map(ReadAhead::calls).unwrap_or_default();
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

    fn next_video(&self) -> Option<UnitStart> {
        self.calls_ahead().find_map(|call| match call {
            Call::Begin(start) if start.track == Track::Video => Some(start),
            _ => None,
        })
    }

    /// Where the sound ends, as far as what is here leads up to it.
    fn sound_end(&self) -> Option<Ticks> {
        let last = self.calls_ahead().fold(self.sound, |last, call| match call {
            Call::Begin(UnitStart { track: Track::Audio, dts, .. }) => {
                let before = self.latest.max(last).unwrap_or_default();
                let is_led_to = self.times.leads_to(dts, before, self.frame());
                last.max(Some(dts).filter(|_| is_led_to))
            }
            _ => last,
        });
        let step = if self.sound_step.0 > 0 { self.sound_step } else { SOUND_DEFAULT };
        last.map(|last| last + step)
    }

    /// When a unit is to leave.
    fn unit_due(&self, start: UnitStart) -> Option<Mono> {
        let Some(clock) = self.clock else { return Some(Mono::default()) };
        match start.track {
            Track::Video => Some(self.video_due(clock, start.dts)),
            Track::Audio => {
                let inside = self.open.video;
                let waits = self.leads_to(start.dts) && !inside;
                Some(if waits { clock.due(start.dts) } else { clock.at })
            }
        }
    }

    fn video_due(&self, clock: PacerClock, dts: Ticks) -> Mono {
        match self.video {
            Some(last) if self.jumps(last, dts) => last.due + self.frame().to_duration(),
            _ => clock.due(dts),
        }
    }

    fn jumps(&self, last: LastVideo, dts: Ticks) -> bool {
        dts <= last.dts || !(self.leads_to(dts) || self.is_rhythm(last.dts, dts))
    }

    /// Whether the next picture comes about as late behind this one as this one behind the last.
    fn is_rhythm(&self, last: Ticks, dts: Ticks) -> bool {
        let later = |call| match call {
            Call::Begin(start) if start.track == Track::Video => Some(start.dts - dts),
            _ => None,
        };
        let next = self.calls_ahead().filter_map(later).find(|step| step.0 != 0);
        next.is_some_and(|next| dts - last <= Ticks(next.0.saturating_mul(PAUSE_FRAMES)))
    }

    /// Whether what has left leads up to a time.
    fn leads_to(&self, time: Ticks) -> bool {
        self.latest.is_some_and(|latest| self.times.leads_to(time, latest, self.frame()))
    }

    /// How long a picture is shown: the shorter of the last two distances, for a pause before the
    /// last picture does not tell how long that is shown.
    fn frame(&self) -> Ticks {
        match self.steps {
            [Ticks(0), _] => FRAME_DEFAULT,
            [step, Ticks(0)] => step,
            [step, before] => step.min(before),
        }
    }

    fn take_note(&mut self, call: Call, now: Mono) {
        match call {
            Call::Begin(start) => {
                self.open[start.track] = true;
                match start.track {
                    Track::Video => self.video_begins(start, now),
                    Track::Audio => self.audio_begins(start),
                }
            }
            Call::Commit(track) => self.open[track] = false,
            Call::Abort(track) => {
                self.open[track] = false;
                self.left_out += 1;
            }
            Call::Config(_) | Call::Write(..) | Call::Patch(..) => {}
        }
    }

    /// A time that nothing leads up to is believed of video only.
    fn audio_begins(&mut self, start: UnitStart) {
        if !self.leads_to(start.dts) {
            return;
        }
        let step = self.sound.map_or(Ticks(0), |last| start.dts - last);
        if (1..=SOUND_MAX.0).contains(&step.0) {
            self.sound_step = step;
        }
        self.sound = self.sound.max(Some(start.dts));
        self.latest = self.latest.max(Some(start.dts));
        self.last_due = self.last_due.max(self.clock.map(|clock| clock.due(start.dts)));
    }

    fn video_begins(&mut self, start: UnitStart, now: Mono) {
        let dts = start.dts;
        if self.clock.is_none() {
            self.reorder = start.pts - dts;
        }
        let begins = PacerClock { at: self.begins.unwrap_or(now), media: dts };
        let clock = *self.clock.get_or_insert(begins);
        let mut due = self.video_due(clock, dts);
        let jumped = self.video.is_some_and(|last| self.jumps(last, dts));
        let late = now.since(due) > LATE_MAX;
        if late {
            due = now;
        }
        if late || jumped {
            self.clock = Some(PacerClock { at: due, media: dts });
        }
        if let Some(last) = self.video.filter(|_| !jumped) {
            let [latest, _] = self.steps;
            self.steps = [dts - last.dts, latest];
        }
        if jumped {
            (self.latest, self.sound, self.jumped) = (Some(dts), None, true);
        } else {
            self.latest = self.latest.max(Some(dts));
        }
        self.last_due = Some(due);
        self.video = Some(LastVideo { dts, due });
    }

    /// Puts read-ahead buffers that have been said to the end aside; the one with the ending stays.
    fn drop_spent(&mut self) {
        while let Some(first) = self.read_aheads.front() {
            if self.next < first.calls().len() || first.ending.is_some() {
                return;
            }
            self.next = 0;
            if let Some(mut read_ahead) = self.read_aheads.pop_front() {
                read_ahead.clear();
                self.spent.push(read_ahead);
            }
        }
    }
}

#[cfg(test)]
#[path = "pacer_tests.rs"]
mod tests;
