//! Every setting there is: what it is called, what it may be, what it is, who said so. Purpose:
//! one list for the page, the API and its documentation. Non-goals: validation, which is the
//! configuration's; both take their limits from the same numbers. Destinations and the password
//! have calls of their own.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Serialize;
use toml_edit::DocumentMut;

use super::document;
use super::error::EditError;
use crate::base::limits::{
    ALLOWED_NETWORKS_MAX, DESTINATIONS_MAX, HEALTH_S_MAX, LOG_FILES_MAX, LOG_FILE_BYTES_MAX,
    LOG_FILE_BYTES_MIN, PLAY_KEY_BYTES_MIN, PUBLISH_KEY_BYTES_MIN, RING_BYTES_MAX, RING_BYTES_MIN,
    RTMP_NAME_BYTES_MAX, SILENCE_MS_MAX, SILENCE_MS_MIN, UDP_RECEIVE_BUFFER_BYTES_MAX,
    UDP_RECEIVE_BUFFER_BYTES_MIN, VIEWERS_MAX, VIEWER_BATCH_MS_MAX,
};
use crate::base::redact::{Secret, MASK};
use crate::config::{Arguments, Config, RequireKey, WhenOffered};
use crate::net::network::Network;

/// What a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within limits.
    Integer(u64, u64),
    /// True or false.
    Boolean,
    /// A text.
    Text,
    /// One of these.
    Choice(&'static [&'static str]),
    /// A list of so many texts.
    List(usize, usize),
    /// A text of so many bytes that is never shown.
    Secret(usize, usize),
}

impl Kind {
    /// The name the API uses.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Integer(..) => "integer",
            Kind::Boolean => "boolean",
            Kind::Text => "text",
            Kind::Choice(_) => "choice",
            Kind::List(..) => "list",
            Kind::Secret(..) => "secret",
        }
    }

    /// Its limits.
    pub const fn limits(self) -> Option<(u64, u64)> {
        match self {
            Kind::Integer(min, max) => Some((min, max)),
            Kind::List(min, max) | Kind::Secret(min, max) => Some((min as u64, max as u64)),
            Kind::Boolean | Kind::Text | Kind::Choice(_) => None,
        }
    }
}

/// A setting's value; a secret's is what may be shown of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// There is none.
    None,
    /// A whole number.
    Integer(u64),
    /// True or false.
    Boolean(bool),
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// Something that no setting can be.
    Other,
}

/// Who has said what a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// Nobody.
    Default,
    /// The file.
    File,
    /// The environment.
    Environment,
    /// The command line.
    Argument,
}

impl SetBy {
    /// The name the API uses.
    pub const fn name(self) -> &'static str {
        match self {
            SetBy::Default => "default",
            SetBy::File => "file",
            SetBy::Environment => "environment",
            SetBy::Argument => "argument",
        }
    }
}

/// One setting.
pub struct Setting {
    /// Section and key, `programme.silence_ms`.
    pub key: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Its unit; empty when it has none.
    pub unit: &'static str,
    /// It takes effect only when the program begins anew.
    pub restart: bool,
    /// What it is in a configuration.
    pub read: fn(&Config) -> Value,
    /// Variables of the environment that go over the file.
    environment: &'static [&'static str],
    /// The argument that goes over both.
    argument: Option<fn(&Arguments) -> bool>,
}

/// A setting for which a restart is needed and that only the file says.
const fn setting(key: &'static str, kind: Kind, read: fn(&Config) -> Value) -> Setting {
    Setting { key, kind, unit: "", restart: true, read, environment: &[], argument: None }
}

const LEVELS: Kind = Kind::Choice(&["error", "warn", "info", "debug", "trace", "off"]);

