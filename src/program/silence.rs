//! When and where silent audio stands in. Purpose: a programme whose audio never stops, for
//! platforms that demand it and players that wait for it: silence follows the last audio unit
//! without a gap, up to the newest video, and gives way to real audio as soon as there is some.
//! Non-goals: the frames themselves ([`SilentFrame`]), storing them. Bound: [`FILL_MAX`] at once.
//!
//! Audio is missing beside the video of a source that is known to have none: a file without an audio
//! configuration, a live input that has sent none for a second. Of another it is missing when the
//! video has gone on without any for longer than a destination waits for it: it may well deliver in
//! bursts (ffmpeg packs up to 380 ms of it into a PES packet, and ISO/IEC 13818-1, 2.4.2.6 allows a
//! second), and silence put in front of those would push them out, for they would overlap.

use crate::base::time::{Ticks, TICKS_PER_S};
use crate::codec::aac_silence::SilentFrame;

use super::order::LAG_KNOWN_MAX;
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
/// A live input's video that goes on for so long without audio is believed to have none, where some
/// was announced or may have been, unless its audio is known to come later than that: destinations
/// hold pictures back a little longer, so silence leaves before them. Behind a cut it begins where
/// the last source's audio ended, so where that was early, it is believed sooner;
const MISSING_LIVE: Ticks = Ticks::from_ms(600);
/// but not before a PES packet of ffmpeg's can have come, which holds 380 ms of sound.
const MISSING_FIRST_MIN: Ticks = Ticks::from_ms(400);
/// The same for what is paced by the clock: its sound is read beside its picture, and what is not
/// there after so long is a gap, or has ended (a recording that was cut off).
const MISSING_PACED: Ticks = MISSING_FIRST_MIN;
/// The same by the clock, where the picture stands still too: a source may deliver every second;
const MISSING_STILL: Ticks = Ticks(TICKS_PER_S);
/// and of audio that comes later than destinations can wait for.
const MISSING_LATE: Ticks = Ticks(TICKS_PER_S);
/// The longest silence put in at once; of a longer gap the beginning stays.
const FILL_MAX: Ticks = Ticks(3 * TICKS_PER_S);
/// Ends and beginnings this close are taken for one: two roundings.
const ROUNDING: Ticks = Ticks(2);

/// What is to be expected of the audio of the source on air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// None: it is known to have none.
    Nothing,
    /// It comes beside its picture, or so far behind it: of a source paced by the clock.
    Paced(Ticks),
    /// The same of a live input.
    Live(Ticks),
}

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

    /// Whether there has to be silence up to the newest video unit.
    pub(super) fn is_missing(&self, expected: Expected) -> bool {
        let (least, lag) = match expected {
            Expected::Nothing => return self.is_missing_since(self.video, self.end, Ticks(0)),
            Expected::Paced(lag) => (MISSING_PACED, lag),
            Expected::Live(lag) => (MISSING_LIVE, lag),
        };
        if self.awaits_first {
            let early = self.heard - self.end.min(self.heard);
            let patience = (MISSING_LIVE - early).max(MISSING_FIRST_MIN);
            return self.is_missing_since(self.video, self.end.max(self.heard), patience);
        }
        match lag < LAG_KNOWN_MAX {
            true => self.is_missing_since(self.video, self.end, least.max(lag)),
            // It comes later than destinations wait, but it comes.
            false => self.is_missing_since(self.video, self.end.max(self.heard), MISSING_LATE),
        }
    }

    /// The same by the clock, up to a time at which the picture stands still.
    pub(super) fn is_missing_by(&self, until: Ticks, expected: Expected) -> bool {
        let patience = if expected == Expected::Nothing { Ticks(0) } else { MISSING_STILL };
        self.is_missing_since(until, self.end.max(self.heard), patience)
    }

    fn is_missing_since(&self, until: Ticks, since: Ticks, patience: Ticks) -> bool {
        let has_none = self.run.is_some() || until.0.saturating_sub(since.0) > patience.0;
        // Audio that comes, but never at a time that can be used.
        let has_none_that_fits = until.0.saturating_sub(self.end.0) > FILL_MAX.0;
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
