//! What of the sandbox is in force in this process, to be shown. Bound: one value, set once.

use std::fmt;
use std::sync::OnceLock;

/// What became of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Files {
    /// Confined by Landlock of that version.
    Landlock(u32),
    /// As they were before the program restarted.
    Kept,
    /// Not confined, and why.
    Open(String),
}

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The files.
    pub files: Files,
    /// How many system calls are refused, or why none are.
    pub calls: Result<usize, String>,
}

static IN_FORCE: OnceLock<InForce> = OnceLock::new();

/// What is in force in this process; nothing where nobody has asked for any of it.
pub fn in_force() -> Option<&'static InForce> {
    IN_FORCE.get()
}

/// Remembers it, the first time.
pub fn set(enter: impl FnOnce() -> InForce) -> &'static InForce {
    IN_FORCE.get_or_init(enter)
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.files {
            Files::Landlock(version) => write!(f, "files confined (Landlock {version})")?,
            Files::Kept => f.write_str("files confined as before the restart")?,
            Files::Open(why) => write!(f, "files not confined: {why}")?,
        }
        match &self.calls {
            Ok(count) => write!(f, ", {count} system calls refused (seccomp)"),
            Err(why) => write!(f, ", no system calls refused: {why}"),
        }
    }
}
