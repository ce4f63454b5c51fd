//! Whether an older system may take the place of the one that runs. Purpose: an older system has the
//! faults that the newer one mended, so the programme alone, which may have been broken into, cannot
//! order one. Somebody who knows the password, or reads the code on the machine's console, confirms
//! this one system; the daemon, which is root, checks that against what only root can write. Non-goals:
//! what is older, and what the running system excludes for good. Bounds: one system waits for its
//! confirmation, for [`WAITS`]; a wrong word costs [`WRONG_PAUSE`], in which nothing else is carried
//! out.
//!
//! The password's hash is root's own copy: the scripts take it from the configuration once, when there
//! is none, and it changes only for a caller who says the one before ([`Proof::Password`]). The
//! configuration's is the programme's to write, and is not asked.

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::package::{PackageHeader, SystemIdentity};
use super::slots::{text_of, Places};
use crate::base::limits::FIRMWARE_TEXT_BYTES_MAX;
use crate::base::redact::Secret;
use crate::system::password::PasswordHash;
use crate::system::{random, store};

/// How long a system waits for its confirmation, and may then be installed.
pub const WAITS: Duration = Duration::from_secs(15 * 60);
/// What a wrong word costs.
pub const WRONG_PAUSE: Duration = Duration::from_secs(1);
/// Root's copy of the password's hash, below `/`.
const PASSWORD: &str = "data/system/password";
/// What the console shows, in the folder of the appliance: the code, then what it is for.
const CODE: &str = "firmware.code";

/// What is said to the daemon besides orders, by somebody who knows it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "lowercase")]
pub enum Proof {
    /// The system that waits may be installed.
    Confirm {
        /// The password, or the console's code.
        confirmation: String,
    },
    /// The password is another from now on.
    Password {
        /// The one before.
        current: String,
        /// The hash of the new one.
        hash: String,
    },
}

/// What it is, and nothing of what it says.
impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Proof::Confirm { .. } => "Confirm",
            Proof::Password { .. } => "Password",
        })
    }
}

/// What is to take the running system's place: a package by all its header says, or the other slot's
/// system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// A package.
    Package(PackageHeader),
    /// What the other slot holds.
    Other(SystemIdentity),
}

impl Candidate {
    fn identity(&self) -> &SystemIdentity {
        match self {
            Candidate::Package(header) => &header.identity,
            Candidate::Other(identity) => identity,
        }
    }
}

/// Why something is not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// Nothing waits for a confirmation.
    Nothing,
    /// It is neither the password nor the code.
    Wrong,
    /// The machine cannot tell: no random numbers, no memory, no disk.
    Unavailable,
}

/// The one that waits.
#[derive(Debug)]
struct Waiting {
    candidate: Candidate,
    code: Secret,
    until: Instant,
    is_confirmed: bool,
}

/// What waits for a confirmation, or has it.
#[derive(Debug, Default)]
pub struct Downgrade(Option<Waiting>);

impl Downgrade {
    /// Whether this system has its confirmation; otherwise it waits for one from now on, and the
    /// console shows its code.
    pub fn is_confirmed(&mut self, candidate: &Candidate, places: &Places, now: Instant) -> bool {
        self.expire(places, now);
        if let Some(waiting) = self.0.as_ref().filter(|waiting| waiting.candidate == *candidate) {
            return waiting.is_confirmed;
        }
        match random::code() {
            Ok(code) => {
                let text = format!("{} for {}\n", code.expose(), candidate.identity());
                if let Err(error) = store::write_private(&places.appliance(CODE), text.as_bytes()) {
                    log::warn!("the console cannot show the code: {error}");
                }
                let (candidate, until) = (candidate.clone(), now + WAITS);
                self.0 = Some(Waiting { candidate, code, until, is_confirmed: false });
            }
            Err(error) => log::warn!("no code could be made: {error}"),
        }
        false
    }

    /// Takes somebody's word; the system it confirms.
    ///
    /// # Errors
    /// See [`Unproven`].
    pub fn confirm(
        &mut self,
        word: &str,
        places: &Places,
        now: Instant,
    ) -> Result<&SystemIdentity, Unproven> {
        self.expire(places, now);
        let waiting = self.0.as_mut().ok_or(Unproven::Nothing)?;
        let is_code = waiting.code.matches(&word.trim().to_ascii_lowercase());
        if !is_code && !is_password(word, places)? {
            return Err(Unproven::Wrong);
        }
        waiting.is_confirmed = true;
        waiting.until = now + WAITS;
        // It is used; the password may be used again.
        let _ = store::remove(&places.appliance(CODE));
        Ok(waiting.candidate.identity())
    }

    /// Forgets what has waited for too long.
    pub fn expire(&mut self, places: &Places, now: Instant) {
        if self.0.take_if(|waiting| now >= waiting.until).is_some() {
            let _ = store::remove(&places.appliance(CODE));
        }
    }
}

