//! The programme's clock. Purpose: programme time = source time + one offset per time on air, the
//! same for audio and video, so that they never drift apart (MediaMTX #5443); DTS on a track
//! grows by a millisecond or more from unit to unit, whatever sources do (muxshed #8).
//! Non-goal: choosing sources.

use std::time::Duration;

use crate::base::time::{Mono, Ticks, TICKS_PER_MS, TICKS_PER_S};
use crate::codec::access_unit::Track;

/// Where the first unit ever stands: a second, so that audio a little before it has room.
const ORIGIN: Ticks = Ticks(TICKS_PER_S);
/// Distance taken for a frame's while none is known: 30 frames per second.
const FRAME_DEFAULT: Ticks = Ticks(3000);
/// The longest distance believed to be that of two neighbouring frames.
pub(super) const FRAME_MAX: Ticks = Ticks(2 * TICKS_PER_S);
/// The longest frame of audio: 1024 samples at 7350 Hz last 139 ms.
pub(super) const AUDIO_FRAME_MAX: Ticks = Ticks::from_ms(140);
/// RTMP counts milliseconds: units closer than that would repeat a timestamp.
const STEP_MIN: Ticks = Ticks(TICKS_PER_MS);
/// Video that runs ahead of the wall clock by more than this has jumped.
const JUMP: Duration = Duration::from_secs(1);
/// Audio further than this from the video beside it belongs to another time: a transport stream
/// keeps its tracks within one second (ISO/IEC 13818-1, 2.4.2.6), sloppy muxers a little more.
const SKEW_MAX: Ticks = Ticks(3 * TICKS_PER_S);

/// How far cuts may push the programme ahead of the wall clock: the reordering of a few frames.
/// A source paced by us makes up for it at once ([`Timeline::take_ahead`]), a live one cannot.
const AHEAD_MAX: Ticks = Ticks::from_ms(200);

/// How long a source's delay may take to settle behind its first frame: until the end of its
/// frames can be foreseen, each leaves a frame later than afterwards.
const SETTLE: Duration = Duration::from_secs(2);

/// What becomes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It stands at this programme time (DTS).
    At(Ticks),
    /// Dropped: audio that overlaps what has gone out.
    Overlap,
    /// Dropped: audio whose time does not fit the video beside it.
    OutOfTime,
}

/// The programme's clock.
#[derive(Default)]
pub struct Timeline {
    offset: Ticks,
    /// The offset before it was rounded, so that the roundings of many cuts do not add up.
    exact: Ticks,
    last: [Option<Last>; 2],
    /// Audio has not yet joined since the last cut.
    audio_joins: bool,
    /// When the picture shown last since the cut is shown (PTS): with B-frames not the last decoded.
    shown: Option<Ticks>,
    lead: Option<Lead>,
    jumps: u64,
}

/// The last unit of a track.
#[derive(Clone, Copy)]
struct Last {
    source: Ticks,
    programme: Ticks,
    at: Mono,
    /// Distance of the last two units, of one source.
    frame: Ticks,
}

/// How far programme time is before wall time. The programme follows the clock of the source on
/// air, drift and all. But a cut leaves its own trace: a new source's first frame is not put
/// closer than a frame to the last one, even when it came sooner, and came itself later than those
/// behind it will. That must not add up from cut to cut, or players would wait longer and longer.
#[derive(Clone, Copy)]
struct Lead {
    /// The lead without the cuts' traces.
    due: Ticks,
    /// The lead of the frames that were delayed least.
    level: MilliTicks,
    /// When `level` was taken.
    at: Mono,
    /// The last cut.
    cut: Mono,
}

/// Thousandths of a tick: a level sinks by one of them each tick (1000 ppm, more than any clock
/// drifts), so that one lucky frame does not count for ever.
type MilliTicks = i64;

impl Lead {
    /// A video unit was placed.
    fn observe(&mut self, lead: Ticks, now: Mono, follows_cut: bool) {
        let observed = lead.0.saturating_mul(1000);
        let sunk = self.level.saturating_sub(Ticks::from_duration(now.since(self.at)).0);
        let level = if follows_cut { observed } else { observed.max(sunk) };
        if follows_cut {
            self.cut = now;
        } else if now.since(self.cut) >= SETTLE {
            self.due = self.due + Ticks(level / 1000 - self.level / 1000);
        }
        (self.level, self.at) = (level, now);
    }
}

impl Timeline {
    /// Another source, or the same after a jump, begins with a video unit of `dts` and `pts` in
    /// its own time: it will follow the last unit by its frame duration, or by the wall time that
    /// really passed, in whole frames, if there was a gap; and it will be shown a frame behind the
    /// last one shown, though B-frames had that be decoded long before.
    pub fn cut(&mut self, dts: Ticks, pts: Ticks, now: Mono) {
        let first = match self.last_of(Track::Video) {
            None => ORIGIN,
            Some(last) => {
                let last_exact = last.source + self.exact;
                let due = self.lead.map_or(last_exact, |lead| wall(now) + lead.due);
                let shown = self.shown.map_or(last_exact, |shown| shown - (pts - dts));
                let behind = (shown + last.frame).min(due + AHEAD_MAX);
                behind.max(last_exact + spacing(due - last_exact, last.frame))
            }
        };
        self.shown = None;
        self.exact = first - dts;
        // Whole milliseconds, so that a composition time in milliseconds is the same before and
        // behind the offset (FLV counts both from the same ticks, obs-studio #12151).
        self.offset = Ticks::from_ms(self.exact.to_ms());
        self.audio_joins = true;
    }

