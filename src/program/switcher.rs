//! The switcher: the one writer. Purpose: decides which source is on air, places its units on the
//! timeline and stores them in the ring. The order is: a live input, else the standby card.
//!
//! A source that waits is not stored, but for one thing: when its IDR begins, that unit and what
//! follows go into a small ring of their own, and once the IDR is whole the cut is made and they
//! are moved over. So the old source stays on air until the new one can be shown, and an IDR that
//! breaks on the way costs nothing. Cuts happen on a video IDR only (MediaMTX PR #5934).
//! Non-goals: pacing, sockets. Bounds: the ring and the staging ring.

use std::time::Duration;

use crate::base::limits::{STAGING_AUDIO_BYTES_MAX, STAGING_UNITS_MAX, UNIT_SILENCE_MS_MAX};
use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::flv::tag::{self, AacPacket, AvcPacket, VIDEO_HEADER_BYTES};

use super::ring::{Begin, Capacity, Lookup, Ring};
use super::timeline::{Placed, Timeline, FRAME_MAX};
use super::unit::Unit;

/// Who can be on air. The later ones go before the earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The standby card.
    #[default]
    Standby,
    /// MPEG-TS over UDP.
    Udp,
    /// An RTMP publisher.
    Rtmp,
    /// A stream pulled from another RTMP server.
    Pull,
    /// A video file.
    File,
}

impl Source {
    /// The name the API uses.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Standby => "standby",
            Source::Udp => "udp",
            Source::Rtmp => "rtmp",
            Source::Pull => "pull",
            Source::File => "file",
        }
    }
}

const SOURCES: usize = 5;

/// A video source is silent only after this many of its own frame durations: a slide show of one
/// frame per second is not dead after half of one.
const SILENT_FRAMES: u32 = 3;

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
pub struct Counters {
    /// Cuts from one source to another.
    pub cuts: u64,
    /// Units stored.
    pub units: u64,
    /// Payload bytes stored, by [`Track::index`].
    pub bytes: [u64; 2],
    /// Audio units dropped because they overlapped what had gone out.
    pub dropped_overlap: u64,
    /// Audio units dropped because their time did not fit the video's.
    pub dropped_time: u64,
}

/// The one writer.
pub struct Switcher {
    ring: Ring,
    timeline: Timeline,
    on_air: Source,
    on_air_since: Mono,
    /// The source on air has not shown its first IDR yet.
    awaits_key: bool,
    /// The source whose IDR and what follows it are being kept for a cut.
    staging: Ring,
    staged: Option<Source>,
    sources: [SourceState; SOURCES],
    /// When the last video byte on air came.
    flowed: Mono,
    /// When the last video unit on air became whole.
    completed: Mono,
    silence: Duration,
    cut: Option<Cut>,
    moved: Option<Track>,
    counters: Counters,
}

impl Switcher {
    /// A switcher over a ring; a live input silent for `silence` is covered by the standby card.
    pub fn new(ring: Ring, silence: Duration) -> Switcher {
        let staging = Capacity {
            video_bytes: ring.unit_bytes_max(),
            audio_bytes: STAGING_AUDIO_BYTES_MAX,
            units: STAGING_UNITS_MAX,
            unit_bytes_max: ring.unit_bytes_max(),
        };
        Switcher {
            ring,
            timeline: Timeline::default(),
            on_air: Source::Standby,
            on_air_since: Mono::default(),
            awaits_key: true,
            staging: Ring::new(staging),
            staged: None,
            sources: Default::default(),
            flowed: Mono::default(),
            completed: Mono::default(),
            silence,
            cut: None,
            moved: None,
            counters: Counters::default(),
        }
    }

