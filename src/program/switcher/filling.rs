//! Silence in the place of audio. Purpose: stores the silent frames for which the filler knows the
//! place, before the picture beside which they stand. Bound: the filler's.

use std::time::Duration;

use crate::base::time::{Mono, Ticks};
use crate::codec::aac_silence::{self, SilentFrame};
use crate::codec::access_unit::{Track, TrackConfig};
use crate::flv::tag::{self, AacPacket};

use super::super::ring::Begin;
use super::super::silence::Expected;
use super::super::unit::Unit;
use super::{Source, Switcher};

/// While the picture stands still and silence stands in for its audio, more of it comes this often,
/// and so much of the time that has passed is left for a picture that comes.
const FILL_EVERY: Duration = Duration::from_millis(250);
const FILL_MARGIN: Ticks = Ticks::from_ms(100);

impl Switcher {
    /// When silence is to stand in beside a picture that stands still.
    pub(super) fn fill_at(&self) -> Option<Mono> {
        let stands = self.filler.fills() && !self.awaits_key && self.on_air != Source::Standby;
        stands.then(|| self.completed.max(self.filled) + FILL_EVERY)
    }

    /// Stores silence up to the video unit that is about to be whole, if the source on air has no
    /// audio beside it: before that, so that units come in the order of time.
    pub(super) fn fill_beside_video(&mut self, now: Mono) {
        let expected = self.expected_sound(now);
        let until = self.filler.newest_video();
        let before_cut = self.filler.is_missing_before_cut();
        if self.filler.is_missing(expected) || expected == Expected::Nothing && before_cut {
            self.fill_past(until, now);
        } else if !self.on_air.is_live() && before_cut {
            self.fill_up_to(until, now);
        }
    }

    /// The same where the picture stands still, up to where the programme stands by the clock.
    pub(super) fn fill_beside_clock(&mut self, now: Mono) {
        self.filled = now;
        let Some(passed) = self.timeline.passed(now) else { return };
        let until = self.filler.newest_video().max(passed - FILL_MARGIN);
        if self.filler.is_missing_by(until, self.expected_sound(now)) {
            self.fill_past(until, now);
        }
    }

    /// Stores silence up to a picture that destinations are about to get without sound.
    pub(super) fn fill_beside_held(&mut self, now: Mono) {
        let held = self.order.leaves_without_sound(now).filter(|_| self.filler.fills());
        held.into_iter().for_each(|picture| self.fill_past(picture, now));
    }

    /// What is to be expected of the audio of the source on air.
    fn expected_sound(&self, now: Mono) -> Expected {
        let state = self.sources.get(self.on_air as usize);
        let lag = state.map(|state| state.interleave.lag(Track::Audio)).unwrap_or_default();
        match self.on_air.is_live() {
            _ if self.is_mute(now) => Expected::Nothing,
            true => Expected::Live(lag),
            false => Expected::Paced(lag),
        }
    }

    /// Whether the source on air is known to have no audio.
    pub(super) fn is_mute(&self, now: Mono) -> bool {
        match self.sources.get(self.on_air as usize) {
            Some(state) if self.on_air.is_live() => state.is_mute(now),
            _ => !self.has_config(self.on_air, Track::Audio),
        }
    }

    /// How long a unit of sound lasts.
    pub(super) fn duration(&self, unit: &Unit) -> Ticks {
        match unit.track {
            Track::Video => Ticks(0),
            Track::Audio => frame_duration(self.ring.config(Track::Audio, unit.configs.audio)),
        }
    }

    /// Stores silence in the place of audio: all frames that begin by this time.
    fn fill_past(&mut self, until: Ticks, now: Mono) {
        let frame = frame_duration(self.ring.newest_config(Track::Audio));
        self.fill_up_to(until + frame, now);
    }

    /// The same: all frames that end by then.
    fn fill_up_to(&mut self, until: Ticks, now: Mono) {
        if self.silent_frame().is_none() {
            self.ring.set_config(&TrackConfig::Aac(aac_silence::usual_config()));
        }
        if let Some((last, frame)) = self.fill_until(until, now) {
            self.timeline.filled(last, frame, now);
        }
    }

    /// Stores silent frames behind the last audio unit, as many as end by `until`; answers with
    /// the time of the last, and how long it lasts.
    pub(super) fn fill_until(&mut self, until: Ticks, now: Mono) -> Option<(Ticks, Ticks)> {
        let frame = self.silent_frame()?;
        let mut last = None;
        while let Some(dts) = self.filler.next(&frame, until) {
            // A unit left open belongs to audio that no longer comes.
            self.ring.begin(Begin { track: Track::Audio, dts, key: false });
            self.ring.write(Track::Audio, &tag::audio_header(AacPacket::Raw));
            self.ring.write(Track::Audio, frame.payload());
            if let Some(unit) = self.ring.commit(Track::Audio) {
                self.note(&unit, now);
                self.counters.filled_audio += 1;
            }
            last = Some((dts, frame.duration(1)));
        }
        last
    }

    /// A silent frame in the audio configuration in force, if there is one in which it can be made.
    fn silent_frame(&self) -> Option<SilentFrame> {
        match self.ring.newest_config(Track::Audio) {
            Some(TrackConfig::Aac(aac)) => SilentFrame::of(aac),
            _ => None,
        }
    }
}

/// How long a frame of audio in this configuration lasts; in none, one of the silence that would be
/// made.
fn frame_duration(config: Option<&TrackConfig>) -> Ticks {
    match config {
        Some(TrackConfig::Aac(aac)) => aac.frame_duration(),
        _ => aac_silence::usual_config().frame_duration(),
    }
}

#[cfg(test)]
#[path = "filling_tests.rs"]
mod tests;
