//! What playing has written down. Purpose: the lists and the place in the file on air outlive the
//! program; a change of the lists is done, and answered, once it is on the disk. Non-goals: what is
//! remembered (memory), how a file is written (the store). Bound: as many changes wait for
//! the disk as `edits` takes. A disk that refuses costs the memory, nothing else.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use smol::future::FutureExt;

use crate::base::events::Condition;
use crate::base::time::Mono;
use crate::net::reactor::Sleep;
use crate::operator::commands::{Declined, DeclinedKind, Order};
use crate::program::Programme;
use crate::system::clock;
use crate::system::store;

use super::machine::Lists;
use super::memory::{lists_from_json, lists_to_json, place_from_json, place_to_json, SavedPlace};
use super::FilePlayout;

/// How often the place in a file is written down.
const PLACE_SAVED_MS: u64 = 10_000;
/// How often it is looked whether something has to be written down.
const SAVE_LOOK: Duration = Duration::from_millis(500);
/// The playlists' file.
const LISTS: &str = "playlists.json";
/// The file of what plays.
const PLACE: &str = "playout.json";

/// What stands on the disk, as far as it is known.
struct SavedState {
    lists_path: PathBuf,
    place_path: PathBuf,
    /// `None`: others do.
    lists: Option<Arc<Lists>>,
    place: Option<SavedPlace>,
    refused: Condition,
}

impl FilePlayout {
    /// Goes on where an earlier run of the program was, and has written down from then on what must
    /// be remembered.
    pub async fn remember(&self, programme: &Programme) {
        let mut written = self.recall().await;
        let mut asked = self.edits.bell.listen();
        let mut saved = clock::mono();
        loop {
            let look = Sleep::after(SAVE_LOOK);
            look.or(asked.heard()).await;
            while let Some(order) = self.edits.next() {
                self.edit(order, &mut written, programme).await;
            }
            let now = clock::mono();
            let changed = std::mem::take(&mut self.machine.borrow_mut().changed);
            let due = now.since(saved) >= Duration::from_millis(PLACE_SAVED_MS);
            if !changed && !due || self.machine.borrow().is_recalling() {
                continue;
            }
            saved = now;
            self.save(&mut written, programme, now).await;
        }
    }

    async fn recall(&self) -> SavedState {
        let (lists_path, place_path) = (self.folder.join(LISTS), self.folder.join(PLACE));
        let read = (lists_path.clone(), place_path.clone());
        let (lists, place) = smol::unblock(move || {
            (recall(&read.0, lists_from_json), recall(&read.1, place_from_json))
        })
        .await;
        let place = place.flatten();
        let mut written = SavedState {
            lists_path,
            place_path,
            lists: None,
            place: place.clone(),
            refused: Condition::default(),
        };
        if !self.recalled.replace(true) {
            let mut machine = self.machine.borrow_mut();
            let had_none = machine.lists().is_empty();
            machine.restore(lists.unwrap_or_default(), place, clock::mono());
            written.lists = had_none.then(|| machine.lists());
        }
        written
    }

    /// Changes the lists on the disk, and then here.
    async fn edit(&self, order: Order, written: &mut SavedState, programme: &Programme) {
        let edited = self.machine.borrow().edited(&order.command);
        let lists = match edited {
            Ok(lists) => lists,
            Err(declined) => return order.answer(Err(declined)),
        };
        let path = written.lists_path.clone();
        match smol::unblock(move || store::write(&path, &lists_to_json(&lists))).await {
            Ok(()) => {
                let mut machine = self.machine.borrow_mut();
                machine.command(order, clock::mono(), programme);
                written.lists = Some(machine.lists());
            }
            Err(error) => {
                // What is on the disk is no longer known to be what is here.
                written.lists = None;
                order.answer(Err(not_written(&error)));
            }
        }
    }

    /// Writes down what has changed.
    async fn save(&self, written: &mut SavedState, programme: &Programme, now: Mono) {
        let place = self.machine.borrow().place(programme);
        let lists = self.machine.borrow().lists();
        let known = written.lists.as_ref();
        let lists_changed = !known.is_some_and(|known| Arc::ptr_eq(&lists, known));
        if place == written.place && !lists_changed {
            return;
        }
        let (lists_path, place_path) = (written.lists_path.clone(), written.place_path.clone());
        let (lists_then, place_then) = (Arc::clone(&lists), place.clone());
        let outcome = smol::unblock(move || {
            if lists_changed {
                store::write(&lists_path, &lists_to_json(&lists_then))?;
            }
            store::write(&place_path, &place_to_json(place_then.as_ref()))
        });
        let folder = self.folder.display();
        match outcome.await {
            Ok(()) => {
                (written.lists, written.place) = (Some(lists), place);
                if let Some(over) = written.refused.over_after(now, Duration::ZERO) {
                    info!("{folder}: the playing position is saved again (failed {over})");
                }
            }
            Err(error) => {
                if written.refused.occurs(now) {
                    warn!("{folder}: the playing position cannot be saved: {error}");
                }
            }
        }
    }
}

fn not_written(error: &io::Error) -> Declined {
    let (kind, remedy) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            (DeclinedKind::DiskFull, "the disk is full. Delete videos or enlarge the disk")
        }
        _ => (DeclinedKind::Disk, "they cannot be written. Check the disk"),
    };
    let words = format!("The playlists were not changed: {remedy}, and try again ({error}).");
    Declined { kind, words }
}

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
            warn!("{shown} cannot be read and is not changed: {error}");
            return None;
        }
    };
    match store::set_aside(path) {
        Ok(aside) => warn!("{shown} is damaged and was renamed to {}: {words}", aside.display()),
        Err(error) => warn!("{shown} is damaged: {words}; it cannot be renamed: {error}"),
    }
    None
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
