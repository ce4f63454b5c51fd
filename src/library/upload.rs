//! Files that come in by upload, until they are whole. Purpose: what arrived is kept, over broken
//! connections and restarts of the program; a file appears in the library when it is complete and
//! never before; a full disk stops an upload and nothing else. Non-goals: connections, threads,
//! what is in the file. Bounds: [`UPLOADS_KNOWN_MAX`] uploads, each with two files in a folder of
//! their own: `ID.part` holds what arrived, `ID.json` what it shall be called.
//!
//! How far an upload is, its part's length says: nothing else has to be kept in step with it.

use std::fmt;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use rustix::fs::{fadvise, statvfs, Advice};
use serde::{Deserialize, Serialize};

use super::change::{self, ChangeError, NameTaken};
use super::names;
use super::open::FileIdentity;
use crate::base::budget::human;
use crate::base::limits::{
    GROWING_MS, UPLOADS_KNOWN_MAX, UPLOAD_BYTES_MAX, UPLOAD_RESERVE_BYTES, UPLOAD_SYNC_BYTES,
};
use crate::base::time::Utc;
use crate::operator::commands::FileName;
use crate::operator::snapshot::Snapshot;
use crate::system::store;

/// An upload without a new byte for so long is given up.
const UPLOAD_KEPT_MS_MAX: u64 = 24 * 3_600_000;

/// Which upload; shown as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadId(pub u64);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text names no upload there could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoUploadId;

impl FromStr for UploadId {
    type Err = NoUploadId;

    fn from_str(text: &str) -> Result<UploadId, NoUploadId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 16 || !text.bytes().all(is_digit) {
            return Err(NoUploadId);
        }
        u64::from_str_radix(text, 16).map(UploadId).map_err(|_| NoUploadId)
    }
}

/// An upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Which.
    pub id: UploadId,
    /// The name its file shall have in the library.
    pub filename: FileName,
    /// How long its file shall be, bytes.
    pub size: u64,
    /// What is done with a file that has the name already.
    pub taken: NameTaken,
    /// How much of it is there, bytes.
    pub offset: u64,
    /// When its last byte came.
    pub modified: Utc,
}

/// What is written down of an upload.
#[derive(Serialize, Deserialize)]
struct UploadRecord {
    filename: String,
    size: u64,
    replace: bool,
}

/// Why an upload does not go on.
#[derive(Debug)]
pub enum UploadError {
    /// There is no such upload.
    NotFound,
    /// Bytes for another place than the one that comes next.
    WrongOffset {
        /// Where it goes on.
        offset: u64,
    },
    /// More bytes than the file shall have.
    TooMuch {
        /// What the file shall have, bytes.
        size: u64,
        /// Where it goes on.
        offset: u64,
    },
    /// A file has at least one byte.
    Empty,
    /// No file may be so large.
    TooLarge,
    /// [`UPLOADS_KNOWN_MAX`] uploads are known.
    Full,
    /// As many uploads as may are coming in.
    Crowded,
    /// Its bytes are coming in on another connection.
    Active {
        /// Where it stands.
        offset: u64,
    },
    /// There is not enough room for it on the disk.
    DiskFull {
        /// What is missing, bytes.
        missing: u64,
        /// What is kept of it and where it goes on; nothing before it has begun.
        offset: Option<u64>,
    },
    /// The thread or the disk has not answered in time.
    Busy,
    /// The library's folder was not changed.
    Change(ChangeError),
}

