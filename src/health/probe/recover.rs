//! `--recover`: acting on what a probe found. Purpose: one at a time (a lock beside the memory),
//! each action printed and written down. Non-goals: deciding. Bounds: the memory is a short file,
//! written whole; the log is two files of [`PROBE_LOG_BYTES_MAX`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{flock, FlockOperation};
use rustix::io::Errno;

use super::asker::Asker;
use super::judged::{Finding, ProbeOutcome};
use super::plan::{Action, ProbeMemory};
use super::restart;
use crate::base::limits::PROBE_LOG_BYTES_MAX;
use crate::system::text::one_line;
use crate::system::{clock, store};

const LOCK: &str = "probe.lock";
const MEMORY: &str = "probe.json";
const LOG: &str = "probe.log";
/// How long a rotation waits for a probe to be done: so many times this pause.
const ROTATE_LOCK_TRIES: u32 = 50;
const ROTATE_LOCK_PAUSE: Duration = Duration::from_millis(200);

/// What one of them said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationSaid {
    /// When, seconds of the epoch.
    pub at_s: u64,
    /// The exit code.
    pub code: u8,
    /// The line.
    pub line: String,
}

/// Probes and acts, unless another one does; `dry`: only says what it would do.
pub(super) fn run(asker: &Asker, dry: bool) -> (ProbeOutcome, String) {
    let locked = lock(&asker.state);
    let mut memory = recall(&asker.state);
    let _locked = match locked {
        Ok(Some(file)) => Some(file),
        Ok(None) => {
            let line = format!("another probe is running; the last result: {}", memory.last_line);
            return (ProbeOutcome::of_code(memory.last_code), one_line(&line));
        }
        // A disk that cannot be written to: it is still told how the program does.
        Err(_) => None,
    };
    let finding = asker.health();
    let actions = memory.plan(&finding, clock::utc().0 / 1000);
    let done: Vec<String> = actions
        .iter()
        .map(|action| match dry {
            true => format!("would {}", words(action)),
            false => carry_out(asker, action),
        })
        .collect();
    let Finding { outcome, line, .. } = finding;
    let line = one_line(&[vec![line], done.clone()].concat().join("; "));
    let changed = memory.last_code != outcome.code();
    (memory.last_code, memory.last_line) = (outcome.code(), line.clone());
    memory.last_s = clock::utc().0 / 1000;
    if !dry {
        let json = serde_json::to_vec(&memory).unwrap_or_default();
        let written = store::write(&asker.state.join(MEMORY), &json);
        if let Err(error) = written {
            let line = format!("{line}; the probe's state cannot be saved: {error}");
            return (outcome, one_line(&line));
        }
        // One line a minute would leave no room for those that matter.
        let news = changed.then_some(&line).filter(|_| done.is_empty());
        for words in done.iter().chain(news) {
            // A log that cannot be written is no reason not to act; the line is printed as well.
            let _ = append(&asker.logs, words);
        }
    }
    (outcome, line)
}

