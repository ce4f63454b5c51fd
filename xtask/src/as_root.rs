//! How this user does what only root may.

use std::process::Command;

use crate::step::answers;

/// How this user runs a command as root.
pub struct AsRoot(Vec<&'static str>);

impl AsRoot {
    /// The command, which is given its arguments next.
    pub fn command(&self, program: &str) -> Command {
        let mut words = self.0.iter();
        let mut command = Command::new(words.next().unwrap_or(&"env"));
        command.args(words).arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin").arg(program);
        command
    }
}

/// Whether and how this user may do what only root may, without a password.
pub fn as_root() -> Option<AsRoot> {
    apt_prefix().map(AsRoot)
}

/// The words before `apt-get` with which this user may install, if there are any.
pub fn apt_prefix() -> Option<Vec<&'static str>> {
    if !answers("apt-get", &["--version"]) {
        return None;
    }
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(vec!["env"]);
    }
    answers("sudo", &["-n", "true"]).then(|| vec!["sudo", "-n", "env"])
}
