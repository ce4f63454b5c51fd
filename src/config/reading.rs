//! Reading a document: sections and their keys, and where each value stands. Values are taken from the
//! document's tree by hand, because a derived reader stops at the first error and repeats source lines,
//! keys included.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeString, DeTable, DeValue};
use toml::Spanned;

use super::build::Build;
use super::catalogue::SETTINGS;
use super::errors::{heading, quoted, Origin, Place};
use super::suggest;
use super::value::Value;
use super::values::Parsed;

/// Whether a value may be repeated in an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Value,
    Nothing,
}

/// A table of the document under the name its keys are known by.
pub(super) struct Section<'d> {
    pub(super) name: &'static str,
    pub(super) table: &'d DeTable<'d>,
}

/// A value that could be read, and where it stands.
pub(super) type Found<T> = Option<(T, Origin)>;

/// A document being read.
pub(super) struct Reading<'b> {
    pub(super) build: &'b mut Build,
    pub(super) path: &'b Path,
    pub(super) text: &'b str,
}

impl Reading<'_> {
    /// Reads a section, whatever is wrong in it, and names the keys it should not have. Where `value` is
    /// no section there is nothing to read.
    pub(super) fn section<'d>(
        &mut self,
        name: &'static str,
        key: &Spanned<DeString<'_>>,
        value: &'d Spanned<DeValue<'d>>,
    ) -> Option<Section<'d>> {
        let heading = heading(name);
        let Some(table) = value.get_ref().as_table() else {
            self.fail_at(key, name.to_owned(), &format!("expected a section {heading}"));
            return None;
        };
        let known = suggest::keys(name);
        for (key, _) in table.iter().filter(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
            let unknown = key.get_ref().as_ref();
            let words = suggest::for_key(name, unknown);
            self.fail_at(key, format!("{heading} {}", quoted(unknown)), &words);
        }
        Some(Section { name, table })
    }

    /// Takes the settings of a section, by their rows.
    pub(super) fn settings(
        &mut self,
        name: &'static str,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let Some(section) = self.section(name, key, value) else { return };
        for setting in SETTINGS.iter().filter(|setting| setting.path().0 == name) {
            match (self.given(&section, setting.path().1), setting.needed) {
                (Some((value, origin)), _) => setting.take(self.build, &value, origin),
                (None, Some(expected)) => self.fail_at(key, heading(name), expected),
                (None, None) => {}
            }
        }
    }

    /// A key's value if it is there, and where it stands in which words.
    fn given(&self, section: &Section<'_>, key: &str) -> Found<Value> {
        let value = section.table.get(key)?;
        let origin = self.origin(&value.span(), format!("{} {key}", heading(section.name)));
        let source = self.text.get(value.span()).map(quoted);
        Some((Value::from(value.get_ref()), Origin { value: source, ..origin }))
    }

    /// Reads a key if it is there; what is wrong with its value is told.
    pub(super) fn value<T>(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        show: Show,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Found<T> {
        let (value, mut origin) = self.given(section, key)?;
        origin.value = origin.value.filter(|_| show == Show::Value);
        match parse(&value) {
            Ok(parsed) => Some((parsed, origin)),
            Err(expected) => {
                self.build.fail(origin, expected);
                None
            }
        }
    }

    /// Says what is wrong where a name stands.
    pub(super) fn fail_at(&mut self, name: &Spanned<DeString<'_>>, key: String, expected: &str) {
        let origin = self.origin(&name.span(), key);
        self.build.fail(origin, expected);
    }

    pub(super) fn origin(&self, span: &Range<usize>, key: String) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        Origin { place: Place::file(self.path, line), key, value: None }
    }

    pub(super) fn column(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        1 + before.rsplit('\n').next().unwrap_or_default().chars().count()
    }
}
