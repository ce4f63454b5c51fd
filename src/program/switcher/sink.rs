//! How a source hands over its units. Purpose: each goes to the ring, to what is kept for a cut,
//! or nowhere. Bound: borrows the switcher, owns nothing.

use crate::base::time::Mono;
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::flv::tag::VIDEO_HEADER_BYTES;

use super::super::ring::Ring;
use super::super::source::Source;
use super::Switcher;

/// A source's way into the programme.
pub struct SourceSink<'s> {
    switcher: &'s mut Switcher,
    source: Source,
    now: Mono,
}

impl Switcher {
    /// Where a source puts its units. `now` is the time its bytes came.
    pub fn sink(&mut self, source: Source, now: Mono) -> SourceSink<'_> {
        SourceSink { switcher: self, source, now }
    }
}

impl SourceSink<'_> {
    /// What comes next is another recording; see [`Switcher::restart`].
    pub fn restart(&mut self) {
        self.switcher.restart(self.source, self.now);
    }

    /// Nothing more comes of this source; see [`Switcher::leave`].
    pub fn leave(&mut self) {
        self.switcher.leave(self.source, self.now);
    }

    /// The stream that carried the picture has left this source; see [`Switcher::lose_picture`].
    pub fn lose_picture(&mut self) {
        self.switcher.lose_picture(self.source);
    }

    /// When this source, which is paced by the clock, will hand over its next video unit; see
    /// [`Switcher::expect`].
    pub fn expect(&mut self, until: Mono) {
        self.switcher.expect(self.source, until);
    }

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
        if let Some(state) = self.switcher.sources.get_mut(self.source as usize) {
            state.configured(config);
        }
        if self.is_on_air() && !self.switcher.awaits_key {
            self.switcher.ring.set_config(config);
        }
        if self.is_staged() {
            self.switcher.staging.set_config(config);
        }
    }

    fn begin(&mut self, start: UnitStart) {
        if let Some(state) = self.switcher.sources.get_mut(self.source as usize) {
            state.begins(start, self.now);
        }
        if self.is_on_air() {
            self.switcher.begin_on_air(start, self.now);
        } else if self.switcher.is_wanted(self.source) {
            self.switcher.begin_staged(self.source, start, self.now);
        }
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        if track == Track::Video && self.is_on_air() {
            self.switcher.settle_sets(bytes);
        }
        if let Some(ring) = self.ring() {
            ring.write(track, bytes);
        }
        if let Some(state) = self.switcher.sources.get_mut(self.source as usize) {
            state.flows(track, self.now);
        }
        if self.is_on_air() {
            self.switcher.flowed = self.switcher.flowed.max(self.now);
        }
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        // The tag's header stands in front of what a source has written, and perhaps sets.
        let sets_bytes = self.switcher.sets_bytes.filter(|_| self.is_on_air()).unwrap_or(0);
        if let Some(ring) = self.ring() {
            ring.patch(track, VIDEO_HEADER_BYTES + sets_bytes + offset, bytes);
        }
    }

    fn commit(&mut self, track: Track) {
        if let Some(state) = self.switcher.sources.get_mut(self.source as usize) {
            state.interleave.whole(track);
        }
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
        if self.is_on_air() {
            self.switcher.broke_on_air(track);
        } else if self.is_staged() && track == Track::Video {
            self.switcher.unstage();
        }
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
