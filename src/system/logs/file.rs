//! The log file and its rotation. Purpose: `streamcaster.log` and the rotated files by size, by day and by
//! count. A full, missing or read-only disk costs lines, never anything else. Bound: `file_bytes` ×
//! (`files` + 1) on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::rotated::Rotated;
use crate::base::limits::LOG_FILE_BYTES_MIN;
use crate::base::time::Mono;

/// Pause before a log file that could not be written is tried again.
const LOG_RETRY_MS_MIN: u64 = 10_000;

/// Where lines are kept on disk.
pub(super) struct LogFile {
    dir: PathBuf,
    rotated: Rotated,
    file_bytes: u64,
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
pub(super) enum LineOutcome {
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
    /// A log in `dir`, rotated at `file_bytes`, with `files` rotated. The disk is first touched by
    /// the first line.
    pub(super) fn new(dir: PathBuf, file_bytes: u64, files: usize) -> LogFile {
        LogFile {
            rotated: Rotated::new(dir.clone(), files),
            dir,
            file_bytes,
            open: None,
            trouble: None,
        }
    }

    /// Appends a line. After a failure the disk is left alone for [`LOG_RETRY_MS_MIN`].
    pub(super) fn append(&mut self, line: &str, now: Mono) -> LineOutcome {
        if let Some(trouble) = &mut self.trouble {
            if now < trouble.retry_at {
                trouble.lost = trouble.lost.saturating_add(1);
                return LineOutcome::Lost;
            }
        }
        match (self.try_append(line), self.trouble.take()) {
            (Ok(()), None) => LineOutcome::Written,
            (Ok(()), Some(trouble)) => LineOutcome::Recovered { lost: trouble.lost },
            (Err(error), before) => {
                self.open = None;
                let lost = before.as_ref().map_or(0, |trouble| trouble.lost).saturating_add(1);
                let retry_at = Mono::from_ms(now.to_ms().saturating_add(LOG_RETRY_MS_MIN));
                self.trouble = Some(Trouble { retry_at, lost });
                if before.is_some() {
                    LineOutcome::Lost
                } else {
                    LineOutcome::Failed(error)
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
            self.rotated.shift()?;
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
        let file = OpenOptions::new().create(true).append(true).open(self.rotated.plain(0))?;
        let bytes = file.metadata()?.len();
        Ok(Open { file, bytes })
    }

    /// Rotates unless there is hardly anything to rotate, and removes all rotated files but the newest;
    /// the bytes that are free again.
    ///
    /// # Errors
    /// The disk's own, of the first file that cannot be moved or removed.
    pub(super) fn make_room(&mut self) -> io::Result<u64> {
        let before = self.rotated.bytes();
        if self.bytes() >= LOG_FILE_BYTES_MIN {
            self.open = None;
            self.rotated.shift()?;
        }
        self.rotated.remove_all_but_newest()?;
        Ok(before.saturating_sub(self.rotated.bytes()))
    }

    /// The day's rotation: begins a new file unless nothing was written, and packs the rotated files; the
    /// bytes that are free again.
    ///
    /// # Errors
    /// The disk's own. What could not be packed is there as it was, and packed the next time.
    pub(super) fn begin_day(&mut self) -> io::Result<u64> {
        let before = self.rotated.bytes();
        if self.bytes() > 0 {
            self.open = None;
            self.rotated.shift()?;
        }
        self.rotated.pack()?;
        Ok(before.saturating_sub(self.rotated.bytes()))
    }

    /// Length of the newest file.
    fn bytes(&self) -> u64 {
        fs::metadata(self.rotated.plain(0)).map_or(0, |metadata| metadata.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::rotated::NAME;
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
            assert!(matches!(log.append(&format!("line {number}"), Mono(0)), LineOutcome::Written));
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
            assert!(matches!(log.append(&line, Mono(0)), LineOutcome::Written));
            assert_eq!(read(&dir, NAME), Some(line + "\n"));
        }
    }

    #[test]
    fn a_restart_goes_on_in_the_same_file_and_no_rotated_files_mean_one_file() {
        let dir = TempDir::new();
        for number in 0..5 {
            let mut log = LogFile::new(dir.path().join("logs"), 20, 0);
            assert!(matches!(log.append(&format!("line {number}"), Mono(0)), LineOutcome::Written));
        }
        assert_eq!(read(&dir, NAME).as_deref(), Some("line 4\n"));
        assert_eq!(read(&dir, "streamcaster.log.1"), None);
    }

    #[test]
    fn a_line_larger_than_the_file_is_still_one_file() {
        let dir = TempDir::new();
        let mut log = LogFile::new(dir.path().join("logs"), 4, 1);
        assert!(matches!(log.append("longer than that", Mono(0)), LineOutcome::Written));
        assert!(matches!(log.append("another", Mono(0)), LineOutcome::Written));
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
        assert!(matches!(log.append(&line, Mono(0)), LineOutcome::Written));
        // What was the newest rotated file has moved on and goes with the rest.
        assert_eq!(log.make_room().unwrap(), 400);
        assert_eq!(read(&dir, "streamcaster.log.1").map(|text| text.len()), Some(line.len() + 1));
        assert_eq!(read(&dir, "streamcaster.log.2"), None);
        assert!(matches!(log.append("short", Mono(0)), LineOutcome::Written));
        assert_eq!(log.make_room().unwrap(), 0, "a few lines are not worth a file");
        assert_eq!(read(&dir, NAME).as_deref(), Some("short\n"));
    }

    fn unpacked(dir: &TempDir, age: usize) -> Option<String> {
        let path = dir.path().join("logs").join(format!("{NAME}.{age}.gz"));
        let output = std::process::Command::new("gzip").arg("-dc").arg(path).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// Every line there is, in all the files of the folder.
    fn all_lines(dir: &TempDir) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in fs::read_dir(dir.path().join("logs")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "new") {
                continue;
            }
            let output = std::process::Command::new("zcat").arg("-f").arg(path).output().unwrap();
            lines.extend(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned));
        }
        lines.sort();
        lines.dedup();
        lines
    }

    #[test]
    fn ten_days_leave_seven_packed_files() {
        let dir = TempDir::new();
        let mut log = LogFile::new(dir.path().join("logs"), 1 << 20, 7);
        assert_eq!(log.begin_day().ok(), Some(0), "nothing is there");
        for day in 0..10 {
            assert!(matches!(log.append(&format!("day {day}"), Mono(0)), LineOutcome::Written));
            log.begin_day().unwrap();
            assert_eq!(read(&dir, NAME), None);
            assert_eq!(unpacked(&dir, 1), Some(format!("day {day}\n")));
        }
        log.begin_day().unwrap();
        let days: Vec<_> = (1..=8).map(|age| unpacked(&dir, age)).collect();
        let expected: Vec<_> = (3..10).rev().map(|day| Some(format!("day {day}\n"))).collect();
        assert_eq!(
            days,
            [expected, vec![None]].concat(),
            "a day without a line makes no rotated file"
        );
        assert_eq!(fs::read_dir(dir.path().join("logs")).unwrap().count(), 7);
        // A configuration that keeps fewer.
        LogFile::new(dir.path().join("logs"), 1 << 20, 2).begin_day().unwrap();
        assert_eq!(fs::read_dir(dir.path().join("logs")).unwrap().count(), 2);
        let room = LogFile::new(dir.path().join("logs"), 1 << 20, 2).make_room().unwrap();
        assert!(room > 0);
        assert!(unpacked(&dir, 2).is_none());
        assert!(unpacked(&dir, 1).is_some());
    }

    #[test]
    fn a_full_file_and_the_day_share_the_places() {
        let dir = TempDir::new();
        let mut log = LogFile::new(dir.path().join("logs"), 7, 3);
        for number in 0..4 {
            assert!(matches!(log.append(&format!("line {number}"), Mono(0)), LineOutcome::Written));
            if number == 1 {
                log.begin_day().unwrap();
            }
        }
        assert_eq!(read(&dir, NAME).as_deref(), Some("line 3\n"));
        assert_eq!(read(&dir, "streamcaster.log.1").as_deref(), Some("line 2\n"));
        assert_eq!(unpacked(&dir, 2).as_deref(), Some("line 1\n"));
        assert_eq!(unpacked(&dir, 3).as_deref(), Some("line 0\n"));
        assert!(matches!(log.append("line 4", Mono(0)), LineOutcome::Written));
        assert_eq!(unpacked(&dir, 3).as_deref(), Some("line 1\n"), "the oldest is gone");
        assert_eq!(read(&dir, "streamcaster.log.3"), None);
    }

    #[test]
    fn cut_in_the_middle_nothing_is_lost() {
        let folder = |dir: &TempDir| dir.path().join("logs");
        // While packing: half a packed file, or a whole one beside the plain one.
        for whole in [false, true] {
            let dir = TempDir::new();
            let mut log = LogFile::new(folder(&dir), 1 << 20, 3);
            assert!(matches!(log.append("old", Mono(0)), LineOutcome::Written));
            log.begin_day().unwrap();
            fs::write(folder(&dir).join("streamcaster.log.1"), "old\n").unwrap();
            if !whole {
                let gz = folder(&dir).join("streamcaster.log.1.gz");
                fs::rename(gz, folder(&dir).join("streamcaster.log.gz.new")).unwrap();
            }
            assert!(matches!(log.append("new", Mono(0)), LineOutcome::Written));
            log.begin_day().unwrap();
            assert_eq!(unpacked(&dir, 1).as_deref(), Some("new\n"));
            assert_eq!(unpacked(&dir, 2).as_deref(), Some("old\n"));
            assert_eq!(read(&dir, "streamcaster.log.2"), None);
        }
        // While they move on: a place is free anywhere.
        for gap in 1..=3 {
            let dir = TempDir::new();
            fs::create_dir_all(folder(&dir)).unwrap();
            for age in (0..=3).filter(|age| *age != gap) {
                let name = if age == 0 { NAME.to_owned() } else { format!("{NAME}.{age}") };
                fs::write(folder(&dir).join(name), format!("age {age}\n")).unwrap();
            }
            LogFile::new(folder(&dir), 1 << 20, 4).begin_day().unwrap();
            let kept: Vec<_> =
                (0..=3).filter(|age| *age != gap).map(|age| format!("age {age}")).collect();
            assert_eq!(all_lines(&dir), kept);
        }
    }

    #[test]
    fn a_disk_that_takes_nothing_more_leaves_the_rotated_files_as_they_are() {
        let dir = TempDir::new();
        let mut log = LogFile::new(dir.path().join("logs"), 1 << 20, 3);
        assert!(matches!(log.append("line", Mono(0)), LineOutcome::Written));
        // Whatever is written here is refused as by a full disk.
        let full = dir.path().join("logs/streamcaster.log.gz.new");
        std::os::unix::fs::symlink("/dev/full", &full).unwrap();
        let error = log.begin_day().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(28));
        assert_eq!(read(&dir, "streamcaster.log.1").as_deref(), Some("line\n"));
        assert_eq!(unpacked(&dir, 1), None);
        log.begin_day().unwrap();
        assert_eq!(unpacked(&dir, 1).as_deref(), Some("line\n"), "the next day makes up for it");
        // A folder that is none stands for a disk that cannot be written to at all.
        let nowhere = dir.path().join("nowhere");
        fs::write(&nowhere, "no folder").unwrap();
        assert!(LogFile::new(nowhere, 1 << 20, 3).begin_day().is_err());
    }

    #[test]
    fn a_disk_in_trouble_is_said_once_and_tried_again() {
        let dir = TempDir::new();
        let blocker = dir.path().join("logs");
        fs::write(&blocker, "a file where the folder should be").unwrap();
        let mut log = LogFile::new(blocker.clone(), 100, 1);
        assert!(matches!(log.append("one", Mono(0)), LineOutcome::Failed(_)));
        fs::remove_file(&blocker).unwrap();
        let soon = Mono::from_ms(LOG_RETRY_MS_MIN - 1);
        assert!(matches!(log.append("two", soon), LineOutcome::Lost), "left alone for a while");
        fs::write(&blocker, "again").unwrap();
        let later = Mono::from_ms(LOG_RETRY_MS_MIN);
        assert!(matches!(log.append("three", later), LineOutcome::Lost), "not said again");
        fs::remove_file(&blocker).unwrap();
        let last = Mono::from_ms(2 * LOG_RETRY_MS_MIN);
        assert!(matches!(log.append("four", last), LineOutcome::Recovered { lost: 3 }));
        assert!(matches!(log.append("five", last), LineOutcome::Written));
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
        assert!(
            matches!(outcome, LineOutcome::Failed(ref error) if error.raw_os_error() == Some(28))
        );
    }
}
