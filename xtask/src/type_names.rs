//! One type name has one meaning in a crate. Purpose: finds the names of structs, enums, unions,
//! traits and aliases that other files may use and that are defined twice. Non-goals: types that
//! tests define, associated types, what macros define. Bound: it reads definitions as text, at the
//! beginning of a line of code; one within `impl` or a function is found by its indentation and left
//! out, since no other file names it.

use std::collections::BTreeMap;

use crate::source::Source;

/// The words that a definition begins with.
const DEFINING: [&str; 5] = ["struct ", "enum ", "union ", "trait ", "type "];

/// A type that a file defines.
pub struct Definition<'a> {
    path: &'a str,
    line: usize,
    name: &'a str,
    /// Other files may use it.
    is_shared: bool,
}

/// The types that a file defines.
pub fn of_file<'a>(path: &'a str, source: &'a Source) -> Vec<Definition<'a>> {
    let lines = source.product.lines().enumerate();
    lines
        .filter_map(|(number, line)| {
            let (is_shared, item) = visibility(line)?;
            let item = item.strip_prefix("unsafe ").unwrap_or(item);
            let named = DEFINING.iter().find_map(|word| item.strip_prefix(word))?;
            let end = named.find(|c: char| !c.is_alphanumeric() && c != '_');
            let name = named.get(..end.unwrap_or(named.len()))?;
            Some(Definition { path, line: number + 1, name, is_shared })
        })
        .collect()
}

/// Whether other files may use what a line defines, and the line behind its visibility.
fn visibility(line: &str) -> Option<(bool, &str)> {
    let Some(behind) = line.strip_prefix("pub") else { return Some((false, line)) };
    if let Some(item) = behind.strip_prefix(' ') {
        return Some((true, item));
    }
    let (within, item) = behind.strip_prefix('(')?.split_once(") ")?;
    Some((within != "self", item))
}

/// Each name that breaks the rule as a sentence: what other files may use has the name for itself.
/// Names that no other file can use may repeat among themselves.
pub fn find(definitions: &[Definition<'_>]) -> Vec<String> {
    let mut by_name: BTreeMap<&str, Vec<&Definition<'_>>> = BTreeMap::new();
    for definition in definitions {
        by_name.entry(definition.name).or_default().push(definition);
    }
    by_name.retain(|_, all| all.len() > 1 && all.iter().any(|definition| definition.is_shared));
    by_name.iter().map(|(name, all)| said(name, all)).collect()
}

fn said(name: &str, all: &[&Definition<'_>]) -> String {
    let places = all.iter().map(|definition| format!("{}:{}", definition.path, definition.line));
    let places = places.collect::<Vec<_>>().join(", ");
    format!("{name} names {} types: {places}", all.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated(texts: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = texts.iter().map(|(_, text)| Source::parse(text)).collect();
        let files = texts.iter().zip(&sources);
        find(&files.flat_map(|((path, _), source)| of_file(path, source)).collect::<Vec<_>>())
    }

    #[test]
    fn a_name_that_two_files_share_is_named_with_its_places() {
        let found = repeated(&[
            ("a.rs", "pub struct Place(u8);\npub enum End { A }\n"),
            ("b.rs", "\npub(super) enum Place<'a> { A(&'a str) }\n"),
        ]);
        assert_eq!(found, ["Place names 2 types: a.rs:1, b.rs:2"]);
    }

    #[test]
    fn every_kind_of_type_counts_however_it_is_shared() {
        for one in ["pub struct A;", "pub(crate) union A {", "pub(in crate::a) enum A {"] {
            for other in ["pub type A = u8;", "pub unsafe trait A {", "pub(super) struct A<T>(T);"]
            {
                assert_eq!(repeated(&[("a.rs", one), ("b.rs", other)]).len(), 1, "{one} {other}");
            }
        }
    }

    #[test]
    fn a_private_name_repeats_private_ones_only() {
        let private = "struct State {\n}\n";
        assert_eq!(repeated(&[("a.rs", private), ("b.rs", private)]), [""; 0]);
        let shared = ("c.rs", "pub struct State;\n");
        let found = repeated(&[("a.rs", private), ("b.rs", "pub(self) enum State {"), shared]);
        assert_eq!(found, ["State names 3 types: a.rs:1, b.rs:1, c.rs:1"]);
    }

    #[test]
    fn what_tests_comments_and_implementations_define_does_not_count() {
        let tests = "#[cfg(test)]\nmod tests {\n    pub struct A;\n}\n";
        let others =
            "// pub struct A;\nimpl Iterator for B {\n    type A = u8;\n}\npub fn type_a() {}\n";
        let found = repeated(&[("a.rs", "pub struct A;\n"), ("b.rs", tests), ("c.rs", others)]);
        assert_eq!(found, [""; 0]);
    }
}