/// All of them, in the order a person reads them.
pub static SETTINGS: [Setting; 41] = [
    Setting {
        restart: false,
        ..setting("appliance.name", Kind::Text, |c| {
            let name = c.appliance.name;
            name.map_or(Value::None, |name| Value::Text(name.as_str().to_owned()))
        })
    },
    Setting {
        unit: "ms",
        restart: false,
        ..setting("programme.silence_ms", Kind::Integer(SILENCE_MS_MIN, SILENCE_MS_MAX), |c| {
            Value::Integer(ms(c.programme.silence))
        })
    },
    setting("programme.fill_audio", Kind::Boolean, |c| Value::Boolean(c.programme.fill_audio)),
    Setting {
        unit: "MiB",
        ..setting(
            "programme.ring_mib",
            Kind::Integer((RING_BYTES_MIN >> 20) as u64, (RING_BYTES_MAX >> 20) as u64),
            |c| Value::Integer((c.programme.ring_bytes >> 20) as u64),
        )
    },
    Setting {
        environment: &["UDP_HOST", "UDP_PORT"],
        argument: Some(|a| a.udp.is_some()),
        ..setting("input.udp.listen", Kind::Text, |c| Value::Text(c.udp.listen.to_string()))
    },
    setting("input.udp.interface", Kind::Text, |c| {
        c.udp.interface.as_ref().map_or(Value::None, |it| Value::Text(it.to_string()))
    }),
    setting("input.udp.allow", Kind::List(1, ALLOWED_NETWORKS_MAX), |c| networks(&c.udp.allow)),
    setting("input.udp.programme", Kind::Integer(1, u16::MAX as u64), |c| {
        c.udp.programme.map_or(Value::None, |number| Value::Integer(number.into()))
    }),
    Setting {
        unit: "KiB",
        ..setting(
            "input.udp.receive_buffer_kib",
            Kind::Integer(
                (UDP_RECEIVE_BUFFER_BYTES_MIN >> 10) as u64,
                (UDP_RECEIVE_BUFFER_BYTES_MAX >> 10) as u64,
            ),
            |c| Value::Integer((c.udp.receive_buffer_bytes >> 10) as u64),
        )
    },
    setting("input.rtmp.enabled", Kind::Boolean, |c| Value::Boolean(c.publish.enabled)),
    setting("input.rtmp.key", Kind::Secret(PUBLISH_KEY_BYTES_MIN, RTMP_NAME_BYTES_MAX), |c| {
        hint(c.publish.key.as_ref())
    }),
    setting("input.rtmp.require_key", Kind::Choice(&RequireKey::NAMES), |c| {
        Value::Text(c.publish.require_key.name().to_owned())
    }),
    setting("input.rtmp.allow", Kind::List(0, ALLOWED_NETWORKS_MAX), |c| {
        networks(&c.publish.allow)
    }),
    setting("input.pull.enabled", Kind::Boolean, |c| {
        Value::Boolean(c.pull.as_ref().is_none_or(|pull| pull.enabled))
    }),
    // The last segment of its address may be what keeps strangers out.
    setting("input.pull.url", Kind::Secret(1, 4 * RTMP_NAME_BYTES_MAX), |c| {
        c.pull.as_ref().map_or(Value::None, |pull| Value::Text(format!("{}/{MASK}", pull.url)))
    }),
    setting("input.pull.key", Kind::Secret(1, RTMP_NAME_BYTES_MAX), |c| {
        hint(c.pull.as_ref().and_then(|pull| pull.key.as_ref()))
    }),
    Setting {
        environment: &["RTMP_PORT"],
        argument: Some(|a| a.rtmp.is_some()),
        ..setting("rtmp.listen", Kind::Text, |c| Value::Text(c.rtmp.listen.to_string()))
    },
    setting("rtmp.viewers_max", Kind::Integer(1, VIEWERS_MAX as u64), |c| {
        Value::Integer(c.rtmp.viewers_max as u64)
    }),
    setting("rtmp.destinations_max", Kind::Integer(1, DESTINATIONS_MAX as u64), |c| {
        Value::Integer(c.rtmp.destinations_max as u64)
    }),
    setting("rtmp.batch_ms_max", Kind::Integer(0, VIEWER_BATCH_MS_MAX as u64), |c| {
        Value::Integer(u64::try_from(c.rtmp.batch.as_millis()).unwrap_or(u64::MAX))
    }),
    setting("rtmp.play_key", Kind::Secret(PLAY_KEY_BYTES_MIN, RTMP_NAME_BYTES_MAX), |c| {
        hint(c.rtmp.play_key.as_ref())
    }),
    setting("rtmp.allow", Kind::List(1, ALLOWED_NETWORKS_MAX), |c| networks(&c.rtmp.allow)),
    Setting {
        environment: &["PORT", "HTTP_PORT"],
        argument: Some(|a| a.http.is_some()),
        ..setting("http.listen", Kind::Text, |c| Value::Text(c.http.listen.to_string()))
    },
    setting("http.tls_certificate", Kind::Text, |c| {
        path(c.http.tls.as_ref().map(|files| &files.certificate))
    }),
    setting("http.tls_key", Kind::Text, |c| path(c.http.tls.as_ref().map(|files| &files.key))),
    setting("http.allow", Kind::List(1, ALLOWED_NETWORKS_MAX), |c| networks(&c.http.allow)),
    Setting {
        environment: &["STATS_PORT"],
        argument: Some(|a| a.stat.is_some()),
        ..setting("stat.listen", Kind::Text, |c| Value::Text(c.stat.listen.to_string()))
    },
    setting("stat.allow", Kind::List(1, ALLOWED_NETWORKS_MAX), |c| networks(&c.stat.allow)),
    setting("proxy.from", Kind::List(0, ALLOWED_NETWORKS_MAX), |c| networks(&c.proxies)),
    Setting {
        restart: false,
        environment: &["LOG_LEVEL"],
        argument: Some(|a| a.log_level.is_some()),
        ..setting("log.level", LEVELS, |c| Value::Text(c.log.level.as_str().to_ascii_lowercase()))
    },
    Setting {
        unit: "KiB",
        ..setting(
            "log.file_kib",
            Kind::Integer(LOG_FILE_BYTES_MIN >> 10, LOG_FILE_BYTES_MAX >> 10),
            |c| Value::Integer(c.log.file_bytes >> 10),
        )
    },
    setting("log.files", Kind::Integer(0, LOG_FILES_MAX as u64), |c| {
        Value::Integer(c.log.files as u64)
    }),
    percent("health.cpu_percent", |c| Value::Integer(c.health.cpu_percent)),
    percent("health.cpu_baseline_percent", |c| Value::Integer(c.health.cpu_baseline_percent)),
    percent("health.memory_percent", |c| Value::Integer(c.health.memory_percent)),
    percent("health.disk_percent", |c| Value::Integer(c.health.disk_percent)),
    seconds("health.standby_s", |c| Value::Integer(c.health.standby.as_secs())),
    seconds("health.destination_grace_s", |c| Value::Integer(c.health.destination_grace.as_secs())),
    update("update.url", Kind::Text, |c| {
        c.update.url.as_ref().map_or(Value::None, |url| Value::Text(url.clone()))
    }),
    update("update.install", Kind::Choice(&WhenOffered::NAMES), |c| {
        Value::Text(c.update.install.name().to_owned())
    }),
    update("update.window", Kind::Text, |c| Value::Text(c.update.window.to_string())),
];

