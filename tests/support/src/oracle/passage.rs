//! Passages: units of one source that follow each other with one offset to the source's times.
//! Where a passage begins, something was cut.

use super::source::{Place, Source, TICKS_IN_MS};
use crate::units::Track;

/// Rounding of two clocks to milliseconds.
const ROUNDING_MS: i64 = 2;
/// A passage of sound is beside a picture's when no more than this lies between them.
const NEAR_MS: i64 = 1000;

/// A run of units of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Which source, by its number.
    pub source: usize,
    /// The message of its first unit.
    pub at: usize,
    /// The number of its first unit in the source.
    pub first: usize,
    /// The number of its last.
    pub last: usize,
    /// Units.
    pub units: usize,
    /// Decoding time of the first and the last.
    pub span_ms: (i64, i64),
    /// When the first to be shown is shown, and the last.
    pub shown_ms: (i64, i64),
    /// Presentation time less the source's: the smallest and the largest.
    pub offset_ms: (i64, i64),
}

impl Passage {
    /// Whether each unit of the source from the first to the last is there.
    pub fn is_whole(&self) -> bool {
        self.last + 1 == self.first + self.units
    }

    pub(super) fn is_near(&self, other: &Passage) -> bool {
        other.span_ms.0 - NEAR_MS <= self.span_ms.1 && self.span_ms.0 <= other.span_ms.1 + NEAR_MS
    }

    /// How far the offsets of two passages are from each other at most.
    pub(super) fn apart_ms(&self, other: &Passage) -> i64 {
        let low = (self.offset_ms.0 - other.offset_ms.1).abs();
        let high = (self.offset_ms.1 - other.offset_ms.0).abs();
        low.max(high)
    }
}

/// What a unit's place among the passages means.
pub(super) struct Joined {
    /// Where it is from.
    pub place: Place,
    /// It begins a passage.
    pub begins: bool,
    /// How long behind the last picture before the passage it is shown; said once a passage, for
    /// the picture that is shown first so far.
    pub seam_ms: Option<i64>,
    /// It stands behind the time that the passage's other units give it.
    pub is_moved: bool,
}

/// When a unit is decoded and shown, and by how much it may have been moved there.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub dts_ms: i64,
    pub pts_ms: i64,
    pub moved_ms: i64,
}

/// The passages of a track.
#[derive(Default)]
pub(super) struct Passages {
    all: Vec<Passage>,
    /// The newest one goes on.
    is_open: bool,
    /// The last picture to be shown of all before the newest passage, and of all so far.
    shown_before_ms: Option<i64>,
    shown_ms: Option<i64>,
    /// The smallest seam of the newest passage that was said.
    seam_ms: Option<i64>,
    /// All units of the newest passage may have been moved, by so much.
    loose_ms: i64,
}

impl Passages {
    pub(super) fn newest(&self) -> Option<Place> {
        let newest = self.all.last().filter(|_| self.is_open);
        newest.map(|passage| Place { source: passage.source, unit: passage.last })
    }

    /// A unit of no source came.
    pub(super) fn interrupt(&mut self) {
        self.is_open = false;
    }

    pub(super) fn into_all(self) -> Vec<Passage> {
        self.all
    }

    /// Adds a unit that may be from these places; `None` when there are none.
    pub(super) fn join(
        &mut self,
        sources: &[Source],
        track: Track,
        found: &[Place],
        Times { dts_ms, pts_ms, moved_ms }: Times,
        at: usize,
    ) -> Option<Joined> {
        let offset = |place: &Place| {
            let source = sources.get(place.source)?;
            let known = source.track(track).get(place.unit)?;
            Some(pts_ms - known.pts.div_euclid(TICKS_IN_MS))
        };
        let follows = |place: &&Place| self.follows(place, offset(place), moved_ms);
        let next = |place: &&&Place| self.newest().is_some_and(|n| n.unit + 1 == place.unit);
        let mut following = found.iter().filter(follows);
        let going_on = following.clone().find(|place| next(&place)).or(following.next());
        let begins = going_on.is_none();
        let newest_source = self.all.last().map(|passage| passage.source);
        // A repeated picture more likely begins its source again than another.
        let place = going_on
            .or_else(|| found.iter().find(|place| Some(place.source) == newest_source))
            .or(found.first())?;
        let offset_ms = offset(place).unwrap_or_default();
        let mut is_moved = false;
        match self.all.last_mut().filter(|_| !begins) {
            Some(passage) => {
                if offset_ms < passage.offset_ms.1 - ROUNDING_MS {
                    // Those before it were moved.
                    passage.offset_ms = (offset_ms, offset_ms);
                }
                self.loose_ms = self.loose_ms.min(moved_ms);
                passage.last = place.unit;
                passage.units += 1;
                passage.span_ms.1 = dts_ms;
                passage.shown_ms.0 = passage.shown_ms.0.min(pts_ms);
                passage.shown_ms.1 = passage.shown_ms.1.max(pts_ms);
                is_moved = offset_ms > passage.offset_ms.0 + ROUNDING_MS;
                if !is_moved {
                    passage.offset_ms.0 = passage.offset_ms.0.min(offset_ms);
                    passage.offset_ms.1 = passage.offset_ms.1.max(offset_ms);
                }
            }
            None => {
                self.shown_before_ms = self.shown_ms;
                self.seam_ms = None;
                self.loose_ms = moved_ms;
                self.all.push(Passage {
                    source: place.source,
                    at,
                    first: place.unit,
                    last: place.unit,
                    units: 1,
                    span_ms: (dts_ms, dts_ms),
                    shown_ms: (pts_ms, pts_ms),
                    offset_ms: (offset_ms, offset_ms),
                });
            }
        }
        self.is_open = true;
        self.shown_ms = Some(self.shown_ms.map_or(pts_ms, |before| before.max(pts_ms)));
        let gap_ms = self.shown_before_ms.map(|before| pts_ms - before);
        let seam_ms = gap_ms.filter(|gap| self.seam_ms.is_none_or(|said| *gap < said));
        self.seam_ms = seam_ms.or(self.seam_ms);
        Some(Joined { place: *place, begins, seam_ms, is_moved })
    }

    /// Whether a unit at this place, with this offset, goes on with the newest passage: behind its
    /// last unit, and no time was lost or won between them, unless it was moved. What was lost on the
    /// way is no cut.
    fn follows(&self, place: &Place, offset_ms: Option<i64>, moved_ms: i64) -> bool {
        let (Some(passage), Some(offset_ms)) =
            (self.all.last().filter(|_| self.is_open), offset_ms)
        else {
            return false;
        };
        let (low, high) = passage.offset_ms;
        place.source == passage.source
            && place.unit > passage.last
            && offset_ms >= high - ROUNDING_MS - self.loose_ms
            && offset_ms <= low + ROUNDING_MS + moved_ms
    }
}
