//! The switcher: the one writer. Purpose: decides which source is on air, places its units on the
//! timeline and stores them in the ring. The order is: the operator's choice, else a live input,
//! else the standby card.
//!
//! ```text
//! sources ── sink ─┬─ on air ────► place on the timeline ──► ring
//!                  ├─ wanted ────► staging, until the IDR is whole ──► cut, and as above
//!                  └─ neither ───► nothing but what is remembered of it
//! ```
//!
//! A source that waits is not stored, but for one thing: when its IDR begins, that unit and what
//! follows go into a small ring of their own, and once the IDR is whole the cut is made and they
//! are moved over. So the old source stays on air until the new one can be shown, and an IDR that
//! breaks on the way costs nothing. Cuts happen on a video IDR only (MediaMTX PR #5934).
//!
//! Without a choice a live input on air stays there as long as it lives; from standby the first
//! that can be shown takes over. A chosen live input that is away is covered by another, or by
//! standby; a chosen file that stalls only by standby. Standby is put on air at once, for it
//! starts from its beginning each time. A file is on air only by choice: when the choice ends, it
//! plays on until a live input that is there takes over, or gives way to standby when there is none.
//!
//! A source on air that begins another recording (a playlist's next file, another publisher) is
//! [restarted](Switcher::restart): a cut from itself to itself.
//! Non-goals: pacing, sockets. Bounds: the ring and the staging ring.

mod filling;
mod leaving;
mod rhythm;
mod sets;
mod sink;
mod staging;
mod state;

use std::time::Duration;

use crate::base::limits::{STAGING_AUDIO_BYTES_MAX, STAGING_UNITS_MAX};
use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, UnitStart};
use crate::codec::per_track::PerTrack;
use crate::flv::tag::{self, AacPacket, AvcPacket};

pub use self::sink::SourceSink;
pub use super::silence::FillAudio;

use super::order::SettledOrder;
use super::ring::{Begin, Capacity, Lookup, Ring};
use super::silence::Filler;
use super::source::{Source, SOURCES};
use super::timeline::{Placed, Timeline};

use self::state::SourceState;

/// A source on air whose bytes flow without one video unit coming whole is left after this.
const UNIT_SILENCE_MS_MAX: u64 = 3_000;
/// How long a file goes on, once nothing is chosen any more, for a live input that is there to show
/// a key frame: platforms ask for one every four seconds at most.
const HANDOVER_MAX: Duration = Duration::from_secs(10);
/// A look at the clock that comes this much too late was not made in time because the machine stood
/// still: a burstable plan takes its processor away, a host is busy. What the source sent meanwhile
/// lies in queues that were not emptied either.
const LATE_MIN: Duration = Duration::from_millis(50);
/// How long after that a live source is waited for, once for each silence: what waits in the queues
/// is there within a few milliseconds, and every frame of a slow sender within this.
const CATCH_UP: Duration = Duration::from_millis(250);

/// A change of what is on air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What was on air.
    pub from: Source,
    /// What is on air now.
    pub to: Source,
    /// How long the source that was left had been silent, if that was the reason.
    pub silent: Option<Duration>,
}

/// What the switcher has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitcherCounters {
    /// Cuts: from one source to another, and from one recording to the next of the source on air.
    pub cuts: u64,
    /// Units stored.
    pub units: u64,
    /// Payload bytes stored.
    pub bytes: PerTrack<u64>,
    /// Audio units dropped because they overlapped what had gone out.
    pub dropped_overlap: u64,
    /// Audio units dropped because their time did not fit the video's.
    pub dropped_time: u64,
    /// Silent audio units stored because the source on air had none; in `units` and `bytes` too.
    pub filled_audio: u64,
}

/// The one writer.
pub struct Switcher {
    ring: Ring,
    timeline: Timeline,
    filler: Filler,
    order: SettledOrder,
    /// When silence stood in last while the picture stood still.
    filled: Mono,
    choice: Option<Source>,
    on_air: Source,
    on_air_since: Mono,
    /// A file that is no longer wanted goes on until then, for a live input to take over.
    goes_until: Option<Mono>,
    /// The source on air has not shown its first IDR yet.
    awaits_key: bool,
    /// That IDR is open in the ring; if it breaks, the next one is awaited.
    shows_key: bool,
    /// The source whose IDR and what follows it are being kept for a cut.
    staging: Ring,
    staged: Option<Source>,
    /// In a box, as much else on the way to the data plane: what is moved about by value leaves
    /// touched stack behind.
    sources: Box<[SourceState; SOURCES]>,
    /// When the last byte on air came, of either track: sound that flows is life.
    flowed: Mono,
    /// When the last unit on air became whole.
    completed: Mono,
    /// The machine stood still: no source is silent before this.
    catches_up: Mono,
    silence: Duration,
    cut: Option<Cut>,
    moved: Option<Track>,
    /// The next video unit is to begin with parameter sets, unless its source brings them.
    owes_sets: bool,
    /// Bytes of parameter sets in front of what the source has written to the open video unit,
    /// once it has written something.
    sets_bytes: Option<usize>,
    counters: SwitcherCounters,
}

