//! The settings in the words of the HTTP API. Purpose: the catalogue with what each is and who said
//! so, and changes of any of them, all or none. Non-goals: destinations, the password. Bound: the
//! catalogue.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::base::limits::{CONFIG_ERRORS_MAX, PLAYLIST_FILES_MAX};
use crate::config::catalogue::{self, KEYS};
use crate::config::settings::{self, EditError, Settings, SettingsError, SettingsFile};
#[cfg(test)]
use crate::config::Kind;
use crate::config::{SetBy, Setting, Value};
use crate::control::api::asked::Asked;
use crate::control::api::body;
use crate::control::api::changes;
#[cfg(test)]
use crate::control::api::changes::SettingsChanged;
#[cfg(test)]
use crate::control::api::document::Document;
use crate::control::api::done::done;
#[cfg(test)]
use crate::control::api::done::CarriedOut;
#[cfg(test)]
use crate::control::api::schemas;
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::KeyError;
#[cfg(test)]
use serde_json::{json, Value as Json};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Settings"))]
struct List<'a> {
    /// The version, for If-Match.
    revision: &'a str,
    restart_needed: bool,
    settings: Vec<Told>,
    /// What is wrong with the file, after somebody edited it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<KeyError>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Setting"))]
struct Told {
    /// Section and key.
    key: &'static str,
    /// A secret's is ••••1a2b.
    #[cfg_attr(test, schemars(with = "schemas::SettingValue"))]
    value: Value,
    /// Without the file.
    #[cfg_attr(test, schemars(with = "schemas::SettingValue"))]
    default: Value,
    #[cfg_attr(test, schemars(extend("enum" = ["integer", "boolean", "text", "choice", "list", "secret"])))]
    kind: &'static str,
    unit: &'static str,
    min: Option<u64>,
    max: Option<u64>,
    choices: &'static [&'static str],
    /// It takes effect when the program is restarted.
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

/// Values by key: each that is a setting's, and the first that is none's.
struct SettingsRequest(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for SettingsRequest {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<SettingsRequest, D::Error> {
        json.deserialize_struct("Settings", &KEYS, Keys).map(SettingsRequest)
    }
}

/// Reads the values.
struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings by their keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut values, mut unknown): (Self::Value, _) = (Vec::new(), None);
        while let Some(key) = map.next_key::<String>()? {
            if !KEYS.iter().any(|known| *known == key) {
                map.next_value::<IgnoredAny>()?;
                // The sentence about it names it; a stranger's words are cut.
                unknown.get_or_insert_with(|| (key.chars().take(64).collect(), Value::None));
            } else if values.iter().any(|(known, _)| *known == key) {
                return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
            } else {
                values.push((key, map.next_value_seed(AnyValue)?));
            }
        }
        values.truncate(CONFIG_ERRORS_MAX);
        values.extend(unknown);
        Ok(values)
    }
}

/// Reads a value of any type a setting may have.
#[derive(Clone, Copy)]
struct AnyValue;

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(body::whole_number(value).map_or(Value::Other, Value::Integer))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(item) = list.next_element_seed(self)? {
            match item {
                Value::Text(text) if texts.len() < PLAYLIST_FILES_MAX => texts.push(text),
                _ => {
                    while list.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(Value::Other);
                }
            }
        }
        Ok(Value::List(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

/// `PATCH /api/settings`.
pub fn change(asked: &Asked<'_>, settings: &Settings) -> Result<Answer, Answer> {
    let SettingsRequest(values) = body::read(asked.body)?;
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

/// `POST /api/restart`. Not with a file that the program would not start with: what is on air
/// would end, and nothing begin.
pub fn restart(settings: &Settings) -> Result<Answer, Answer> {
    match settings.look() {
        Ok(SettingsFile { errors: Some(errors), .. }) => {
            return Err(changes::refused(&SettingsError::Invalid(errors)));
        }
        // One that is too large to be changed here may still be read by a program that starts.
        Ok(_) | Err(SettingsError::TooLarge) => {}
        Err(error) => return Err(changes::refused(&error)),
    }
    settings.ask_restart();
    Ok(done("The program ends its sessions and restarts."))
}

/// What a value of this setting may be.
#[cfg(test)]
fn schema_of(setting: &Setting) -> Json {
    let mut schema = match setting.kind {
        Kind::Integer(min, max) => {
            json!({ "type": ["integer", "null"], "minimum": min, "maximum": max })
        }
        Kind::Boolean => json!({ "type": ["boolean", "null"] }),
        Kind::Text => json!({ "type": ["string", "null"] }),
        Kind::Choice(names) => {
            let names: Vec<_> = names.iter().map(|name| json!(name)).collect();
            json!({ "enum": ([names, vec![Json::Null]].concat()) })
        }
        Kind::List(_, max) => {
            json!({ "type": ["array", "null"], "items": { "type": "string" }, "maxItems": max })
        }
        // No text of so many bytes has more characters.
        Kind::Secret(_, max) => json!({ "type": ["string", "null"], "maxLength": max }),
    };
    if !setting.measure.name().is_empty() {
        schema["description"] = setting.measure.name().into();
    }
    schema
}

/// What the API's document says of them.
#[cfg(test)]
pub fn describe(document: &mut Document) {
    let properties: serde_json::Map<_, _> =
        catalogue::listed().map(|setting| (setting.key.to_owned(), schema_of(setting))).collect();
    let schema = json!({
        "type": "object", "properties": properties, "propertyNames": { "enum": *KEYS },
    });
    let changed = json!({
        "success": true, "message": "The settings are changed and in effect.",
        "restart_needed": false, "revision": "5d1f0c2a9b3e",
    });
    let restarting =
        json!({ "success": true, "message": "The program ends its sessions and restarts." });
    document
        .operation(
            "GET /api/settings",
            "settings",
            "settings",
            "Every setting, what it is and who said so",
        )
        .answers::<List<'_>>(200, "The catalogue", Json::Null)
        .refuses(&[409]);
    document
        .operation(
            "PATCH /api/settings",
            "settings",
            "changeSettings",
            "Changes settings, all or none",
        )
        .about("Keys as GET tells them; null is back to the default.")
        .if_match()
        .takes_schema(schema, &[("", json!({ "programme.silence_ms": 700, "log.level": null }))])
        .answers::<SettingsChanged>(200, "Done", changed)
        .refuses(&[409, 507]);
    document
        .operation(
            "POST /api/restart",
            "system",
            "restart",
            "Ends all sessions politely and restarts",
        )
        .answers::<CarriedOut>(200, "It restarts", restarting)
        .refuses(&[409]);
}
