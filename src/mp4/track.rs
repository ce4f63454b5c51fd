//! One track of a file: its samples in decoding order, whether tables or fragments tell of them.
//! Non-goals: the samples' bytes. Bound: its cursors' windows and its landmarks; a step looks at
//! `MP4_STEPS_MAX` entries or boxes, a jump once at everything there is.

use crate::base::limits::{
    MP4_REORDER_SAMPLES_MAX, MP4_SAMPLE_BYTES_MAX, MP4_STEPS_MAX, MP4_STILL_SAMPLES_MAX,
    MP4_WALK_STEPS_MAX,
};
use crate::base::time::Ticks;
use crate::codec::container::{FileError, ReadAt};

use super::clock::{self, MediaClock};
use super::fragments::{FragmentPlace, FragmentStep, Fragments};
use super::index::{self, Landmark, Landmarks};
use super::movie::TrackInfo;
use super::tables::{Sample, Tables};
use super::view::FileView;

/// A cursor over a track.
pub(super) struct TrackCursor {
    pub(super) tables: Tables,
    pub(super) fragments: Option<Fragments>,
    /// Where fragments stand; the first is where they begin.
    pub(super) marks: Landmarks,
    pub(super) clock: MediaClock,
    /// When what is shown ends, if not with the media.
    end: Option<Ticks>,
    /// The header is the file's last box: nothing behind it can have been cut off.
    ends_with_header: bool,
    /// The latest decoding time told, and the samples since then that were no later.
    latest: i64,
    still: u32,
}

impl TrackCursor {
    /// Opens a track before its first sample.
    pub(super) fn open(
        view: &mut FileView<'_>,
        info: &TrackInfo,
        ends_with_header: bool,
    ) -> Result<TrackCursor, FileError> {
        let clock = MediaClock::new(info.scales, &info.edit);
        let fragments = info.fragments.map(|defaults| Fragments::new(info.id, defaults));
        let mut track = TrackCursor {
            tables: Tables::open(view, &info.tables)?,
            fragments,
            marks: Landmarks::new(Landmark { at: 0, dts: 0 }),
            clock,
            end: None,
            ends_with_header,
            latest: i64::MIN,
            still: 0,
        };
        if info.edit.length > 0 && track.fragments.is_none() {
            let shown = clock::span(info.edit.length, info.scales.movie);
            track.end = Some(clock.ticks(info.edit.from) + shown);
        }
        track.survey_tables(view.file)?;
        track.survey_reach(view.file)?;
        if track.fragments.is_some() {
            index::read(view, info.id, &mut track.marks)?;
        }
        Ok(track)
    }

    pub(super) const fn clock(&self) -> &MediaClock {
        &self.clock
    }

    /// Times count from `base` of what they did.
    pub(super) fn rebase(&mut self, base: Ticks) {
        self.clock.rebase(base);
    }

    pub(super) const fn is_fragmented(&self) -> bool {
        self.fragments.is_some()
    }

    /// When it ends, as the header says; `None` when it does not.
    pub(super) fn stated_end(&self, info: &TrackInfo) -> Option<Ticks> {
        let media_end = i64::try_from(info.duration).ok().filter(|duration| *duration > 0);
        self.end.or(media_end.map(|end| self.clock.ticks(end)))
    }

    /// Looks whether the last sample told by the tables is there, and notes when they end.
    fn survey_tables(&mut self, file: &mut dyn ReadAt) -> Result<(), FileError> {
        let Some(last) = self.tables.count().checked_sub(1) else { return Ok(()) };
        self.tables.go(file, last)?;
        if let Some(sample) = self.tables.next(file)? {
            self.check_place(file, &sample)?;
        }
        self.marks = Landmarks::new(Landmark { at: 0, dts: self.tables.dts() });
        self.rewind(file)
    }

    /// Learns from the first samples how far composition offsets reach back.
    fn survey_reach(&mut self, file: &mut dyn ReadAt) -> Result<(), FileError> {
        let mut reach = 0;
        for _ in 0..MP4_REORDER_SAMPLES_MAX {
            match self.step(file)?.0 {
                FragmentStep::Sample(sample) => reach = sample.composition.min(reach),
                FragmentStep::Searching => {}
                FragmentStep::End => break,
            }
        }
        self.clock.reach_back(reach);
        self.rewind(file)
    }

    /// Counts through the fragments behind the last that the index knows, and returns when the
    /// track ends; `None` when they are too many.
    pub(super) fn survey_fragments(
        &mut self,
        file: &mut dyn ReadAt,
    ) -> Result<Option<Ticks>, FileError> {
        let Some(fragments) = &mut self.fragments else { return Ok(None) };
        let mut known = self.marks.last();
        if known.at > 0 && !fragments.has_one_at(file, known.at)? {
            // An index that does not fit its file.
            self.marks.forget();
            known = self.marks.last();
        }
        fragments.place = FragmentPlace::new(known.at, known.dts);
        let (mut end, mut steps) = (None, 0);
        while steps < MP4_WALK_STEPS_MAX {
            match fragments.next(file)? {
                FragmentStep::Sample(sample) => {
                    steps += 1;
                    let at = fragments.place.fragment();
                    self.marks.offer(Landmark { at, dts: sample.dts });
                }
                FragmentStep::Searching => steps += MP4_STEPS_MAX,
                FragmentStep::End => {
                    end = Some(self.clock.ticks(fragments.place.dts()));
                    break;
                }
            }
        }
        self.rewind(file)?;
        Ok(end)
    }

