//! The file: TOML 1.0, with the line of everything that is wrong. What is common to
//! all sections is in `reading`.

use std::io::{ErrorKind, Read};
use std::path::Path;

use toml::de::{DeString, DeTable, DeValue};
use toml::Spanned;

use super::build::Build;
use super::drafts::DestinationDraft;
use super::errors::{heading, quoted, Origin, Place};
use super::model::OnWarning;
use super::reading::{Reading, Section, Show};
use super::reconnect::Reconnect;
use super::value::Value;
use super::{suggest, values};
use crate::base::limits::CONFIG_BYTES_MAX;
use crate::system::store::{self, Links};

impl Build {
    /// Reads the file; that there is none is no error.
    pub(super) fn read_file(&mut self, path: &Path) {
        match contents(path) {
            Ok(Some(text)) => self.read_text(path, &text),
            Ok(None) => {}
            Err(expected) => {
                let place = Place::file(path, 0);
                self.fail(Origin { place, key: String::new(), value: None }, expected);
            }
        }
    }

    /// Reads a document. One that is not TOML is not read any further: what the parser makes of
    /// the rest is guesswork.
    pub(super) fn read_text(&mut self, path: &Path, text: &str) {
        let (document, errors) = DeTable::parse_recoverable(text);
        self.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut reading = Reading { build: self, path, text };
        if errors.is_empty() {
            reading.document(document.get_ref());
        }
        for error in errors {
            let span = error.span().unwrap_or_default();
            let origin = reading.origin(&span, String::new());
            let column = reading.column(&span);
            reading.build.fail(origin, format!("column {column}: not TOML: {}", error.message()));
        }
    }
}

/// The file's text; `None` if there is no file.
fn contents(path: &Path) -> Result<Option<String>, String> {
    let file = match store::open(path, Links::Followed) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be opened: {error}")),
    };
    let mut bytes = Vec::new();
    let read = file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(format!("expected at most {CONFIG_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        format!("expected UTF-8 text, line {line} is not")
    })
}

impl Reading<'_> {
    fn document(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            match name.get_ref().as_ref() {
                "input" => self.inputs(name, value),
                "destination" => self.destinations(name, value),
                // A name in quotes may have a dot, and is not `[input.udp]`.
                given => match suggest::section(given).filter(|_| !given.contains('.')) {
                    Some(section) => self.settings(section, name, value),
                    None => self.fail_at(name, quoted(given), &suggest::for_section(given)),
                },
            }
        }
    }

    fn inputs(&mut self, name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let Some(inputs) = value.get_ref().as_table() else {
            let expected = "expected a section such as [input.udp]";
            return self.fail_at(name, "input".to_owned(), expected);
        };
        for (name, value) in inputs {
            let given = name.get_ref().as_ref();
            match suggest::section(&format!("input.{given}")) {
                Some(section) => self.settings(section, name, value),
                None => {
                    let key = format!("[input.{}]", quoted(given));
                    self.fail_at(name, key, &suggest::for_input(given));
                }
            }
        }
    }

    fn destinations(&mut self, name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let expected = "expected [[destination]] in double brackets, once for each";
        let Some(list) = value.get_ref().as_array() else {
            return self.fail_at(name, "destination".to_owned(), expected);
        };
        for item in list.iter() {
            if let Some(section) = self.section("destination", name, item) {
                let whole = self.origin(&item.span(), heading("destination"));
                self.destination(&section, whole);
            }
        }
    }

    fn destination(&mut self, section: &Section<'_>, whole: Origin) {
        let name =
            self.value(section, "name", Show::Value, |value| value.text().and_then(values::name));
        let key = |value: &Value| value.text().and_then(values::destination_key);
        let key = self.value(section, "key", Show::Nothing, key);
        let address = |value: &Value| value.text().map(str::to_owned);
        let url = self.value(section, "url", Show::Nothing, address);
        let backup_url = self.value(section, "backup_url", Show::Nothing, address);
        let enabled = self.value(section, "enabled", Show::Value, Value::flag);
        let reconnect = self.reconnect(section);
        let on_warning = self.value(section, "on_warning", Show::Value, |value| {
            OnWarning::parse(value.text()?)
                .ok_or_else(|| format!("expected {}", OnWarning::NAMES.join(" or ")))
        });
        if !section.table.contains_key("url") {
            self.build.fail(whole.clone(), "expected a url such as \"rtmp://host/app\"");
        }
        // A key that is wrong has been told; that there is none in the URL need not be.
        let key_is_wrong = key.is_none() && section.table.contains_key("key");
        self.build.drafts.push(DestinationDraft {
            whole,
            name,
            url: url.filter(|_| !key_is_wrong),
            backup_url,
            key: key.map(|(key, _)| key),
            reconnect,
            enabled: enabled.is_none_or(|(enabled, _)| enabled),
            on_warning: on_warning.map(|(it, _)| it).unwrap_or_default(),
        });
    }

    fn reconnect(&mut self, section: &Section<'_>) -> Reconnect {
        let at = self.value(section, "reconnect", Show::Value, Reconnect::time);
        let after = self.value(section, "reconnect_after_h", Show::Value, Reconnect::hours);
        let pause = self.value(section, "reconnect_pause_s", Show::Value, Reconnect::seconds);
        Reconnect {
            at: at.map(|(at, _)| at),
            after: after.map(|(after, _)| after),
            pause: pause.map(|(pause, _)| pause),
        }
    }
}
