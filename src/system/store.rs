//! What the program remembers by itself, in files of its own. Purpose: a file is written whole or
//! not at all (a temporary file beside it, fsync, rename, fsync of the folder), and read with a
//! bound; one that cannot be understood is set aside, so that a person can look at it. Non-goals:
//! what stands in them, when. Bound: [`STATE_BYTES_MAX`]. May wait for the disk: never called on
//! the data plane's thread.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use crate::base::limits::STATE_BYTES_MAX;

/// A write takes less.
const UNFINISHED: Duration = Duration::from_secs(60);

/// Writes a file whole or not at all; its folder is made when it is missing.
///
/// # Errors
/// The disk's own. The old file is untouched then.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_as(path, bytes, 0o666)
}

/// The same, for what nobody else may read.
///
/// # Errors
/// The disk's own. The old file is untouched then.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_as(path, bytes, 0o600)
}

fn write_as(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    make_folder(folder)?;
    let temporary = beside(path, ".new");
    let written =
        write_through(&temporary, bytes, mode).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What is half written helps nobody; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(folder)?.sync_all()
}

/// Makes a folder, and those above it, for good: a file in a folder that the disk forgets is lost.
///
/// # Errors
/// The disk's own.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    let above = above.unwrap_or(Path::new("."));
    make_folder(above)?;
    match fs::create_dir(folder) {
        // Somebody else was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    File::open(above)?.sync_all()
}

/// Removes what a run left beside these files when it was killed while it wrote. What is younger than
/// a minute may be somebody else's who is writing now.
pub fn remove_unfinished(folder: &Path, is_ours: impl Fn(&str) -> bool) {
    let now = SystemTime::now();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
        let name = entry.file_name();
        let ours = name.to_str().and_then(|name| name.strip_suffix(".new")).is_some_and(&is_ours);
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let age = written.ok().and_then(|written| now.duration_since(written).ok());
        if ours && age.is_some_and(|age| age >= UNFINISHED) {
            // It is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn write_through(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        // One that an earlier run left behind would keep its mode.
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether a link in a file's place leads to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// A person may have put one there.
    Followed,
    /// The program itself made the file, and never makes a link.
    Refused,
}

/// Opens a file to be read, where there is a file: a pipe nobody writes to, which an open would wait
/// for without end, and a device are errors.
///
/// # Errors
/// The disk's own, and something else in the file's place.
pub fn open(path: &Path, links: Links) -> io::Result<File> {
    let flags = match links {
        Links::Followed => OFlags::NONBLOCK,
        Links::Refused => OFlags::NONBLOCK | OFlags::NOFOLLOW,
    };
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a file"));
    }
    Ok(file)
}

/// Reads a file; `None` when there is none.
///
/// # Errors
/// The disk's own, something else in its place, and a file larger than [`STATE_BYTES_MAX`].
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match open(path, Links::Refused) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(STATE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > STATE_BYTES_MAX {
        let words = format!("it is larger than {STATE_BYTES_MAX} bytes");
        return Err(io::Error::new(ErrorKind::InvalidData, words));
    }
    Ok(Some(bytes))
}

/// Removes a file for good; one that is not there is no error.
///
/// # Errors
/// The disk's own.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Sets a file aside that cannot be understood, in the place of one set aside before; where it is
/// now.
///
/// # Errors
/// The disk's own.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = beside(path, ".broken");
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// The path with something behind its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside() {
        let folder = folder("whole");
        let path = folder.join("state").join("a.json");
        assert_eq!(read(&path).expect("no error"), None);
        write(&path, b"one, and longer").expect("written");
        write(&path, b"two").expect("written again");
        assert_eq!(read(&path).expect("read").as_deref(), Some(&b"two"[..]));
        let names = fs::read_dir(folder.join("state")).expect("the folder");
        assert_eq!(names.count(), 1, "no temporary file stays");
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn what_a_killed_run_left_half_written_goes() {
        let folder = folder("unfinished");
        fs::create_dir_all(folder.join("d.json.new")).expect("a folder");
        let names = ["a.json", "a.json.new", "b.json.new", "c.txt.new"];
        for name in names {
            let file = File::create(folder.join(name)).expect("a file");
            let age = if name == "b.json.new" { 30 } else { 90 };
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("a time");
        }
        remove_unfinished(&folder, |name| name.ends_with(".json"));
        let left = |name: &&&str| folder.join(name).exists();
        let left: Vec<_> = names.iter().filter(left).collect();
        assert_eq!(left, [&"a.json", &"b.json.new", &"c.txt.new"]);
        assert!(folder.join("d.json.new").exists());
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_one() {
        let folder = folder("kept");
        let path = folder.join("a.json");
        write(&path, b"old").expect("written");
        // In the temporary file's place stands something that cannot be one.
        fs::create_dir(folder.join("a.json.new")).expect("a folder");
        assert!(write(&path, b"new").is_err());
        assert_eq!(read(&path).expect("read").as_deref(), Some(&b"old"[..]));
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn only_a_file_is_opened_and_nothing_is_waited_for() {
        let folder = folder("kinds");
        fs::create_dir_all(folder.join("folder")).expect("a folder");
        fs::write(folder.join("file"), "x").expect("a file");
        std::os::unix::fs::symlink("file", folder.join("link")).expect("a link");
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, folder.join("pipe"), pipe, 0o600.into(), 0)
            .expect("a pipe");
        for links in [Links::Followed, Links::Refused] {
            let opens = |name: &str| open(&folder.join(name), links).is_ok();
            assert!(opens("file"));
            assert_eq!(opens("link"), links == Links::Followed);
            assert!(!opens("pipe"));
            assert!(!opens("folder"));
            assert!(!opens("none"));
        }
        assert!(open(Path::new("/dev/zero"), Links::Followed).is_err());
        assert!(read(&folder.join("link")).is_err());
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_file_too_large_is_an_error_and_can_be_set_aside() {
        let folder = folder("large");
        let path = folder.join("a.json");
        write(&path, b"x").expect("written");
        let file = OpenOptions::new().write(true).open(&path).expect("open");
        file.set_len(STATE_BYTES_MAX).expect("grown");
        assert_eq!(
            read(&path).expect("read").map(|bytes| bytes.len() as u64),
            Some(STATE_BYTES_MAX)
        );
        file.set_len(STATE_BYTES_MAX + 1).expect("grown");
        assert!(read(&path).is_err());
        let aside = set_aside(&path).expect("set aside");
        assert!(aside.ends_with("a.json.broken"));
        assert!(aside.exists());
        assert!(!path.exists());
        fs::remove_dir_all(folder).expect("removed");
    }
}
