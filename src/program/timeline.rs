//! The programme's clock. Purpose: programme time = source time + one offset per time on air, the
//! same for audio and video, so that they never drift apart (MediaMTX #5443); DTS on a track
//! grows by a millisecond or more from unit to unit, whatever sources do (muxshed #8).
//! Non-goal: choosing sources.

use std::time::Duration;

use crate::base::time::{Mono, Ticks, TICKS_PER_MS, TICKS_PER_S};
use crate::codec::access_unit::Track;
use crate::codec::per_track::PerTrack;

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
pub const SKEW_MAX: Ticks = Ticks(3 * TICKS_PER_S);

/// The programme is ahead once cuts and opening bursts have pushed it this far before the wall
/// clock, the reordering of a few frames: cuts give back what they can from then on.
const AHEAD_MAX: Ticks = Ticks::from_ms(200);
/// A source paced by us makes up for a lead at once ([`Timeline::take_ahead`]), by so much at a
/// time. A player has in its buffer what came ahead; one that keeps no buffer stands still as long,
/// and is not to take the programme for one that has ended.
const GIVEN_BACK_MAX: Ticks = Ticks(2 * TICKS_PER_S);
/// So far ahead no live source is let in behind itself; see [`Timeline::is_far_ahead`].
const FAR_AHEAD: Ticks = Ticks(TICKS_PER_S);
/// The longest distance behind the picture shown last that a cut takes for a frame's: behind a
/// slide of ten seconds the next source's picture follows at once.
const SEAM_MAX: Ticks = Ticks::from_ms(100);
/// The least: two milliseconds of RTMP, of which rounding takes one.
const SEAM_MIN: Ticks = Ticks(2 * TICKS_PER_MS);
/// A composition time is believed up to this, or four frames: reordering is not deeper at rates so
/// slow that it would matter.
const COMPOSITION_MAX: Ticks = Ticks(5 * TICKS_PER_S);
const COMPOSITION_FRAMES_MAX: i64 = 4;

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
    last: PerTrack<Option<Last>>,
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
    due: MilliTicks,
    /// The lead of the frames that were delayed least.
    level: MilliTicks,
    /// The lead of those that were delayed most, since the last cut.
    low: MilliTicks,
    /// What the level has risen or sunk since the last cut, and `due` not yet: no clock drifts so
    /// fast, but a source that delivers in pulses may come earlier than ever before.
    pending: MilliTicks,
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
        let passed: MilliTicks = Ticks::from_duration(now.since(self.at)).0;
        let level = if follows_cut { observed } else { observed.max(self.level - passed) };
        if follows_cut {
            (self.cut, self.pending) = (now, 0);
        } else if now.since(self.cut) >= SETTLE {
            self.pending = self.pending.saturating_add(level - self.level);
            let drift = self.pending.clamp(-passed, passed);
            self.pending -= drift;
            self.due = self.due.saturating_add(drift);
        }
        self.low = if follows_cut { observed } else { observed.min(self.low + passed) };
        (self.level, self.at) = (level, now);
    }
}

