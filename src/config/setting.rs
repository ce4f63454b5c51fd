//! What a setting is: what it may be, who may say it, where it is kept. Purpose: everything that is
//! done with a setting asks its row in the catalogue. Non-goals: which settings there are. Bound: the
//! limits of each.

use serde::Serialize;

use super::arguments::Arguments;
use super::build::Build;
use super::errors::{quoted, Origin};
use super::kept::{Measure, Number};
use super::model::Config;
use super::value::Value;
use super::values::Parsed;
use crate::base::redact::MASK;
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
    /// A list of so many networks.
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

    /// What it may be one of.
    pub const fn choices(self) -> &'static [&'static str] {
        match self {
            Kind::Choice(choices) => choices,
            _ => &[],
        }
    }
}

/// Who has said what a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

/// A variable of the environment that goes over the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Its value is the setting's.
    Whole(&'static str),
    /// It is the host of an address.
    Host(&'static str),
    /// It is the port of an address.
    Port(&'static str),
}

impl Variable {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Variable::Whole(name) | Variable::Host(name) | Variable::Port(name) => name,
        }
    }
}

/// An argument of the command line that goes over the environment.
#[derive(Clone, Copy)]
pub struct Argument {
    /// As it is written, `--udp`.
    pub name: &'static str,
    /// What it says, if it was given.
    pub(super) given: fn(&Arguments) -> Option<&str>,
}

/// One setting: a row of the catalogue.
#[derive(Clone, Copy)]
pub struct Setting {
    /// Section and key, `programme.silence_ms`.
    pub key: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// The unit of a number.
    pub measure: Measure,
    /// It takes effect when the program is restarted.
    pub restart: bool,
    /// It is shown and changed by calls of its own, not with the others.
    pub(super) own_calls: bool,
    /// What is expected where its section is there and it is not.
    pub(super) needed: Option<&'static str>,
    /// Variables of the environment, the later ones over the earlier ones.
    pub(super) environment: &'static [Variable],
    /// Its argument.
    pub argument: Option<Argument>,
    /// Puts a value where it is kept.
    pub(super) write: fn(&mut Build, &Setting, &Value) -> Parsed<()>,
    /// What is shown of what is kept.
    pub(super) show: fn(&Config, Measure) -> Value,
    /// Whether two configurations keep different values.
    pub(super) differs: fn(&Config, &Config) -> bool,
}

/// How rows are made.
impl Setting {
    pub(super) const fn new(key: &'static str, kind: Kind) -> Setting {
        Setting {
            key,
            kind,
            measure: Measure::Count,
            restart: true,
            own_calls: false,
            needed: None,
            environment: &[],
            argument: None,
            write: |_, _, _| Ok(()),
            show: |_, _| Value::None,
            differs: |_, _| false,
        }
    }

    /// A whole number, given the limits of what is kept.
    pub(super) const fn whole(key: &'static str, measure: Measure, min: u64, max: u64) -> Setting {
        let kind = Kind::Integer(min / measure.size(), max / measure.size());
        Setting { measure, ..Setting::new(key, kind) }
    }

    /// It takes effect at once.
    pub(super) const fn live(self) -> Setting {
        Setting { restart: false, ..self }
    }

    pub(super) const fn environment(self, environment: &'static [Variable]) -> Setting {
        Setting { environment, ..self }
    }

    pub(super) const fn argument(
        self,
        name: &'static str,
        given: fn(&Arguments) -> Option<&str>,
    ) -> Setting {
        Setting { argument: Some(Argument { name, given }), ..self }
    }
}

/// How a row's value is read.
impl Setting {
    pub(super) fn number<T: Number>(&self, value: &Value) -> Parsed<T> {
        let (min, max) = self.kind.limits().unwrap_or_default();
        let number = match value {
            Value::Integer(number) if (min..=max).contains(number) => Some(*number),
            _ => None,
        };
        number
            .and_then(|number| T::of(number, self.measure))
            .ok_or_else(|| format!("expected a whole number from {min} to {max}"))
    }

    pub(super) fn choice<T>(&self, value: &Value, parse: fn(&str) -> Option<T>) -> Parsed<T> {
        let chosen = parse(value.text()?);
        chosen.ok_or_else(|| format!("expected one of {}", self.kind.choices().join(", ")))
    }

    pub(super) fn networks(&self, value: &Value) -> Parsed<Vec<Network>> {
        let (least, most) = self.kind.limits().unwrap_or_default();
        let items = match value {
            Value::List(items) if (least..=most).contains(&(items.len() as u64)) => items,
            _ => {
                return Err(format!(
                    "expected a list of {least} to {most} networks such as [\"10.0.0.0/8\"]"
                ))
            }
        };
        let network = |text: &String| {
            text.parse().map_err(|error| format!("{}: expected {error}", quoted(text)))
        };
        items.iter().map(network).collect()
    }

    pub(super) fn secret<T>(
        &self,
        value: &Value,
        parse: fn(&str, u64, u64) -> Parsed<T>,
    ) -> Parsed<T> {
        let (min, max) = self.kind.limits().unwrap_or_default();
        parse(value.text()?, min, max)
    }
}

/// What is done with a row.
impl Setting {
    /// Its section and its key there.
    pub(super) fn path(&self) -> (&'static str, &'static str) {
        self.key.rsplit_once('.').unwrap_or(("", self.key))
    }

    /// What a configuration has.
    pub fn read(&self, config: &Config) -> Value {
        (self.show)(config, self.measure)
    }

    /// Takes its value from where it was said, or says there what was expected.
    pub(super) fn take(&'static self, build: &mut Build, value: &Value, mut origin: Origin) {
        // What is wrong in a list is said by itself.
        if matches!(self.kind, Kind::Secret(..) | Kind::List(..)) {
            origin.value = None;
        }
        match (self.write)(build, self, value) {
            Ok(()) => build.said(self.key, origin),
            Err(expected) => build.fail(origin, expected),
        }
    }

    /// Whether a value can be its own; how it goes with others is judged with the whole.
    pub(super) fn check(&self, value: &Value) -> Parsed<()> {
        let is_secret = matches!(self.kind, Kind::Secret(..));
        match value {
            Value::None => Ok(()),
            Value::Text(text) if is_secret && text.contains(MASK) => {
                Err("expected a text in quotes, not what is shown of it".to_owned())
            }
            value => (self.write)(&mut Build::default(), self, value),
        }
    }

    /// Who has said what it is.
    pub(super) fn set_by(
        &self,
        arguments: &Arguments,
        environment_has: impl Fn(&str) -> bool,
        in_file: &[&str],
    ) -> SetBy {
        if self.argument.is_some_and(|argument| (argument.given)(arguments).is_some()) {
            SetBy::Argument
        } else if self.environment.iter().any(|variable| environment_has(variable.name())) {
            SetBy::Environment
        } else if in_file.contains(&self.key) {
            SetBy::File
        } else {
            SetBy::Default
        }
    }
}
