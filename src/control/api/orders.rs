//! The routes that change something: requests turned into commands for the data plane, and what
//! came of them into answers. Purpose: the one place that knows the names of the fields of a
//! request's body; the original controller's stay for ever. Non-goals: who may command, which is
//! judged before; carrying commands out. Bound: the body's, which the gate keeps.

use serde::Serialize;

use crate::control::api::commands::Commands;
use crate::control::api::fields::{Fields, Wrong};
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::{ErrorAnswer, Problem};
use crate::library::names;
use crate::library::Library;
use crate::operator::commands::{Command, DeclinedKind, FileName, LiveInput, Selection};
use crate::operator::snapshot::PullStatus;

/// What a command is about, for the code of a refusal.
#[derive(Clone, Copy)]
pub enum About<'a> {
    /// A file of the library, which knows what helps one that cannot be played.
    File(&'a str, &'a Library),
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
pub fn wrong(why: impl std::fmt::Display) -> Answer {
    Problem::Invalid.answer(why)
}

impl From<Wrong> for Answer {
    fn from(why: Wrong) -> Answer {
        wrong(why)
    }
}

/// Gives a command; the words of who carried it out, or the answer to its refusal.
pub fn give(commands: &Commands, command: Command, about: About<'_>) -> Result<String, Answer> {
    commands.give(command).map_err(|declined| {
        let problem = match (declined.kind, about) {
            (DeclinedKind::NotFound, About::Playlist) => Problem::PlaylistNotFound,
            (DeclinedKind::NotFound, _) => Problem::VideoNotFound,
            (DeclinedKind::Invalid, _) => Problem::Invalid,
            (DeclinedKind::Unplayable, _) => Problem::VideoUnplayable,
            (DeclinedKind::Changed, _) => Problem::ChangedMeanwhile,
            (DeclinedKind::DiskFull, _) => Problem::DiskFull,
            (DeclinedKind::Disk, _) => Problem::Disk,
            (DeclinedKind::Busy, _) => Problem::Busy,
        };
        let remedy = match (declined.kind, about) {
            (DeclinedKind::Unplayable, About::File(name, library)) => {
                library.entry(name).and_then(|entry| entry.remedy())
            }
            _ => None,
        };
        ErrorAnswer { remedy, ..problem.error(declined) }.answer()
    })
}

/// Tells that a command was carried out; `status` is what the original calls the state of the
/// stream.
pub fn done(status: &'static str, message: String) -> Answer {
    answer::json(200, &Done { success: true, message, video: None, source: None, status })
}

/// `POST /api/switch`.
pub fn switch(
    body: &[u8],
    commands: &Commands,
    library: &Library,
    status: &'static str,
) -> Result<Answer, Answer> {
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
            (Selection::File { name, at_ms, looped }, About::File(video, library))
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
    let message = give(commands, Command::Switch(selection), about)?;
    let video = Some(if video.is_empty() { source } else { video });
    Ok(answer::json(200, &Done { success: true, message, video, source: Some(source), status }))
}

fn named_file(name: &str) -> Result<FileName, Answer> {
    if name.is_empty() {
        return Err(wrong("`video` must be the name of a file in the library."));
    }
    names::check(name).map_err(|why| wrong(format_args!("`video` cannot be this: {why}.")))
}

/// `POST /api/stop`.
pub fn stop(commands: &Commands, status: &'static str) -> Result<Answer, Answer> {
    let message = give(commands, Command::Stop, About::Programme)?;
    Ok(done(status, message))
}

/// `POST /api/playout`.
pub fn playout(body: &[u8], commands: &Commands, status: &'static str) -> Result<Answer, Answer> {
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
    let message = give(commands, command, About::Programme)?;
    Ok(done(status, message))
}

/// `POST /api/inputs/NAME/restart`.
pub fn reopen(
    name: &str,
    commands: &Commands,
    pull: &PullStatus,
    status: &'static str,
) -> Result<Answer, Answer> {
    let input = match name {
        "udp" => LiveInput::Udp,
        "pull" if !pull.url.is_empty() => LiveInput::Pull,
        _ => {
            let why = "There is no input of this name that could be reopened: udp always is \
                       one, pull where [input.pull] is configured.";
            return Err(Problem::InputNotFound.answer(why));
        }
    };
    let message = give(commands, Command::Reopen(input), About::Programme)?;
    Ok(done(status, message))
}
