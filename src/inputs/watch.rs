//! What has come of a live source, for its status. Purpose: a sink that lets everything pass and
//! remembers what is needed to say why the source is not on air: whether units came whole, a key
//! unit among them, and how far sound and picture are apart. Non-goals: judging (diagnosis). Bound:
//! this struct.

use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::per_track::PerTrack;

/// What has come since the source began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    tracks: PerTrack<Seen>,
    /// When a key unit last came whole.
    pub(super) key: Option<Mono>,
    /// Sound's time minus the picture's, when sound last began.
    pub(super) apart: Option<Ticks>,
}

/// What has come of a track.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Units that came whole.
    pub(super) units: u64,
    /// When the first did.
    pub(super) first: Option<Mono>,
    /// When the last did.
    pub(super) last: Option<Mono>,
    dts: Option<Ticks>,
    is_key: bool,
}

impl Watch {
    /// What has come of a track.
    pub(super) fn seen(&self, track: Track) -> Seen {
        self.tracks[track]
    }

    /// Units of both tracks that came whole.
    pub(super) fn units(&self) -> u64 {
        self.tracks.values().map(|track| track.units).sum()
    }

    /// The track is another one now.
    pub(super) fn forget(&mut self, track: Track) {
        self.tracks[track] = Seen::default();
        if track == Track::Video {
            self.key = None;
        }
        self.apart = None;
    }

    /// A unit begins.
    pub(super) fn began(&mut self, start: UnitStart) {
        let slot = &mut self.tracks[start.track];
        (slot.dts, slot.is_key) = (Some(start.dts), start.key);
        if let (Track::Audio, Some(video)) = (start.track, self.seen(Track::Video).dts) {
            self.apart = Some(start.dts - video);
        }
    }

    /// The track's unit is whole.
    pub(super) fn came(&mut self, track: Track, now: Mono) {
        let slot = &mut self.tracks[track];
        slot.units = slot.units.saturating_add(1);
        slot.first.get_or_insert(now);
        slot.last = Some(now);
        if slot.is_key {
            self.key = Some(now);
        }
    }
}

/// A sink with a watch before it.
pub(super) struct Watching<'a, S> {
    /// What remembers.
    pub(super) watch: &'a mut Watch,
    /// Where units go.
    pub(super) sink: S,
    /// The time.
    pub(super) now: Mono,
}

impl<S: UnitSink> UnitSink for Watching<'_, S> {
    fn config(&mut self, config: &TrackConfig) {
        self.sink.config(config);
    }

    fn begin(&mut self, start: UnitStart) {
        self.watch.began(start);
        self.sink.begin(start);
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        self.sink.write(track, bytes);
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        self.sink.patch(track, offset, bytes);
    }

    fn commit(&mut self, track: Track) {
        self.watch.came(track, self.now);
        self.sink.commit(track);
    }

    fn abort(&mut self, track: Track) {
        self.sink.abort(track);
    }
}
