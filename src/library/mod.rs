//! The library: the video files in `<data>/videos`. Purpose: say of each what it is, whether it
//! can be played and what platforms will object to, before anyone puts it on air; and open the
//! ones that can. Non-goals: playing, uploading, subfolders. Bound: the listing's; one thread,
//! which surveys one file at a time. A disk that stalls holds up this thread and no other.
//!
//! From the outside in: [`names`] judges what strangers ask for, `scan` reads the folder into a
//! [`listing`], [`open`] opens without leaving it, [`container`] finds the reader, [`survey`]
//! measures, [`objections`] compares with what is on air.

pub mod change;
pub mod container;
mod error;
pub mod listing;
pub mod names;
pub mod objections;
pub mod open;
mod reading;
mod scan;
mod shared;
pub mod survey;
pub mod upload;
mod watcher;
pub mod writer;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crate::base::limits::THREAD_STACK_BYTES;
use crate::program::reading::FileReading;
use crate::system::clock;
pub use error::LibraryError;
use listing::{FileState, LibraryEntry, Listing};
use open::LibraryFile;
use reading::{guarded, read};
use shared::LibraryShared;

/// A handle on the library; the last one dropped ends its thread.
#[derive(Clone)]
pub struct Library(Arc<Handle>);

/// What the handles have in common, the thread's share apart.
struct Handle(Arc<LibraryShared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.board().is_ending = true;
        self.0.bell.notify_all();
    }
}

/// A file that can be played, open.
pub struct Opened {
    /// The file.
    pub file: LibraryFile,
    /// Reads it, from its beginning.
    pub reading: FileReading,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Library {
    /// Creates the folder if it is missing, and begins to read it. A folder that cannot be made
    /// or read is told in the log and in the listing; it may come later.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(folder: PathBuf) -> io::Result<Library> {
        if let Err(error) = fs::create_dir_all(&folder) {
            log::warn!("library: the folder {} cannot be made: {error}", folder.display());
        }
        let shared = Arc::new(LibraryShared::of(folder));
        let watched = Arc::clone(&shared);
        thread::Builder::new()
            .name("library".to_owned())
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || watcher::run(&watched))?;
        Ok(Library(Arc::new(Handle(shared))))
    }

    /// One that reads no folder and has this listing.
    #[cfg(test)]
    pub fn with(listing: Listing) -> Library {
        let shared = LibraryShared::of(PathBuf::new());
        shared.board().listing = Arc::new(listing);
        Library(Arc::new(Handle(Arc::new(shared))))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0 .0.folder
    }

    /// The newest listing.
    pub fn listing(&self) -> Arc<Listing> {
        Arc::clone(&self.0 .0.board().listing)
    }

    /// Counts the changes of the listing.
    pub fn version(&self) -> u64 {
        self.0 .0.board().version
    }

    /// What is known of the file of this name.
    pub fn entry(&self, name: &str) -> Option<Arc<LibraryEntry>> {
        self.listing().entry(name).map(Arc::clone)
    }

    /// Has the folder read again, now.
    pub fn rescan(&self) {
        self.0 .0.board().is_asked = true;
        self.0 .0.bell.notify_all();
    }

    /// Opens a file for playing. Reads from the disk: to be called where that may take time.
    ///
    /// # Errors
    /// It may not be asked for, is not there, or cannot be played, now or at all.
    pub fn open(&self, name: &str) -> Result<Opened, LibraryError> {
        let name = names::check(name).map_err(LibraryError::Invalid)?;
        let file = LibraryFile::open(self.folder(), &name)?;
        let identity = file.identity();
        let has_grown = self.entry(&name).is_some_and(|entry| {
            entry.state == FileState::Growing && entry.identity.size != identity.size
        });
        if has_grown || identity.is_growing(clock::utc()) {
            return Err(LibraryError::Growing);
        }
        open_guarded(&name, file)
    }
}

/// Opens a file's readers; a reader that runs into a bug refuses its file.
fn open_guarded(name: &str, file: LibraryFile) -> Result<Opened, LibraryError> {
    let reading = guarded(name, || read(&file)).map_err(LibraryError::Refused)?;
    Ok(Opened { file, reading })
}
