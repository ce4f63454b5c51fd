//! A track on its way into the programme. Purpose: its next sample is known before it is taken, so
//! that the tracks can be interleaved. Bound: one sample, and the track's descriptions.

use crate::base::limits::{FILE_WINDOW_BYTES, MP4_STEPS_MAX, MP4_WALK_STEPS_MAX, MP4_WINDOW_BYTES};
use crate::base::time::Ticks;
use crate::codec::access_unit::{AvcConfig, TrackConfig};
use crate::codec::container::{FileError, ReadAt};
use crate::codec::entry::{self, StoredUnit};
use crate::codec::length_units::first_config;
use crate::codec::window::FileWindow;

use super::clock::MediaClock;
use super::fragments::FragmentStep;
use super::media::Description;
use super::movie::TrackInfo;
use super::tables::Sample;
use super::track::TrackCursor;
use super::view::FileView;

/// What is wrong with a sample that has a description which is not there.
pub(super) const NOT_DESCRIBED: &str = "a sample refers to a sample description that is missing";

/// A track.
pub(super) struct SampleTrack {
    cursor: TrackCursor,
    descriptions: Vec<Description>,
    head: NextSample,
}

/// A track's next sample.
#[derive(Clone, Copy)]
enum NextSample {
    Unknown,
    Known(Sample),
    End,
}

impl SampleTrack {
    /// Opens a track; `end` becomes the later of the tracks' ends.
    pub(super) fn open(
        view: &mut FileView<'_>,
        info: TrackInfo,
        ends_with_header: bool,
        end: &mut Option<Ticks>,
    ) -> Result<SampleTrack, FileError> {
        let mut cursor = TrackCursor::open(view, &info, ends_with_header)?;
        let counted = if cursor.is_fragmented() {
            cursor.survey_fragments(view.file)?
        } else {
            cursor.stated_end(&info)
        };
        *end = (*end).max(counted);
        Ok(SampleTrack { cursor, descriptions: info.descriptions, head: NextSample::Unknown })
    }

    /// What the next picture, a key picture, is to be decoded with: its description's record,
    /// unless its own parameter sets say otherwise.
    pub(super) fn first_config(
        &mut self,
        file: &mut dyn ReadAt,
        pictures: &mut FileWindow,
    ) -> Result<AvcConfig, FileError> {
        self.peek(file)?;
        let Some((_, sample)) = self.known() else { return Err(FileError::NoVideo) };
        let (at, number) = (sample.offset, sample.description);
        if !self.is_described(number) {
            return Err(FileError::Broken { what: NOT_DESCRIBED, at });
        }
        let bytes = usize::try_from(sample.bytes).unwrap_or(usize::MAX).min(FILE_WINDOW_BYTES);
        let unit = pictures.exact(file, at, bytes)?;
        let config = first_config(self.avc(number), unit, self.length_bytes(number));
        config.ok_or(FileError::NoParameterSets)
    }

    fn description(&self, number: u32) -> Option<&Description> {
        self.descriptions.get(usize::try_from(number).ok()?)
    }

    /// The configuration of samples with a description, counted from 0.
    pub(super) fn config(&self, description: u32) -> Option<&TrackConfig> {
        self.description(description)?.config.as_ref()
    }

    /// The record of pictures with a description, if it has one that can be used.
    pub(super) fn avc(&self, description: u32) -> Option<&AvcConfig> {
        match self.config(description) {
            Some(TrackConfig::Avc(config)) => Some(config),
            _ => None,
        }
    }

    /// Whether samples have such a description.
    pub(super) fn is_described(&self, description: u32) -> bool {
        self.description(description).is_some()
    }

    /// Bytes of the lengths before the NAL units of samples with a description.
    pub(super) fn length_bytes(&self, description: u32) -> u8 {
        self.description(description).map_or(4, |description| description.length_bytes)
    }

    pub(super) const fn clock(&self) -> &MediaClock {
        self.cursor.clock()
    }

    /// The next sample is taken: it is the one behind it that is looked for from now on.
    pub(super) const fn take(&mut self) {
        self.head = NextSample::Unknown;
    }

    /// Looks for the next sample; false when it has to be asked again.
    pub(super) fn look(&mut self, file: &mut dyn ReadAt) -> Result<bool, FileError> {
        if matches!(self.head, NextSample::Unknown) {
            self.head = match self.cursor.next(file)? {
                FragmentStep::Sample(sample) => NextSample::Known(sample),
                FragmentStep::Searching => NextSample::Unknown,
                FragmentStep::End => NextSample::End,
            };
        }
        Ok(!matches!(self.head, NextSample::Unknown))
    }

    /// The next sample and its DTS, if it is known.
    pub(super) fn known(&self) -> Option<(Ticks, Sample)> {
        match self.head {
            NextSample::Known(sample) => Some((self.cursor.clock().times(&sample).0, sample)),
            NextSample::Unknown | NextSample::End => None,
        }
    }

    /// Looks for the next sample until it is known, and tells its times.
    pub(super) fn peek(
        &mut self,
        file: &mut dyn ReadAt,
    ) -> Result<Option<(Ticks, Ticks)>, FileError> {
        let mut left = MP4_WALK_STEPS_MAX / MP4_STEPS_MAX;
        while !self.look(file)? && left > 0 {
            left -= 1;
        }
        Ok(self.known().map(|(_, sample)| self.cursor.clock().times(&sample)))
    }

    pub(super) fn rewind(&mut self, file: &mut dyn ReadAt) -> Result<(), FileError> {
        self.head = NextSample::Unknown;
        self.cursor.rewind(file)
    }

    /// Goes before the last picture at or before `to` that a decoder can start at, or else the
    /// first; false when none is found. They are looked at through this window.
    pub(super) fn seek_key(
        &mut self,
        file: &mut dyn ReadAt,
        pictures: &mut FileWindow,
        to: Ticks,
    ) -> Result<bool, FileError> {
        self.head = NextSample::Unknown;
        let SampleTrack { cursor, descriptions, .. } = self;
        // Heads are short, and stand apart.
        pictures.set_stride(MP4_WINDOW_BYTES);
        let found = cursor.seek_key(file, to, &mut |file, sample| {
            let number = usize::try_from(sample.description).unwrap_or(usize::MAX);
            let length_bytes = descriptions.get(number).map_or(4, |own| own.length_bytes);
            let (at, bytes) = (sample.offset, u64::from(sample.bytes));
            let unit = StoredUnit { stripped: &[], at, bytes, length_bytes };
            Ok(entry::look(file, pictures, unit)?)
        });
        pictures.set_stride(0);
        found
    }

    pub(super) const fn is_fragmented(&self) -> bool {
        self.cursor.is_fragmented()
    }

    /// Times count from `base` of what they did.
    pub(super) fn rebase(&mut self, base: Ticks) {
        self.cursor.rebase(base);
    }

    pub(super) fn seek_from(
        &mut self,
        file: &mut dyn ReadAt,
        from: Ticks,
    ) -> Result<(), FileError> {
        self.head = NextSample::Unknown;
        self.cursor.seek_from(file, from)
    }
}
