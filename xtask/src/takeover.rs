//! Whether the take-over of a stock Debian is tested in this run. Purpose: that suite takes a
//! quarter of an hour of two emulated machines and fails only when the image, its flasher or what
//! starts the appliance changed. Two records tell: the sum of those files when the suite was last
//! well in this target folder; and, where there is no such record (a fresh clone), the history:
//! whether one of them was changed in the day before the newest commit. A change lands within that
//! day of being committed (a rebase dates it again), so that the run before it lands tests it.
//! Non-goal: guessing. Whatever cannot be told is a reason to test.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ring::digest::{Context, SHA256};

use crate::step::{root, said, target_dir};

/// What a machine is taken over with, and what starts on it.
const WATCHED: [&str; 13] = [
    "rootfs",
    "tests/support/src/peers/uefi.rs",
    "tests/takeover",
    "xtask/src/debian.rs",
    "xtask/src/debian.sh",
    "xtask/src/dist.rs",
    "xtask/src/flash",
    "xtask/src/image",
    "src/appliance/verbs",
    "src/appliance/ext4.rs",
    "src/appliance/firmware",
    "src/appliance/grow.rs",
    "src/appliance/partitions.rs",
];

/// How long before the newest commit a change still counts as new, seconds.
const NEW_S: u64 = 24 * 3600;

/// Why it is tested, or why it is not.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    Test(String),
    LeaveOut(String),
}

/// Looks at the files, the record and the history.
pub fn decide() -> Decision {
    let record = fs::read_to_string(record()).ok();
    match sum() {
        Ok(sum) => judge(record.as_deref(), &sum, changed, newest),
        Err(error) => Decision::Test(format!("git does not say what changed: {error}")),
    }
}

/// Keeps in mind that it was well.
pub fn was_well() -> Result<(), String> {
    let failed = |error| format!("{}: {error}", record().display());
    fs::create_dir_all(target_dir().join("tests")).map_err(failed)?;
    fs::write(record(), sum()?).map_err(failed)
}

fn judge(
    record: Option<&str>,
    sum: &str,
    changed: impl FnOnce() -> Result<String, String>,
    newest: impl FnOnce() -> Result<[u64; 2], String>,
) -> Decision {
    if record == Some(sum) {
        let why = "image, flasher and rootfs are what they were when it was last well here";
        return Decision::LeaveOut(why.to_owned());
    }
    if record.is_some() {
        let why = "image, flasher or rootfs changed since it was last well here";
        return Decision::Test(why.to_owned());
    }
    match changed() {
        Ok(files) if files.is_empty() => {}
        Ok(files) => return Decision::Test(format!("not committed: {files}")),
        Err(error) => return Decision::Test(format!("git does not say what changed: {error}")),
    }
    match newest() {
        Ok([change, commit]) if commit.saturating_sub(change) > NEW_S => {
            let days = commit.saturating_sub(change) as f64 / (24.0 * 3600.0);
            let why = format!(
                "image, flasher and rootfs were changed last {days:.1} days before the newest \
                 commit; `cargo xtask test --long` runs it"
            );
            Decision::LeaveOut(why)
        }
        Ok(_) => {
            let why = "image, flasher or rootfs changed in the day before the newest commit";
            Decision::Test(why.to_owned())
        }
        Err(error) => Decision::Test(format!("git does not say when it changed: {error}")),
    }
}

fn record() -> PathBuf {
    target_dir().join("tests/takeover.well")
}

fn git(arguments: &[&str]) -> Result<String, String> {
    said(Command::new("git").args(arguments).args(["--"]).args(WATCHED).current_dir(root()))
}

/// The watched files' names and contents in one sum.
fn sum() -> Result<String, String> {
    let names = git(&["ls-files", "--cached", "--others", "--exclude-standard"])?;
    if names.is_empty() {
        return Err("it knows none of the files".to_owned());
    }
    let mut context = Context::new(&SHA256);
    for name in names.lines() {
        // A file that was removed counts by its name.
        let contents = fs::read(root().join(name)).unwrap_or_default();
        context.update(format!("{name}\0{}\0", contents.len()).as_bytes());
        context.update(&contents);
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Watched files that are not as committed.
fn changed() -> Result<String, String> {
    git(&["status", "--porcelain"])
}

/// When a watched file was last changed by a commit, and when the newest commit was made.
fn newest() -> Result<[u64; 2], String> {
    let time = |text: String| text.parse().map_err(|_| format!("`{text}` is no time"));
    let head = said(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()))?;
    Ok([time(git(&["log", "-1", "--format=%ct"])?)?, time(head)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean() -> Result<String, String> {
        Ok(String::new())
    }

    fn is_tested(
        record: Option<&str>,
        changed: Result<String, String>,
        newest: Result<[u64; 2], String>,
    ) -> bool {
        matches!(judge(record, "sum", || changed, || newest), Decision::Test(_))
    }

    #[test]
    fn a_record_of_these_files_is_enough_and_one_of_others_is_not() {
        assert!(!is_tested(Some("sum"), Ok("M rootfs/init".to_owned()), Ok([5, 5])));
        assert!(is_tested(Some("other"), clean(), Ok([0, 10 * NEW_S])));
    }

    #[test]
    fn without_a_record_the_history_decides() {
        assert!(!is_tested(None, clean(), Ok([1000, 1001 + NEW_S])));
        assert!(is_tested(None, clean(), Ok([1000, 1000 + NEW_S])));
        assert!(is_tested(None, Ok(" M rootfs/init".to_owned()), Ok([0, 10 * NEW_S])));
    }

    #[test]
    fn what_cannot_be_told_is_tested() {
        assert!(is_tested(None, Err("no git".to_owned()), Ok([0, 10 * NEW_S])));
        assert!(is_tested(None, clean(), Err("no commits".to_owned())));
    }

    #[test]
    fn each_watched_file_is_there() {
        for name in WATCHED {
            assert!(root().join(name).exists(), "{name}");
        }
    }
}
