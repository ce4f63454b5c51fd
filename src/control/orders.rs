//! The routes that change something: requests turned into commands for the data plane, and what
//! came of them into answers. Purpose: the one place that knows the names of the fields of a
//! request's body; the original controller's stay for ever. Non-goals: who may command, which is
//! judged before; carrying commands out. Bound: the body's, which the gate keeps.

use std::sync::Arc;

use serde::Serialize;

use crate::base::limits::{PLAYLISTS_MAX, PLAYLIST_FILES_MAX};
use crate::base::revision;
use crate::control::api;
use crate::control::changes;
use crate::control::fields::{Fields, Wrong};
use crate::control::names::decoded;
use crate::control::routes::{self, Answer, Asked, World};
use crate::library::names;
use crate::operator::commands::{Command, DeclinedKind, FileName, LiveInput, Playlist, Selection};

/// What a command is about, for the code of a refusal.
#[derive(Clone, Copy)]
enum About<'a> {
    File(&'a str),
    Playlist,
    Programme,
}

/// What came of a command.
#[derive(Serialize)]
struct Done<'a> {
    success: bool,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    video: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    status: &'static str,
}

/// Something is wrong with the request.
fn wrong(why: impl std::fmt::Display) -> Answer {
    routes::error(400, "INVALID_REQUEST", &why.to_string())
}

impl From<Wrong> for Answer {
    fn from(why: Wrong) -> Answer {
        wrong(why)
    }
}

/// Gives a command; the words of who carried it out, or the answer to its refusal.
fn give(world: &World<'_>, command: Command, about: About<'_>) -> Result<String, Answer> {
    (world.ask)(command).map_err(|declined| {
        let (status, code) = match (declined.kind, about) {
            (DeclinedKind::NotFound, About::Playlist) => (404, "PLAYLIST_NOT_FOUND"),
            (DeclinedKind::NotFound, _) => (404, "VIDEO_NOT_FOUND"),
            (DeclinedKind::Invalid, _) => (400, "INVALID_REQUEST"),
            (DeclinedKind::Unplayable, _) => (409, "VIDEO_UNPLAYABLE"),
            (DeclinedKind::Changed, _) => (412, "CHANGED_MEANWHILE"),
            (DeclinedKind::DiskFull, _) => (507, "DISK_FULL"),
            (DeclinedKind::Disk, _) => (503, "DISK_ERROR"),
            (DeclinedKind::Busy, _) => (503, "BUSY"),
        };
        let remedy = match (declined.kind, about) {
            (DeclinedKind::Unplayable, About::File(name)) => {
                world.listing.entry(name).and_then(|entry| entry.remedy())
            }
            _ => None,
        };
        routes::error_with(status, code, &declined.words, remedy.as_deref())
    })
}

fn done(world: &World<'_>, message: String, video: Option<&str>, source: Option<&str>) -> Answer {
    let status = api::stream_status(world.snapshot, world.moment);
    routes::json(200, &Done { success: true, message, video, source, status })
}

/// `POST /api/switch`.
pub fn switch(body: &[u8], world: &World<'_>) -> Result<Answer, Answer> {
    const NAMES: &[&str] = &["video", "source", "start_s", "loop", "googledriveFileId"];
    let fields = Fields::read(body, NAMES)?;
    let video = fields.text("video")?.unwrap_or_default();
    let source = fields.text("source")?.unwrap_or("local");
    let live = |selection| (selection, About::Programme);
    let (selection, about) = match source {
        "local" => {
            let name = named_file(video)?;
            let at_ms = fields.seconds("start_s")?.unwrap_or(0);
            let looped = fields.flag("loop")?.unwrap_or(false);
            (Selection::File { name, at_ms, looped }, About::File(video))
        }
        "playlist" => {
            names::check_playlist(video).map_err(|why| wrong(format_args!("`video`: {why}")))?;
            (Selection::Playlist(video.to_owned()), About::Playlist)
        }
        "udp" => live(Selection::Udp),
        "rtmp" => live(Selection::Rtmp),
        "pull" => live(Selection::Pull),
        "standby" => live(Selection::Standby),
        "googledrive" => {
            return Err(wrong(
                "Google Drive is not set up here; put the file into the videos folder and use \
                 \"source\": \"local\".",
            ))
        }
        _ => {
            return Err(wrong(
                "`source` must be local, playlist, udp, rtmp, pull or standby; without it, local.",
            ))
        }
    };
    if matches!(about, About::Programme) && !video.is_empty() {
        named_file(video)?;
    }
    let message = give(world, Command::Switch(selection), about)?;
    let video = if video.is_empty() { source } else { video };
    Ok(done(world, message, Some(video), Some(source)))
}

fn named_file(name: &str) -> Result<FileName, Answer> {
    if name.is_empty() {
        return Err(wrong("`video` must be the name of a file in the library."));
    }
    names::check(name).map_err(|why| wrong(format_args!("`video` cannot be this: {why}.")))
}

/// `POST /api/stop`.
pub fn stop(world: &World<'_>) -> Result<Answer, Answer> {
    let message = give(world, Command::Stop, About::Programme)?;
    Ok(done(world, message, None, None))
}

