//! Changes of the settings, in the words of the HTTP API. Purpose: what came of one is told the
//! same way everywhere. Non-goals: which settings there are. Bound: as many errors as the
//! configuration tells at once.

use serde::Serialize;

use crate::config::settings::{Changed, EditError, SettingsError};
use crate::config::{ConfigError, ConfigErrors};
use crate::control::api::asked::Asked;
use crate::control::http::answer::{self, Answer};

/// A change that was made.
#[derive(Serialize)]
struct Done {
    success: bool,
    message: String,
    restart_needed: bool,
    revision: String,
}

/// Tells a change that was made.
pub fn done(status: u16, changed: Changed, message: impl Into<String>) -> Answer {
    let Changed { revision, restart_needed } = changed;
    let message = message.into();
    answer::json(status, &Done { success: true, message, restart_needed, revision })
}

/// What is wrong with one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyError {
    /// As the catalogue names it; empty when it concerns the whole.
    pub key: String,
    /// What was expected, for a person.
    pub error: String,
}

/// An error with all that is wrong.
#[derive(Serialize)]
struct Refused<'a> {
    success: bool,
    error: String,
    code: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<KeyError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
}

/// The errors of a file as it stands, each with its key and its place.
pub fn key_errors(errors: &ConfigErrors) -> Vec<KeyError> {
    let placed = |error: &ConfigError| {
        let KeyError { key, error: expected } = key_error(error);
        KeyError { key, error: format!("{} {expected}", error.place) }
    };
    errors.iter().map(placed).collect()
}

/// `[rtmp] viewers_max` is `rtmp.viewers_max` in the API.
fn key_error(error: &ConfigError) -> KeyError {
    let section = error.key.trim_start_matches('[').split_once(']');
    let key = match section {
        Some((section, key)) => format!("{section}.{}", key.trim_start_matches(']').trim()),
        None => error.key.clone(),
    };
    KeyError { key, error: error.expected.clone() }
}

/// The version a change asks for; without the quotes of RFC 9110, 8.8.3.
pub fn if_match<'a>(asked: &Asked<'a>) -> Option<&'a str> {
    let field = asked.if_match.trim().trim_matches('"');
    (!field.is_empty() && field != "*").then_some(field)
}

/// Tells why nothing was changed.
pub fn refused(error: &SettingsError) -> Answer {
    let (status, code) = match error {
        SettingsError::Changed { .. } => (412, "CHANGED_MEANWHILE"),
        SettingsError::Invalid(_) | SettingsError::Unknown => (409, "CONFIG_INVALID"),
        SettingsError::Rejected(_) => (400, "INVALID_REQUEST"),
        SettingsError::TooLarge => (409, "CONFIG_TOO_LARGE"),
        SettingsError::Link(_) | SettingsError::ReadOnly(_) => (409, "CONFIG_READ_ONLY"),
        SettingsError::Disk { cause, .. } => match cause.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                (507, "DISK_FULL")
            }
            _ => (503, "DISK_ERROR"),
        },
        SettingsError::Busy => (503, "BUSY"),
        SettingsError::Edit(edit) => return refused_edit(edit),
    };
    let errors = match error {
        SettingsError::Invalid(errors) => key_errors(errors),
        // Lines of a file that was not written would help nobody.
        SettingsError::Rejected(errors) => errors.iter().map(key_error).collect(),
        _ => Vec::new(),
    };
    let revision = match error {
        SettingsError::Changed { revision } => Some(revision.as_str()),
        _ => None,
    };
    let error = error.to_string();
    answer::json(status, &Refused { success: false, error, code, errors, revision })
}

/// Tells what is wrong with a change.
pub fn refused_edit(edit: &EditError) -> Answer {
    let (status, code) = match edit {
        EditError::NotFound(_) => (404, "DESTINATION_NOT_FOUND"),
        EditError::Exists(_) => (409, "DESTINATION_EXISTS"),
        EditError::Full(_) => (409, "DESTINATIONS_FULL"),
        EditError::Elsewhere(..) => (409, "SET_ELSEWHERE"),
        EditError::Keys(_) => (400, "INVALID_REQUEST"),
    };
    let errors = match edit {
        EditError::Keys(keys) => {
            let error = |(key, error): &(String, String)| KeyError {
                key: key.clone(),
                error: error.clone(),
            };
            keys.iter().map(error).collect()
        }
        _ => Vec::new(),
    };
    let error = edit.to_string();
    answer::json(status, &Refused { success: false, error, code, errors, revision: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn keys_are_told_as_the_catalogue_names_them() {
        let errors = config::parse("[rtmp]\nviewers_max = 0\n[input.udp]\nlisten = \"x\"\n");
        let told = key_errors(&errors.unwrap_err());
        let keys: Vec<&str> = told.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["rtmp.viewers_max", "input.udp.listen"]);
        let errors = config::parse("[[destination]]\nurl = \"x\"\n").unwrap_err();
        assert_eq!(key_errors(&errors)[0].key, "destination.url");
    }
}