impl Switcher {
    /// A switcher over a ring; a source silent for `silence` is covered by the standby card.
    pub fn new(ring: Ring, silence: Duration, fill: FillAudio) -> Switcher {
        let staging = staging_ring(ring.unit_bytes_max());
        Switcher {
            ring,
            timeline: Timeline::default(),
            filler: Filler::new(fill),
            order: SettledOrder::default(),
            filled: Mono::default(),
            choice: None,
            on_air: Source::Standby,
            on_air_since: Mono::default(),
            goes_until: None,
            awaits_key: true,
            shows_key: false,
            staging,
            staged: None,
            sources: Box::new(Source::ALL.map(SourceState::new)),
            flowed: Mono::default(),
            completed: Mono::default(),
            catches_up: Mono::default(),
            silence,
            cut: None,
            moved: None,
            owes_sets: false,
            sets_bytes: None,
            counters: SwitcherCounters::default(),
        }
    }

    /// From now on a source silent for `silence` is covered.
    pub fn set_silence(&mut self, silence: Duration) {
        self.silence = silence;
    }

    /// The operator chooses what is to be on air; `None`: a live input if there is one, else
    /// standby. The old source stays on air until the new one has an IDR; standby alone needs
    /// none.
    pub fn choose(&mut self, choice: Option<Source>, now: Mono) {
        self.choice = choice;
        let goes_until = self.goes_until.take().unwrap_or(now + HANDOVER_MAX);
        if self.staged.is_some_and(|staged| !self.is_wanted(staged)) {
            self.unstage();
        }
        match choice {
            Some(Source::Standby) => self.cover(now, None),
            None if self.on_air == Source::File => {
                if Source::LIVE.iter().any(|&live| self.is_alive(live, now)) {
                    self.goes_until = Some(goes_until);
                } else {
                    self.cover(now, None);
                }
            }
            _ => {}
        }
    }

    /// What the operator has chosen.
    pub fn choice(&self) -> Option<Source> {
        self.choice
    }

    /// What `source` feeds next is another recording: nothing is remembered of the last one. Its
    /// open units are given up, and if it is on air its next key unit is a cut of its own, before
    /// which nothing of it is stored.
    pub fn restart(&mut self, source: Source, now: Mono) {
        if self.staged == Some(source) {
            self.unstage();
        }
        if let Some(state) = self.sources.get_mut(source as usize) {
            *state = SourceState::new(source);
        }
        if self.on_air == source && !self.awaits_key {
            Track::ALL.into_iter().for_each(|track| self.ring.abort(track));
            (self.awaits_key, self.shows_key) = (true, false);
            (self.flowed, self.completed) = (now, now);
            self.order.cut();
            self.counters.cuts += 1;
        }
    }

    /// Nothing more comes of `source`: it has said goodbye, or its connection is closed. What is
    /// remembered of it is forgotten, and if it is on air it is covered at once.
    pub fn leave(&mut self, source: Source, now: Mono) {
        if self.staged == Some(source) {
            self.unstage();
        }
        if let Some(state) = self.sources.get_mut(source as usize) {
            *state = SourceState::new(source);
        }
        if self.on_air == source {
            self.cover(now, None);
        }
    }

    /// `source`, which is paced by the clock (a file, the card), says when it will hand over its
    /// next video unit: its silence is counted from that moment, however far it lies ahead, for a
    /// file's next frame time is known. Holds until it says so again, hands over that unit and
    /// says nothing more, or is [restarted](Switcher::restart). A live source never calls this.
    pub fn expect(&mut self, source: Source, until: Mono) {
        if let Some(state) = self.sources.get_mut(source as usize) {
            state.due = Some(until);
        }
    }

    /// The stream that carried the picture of `source` is no longer part of it: its tables say so.
    /// Until another brings one, flowing sound does not keep it on air. A picture that is merely
    /// slow, or of which units are lost, is another matter.
    pub fn lose_picture(&mut self, source: Source) {
        if let Some(state) = self.sources.get_mut(source as usize) {
            state.lost_picture = true;
        }
    }

    /// Lets time pass: covers a silent source with the standby card, lets leave what was held back
    /// long enough, and has silence stand in beside a picture that stands still.
    pub fn tick(&mut self, now: Mono) {
        if let Some(deadline) = self.cover_at().filter(|deadline| now >= *deadline) {
            let was_asked = self.goes_until.is_some_and(|until| now >= until);
            let is_late = now.since(deadline) >= LATE_MIN && self.flowed >= self.catches_up;
            if is_late && self.on_air.is_live() && !was_asked {
                self.catches_up = now + CATCH_UP;
            } else {
                let silent = Some(now.since(self.completed)).filter(|_| !was_asked);
                self.cover(now, silent);
            }
        }
        self.let_leave(now);
        if self.fill_at().is_some_and(|deadline| now >= deadline) {
            self.fill_beside_clock(now);
        }
    }