/// `POST /api/playout`.
pub fn playout(body: &[u8], world: &World<'_>) -> Result<Answer, Answer> {
    let fields = Fields::read(body, &["action", "position_s", "loop"])?;
    let command = match fields.text("action")?.unwrap_or_default() {
        "pause" => Command::Pause,
        "resume" => Command::Resume,
        "next" => Command::Next,
        "seek" => Command::Seek(fields.seconds("position_s")?.ok_or_else(|| {
            wrong("`position_s` must say where to go, in seconds from the file's beginning.")
        })?),
        "loop" => Command::Loop(
            fields.flag("loop")?.ok_or_else(|| wrong("`loop` must be true or false."))?,
        ),
        _ => return Err(wrong("`action` must be pause, resume, next, seek or loop.")),
    };
    let message = give(world, command, About::Programme)?;
    Ok(done(world, message, None, None))
}

/// `POST /api/inputs/NAME/restart`.
pub fn reopen(name: &str, world: &World<'_>) -> Result<Answer, Answer> {
    let input = match name {
        "udp" => LiveInput::Udp,
        "pull" if !world.snapshot.pull.url.is_empty() => LiveInput::Pull,
        _ => {
            let why = "There is no input of this name that could be opened anew: udp always is \
                       one, pull where [input.pull] is configured.";
            return Err(routes::error(404, "INPUT_NOT_FOUND", why));
        }
    };
    let message = give(world, Command::Reopen(input), About::Programme)?;
    Ok(done(world, message, None, None))
}

/// The lists there are.
#[derive(Serialize)]
struct PlaylistsAnswer<'a> {
    playlists: Vec<PlaylistAnswer<'a>>,
    count: usize,
}

#[derive(Serialize)]
struct PlaylistAnswer<'a> {
    name: &'a str,
    files: Vec<&'a str>,
    repeat: bool,
    shuffle: bool,
    playing: bool,
    /// Another list has another, for If-Match.
    revision: String,
}

fn told<'a>(name: &'a str, list: &'a Playlist, world: &World<'_>) -> PlaylistAnswer<'a> {
    PlaylistAnswer {
        name,
        files: list.files.iter().map(FileName::as_str).collect(),
        repeat: list.repeat,
        shuffle: list.shuffle,
        playing: world.snapshot.playout.playlist.as_deref() == Some(name),
        revision: revision_of(list),
    }
}

/// What came of a list that was put.
#[derive(Serialize)]
struct Kept<'a> {
    success: bool,
    message: String,
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
pub fn playlists(world: &World<'_>) -> Answer {
    let lists = world.snapshot.playout.playlists.iter();
    let playlists: Vec<_> = lists.map(|(name, list)| told(name, list, world)).collect();
    let count = playlists.len();
    routes::json(200, &PlaylistsAnswer { playlists, count })
}

/// `GET /api/playlists/NAME`.
pub fn playlist(name: &str, world: &World<'_>) -> Result<Answer, Answer> {
    let name = named_list(name)?;
    match world.snapshot.playout.playlists.get(&name) {
        Some(list) => Ok(routes::json(200, &told(&name, list, world))),
        None => Err(routes::error(
            404,
            "PLAYLIST_NOT_FOUND",
            "There is no playlist of this name; GET /api/playlists lists them.",
        )),
    }
}

/// `PUT /api/playlists/NAME`.
pub fn put_playlist(name: &str, asked: &Asked<'_>, world: &World<'_>) -> Result<Answer, Answer> {
    let name = named_list(name)?;
    let fields = Fields::read(asked.body, &["files", "repeat", "shuffle"])?;
    if fields.is_too_long("files") {
        let why = format!("A playlist may hold {PLAYLIST_FILES_MAX} files at most; split it.");
        return Err(routes::error(413, "INVALID_REQUEST", &why));
    }
    let names = fields.texts("files")?.unwrap_or_default();
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
        repeat: fields.flag("repeat")?.unwrap_or(false),
        shuffle: fields.flag("shuffle")?.unwrap_or(false),
    };
    let lists = &world.snapshot.playout.playlists;
    if lists.len() >= PLAYLISTS_MAX && !lists.contains_key(&name) {
        let why = format!("There are {PLAYLISTS_MAX} playlists already; delete one first.");
        return Err(routes::error(409, "TOO_MANY_PLAYLISTS", &why));
    }
    let before = match changes::if_match(asked) {
        None => None,
        Some(wanted) => {
            let now = lists.get(&name).filter(|now| revision_of(now) == wanted);
            let changed = || {
                let why = "The playlist was changed meanwhile; get it again.";
                routes::error(412, "CHANGED_MEANWHILE", why)
            };
            Some(Arc::clone(now.ok_or_else(changed)?))
        }
    };
    let command = Command::SetPlaylist { name: name.clone(), list: list.clone(), before };
    let message = give(world, command, About::Playlist)?;
    let status = api::stream_status(world.snapshot, world.moment);
    let playlist = told(&name, &list, world);
    Ok(routes::json(200, &Kept { success: true, message, status, playlist }))
}

/// `DELETE /api/playlists/NAME`.
pub fn delete_playlist(name: &str, world: &World<'_>) -> Result<Answer, Answer> {
    let name = named_list(name)?;
    let message = give(world, Command::RemovePlaylist(name), About::Playlist)?;
    Ok(done(world, message, None, None))
}

/// A playlist's name, as it stands in a path.
fn named_list(name: &str) -> Result<String, Answer> {
    let name = decoded(name, false)
        .ok_or_else(|| wrong("The playlist's name must be UTF-8 in percent-encoding."))?;
    names::check_playlist(&name).map_err(wrong)?;
    Ok(name)
}