    /// Where a source puts its units. `now` is the time its bytes came.
    pub fn sink(&mut self, source: Source, now: Mono) -> SourceSink<'_> {
        SourceSink { switcher: self, source, now }
    }

    /// Lets time pass: covers a silent source with the standby card.
    pub fn tick(&mut self, now: Mono) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            let silent = now.since(self.completed);
            self.unstage();
            self.put_on_air(Source::Standby, now, Some(silent));
        }
    }

    /// When [`Switcher::tick`] must be called next, if nothing comes in before.
    pub fn deadline(&self) -> Option<Mono> {
        let frame = self.sources.get(self.on_air as usize).map_or(Ticks(0), |state| state.frame);
        let frames = frame.to_duration() * SILENT_FRAMES;
        let silent = self.flowed + self.silence.max(frames);
        // Bytes that flow without a single unit coming whole are no picture either.
        let broken = self.completed + Duration::from_millis(UNIT_SILENCE_MS_MAX).max(frames);
        (self.on_air != Source::Standby).then(|| silent.min(broken))
    }

    /// What is on air.
    pub fn on_air(&self) -> Source {
        self.on_air
    }

    /// Since when.
    pub fn on_air_since(&self) -> Mono {
        self.on_air_since
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
    pub fn counters(&self) -> Counters {
        self.counters
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
        self.flowed = now;
        self.completed = now;
        self.awaits_key = true;
    }

    fn unstage(&mut self) {
        self.staged = None;
        self.staging.clear();
    }

    /// Whether a waiting source should take over as soon as it can.
    fn is_wanted(&self, source: Source) -> bool {
        source > self.on_air
    }

    fn begin_on_air(&mut self, start: UnitStart, now: Mono) {
        let UnitStart { track, dts, pts, key } = start;
        if self.awaits_key && !key {
            return;
        }
        let follows_cut = self.awaits_key;
        if follows_cut {
            self.timeline.cut(dts, now);
            self.awaits_key = false;
            self.apply_configs();
        }
        if let Some(dts) = self.place(track, dts, now, follows_cut) {
            let pts = (pts + self.timeline.offset()).max(dts);
            open_unit(&mut self.ring, UnitStart { track, dts, pts, key });
        }
    }

    fn apply_configs(&mut self) {
        let Some(state) = self.sources.get(self.on_air as usize) else { return };
        for config in state.configs.iter().flatten() {
            self.ring.set_config(config);
        }
    }

    fn commit_on_air(&mut self, track: Track, now: Mono) {
        if let Some(unit) = self.ring.commit(track) {
            if track == Track::Video {
                self.completed = now;
                self.moved = Some(Track::Video);
            }
            self.moved.get_or_insert(track);
            self.counters.units += 1;
            if let Some(bytes) = self.counters.bytes.get_mut(track.index()) {
                *bytes += unit.len as u64;
            }
        }
    }

    /// A waiting source's unit begins: kept from its IDR on.
    fn begin_staged(&mut self, source: Source, start: UnitStart) {
        if self.staged.is_none() && start.key {
            self.unstage();
            self.staged = Some(source);
        }
        if self.staged == Some(source) {
            open_unit(&mut self.staging, start);
        }
    }

    /// A waiting source's unit is whole. With the IDR the cut is made, and what was kept goes on
    /// air.
    fn commit_staged(&mut self, source: Source, track: Track, now: Mono) {
        let Some(unit) = self.staging.commit(track) else {
            if track == Track::Video {
                self.unstage();
            }
            return;
        };
        if !unit.key {
            return;
        }
        self.put_on_air(source, now, None);
        self.timeline.cut(unit.dts, now);
        self.awaits_key = false;
        self.apply_configs();
        self.unload_staging(now);
    }

    /// Moves what was kept for the cut into the ring, in order; the audio unit that is open goes
    /// on there.
    fn unload_staging(&mut self, now: Mono) {
        let mut follows_cut = true;
        for seq in self.staging.tail()..self.staging.head() {
            let Lookup::Unit(unit) = self.staging.get(seq) else { continue };
            if self.copy_staged(&unit, now, follows_cut) {
                self.commit_on_air(unit.track, now);
            }
            follows_cut &= unit.track != Track::Video;
        }
        if let Some(unit) = self.staging.open_unit(Track::Audio) {
            self.copy_staged(&unit, now, false);
        }
        self.unstage();
    }

    /// Places a kept unit and copies it into the ring, where it is open then.
    fn copy_staged(&mut self, unit: &Unit, now: Mono, follows_cut: bool) -> bool {
        let Some(dts) = self.place(unit.track, unit.dts, now, follows_cut) else { return false };
        self.ring.begin(Begin { track: unit.track, dts, key: unit.key });
        for slice in self.staging.payload(unit) {
            self.ring.write(unit.track, slice);
        }
        true
    }

    /// A unit's place on the timeline; an audio unit that finds none is counted.
    fn place(&mut self, track: Track, dts: Ticks, now: Mono, follows_cut: bool) -> Option<Ticks> {
        let placed = match track {
            Track::Video => Placed::At(self.timeline.video(dts, now, follows_cut)),
            Track::Audio => self.timeline.audio(dts, now),
        };
        match placed {
            Placed::At(dts) => return Some(dts),
            Placed::Overlap => self.counters.dropped_overlap += 1,
            Placed::OutOfTime => self.counters.dropped_time += 1,
        }
        None
    }
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

/// What is remembered of a source, on air or not.
#[derive(Default)]
struct SourceState {
    /// Its configurations, by [`Track::index`].
    configs: [Option<TrackConfig>; 2],
    last_dts: Option<Ticks>,
    /// Distance of its last two video units.
    frame: Ticks,
}

impl SourceState {
    fn video_begins(&mut self, dts: Ticks) {
        let step = self.last_dts.replace(dts).map_or(Ticks(0), |last| dts - last);
        if step.0 > 0 && step.0 <= FRAME_MAX.0 {
            self.frame = step;
        }
    }
}

/// A source's way into the programme.
pub struct SourceSink<'s> {
    switcher: &'s mut Switcher,
    source: Source,
    now: Mono,
}

