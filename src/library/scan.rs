//! Reads the library's folder. Purpose: which files are there, which of them changed, and which
//! are still being written. Non-goals: looking into them, subfolders, hidden files. Bound: those
//! of the listing; while it reads, as much once more.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::listing::{FileState, LibraryEntry, Listing};
use super::names;
use super::open::{FileIdentity, LibraryFile, OpenError};
use super::LibraryError;
use crate::base::limits::{LIBRARY_FILES_MAX, LIBRARY_NAMES_BYTES_MAX};
use crate::base::time::Utc;

/// The folder's files now, knowing what was known before.
pub(super) fn scan(folder: &Path, before: &Listing, now: Utc) -> Listing {
    let mut found = Finds::default();
    let problem = read(folder, &mut found).err().map(|error| {
        format!("the folder {} cannot be read: {error}", folder.display()).into_boxed_str()
    });
    let Finds { files, more, .. } = found;
    let mut entries = Vec::with_capacity(files.len());
    for (name, file) in files {
        let known = before.entry(&name);
        entries.push(match known.filter(|known| is_still_true(known, &file, now)) {
            Some(known) => Arc::clone(known),
            None => {
                let state = file.refusal.map_or_else(
                    || first_state(&file.identity, known.map(Arc::as_ref), now),
                    |words| FileState::refused(&words),
                );
                Arc::new(LibraryEntry { name, identity: file.identity, state })
            }
        });
    }
    Listing { entries, more, problem, is_known: true }
}

/// What is found of a file without opening it.
struct ScannedFile {
    identity: FileIdentity,
    /// Why it cannot be played, whatever is in it.
    refusal: Option<String>,
}

/// The first files by name, as many as may be listed.
#[derive(Default)]
struct Finds {
    files: BTreeMap<Box<str>, ScannedFile>,
    name_bytes: usize,
    more: usize,
}

impl Finds {
    fn add(&mut self, name: &str, found: ScannedFile) {
        self.name_bytes += name.len();
        if self.files.insert(name.into(), found).is_some() {
            self.name_bytes -= name.len();
        }
        while self.files.len() > LIBRARY_FILES_MAX || self.name_bytes > LIBRARY_NAMES_BYTES_MAX {
            let Some((last, _)) = self.files.pop_last() else { return };
            self.name_bytes -= last.len();
            self.more += 1;
        }
    }
}

fn read(folder: &Path, found: &mut Finds) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if let Some(file) = look_at(folder, &entry, &name) {
            found.add(&shown(&name), file);
        }
    }
    Ok(())
}

/// The name as it is shown: what cannot be is replaced.
fn shown(name: &OsStr) -> String {
    let replace = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    name.to_string_lossy().chars().map(replace).collect()
}

/// `None` when it is a folder, or has just vanished.
fn look_at(folder: &Path, entry: &DirEntry, name: &OsStr) -> Option<ScannedFile> {
    // Of a link, not of what it leads to.
    let metadata = entry.metadata().ok()?;
    let kind = metadata.file_type();
    let mut identity = FileIdentity::of(&metadata);
    let usable = name.to_str().map(names::check);
    let refusal = match usable {
        _ if kind.is_dir() => return None,
        None => Some("its name is not UTF-8: rename it".to_owned()),
        Some(Err(why)) => Some(format!("{why}: rename it")),
        Some(Ok(_)) if kind.is_file() => None,
        Some(Ok(name)) if kind.is_symlink() => {
            if fs::metadata(entry.path()).is_ok_and(|behind| behind.is_dir()) {
                return None;
            }
            match LibraryFile::open(folder, &name) {
                Ok(file) => {
                    identity = file.identity();
                    None
                }
                Err(OpenError::Missing) => Some(LibraryError::LeadsOut.to_string()),
                Err(error) => Some(LibraryError::from(error).to_string()),
            }
        }
        Some(Ok(_)) => Some(LibraryError::Irregular.to_string()),
    };
    Some(ScannedFile { identity, refusal })
}