impl From<ChangeError> for UploadError {
    fn from(error: ChangeError) -> UploadError {
        UploadError::Change(error)
    }
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> UploadError {
        UploadError::Change(ChangeError::Disk(error))
    }
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UploadError::NotFound => f.write_str(
                "There is no such upload: it is complete, was cancelled, or has expired; start it \
                 again.",
            ),
            UploadError::WrongOffset { offset } => {
                write!(f, "The upload continues at byte {offset}.")
            }
            UploadError::TooMuch { size, offset } => write!(
                f,
                "{offset} of the file's {size} bytes have been received; send the remaining ones \
                 and no more."
            ),
            UploadError::Empty => f.write_str("The file is empty; choose another one."),
            UploadError::TooLarge => {
                write!(f, "A file may have {} at most; split it.", human(UPLOAD_BYTES_MAX))
            }
            UploadError::Full => write!(
                f,
                "{UPLOADS_KNOWN_MAX} uploads are under way or interrupted; finish or delete one."
            ),
            UploadError::Crowded => f.write_str(
                "Other uploads are under way; this one continues when one of them \
                             ends.",
            ),
            UploadError::Active { .. } => {
                f.write_str("This upload is under way on another connection; wait until that ends.")
            }
            UploadError::DiskFull { missing, .. } => write!(
                f,
                "The disk is too full: {} more are needed; delete files from the library and try \
                 again.",
                human(*missing)
            ),
            UploadError::Busy => {
                f.write_str("The disk did not answer in time; try again in a moment.")
            }
            UploadError::Change(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for UploadError {}

/// How many bytes are free on the file system of a folder.
pub type FreeBytes = Box<dyn Fn(&Path) -> io::Result<u64> + Send>;

/// The uploads on the disk.
pub struct Store {
    folder: PathBuf,
    videos: PathBuf,
    free_bytes: FreeBytes,
    known: Vec<Upload>,
}

impl Store {
    /// The uploads whose parts lie in `folder`, meant for `videos`. Takes up what an earlier run
    /// left there; a folder that is missing is made when it is needed.
    pub fn open(folder: PathBuf, videos: PathBuf) -> Store {
        Store::with_free_bytes(folder, videos, Box::new(free_bytes))
    }

    /// The same, with another way to learn what is free.
    pub fn with_free_bytes(folder: PathBuf, videos: PathBuf, free_bytes: FreeBytes) -> Store {
        let mut store = Store { folder, videos, free_bytes, known: Vec::new() };
        store.recall();
        store
    }

    /// All of them.
    pub fn known(&self) -> &[Upload] {
        &self.known
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// The size cannot be, the name is taken, by a file that may not be replaced or is in use;
    /// there are too many; the disk has no room, or refuses.
    pub fn begin(
        &mut self,
        filename: &FileName,
        size: u64,
        taken: NameTaken,
        snapshot: &Snapshot,
    ) -> Result<Upload, UploadError> {
        match size {
            0 => return Err(UploadError::Empty),
            1..=UPLOAD_BYTES_MAX => {}
            _ => return Err(UploadError::TooLarge),
        }
        if change::is_taken(&self.videos, filename)? {
            if taken == NameTaken::Refuse {
                return Err(ChangeError::Exists.into());
            }
            if change::is_in_use(snapshot, filename) {
                return Err(ChangeError::InUse.into());
            }
        }
        if self.known.len() >= UPLOADS_KNOWN_MAX {
            return Err(UploadError::Full);
        }
        store::make_folder(&self.folder)?;
        store::make_folder(&self.videos)?;
        if device(&self.folder)? != device(&self.videos)? {
            return Err(ChangeError::Apart.into());
        }
        // What the others still lack is theirs.
        let promised = self.known.iter().map(|each| each.size.saturating_sub(each.offset));
        let promised = promised.fold(0, u64::saturating_add);
        self.room_for(size.saturating_add(promised), None)?;
        let id = self.fresh_id();
        let replace = taken == NameTaken::Replace;
        let record = UploadRecord { filename: filename.as_str().to_owned(), size, replace };
        let record = serde_json::to_vec(&record).map_err(io::Error::from)?;
        let begun = OpenOptions::new().write(true).create_new(true).open(self.part(id));
        let begun = begun.and_then(|_| store::write(&self.record(id), &record));
        if let Err(error) = begun {
            self.discard(id);
            return Err(self.refusal(error, size, None));
        }
        let modified = crate::system::clock::utc();
        let filename = filename.clone();
        let upload = Upload { id, filename, size, taken, offset: 0, modified };
        self.known.push(upload.clone());
        Ok(upload)
    }

    /// Writes what comes next of an upload; returns where it goes on.
    ///
    /// # Errors
    /// It is not what comes next, or too much; the disk has no room, or refuses. What could be
    /// written is kept.
    pub fn write(&mut self, id: UploadId, offset: u64, bytes: &[u8]) -> Result<u64, UploadError> {
        let upload = self.find(id)?;
        let (size, there) = (upload.size, upload.offset);
        if offset != there {
            return Err(UploadError::WrongOffset { offset: there });
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = offset.saturating_add(length);
        if end > size {
            return Err(UploadError::TooMuch { size, offset: there });
        }
        if bytes.is_empty() {
            return Ok(there);
        }
        self.room_for(length, Some(there))?;
        let file = OpenOptions::new().write(true).open(self.part(id))?;
        let written = file.write_all_at(bytes, offset).and_then(|()| {
            let synced = end / UPLOAD_SYNC_BYTES == offset / UPLOAD_SYNC_BYTES;
            if synced {
                Ok(())
            } else {
                hand_over(&file)
            }
        });
        // Whatever went wrong: the disk knows how far it is.
        let metadata = file.metadata()?;
        let now_there = metadata.len().min(size);
        if let Some(upload) = self.known.iter_mut().find(|upload| upload.id == id) {
            upload.offset = now_there;
            upload.modified = FileIdentity::of(&metadata).modified();
        }
        match written {
            Ok(()) => Ok(now_there),
            Err(error) => Err(self.refusal(error, end - now_there, Some(now_there))),
        }
    }

    /// Has the disk keep what has come of an upload: what is answered is not lost with the power. One
    /// that is complete goes into the library; the name it has there.
    ///
    /// # Errors
    /// Its name is taken meanwhile; the disk refuses. It is kept then, and may be finished later.
    pub fn keep(
        &mut self,
        id: UploadId,
        snapshot: &Snapshot,
    ) -> Result<Option<FileName>, UploadError> {
        let upload = self.find(id)?.clone();
        let part = self.part(id);
        let file = OpenOptions::new().write(true).open(&part)?;
        if upload.offset != upload.size {
            hand_over(&file)?;
            return Ok(None);
        }
        // No more will come, which the library otherwise learns by waiting.
        let still = SystemTime::now() - Duration::from_millis(GROWING_MS);
        file.set_times(FileTimes::new().set_modified(still))?;
        file.sync_all()?;
        drop(file);
        store::make_folder(&self.videos)?;
        change::place(&part, &self.videos, &upload.filename, upload.taken, snapshot)?;
        self.discard(id);
        Ok(Some(upload.filename))
    }

    /// Gives an upload up, with all that arrived of it.
    ///
    /// # Errors
    /// There is none; the disk keeps it, and it is found again at the next start.
    pub fn give_up(&mut self, id: UploadId) -> Result<(), UploadError> {
        self.find(id)?;
        self.known.retain(|upload| upload.id != id);
        for path in [self.record(id), self.part(id)] {
            store::remove(&path)?;
        }
        Ok(())
    }

    /// Gives up the uploads that had no new byte for [`UPLOAD_KEPT_MS_MAX`]; returns them.
    pub fn sweep(&mut self, now: Utc, is_active: impl Fn(UploadId) -> bool) -> Vec<Upload> {
        let is_old = |upload: &Upload| {
            now.0.saturating_sub(upload.modified.0) > UPLOAD_KEPT_MS_MAX && !is_active(upload.id)
        };
        let old: Vec<Upload> = self.known.iter().filter(|each| is_old(each)).cloned().collect();
        for upload in &old {
            self.discard(upload.id);
        }
        old
    }

    fn find(&self, id: UploadId) -> Result<&Upload, UploadError> {
        self.known.iter().find(|upload| upload.id == id).ok_or(UploadError::NotFound)
    }

    fn part(&self, id: UploadId) -> PathBuf {
        self.folder.join(format!("{id}.part"))
    }

    fn record(&self, id: UploadId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    fn fresh_id(&self) -> UploadId {
        loop {
            let id = UploadId(fastrand::u64(..));
            if self.find(id).is_err() {
                return id;
            }
        }
    }

    /// Forgets an upload and removes its files. One that cannot be removed is found at the next
    /// start, and goes then.
    fn discard(&mut self, id: UploadId) {
        self.known.retain(|upload| upload.id != id);
        for path in [self.record(id), self.part(id)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    log::warn!("library: {} cannot be removed: {error}", path.display());
                }
                _ => {}
            }
        }
    }

    /// Whether so many bytes may be written with the reserve left free.
    fn room_for(&self, bytes: u64, offset: Option<u64>) -> Result<(), UploadError> {
        let free = (self.free_bytes)(&self.folder)?;
        let missing = bytes.saturating_add(UPLOAD_RESERVE_BYTES).saturating_sub(free);
        match missing {
            0 => Ok(()),
            missing => Err(UploadError::DiskFull { missing, offset }),
        }
    }

    /// A disk's refusal, which may be that it is full, or that a quota or the file system allows
    /// no more.
    fn refusal(&self, error: io::Error, missing: u64, offset: Option<u64>) -> UploadError {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                UploadError::DiskFull { missing, offset }
            }
            _ => error.into(),
        }
    }

    /// Takes up what an earlier run left: pairs of a record and a part. Halves of a pair go;
    /// files that are none of ours stay.
    fn recall(&mut self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some((stem, ending)) = name.to_str().and_then(|name| name.split_once('.')) else {
                continue;
            };
            let Ok(id) = stem.parse::<UploadId>() else { continue };
            if ending == "json.new" {
                // A record that was being written when the machine stopped.
                let _ = fs::remove_file(entry.path());
            }
            let is_known = self.find(id).is_ok();
            let is_ours = matches!(ending, "part" | "json");
            if is_known || !is_ours || self.known.len() >= UPLOADS_KNOWN_MAX {
                continue;
            }
            match self.pair(id) {
                Some(upload) => self.known.push(upload),
                None => self.discard(id),
            }
        }
        self.known.sort_by_key(|upload| upload.modified);
    }

