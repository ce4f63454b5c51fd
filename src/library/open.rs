//! Opens files of the library. Purpose: whatever stands in the folder under a name (a link that
//! leads out, a pipe nobody writes to, a device) can neither show what lies outside nor hold the
//! one who opens it. Non-goals: judging the name, reading ahead. Bound: one descriptor a file.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{openat, openat2, Mode, OFlags, ResolveFlags, CWD};
use rustix::io::Errno;

use crate::base::limits::GROWING_MS;
use crate::base::time::Utc;
use crate::codec::container::ReadAt;

/// What tells a file from another that later has its name, and from itself when it was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
    /// Its length, bytes.
    pub size: u64,
    /// When it was last written to, nanoseconds since 1970.
    pub modified_ns: i64,
    /// When it was last written to, renamed, or given to someone else, nanoseconds since 1970.
    pub changed_ns: i64,
}

impl FileIdentity {
    /// Of a file whose metadata these are.
    pub fn of(metadata: &Metadata) -> FileIdentity {
        let time_ns = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
        FileIdentity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified_ns: time_ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: time_ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether it is the same file, written to or not.
    pub fn is_same_file(&self, other: &FileIdentity) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether it was written to so shortly before `now` that more may come.
    pub fn is_growing(&self, now: Utc) -> bool {
        now.0.abs_diff(self.modified().0) < GROWING_MS
    }

    /// When it was last written to; the epoch when that lies before it.
    pub fn modified(&self) -> Utc {
        Utc(u64::try_from(self.modified_ns / 1_000_000).unwrap_or(0))
    }
}

/// Why a file cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// There is no file of that name.
    Missing,
    /// It is a folder, a pipe, a device or a socket.
    Irregular,
    /// It is a link that leads out of the library, or nowhere.
    LeadsOut,
    /// The disk's or the system's refusal.
    System(io::Error),
}

/// A file of the library, open for reading.
#[derive(Debug)]
pub struct LibraryFile {
    file: File,
    identity: FileIdentity,
}

impl LibraryFile {
    /// Opens the file of this name, which has passed [`check`](super::names::check).
    ///
    /// # Errors
    /// It is not there, is no regular file, leads out of the folder, or may not be read.
    pub fn open(folder: &Path, name: &str) -> Result<LibraryFile, OpenError> {
        let file = File::from(open_below(folder, name)?);
        let metadata = file.metadata().map_err(OpenError::System)?;
        if !metadata.is_file() {
            return Err(OpenError::Irregular);
        }
        Ok(LibraryFile { identity: FileIdentity::of(&metadata), file })
    }

    /// The same file once more, to be read at another place.
    ///
    /// # Errors
    /// The system's own.
    pub fn again(&self) -> io::Result<LibraryFile> {
        Ok(LibraryFile { file: self.file.try_clone()?, identity: self.identity })
    }

    /// The file as it was when it was opened.
    pub const fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Whether the file itself has been written to since it was opened.
    ///
    /// # Errors
    /// The disk's own.
    pub fn has_changed(&self) -> io::Result<bool> {
        let now = FileIdentity::of(&self.file.metadata()?);
        Ok((now.size, now.modified_ns) != (self.identity.size, self.identity.modified_ns))
    }

    /// Whether another file, or none, has its name in the folder now.
    pub fn is_replaced(&self, folder: &Path, name: &str) -> bool {
        let there = fs::metadata(folder.join(name)).map(|metadata| FileIdentity::of(&metadata));
        !there.is_ok_and(|there| there.is_same_file(&self.identity))
    }
}

impl ReadAt for LibraryFile {
    fn size(&self) -> u64 {
        self.file.metadata().map_or(self.identity.size, |metadata| metadata.len())
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(room) = into.get_mut(filled..).filter(|room| !room.is_empty()) {
            let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            match self.file.read_at(room, at) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Opens without waiting for a pipe's other end. The folder itself may be a link (a disk mounted
/// elsewhere); nothing below it leads out.
fn open_below(folder: &Path, name: &str) -> Result<OwnedFd, OpenError> {
    let whole: PathBuf = folder.join(name);
    let as_folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(CWD, folder, as_folder, Mode::empty()).map_err(refusal)?;
    // A device may act on being opened: what it is comes first.
    if let Ok(metadata) = fs::metadata(&whole) {
        if !metadata.is_file() {
            let is_link = fs::symlink_metadata(&whole).is_ok_and(|there| there.is_symlink());
            return Err(if is_link { OpenError::LeadsOut } else { OpenError::Irregular });
        }
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match openat2(&folder, name, flags, Mode::empty(), within) {
        // Older than Linux 5.6, or held back by a sandbox: no links at all.
        Err(Errno::NOSYS | Errno::PERM) => {
            openat(&folder, name, flags | OFlags::NOFOLLOW, Mode::empty())
        }
        opened => opened,
    }
    .map_err(refusal)
}

fn refusal(errno: Errno) -> OpenError {
    match errno {
        Errno::NOENT | Errno::NOTDIR => OpenError::Missing,
        Errno::XDEV | Errno::LOOP => OpenError::LeadsOut,
        Errno::NXIO | Errno::ISDIR => OpenError::Irregular,
        _ => OpenError::System(errno.into()),
    }
}
