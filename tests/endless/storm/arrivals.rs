//! The order in which units become whole, beside which the order of time is judged: what came
//! further behind the other track than anything of its source before could not be waited for, for
//! nobody knew. Bound: the units of a storm.

use std::collections::HashSet;
use std::time::Duration;

use streamcaster::base::time::Mono;
use streamcaster::codec::access_unit::Track;
use streamcaster::program::unit::Unit;
use test_support::oracle;

use super::media::{BEHIND_JUMP, JUMPED};

/// How late a unit comes at most, and how long its packets take.
pub const JITTER_MS_MAX: u64 = 60;

/// What has arrived.
#[derive(Default)]
pub struct Arrivals {
    /// The recording whose picture is shown, the picture's number, and since when.
    shows: Option<([u8; 4], u32)>,
    cut: (Mono, i64),
    /// The recording that each track's newest unit is of, and whether it stands behind a jump of
    /// that recording's clock.
    clocks: [Option<([u8; 4], bool)>; 2],
    /// The newest DTS of each track, and how far each has come behind the other since the cut.
    newest_ms: [Option<i64>; 2],
    deepest_ms: [i64; 2],
    /// Until when each track makes up for the furthest it has come behind: what the other has sent
    /// by then was ahead.
    behind_until: [Mono; 2],
    /// The same of what sounded before the cut.
    joins: Mono,
    excused: HashSet<(u8, i64)>,
}

impl Arrivals {
    /// Since when the source that is shown has been, and the DTS of its first picture.
    pub fn cut(&self) -> (Mono, i64) {
        self.cut
    }

    /// Units that may come behind the other track at a viewer, by their kinds and DTS.
    pub fn excused(&self) -> &HashSet<(u8, i64)> {
        &self.excused
    }

    /// A unit is whole.
    pub fn take(&mut self, unit: &Unit, body: &[u8], now: Mono) {
        let (own, dts_ms) = (unit.track as usize, unit.dts.to_ms());
        if unit.track == Track::Video {
            self.picture(body, dts_ms, now);
        }
        let is_silent = unit.track == Track::Audio && is_silence(body);
        let behind_ms = self.newest_ms[1 - own].map_or(0, |newest| newest - dts_ms);
        if !is_silent {
            let clock = parts(body).map(|(id, _, end)| (id, [JUMPED, BEHIND_JUMP].contains(&end)));
            self.clocks[own] = clock;
        }
        let is_sources = (now >= self.joins || unit.track == Track::Audio) && !is_silent;
        if is_sources && behind_ms > self.deepest_ms[own] {
            if !self.has_two_clocks() {
                self.deepest_ms[own] = behind_ms;
            }
            self.behind_until[own] = made_up_for(now, behind_ms);
        }
        if now <= self.behind_until[own] {
            self.excused.insert((kind(unit.track), dts_ms));
        }
        self.newest_ms[own] = Some(dts_ms);
    }

    /// Whether one track's clock has jumped already and the other's, which comes behind it, not yet.
    /// What lies between them then is the jump, and says nothing of how they are interleaved.
    fn has_two_clocks(&self) -> bool {
        let [video, audio] = self.clocks;
        video.zip(audio).is_some_and(|((video, jumped), (audio, jumped_too))| {
            video == audio && jumped != jumped_too
        })
    }

    /// A picture: of another recording, or of another time of its own, it begins again.
    fn picture(&mut self, body: &[u8], dts_ms: i64, now: Mono) {
        let Some((id, number, end)) = parts(body) else { return };
        let follows = self.shows.replace((id, number + 1)) == Some((id, number));
        if follows && end != JUMPED {
            return;
        }
        // What sounded last may have been ahead of what was shown last.
        let ahead_ms = self.newest_ms[1].map_or(0, |newest| newest - dts_ms);
        (self.cut, self.deepest_ms) = ((now, dts_ms), [0; 2]);
        self.joins = made_up_for(now, ahead_ms);
        self.behind_until[0] = self.joins;
    }
}

/// Which recording a unit is of, its number, and its end.
fn parts(body: &[u8]) -> Option<([u8; 4], u32, u8)> {
    let (rest, [end]) = body.split_last_chunk()?;
    let (rest, number) = rest.split_last_chunk()?;
    let id = rest.last_chunk()?;
    Some((*id, u32::from_be_bytes(*number), *end))
}

/// When a track that is this far behind has come up with the other.
fn made_up_for(now: Mono, behind_ms: i64) -> Mono {
    match u64::try_from(behind_ms) {
        Ok(behind_ms) if behind_ms > 0 => now + Duration::from_millis(behind_ms + JITTER_MS_MAX),
        _ => now,
    }
}

/// Whether an audio tag is of no recording: theirs hold a mark, two numbers and an end.
pub fn is_silence(body: &[u8]) -> bool {
    body.len() != 12 || body.get(2) != Some(&0x21)
}

/// The kind of message a track's units are.
pub fn kind(track: Track) -> u8 {
    match track {
        Track::Video => oracle::VIDEO,
        Track::Audio => oracle::AUDIO,
    }
}
