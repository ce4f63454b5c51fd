//! The probe's token. Purpose: `streamcaster probe`, and whatever else runs on this machine as the
//! same user, may ask and command without knowing the password: a random token lies in memory
//! ([`runtime`](crate::system::runtime)) where the system has a folder for that, else in
//! `state/probe.token`, which only its owner may read, new at each start. Non-goal: using it, which
//! only works over loopback. Bound: one line.

use std::io;
use std::path::Path;

use crate::base::redact::{register, Secret};
use crate::system::{random, store};

/// Name of the file in the folder for remembered state.
pub const FILE_NAME: &str = "probe.token";

/// Makes the token and writes it down, whole: in memory, where there is a place for it, else on the
/// disk, which may be full.
///
/// # Errors
/// The disk's own, and no random bytes.
pub fn issue(state: &Path, memory: Option<&Path>) -> io::Result<Secret> {
    let token = random::token()?;
    let (line, on_disk) = (format!("{token}\n"), state.join(FILE_NAME));
    let is_in_memory = memory.is_some_and(|path| {
        let written = store::write_private(path, line.as_bytes());
        // The other one would be found, and is good for nothing any more.
        let stale = if written.is_ok() { &on_disk } else { path };
        let _ = store::remove(stale);
        written.is_ok()
    });
    if !is_in_memory {
        store::write_private(&on_disk, line.as_bytes())?;
    }
    let token = Secret::new(token);
    register(&token);
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_its_owner_may_read_it_and_each_start_has_another() {
        let state = std::env::temp_dir().join(format!("probe-token-{}", std::process::id()));
        let path = state.join(FILE_NAME);
        fs::create_dir_all(&state).unwrap();
        fs::write(&path, "old").unwrap();
        let first = issue(&state, None).unwrap();
        let second = issue(&state, None).unwrap();
        assert!(!first.matches(second.expose()));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", second.expose()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(&state).unwrap();
        fs::write(&state, "no folder").unwrap();
        assert!(issue(&state, None).is_err());
        fs::remove_file(&state).unwrap();
    }

    #[test]
    fn a_disk_that_takes_nothing_does_not_matter_where_memory_does() {
        let base = std::env::temp_dir().join(format!("probe-memory-{}", std::process::id()));
        let (state, memory) = (base.join("state"), base.join("data.token"));
        fs::create_dir_all(&state).unwrap();
        issue(&state, None).unwrap();
        let token = issue(&state, Some(&memory)).unwrap();
        assert_eq!(fs::read_to_string(&memory).unwrap(), format!("{}\n", token.expose()));
        assert!(!state.join(FILE_NAME).exists(), "the one before is found first");
        fs::remove_dir_all(&state).unwrap();
        fs::write(&state, "a full disk").unwrap();
        let token = issue(&state, Some(&memory)).unwrap();
        assert_eq!(fs::read_to_string(&memory).unwrap(), format!("{}\n", token.expose()));
        // Memory that takes nothing leaves the disk.
        fs::remove_file(&state).unwrap();
        fs::create_dir_all(base.join("data.token.new")).unwrap();
        issue(&state, Some(&memory)).unwrap();
        assert!(state.join(FILE_NAME).exists() && !memory.exists());
        fs::remove_dir_all(&base).unwrap();
    }
}
