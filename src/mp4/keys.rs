//! Finding a picture that a decoder can start at. Purpose: tables of sync samples and flags of
//! fragments are missing, empty, or name every sample (mp4v2 #128, mp4box.js #65), so they say
//! where to look first, and the samples' NAL units say whether it is so; where no mark is right,
//! all samples are looked at. Bound: `MP4_KEY_LOOKS_MAX` samples are looked at in one search.

use crate::base::limits::MP4_KEY_LOOKS_MAX;
use crate::base::time::Ticks;
use crate::codec::container::{FileError, ReadAt};
use crate::codec::entry::EntryPoint;

use super::fragments::FragmentPlace;
use super::tables::Sample;
use super::track::TrackCursor;

/// Samples that are gone back at once where all are looked at.
const STRIDE_SAMPLES: u32 = 64;
/// Marked samples that turned out to be none, before all are looked at.
const MARKS_MAX: usize = 16;

/// How well a decoder can start at a sample.
pub(super) type Look<'a> =
    &'a mut dyn FnMut(&mut dyn ReadAt, &Sample) -> Result<EntryPoint, FileError>;

/// Which samples are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Samples {
    Marked,
    All,
}

impl Samples {
    const fn least(self) -> EntryPoint {
        match self {
            Samples::Marked => EntryPoint::AtOnce,
            Samples::All => EntryPoint::Gradual,
        }
    }
}

impl TrackCursor {
    /// Goes before the last key sample at or before `to`, or else the first; false when there is
    /// none.
    pub(super) fn seek_key(
        &mut self,
        file: &mut dyn ReadAt,
        to: Ticks,
        look: Look<'_>,
    ) -> Result<bool, FileError> {
        let dts = self.clock.media(to);
        let first = self.marks.first();
        if self.fragments.is_some() && dts >= first.dts && self.key_in_fragments(file, dts, look)? {
            self.tables.finish();
            return Ok(true);
        }
        if self.tables.count() > 0 {
            let sample = self.tables.at_time(file, dts)?;
            let key = match self.key_in_tables(file, sample, look)? {
                None => self.first_in_tables(file, look)?,
                key => key,
            };
            if let Some(key) = key {
                self.tables.go(file, key)?;
                self.place(FragmentPlace::new(first.at, first.dts));
                return Ok(true);
            }
        }
        self.tables.finish();
        self.first_in_fragments(file, look)
    }

    /// The last key sample of the tables at or before one.
    fn key_in_tables(
        &mut self,
        file: &mut dyn ReadAt,
        sample: u32,
        look: Look<'_>,
    ) -> Result<Option<u32>, FileError> {
        let mut at = Some(sample);
        for _ in 0..MARKS_MAX {
            let Some(before) = at else { break };
            let Some(key) = self.tables.marked_before(file, before)? else { break };
            if self.entry_of(file, key, look)? >= Samples::Marked.least() {
                return Ok(Some(key));
            }
            at = key.checked_sub(1);
        }
        let (mut end, mut left) = (sample.saturating_add(1), MP4_KEY_LOOKS_MAX);
        while end > 0 && left > 0 {
            let start = end.saturating_sub(STRIDE_SAMPLES);
            let mut found = None;
            self.tables.go(file, start)?;
            for number in start..end {
                let Some(sample) = self.tables.next(file)? else { break };
                left = left.saturating_sub(1);
                if look(file, &sample)? >= Samples::All.least() {
                    found = Some(number);
                }
            }
            if found.is_some() {
                return Ok(found);
            }
            end = start;
        }
        Ok(None)
    }

    /// The first key sample of the tables, of those that are looked at.
    fn first_in_tables(
        &mut self,
        file: &mut dyn ReadAt,
        look: Look<'_>,
    ) -> Result<Option<u32>, FileError> {
        if let Some(key) = self.tables.marked_first(file)? {
            if self.entry_of(file, key, look)? >= Samples::Marked.least() {
                return Ok(Some(key));
            }
        }
        self.tables.go(file, 0)?;
        let mut second_best = None;
        for number in 0..MP4_KEY_LOOKS_MAX {
            let Some(sample) = self.tables.next(file)? else { break };
            match look(file, &sample)? {
                EntryPoint::AtOnce => return Ok(u32::try_from(number).ok()),
                EntryPoint::Gradual => second_best = second_best.or(u32::try_from(number).ok()),
                EntryPoint::None => {}
            }
        }
        Ok(second_best)
    }

    fn entry_of(
        &mut self,
        file: &mut dyn ReadAt,
        sample: u32,
        look: Look<'_>,
    ) -> Result<EntryPoint, FileError> {
        self.tables.go(file, sample)?;
        match self.tables.next(file)? {
            Some(sample) => look(file, &sample),
            None => Ok(EntryPoint::None),
        }
    }

    /// Goes before the last key sample of fragments at or before a decoding time; false when
    /// there is none.
    fn key_in_fragments(
        &mut self,
        file: &mut dyn ReadAt,
        dts: i64,
        look: Look<'_>,
    ) -> Result<bool, FileError> {
        let mut left = MP4_KEY_LOOKS_MAX;
        for samples in [Samples::Marked, Samples::All] {
            let (mut until, mut nth) = (None, 0);
            // From the latest landmark before; without a key behind it, from the one before that.
            while let Some(mark) = self.marks.before(dts, nth).filter(|_| left > 0) {
                nth += 1;
                self.place(FragmentPlace::new(mark.at, mark.dts));
                let mut key = None;
                let wanted =
                    |sample: &Sample| samples == Samples::All || sample.key || sample.dts > dts;
                while let Some((before, sample)) = self.walk(file, until, wanted)? {
                    if sample.dts > dts || left == 0 {
                        break;
                    }
                    left -= 1;
                    if look(file, &sample)? >= samples.least() {
                        key = Some(before);
                    }
                }
                if let Some(key) = key {
                    self.place(key);
                    return Ok(true);
                }
                until = Some(mark.at);
            }
        }
        Ok(false)
    }

    /// Goes before the first key sample of fragments, of those that are looked at.
    fn first_in_fragments(
        &mut self,
        file: &mut dyn ReadAt,
        look: Look<'_>,
    ) -> Result<bool, FileError> {
        let first = self.marks.first();
        for samples in [Samples::Marked, Samples::All] {
            self.place(FragmentPlace::new(first.at, first.dts));
            let wanted = |sample: &Sample| samples == Samples::All || sample.key;
            for _ in 0..MP4_KEY_LOOKS_MAX {
                let Some((before, sample)) = self.walk(file, None, wanted)? else { break };
                if look(file, &sample)? >= samples.least() {
                    self.place(before);
                    return Ok(true);
                }
            }
        }
        self.place(FragmentPlace::new(first.at, first.dts));
        Ok(false)
    }
}
