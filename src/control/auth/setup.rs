//! The first start's code. Purpose: anybody who reads it off the machine's console may have the password
//! that was made for the first start, once, without typing it. The code dies when it is used, when
//! it is [`SETUP_MS_MAX`] old, and as soon as there is another password. Non-goals: making it, which
//! the appliance's scripts do. Bound: one short file, `state/setup`: a line each for the code, the
//! password, the password's hash, and the second of the epoch it was made in.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::limits::{PASSWORD_BYTES_MAX, SETUP_CODE_BYTES_MIN};
use crate::base::redact::{register, Secret};
use crate::base::time::{Mono, Utc};
use crate::system::password::PasswordHash;
use crate::system::store;

/// The first start's code is good for so long.
const SETUP_MS_MAX: u64 = 24 * 3_600_000;
/// Name of the file in the folder for remembered state.
pub const FILE_NAME: &str = "setup";
/// No machine was set up before the first second of 2025: a clock that says so is not set yet.
const CLOCK_SET_S: u64 = 1_735_689_600;

/// A code that has not been used.
pub struct Setup {
    path: PathBuf,
    code: Secret,
    password: Secret,
    /// The password's hash as the configuration had it when the code was made.
    hash: Secret,
    /// When it was made, seconds of the epoch.
    made_s: u64,
    /// It dies then at the latest, whatever the clock says.
    until: Mono,
}

impl Setup {
    /// Reads the file, if there is one. What is no code is removed.
    pub fn load(state: &Path, now: Mono) -> Option<Setup> {
        let path = state.join(FILE_NAME);
        let bytes = store::read(&path).unwrap_or_else(|_| Some(Vec::new()))?;
        let setup = String::from_utf8(bytes).ok().and_then(|text| Setup::parse(&path, &text, now));
        if setup.is_none() {
            // One that cannot be removed is not understood the next time either.
            let _ = store::remove(&path);
        }
        setup
    }

    fn parse(path: &Path, text: &str, now: Mono) -> Option<Setup> {
        let mut lines = text.lines();
        let mut line = || lines.next().filter(|line| !line.is_empty());
        let (code, password, hash, made) = (line()?, line()?, line()?, line()?);
        if code.len() < SETUP_CODE_BYTES_MIN || password.len() > PASSWORD_BYTES_MAX {
            return None;
        }
        let secrets = [code, password, hash].map(Secret::new);
        secrets.iter().for_each(register);
        let [code, password, hash] = secrets;
        let until = now + Duration::from_millis(SETUP_MS_MAX);
        Some(Setup {
            path: path.to_owned(),
            code,
            password,
            hash,
            made_s: made.parse().ok()?,
            until,
        })
    }

    /// Whether its time is over, or another password is in force.
    pub fn is_over(&self, password: Option<&PasswordHash>, now: Mono, utc: Utc) -> bool {
        let same = password.is_some_and(|hash| hash.secret().matches(self.hash.expose()));
        let age_s = (utc.0 / 1000).saturating_sub(self.made_s);
        // Until the clock is set, only the time that has passed is known.
        let dated = self.made_s >= CLOCK_SET_S;
        !same || now >= self.until || (dated && age_s >= SETUP_MS_MAX / 1000)
    }

    /// Writes down when it was made, once the clock is set; a clock that was ahead is put right, too.
    pub fn date(&mut self, utc: Utc) {
        let now_s = utc.0 / 1000;
        let unset = self.made_s < CLOCK_SET_S || self.made_s > now_s;
        if !unset || now_s < CLOCK_SET_S {
            return;
        }
        self.made_s = now_s;
        let [code, password, hash] =
            [&self.code, &self.password, &self.hash].map(|secret| secret.expose());
        let text = format!("{code}\n{password}\n{hash}\n{now_s}\n");
        // On a disk that cannot be written to it dies with this run.
        let _ = store::write_private(&self.path, text.as_bytes());
    }

    /// Whether a caller's word is the code; takes the same time wherever they differ.
    pub fn matches(&self, code: &str) -> bool {
        self.code.matches(code)
    }

    /// The password, to be told once the file is gone.
    pub fn password(&self) -> &Secret {
        &self.password
    }

    /// Removes the file: afterwards nobody can use the code again.
    ///
    /// # Errors
    /// The disk's own; the code is still good then.
    pub fn remove(&self) -> io::Result<()> {
        store::remove(&self.path)
    }
}

#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
