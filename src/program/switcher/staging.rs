//! Keeping a waiting source until it can be shown. Purpose: what follows its IDR's first byte is
//! stored beside the ring, and once the IDR is whole the cut is made and it is moved over.
//! Bound: the staging ring; one source at a time.

use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, UnitStart};
use crate::flv::tag::{self, AUDIO_HEADER_BYTES, VIDEO_HEADER_BYTES};

use super::super::ring::Lookup;
use super::super::source::Source;
use super::super::unit::Unit;
use super::{open_unit, sets, Switcher};

impl Switcher {
    /// Gives up what was kept.
    pub(super) fn unstage(&mut self) {
        self.staged = None;
        self.staging.clear();
    }

    /// A waiting source's unit begins: kept from its IDR on.
    pub(super) fn begin_staged(&mut self, source: Source, start: UnitStart, now: Mono) {
        if start.key && self.may_stage(source, now) {
            self.unstage();
            self.staged = Some(source);
            let state = self.sources.get(source as usize);
            for config in state.iter().flat_map(|state| state.configs.values().flatten()) {
                self.staging.set_config(config);
            }
        }
        if self.staged == Some(source) {
            open_unit(&mut self.staging, start);
        }
    }

    /// Whether a source may take the place of the one that is kept: the operator's choice, or any
    /// when that one no longer comes.
    fn may_stage(&self, source: Source, now: Mono) -> bool {
        match self.staged {
            None => true,
            Some(staged) if staged == source => false,
            Some(staged) => self.choice == Some(source) || !self.is_seen(staged, now),
        }
    }

    /// A waiting source's unit is whole. With the IDR the cut is made, and what was kept goes on
    /// air.
    pub(super) fn commit_staged(&mut self, source: Source, track: Track, now: Mono) {
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
        let UnitStart { dts, pts, .. } = self.staged_start(&unit);
        self.timeline.cut(dts, pts, now);
        self.awaits_key = false;
        let before = self.ring.newest_config(Track::Video).cloned();
        self.apply_staged_config(&unit);
        let is_new = self.ring.newest_config(Track::Video) != before.as_ref();
        self.unload_staging(now, before.is_some() && is_new);
    }

    /// Puts the configuration into force with which a kept unit began: it may have changed since.
    fn apply_staged_config(&mut self, unit: &Unit) {
        if let Some(config) = self.staging.config(unit.track, unit.configs[unit.track]) {
            self.ring.set_config(config);
        }
    }

    /// Moves what was kept for the cut into the ring, in order: sound, and behind it the IDR, the one
    /// picture that is kept. The audio unit that is open goes on there.
    fn unload_staging(&mut self, now: Mono, new_sets: bool) {
        for seq in self.staging.tail()..self.staging.head() {
            let Lookup::Unit(unit) = self.staging.get(seq) else { continue };
            let add_sets = unit.key
                && new_sets
                && !sets::are_in(self.staging.payload(&unit), VIDEO_HEADER_BYTES);
            if self.copy_staged(&unit, now, add_sets) {
                self.commit_on_air(unit.track, now);
            }
        }
        if let Some(unit) = self.staging.open_unit(Track::Audio) {
            self.copy_staged(&unit, now, false);
        }
        self.unstage();
        Track::ALL.into_iter().for_each(|track| self.apply_config(track));
    }

    /// A kept unit as its source began it, to the millisecond.
    fn staged_start(&self, unit: &Unit) -> UnitStart {
        let Unit { track, dts, key, .. } = *unit;
        let bytes = self.staging.payload(unit).into_iter().flatten();
        let head: heapless::Vec<u8, VIDEO_HEADER_BYTES> =
            bytes.copied().take(VIDEO_HEADER_BYTES).collect();
        let composition_ms = match track {
            Track::Video => tag::parse_video(&head).map_or(0, |(header, _)| header.composition_ms),
            Track::Audio => 0,
        };
        UnitStart { track, dts, pts: dts + Ticks::from_ms(composition_ms.into()), key }
    }

    /// Places a kept unit and copies it into the ring, where it is open then. Its header is
    /// written again: where its decoding time had to give way, it is shown when it is due all the
    /// same.
    fn copy_staged(&mut self, unit: &Unit, now: Mono, add_sets: bool) -> bool {
        let start = self.staged_start(unit);
        let Some(dts) = self.place(start, now, unit.key) else { return false };
        self.apply_staged_config(unit);
        let pts = (start.pts + self.timeline.offset()).max(dts);
        open_unit(&mut self.ring, UnitStart { dts, pts, ..start });
        if add_sets {
            sets::write(&mut self.ring);
        }
        let mut head_left = match unit.track {
            Track::Video => VIDEO_HEADER_BYTES,
            Track::Audio => AUDIO_HEADER_BYTES,
        };
        for slice in self.staging.payload(unit) {
            let (head, rest) = slice.split_at(head_left.min(slice.len()));
            head_left -= head.len();
            self.ring.write(unit.track, rest);
        }
        true
    }
}

#[cfg(test)]
#[path = "staging_tests.rs"]
mod tests;