impl Timeline {
    /// Another source, or the same after a jump, begins with a video unit of `dts` and `pts` in
    /// its own time: it will follow the last unit by its frame duration, or by the wall time that
    /// really passed, in whole frames, if there was a gap; and it will be shown behind the last one
    /// shown, always, whatever a source has run ahead by a burst or by its B-frames.
    ///
    /// That pushes the programme ahead of the wall clock, and must not add up. A paced source gives
    /// all of it back ([`Timeline::take_ahead`]), and so does a pause. Between live sources a cut
    /// adds a frame, less the time since the last picture, and once the reordering of the source
    /// that is left. Where the programme is ahead by more than [`AHEAD_MAX`], the next picture is
    /// shown a quarter of a frame behind the last, which takes more than a cut adds, and with
    /// B-frames its first units are decoded a millisecond behind one another, so that their
    /// reordering adds nothing either. So the lead stays below [`AHEAD_MAX`], the longest
    /// reordering and a frame, and the burst that the source on air began with.
    pub fn cut(&mut self, dts: Ticks, pts: Ticks, now: Mono) {
        let first = match self.last.video {
            None => ORIGIN,
            Some(last) => {
                let last_exact = last.source + self.exact;
                let due = self.due(now).unwrap_or(last_exact);
                let frame = last.frame.min(SEAM_MAX);
                let shown = self.shown.unwrap_or(last_exact) - (pts - dts);
                match last_exact - due > AHEAD_MAX {
                    true => shown + Ticks(frame.0 / 4).max(SEAM_MIN),
                    false => {
                        let behind = shown + frame.max(SEAM_MIN);
                        behind.max(last_exact + spacing(due - last_exact, frame))
                    }
                }
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
        let jumps = !follows_cut && self.jumps_to(dts, now);
        if jumps {
            self.jumps += 1;
            self.cut(dts, pts, now);
        }
        let follows_cut = follows_cut || jumps;
        let programme = self.keep(Track::Video, dts, now, follows_cut);
        let frame = self.last.video.map_or(Ticks(0), |last| last.frame);
        let believed = COMPOSITION_MAX.max(Ticks(frame.0.saturating_mul(COMPOSITION_FRAMES_MAX)));
        let shown = (pts + self.offset).clamp(programme, programme + believed);
        self.shown = Some(self.shown.map_or(shown, |before| before.max(shown)));
        let lead = programme - wall(now);
        let level = lead.0.saturating_mul(1000);
        let begins = Lead { due: level, level, low: level, pending: 0, at: now, cut: now };
        self.lead.get_or_insert(begins).observe(lead, now, follows_cut);
        programme
    }

    /// Whether a video unit of this time is a jump of its source: back, or further than the time
    /// that has passed. A pause that has passed is played as long as it was.
    pub fn jumps_to(&self, dts: Ticks, now: Mono) -> bool {
        self.last.video.is_some_and(|last| {
            let step = dts - last.source;
            let backwards = step.0 < 0 && Ticks(-step.0) >= last.frame.min(SEAM_MAX);
            backwards || step > Ticks::from_duration(now.since(last.at) + JUMP)
        })
    }

    /// Places an audio unit, or says why not.
    pub fn audio(&mut self, dts: Ticks, now: Mono) -> Placed {
        let programme = dts + self.offset;
        let Some(video) = self.last.video else { return Placed::OutOfTime };
        // A picture that stands for ten seconds has ten seconds of audio beside it.
        let stands = Ticks::from_duration(now.since(video.at));
        let apart = programme - video.programme;
        if apart > SKEW_MAX + stands || apart < Ticks(0) - SKEW_MAX {
            return Placed::OutOfTime;
        }
        if let Some(last) = self.last.audio {
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
    /// source's audio joins again behind it.
    pub fn filled(&mut self, programme: Ticks, frame: Ticks, now: Mono) {
        self.last.audio = Some(Last { source: programme - self.offset, programme, at: now, frame });
        self.audio_joins = true;
    }

    /// How far the programme is ahead of where it is due, right behind a cut, [`GIVEN_BACK_MAX`] at
    /// most. Who paces the source on air by the clock lets what follows come so much later; that it
    /// will is taken for granted.
    pub fn take_ahead(&mut self) -> Ticks {
        let Some(lead) = &mut self.lead else { return Ticks(0) };
        let ahead = ((lead.level - lead.due) / 1000).clamp(0, GIVEN_BACK_MAX.0);
        lead.level = lead.level.saturating_sub(ahead.saturating_mul(1000));
        Ticks(ahead)
    }

    /// Whether the programme is so far ahead that a live source which begins again (an encoder
    /// that reconnects, and sends another burst each time) is to wait until time has caught up:
    /// the audience has the pictures of that time in its buffers.
    pub fn is_far_ahead(&self, now: Mono) -> bool {
        let last = self.last.video.zip(self.due(now));
        last.is_some_and(|(last, due)| last.programme - due > FAR_AHEAD)
    }

    /// Where the programme is to stand by the clock, whatever the source on air has run ahead.
    pub(super) fn due(&self, now: Mono) -> Option<Ticks> {
        self.lead.map(|lead| wall(now) + Ticks(lead.due / 1000))
    }

    /// Before which time no picture of the source on air is to come any more, by the clock and the
    /// latest that it has ever been.
    pub fn passed(&self, now: Mono) -> Option<Ticks> {
        self.lead.map(|lead| wall(now) + Ticks(lead.due.min(lead.low) / 1000))
    }

    /// What is added to a source's time now.
    pub fn offset(&self) -> Ticks {
        self.offset
    }

    /// Jumps in sources' times that were mended.
    pub fn jumps(&self) -> u64 {
        self.jumps
    }

    fn keep(&mut self, track: Track, source: Ticks, now: Mono, follows_cut: bool) -> Ticks {
        let last = self.last[track];
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
        self.last[track] = Some(Last { source, programme, at: now, frame });
        programme
    }
}

/// Distance of a new source's first frame from the last one, where this much would be due: whole
/// frames, so that sources of one frame rate stay on one grid, and a tool that counts frames finds
/// none twice. A quarter of a frame too late is on time: a timer is never early, and a file that
/// follows another without a seam is not to leave a frame out for that.
fn spacing(due: Ticks, frame: Ticks) -> Ticks {
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