    /// When [`Switcher::tick`] must be called next, if nothing comes in before.
    pub fn deadline(&self) -> Option<Mono> {
        let deadlines = [self.cover_at(), self.order.deadline(), self.fill_at()];
        deadlines.into_iter().flatten().min()
    }

    /// When what is on air is to be covered.
    fn cover_at(&self) -> Option<Mono> {
        let state = self.sources.get(self.on_air as usize)?;
        let due = state.due.unwrap_or_default();
        let patience = state.patience_on_air(self.silence);
        let flowed = match state.lost_picture {
            true => state.flowed.unwrap_or_default().max(self.on_air_since),
            false => self.flowed,
        };
        let silent = flowed.max(due) + patience;
        // Bytes that flow without a single unit coming whole are no life either.
        let broken =
            self.completed.max(due) + Duration::from_millis(UNIT_SILENCE_MS_MAX).max(patience);
        let due = silent.min(broken).max(self.catches_up);
        let due = self.goes_until.map_or(due, |until| until.min(due));
        (self.on_air != Source::Standby).then_some(due)
    }

    /// How much later what follows on air may come; see [`Timeline::take_ahead`].
    pub fn take_ahead(&mut self) -> Duration {
        let ahead = self.timeline.take_ahead().to_duration();
        // What comes later by our leave is not silent before.
        (self.flowed, self.completed) = (self.flowed + ahead, self.completed + ahead);
        ahead
    }

    /// What is on air.
    pub fn on_air(&self) -> Source {
        self.on_air
    }

    /// Since when.
    pub fn on_air_since(&self) -> Mono {
        self.on_air_since
    }

    /// When the last unit on air became whole; in the future, while a pause is made up for.
    pub fn completed(&self) -> Mono {
        self.completed
    }

    /// The change of what is on air since the last call.
    pub fn take_cut(&mut self) -> Option<Cut> {
        self.cut.take()
    }

    /// Whether units were stored since the last call, and video among them: readers have
    /// something to do.
    pub fn take_moved(&mut self) -> Option<Track> {
        self.moved.take()
    }

    /// The ring.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// What was counted.
    pub fn counters(&self) -> SwitcherCounters {
        self.counters
    }

    /// Whether silence stands in for the audio of the source on air now.
    pub fn is_filling(&self) -> bool {
        self.filler.is_filling()
    }

    /// Media time held by the ring.
    pub fn ring_span(&self) -> Ticks {
        match (self.ring.get(self.ring.tail()), self.ring.newest()) {
            (Lookup::Unit(oldest), Some(newest)) => (newest.dts - oldest.dts).max(Ticks(0)),
            _ => Ticks(0),
        }
    }

    fn put_on_air(&mut self, source: Source, now: Mono, silent: Option<Duration>) {
        for track in Track::ALL {
            self.ring.abort(track);
        }
        let from = std::mem::replace(&mut self.on_air, source);
        self.cut = Some(Cut { from, to: source, silent });
        self.counters.cuts += 1;
        self.on_air_since = now;
        self.goes_until = None;
        self.flowed = now;
        self.completed = now;
        (self.awaits_key, self.shows_key) = (true, false);
        self.order.cut();
    }

    fn cover(&mut self, now: Mono, silent: Option<Duration>) {
        if self.on_air == Source::Standby {
            return;
        }
        self.put_on_air(Source::Standby, now, silent);
        if self.staged.is_some_and(|staged| !self.is_wanted(staged)) {
            self.unstage();
        }
    }

    /// Whether a waiting source should take over as soon as it can.
    fn is_wanted(&self, source: Source) -> bool {
        match self.choice {
            Some(choice) if choice == source => true,
            Some(choice) if choice.is_live() => source.is_live() && self.on_air == Source::Standby,
            Some(_) => false,
            None => source.is_live() && !self.on_air.is_live(),
        }
    }

    /// Whether a source has sent anything lately.
    fn is_alive(&self, source: Source, now: Mono) -> bool {
        self.sources.get(source as usize).is_some_and(|state| state.is_alive(self.silence, now))
    }

    /// Whether a source has sent anything of a picture lately.
    fn is_seen(&self, source: Source, now: Mono) -> bool {
        self.sources.get(source as usize).is_some_and(|state| state.is_seen(self.silence, now))
    }

