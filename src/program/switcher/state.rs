//! What is remembered of a source, on air or not. Purpose: its configurations, its rhythm, and how
//! its tracks are interleaved. Bound: this struct, one for each source.

use std::time::Duration;

use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, TrackConfig, UnitStart};
use crate::codec::per_track::PerTrack;

use super::super::order::Interleave;
use super::super::source::Source;
use super::super::timeline::FRAME_MAX;
use super::rhythm::{Rhythm, AFTER_ONE_PICTURE};

/// A paced source that has not said when its next video unit is due is silent only after this many
/// of its own frame durations.
const SILENT_FRAMES: u32 = 3;

/// A transport stream keeps its tracks within a second (ISO/IEC 13818-1, 2.4.2.6).
const MUTE_AFTER: Duration = Duration::from_secs(1);

/// What is remembered of a source.
pub(super) struct SourceState {
    is_live: bool,
    /// Its configurations.
    pub(super) configs: PerTrack<Option<TrackConfig>>,
    /// When its last video byte came.
    pub(super) flowed: Option<Mono>,
    /// When its next video unit is due, if it has said so.
    pub(super) due: Option<Mono>,
    /// The stream that carried its picture is no longer part of it, and no other has brought one.
    pub(super) lost_picture: bool,
    /// How it delivers.
    rhythm: Rhythm,
    /// How far its tracks lie apart as they arrive.
    pub(super) interleave: Interleave,
    has_sound: bool,
    /// Video units that began, as far as two.
    pictures: u8,
    last_dts: Option<Ticks>,
    /// Distance of its last two video units.
    frame: Ticks,
}

impl SourceState {
    /// Nothing has come of it.
    pub(super) fn new(source: Source) -> SourceState {
        SourceState {
            is_live: source.is_live(),
            configs: PerTrack::default(),
            flowed: None,
            due: None,
            lost_picture: false,
            rhythm: Rhythm::new(source.is_connected()),
            interleave: Interleave::default(),
            has_sound: false,
            pictures: 0,
            last_dts: None,
            frame: Ticks(0),
        }
    }

    /// A configuration holds from the next unit of its track on.
    pub(super) fn configured(&mut self, config: &TrackConfig) {
        if let TrackConfig::Avc(avc) = config {
            self.rhythm.configured(avc.frame_rate);
        }
        self.configs[config.track()] = Some(config.clone());
    }

    /// A unit begins.
    pub(super) fn begins(&mut self, start: UnitStart, now: Mono) {
        if start.track == Track::Video {
            self.lost_picture = false;
            self.pictures = (self.pictures + 1).min(2);
            self.rhythm.video(start.dts, now);
            let step = self.last_dts.replace(start.dts).map_or(Ticks(0), |last| start.dts - last);
            if step.0 > 0 && step.0 <= FRAME_MAX.0 {
                self.frame = step;
            }
        }
        self.has_sound |= start.track == Track::Audio;
        self.interleave.begins(start);
    }

    /// Bytes of a unit come.
    pub(super) fn flows(&mut self, track: Track, now: Mono) {
        self.rhythm.came(now);
        if track == Track::Video {
            self.flowed = Some(now);
        }
    }

    /// Whether it has been seen long enough to know that it has no sound.
    pub(super) fn is_mute(&self, now: Mono) -> bool {
        self.is_live && !self.has_sound && self.rhythm.lasts(now) >= MUTE_AFTER
    }

    /// How long it may send nothing before it is silent, where one without any rhythm is silent
    /// after `silence`.
    pub(super) fn patience(&self, silence: Duration) -> Duration {
        match self.is_live {
            true => self.rhythm.patience(silence),
            false => silence.max(self.frame.to_duration() * SILENT_FRAMES),
        }
    }

    /// The same for the source on air, of which there may be one picture and nothing else yet.
    pub(super) fn patience_on_air(&self, silence: Duration) -> Duration {
        let patience = self.patience(silence);
        match self.is_live && self.pictures == 1 && !self.has_sound {
            true => patience.max(AFTER_ONE_PICTURE),
            false => patience,
        }
    }

    /// Whether bytes of it came lately, of either track.
    pub(super) fn is_alive(&self, silence: Duration, now: Mono) -> bool {
        self.rhythm.last().is_some_and(|last| now.since(last) < self.patience(silence))
    }

    /// Whether its picture came lately.
    pub(super) fn is_seen(&self, silence: Duration, now: Mono) -> bool {
        self.flowed.is_some_and(|flowed| now.since(flowed) < self.patience(silence))
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
