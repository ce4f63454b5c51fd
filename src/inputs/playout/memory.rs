//! What playing remembers over restarts. Purpose: the lists, and the place in the file on air,
//! as the JSON that stands on the disk. Non-goals: reading and writing it. Bounds: those of the
//! lists; a stranger's file that exceeds them is not understood.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::limits::PLAYLISTS_MAX;
use crate::base::time::{Mono, Ticks};
use crate::operator::commands::{FileName, Playlist};
use crate::program::playlist::{PlaylistPlace, Walk};
use crate::program::source::Source;
use crate::program::Programme;

use super::super::file_reader::FileReaders;
use super::machine::{Lists, PlayItem, PlayoutMachine};
use super::orders::{check, rules};

/// What stands around a file's name in the text: its line and its quotes.
const LINE_BYTES: usize = 10;
/// A list's name, its other fields, and what stands around them.
const LIST_BYTES: usize = 256;

/// A list, as it is written down.
#[derive(Serialize, Deserialize)]
struct SavedList<'a> {
    files: Vec<Cow<'a, str>>,
    #[serde(default)]
    repeat: bool,
    #[serde(default)]
    shuffle: bool,
}

impl SavedList<'_> {
    fn of(list: &Playlist) -> SavedList<'_> {
        let files = list.files.iter().map(|file| Cow::Borrowed(file.as_str())).collect();
        SavedList { files, repeat: list.repeat, shuffle: list.shuffle }
    }
}

/// What was on air, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPlace {
    file: String,
    position_ms: u64,
    looped: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<SavedWalk>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedWalk {
    name: String,
    place: PlaylistPlace,
}

/// The lists as text.
pub fn lists_to_json(lists: &Lists) -> Vec<u8> {
    let lists: BTreeMap<&String, SavedList<'_>> =
        lists.iter().map(|(name, list)| (name, SavedList::of(list))).collect();
    // A buffer that doubles would hold three times what it needs.
    let names = lists.values().flat_map(|list| &list.files);
    let bytes: usize = names.map(|name| name.len() + LINE_BYTES).sum();
    let mut text = Vec::with_capacity(bytes + lists.len() * LIST_BYTES);
    match serde_json::to_writer_pretty(&mut text, &lists) {
        Ok(()) => text,
        Err(_) => Vec::new(),
    }
}

/// The lists out of a text, or why it is none.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn lists_from_json(bytes: &[u8]) -> Result<Lists, String> {
    let saved: BTreeMap<String, SavedList<'_>> =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut lists = Lists::new();
    for (name, SavedList { files, repeat, shuffle }) in saved {
        let names: Option<Vec<FileName>> =
            files.iter().map(|file| FileName::try_from(file.as_ref()).ok()).collect();
        let files = names.ok_or("a file's name is too long")?;
        let list = Playlist { files, repeat, shuffle };
        check(&name, &list, &lists)?;
        lists.insert(name, Arc::new(list));
    }
    Ok(lists)
}

/// The place as text; nothing on air is `null`.
pub fn place_to_json(place: Option<&SavedPlace>) -> Vec<u8> {
    serde_json::to_vec(&place).unwrap_or_default()
}

/// The place out of a text.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn place_from_json(bytes: &[u8]) -> Result<Option<SavedPlace>, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

impl<D: FileReaders> PlayoutMachine<D> {
    /// What is to be written down of what plays; `None`: no file is on air.
    pub fn place(&self, programme: &Programme) -> Option<SavedPlace> {
        let on = self.on.as_ref()?;
        if programme.switcher().choice() != Some(Source::File) {
            return None;
        }
        let saved = |(name, walk): &(String, Walk<FileName>)| SavedWalk {
            name: name.clone(),
            place: walk.place(),
        };
        Some(SavedPlace {
            file: on.item.file.to_string(),
            position_ms: u64::try_from(on.playing_file.position().to_ms()).unwrap_or(0),
            looped: on.item.looped,
            list: on.item.list.as_ref().map(saved),
        })
    }

    /// The lists, as they stand.
    pub fn lists(&self) -> Arc<Lists> {
        Arc::clone(&self.lists)
    }

    /// Goes on where an earlier run of the program was. What the operator has asked for before the
    /// disk gave that back stands: his lists, and what he has put on air.
    pub fn restore(&mut self, lists: Lists, place: Option<SavedPlace>, now: Mono) {
        let was_asked = self.changed || self.on.is_some() || self.next.is_some();
        let kept = Arc::make_mut(&mut self.lists);
        for (name, list) in lists {
            if kept.len() < PLAYLISTS_MAX {
                kept.entry(name).or_insert(list);
            }
        }
        let Some(SavedPlace { file, position_ms, looped, list }) = place.filter(|_| !was_asked)
        else {
            return;
        };
        let Ok(file) = FileName::try_from(file.as_str()) else { return };
        let list = list.and_then(|SavedWalk { name, place }| {
            let list = self.lists.get(&name)?;
            Some((name, Walk::at(&list.files, rules(list), place, &file)?))
        });
        let at = Ticks::from_ms(i64::try_from(position_ms).unwrap_or(0));
        self.ask(PlayItem { file, looped, list }, at, None, now);
    }
}
