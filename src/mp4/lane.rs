//! A track on its way into the programme. Purpose: its next sample is known before it is taken, so
//! that the tracks can be interleaved. Bound: one sample, and the track's descriptions.

use crate::base::limits::{FILE_WINDOW_BYTES, MP4_STEPS_MAX, MP4_WALK_STEPS_MAX};
use crate::base::time::Ticks;
use crate::codec::access_unit::{AvcConfig, TrackConfig};
use crate::codec::container::{FileError, ReadAt, Remedy};
use crate::codec::nal_lengths::NalLengths;
use crate::codec::window::Window;

use super::clock::MediaClock;
use super::fragments::Found;
use super::media::Description;
use super::movie::TrackInfo;
use super::tables::Sample;
use super::track::TrackCursor;
use super::view::View;

/// A track.
pub(super) struct Lane {
    cursor: TrackCursor,
    descriptions: Vec<Description>,
    head: Head,
}

/// A track's next sample.
#[derive(Clone, Copy)]
enum Head {
    Unknown,
    Known(Sample),
    End,
}

impl Lane {
    /// Opens a track; `end` becomes the later of the tracks' ends.
    pub(super) fn open(
        view: &mut View<'_>,
        info: TrackInfo,
        ends_with_header: bool,
        end: &mut Option<Ticks>,
    ) -> Result<Lane, FileError> {
        let mut cursor = TrackCursor::open(view, &info, ends_with_header)?;
        let counted = if cursor.is_fragmented() {
            cursor.survey_fragments(view.file)?
        } else {
            cursor.stated_end(&info)
        };
        *end = (*end).max(counted);
        Ok(Lane { cursor, descriptions: info.descriptions, head: Head::Unknown })
    }

    /// Where the descriptions tell no parameter sets, takes those before the first key picture.
    /// If others come later, they pass with their pictures.
    pub(super) fn learn_config(
        &mut self,
        file: &mut dyn ReadAt,
        pictures: &mut Window,
    ) -> Result<(), FileError> {
        if self.descriptions.iter().all(|description| description.config.is_some()) {
            return Ok(());
        }
        let has_key = self.seek_key(file, Ticks(i64::MIN))?;
        self.peek(file)?;
        let Some((_, sample)) = self.known().filter(|_| has_key) else {
            return Err(FileError::NoVideo);
        };
        let bytes = usize::try_from(sample.bytes).unwrap_or(usize::MAX).min(FILE_WINDOW_BYTES);
        let unit = pictures.exact(file, sample.offset, bytes)?;
        let Some(config) = AvcConfig::from_unit(unit, self.length_bytes(&sample)) else {
            let what = "H.264 video without parameter sets".to_owned();
            return Err(FileError::Unsupported { what, remedy: Remedy::Video });
        };
        for description in &mut self.descriptions {
            description.config.get_or_insert_with(|| TrackConfig::Avc(config.clone()));
        }
        Ok(())
    }

    fn description(&self, number: u32) -> Option<&Description> {
        self.descriptions.get(usize::try_from(number).ok()?)
    }

    /// The configuration of samples with a description, counted from 0.
    pub(super) fn config(&self, description: u32) -> Option<&TrackConfig> {
        self.description(description)?.config.as_ref()
    }

    fn length_bytes(&self, sample: &Sample) -> u8 {
        self.description(sample.description).map_or(4, |description| description.length_bytes)
    }

    /// For the NAL units of a sample, before its first byte.
    pub(super) fn lengths(&self, sample: &Sample) -> NalLengths {
        let mut lengths = NalLengths::new(self.length_bytes(sample));
        lengths.begin(usize::try_from(sample.bytes).unwrap_or(usize::MAX));
        lengths
    }

    pub(super) const fn clock(&self) -> &MediaClock {
        self.cursor.clock()
    }

    /// The next sample is taken: it is the one behind it that is looked for from now on.
    pub(super) const fn take(&mut self) {
        self.head = Head::Unknown;
    }

    /// Looks for the next sample; false when it has to be asked again.
    pub(super) fn look(&mut self, file: &mut dyn ReadAt) -> Result<bool, FileError> {
        if matches!(self.head, Head::Unknown) {
            self.head = match self.cursor.next(file)? {
                Found::Sample(sample) => Head::Known(sample),
                Found::Searching => Head::Unknown,
                Found::End => Head::End,
            };
        }
        Ok(!matches!(self.head, Head::Unknown))
    }

    /// The next sample and its DTS, if it is known.
    pub(super) fn known(&self) -> Option<(Ticks, Sample)> {
        match self.head {
            Head::Known(sample) => Some((self.cursor.clock().times(&sample).0, sample)),
            Head::Unknown | Head::End => None,
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
        self.head = Head::Unknown;
        self.cursor.rewind(file)
    }

    pub(super) fn seek_key(&mut self, file: &mut dyn ReadAt, to: Ticks) -> Result<bool, FileError> {
        self.head = Head::Unknown;
        self.cursor.seek_key(file, to)
    }

    pub(super) fn seek_from(
        &mut self,
        file: &mut dyn ReadAt,
        from: Ticks,
    ) -> Result<(), FileError> {
        self.head = Head::Unknown;
        self.cursor.seek_from(file, from)
    }
}
