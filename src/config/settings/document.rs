//! Places in the file's document. A section may be a table, a dotted key or an inline table; all
//! are edited where they stand.

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

/// Sets a key of a section (`input.udp`), which is made if it is missing.
pub(super) fn set(document: &mut DocumentMut, section: &str, key: &str, value: Value) {
    let mut table: &mut dyn TableLike = document.as_table_mut();
    let mut names = section.split('.').peekable();
    while let Some(name) = names.next() {
        if !table.contains_key(name) {
            let mut fresh = Table::new();
            // `[input]` alone is not written above `[input.udp]`.
            fresh.set_implicit(names.peek().is_some());
            table.insert(name, Item::Table(fresh));
        }
        match table.get_mut(name).and_then(Item::as_table_like_mut) {
            Some(inner) => table = inner,
            // The document is valid: a section is a table.
            None => return,
        }
    }
    put(table, key, value);
}

/// Sets a key of a table; the comment behind the old value stays.
pub(super) fn put(table: &mut dyn TableLike, key: &str, mut value: Value) {
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => {
            table.insert(key, Item::Value(value));
        }
    }
}

/// Removes a key of a section, and the section if nothing is left in it.
pub(super) fn remove(document: &mut DocumentMut, section: &str, key: &str) {
    let (outer, inner) = match section.split_once('.') {
        Some((outer, inner)) => (Some(outer), inner),
        None => (None, section),
    };
    let root: &mut dyn TableLike = document.as_table_mut();
    let parent = match outer {
        Some(outer) => root.get_mut(outer).and_then(Item::as_table_like_mut),
        None => Some(root),
    };
    let Some(parent) = parent else { return };
    let Some(table) = parent.get_mut(inner).and_then(Item::as_table_like_mut) else { return };
    table.remove(key);
    if table.is_empty() {
        parent.remove(inner);
    }
}

/// Whether a section has a key.
pub(super) fn has(document: &DocumentMut, section: &str, key: &str) -> bool {
    let mut table: &dyn TableLike = document.as_table();
    for name in section.split('.') {
        match table.get(name).and_then(Item::as_table_like) {
            Some(inner) => table = inner,
            None => return false,
        }
    }
    table.contains_key(key)
}
