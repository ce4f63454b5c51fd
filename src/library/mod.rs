//! The library: the video files in `<data>/videos`. Purpose: say of each what it is, whether it
//! can be played and what platforms will object to, before anyone puts it on air; and open the
//! ones that can. Non-goals: playing, uploading, subfolders. Bound: the listing's; one thread,
//! which surveys one file at a time. A disk that stalls holds up this thread and no other.
//!
//! From the outside in: [`names`] judges what strangers ask for, `scan` reads the folder into a
//! [`listing`], [`open`] opens without leaving it, [`container`] finds the reader, [`survey`]
//! measures, [`objections`] compares with what is on air.

pub mod change;
pub mod clerk;
pub mod container;
pub mod listing;
pub mod names;
pub mod objections;
pub mod open;
mod scan;
mod scout;
pub mod survey;
pub mod upload;

use std::fmt;
use std::fs;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::base::limits::THREAD_STACK_BYTES;
use crate::codec::container::FileError;
use crate::program::reading::{Place, Reading};
use crate::system::clock;
use container::open_container;
use listing::{Entry, Listing, State};
use names::InvalidName;
use open::{LibraryFile, OpenError};

/// A handle on the library; the last one dropped ends its thread.
#[derive(Clone)]
pub struct Library(Arc<Handle>);

/// What the handles have in common, the thread's share apart.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.board().is_ending = true;
        self.0.bell.notify_all();
    }
}

/// What the handles and the thread have in common.
struct Shared {
    folder: PathBuf,
    board: Mutex<Board>,
    bell: Condvar,
}

/// What the handles and the thread tell each other.
#[derive(Default)]
struct Board {
    listing: Arc<Listing>,
    /// Counts the listings that differ from the one before.
    version: u64,
    is_asked: bool,
    is_ending: bool,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so long, or until the thread is to end or to read the folder anew; returns which.
    fn wait(&self, span: Duration) -> (bool, bool) {
        let board = self.board();
        let waited =
            self.bell.wait_timeout_while(board, span, |board| !board.is_asked && !board.is_ending);
        let (board, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (board.is_ending, board.is_asked)
    }
}

/// A file that can be played, open.
pub struct Opened {
    /// The file.
    pub file: LibraryFile,
    /// Reads it, from its beginning.
    pub reading: Reading,
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
        let shared = Shared { folder, board: Mutex::default(), bell: Condvar::new() };
        let shared = Arc::new(shared);
        let scouts = Arc::clone(&shared);
        thread::Builder::new()
            .name("library".to_owned())
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || scout::run(&scouts))?;
        Ok(Library(Arc::new(Handle(shared))))
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
    pub fn entry(&self, name: &str) -> Option<Arc<Entry>> {
        self.listing().entry(name).map(Arc::clone)
    }

    /// Has the folder read anew, now.
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
            entry.state == State::Growing && entry.identity.size != identity.size
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

/// Reads a file from its beginning: to survey it as to play it.
fn read(file: &LibraryFile) -> Result<Reading, FileError> {
    let place = || -> Result<Place, FileError> {
        let mut bytes = file.again()?;
        let reader = open_container(&mut bytes)?;
        Ok(Place::new(Box::new(bytes), reader))
    };
    let picture = place()?;
    let sound = if picture.needs_another() { Some(place()?) } else { None };
    Ok(Reading::new(picture, sound))
}

/// Runs what reads strangers' bytes: a bug in it ends with one file, not with the thread.
fn guarded<T>(name: &str, read: impl FnOnce() -> Result<T, FileError>) -> Result<T, FileError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        log::error!("library: reading {name} ran into a bug in this program; please report it");
        Err(FileError::Broken { what: "reading it ran into a bug in this program", at: 0 })
    })
}

/// Why a file cannot be played.
#[derive(Debug)]
pub enum LibraryError {
    /// No file may have this name.
    Invalid(InvalidName),
    /// There is no such file.
    NotFound,
    /// It is a folder, a pipe, a device or a socket.
    Irregular,
    /// It is a link that leads out of the library.
    LeadsOut,
    /// It is still being written.
    Growing,
    /// It may not be opened, or the disk fails.
    Unreadable(io::Error),
    /// Its reader refuses it.
    Refused(FileError),
}

impl From<OpenError> for LibraryError {
    fn from(error: OpenError) -> LibraryError {
        match error {
            OpenError::Missing => LibraryError::NotFound,
            OpenError::Irregular => LibraryError::Irregular,
            OpenError::LeadsOut => LibraryError::LeadsOut,
            OpenError::System(error) => LibraryError::Unreadable(error),
        }
    }
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LibraryError::Invalid(why) => write!(f, "{why}"),
            LibraryError::NotFound => f.write_str("there is no such file in the library"),
            LibraryError::Irregular => f.write_str("it is no regular file"),
            LibraryError::LeadsOut => {
                f.write_str("it is a link that leads out of the library, or nowhere")
            }
            LibraryError::Growing => f.write_str("it is still being written"),
            LibraryError::Unreadable(error) => write!(f, "it cannot be opened: {error}"),
            LibraryError::Refused(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for LibraryError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_in_a_reader_refuses_its_file_and_ends_nothing_else() {
        let found: Result<(), FileError> = guarded("a.ts", || panic!("a bug"));
        let words = found.map_err(LibraryError::Refused).expect_err("refused").to_string();
        assert!(words.contains("ran into a bug in this program"), "{words}");
        assert!(guarded("a.ts", || Ok(1)).is_ok());
    }
}