/// Writes down that the password is another, if the one before is right.
///
/// # Errors
/// See [`Unproven`].
pub fn change_password(current: &str, hash: &str, places: &Places) -> Result<(), Unproven> {
    let new = PasswordHash::parse(hash).map_err(|_| Unproven::Wrong)?;
    if !is_password(current, places)? {
        return Err(Unproven::Wrong);
    }
    let text = format!("{}\n", new.secret().expose());
    store::write_private(&places.below(PASSWORD), text.as_bytes())
        .map_err(|_| Unproven::Unavailable)
}

/// Whether it is the password that root knows of; where root knows of none, nothing is.
fn is_password(word: &str, places: &Places) -> Result<bool, Unproven> {
    let Ok(text) = text_of(&places.below(PASSWORD), FIRMWARE_TEXT_BYTES_MAX) else {
        return Ok(false);
    };
    let Ok(hash) = PasswordHash::parse(text.trim()) else { return Ok(false) };
    hash.verify(word).map_err(|_| Unproven::Unavailable)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::slots::tests::places;
    use super::*;
    use crate::system::password::cheap;

    fn other(version: &str) -> Candidate {
        let text = format!("version {version}\nrevision abc\nmade 1\n");
        Candidate::Other(SystemIdentity::parse(&text).unwrap())
    }

    #[test]
    fn one_system_is_confirmed_by_its_code_for_a_while() {
        let places = places("downgrade-code");
        let (mut downgrade, now) = (Downgrade::default(), Instant::now());
        let shown = || fs::read_to_string(places.appliance(CODE)).unwrap_or_default();
        assert_eq!(downgrade.confirm("x", &places, now), Err(Unproven::Nothing));
        assert!(!downgrade.is_confirmed(&other("0.0.9"), &places, now));
        let first = shown();
        let (code, what) = first.split_once(' ').unwrap();
        assert_eq!((code.len(), what), (12, "for 0.0.9 (abc)\n"));
        assert!(!downgrade.is_confirmed(&other("0.0.9"), &places, now));
        assert_eq!(shown(), first, "asking again changes no code");
        for wrong in ["", code.get(1..).unwrap(), "0.0.9", &"x".repeat(9999)] {
            assert_eq!(downgrade.confirm(wrong, &places, now), Err(Unproven::Wrong), "{wrong}");
        }
        // As a person types it.
        let typed = format!(" {}\n", code.to_ascii_uppercase());
        assert!(downgrade.confirm(&typed, &places, now).is_ok());
        assert_eq!(shown(), "");
        assert!(downgrade.is_confirmed(&other("0.0.9"), &places, now + WAITS / 2));
        // Another one is not meant by it.
        assert!(!downgrade.is_confirmed(&other("0.0.8"), &places, now));
        assert!(!downgrade.is_confirmed(&other("0.0.9"), &places, now));
        let code = shown().split_once(' ').unwrap().0.to_owned();
        assert_eq!(downgrade.confirm(&code, &places, now + WAITS), Err(Unproven::Nothing));
        assert_eq!(shown(), "", "a code that is over is not shown");
        fs::remove_dir_all(&places.root).unwrap();
    }

    #[test]
    fn the_password_is_roots_own_copy_and_changes_for_who_knows_the_one_before() {
        let places = places("downgrade-password");
        let (hash, alone) = cheap("correct horse");
        let (new, stranger) = ("$argon2id$v=19$m=8,t=1,p=1$", "no hash");
        let own = places.below(PASSWORD);
        let (mut downgrade, now) = (Downgrade::default(), Instant::now());
        assert!(!downgrade.is_confirmed(&other("0.0.9"), &places, now));
        assert_eq!(downgrade.confirm("correct horse", &places, now), Err(Unproven::Wrong));
        // What the programme can write does not count.
        let config = format!("[http]\npassword_hash = \"{}\"\n", hash.secret().expose());
        store::write(&places.below("data/config.toml"), config.as_bytes()).unwrap();
        assert_eq!(downgrade.confirm("correct horse", &places, now), Err(Unproven::Wrong));
        let text = format!("{}\n", hash.secret().expose());
        store::write_private(&own, text.as_bytes()).unwrap();
        for (current, hash) in
            [("wrong", hash.secret().expose()), ("correct horse", stranger), ("correct horse", new)]
        {
            assert_eq!(change_password(current, hash, &places), Err(Unproven::Wrong));
            assert_eq!(fs::read_to_string(&own).unwrap(), text);
        }
        assert!(downgrade.confirm("correct horse", &places, now).is_ok());
        assert!(downgrade.is_confirmed(&other("0.0.9"), &places, now));
        drop(alone);
        let (next, _alone) = cheap("battery staple");
        change_password("correct horse", next.secret().expose(), &places).unwrap();
        assert!(!downgrade.is_confirmed(&other("0.0.8"), &places, now));
        assert_eq!(downgrade.confirm("correct horse", &places, now), Err(Unproven::Wrong));
        assert!(downgrade.confirm("battery staple", &places, now).is_ok());
        fs::remove_dir_all(&places.root).unwrap();
    }
}