    /// Places a video unit. A jump in the source's time is a cut of its own.
    pub fn video(&mut self, dts: Ticks, pts: Ticks, now: Mono, follows_cut: bool) -> Ticks {
        let last = self.last_of(Track::Video);
        let jumps = last.filter(|_| !follows_cut).is_some_and(|last| {
            let step = dts - last.source;
            let backwards = step.0 < 0 && Ticks(-step.0) >= last.frame;
            backwards || step > Ticks::from_duration(now.since(last.at) + JUMP)
        });
        if jumps {
            self.jumps += 1;
            self.cut(dts, pts, now);
        }
        let follows_cut = follows_cut || jumps;
        let programme = self.keep(Track::Video, dts, now, follows_cut);
        let shown = (pts + self.offset).max(programme);
        self.shown = Some(self.shown.map_or(shown, |before| before.max(shown)));
        let lead = programme - wall(now);
        let begins = Lead { due: lead, level: lead.0.saturating_mul(1000), at: now, cut: now };
        self.lead.get_or_insert(begins).observe(lead, now, follows_cut);
        programme
    }

    /// Places an audio unit, or says why not.
    pub fn audio(&mut self, dts: Ticks, now: Mono) -> Placed {
        let programme = dts + self.offset;
        let Some(video) = self.last_of(Track::Video) else { return Placed::OutOfTime };
        if (programme.0 - video.programme.0).abs() > SKEW_MAX.0 {
            return Placed::OutOfTime;
        }
        if let Some(last) = self.last_of(Track::Audio) {
            // A new source's audio may begin when the old one's last frame has ended, give or
            // take the rounding of a tick.
            let earliest = if self.audio_joins { last.frame - Ticks(2) } else { STEP_MIN };
            if programme < last.programme + earliest.max(STEP_MIN) {
                return Placed::Overlap;
            }
        }
        let joins = std::mem::take(&mut self.audio_joins);
        Placed::At(self.keep(Track::Audio, dts, now, joins))
    }

    /// Silence has taken audio's place up to a unit at `programme` that lasts for `frame`: the
    /// source's audio joins anew behind it.
    pub fn filled(&mut self, programme: Ticks, frame: Ticks, now: Mono) {
        let [_, audio] = &mut self.last;
        *audio = Some(Last { source: programme - self.offset, programme, at: now, frame });
        self.audio_joins = true;
    }

    /// How far the programme is ahead of where it is due, right behind a cut. Who paces the source
    /// on air by the clock lets what follows come so much later; that it will is taken for
    /// granted.
    pub fn take_ahead(&mut self) -> Ticks {
        let Some(lead) = &mut self.lead else { return Ticks(0) };
        let ahead = (lead.level / 1000 - lead.due.0).max(0);
        lead.level = lead.level.saturating_sub(ahead.saturating_mul(1000));
        Ticks(ahead)
    }

    /// What is added to a source's time now.
    pub fn offset(&self) -> Ticks {
        self.offset
    }

    /// Jumps in sources' times that were mended.
    pub fn jumps(&self) -> u64 {
        self.jumps
    }

    fn last_of(&self, track: Track) -> Option<Last> {
        let [video, audio] = self.last;
        match track {
            Track::Video => video,
            Track::Audio => audio,
        }
    }

    fn keep(&mut self, track: Track, source: Ticks, now: Mono, follows_cut: bool) -> Ticks {
        let last = self.last_of(track);
        let earliest = last.map_or(Ticks(0), |last| last.programme + STEP_MIN);
        let programme = (source + self.offset).max(earliest);
        let frame_max = match track {
            Track::Video => FRAME_MAX,
            Track::Audio => AUDIO_FRAME_MAX,
        };
        let frame = match last {
            None => FRAME_DEFAULT,
            Some(last) => Some(source - last.source)
                .filter(|step| !follows_cut && step.0 > 0 && *step <= frame_max)
                .unwrap_or(last.frame),
        };
        let kept = Some(Last { source, programme, at: now, frame });
        let [video, audio] = &mut self.last;
        match track {
            Track::Video => *video = kept,
            Track::Audio => *audio = kept,
        }
        programme
    }
}

/// Distance of a new source's first frame from the last one, where this much would be due: whole
/// frames, so that sources of one frame rate stay on one grid, and a tool that counts frames finds
/// none twice; less than one only where cuts in quick succession have let the programme run far
/// ahead. A quarter of a frame too late is on time: a timer is never early, and a file that
/// follows another without a seam is not to leave a frame out for that.
fn spacing(due: Ticks, frame: Ticks) -> Ticks {
    if due < Ticks(0) - AHEAD_MAX {
        return Ticks(frame.0 / 4).max(STEP_MIN);
    }
    let frames =
        (due.0 - frame.0 / 4).max(1).unsigned_abs().div_ceil(frame.0.max(1).unsigned_abs());
    Ticks(frame.0.saturating_mul(i64::try_from(frames).unwrap_or(i64::MAX))).max(STEP_MIN)
}

/// The wall clock as ticks.
fn wall(now: Mono) -> Ticks {
    Ticks::from_duration(now.since(Mono::default()))
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
