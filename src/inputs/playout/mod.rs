//! Playing files. Purpose: the shell around the [`Machine`]: it takes the operator's commands,
//! wakes when a unit is due or a deck has news, tells the state, and has what must outlive the
//! program written down. Non-goals: what plays next (the machine), disks (decks, the store).
//! Bounds: the machine's.

mod machine;
mod memory;
mod orders;

use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use smol::future::FutureExt;

use crate::base::events::Condition;
use crate::base::limits::PLACE_SAVED_MS;
use crate::base::time::Ticks;
use crate::program::bell::Bell;
use crate::program::Programme;
use crate::system::clock;
use crate::system::commands::{FileName, Inbox, Order};
use crate::system::reactor::Sleep;
use crate::system::snapshot::{text, PlayoutStatus};
use crate::system::store;

pub use self::machine::{Lists, Machine};
pub use self::memory::{
    lists_from_json, lists_to_json, place_from_json, place_to_json, SavedPlace,
};

use self::machine::Why;
use super::again::Again;
use super::deck::{Decks, FileDecks, News, OpenFile, Readers};

/// How long nothing may happen before it is looked whether something else has taken the air.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether something has to be written down.
const SAVE_LOOK: Duration = Duration::from_millis(500);

/// What makes the loop go round.
enum Wake {
    Order(Box<Order>),
    News,
    Time,
    /// The control plane is gone.
    Deaf,
}

/// Playing files, as the data plane's tasks share it.
pub struct Playout {
    machine: RefCell<Machine<FileDecks>>,
    news: News,
    inbox: Inbox,
    folder: PathBuf,
    /// What an earlier run of the program left has been read.
    recalled: Cell<bool>,
    /// Rings when standby has been put on air.
    standby: Rc<Bell>,
}

impl Playout {
    /// Plays files that `open` finds; commands come out of `inbox`; `folder` is for what it
    /// remembers; `standby` is rung when standby has been put on air.
    pub fn new(
        open: OpenFile,
        readers: Readers,
        inbox: Inbox,
        folder: &Path,
        standby: Rc<Bell>,
    ) -> Playout {
        let (decks, news) = FileDecks::new(open, readers);
        let machine = RefCell::new(Machine::new(decks, clock::utc().0));
        Playout {
            machine,
            news,
            inbox,
            folder: folder.to_owned(),
            recalled: Cell::default(),
            standby,
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
                Wake::Time
            };
            let news = async {
                // Its senders live as long as the machine.
                let _ = self.news.recv().await;
                Wake::News
            };
            let order = async {
                match self.inbox.recv().await {
                    _ if deaf => smol::future::pending().await,
                    Ok(order) => Wake::Order(Box::new(order)),
                    Err(_) => Wake::Deaf,
                }
            };
            match order.or(news).or(time).await {
                Wake::Order(order) => {
                    self.machine.borrow_mut().command(*order, clock::mono(), programme);
                }
                Wake::Deaf => deaf = true,
                Wake::News | Wake::Time => {}
            }
        }
    }

    /// Goes on where an earlier run of the program was, and has written down from then on what
    /// must be remembered. A disk that refuses costs the memory, nothing else.
    pub async fn remember(&self, programme: &Programme) {
        let (lists_path, place_path) = (self.folder.join(LISTS), self.folder.join(PLACE));
        let read = (lists_path.clone(), place_path.clone());
        let (lists, place) = smol::unblock(move || {
            (recall(&read.0, lists_from_json), recall(&read.1, place_from_json))
        })
        .await;
        let place = place.flatten();
        let mut place_written = place.clone();
        // The lists as they stand on the disk; `None`: others do.
        let mut lists_written = None;
        if !self.recalled.replace(true) {
            let mut machine = self.machine.borrow_mut();
            let had_none = machine.lists().is_empty();
            machine.restore(lists.unwrap_or_default(), place, clock::mono());
            lists_written = had_none.then(|| machine.lists());
        }
        let mut saved = clock::mono();
        let mut refused = Condition::default();
        loop {
            Sleep::after(SAVE_LOOK).await;
            let now = clock::mono();
            let changed = std::mem::take(&mut self.machine.borrow_mut().changed);
            let due = now.since(saved) >= Duration::from_millis(PLACE_SAVED_MS);
            if !changed && !due || self.machine.borrow().is_recalling() {
                continue;
            }
            saved = now;
            let place = self.machine.borrow().place(programme);
            let lists = self.machine.borrow().lists();
            let written = lists_written.as_ref();
            let lists_changed = !written.is_some_and(|written| Arc::ptr_eq(&lists, written));
            if place == place_written && !lists_changed {
                continue;
            }
            let (lists_path, place_path) = (lists_path.clone(), place_path.clone());
            let (lists_then, place_then) = (Arc::clone(&lists), place.clone());
            let outcome = smol::unblock(move || {
                if lists_changed {
                    store::write(&lists_path, &lists_to_json(&lists_then))?;
                }
                store::write(&place_path, &place_to_json(place_then.as_ref()))
            });
            match outcome.await {
                Ok(()) => {
                    (lists_written, place_written) = (Some(lists), place);
                    if let Some(over) = refused.over_after(now, Duration::ZERO) {
                        let folder = self.folder.display();
                        info!("{folder}: what plays is remembered again (failed {over})");
                    }
                }
                Err(error) => {
                    if refused.occurs(now) {
                        let folder = self.folder.display();
                        warn!("{folder}: what plays cannot be remembered: {error}");
                    }
                }
            }
        }
    }

    /// What is rung when an input is to be opened anew: commands come in here.
    pub fn again(&self) -> Again {
        self.machine.borrow().again.clone()
    }

    /// Its state.
    pub fn status(&self, programme: &Programme) -> PlayoutStatus {
        self.machine.borrow().status(programme)
    }
}

