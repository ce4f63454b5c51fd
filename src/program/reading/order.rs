//! Which of two units comes first. Purpose: times are compared within one recording of a file, for
//! where recordings were joined, times begin again, in each track at another place. Bound: this
//! struct.

use std::cmp::Ordering;

use crate::base::time::Ticks;

/// A step back by more is the beginning of another recording, not an order of frames.
const BACK: Ticks = Ticks::from_ms(1_000);
/// Sound that comes later than this is of no use beside its picture.
const LATE_MAX: Ticks = Ticks::from_ms(1_000);
/// For so long the tracks may disagree on which recording it is; after that only one of them has
/// jumped.
const DISAGREE_MAX: Ticks = Ticks::from_ms(10_000);

/// Counts a track's recordings.
#[derive(Default)]
pub(super) struct Recordings {
    last: Option<Ticks>,
    count: i64,
}

impl Recordings {
    /// A unit begins; answers with its recording's number.
    pub(super) fn begins(&mut self, dts: Ticks) -> i64 {
        let last = self.last.replace(dts);
        self.count += i64::from(last.is_some_and(|last| last - dts > BACK));
        self.count
    }
}

/// What becomes of an audio unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AudioTurn {
    /// It comes before the picture.
    Now,
    /// It comes behind it.
    Later,
    /// It belongs before where playing began.
    Before,
    /// Its time is over.
    Over,
}

/// Compares audio units with pictures.
#[derive(Default)]
pub(super) struct AudioOrder {
    pictures: Recordings,
    /// What was handed over last of the pictures' recording.
    newest: Option<Ticks>,
    /// Nothing before is wanted.
    from: Option<Ticks>,
    /// Recordings of the pictures less those of the sound that nothing came of.
    apart: i64,
    /// The time since when the tracks disagree, by the track that has jumped less.
    disagree_since: Option<Ticks>,
}

impl AudioOrder {
    /// Playing begins at this time.
    pub(super) fn from(time: Ticks) -> AudioOrder {
        AudioOrder { from: Some(time), ..AudioOrder::default() }
    }

    /// A picture comes next; answers whether it begins another recording.
    pub(super) fn picture(&mut self, dts: Ticks) {
        let before = self.pictures.count;
        if self.pictures.begins(dts) != before {
            (self.newest, self.disagree_since, self.from) = (None, None, None);
        }
    }

    /// The picture that comes next has been handed over.
    pub(super) fn handed(&mut self, dts: Ticks) {
        self.newest = self.newest.max(Some(dts));
    }

    /// What becomes of an audio unit of a recording, before a picture, or behind the last.
    pub(super) fn turn(&mut self, recording: i64, dts: Ticks, picture: Option<Ticks>) -> AudioTurn {
        let Some(picture) = picture else { return self.in_time(dts) };
        match (recording + self.apart).cmp(&self.pictures.count) {
            Ordering::Less => {
                let since = *self.disagree_since.get_or_insert(dts);
                if dts - since > DISAGREE_MAX {
                    self.agree(recording);
                }
                AudioTurn::Now
            }
            Ordering::Greater => {
                let since = *self.disagree_since.get_or_insert(picture);
                if picture - since > DISAGREE_MAX {
                    self.agree(recording);
                }
                AudioTurn::Later
            }
            Ordering::Equal => {
                self.disagree_since = None;
                if dts >= picture {
                    AudioTurn::Later
                } else {
                    self.in_time(dts)
                }
            }
        }
    }

    fn in_time(&mut self, dts: Ticks) -> AudioTurn {
        if self.from.is_some_and(|from| dts < from) {
            return AudioTurn::Before;
        }
        if self.newest.is_some_and(|newest| newest - dts > LATE_MAX) {
            return AudioTurn::Over;
        }
        self.newest = self.newest.max(Some(dts));
        AudioTurn::Now
    }

    /// Only one of the tracks has jumped.
    fn agree(&mut self, recording: i64) {
        self.apart = self.pictures.count - recording;
        self.disagree_since = None;
    }
}