/// The day's rotation; what came of it is remembered beside what probes found.
pub(super) fn rotate(asker: &Asker) -> (ProbeOutcome, String) {
    let asked = post(asker, "/api/maintenance", r#"{"action":"rotate_daily"}"#);
    let (outcome, line) = match asked {
        Ok(words) => (ProbeOutcome::Healthy, words),
        Err(why) => (ProbeOutcome::Degraded, format!("the log is not rotated: {why}")),
    };
    let line = one_line(&line);
    let _ = append(&asker.logs, &line);
    // A probe is done within seconds.
    let held = (0..ROTATE_LOCK_TRIES).find_map(|_| match lock(&asker.state) {
        Ok(Some(file)) => Some(file),
        Ok(None) => {
            thread::sleep(ROTATE_LOCK_PAUSE);
            None
        }
        Err(_) => None,
    });
    if held.is_some() {
        let mut memory = recall(&asker.state);
        (memory.rotated_code, memory.rotated_line) = (outcome.code(), line.clone());
        memory.rotated_s = clock::utc().0 / 1000;
        let json = serde_json::to_vec(&memory).unwrap_or_default();
        // On a disk that cannot be written to the line is printed all the same.
        let _ = store::write(&asker.state.join(MEMORY), &json);
    }
    (outcome, line)
}

/// What the last probe that may act and the last rotation said, by what they left in the folder of
/// remembered state. Waits for the disk.
pub fn said(state: &Path) -> (Option<DestinationSaid>, Option<DestinationSaid>) {
    let ProbeMemory { last_s, last_code, last_line, rotated_s, rotated_code, rotated_line, .. } =
        recall(state);
    let said = |at_s, code, line: String| {
        (!line.is_empty()).then(|| DestinationSaid { at_s, code, line: one_line(&line) })
    };
    (said(last_s, last_code, last_line), said(rotated_s, rotated_code, rotated_line))
}

/// Nothing: another one holds it.
fn lock(state: &Path) -> io::Result<Option<File>> {
    fs::create_dir_all(state)?;
    let path = state.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What cannot be read is forgotten: the count of strikes begins again.
fn recall(state: &Path) -> ProbeMemory {
    let bytes = store::read(&state.join(MEMORY)).ok().flatten();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn words(action: &Action) -> String {
    match action {
        Action::Restart(why) => format!("restart, because {why}"),
        Action::RotateLogs => "rotate the logs".to_owned(),
        Action::Destination(name) => format!("restart destination {name}"),
        Action::Input(name) => format!("restart input {name}"),
    }
}

fn carry_out(asker: &Asker, action: &Action) -> String {
    let asked = match action {
        Action::Restart(_) => restart::end(&asker.state),
        Action::RotateLogs => post(asker, "/api/maintenance", r#"{"action":"rotate_logs"}"#),
        Action::Destination(name) => {
            post(asker, &format!("/api/destinations/{}/restart", encoded(name)), "")
        }
        Action::Input(name) => post(asker, &format!("/api/inputs/{name}/restart"), ""),
    };
    match asked {
        Ok(outcome) => one_line(&format!("{}: {outcome}", words(action))),
        Err(why) => one_line(&format!("{}: failed: {why}", words(action))),
    }
}

fn post(asker: &Asker, path: &str, body: &str) -> Result<String, String> {
    let (status, answer) = asker.ask("POST", path, body)?;
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
    let said = |key: &str| answer.get(key).and_then(|words| words.as_str()).unwrap_or_default();
    match status {
        200..=299 => Ok(said("message").to_owned()),
        status => Err(format!("{status} {}", said("error"))),
    }
}

/// A name in a path (RFC 3986, 2.1).
fn encoded(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte));
            }
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    path
}

fn append(logs: &Path, words: &str) -> io::Result<()> {
    fs::create_dir_all(logs)?;
    let path = logs.join(LOG);
    if fs::metadata(&path).is_ok_and(|file| file.len() >= PROBE_LOG_BYTES_MAX) {
        fs::rename(&path, logs.join(format!("{LOG}.1")))?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{} {words}\n", clock::utc()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_for_a_path() {
        assert_eq!(encoded("a-b_c.d~1"), "a-b_c.d~1");
        assert_eq!(encoded("a b/ü\n?"), "a%20b%2F%C3%BC%0A%3F");
    }

    #[test]
    fn the_probes_log_has_two_files_at_most() {
        let logs = std::env::temp_dir().join(format!("probe-log-{}", std::process::id()));
        let _ = fs::remove_dir_all(&logs);
        let long = "x".repeat(usize::try_from(PROBE_LOG_BYTES_MAX).expect("small") / 2);
        for _ in 0..9 {
            append(&logs, &long).expect("written");
        }
        let names = fs::read_dir(&logs).expect("a folder").count();
        assert_eq!(names, 2);
        assert!(fs::metadata(logs.join(LOG)).expect("there").len() < 2 * PROBE_LOG_BYTES_MAX);
        fs::remove_dir_all(logs).expect("removed");
    }
}
