//! What the library holds, as it is told to others. Purpose: small entries that a new listing
//! shares with the one before. Non-goal: finding them out. Bound: [`LIBRARY_FILES_MAX`] entries,
//! [`LIBRARY_NAMES_BYTES_MAX`] bytes of names, [`LIBRARY_WORDS_CHARS_MAX`] characters of words
//! each.

use std::sync::Arc;

use super::names::quoted;
use super::open::FileIdentity;
use super::survey::{FileDetails, SoundFault};
use crate::base::limits::LIBRARY_WORDS_CHARS_MAX;
use crate::base::time::Utc;
use crate::codec::container::{FileError, Remedy};

/// The library's files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The files, sorted by name.
    pub entries: Vec<Arc<LibraryEntry>>,
    /// Files that are there besides, and are not listed because there are too many.
    pub more: usize,
    /// Why the folder cannot be read, for a person.
    pub problem: Option<Box<str>>,
    /// The folder has been read at least once.
    pub is_known: bool,
}

impl Listing {
    /// The entry of this name.
    pub fn entry(&self, name: &str) -> Option<&Arc<LibraryEntry>> {
        let index = self.entries.binary_search_by(|entry| (*entry.name).cmp(name)).ok()?;
        self.entries.get(index)
    }
}

/// A file of the library.
#[derive(Clone, Debug, PartialEq)]
pub struct LibraryEntry {
    /// Its name; what is no UTF-8 in it is replaced, and then it cannot be asked for.
    pub name: Box<str>,
    /// What tells it from another of its name.
    pub identity: FileIdentity,
    /// What is known of it.
    pub state: FileState,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum FileState {
    /// Not yet surveyed.
    Pending,
    /// It can be played.
    Ready(FileDetails),
    /// It cannot be played.
    Refused {
        /// Why, in a sentence without its subject: "it holds VP9 video, …".
        words: Box<str>,
        /// What would help, if something would.
        remedy: Option<Remedy>,
        /// The file itself may be good: it is tried again.
        is_passing: bool,
    },
    /// It is still being written.
    Growing,
}

impl FileState {
    /// Refused for good, for this reason.
    pub(super) fn refused(words: &str) -> FileState {
        FileState::Refused { words: cut(words), remedy: None, is_passing: false }
    }

    /// Refused for this reason, which may pass without a change of the file.
    pub(super) fn refused_for_now(words: &str) -> FileState {
        FileState::Refused { words: cut(words), remedy: None, is_passing: true }
    }

    /// Refused by a reader, or by the disk.
    pub(super) fn of_error(error: &FileError) -> FileState {
        FileState::Refused {
            words: cut(&error.to_string()),
            remedy: error.remedy(),
            is_passing: matches!(error, FileError::Disk(_)),
        }
    }

    /// The name the API uses.
    pub const fn name(&self) -> &'static str {
        match self {
            FileState::Pending => "pending",
            FileState::Ready(_) => "ready",
            FileState::Refused { .. } => "refused",
            FileState::Growing => "growing",
        }
    }
}

impl LibraryEntry {
    /// Its length, bytes.
    pub const fn size(&self) -> u64 {
        self.identity.size
    }

    /// When it was last written to.
    pub fn modified(&self) -> Utc {
        self.identity.modified()
    }

    /// What is known of it, if it can be played.
    pub const fn details(&self) -> Option<&FileDetails> {
        match &self.state {
            FileState::Ready(details) => Some(details),
            _ => None,
        }
    }

    /// Why it cannot be played now, a sentence without its subject.
    pub fn words(&self) -> Option<&str> {
        match &self.state {
            FileState::Pending | FileState::Ready(_) => None,
            FileState::Refused { words, .. } => Some(words),
            FileState::Growing => Some("it is still being written"),
        }
    }

    /// The command line that makes a file of it that can be played, or played whole.
    pub fn remedy(&self) -> Option<String> {
        match &self.state {
            FileState::Refused { remedy: Some(remedy), .. } => Some(command(&self.name, *remedy)),
            // ffmpeg writes the tracks in the order of time.
            FileState::Ready(FileDetails {
                sound_fault: Some(SoundFault::TooFarBehind), ..
            }) => Some(command(&self.name, Remedy::Remux)),
            _ => None,
        }
    }
}

/// The command line that makes a file that can be played of the one of this name, to be typed in
/// the library's folder.
pub fn command(name: &str, remedy: Remedy) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let mended = quoted(&format!("{stem}-mended.mp4"));
    format!("ffmpeg -i {} {} {mended}", quoted(name), remedy.arguments())
}

fn cut(words: &str) -> Box<str> {
    words.chars().take(LIBRARY_WORDS_CHARS_MAX).collect::<String>().into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::LIBRARY_ENTRY_BYTES;

    #[test]
    fn an_entry_is_as_small_as_the_budget_says() {
        // Two counters beside it, its places in the two listings, the one shown and the one in
        // the making, and the words of a refusal.
        let around = 16 + 2 * size_of::<Arc<LibraryEntry>>() + LIBRARY_WORDS_CHARS_MAX;
        let bytes = size_of::<LibraryEntry>() + around;
        assert!(bytes <= LIBRARY_ENTRY_BYTES, "{bytes}");
        assert!(bytes > LIBRARY_ENTRY_BYTES * 9 / 10, "{bytes}");
    }

    #[test]
    fn the_command_is_for_this_file() {
        assert_eq!(
            command("it's old.avi", Remedy::Remux),
            r"ffmpeg -i 'it'\''s old.avi' -c copy -movflags +faststart 'it'\''s old-mended.mp4'"
        );
        assert!(command("noname", Remedy::Both).ends_with(" noname-mended.mp4"));
        assert!(command("-y.mp4", Remedy::Audio).starts_with("ffmpeg -i ./-y.mp4 -c:v copy"));
    }

    #[test]
    fn words_are_cut() {
        let FileState::Refused { words, .. } = FileState::refused(&"ä".repeat(500)) else {
            panic!("refused");
        };
        assert_eq!(words.chars().count(), LIBRARY_WORDS_CHARS_MAX);
    }
}
