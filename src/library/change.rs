//! Changes of the library's folder: a file comes in, gets another name, or goes. Purpose: a name
//! that is taken is never clobbered by accident, what plays is not taken away under its operator,
//! and what is done stands after a power cut. Non-goals: judging names, which [`names`] did when it
//! made the [`FileName`]; subfolders. Bound: a few system calls, which may wait for the disk.
//!
//! The standby file may be exchanged at any time: who reads it goes on reading the file it opened,
//! and the next look finds the new one.
//!
//! [`names`]: super::names

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::{renameat_with, RenameFlags, CWD};
use rustix::io::Errno;

use crate::operator::commands::FileName;
use crate::operator::snapshot::Snapshot;

/// Why the folder was not changed.
#[derive(Debug)]
pub enum ChangeError {
    /// There is no file of that name.
    NotFound,
    /// The name is taken.
    Exists,
    /// It plays, is paused, or plays next.
    InUse,
    /// Uploads and videos lie on different file systems: a file cannot simply change its folder.
    Apart,
    /// The disk's own refusal.
    Disk(io::Error),
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeError::NotFound => f.write_str("There is no such file in the library."),
            ChangeError::Exists => {
                f.write_str("The library has a file of this name already; choose another name.")
            }
            ChangeError::InUse => {
                f.write_str("This file is on air, paused or next; put something else on air first.")
            }
            ChangeError::Apart => f.write_str(
                "The folders `uploads` and `videos` lie on different file systems; put both on \
                 the same, or copy the file into `videos` by other means.",
            ),
            ChangeError::Disk(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
                f.write_str("The disk is mounted read-only; check it, then mount it writable.")
            }
            ChangeError::Disk(error) => write!(f, "The disk refuses it: {error}."),
        }
    }
}

impl std::error::Error for ChangeError {}

impl From<io::Error> for ChangeError {
    fn from(error: io::Error) -> ChangeError {
        match error.kind() {
            ErrorKind::NotFound => ChangeError::NotFound,
            ErrorKind::AlreadyExists => ChangeError::Exists,
            ErrorKind::CrossesDevices => ChangeError::Apart,
            _ => ChangeError::Disk(error),
        }
    }
}

/// What is done with a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameTaken {
    /// It stays, and the change is refused.
    Refuse,
    /// The new file takes its place.
    Replace,
}

/// Whether the file of this name plays, is paused, or plays next.
pub fn is_in_use(snapshot: &Snapshot, name: &str) -> bool {
    let playout = &snapshot.playout;
    [&playout.file, &playout.next].into_iter().flatten().any(|used| used == name)
}

/// Whether something has this name in the folder.
///
/// # Errors
/// The disk's own.
pub fn is_taken(folder: &Path, name: &str) -> Result<bool, ChangeError> {
    match fs::symlink_metadata(folder.join(name)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(ChangeError::Disk(error)),
    }
}

/// Moves a file that is complete and synced into the folder.
///
/// # Errors
/// The name is taken, by a file that is in use or may not be replaced; the disk's own.
pub fn place(
    file: &Path,
    folder: &Path,
    name: &FileName,
    taken: NameTaken,
    snapshot: &Snapshot,
) -> Result<(), ChangeError> {
    if taken == NameTaken::Replace && is_in_use(snapshot, name) && is_taken(folder, name)? {
        return Err(ChangeError::InUse);
    }
    let target = folder.join(name.as_str());
    match taken {
        NameTaken::Refuse => move_to_free(file, &target)?,
        NameTaken::Replace => fs::rename(file, &target)?,
    }
    sync(folder)
}

/// Gives a file of the folder another name.
///
/// # Errors
/// It is not there or in use, the new name is taken; the disk's own.
pub fn rename(
    folder: &Path,
    from: &FileName,
    to: &FileName,
    snapshot: &Snapshot,
) -> Result<(), ChangeError> {
    let from = existing(folder, from, snapshot)?;
    move_to_free(&from, &folder.join(to.as_str()))?;
    sync(folder)
}

/// Removes a file from the folder; of a link only the link.
///
/// # Errors
/// It is not there or in use; the disk's own.
pub fn remove(folder: &Path, name: &FileName, snapshot: &Snapshot) -> Result<(), ChangeError> {
    fs::remove_file(existing(folder, name, snapshot)?)?;
    sync(folder)
}

/// The path of a file that is there and not in use.
fn existing(
    folder: &Path,
    name: &FileName,
    snapshot: &Snapshot,
) -> Result<std::path::PathBuf, ChangeError> {
    let path = folder.join(name.as_str());
    // A folder is no file of the library, whatever its name.
    if fs::symlink_metadata(&path)?.is_dir() {
        return Err(ChangeError::NotFound);
    }
    if is_in_use(snapshot, name) {
        return Err(ChangeError::InUse);
    }
    Ok(path)
}

