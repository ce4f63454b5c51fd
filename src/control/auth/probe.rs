//! The probe's token. Purpose: `streamcaster probe`, and whatever else runs on this machine as the
//! same user, may ask and command without knowing the password: a random token lies in
//! `state/probe.token`, which only its owner may read, new at each start. Non-goal: using it, which
//! only works over loopback. Bound: one line.

use std::io;
use std::path::Path;

use crate::base::redact::{register, Secret};
use crate::system::{random, store};

/// Name of the file in the folder for remembered state.
pub const FILE_NAME: &str = "probe.token";

/// Makes the token and writes it down, whole.
///
/// # Errors
/// The disk's own, and no random bytes.
pub fn issue(state: &Path) -> io::Result<Secret> {
    let token = random::token()?;
    store::write_private(&state.join(FILE_NAME), format!("{token}\n").as_bytes())?;
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
        let first = issue(&state).unwrap();
        let second = issue(&state).unwrap();
        assert!(!first.matches(second.expose()));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", second.expose()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(&state).unwrap();
        fs::write(&state, "no folder").unwrap();
        assert!(issue(&state).is_err());
        fs::remove_file(&state).unwrap();
    }
}