/// Whether what was known of a file needs not be found out again.
fn is_still_true(known: &LibraryEntry, file: &ScannedFile, now: Utc) -> bool {
    let is_same = known.identity == file.identity;
    match (&known.state, &file.refusal) {
        (FileState::Refused { .. }, Some(words)) => is_same && known.words() == Some(words),
        (_, Some(_)) => false,
        (FileState::Growing, None) => is_same && file.identity.is_growing(now),
        (FileState::Pending | FileState::Ready(_) | FileState::Refused { .. }, None) => is_same,
    }
}

fn first_state(identity: &FileIdentity, known: Option<&LibraryEntry>, now: Utc) -> FileState {
    let has_grown = known.is_some_and(|known| {
        known.identity.is_same_file(identity) && known.identity.size != identity.size
    });
    match has_grown || identity.is_growing(now) {
        true => FileState::Growing,
        false => FileState::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(size: u64, modified_ms: i64) -> FileIdentity {
        let modified_ns = modified_ms * 1_000_000;
        FileIdentity { device: 1, inode: 2, size, modified_ns, changed_ns: modified_ns }
    }

    fn entry(identity: FileIdentity, state: FileState) -> LibraryEntry {
        LibraryEntry { name: "a.ts".into(), identity, state }
    }

    fn regular(identity: FileIdentity) -> ScannedFile {
        ScannedFile { identity, refusal: None }
    }

    #[test]
    fn long_names_fill_the_listing_sooner_and_the_first_stay() {
        let mut finds = Finds::default();
        for n in (0..4000).rev() {
            finds.add(&format!("{n:0255}"), regular(identity(1, 0)));
        }
        let listed = LIBRARY_NAMES_BYTES_MAX / 255;
        assert_eq!((finds.files.len(), finds.more), (listed, 4000 - listed));
        assert_eq!(finds.name_bytes, listed * 255);
        assert!(finds.files.keys().next().is_some_and(|name| **name == *format!("{:0255}", 0)));
        finds.add(&format!("{:0255}", 0), regular(identity(2, 0)));
        assert_eq!(finds.name_bytes, listed * 255, "the same name counts once");
    }

    #[test]
    fn a_file_grows_while_it_is_young_or_its_size_changes() {
        let now = Utc(100_000);
        let state = |file, known: Option<&LibraryEntry>| first_state(&file, known, now);
        assert_eq!(state(identity(5, 96_999), None), FileState::Pending);
        assert_eq!(state(identity(5, 97_001), None), FileState::Growing);
        assert_eq!(state(identity(5, 102_999), None), FileState::Growing, "by another's clock");
        assert_eq!(state(identity(5, 900_000), None), FileState::Pending, "by a wrong clock");
        let known = entry(identity(4, 50_000), FileState::Pending);
        assert_eq!(state(identity(5, 50_000), Some(&known)), FileState::Growing);
        let other = FileIdentity { inode: 3, ..identity(5, 50_000) };
        assert_eq!(state(other, Some(&known)), FileState::Pending, "another file of its name");
    }

    #[test]
    fn what_is_known_holds_until_the_file_changes() {
        let now = Utc(100_000);
        let old = identity(5, 1_000);
        let holds = |state: FileState, file| is_still_true(&entry(old, state), &file, now);
        let changed = FileIdentity { changed_ns: 7, ..old };
        for state in [FileState::Pending, FileState::refused("why")] {
            assert!(holds(state.clone(), regular(old)));
            assert!(!holds(state.clone(), regular(changed)));
        }
        assert!(!holds(FileState::Growing, regular(old)), "it is no longer young");
        let link = |why: &str| ScannedFile { identity: old, refusal: Some(why.to_owned()) };
        assert!(holds(FileState::refused("why"), link("why")));
        assert!(!holds(FileState::refused("why"), link("why not")));
        assert!(!holds(FileState::Pending, link("why")));
    }
}