/// Renames, unless something has the new name.
fn move_to_free(from: &Path, to: &Path) -> Result<(), ChangeError> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system (NFS, some FUSE ones) cannot do it in one step. Between the look and the
        // step only someone else at this machine could take the name.
        Err(Errno::INVAL | Errno::NOSYS) => match fs::symlink_metadata(to) {
            Ok(_) => Err(ChangeError::Exists),
            Err(_) => Ok(fs::rename(from, to)?),
        },
        moved => Ok(moved.map_err(io::Error::from)?),
    }
}

/// Has the disk remember what a folder holds.
fn sync(folder: &Path) -> Result<(), ChangeError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ChangeError::Disk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("change-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("a temporary folder");
            Folder(path)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, text).expect("a file");
            path
        }

        fn read(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.0.join(name)).ok()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn name(name: &str) -> FileName {
        FileName::try_from(name).expect("a short name")
    }

    fn playing(file: &str, next: &str) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.playout.file = Some(name(file));
        snapshot.playout.next = Some(name(next));
        snapshot
    }

    #[test]
    fn a_name_that_is_taken_stays_whose_it_is() {
        let (folder, idle) = (Folder::new("taken"), Snapshot::default());
        folder.write("a.mp4", "old");
        let part = folder.write("part", "new");
        let refused = place(&part, &folder.0, &name("a.mp4"), NameTaken::Refuse, &idle);
        assert!(matches!(refused, Err(ChangeError::Exists)), "{refused:?}");
        let refused = rename(&folder.0, &name("part"), &name("a.mp4"), &idle);
        assert!(matches!(refused, Err(ChangeError::Exists)), "{refused:?}");
        assert_eq!(folder.read("a.mp4").as_deref(), Some("old"));
        assert_eq!(folder.read("part").as_deref(), Some("new"));
        place(&part, &folder.0, &name("a.mp4"), NameTaken::Replace, &idle).expect("replaced");
        assert_eq!((folder.read("a.mp4").as_deref(), folder.read("part")), (Some("new"), None));
    }

    #[test]
    fn what_plays_or_plays_next_is_left_alone() {
        let (folder, busy) = (Folder::new("playing"), playing("a.mp4", "b.mp4"));
        let part = folder.write("part", "new");
        for used in ["a.mp4", "b.mp4"] {
            folder.write(used, "old");
            let refusals = [
                place(&part, &folder.0, &name(used), NameTaken::Replace, &busy),
                remove(&folder.0, &name(used), &busy),
                rename(&folder.0, &name(used), &name("c.mp4"), &busy),
            ];
            for refused in refusals {
                assert!(matches!(refused, Err(ChangeError::InUse)), "{used}: {refused:?}");
            }
            assert_eq!(folder.read(used).as_deref(), Some("old"));
        }
        folder.write("c.mp4", "other");
        remove(&folder.0, &name("c.mp4"), &busy).expect("removed");
        assert_eq!(folder.read("c.mp4"), None);
    }

    #[test]
    fn a_name_that_only_plays_in_a_list_and_is_gone_can_be_filled() {
        let (folder, busy) = (Folder::new("gone"), playing("a.mp4", "b.mp4"));
        let part = folder.write("part", "new");
        place(&part, &folder.0, &name("b.mp4"), NameTaken::Replace, &busy).expect("placed");
        assert_eq!(folder.read("b.mp4").as_deref(), Some("new"));
    }

    #[test]
    fn what_is_not_there_is_not_found_and_a_folder_is_no_file() {
        let (folder, idle) = (Folder::new("missing"), Snapshot::default());
        fs::create_dir(folder.0.join("sub")).expect("a folder");
        for missing in ["none.mp4", "sub"] {
            let removed = remove(&folder.0, &name(missing), &idle);
            assert!(matches!(removed, Err(ChangeError::NotFound)), "{missing}: {removed:?}");
            let renamed = rename(&folder.0, &name(missing), &name("x"), &idle);
            assert!(matches!(renamed, Err(ChangeError::NotFound)), "{missing}: {renamed:?}");
        }
        assert!(folder.0.join("sub").is_dir());
    }

    #[test]
    fn of_a_link_only_the_link_goes() {
        let (folder, idle) = (Folder::new("link"), Snapshot::default());
        folder.write("a.mp4", "kept");
        std::os::unix::fs::symlink("a.mp4", folder.0.join("l.mp4")).expect("a link");
        remove(&folder.0, &name("l.mp4"), &idle).expect("removed");
        assert_eq!(folder.read("a.mp4").as_deref(), Some("kept"));
        assert!(fs::symlink_metadata(folder.0.join("l.mp4")).is_err());
    }

    #[test]
    fn another_file_system_is_named() {
        let words = ChangeError::from(io::Error::from_raw_os_error(18)).to_string();
        assert!(words.contains("different file systems"), "{words}");
        let words = ChangeError::from(io::Error::from_raw_os_error(30)).to_string();
        assert!(words.contains("read-only"), "{words}");
    }
}
