//! What is wrong with a configuration: where, which key, what was expected. Bound:
//! [`CONFIG_ERRORS_MAX`] are kept, the rest is counted. No secret's value is ever put in here.

use std::fmt;
use std::path::Path;

use crate::base::limits::CONFIG_ERRORS_MAX;

/// Longest part of a wrong value or of an unknown key that is repeated to the person.
const QUOTE_CHARS_MAX: usize = 60;

/// Where a value comes from; the later ones go over the earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nobody said anything: the default.
    Default,
    /// The configuration file, at a line counted from 1; 0 is the file as a whole.
    File {
        /// Its path.
        path: String,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Environment,
    /// A command line argument.
    Argument,
}

impl Place {
    pub(super) fn file(path: &Path, line: usize) -> Place {
        Place::File { path: path.display().to_string(), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, line: 0 } => write!(f, "{path}:"),
            Place::File { path, line } => write!(f, "{path}:{line}:"),
            Place::Environment => write!(f, "environment"),
            Place::Argument => write!(f, "argument"),
            Place::Default => write!(f, "default"),
        }
    }
}

/// Where a value was said, and in which words.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) value: Option<String>,
}

impl Origin {
    pub(super) fn error(self, expected: impl Into<String>) -> ConfigError {
        let Origin { place, key, value } = self;
        ConfigError { place, key, value, expected: expected.into() }
    }
}

/// A section as it is written in the file.
pub(super) fn heading(section: &str) -> String {
    match section {
        "destination" => "[[destination]]".to_owned(),
        section => format!("[{section}]"),
    }
}

/// A setting's key with its section, as both are written in the file.
pub(super) fn written(key: &str) -> String {
    match key.rsplit_once('.') {
        Some((section, key)) => format!("{} {key}", heading(section)),
        None => key.to_owned(),
    }
}

/// One thing that is wrong. Displayed as one line:
/// `data/config.toml:12: [rtmp] viewers_max = 5000: expected a whole number from 1 to 2000`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigError {
    /// Where it stands.
    pub place: Place,
    /// Which key, with its section; empty when it concerns the whole.
    pub key: String,
    /// The value as it was written, if it may be shown.
    pub value: Option<String>,
    /// What was expected instead.
    pub expected: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if !self.key.is_empty() {
            write!(f, " {}", self.key)?;
        }
        if let Some(value) = &self.value {
            let sign = match self.place {
                Place::Environment => "=",
                Place::Argument => " ",
                Place::File { .. } | Place::Default => " = ",
            };
            write!(f, "{sign}{value}")?;
        }
        let colon = if self.key.is_empty() { "" } else { ":" };
        write!(f, "{colon} {}", self.expected)
    }
}

/// Everything that is wrong, one line each, in the order of the file, then the environment, then
/// the arguments.
#[derive(Clone, Debug, Default)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
    more: usize,
}

impl ConfigErrors {
    /// Those that were kept.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.errors.iter()
    }

    pub(super) fn push(&mut self, error: ConfigError) {
        if self.errors.len() < CONFIG_ERRORS_MAX {
            self.errors.push(error);
        } else {
            self.more += 1;
        }
    }

    /// Nothing at all is wrong.
    pub(super) fn into_result<T>(mut self, config: T) -> Result<T, ConfigErrors> {
        if self.errors.is_empty() {
            return Ok(config);
        }
        self.errors.sort();
        Err(self)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.errors.iter().enumerate() {
            let line_end = if number == 0 { "" } else { "\n" };
            write!(f, "{line_end}{error}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for ConfigErrors {}

/// A text of a person's file, fit for one line of a message: escaped and cut.
pub(super) fn quoted(text: &str) -> String {
    let mut out: String = text.chars().take(QUOTE_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        out.push('…');
    }
    out.replace("\\\"", "\"").replace("\\'", "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(place: Place, key: &str, value: Option<&str>) -> ConfigError {
        let value = value.map(str::to_owned);
        ConfigError { place, key: key.to_owned(), value, expected: "expected this".to_owned() }
    }

    #[test]
    fn each_place_has_its_form() {
        let file = Place::file(Path::new("data/config.toml"), 12);
        assert_eq!(
            error(file.clone(), "[rtmp] viewers_max", Some("5000")).to_string(),
            "data/config.toml:12: [rtmp] viewers_max = 5000: expected this"
        );
        assert_eq!(error(file, "", None).to_string(), "data/config.toml:12: expected this");
        assert_eq!(
            error(Place::Environment, "RTMP_PORT", Some("abc")).to_string(),
            "environment RTMP_PORT=abc: expected this"
        );
        assert_eq!(
            error(Place::Argument, "--udp", Some("abc")).to_string(),
            "argument --udp abc: expected this"
        );
    }

    #[test]
    fn errors_are_bounded_and_sorted() {
        let mut errors = ConfigErrors::default();
        errors.push(error(Place::Argument, "--udp", None));
        for line in (1..=CONFIG_ERRORS_MAX + 4).rev() {
            errors.push(error(Place::file(Path::new("c"), line), "", None));
        }
        let errors = errors.into_result(()).unwrap_err();
        assert_eq!(errors.iter().count(), CONFIG_ERRORS_MAX);
        let text = errors.to_string();
        assert_eq!(text.lines().next(), Some("c:6: expected this"));
        assert!(text.ends_with("argument --udp: expected this\n… and 5 more"), "{text}");
    }

    #[test]
    fn quotes_are_one_short_line() {
        assert_eq!(quoted("\"a\nb'"), "\"a\\nb'");
        assert_eq!(quoted(&"x".repeat(200)).chars().count(), QUOTE_CHARS_MAX + 1);
    }
}
