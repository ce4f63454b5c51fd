//! Playlists, in the words of the HTTP API. Purpose: the lists there are, and putting and deleting one.
//! Non-goals: playing them. Bounds: [`PLAYLISTS_MAX`] lists of [`PLAYLIST_FILES_MAX`] files.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::limits::{PLAYLISTS_MAX, PLAYLIST_FILES_MAX};
use crate::base::revision;
use crate::control::api::asked::Asked;
use crate::control::api::body::{self, wrong, Texts};
use crate::control::api::changes;
use crate::control::api::commands::Commands;
#[cfg(test)]
use crate::control::api::document::Document;
use crate::control::api::names::decoded;
#[cfg(test)]
use crate::control::api::orders::CommandDone;
use crate::control::api::orders::{done, give, About};
#[cfg(test)]
use crate::control::api::schemas;
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::Problem;
use crate::library::names;
use crate::operator::commands::{Command, FileName, Playlist};
use crate::operator::snapshot::PlayoutStatus;
#[cfg(test)]
use serde_json::{json, Value};

/// The lists there are.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Playlists"))]
struct PlaylistsAnswer<'a> {
    playlists: Vec<PlaylistAnswer<'a>>,
    count: usize,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Playlist"))]
struct PlaylistAnswer<'a> {
    name: &'a str,
    files: Vec<&'a str>,
    repeat: bool,
    shuffle: bool,
    /// It is on air.
    playing: bool,
    /// The list's version, for If-Match.
    revision: String,
}

fn told<'a>(name: &'a str, list: &'a Playlist, playout: &PlayoutStatus) -> PlaylistAnswer<'a> {
    PlaylistAnswer {
        name,
        files: list.files.iter().map(FileName::as_str).collect(),
        repeat: list.repeat,
        shuffle: list.shuffle,
        playing: playout.playlist.as_deref() == Some(name),
        revision: revision_of(list),
    }
}

/// A playlist is on the disk.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PlaylistKept"))]
struct Kept<'a> {
    #[cfg_attr(test, schemars(extend("const" = true)))]
    success: bool,
    message: String,
    #[cfg_attr(test, schemars(with = "schemas::StreamStatus"))]
    status: &'static str,
    playlist: PlaylistAnswer<'a>,
}

/// What tells this list from others of its name.
fn revision_of(list: &Playlist) -> String {
    let mut bytes = vec![u8::from(list.repeat), u8::from(list.shuffle)];
    for file in &list.files {
        bytes.extend_from_slice(file.as_bytes());
        // No file's name holds it.
        bytes.push(0);
    }
    revision::of(&bytes)
}

/// `GET /api/playlists`.
pub fn list(playout: &PlayoutStatus) -> Answer {
    let lists = playout.playlists.iter();
    let playlists: Vec<_> = lists.map(|(name, list)| told(name, list, playout)).collect();
    let count = playlists.len();
    answer::json(200, &PlaylistsAnswer { playlists, count })
}

