//! Why a setting was not changed. No secret is ever in here.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::base::limits::CONFIG_CHANGED_BYTES_MAX;
use crate::config::ConfigErrors;

/// Why nothing was changed.
#[derive(Debug)]
pub enum SettingsError {
    /// The file has another version than was asked for.
    Changed {
        /// The one it has.
        revision: String,
    },
    /// The file is not valid as it is, before any change.
    Invalid(ConfigErrors),
    /// The file would not be valid with the change.
    Rejected(ConfigErrors),
    /// The edit itself.
    Edit(EditError),
    /// The file is, or would be, larger than may be read while the program runs.
    TooLarge,
    /// The file is a link.
    Link(PathBuf),
    /// The file must not be written.
    ReadOnly(PathBuf),
    /// The disk refuses.
    Disk {
        /// What could not be read or written.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is no text, or none that can be edited.
    Unknown,
    /// Another change is under way.
    Busy,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::Changed { revision } => write!(
                f,
                "The settings were changed meanwhile (they are at {revision} now); look at them \
                 again, then repeat the change."
            ),
            SettingsError::Invalid(errors) => write!(
                f,
                "config.toml was edited and is not valid; correct it first: {}",
                first(errors)
            ),
            SettingsError::Rejected(errors) => {
                let told = errors.iter().next();
                let told = told.map(|error| format!("{}: {}", error.key, error.expected));
                write!(f, "This cannot be set: {}.", told.unwrap_or_default())
            }
            SettingsError::Edit(error) => write!(f, "{error}"),
            SettingsError::TooLarge => write!(
                f,
                "config.toml has more than {CONFIG_CHANGED_BYTES_MAX} bytes and is not changed \
                 while the program runs; shorten its comments."
            ),
            SettingsError::Link(path) => write!(
                f,
                "{} is a link and would be replaced by a file; put the file itself there.",
                path.display()
            ),
            SettingsError::ReadOnly(path) => write!(
                f,
                "{} is write-protected; allow writing (chmod u+w) to change settings here.",
                path.display()
            ),
            SettingsError::Disk { path, cause } => {
                let remedy = match cause.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        "the disk is full: delete videos or old logs"
                    }
                    io::ErrorKind::ReadOnlyFilesystem => "the disk is mounted read-only",
                    io::ErrorKind::PermissionDenied => {
                        "the program may not write there: correct the folder's owner or mode"
                    }
                    _ => "look at the disk",
                };
                write!(f, "{}: {cause}; {remedy}. Nothing was changed.", path.display())
            }
            SettingsError::Unknown => {
                write!(f, "config.toml is no UTF-8 text in TOML; correct it first.")
            }
            SettingsError::Busy => {
                write!(f, "Another change is still being written; try again in a moment.")
            }
        }
    }
}

impl std::error::Error for SettingsError {}

/// The first of the errors, and how many there are besides.
fn first(errors: &ConfigErrors) -> String {
    let told = errors.iter().next().map(ToString::to_string).unwrap_or_default();
    match errors.iter().count() {
        0 | 1 => told,
        more => format!("{told} (and {} more)", more - 1),
    }
}

/// What is wrong with a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditError {
    /// There is no destination of this name.
    NotFound(String),
    /// There is one already.
    Exists(String),
    /// There are so many that no more may be added.
    Full(usize),
    /// The environment or the command line says it; what: a destination or key, and where.
    Elsewhere(String, &'static str),
    /// Keys with what was expected of each.
    Keys(Vec<(String, String)>),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EditError::NotFound(name) => {
                write!(f, "There is no destination {name}; GET /api/destinations lists them.")
            }
            EditError::Exists(name) => {
                write!(f, "There is a destination {name} already; choose another name.")
            }
            EditError::Full(most) => write!(
                f,
                "There are {most} destinations already; remove one, or raise \
                 rtmp.destinations_max and restart."
            ),
            EditError::Elsewhere(what, place) => {
                write!(f, "{what} is set by {place}; change it there and restart.")
            }
            EditError::Keys(keys) => {
                let told = keys.first().map(|(key, why)| format!("{key}: {why}"));
                write!(f, "This cannot be set: {}.", told.unwrap_or_default())
            }
        }
    }
}
