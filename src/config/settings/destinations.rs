//! Destinations in the file. Purpose: one is added, changed or removed where it stands, whichever
//! way it was written. Non-goals: checking addresses and names, which the whole validation does.

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::document::put;
use super::EditError;
use crate::base::redact::MASK;
use crate::config::{Config, Destination};
use crate::operator::platforms::pasted::{self, PastedError};
use crate::rtmp::url::StreamKey;

/// Where the environment is the one that says it.
const ENVIRONMENT: &str = "the environment";
/// The list's name in the file.
const LIST: &str = "destination";

/// What is to be of a destination; what is absent stays as it is.
#[derive(Clone, Default)]
pub struct Draft {
    /// Its name.
    pub name: Option<String>,
    /// Its address, for a new one perhaps with the key as its last segment.
    pub url: Option<String>,
    /// Its key.
    pub key: Option<String>,
    /// Whether it is pushed to.
    pub enabled: Option<bool>,
    /// What becomes of a programme that its platform will not like.
    pub on_warning: Option<String>,
    /// What of its sessions.
    pub session: SessionDraft,
}

/// What is to be of its sessions; what is absent stays as it is.
#[derive(Clone, Default)]
pub struct SessionDraft {
    /// Its backup address; empty for none.
    pub backup_url: Option<String>,
    /// The time of day at which a session is ended; empty for none.
    pub reconnect: Option<String>,
    /// The hours after which it is ended; zero for none.
    pub reconnect_after_h: Option<f64>,
    /// The pause behind that, seconds; negative for the platform's.
    pub reconnect_pause_s: Option<i64>,
}

/// Adds one; `most`: as many may there be.
///
/// # Errors
/// The name is taken, there are too many, or there is no address.
pub fn add(
    document: &mut DocumentMut,
    before: &Config,
    most: usize,
    draft: Draft,
) -> Result<(), EditError> {
    if let Some(taken) = draft.name.as_deref().filter(|name| is_taken(before, name)) {
        return Err(EditError::Exists(taken.to_owned()));
    }
    if before.destinations.len() >= most {
        return Err(EditError::Full(most));
    }
    let url = draft.url.ok_or_else(|| wrong("url", "an address is needed, rtmp://host/app"))?;
    let key = draft.key.map(unmasked).transpose()?;
    let read = pasted::address(&url, key.as_deref()).map_err(|error| refused(&error))?;
    let (url, key) = (read.0.tc_url(), read.1.secret().expose().to_owned());
    let mut table = Table::new();
    if let Some(name) = draft.name {
        put(&mut table, "name", name.into());
    }
    put(&mut table, "url", url.into());
    put(&mut table, "key", key.into());
    if let Some(enabled) = draft.enabled {
        put(&mut table, "enabled", enabled.into());
    }
    if let Some(on_warning) = draft.on_warning {
        put(&mut table, "on_warning", on_warning.into());
    }
    put_session(&mut table, draft.session);
    push(document, table);
    Ok(())
}

/// Changes one.
///
/// # Errors
/// There is none of this name, the environment says it, or the new name is taken.
pub fn edit(
    document: &mut DocumentMut,
    before: &Config,
    name: &str,
    draft: Draft,
) -> Result<(), EditError> {
    let (index, known) = find(before, name)?;
    if let Some(new) = draft.name.as_deref().filter(|new| *new != name && is_taken(before, new)) {
        return Err(EditError::Exists(new.to_owned()));
    }
    let table = nth(document, index).ok_or_else(|| EditError::NotFound(name.to_owned()))?;
    if let Some(name) = draft.name {
        put(table, "name", name.into());
    }
    let (url, key) = pasted_change(draft.url, draft.key)?;
    let had_key = table.contains_key("key");
    if (url.is_some() || key.is_some()) && !had_key {
        // The key stood in the address; from now on it stands for itself.
        put(table, "url", known.url.tc_url().into());
        put(table, "key", known.key.secret().expose().into());
    }
    if let Some(url) = url {
        put(table, "url", url.into());
    }
    if let Some(key) = key {
        put(table, "key", key.into());
    }
    if let Some(enabled) = draft.enabled {
        put(table, "enabled", enabled.into());
    }
    if let Some(on_warning) = draft.on_warning {
        put(table, "on_warning", on_warning.into());
    }
    put_session(table, draft.session);
    Ok(())
}