/// `GET /api/playlists/NAME`.
pub fn tell(name: &str, playout: &PlayoutStatus) -> Result<Answer, Answer> {
    let name = named_list(name)?;
    match playout.playlists.get(&name) {
        Some(list) => Ok(answer::json(200, &told(&name, list, playout))),
        None => Err(Problem::PlaylistNotFound
            .answer("There is no playlist of this name; GET /api/playlists lists them.")),
    }
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PlaylistRequest {
    #[cfg_attr(test, schemars(with = "Vec<schemas::FileName>", length(min = 1, max = PLAYLIST_FILES_MAX)))]
    files: Option<Texts>,
    repeat: Option<bool>,
    shuffle: Option<bool>,
}

/// `PUT /api/playlists/NAME`.
pub fn put(
    name: &str,
    asked: &Asked<'_>,
    commands: &Commands,
    playout: &PlayoutStatus,
    status: &'static str,
) -> Result<Answer, Answer> {
    let name = named_list(name)?;
    let PlaylistRequest { files, repeat, shuffle } = body::read(asked.body)?;
    let names = files.map_or(Vec::new(), |Texts(names)| names);
    if names.len() > PLAYLIST_FILES_MAX {
        let why = format!("A playlist may hold {PLAYLIST_FILES_MAX} files at most; split it.");
        return Err(Problem::BodyTooLarge.answer(why));
    }
    if names.is_empty() {
        return Err(wrong("`files` must be a list of at least one file name."));
    }
    let checked = names.iter().enumerate().map(|(at, name)| {
        let entry = at + 1;
        names::check(name)
            .map_err(|why| wrong(format_args!("Entry {entry} of `files` cannot be this: {why}.")))
    });
    let list = Playlist {
        files: checked.collect::<Result<_, _>>()?,
        repeat: repeat.unwrap_or(false),
        shuffle: shuffle.unwrap_or(false),
    };
    let lists = &playout.playlists;
    if lists.len() >= PLAYLISTS_MAX && !lists.contains_key(&name) {
        let why = format!("There are {PLAYLISTS_MAX} playlists already; delete one first.");
        return Err(Problem::TooManyPlaylists.answer(why));
    }
    let before = match changes::if_match(asked) {
        None => None,
        Some(wanted) => {
            let now = lists.get(&name).filter(|now| revision_of(now) == wanted);
            let changed = || {
                Problem::ChangedMeanwhile
                    .answer("The playlist was changed meanwhile; get it again.")
            };
            Some(Arc::clone(now.ok_or_else(changed)?))
        }
    };
    let command = Command::SetPlaylist { name: name.clone(), list: list.clone(), before };
    let message = give(commands, command, About::Playlist)?;
    let playlist = told(&name, &list, playout);
    Ok(answer::json(200, &Kept { success: true, message, status, playlist }))
}

/// `DELETE /api/playlists/NAME`.
pub fn delete(name: &str, commands: &Commands, status: &'static str) -> Result<Answer, Answer> {
    let name = named_list(name)?;
    let message = give(commands, Command::RemovePlaylist(name), About::Playlist)?;
    Ok(done(status, message))
}

/// A playlist's name, as it stands in a path.
fn named_list(name: &str) -> Result<String, Answer> {
    let name = decoded(name, false)
        .ok_or_else(|| wrong("The playlist's name must be UTF-8 in percent-encoding."))?;
    names::check_playlist(&name).map_err(wrong)?;
    Ok(name)
}

/// What the API's document says of them.
#[cfg(test)]
pub fn describe(document: &mut Document) {
    let list = json!({
        "name": "night", "files": ["a.mp4", "b.mp4"], "repeat": true, "shuffle": false,
        "playing": false, "revision": "8f3c1d2e4b5a6978",
    });
    let deleted =
        json!({ "success": true, "message": "The playlist is deleted.", "status": "streaming" });
    document
        .operation("GET /api/playlists", "library", "playlists", "All playlists")
        .answers::<PlaylistsAnswer<'_>>(200, "The lists", Value::Null);
    document
        .operation("GET /api/playlists/{name}", "library", "playlist", "One playlist")
        .answers::<PlaylistAnswer<'_>>(200, "The list", list)
        .refuses(&[404]);
    document
        .operation(
            "PUT /api/playlists/{name}",
            "library",
            "putPlaylist",
            "Makes a playlist, or replaces it; answered when it is on the disk",
        )
        .if_match()
        .takes::<PlaylistRequest>(json!({ "files": ["a.mp4", "b.mp4"], "repeat": true }))
        .answers::<Kept<'_>>(200, "Done", Value::Null)
        .refuses(&[404, 409, 507]);
    document
        .operation(
            "DELETE /api/playlists/{name}",
            "library",
            "deletePlaylist",
            "Deletes a playlist",
        )
        .answers::<CommandDone<'_>>(200, "Done", deleted)
        .refuses(&[404, 409, 507]);
}
