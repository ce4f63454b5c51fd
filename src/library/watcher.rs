//! The library's thread. Purpose: keeps the listing true, one file after the other, leaving the
//! disk free half of the time for what plays. Non-goal: haste: a file that has to be played now is
//! opened by who plays it. Bound: one file open at a time.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::setpriority_process;

use super::listing::{FileState, LibraryEntry, Listing};
use super::open::{FileIdentity, LibraryFile};
use super::reading::{guarded, read};
use super::scan::scan;
use super::shared::LibraryShared;
use super::survey::survey;
use super::LibraryError;
use crate::base::time::Mono;
use crate::system::clock;

/// The shortest pause between the surveys of two files; otherwise as long as the last one took,
/// so that the disk is free half of the time.
const SURVEY_PAUSE_MS_MIN: u64 = 5;
/// The longest such pause.
const SURVEY_PAUSE_MS_MAX: u64 = 2_000;
/// What plays has the processor first.
const NICENESS: i32 = 10;
/// A listing in the making is shown at most this often.
const SHOW: Duration = Duration::from_millis(250);
/// The folder is read again at least this often.
const SCAN: Duration = Duration::from_millis(10_000);
/// Pause between two looks at whether files came or went, or one that grows has stopped.
const LOOK: Duration = Duration::from_millis(2_000);

/// Reads the folder, surveys what is new, waits, until the last handle is gone.
pub(super) fn run(shared: &LibraryShared) {
    // Linux gives each thread a niceness of its own. Without it all the same works.
    let _ = setpriority_process(None, NICENESS);
    let mut problem = None;
    loop {
        let begun = clock::mono();
        let before = {
            let mut board = shared.board();
            board.is_asked = false;
            Arc::clone(&board.listing)
        };
        let folder_before = fs::metadata(&shared.folder).ok().map(|at| FileIdentity::of(&at));
        let listing = scan(&shared.folder, &before, clock::utc());
        drop(before);
        if listing.problem != problem {
            match &listing.problem {
                Some(words) => log::warn!("library: {words}"),
                None => log::info!("library: the folder can be read again"),
            }
            problem.clone_from(&listing.problem);
        }
        show(shared, &listing);
        if survey_new(shared, listing, begun) == Go::End || rest(shared, begun, folder_before) {
            return;
        }
    }
}

/// Whether the thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Go {
    On,
    End,
}

/// Waits for the next reading of the folder; returns whether the thread is to end.
fn rest(shared: &LibraryShared, begun: Mono, folder_before: Option<FileIdentity>) -> bool {
    loop {
        let (is_ending, is_asked) = shared.wait(LOOK);
        if is_ending {
            return true;
        }
        let folder_now = fs::metadata(&shared.folder).ok().map(|at| FileIdentity::of(&at));
        let is_growing =
            || shared.board().listing.entries.iter().any(|entry| entry.state == FileState::Growing);
        let is_due = clock::mono().since(begun) >= SCAN;
        if is_asked || is_due || folder_now != folder_before || is_growing() {
            return false;
        }
    }
}

/// Surveys the files that are new, then those that could not be read a while ago.
fn survey_new(shared: &LibraryShared, mut listing: Listing, begun: Mono) -> Go {
    let mut shown = clock::mono();
    let mut is_shown = true;
    let mut due = due(&listing);
    while let Some(index) = due.pop_front() {
        let started = clock::mono();
        if let Some(entry) = listing.entries.get_mut(index) {
            let (identity, state) = judge(&shared.folder, entry);
            *entry = Arc::new(LibraryEntry { name: entry.name.clone(), identity, state });
            is_shown = false;
        }
        let now = clock::mono();
        if now.since(shown) >= SHOW {
            show(shared, &listing);
            (shown, is_shown) = (now, true);
        }
        let pause = now.since(started).clamp(
            Duration::from_millis(SURVEY_PAUSE_MS_MIN),
            Duration::from_millis(SURVEY_PAUSE_MS_MAX),
        );
        let (is_ending, is_asked) = shared.wait(pause);
        if is_ending {
            return Go::End;
        }
        if is_asked || now.since(begun) >= SCAN {
            break;
        }
    }
    if !is_shown {
        show(shared, &listing);
    }
    Go::On
}

/// Which files are to be surveyed, in order.
fn due(listing: &Listing) -> VecDeque<usize> {
    let those = |wanted: fn(&FileState) -> bool| {
        let entries = listing.entries.iter().enumerate();
        entries.filter(move |(_, entry)| wanted(&entry.state)).map(|(index, _)| index)
    };
    let passing = |state: &FileState| matches!(state, FileState::Refused { is_passing: true, .. });
    those(|state| *state == FileState::Pending).chain(those(passing)).collect()
}

/// What a file turns out to be.
fn judge(folder: &Path, entry: &LibraryEntry) -> (FileIdentity, FileState) {
    let file = match LibraryFile::open(folder, &entry.name) {
        Ok(file) => file,
        Err(error) => {
            let words = LibraryError::from(error).to_string();
            return (entry.identity, FileState::refused_for_now(&words));
        }
    };
    let identity = file.identity();
    let surveyed = guarded(&entry.name, || survey(&mut read(&file)?));
    let state = match surveyed {
        // What was read may be half of it.
        _ if file.has_changed().unwrap_or(false) => FileState::Growing,
        Ok(details) => FileState::Ready(details),
        Err(error) => FileState::of_error(&error),
    };
    (identity, state)
}

fn show(shared: &LibraryShared, listing: &Listing) {
    let fresh = Arc::new(listing.clone());
    let stale = {
        let before = Arc::clone(&shared.board().listing);
        let differs = *before != *fresh;
        let mut board = shared.board();
        board.version += u64::from(differs);
        std::mem::replace(&mut board.listing, fresh)
    };
    // Freed outside the lock.
    drop(stale);
}