    fn begin_on_air(&mut self, start: UnitStart, now: Mono) {
        let UnitStart { track, dts, pts, key } = start;
        let jumps = track == Track::Video && !self.awaits_key && self.timeline.jumps_to(dts, now);
        if (jumps || self.awaits_key) && self.on_air.is_live() && self.timeline.is_far_ahead(now) {
            (self.awaits_key, self.shows_key) = (true, false);
            return;
        }
        if self.awaits_key && !key {
            return;
        }
        let follows_cut = self.awaits_key;
        let mut new_sets = false;
        if follows_cut {
            self.timeline.cut(dts, pts, now);
            (self.awaits_key, self.shows_key) = (false, true);
            new_sets = self.apply_configs();
        } else if jumps {
            self.order.cut();
        }
        if let Some(dts) = self.place(start, now, follows_cut) {
            let pts = (pts + self.timeline.offset()).max(dts);
            open_unit(&mut self.ring, UnitStart { track, dts, pts, key });
            if track == Track::Video {
                self.owes_sets |= new_sets;
                self.sets_bytes = None;
            }
        }
    }

    /// Puts the configurations of the source on air into force; answers whether decoders have to
    /// do with other parameter sets than before.
    fn apply_configs(&mut self) -> bool {
        let before = self.ring.newest_config(Track::Video).cloned();
        Track::ALL.into_iter().for_each(|track| self.apply_config(track));
        before.is_some() && self.ring.newest_config(Track::Video) != before.as_ref()
    }

    /// The open video unit's first bytes come.
    fn settle_sets(&mut self, bytes: &[u8]) {
        if self.sets_bytes.is_none() {
            let adds = self.owes_sets && !sets::are_in([bytes, &[]], 0);
            self.sets_bytes = Some(if adds { sets::write(&mut self.ring) } else { 0 });
        }
    }

    fn apply_config(&mut self, track: Track) {
        let state = self.sources.get(self.on_air as usize);
        let config = state.and_then(|state| state.configs[track].as_ref());
        if let Some(config) = config {
            self.ring.set_config(config);
        }
    }

    fn has_config(&self, source: Source, track: Track) -> bool {
        let state = self.sources.get(source as usize);
        state.is_some_and(|state| state.configs[track].is_some())
    }

    fn commit_on_air(&mut self, track: Track, now: Mono) {
        if track == Track::Video && self.ring.open_unit(track).is_some() {
            self.fill_beside_video(now);
        }
        let Some(unit) = self.ring.commit(track) else { return self.broke_on_air(track) };
        self.note(&unit, now);
        self.completed = self.completed.max(now);
        match track {
            Track::Video => (self.shows_key, self.owes_sets) = (false, false),
            Track::Audio => self.filler.stored(unit.dts, self.duration(&unit)),
        }
    }

    /// A unit of the source on air will not become whole.
    fn broke_on_air(&mut self, track: Track) {
        if track == Track::Video && std::mem::take(&mut self.shows_key) {
            self.awaits_key = true;
        }
    }

    /// A unit's place on the timeline; an audio unit that finds none is counted. Audio that comes
    /// back after silence joins it without a gap.
    fn place(&mut self, start: UnitStart, now: Mono, follows_cut: bool) -> Option<Ticks> {
        let UnitStart { track, dts, pts, .. } = start;
        if track == Track::Video {
            let placed = self.timeline.video(dts, pts, now, follows_cut);
            self.filler.video(placed, follows_cut);
            return Some(placed);
        }
        match self.timeline.audio(dts, now) {
            Placed::At(placed) => {
                // Silence may have had to be made in another.
                self.apply_config(Track::Audio);
                if self.filler.is_missing_before(placed) {
                    self.fill_until(placed, now);
                }
                self.filler.heard();
                return Some(placed);
            }
            Placed::Overlap => {
                self.filler.heard();
                self.counters.dropped_overlap += 1;
            }
            Placed::OutOfTime => self.counters.dropped_time += 1,
        }
        None
    }
}

/// The ring for what waits, beside one that takes units of this size.
fn staging_ring(unit_bytes_max: usize) -> Ring {
    Ring::new(Capacity {
        video_bytes: unit_bytes_max,
        audio_bytes: STAGING_AUDIO_BYTES_MAX,
        units: STAGING_UNITS_MAX,
        unit_bytes_max,
    })
}

/// Opens a unit with its FLV tag body header.
fn open_unit(ring: &mut Ring, start: UnitStart) {
    let UnitStart { track, dts, pts, key } = start;
    ring.begin(Begin { track, dts, key });
    match track {
        Track::Video => {
            let composition_ms = tag::composition_ms(dts, pts);
            ring.write(track, &tag::video_header(key, AvcPacket::Nalu, composition_ms));
        }
        Track::Audio => ring.write(track, &tag::audio_header(AacPacket::Raw)),
    }
}

#[cfg(test)]
#[path = "switcher_tests.rs"]
mod tests;
