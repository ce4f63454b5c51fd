//! A file being read, its units in the order of time. Purpose: sound that stands seconds behind
//! its picture in the file, or before it, leaves beside it. Playing and surveying read in this one
//! way. Non-goals: opening files, pacing.
//!
//! The picture and the sound are read at two places of the file, each by a reader of its own that
//! leaves the other track out: before a picture is handed over, sound is read until it is past
//! that picture's time. So a delay costs a second reader, whatever its length and the file's bit
//! rate, where holding back the picture would cost all of it. Readers with tables find both places
//! by themselves and need no second one.
//!
//! Bounds: sound is looked for at most [`FILE_SOUND_AHEAD_BYTES_MAX`] behind the picture's place.
//! What stands further behind comes too late; it is left out and counted. Of the sound, what one
//! step of its reader yields is held.

mod order;
mod place;
mod sound;

use crate::base::limits::FILE_SOUND_AHEAD_BYTES_MAX;
use crate::base::time::Ticks;
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::container::{Contents, FileError, Progress, ReadAt};

use super::pacer::FileTimes;
pub use place::FilePlace;
use sound::Sound;

/// A file being read.
pub struct FileReading {
    picture: FilePlace,
    sound: Option<Sound>,
    /// The picture's place when a picture last began.
    began_at: u64,
    picture_has_ended: bool,
}

impl FileReading {
    /// Reads a file, its sound at another place when that [is needed](Place::needs_another).
    pub fn new(picture: FilePlace, sound: Option<FilePlace>) -> FileReading {
        let sound = sound.map(Sound::new);
        FileReading { picture, sound, began_at: 0, picture_has_ended: false }
    }

    /// What the file holds.
    pub fn contents(&self) -> &Contents {
        self.picture.reader.contents()
    }

    /// What it states of its times.
    pub fn times(&self) -> FileTimes {
        FileTimes::of(self.picture.reader.as_ref())
    }

    /// Whether its sound is read at a place of its own.
    pub fn reads_apart(&self) -> bool {
        self.sound.is_some()
    }

    /// The file's length, bytes.
    pub fn size(&self) -> u64 {
        self.picture.file.size()
    }

    /// Bytes read for the picture since it was opened.
    pub fn bytes_read(&self) -> u64 {
        self.picture.file.read
    }

    /// Audio units left out since the last call: they stand too far behind their picture, or more
    /// of them came at once than are held.
    pub fn take_left_out(&mut self) -> u64 {
        self.sound.as_mut().map_or(0, Sound::take_left_out)
    }

    /// Why no more sound is read, though the picture goes on.
    pub fn sound_error(&self) -> Option<&FileError> {
        self.sound.as_ref()?.error()
    }

    /// As [`ContainerReader::next`], in the order of time.
    ///
    /// # Errors
    /// The reader's, where the picture is concerned: sound that cannot be read ends alone.
    pub fn next(&mut self, sink: &mut dyn UnitSink) -> Result<Progress, FileError> {
        let Some(sound) = &mut self.sound else { return self.picture.next(sink) };
        if self.picture_has_ended {
            return Ok(sound.pass(sink));
        }
        let (place, mut begins) = (self.picture.file.at, false);
        let mut pictures = Pictures { sink, sound, place, begins: &mut begins };
        let progress = self.picture.next(&mut pictures)?;
        let at = self.picture.file.at;
        if begins {
            self.began_at = at;
        }
        self.picture_has_ended = progress == Progress::End;
        // A picture that stands for minutes: the file is not searched for the next to its end.
        while !self.picture_has_ended
            && at.saturating_sub(self.began_at) > FILE_SOUND_AHEAD_BYTES_MAX
            && at.saturating_sub(sound.at()) > FILE_SOUND_AHEAD_BYTES_MAX
            && sound.pass(sink) == Progress::More
        {}
        Ok(Progress::More)
    }

    /// As [`ContainerReader::seek`]; sound is handed over from there on.
    ///
    /// # Errors
    /// As for [`next`](Reading::next).
    pub fn seek(&mut self, to: Ticks, sink: &mut dyn UnitSink) -> Result<Ticks, FileError> {
        self.picture_has_ended = false;
        let Some(sound) = &mut self.sound else { return self.picture.seek(to, sink) };
        let (place, mut begins) = (self.picture.file.at, false);
        let mut pictures = Pictures { sink, sound, place, begins: &mut begins };
        let key = self.picture.seek(to, &mut pictures)?;
        self.began_at = self.picture.file.at;
        sound.seek(to, key);
        Ok(key)
    }
}

/// Lets pictures through, and before each the sound that leads up to it.
struct Pictures<'a> {
    sink: &'a mut dyn UnitSink,
    sound: &'a mut Sound,
    /// The picture's place in the file.
    place: u64,
    begins: &'a mut bool,
}

impl UnitSink for Pictures<'_> {
    fn config(&mut self, config: &TrackConfig) {
        if config.track() == Track::Video {
            self.sink.config(config);
        }
    }

    fn begin(&mut self, start: UnitStart) {
        if start.track == Track::Video {
            *self.begins = true;
            self.sound.lead_up_to(start.dts, self.place, self.sink);
            self.sink.begin(start);
        }
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        if track == Track::Video {
            self.sink.write(track, bytes);
        }
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        if track == Track::Video {
            self.sink.patch(track, offset, bytes);
        }
    }

    fn commit(&mut self, track: Track) {
        if track == Track::Video {
            self.sink.commit(track);
        }
    }

    fn abort(&mut self, track: Track) {
        if track == Track::Video {
            self.sink.abort(track);
        }
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