/// What another process reads from the file by itself.
const fn update(key: &'static str, kind: Kind, read: fn(&Config) -> Value) -> Setting {
    Setting { restart: false, ..setting(key, kind, read) }
}

/// A threshold of health.
const fn percent(key: &'static str, read: fn(&Config) -> Value) -> Setting {
    Setting { unit: "%", restart: false, ..setting(key, Kind::Integer(1, 100), read) }
}

/// A time of grace of health.
const fn seconds(key: &'static str, read: fn(&Config) -> Value) -> Setting {
    Setting { unit: "s", restart: false, ..setting(key, Kind::Integer(1, HEALTH_S_MAX), read) }
}

fn path(path: Option<&PathBuf>) -> Value {
    path.map_or(Value::None, |path| Value::Text(path.display().to_string()))
}

/// Their keys.
pub static KEYS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| SETTINGS.iter().map(|setting| setting.key).collect());

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn networks(list: &[Network]) -> Value {
    Value::List(list.iter().map(Network::to_string).collect())
}

fn hint(secret: Option<&Secret>) -> Value {
    secret.map_or(Value::None, |secret| Value::Text(secret.hint()))
}

impl Setting {
    /// Who has said what it is.
    pub(super) fn set_by(
        &self,
        arguments: &Arguments,
        environment_has: impl Fn(&str) -> bool,
        in_file: &[&str],
    ) -> SetBy {
        if self.argument.is_some_and(|given| given(arguments)) {
            SetBy::Argument
        } else if self.environment.iter().any(|name| environment_has(name)) {
            SetBy::Environment
        } else if in_file.contains(&self.key) {
            SetBy::File
        } else {
            SetBy::Default
        }
    }