impl SourceSink<'_> {
    fn is_on_air(&self) -> bool {
        self.source == self.switcher.on_air
    }

    fn is_staged(&self) -> bool {
        self.switcher.staged == Some(self.source)
    }

    /// The ring this source's units go into now, if any.
    fn ring(&mut self) -> Option<&mut Ring> {
        if self.is_on_air() {
            Some(&mut self.switcher.ring)
        } else if self.is_staged() {
            Some(&mut self.switcher.staging)
        } else {
            None
        }
    }
}

impl UnitSink for SourceSink<'_> {
    fn config(&mut self, config: &TrackConfig) {
        let state = self.switcher.sources.get_mut(self.source as usize);
        if let Some(slot) = state.and_then(|state| state.configs.get_mut(config.track().index())) {
            *slot = Some(config.clone());
        }
        if self.is_on_air() && !self.switcher.awaits_key {
            self.switcher.ring.set_config(config);
        }
    }

    fn begin(&mut self, start: UnitStart) {
        let state = self.switcher.sources.get_mut(self.source as usize);
        if let Some(state) = state.filter(|_| start.track == Track::Video) {
            state.video_begins(start.dts);
        }
        if self.is_on_air() {
            self.switcher.begin_on_air(start, self.now);
        } else if self.switcher.is_wanted(self.source) {
            self.switcher.begin_staged(self.source, start);
        }
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        if let Some(ring) = self.ring() {
            ring.write(track, bytes);
        }
        if track == Track::Video && self.is_on_air() {
            self.switcher.flowed = self.now;
        }
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        // The tag's header stands in front of what a source has written.
        if let Some(ring) = self.ring() {
            ring.patch(track, VIDEO_HEADER_BYTES + offset, bytes);
        }
    }

    fn commit(&mut self, track: Track) {
        if self.is_on_air() {
            self.switcher.commit_on_air(track, self.now);
        } else if self.is_staged() {
            self.switcher.commit_staged(self.source, track, self.now);
        }
    }

    fn abort(&mut self, track: Track) {
        if let Some(ring) = self.ring() {
            ring.abort(track);
        }
        if self.is_staged() && !self.is_on_air() && track == Track::Video {
            self.switcher.unstage();
        }
    }
}

#[cfg(test)]
#[path = "switcher_tests.rs"]
mod tests;
