//! What the readers of video files have in common, whatever the container. Purpose: a file's
//! access units come out in the same shape as a live source's, so that playing and surveying a
//! file need not know its format. Non-goals: opening files, pacing. Bound: a reader's memory does
//! not depend on the length of its file; each states its own.

use std::fmt;
use std::io;

use crate::base::limits::FILE_BROKEN_UNITS_MAX;
use crate::base::time::Ticks;

use super::access_unit::{AacConfig, AvcConfig, UnitSink};

/// Random access to a file's bytes.
pub trait ReadAt {
    /// The file's length now, bytes.
    fn size(&self) -> u64;

    /// Fills `into` with what stands at `offset`, and returns how much that is: less than asked
    /// for only at the end of the file.
    ///
    /// # Errors
    /// The disk's own.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
}

/// A file that lies in memory.
impl ReadAt for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let behind = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let behind = behind.unwrap_or_default();
        let count = behind.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..count), behind.get(..count)) {
            into.copy_from_slice(from);
        }
        Ok(count)
    }
}

/// What a file holds, as far as it can be played.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// The video track.
    pub video: Option<AvcConfig>,
    /// The audio track.
    pub audio: Option<AacConfig>,
    /// How long it plays; `None` when the file does not say and would have to be read whole.
    pub duration: Option<Ticks>,
    /// A track that is there and is left out, named for a person ("AC-3 audio").
    pub left_out: Option<&'static str>,
}

/// How far a file's times can be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// Tables state when each unit is decoded and shown: units come in the order of decoding, and
    /// a long step is a pause.
    Tables,
    /// Each unit's time counts from the file's beginning.
    Stated,
    /// They are the readings of a clock, which jumps where recordings were joined.
    #[default]
    Clock,
}

/// Whether there is more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Call again.
    More,
    /// The end of the file.
    End,
}

/// Reads a file's access units in decoding order, both tracks interleaved as they have to be sent.
/// Times are the file's own: 0 is the beginning of what it shows, and a unit before that is
/// negative.
pub trait ContainerReader: Send {
    /// What the file holds.
    fn contents(&self) -> &Contents;

    /// How far its times can be believed.
    fn timing(&self) -> Timing {
        Timing::Clock
    }

    /// When the last picture has been shown, where the file states how long that is.
    fn picture_end(&self) -> Option<Ticks> {
        None
    }

    /// [`next`](ContainerReader::next), which may leave open what it failed in the middle of.
    ///
    /// # Errors
    /// As for [`next`](ContainerReader::next).
    fn step(
        &mut self,
        file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError>;

    /// Aborts what the sink has open.
    fn give_up(&mut self, sink: &mut dyn UnitSink);

    /// Hands the next piece to the sink: an access unit or a part of one, after its configuration
    /// when that is new. The work of one call is bounded. No unit is left open at the end.
    ///
    /// # Errors
    /// The file is not what it said it was, or the disk fails. What is open is aborted first.
    fn next(
        &mut self,
        file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError> {
        let progress = self.step(file, sink);
        if progress.is_err() {
            self.give_up(sink);
        }
        progress
    }

    /// Goes to the last key unit at or before `to`, or else the first, and returns its DTS. What
    /// the sink has open is aborted; configurations are told again before the next unit.
    ///
    /// # Errors
    /// As for [`next`](ContainerReader::next).
    fn seek(
        &mut self,
        file: &mut dyn ReadAt,
        to: Ticks,
        sink: &mut dyn UnitSink,
    ) -> Result<Ticks, FileError>;
}

/// How damaged a file's access units are. One given up now and then is a scratch; nothing else
/// but them is no file to play.
#[derive(Clone, Copy, Debug, Default)]
pub struct Damage {
    in_a_row: u64,
}

impl Damage {
    /// So many units came whole, so many were given up.
    pub fn count(&mut self, whole: u64, given_up: u64) {
        self.in_a_row = if whole > 0 { 0 } else { self.in_a_row.saturating_add(given_up) };
    }

    /// Whether what was read up to `at`, bytes from the beginning of the file, is worth going on.
    ///
    /// # Errors
    /// More than [`FILE_BROKEN_UNITS_MAX`] units in a row were given up.
    pub fn judge(self, at: u64) -> Result<(), FileError> {
        if self.in_a_row > u64::from(FILE_BROKEN_UNITS_MAX) {
            return Err(FileError::Broken { what: "its access units are damaged", at });
        }
        Ok(())
    }
}

/// Why a file cannot be played.
#[derive(Debug)]
pub enum FileError {
    /// It is none of the containers that are read.
    NotRecognised,
    /// It is well formed, but holds what is not carried; named for a person ("VP9 video").
    Unsupported {
        /// What that is.
        what: String,
        /// What would help.
        remedy: Remedy,
    },
    /// It is encrypted, and its key is not in it.
    Encrypted {
        /// What of it, for a person ("encrypted video").
        what: &'static str,
    },
    /// It contradicts itself or the rules of its format.
    Broken {
        /// What is wrong, for a person.
        what: &'static str,
        /// Where, bytes from the beginning of the file.
        at: u64,
    },
    /// It ends before what it announces.
    Truncated {
        /// Where what is missing would be, bytes from the beginning of the file.
        at: u64,
    },
    /// It lacks the header that is written last: nothing can be told of what it holds.
    Unfinished,
    /// It has no key unit of video to begin with.
    NoVideo,
    /// It has sound, and no picture at all.
    AudioOnly,
    /// It is a piece of a fragmented file, without the header that says what is in it.
    NoBeginning,
    /// Its H.264 has no parameter sets, neither in a header nor among the pictures.
    NoParameterSets,
    /// The disk.
    Disk(io::Error),
}

/// What would make a file playable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Another container around the same tracks.
    Remux,
    /// Encode the video again.
    Video,
    /// Encode the audio again.
    Audio,
    /// Encode both again.
    Both,
    /// Put a black picture to the sound.
    Picture,
}

impl Remedy {
    /// The arguments for ffmpeg between input and output.
    pub const fn arguments(self) -> &'static str {
        match self {
            Remedy::Remux => "-c copy -movflags +faststart",
            Remedy::Video => "-c:v libx264 -pix_fmt yuv420p -g 60 -c:a copy -movflags +faststart",
            Remedy::Audio => "-c:v copy -c:a aac -movflags +faststart",
            Remedy::Both => "-c:v libx264 -pix_fmt yuv420p -g 60 -c:a aac -movflags +faststart",
            Remedy::Picture => {
                "-filter_complex color=c=black:s=1280x720:r=25 -shortest \
                 -c:v libx264 -pix_fmt yuv420p -g 50 -c:a aac -movflags +faststart"
            }
        }
    }
}

