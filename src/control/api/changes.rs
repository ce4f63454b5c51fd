//! Changes of the settings, in the words of the HTTP API. Purpose: what came of one is told the
//! same way everywhere. Non-goals: which settings there are. Bound: as many errors as the
//! configuration tells at once.

use std::io::ErrorKind;

use serde::Serialize;

use crate::config::settings::{Changed, EditError, SettingsError};
use crate::config::{ConfigError, ConfigErrors};
use crate::control::api::asked::Asked;
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::{ErrorAnswer, KeyError, Problem};

/// The settings were changed and written down.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Changed"))]
pub struct SettingsChanged {
    #[cfg_attr(test, schemars(extend("const" = true)))]
    success: bool,
    message: String,
    /// Some of it takes effect when the program is restarted.
    restart_needed: bool,
    /// The settings' version now.
    revision: String,
}

/// Tells a change that was made.
pub fn done(status: u16, changed: Changed, message: impl Into<String>) -> Answer {
    let Changed { revision, restart_needed } = changed;
    let message = message.into();
    answer::json(status, &SettingsChanged { success: true, message, restart_needed, revision })
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
    let problem = match error {
        SettingsError::Changed { .. } => Problem::ChangedMeanwhile,
        SettingsError::Invalid(_) | SettingsError::Unknown => Problem::ConfigInvalid,
        SettingsError::Rejected(_) => Problem::Invalid,
        SettingsError::TooLarge => Problem::ConfigTooLarge,
        SettingsError::Link(_) | SettingsError::ReadOnly(_) => Problem::ConfigReadOnly,
        SettingsError::Disk { cause, .. } => match cause.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Problem::DiskFull,
            _ => Problem::Disk,
        },
        SettingsError::Busy => Problem::Busy,
        SettingsError::Edit(edit) => return refused_edit(edit),
    };
    let errors = match error {
        SettingsError::Invalid(errors) => key_errors(errors),
        // Lines of a file that was not written would help nobody.
        SettingsError::Rejected(errors) => errors.iter().map(key_error).collect(),
        _ => Vec::new(),
    };
    let revision = match error {
        SettingsError::Changed { revision } => Some(revision.clone()),
        _ => None,
    };
    ErrorAnswer { errors, revision, ..problem.error(error) }.answer()
}

/// Tells what is wrong with a change.
pub fn refused_edit(edit: &EditError) -> Answer {
    let problem = match edit {
        EditError::NotFound(_) => Problem::DestinationNotFound,
        EditError::Exists(_) => Problem::DestinationExists,
        EditError::Full(_) => Problem::DestinationsFull,
        EditError::Elsewhere(..) => Problem::SetElsewhere,
        EditError::Keys(_) => Problem::Invalid,
    };
    let errors = match edit {
        EditError::Keys(keys) => {
            keys.iter().cloned().map(|(key, error)| KeyError { key, error }).collect()
        }
        _ => Vec::new(),
    };
    ErrorAnswer { errors, ..problem.error(edit) }.answer()
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