    fn pair(&self, id: UploadId) -> Option<Upload> {
        let bytes = store::read(&self.record(id)).ok()??;
        let record: UploadRecord = serde_json::from_slice(&bytes).ok()?;
        let filename = names::check(&record.filename).ok()?;
        let metadata = fs::symlink_metadata(self.part(id)).ok().filter(fs::Metadata::is_file)?;
        let taken = if record.replace { NameTaken::Replace } else { NameTaken::Refuse };
        // A part longer than its file has bytes in it that nobody sent.
        let fits = (1..=UPLOAD_BYTES_MAX).contains(&record.size) && metadata.len() <= record.size;
        let modified = FileIdentity::of(&metadata).modified();
        let (size, offset) = (record.size, metadata.len());
        fits.then_some(Upload { id, filename, size, taken, offset, modified })
    }
}

fn device(folder: &Path) -> io::Result<u64> {
    fs::metadata(folder).map(|metadata| FileIdentity::of(&metadata).device)
}

/// What is free for who is not root, bytes.
fn free_bytes(folder: &Path) -> io::Result<u64> {
    let system = statvfs(folder)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Has the disk take what was written, and the kernel's copy make room for files that play.
fn hand_over(file: &File) -> io::Result<()> {
    file.sync_data()?;
    // Without it the kernel only keeps what nobody will read soon.
    let _ = fadvise(file, 0, None, Advice::DontNeed);
    Ok(())
}

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