    /// Its section and its key there.
    fn path(&self) -> (&'static str, &'static str) {
        self.key.rsplit_once('.').unwrap_or(("", self.key))
    }

    /// Whether a value is of its kind; what it may be is judged with the whole.
    fn check(&self, value: &Value) -> Result<(), String> {
        let fits = match (self.kind, value) {
            (Kind::Integer(min, max), Value::Integer(number)) => (min..=max).contains(number),
            (Kind::Boolean, Value::Boolean(_)) | (Kind::Text, Value::Text(_)) => true,
            (Kind::Choice(choices), Value::Text(text)) => choices.contains(&text.as_str()),
            (Kind::List(least, most), Value::List(items)) => (least..=most).contains(&items.len()),
            (Kind::Secret(..), Value::Text(text)) => !text.contains(MASK),
            (_, Value::None) => true,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(match self.kind {
            Kind::Integer(min, max) => format!("expected a whole number from {min} to {max}"),
            Kind::Boolean => "expected true or false".to_owned(),
            Kind::Text => "expected a text in quotes".to_owned(),
            Kind::Choice(choices) => format!("expected one of {}", choices.join(", ")),
            Kind::List(least, most) => format!("expected a list of {least} to {most} texts"),
            Kind::Secret(..) => "expected a text in quotes, not what is shown of it".to_owned(),
        })
    }
}

/// The setting of a key.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The keys a document has.
pub(super) fn in_file(document: &DocumentMut) -> Vec<&'static str> {
    let has = |setting: &&Setting| {
        let (section, key) = setting.path();
        document::has(document, section, key)
    };
    SETTINGS.iter().filter(has).map(|setting| setting.key).collect()
}

/// Puts values into the document; none at all is back to the default.
///
/// # Errors
/// A key that there is not, a value of another kind; all of them at once.
pub fn put(document: &mut DocumentMut, values: &[(String, Value)]) -> Result<(), EditError> {
    let mut wrong = Vec::new();
    for (key, value) in values {
        let Some(setting) = find(key) else {
            wrong.push((key.clone(), "unknown; GET /api/settings lists all".to_owned()));
            continue;
        };
        if let Err(why) = setting.check(value) {
            wrong.push((key.clone(), why));
            continue;
        }
        let (section, key) = setting.path();
        match value {
            Value::None => document::remove(document, section, key),
            Value::Integer(number) => {
                let number = i64::try_from(*number).unwrap_or(i64::MAX);
                document::set(document, section, key, number.into());
            }
            Value::Boolean(flag) => document::set(document, section, key, (*flag).into()),
            Value::Text(text) => document::set(document, section, key, text.as_str().into()),
            // Of no setting's kind, which was seen to before.
            Value::Other => {}
            Value::List(items) => {
                let list: toml_edit::Array = items.iter().map(String::as_str).collect();
                document::set(document, section, key, list.into());
            }
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(EditError::Keys(wrong)),
    }
}
