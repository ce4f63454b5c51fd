//! A peer's process: its output kept in files, killed when the test is done with it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::wait;

/// A running tool.
pub struct Tool {
    child: Child,
    log: PathBuf,
}

impl Tool {
    /// Starts it; what it prints goes to `<name>.log` in `folder`.
    pub fn start(command: &mut Command, folder: &Path, name: &str) -> Tool {
        let log = folder.join(format!("{name}.log"));
        let out = File::create(&log).expect("a log file beside the test's other files");
        let err = out.try_clone().expect("the same file twice");
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{name} does not start ({error}): `cargo xtask setup` installs it")
        });
        Tool { child, log }
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its end, if it ends in time.
    pub fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait::poll(limit, || self.child.try_wait().expect("a child of this process"))
    }

    /// Asks it to end as Ctrl-C would, so that it closes its files, and waits for that.
    pub fn interrupt(&mut self) {
        signal(self.child.id(), "INT");
        let ended = self.ended(wait::seconds(10));
        assert!(ended.is_some(), "does not end on SIGINT:\n{}", self.output());
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal by name to a process of this test.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{name} {pid}");
}

/// Runs a tool to its end; whether it ended well, and all it printed.
pub fn output_of(command: &mut Command) -> (bool, String) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!("{command:?} does not start ({error}): `cargo xtask setup` installs it")
    });
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}
