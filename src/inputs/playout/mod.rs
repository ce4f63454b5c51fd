//! Playing files. Purpose: the shell around the [`PlayoutMachine`]: it takes the operator's commands,
//! wakes when a unit is due or a file reader has something, and tells the state. Non-goals: what plays next (the
//! machine), disks (file readers, the store), what is written down (saving). Bounds: the machine's.

mod edits;
mod machine;
mod memory;
mod orders;
mod saving;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use smol::future::FutureExt;

use crate::base::time::Ticks;
use crate::net::reactor::Sleep;
use crate::operator::commands::{FileName, Inbox, Order};
use crate::operator::snapshot::{text, PlayoutStatus};
use crate::program::bell::Bell;
use crate::program::Programme;
use crate::system::clock;

pub use self::machine::{Lists, PlayoutMachine};
pub use self::memory::{
    lists_from_json, lists_to_json, place_from_json, place_to_json, SavedPlace,
};

use self::edits::Edits;
use self::machine::PreparedFor;
use super::file_reader::{Arrivals, FileReaders, OpenFile, ReaderThreads, Readers};
use super::reopen::ReopenBells;

/// How long nothing may happen before it is looked whether something else has taken the air.
const LOOK: Duration = Duration::from_secs(1);

/// What makes the loop go round.
enum PlayoutWake {
    Order(Box<Order>),
    Arrival,
    Time,
    /// The control plane is gone.
    Deaf,
}

/// Playing files, as the data plane's tasks share it.
pub struct FilePlayout {
    machine: RefCell<PlayoutMachine<ReaderThreads>>,
    arrivals: Arrivals,
    inbox: Inbox,
    folder: PathBuf,
    /// What an earlier run of the program left has been read.
    recalled: Cell<bool>,
    /// Rings when standby has been put on air.
    standby: Rc<Bell>,
    /// Commands that are done once they are written down.
    edits: Edits,
}

impl FilePlayout {
    /// Plays files that `open` finds; commands come out of `inbox`; `folder` is for what it
    /// remembers; `standby` is rung when standby has been put on air.
    pub fn new(
        open: OpenFile,
        readers: Readers,
        inbox: Inbox,
        folder: &Path,
        standby: Rc<Bell>,
    ) -> FilePlayout {
        let (file_readers, arrivals) = ReaderThreads::new(open, readers);
        let machine = RefCell::new(PlayoutMachine::new(file_readers, clock::utc().0));
        FilePlayout {
            machine,
            arrivals,
            inbox,
            folder: folder.to_owned(),
            recalled: Cell::default(),
            standby,
            edits: Edits::default(),
        }
    }

    /// Plays for ever.
    pub async fn run(&self, programme: &Programme) {
        let mut deaf = false;
        let since = || programme.switcher().on_air_since();
        let mut was_since = since();
        loop {
            let now = clock::mono();
            self.machine.borrow_mut().advance(now, programme);
            // What is on air may have changed and changed back since the last time.
            if since() != was_since {
                self.standby.ring();
            }
            was_since = since();
            let due = self.machine.borrow().due(now).unwrap_or(now + LOOK).min(now + LOOK);
            let time = async {
                Sleep::after(due.since(clock::mono())).await;
                PlayoutWake::Time
            };
            let arrivals = async {
                // Its senders live as long as the machine.
                let _ = self.arrivals.recv().await;
                PlayoutWake::Arrival
            };
            let order = async {
                match self.inbox.recv().await {
                    _ if deaf => smol::future::pending().await,
                    Ok(order) => PlayoutWake::Order(Box::new(order)),
                    Err(_) => PlayoutWake::Deaf,
                }
            };
            match order.or(arrivals).or(time).await {
                PlayoutWake::Order(order) if order.command.edits_playlists() => {
                    self.edits.add(*order)
                }
                PlayoutWake::Order(order) => {
                    self.machine.borrow_mut().command(*order, clock::mono(), programme);
                }
                PlayoutWake::Deaf => deaf = true,
                PlayoutWake::Arrival | PlayoutWake::Time => {}
            }
        }
    }

    /// What is rung when an input is to be opened again: commands come in here.
    pub fn reopen_bells(&self) -> ReopenBells {
        self.machine.borrow().reopen.clone()
    }

    /// Its state.
    pub fn status(&self, programme: &Programme) -> PlayoutStatus {
        self.machine.borrow().status(programme)
    }
}

impl<D: FileReaders> PlayoutMachine<D> {
    /// Whether what an earlier run played is still being made ready.
    fn is_recalling(&self) -> bool {
        self.next.as_ref().is_some_and(|next| matches!(next.why, PreparedFor::Asked(None)))
    }

    /// Its state.
    pub fn status(&self, programme: &Programme) -> PlayoutStatus {
        let (item, position, duration) = match (&self.on, &self.paused) {
            (Some(on), _) => {
                (Some(&on.item), on.playing_file.position(), on.playing_file.duration())
            }
            (None, Some(paused)) => (Some(&paused.item), paused.at, paused.duration),
            (None, None) => (None, Ticks(0), None),
        };
        let ms = |time: Ticks| u64::try_from(time.to_ms()).unwrap_or(0);
        let list = item.and_then(|item| item.list.as_ref());
        let asked = self.next.as_ref().filter(|next| matches!(next.why, PreparedFor::Asked(_)));
        let on_air = self.on.as_ref().map_or(0, |on| on.playing_file.pacer.left_out());
        PlayoutStatus {
            choice: programme.switcher().choice(),
            file: item.map(|item| item.file.clone()),
            position_ms: ms(position),
            duration_ms: duration.map(ms),
            looped: item.is_some_and(|item| item.looped),
            paused: self.paused.is_some(),
            switching: asked.is_some(),
            playlist: list.map(|(name, _)| text(name)),
            index: list.map_or(0, |(_, walk)| walk.index()),
            next: item.and_then(Self::file_behind),
            error: text(&self.error),
            left_out: self.left_out + on_air,
            playlists: self.lists(),
        }
    }

    fn file_behind(item: &machine::PlayItem) -> Option<FileName> {
        match (&item.list, item.looped) {
            (_, true) => Some(item.file.clone()),
            (Some((_, walk)), false) => walk.next().cloned(),
            (None, false) => None,
        }
    }
}