impl FileError {
    /// What would help, if something would.
    pub const fn remedy(&self) -> Option<Remedy> {
        match self {
            FileError::NotRecognised | FileError::NoVideo => Some(Remedy::Both),
            FileError::AudioOnly => Some(Remedy::Picture),
            FileError::Unsupported { remedy, .. } => Some(*remedy),
            FileError::Broken { .. } | FileError::Truncated { .. } => Some(Remedy::Remux),
            // Without the header, or the key, no program can make anything of it.
            FileError::Unfinished
            | FileError::NoBeginning
            | FileError::NoParameterSets
            | FileError::Encrypted { .. }
            | FileError::Disk(_) => None,
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> FileError {
        FileError::Disk(error)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::NotRecognised => {
                f.write_str("this is not an MP4, MPEG-TS, FLV or Matroska file")
            }
            FileError::Unsupported { what, .. } => {
                write!(f, "it contains {what}, which is not supported")
            }
            FileError::Encrypted { what } => write!(
                f,
                "it contains {what}, which cannot be played without the key; use a copy without \
                 protection"
            ),
            FileError::Broken { what, at } => write!(f, "it is broken at byte {at}: {what}"),
            FileError::Truncated { at } => {
                write!(f, "it is cut off: the data at byte {at} is missing")
            }
            FileError::Unfinished => f.write_str(
                "the recording was not finished, or the file was not copied completely: the index \
                 at its end is missing",
            ),
            FileError::NoVideo => f.write_str("it has no H.264 key frame to start at"),
            FileError::AudioOnly => f.write_str("it has sound and no picture"),
            FileError::NoBeginning => f.write_str(
                "it is a fragment of an MP4 without its initialization segment: join the two, the \
                 initialization segment first",
            ),
            FileError::NoParameterSets => f.write_str(
                "its H.264 has no parameter sets (SPS and PPS), neither in a header nor in its key \
                 frames, so nothing can decode it",
            ),
            FileError::Disk(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}

impl std::error::Error for FileError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_damage_without_a_whole_unit_between_ends_a_file() {
        let most = u64::from(FILE_BROKEN_UNITS_MAX);
        let mut damage = Damage::default();
        damage.count(0, most);
        assert!(damage.judge(7).is_ok());
        damage.count(1, 1);
        damage.count(0, most);
        assert!(damage.judge(7).is_ok());
        damage.count(0, 1);
        assert!(matches!(damage.judge(7), Err(FileError::Broken { at: 7, .. })));
    }
}
