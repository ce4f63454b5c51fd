//! Commands to the data plane and changes of the library. Purpose: given, and what came of them
//! waited for. Non-goals: what they are. Bound: [`HTTP_COMMANDS_MAX`] under way, so that workers
//! are left to tell the state.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::base::limits::{HTTP_COMMANDS_MAX, HTTP_WORKERS};
use crate::library::upload::UploadError;
use crate::library::writer::{Change, ChangeResult, LibraryWriter};
use crate::operator::commands::{Command, Declined, DeclinedKind, Desk, Outcome};
use crate::operator::snapshot::Board;
use crate::system::clock;

const _: () = assert!(HTTP_COMMANDS_MAX < HTTP_WORKERS);

/// How long a changed list may take to be in the state, and how often it is looked for there.
const NEWS_MAX: Duration = Duration::from_secs(1);
const NEWS_LOOK: Duration = Duration::from_millis(10);

/// Where commands and changes are given.
pub struct Commands {
    desk: Desk,
    board: Board,
    library_writer: LibraryWriter,
    under_way: AtomicUsize,
}

impl Commands {
    /// To this desk and this library; the board tells when a change has come there.
    pub fn new(desk: Desk, board: Board, library_writer: LibraryWriter) -> Commands {
        Commands { desk, board, library_writer, under_way: AtomicUsize::new(0) }
    }

    /// Gives a command, if not too many are under way.
    pub fn give(&self, command: Command) -> Outcome {
        let _counted = self.count()?;
        let is_listed = command.edits_playlists();
        let words = self.desk.ask(command)?;
        if is_listed {
            self.wait_for_news();
        }
        Ok(words)
    }

    /// Has the library changed, if not too many commands are under way.
    pub fn change(&self, change: Change) -> Result<ChangeResult, UploadError> {
        let _counted = self.count().map_err(|_| UploadError::Busy)?;
        self.library_writer.ask(change)
    }

    /// Counts what is written to the disk as a command, so that a slow one keeps no worker from
    /// telling the state.
    pub fn count(&self) -> Result<Counted<'_>, Declined> {
        // Counted first and given back if too many: it is dropped either way.
        let before = self.under_way.fetch_add(1, Ordering::AcqRel);
        let counted = Counted(&self.under_way);
        if before < HTTP_COMMANDS_MAX {
            return Ok(counted);
        }
        Err(Declined {
            kind: DeclinedKind::Busy,
            words: "Other commands are still under way; try again in a moment.".to_owned(),
        })
    }

    /// Waits until the data plane has told its state once more, so that who asks next finds what
    /// has just been done.
    fn wait_for_news(&self) {
        let now = clock::mono();
        while self.board.read().taken <= now && clock::mono().since(now) < NEWS_MAX {
            thread::sleep(NEWS_LOOK);
        }
    }
}

/// A command under way.
pub struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::commands;

    #[test]
    fn as_many_commands_are_under_way_as_may_be() {
        let (desk, _inbox) = commands::channel();
        let commands = Commands::new(desk, Board::default(), LibraryWriter::absent());
        let first: Vec<_> = (0..HTTP_COMMANDS_MAX).map(|_| commands.count()).collect();
        assert!(first.iter().all(Result::is_ok));
        for _ in 0..3 {
            let refused = commands.count().err().map(|declined| declined.kind);
            assert_eq!(refused, Some(DeclinedKind::Busy));
        }
        drop(first);
        assert!(commands.count().is_ok());
    }
}