/// The playlists' file.
const LISTS: &str = "playlists.json";
/// The file of what plays.
const PLACE: &str = "playout.json";

/// Reads what was remembered. What cannot be understood is set aside; what the disk does not give
/// now stays where it is, for it may be whole.
fn recall<T>(path: &Path, parse: impl Fn(&[u8]) -> Result<T, String>) -> Option<T> {
    let shown = path.display();
    let words = match store::read(path) {
        Ok(None) => return None,
        Ok(Some(bytes)) => match parse(&bytes) {
            Ok(parsed) => return Some(parsed),
            Err(words) => words,
        },
        Err(error) if error.kind() == ErrorKind::InvalidData => error.to_string(),
        Err(error) => {
            warn!("{shown} cannot be read and is left as it is: {error}");
            return None;
        }
    };
    match store::set_aside(path) {
        Ok(aside) => warn!("{shown} is broken and now called {}: {words}", aside.display()),
        Err(error) => warn!("{shown} is broken: {words}; it cannot be set aside: {error}"),
    }
    None
}

impl<D: Decks> Machine<D> {
    /// Whether what an earlier run played is still being made ready.
    fn is_recalling(&self) -> bool {
        self.next.as_ref().is_some_and(|next| matches!(next.why, Why::Asked(None)))
    }

    /// Its state.
    pub fn status(&self, programme: &Programme) -> PlayoutStatus {
        let (item, position, duration) = match (&self.on, &self.paused) {
            (Some(on), _) => (Some(&on.item), on.tape.position(), on.tape.duration()),
            (None, Some(paused)) => (Some(&paused.item), paused.at, paused.duration),
            (None, None) => (None, Ticks(0), None),
        };
        let ms = |time: Ticks| u64::try_from(time.to_ms()).unwrap_or(0);
        let list = item.and_then(|item| item.list.as_ref());
        let asked = self.next.as_ref().filter(|next| matches!(next.why, Why::Asked(_)));
        let on_air = self.on.as_ref().map_or(0, |on| on.tape.reel.left_out());
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

    fn file_behind(item: &machine::Item) -> Option<FileName> {
        match (&item.list, item.looped) {
            (_, true) => Some(item.file.clone()),
            (Some((_, walk)), false) => walk.next().cloned(),
            (None, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_what_cannot_be_understood_is_set_aside() {
        let folder = std::env::temp_dir().join(format!("recall-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(LISTS);
        // The disk gives no bytes of this one.
        fs::create_dir(&path).expect("a folder in the file's place");
        assert!(recall(&path, lists_from_json).is_none());
        assert!(path.is_dir());
        fs::remove_dir(&path).expect("the place is free");
        fs::write(&path, b"{ no lists").expect("a file");
        assert!(recall(&path, lists_from_json).is_none());
        assert!(!path.exists());
        fs::remove_dir_all(&folder).expect("removed");
    }
}
