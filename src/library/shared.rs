//! What the library's handles and its thread have in common. Bound: the listing's.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::listing::Listing;

/// What the handles and the thread have in common.
pub(super) struct LibraryShared {
    pub(super) folder: PathBuf,
    board: Mutex<LibraryState>,
    pub(super) bell: Condvar,
}

/// What the handles and the thread tell each other.
#[derive(Default)]
pub(super) struct LibraryState {
    pub(super) listing: Arc<Listing>,
    /// Counts the listings that differ from the one before.
    pub(super) version: u64,
    pub(super) is_asked: bool,
    pub(super) is_ending: bool,
}

impl LibraryShared {
    pub(super) fn of(folder: PathBuf) -> LibraryShared {
        LibraryShared { folder, board: Mutex::default(), bell: Condvar::new() }
    }

    pub(super) fn board(&self) -> MutexGuard<'_, LibraryState> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so long, or until the thread is to end or to read the folder again; returns which.
    pub(super) fn wait(&self, span: Duration) -> (bool, bool) {
        let board = self.board();
        let waited =
            self.bell.wait_timeout_while(board, span, |board| !board.is_asked && !board.is_ending);
        let (board, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (board.is_ending, board.is_asked)
    }
}
