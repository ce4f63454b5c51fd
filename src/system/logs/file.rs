//! The log file and its rotation. Purpose: `streamcaster.log` and its elders
//! `streamcaster.log.1`, `.2`, … by size and count. A full, missing or read-only disk costs lines,
//! never anything else. Bound: `file_bytes` × (`files` + 1) on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::base::limits::{LOG_FILE_BYTES_MIN, LOG_RETRY_MS_MIN};
use crate::base::time::Mono;

/// Name of the newest file.
const NAME: &str = "streamcaster.log";

/// Where lines are kept on disk.
pub(super) struct LogFile {
    dir: PathBuf,
    file_bytes: u64,
    files: usize,
    open: Option<Open>,
    trouble: Option<Trouble>,
}

struct Open {
    file: File,
    bytes: u64,
}

impl Open {
    /// Whether somebody could find the file: one that was removed meanwhile goes on taking lines
    /// that nobody reads, and room on the disk that nobody sees.
    fn has_a_name(&self) -> bool {
        self.file.metadata().map_or(true, |metadata| metadata.nlink() > 0)
    }
}

struct Trouble {
    retry_at: Mono,
    lost: u64,
}

/// What became of a line.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is in the file.
    Written,
    /// It is in the file, the first after `lost` others that are not.
    Recovered { lost: u64 },
    /// It is not in the file, and this is the first that is not.
    Failed(io::Error),
    /// It is not in the file: still in trouble, not worth a word.
    Lost,
}

impl LogFile {
    /// A log in `dir`, rotated at `file_bytes`, with `files` elders. The disk is first touched by
    /// the first line.
    pub(super) fn new(dir: PathBuf, file_bytes: u64, files: usize) -> LogFile {
        LogFile { dir, file_bytes, files, open: None, trouble: None }
    }

    /// Appends a line. After a failure the disk is left alone for [`LOG_RETRY_MS_MIN`].
    pub(super) fn append(&mut self, line: &str, now: Mono) -> Outcome {
        if let Some(trouble) = &mut self.trouble {
            if now < trouble.retry_at {
                trouble.lost = trouble.lost.saturating_add(1);
                return Outcome::Lost;
            }
        }
        match (self.try_append(line), self.trouble.take()) {
            (Ok(()), None) => Outcome::Written,
            (Ok(()), Some(trouble)) => Outcome::Recovered { lost: trouble.lost },
            (Err(error), before) => {
                self.open = None;
                let lost = before.as_ref().map_or(0, |trouble| trouble.lost).saturating_add(1);
                let retry_at = Mono::from_ms(now.to_ms().saturating_add(LOG_RETRY_MS_MIN));
                self.trouble = Some(Trouble { retry_at, lost });
                if before.is_some() {
                    Outcome::Lost
                } else {
                    Outcome::Failed(error)
                }
            }
        }
    }

