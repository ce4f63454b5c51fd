//! The settings in the words of the HTTP API. Purpose: the catalogue with what each is and who said
//! so, and changes of any of them, all or none. Non-goals: destinations, the password. Bound: the
//! catalogue.

use serde::Serialize;

use crate::base::limits::CONFIG_ERRORS_MAX;
use crate::config::catalogue::{self, KEYS};
use crate::config::settings::{self, EditError, Settings, SettingsError, SettingsFile};
use crate::config::{SetBy, Setting, Value};
use crate::control::api::asked::Asked;
use crate::control::api::changes;
use crate::control::api::fields::{Fields, Given};
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::KeyError;

#[derive(Serialize)]
struct List<'a> {
    revision: &'a str,
    restart_needed: bool,
    settings: Vec<Told>,
    /// What is wrong with the file, after somebody edited it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<KeyError>,
}

#[derive(Serialize)]
struct Told {
    key: &'static str,
    value: Value,
    default: Value,
    kind: &'static str,
    unit: &'static str,
    min: Option<u64>,
    max: Option<u64>,
    choices: &'static [&'static str],
    restart: bool,
    set_by: SetBy,
}

/// `GET /api/settings`.
pub fn list(settings: &Settings) -> Result<Answer, Answer> {
    let sight = settings.look().map_err(|error| changes::refused(&error))?;
    let default = settings.defaults();
    let told = |setting: &Setting| {
        let limits = setting.kind.limits();
        Told {
            key: setting.key,
            value: setting.read(&sight.config),
            default: setting.read(&default),
            kind: setting.kind.name(),
            unit: setting.measure.name(),
            min: limits.map(|(min, _)| min),
            max: limits.map(|(_, max)| max),
            choices: setting.kind.choices(),
            restart: setting.restart,
            set_by: settings.set_by(setting, &sight),
        }
    };
    Ok(answer::json(
        200,
        &List {
            revision: &sight.revision,
            restart_needed: settings.needs_restart(&sight.config),
            settings: catalogue::listed().map(told).collect(),
            errors: sight.errors.as_ref().map(changes::key_errors).unwrap_or_default(),
        },
    ))
}

/// `PATCH /api/settings`.
pub fn change(asked: &Asked<'_>, settings: &Settings) -> Result<Answer, Answer> {
    let fields = Fields::read(asked.body, &KEYS)?;
    let mut values: Vec<(String, Value)> = fields
        .given()
        .take(CONFIG_ERRORS_MAX)
        .map(|(key, given)| (key.to_owned(), value(given)))
        .collect();
    if let Some(unknown) = fields.unknown() {
        // The sentence about it names it; a stranger's words are cut.
        values.push((unknown.chars().take(64).collect(), Value::None));
    }
    let sight = settings.look().map_err(|error| changes::refused(&error))?;
    for (key, _) in &values {
        let Some(setting) = catalogue::find(key) else { continue };
        let place = match settings.set_by(setting, &sight) {
            SetBy::Environment => "the environment",
            SetBy::Argument => "an argument on the command line",
            SetBy::Default | SetBy::File => continue,
        };
        return Err(changes::refused_edit(&EditError::Elsewhere(key.clone(), place)));
    }
    let changed =
        settings.change(changes::if_match(asked), |document| settings::put(document, &values));
    let changed = changed.map_err(|error| changes::refused(&error))?;
    let message = match changed.restart_needed {
        true => "The settings are changed; some take effect when the program is restarted.",
        false => "The settings are changed and in effect.",
    };
    Ok(changes::done(200, changed, message))
}

/// A field's value as a setting's.
fn value(given: Given<'_>) -> Value {
    match given {
        Given::Null => Value::None,
        Given::Flag(flag) => Value::Boolean(flag),
        Given::Whole(number) => Value::Integer(number),
        Given::Text(text) => Value::Text(text.to_owned()),
        Given::Texts(texts) => Value::List(texts.to_vec()),
        Given::Other => Value::Other,
    }
}

/// `POST /api/restart`. Not with a file that the program would not start with: what is on air
/// would end, and nothing begin.
pub fn restart(settings: &Settings) -> Result<Answer, Answer> {
    #[derive(Serialize)]
    struct Restarting {
        success: bool,
        message: &'static str,
    }
    match settings.look() {
        Ok(SettingsFile { errors: Some(errors), .. }) => {
            return Err(changes::refused(&SettingsError::Invalid(errors)));
        }
        // One that is too large to be changed here may still be read by a program that starts.
        Ok(_) | Err(SettingsError::TooLarge) => {}
        Err(error) => return Err(changes::refused(&error)),
    }
    settings.ask_restart();
    let message = "The program ends its sessions and restarts.";
    Ok(answer::json(200, &Restarting { success: true, message }))
}