    /// Goes before the first sample.
    pub(super) fn rewind(&mut self, file: &mut dyn ReadAt) -> Result<(), FileError> {
        if self.tables.count() > 0 {
            self.tables.go(file, 0)?;
        }
        let first = self.marks.first();
        self.place(FragmentPlace::new(first.at, first.dts));
        Ok(())
    }

    /// Puts the fragments' cursor somewhere.
    pub(super) fn place(&mut self, place: FragmentPlace) {
        if let Some(fragments) = &mut self.fragments {
            fragments.place = place;
        }
        (self.latest, self.still) = (i64::MIN, 0);
    }

    /// The next sample, and whether a fragment told of it.
    fn step(&mut self, file: &mut dyn ReadAt) -> Result<(FragmentStep, bool), FileError> {
        if let Some(sample) = self.tables.next(file)? {
            return Ok((FragmentStep::Sample(sample), false));
        }
        match &mut self.fragments {
            Some(fragments) => Ok((fragments.next(file)?, true)),
            None => Ok((FragmentStep::End, true)),
        }
    }

    /// The next sample that is shown.
    ///
    /// # Errors
    /// It stands beyond the file, is impossibly large, or time has stood still for too many.
    pub(super) fn next(&mut self, file: &mut dyn ReadAt) -> Result<FragmentStep, FileError> {
        let (found, in_fragment) = self.step(file)?;
        let FragmentStep::Sample(sample) = found else { return Ok(found) };
        if self.end.is_some_and(|end| self.clock.dts(sample.dts) >= end) {
            return Ok(FragmentStep::End);
        }
        match self.check_place(file, &sample) {
            // What is not yet written of a recording, or was lost with its end.
            Err(FileError::Truncated { .. } | FileError::Broken { .. })
                if in_fragment && sample.bytes <= MP4_SAMPLE_BYTES_MAX =>
            {
                return Ok(FragmentStep::End);
            }
            checked => checked?,
        }
        if sample.dts > self.latest {
            (self.latest, self.still) = (sample.dts, 0);
        } else {
            self.still += 1;
        }
        if self.still > MP4_STILL_SAMPLES_MAX {
            let what = "too many samples have no duration";
            return Err(FileError::Broken { what, at: sample.offset });
        }
        Ok(found)
    }

    fn check_place(&self, file: &mut dyn ReadAt, sample: &Sample) -> Result<(), FileError> {
        let at = sample.offset;
        if sample.bytes > MP4_SAMPLE_BYTES_MAX {
            return Err(FileError::Broken { what: "a sample is impossibly large", at });
        }
        let size = file.size();
        let end = at.saturating_add(u64::from(sample.bytes));
        if end <= size {
            return Ok(());
        }
        if self.ends_with_header {
            return Err(FileError::Broken { what: "a sample lies behind the file's end", at });
        }
        Err(FileError::Truncated { at: at.max(size) })
    }

    /// Goes before the first sample whose DTS is not before `from`, or to the end.
    pub(super) fn seek_from(
        &mut self,
        file: &mut dyn ReadAt,
        from: Ticks,
    ) -> Result<(), FileError> {
        let (clock, dts) = (self.clock, self.clock.media(from));
        let first = self.marks.first();
        self.place(FragmentPlace::new(first.at, first.dts));
        if self.fragments.is_some() && dts >= first.dts {
            self.tables.finish();
            let mark = self.marks.before(dts, 0).unwrap_or(first);
            self.place(FragmentPlace::new(mark.at, mark.dts));
            if let Some((before, _)) =
                self.walk(file, None, |sample| clock.dts(sample.dts) >= from)?
            {
                self.place(before);
            }
            return Ok(());
        }
        if self.tables.count() == 0 {
            return Ok(());
        }
        let near = self.tables.at_time(file, dts)?;
        self.tables.go(file, near)?;
        match self.tables.next(file)? {
            Some(sample) if clock.dts(sample.dts) >= from => self.tables.go(file, near),
            _ => Ok(()),
        }
    }

    /// Goes over samples of fragments before the one at `until` to the first that is wanted;
    /// returns it and the place before it.
    pub(super) fn walk(
        &mut self,
        file: &mut dyn ReadAt,
        until: Option<u64>,
        wanted: impl Fn(&Sample) -> bool,
    ) -> Result<Option<(FragmentPlace, Sample)>, FileError> {
        let Some(fragments) = &mut self.fragments else { return Ok(None) };
        let mut steps = 0;
        while steps < MP4_WALK_STEPS_MAX {
            let before = fragments.place;
            let found = fragments.next(file)?;
            if until.is_some_and(|until| fragments.place.fragment() >= until) {
                return Ok(None);
            }
            match found {
                FragmentStep::Sample(sample) if wanted(&sample) => {
                    return Ok(Some((before, sample)))
                }
                FragmentStep::Sample(_) => steps += 1,
                FragmentStep::Searching => steps += MP4_STEPS_MAX,
                FragmentStep::End => return Ok(None),
            }
        }
        Ok(None)
    }
}