    fn try_append(&mut self, line: &str) -> io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX).saturating_add(1);
        let mut open = match self.open.take().filter(Open::has_a_name) {
            Some(open) => open,
            None => self.open()?,
        };
        if open.bytes > 0 && open.bytes.saturating_add(length) > self.file_bytes {
            drop(open);
            self.rotate()?;
            open = self.open()?;
        }
        if let Err(error) = open.file.write_all(format!("{line}\n").as_bytes()) {
            // Half a line on a full disk would run into the next one; if it cannot be taken back,
            // that is the smaller of the two troubles.
            let _ = open.file.set_len(open.bytes);
            return Err(error);
        }
        open.bytes = open.bytes.saturating_add(length);
        self.open = Some(open);
        Ok(())
    }

    fn open(&self) -> io::Result<Open> {
        fs::create_dir_all(&self.dir)?;
        let file = OpenOptions::new().create(true).append(true).open(self.path(0))?;
        let bytes = file.metadata()?.len();
        Ok(Open { file, bytes })
    }

    /// Moves every file one place on; the oldest is overwritten or removed.
    fn rotate(&self) -> io::Result<()> {
        if self.files == 0 {
            return fs::remove_file(self.path(0));
        }
        for age in (0..self.files).rev() {
            match fs::rename(self.path(age), self.path(age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Rotates unless there is hardly anything to rotate, and removes all elders but the newest;
    /// the bytes that are free again.
    ///
    /// # Errors
    /// The disk's own, of the first file that cannot be moved or removed.
    pub(super) fn make_room(&mut self) -> io::Result<u64> {
        let size = |path: &PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
        let paths: Vec<PathBuf> = (0..=self.files).map(|age| self.path(age)).collect();
        let sum = || paths.iter().map(size).fold(0_u64, u64::saturating_add);
        let before = sum();
        if size(&self.path(0)) >= LOG_FILE_BYTES_MIN {
            self.open = None;
            self.rotate()?;
        }
        for path in paths.iter().skip(2) {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(before.saturating_sub(sum()))
    }

    fn path(&self, age: usize) -> PathBuf {
        match age {
            0 => self.dir.join(NAME),
            age => self.dir.join(format!("{NAME}.{age}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::TempDir;
    use super::*;

    fn read(dir: &TempDir, name: &str) -> Option<String> {
        fs::read_to_string(dir.path().join("logs").join(name)).ok()
    }

    #[test]
    fn files_are_rotated_by_size_and_count() {
        let dir = TempDir::new();
        let mut log = LogFile::new(dir.path().join("logs"), 20, 2);
        assert!(!dir.path().join("logs").exists(), "created by the first line only");
        for number in 0..9 {
            assert!(matches!(log.append(&format!("line {number}"), Mono(0)), Outcome::Written));
        }
        assert_eq!(read(&dir, NAME).as_deref(), Some("line 8\n"));
        assert_eq!(read(&dir, "streamcaster.log.1").as_deref(), Some("line 6\nline 7\n"));
        assert_eq!(read(&dir, "streamcaster.log.2").as_deref(), Some("line 4\nline 5\n"));
        assert_eq!(read(&dir, "streamcaster.log.3"), None);
    }

    #[test]
    fn a_folder_that_was_removed_comes_back_with_the_next_line() {
        let dir = TempDir::new();
        let mut log = LogFile::new(dir.path().join("logs"), 1000, 2);
        for number in 0..3 {
            let _ = fs::remove_dir_all(dir.path().join("logs"));
            let line = format!("line {number}");
            assert!(matches!(log.append(&line, Mono(0)), Outcome::Written));
            assert_eq!(read(&dir, NAME), Some(line + "\n"));
        }
    }

    #[test]
    fn a_restart_goes_on_in_the_same_file_and_no_elders_means_one_file() {
        let dir = TempDir::new();
        for number in 0..5 {
            let mut log = LogFile::new(dir.path().join("logs"), 20, 0);
            assert!(matches!(log.append(&format!("line {number}"), Mono(0)), Outcome::Written));
        }
        assert_eq!(read(&dir, NAME).as_deref(), Some("line 4\n"));
        assert_eq!(read(&dir, "streamcaster.log.1"), None);
    }

    #[test]
    fn a_line_larger_than_the_file_is_still_one_file() {
        let dir = TempDir::new();
        let mut log = LogFile::new(dir.path().join("logs"), 4, 1);
        assert!(matches!(log.append("longer than that", Mono(0)), Outcome::Written));
        assert!(matches!(log.append("another", Mono(0)), Outcome::Written));
        assert_eq!(read(&dir, NAME).as_deref(), Some("another\n"));
        assert_eq!(read(&dir, "streamcaster.log.1").as_deref(), Some("longer than that\n"));
    }

    #[test]
    fn making_room_keeps_the_newest_elder() {
        let dir = TempDir::new();
        let mut log = LogFile::new(dir.path().join("logs"), 4 * LOG_FILE_BYTES_MIN, 4);
        assert_eq!(log.make_room().unwrap(), 0, "nothing is there");
        let line = "x".repeat(usize::try_from(LOG_FILE_BYTES_MIN).unwrap());
        for age in 1..=4 {
            fs::create_dir_all(dir.path().join("logs")).unwrap();
            fs::write(dir.path().join("logs").join(format!("{NAME}.{age}")), [b'e'; 100]).unwrap();
        }
        assert!(matches!(log.append(&line, Mono(0)), Outcome::Written));
        // What was the newest elder has moved on and goes with the rest.
        assert_eq!(log.make_room().unwrap(), 400);
        assert_eq!(read(&dir, "streamcaster.log.1").map(|text| text.len()), Some(line.len() + 1));
        assert_eq!(read(&dir, "streamcaster.log.2"), None);
        assert!(matches!(log.append("short", Mono(0)), Outcome::Written));
        assert_eq!(log.make_room().unwrap(), 0, "a few lines are not worth a file");
        assert_eq!(read(&dir, NAME).as_deref(), Some("short\n"));
    }

    #[test]
    fn a_disk_in_trouble_is_said_once_and_tried_again() {
        let dir = TempDir::new();
        let blocker = dir.path().join("logs");
        fs::write(&blocker, "a file where the folder should be").unwrap();
        let mut log = LogFile::new(blocker.clone(), 100, 1);
        assert!(matches!(log.append("one", Mono(0)), Outcome::Failed(_)));
        fs::remove_file(&blocker).unwrap();
        let soon = Mono::from_ms(LOG_RETRY_MS_MIN - 1);
        assert!(matches!(log.append("two", soon), Outcome::Lost), "left alone for a while");
        fs::write(&blocker, "again").unwrap();
        let later = Mono::from_ms(LOG_RETRY_MS_MIN);
        assert!(matches!(log.append("three", later), Outcome::Lost), "not said again");
        fs::remove_file(&blocker).unwrap();
        let last = Mono::from_ms(2 * LOG_RETRY_MS_MIN);
        assert!(matches!(log.append("four", last), Outcome::Recovered { lost: 3 }));
        assert!(matches!(log.append("five", last), Outcome::Written));
        assert_eq!(read(&dir, NAME).as_deref(), Some("four\nfive\n"));
    }

    #[test]
    fn a_full_disk_is_trouble_too() {
        let mut log = LogFile::new(PathBuf::from("/dev"), 100, 1);
        log.open = Some(Open {
            file: OpenOptions::new().write(true).open("/dev/full").unwrap(),
            bytes: 0,
        });
        let outcome = log.append("one", Mono(0));
        assert!(matches!(outcome, Outcome::Failed(ref error) if error.raw_os_error() == Some(28)));
    }
}
