//! When and where silent audio stands in. Purpose: a programme whose audio never stops, for
//! platforms that demand it and players that wait for it: silence follows the last audio unit
//! without a gap, up to the newest video, and gives way to real audio as soon as there is some.
//! Non-goals: the frames themselves ([`SilentFrame`]), storing them. Bound: [`FILL_MAX`] at once.
//!
//! Audio is missing beside the video of a source that is known to have none: a file without an audio
//! configuration, a live input that has sent none for a second. Of another it is missing when the
//! video has gone on for a second without any: it may well deliver in bursts (ffmpeg packs up to
//! 380 ms of it into a PES packet, and ISO/IEC 13818-1, 2.4.2.6 allows a second), and silence put in
//! front of those would push them out, for they would overlap.

use crate::base::time::{Ticks, TICKS_PER_S};
use crate::codec::aac_silence::SilentFrame;

use super::order::LAG_MAX;
use super::timeline::AUDIO_FRAME_MAX;

/// Whether silence stands in where a source has no audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillAudio {
    /// It does.
    Yes,
    /// The programme has audio only where its sources have.
    No,
}

/// Audio that ended so long before it comes back has left a gap.
const MISSING: Ticks = Ticks::from_ms(300);
/// Video without audio is believed to have none after this, where some was announced or may have
/// been.
const MISSING_ANNOUNCED: Ticks = Ticks(TICKS_PER_S);
/// The same behind a cut, where no sound of the source has come yet: destinations hold pictures
/// back for so long, and silence is to leave before them. It begins where the last source's sound
/// ended, so where that was early, it is believed sooner;
const MISSING_FIRST: Ticks = LAG_MAX;
/// but not before a PES packet of ffmpeg's can have come, which holds 380 ms of sound.
const MISSING_FIRST_MIN: Ticks = Ticks::from_ms(400);
/// The longest silence put in at once; of a longer gap the beginning stays.
const FILL_MAX: Ticks = Ticks(3 * TICKS_PER_S);
/// Ends and beginnings this close are taken for one: two roundings.
const ROUNDING: Ticks = Ticks(2);

/// Knows what audio there was. Times are the programme's, DTS.
pub(super) struct Filler {
    fill: FillAudio,
    /// The newest video unit's.
    video: Ticks,
    /// What that was when the source on air last had audio, or was put on air.
    heard: Ticks,
    /// Where the last audio unit ends.
    end: Ticks,
    /// The next audio of the source on air is the first behind a cut or behind silence.
    joins: bool,
    /// None of it has come yet since the cut.
    awaits_first: bool,
    /// Silence stands there now.
    run: Option<Run>,
    /// The newest video unit is the first behind a cut.
    follows_cut: bool,
}

/// Silent frames behind one another.
struct Run {
    frame: SilentFrame,
    began: Ticks,
    frames: i64,
}

impl Filler {
    pub(super) fn new(fill: FillAudio) -> Filler {
        let (video, long_ago) = (Ticks(0), Ticks(i64::MIN));
        let (joins, run, follows_cut) = (true, None, false);
        let awaits_first = true;
        Filler { fill, video, heard: video, end: long_ago, joins, awaits_first, run, follows_cut }
    }

    /// A video unit stands at `dts`.
    pub(super) fn video(&mut self, dts: Ticks, follows_cut: bool) {
        (self.video, self.follows_cut) = (dts, follows_cut);
        if follows_cut {
            (self.heard, self.joins, self.run) = (dts, true, None);
            self.awaits_first = true;
            if dts - self.end > FILL_MAX {
                // The programme stood still, or just begins.
                self.end = dts;
            }
        }
    }

    /// The source on air has audio, whether it can be stored or not.
    pub(super) fn heard(&mut self) {
        (self.heard, self.run, self.awaits_first) = (self.video, None, false);
    }

    /// An audio unit of the source on air is stored at `dts`, and lasts for `duration`.
    pub(super) fn stored(&mut self, dts: Ticks, duration: Ticks) {
        // Of a rate that only a broken record can tell, the end would be ages away.
        self.end = dts + duration.min(AUDIO_FRAME_MAX);
        (self.joins, self.run) = (false, None);
    }

    /// Whether there has to be silence up to this time, be it the newest video unit's or later;
    /// `mute`: its source is known to have no audio.
    pub(super) fn is_missing(&self, mute: bool, until: Ticks) -> bool {
        let patience = match (mute, self.awaits_first) {
            (true, _) => Ticks(0),
            (false, true) => {
                let early = self.heard - self.end.min(self.heard);
                (MISSING_FIRST - early).max(MISSING_FIRST_MIN)
            }
            (false, false) => MISSING_ANNOUNCED,
        };
        // A picture that stood still says nothing of the audio beside it.
        let has_none = self.run.is_some() || until - self.heard.max(self.end) > patience;
        // Audio that comes, but never at a time that can be used.
        let has_none_that_fits = until - self.end > FILL_MAX;
        self.fill == FillAudio::Yes && (has_none || has_none_that_fits)
    }

    /// Whether the newest video unit is the first behind a cut, before which silence has to stand
    /// where the last source's audio ended early: what is paced by the clock brings none for that
    /// time.
    pub(super) fn is_missing_before_cut(&self) -> bool {
        self.fill == FillAudio::Yes && self.follows_cut
    }

    /// Whether silence may stand in at all.
    pub(super) fn fills(&self) -> bool {
        self.fill == FillAudio::Yes
    }

    /// Whether silence stands in now.
    pub(super) fn is_filling(&self) -> bool {
        self.run.is_some()
    }

    /// Whether silence has to stand before audio that comes at `dts`, where there is room.
    pub(super) fn is_missing_before(&self, dts: Ticks) -> bool {
        self.fill == FillAudio::Yes && (self.joins || dts - self.end > MISSING)
    }

    /// The newest video unit's time.
    pub(super) fn newest_video(&self) -> Ticks {
        self.video
    }

    /// Where the next silent frame stands, if it ends by `until`.
    pub(super) fn next(&mut self, frame: &SilentFrame, until: Ticks) -> Option<Ticks> {
        let earliest = until - FILL_MAX;
        let (began, frames) = match &self.run {
            Some(run) if run.frame == *frame && self.end >= earliest => (run.began, run.frames),
            _ => (self.end.max(earliest), 0),
        };
        let [dts, end] = [frames, frames + 1].map(|frames| began + frame.duration(frames));
        if end > until + ROUNDING {
            return None;
        }
        self.run = Some(Run { frame: frame.clone(), began, frames: frames + 1 });
        (self.end, self.joins) = (end, true);
        Some(dts)
    }
}