/// The address and the key to write: a new address may bring its key, and a key alone comes as it
/// was pasted, too.
fn pasted_change(
    url: Option<String>,
    key: Option<String>,
) -> Result<(Option<String>, Option<String>), EditError> {
    let key = key.map(unmasked).transpose()?;
    let exposed = |key: StreamKey| key.secret().expose().to_owned();
    match (url, key) {
        (Some(url), Some(key)) => {
            let read = pasted::address(&url, Some(&key)).map_err(|error| refused(&error))?;
            Ok((Some(read.0.tc_url()), Some(exposed(read.1))))
        }
        (Some(url), None) => {
            let (url, key) = pasted::server(&url).map_err(|error| refused(&error))?;
            Ok((Some(url.tc_url()), key.map(exposed)))
        }
        (None, Some(key)) => {
            let key = pasted::key(&key).map_err(|error| wrong("key", &error.to_string()))?;
            Ok((None, Some(exposed(key))))
        }
        (None, None) => Ok((None, None)),
    }
}

/// Writes down what is said of its sessions; what is empty goes.
fn put_session(table: &mut dyn TableLike, session: SessionDraft) {
    let SessionDraft { backup_url, reconnect, reconnect_after_h, reconnect_pause_s } = session;
    let mut set = |key: &str, value: Option<Value>, is_none: bool| match value {
        Some(_) if is_none => drop(table.remove(key)),
        Some(value) => put(table, key, value),
        None => {}
    };
    let is_empty =
        |text: &Option<String>| text.as_deref().is_some_and(|text| text.trim().is_empty());
    let (no_backup, no_time) = (is_empty(&backup_url), is_empty(&reconnect));
    set("backup_url", backup_url.map(Value::from), no_backup);
    set("reconnect", reconnect.map(Value::from), no_time);
    set("reconnect_after_h", reconnect_after_h.map(Value::from), reconnect_after_h == Some(0.0));
    let no_pause = reconnect_pause_s.is_some_and(|pause| pause < 0);
    set("reconnect_pause_s", reconnect_pause_s.map(Value::from), no_pause);
}

/// Removes one.
///
/// # Errors
/// There is none of this name, or the environment says it.
pub fn remove(document: &mut DocumentMut, before: &Config, name: &str) -> Result<(), EditError> {
    let (index, _) = find(before, name)?;
    let left = match document.get_mut(LIST) {
        Some(Item::ArrayOfTables(list)) => {
            list.remove(index);
            list.len()
        }
        Some(Item::Value(Value::Array(list))) => {
            list.remove(index);
            list.len()
        }
        _ => return Err(EditError::NotFound(name.to_owned())),
    };
    if left == 0 {
        document.remove(LIST);
    }
    Ok(())
}

fn is_taken(before: &Config, name: &str) -> bool {
    before.destinations.iter().any(|known| known.name == name)
}

/// Which of the file's it is, and what is known of it: the file's stand in its order, the
/// environment's before and behind them.
fn find<'c>(before: &'c Config, name: &str) -> Result<(usize, &'c Destination), EditError> {
    let found = before.destinations.iter().find(|known| known.name == name);
    let known = found.ok_or_else(|| EditError::NotFound(name.to_owned()))?;
    if known.is_environments {
        let what = format!("The destination {name}");
        return Err(EditError::Elsewhere(what, ENVIRONMENT));
    }
    let files = before.destinations.iter().filter(|known| !known.is_environments);
    let index = files.take_while(|known| known.name != name).count();
    Ok((index, known))
}

/// The table of the file's nth destination.
fn nth(document: &mut DocumentMut, index: usize) -> Option<&mut dyn TableLike> {
    match document.get_mut(LIST)? {
        Item::ArrayOfTables(list) => list.get_mut(index).map(|table| table as &mut dyn TableLike),
        Item::Value(Value::Array(list)) => {
            let table = list.get_mut(index)?.as_inline_table_mut()?;
            Some(table as &mut dyn TableLike)
        }
        _ => None,
    }
}

/// Puts a table at the end of the list.
fn push(document: &mut DocumentMut, table: Table) {
    match document.get_mut(LIST) {
        Some(Item::ArrayOfTables(list)) => list.push(table),
        Some(Item::Value(Value::Array(list))) => {
            let inline: InlineTable = table.into_inline_table();
            list.push(inline);
        }
        _ => {
            let mut list = ArrayOfTables::new();
            list.push(table);
            document.insert(LIST, Item::ArrayOfTables(list));
        }
    }
}

/// What is shown in a key's place is no key.
fn unmasked(key: String) -> Result<String, EditError> {
    match key.contains(MASK) {
        true => Err(wrong("key", "this is what is shown in the key's place, not a key")),
        false => Ok(key),
    }
}

fn refused(error: &PastedError) -> EditError {
    let key = if error.is_of_key() { "key" } else { "url" };
    wrong(key, &error.to_string())
}

fn wrong(key: &str, why: &str) -> EditError {
    EditError::Keys(vec![(key.to_owned(), why.to_owned())])
}
