//! The routes that change something: requests turned into commands for the data plane, and what
//! came of them into answers. Purpose: the one place that knows the names of the fields of a
//! request's body; the original controller's stay for ever. Non-goals: who may command, which is
//! judged before; carrying commands out. Bound: the body's, which the gate keeps.

use serde::Serialize;

use crate::control::api::fields::{Fields, Wrong};
use crate::control::api::moment::Moment;
use crate::control::api::status;
use crate::control::http::answer::{self, Answer};
use crate::library::listing::Listing;
use crate::library::names;
use crate::operator::commands::{Command, DeclinedKind, FileName, LiveInput, Outcome, Selection};
use crate::operator::snapshot::Snapshot;

/// What giving a command takes.
#[derive(Clone, Copy)]
pub struct Orders<'a> {
    /// Gives a command and waits for what comes of it.
    pub ask: &'a dyn Fn(Command) -> Outcome,
    /// The library, which knows what helps a file that cannot be played.
    pub listing: &'a Listing,
    /// The state.
    pub snapshot: &'a Snapshot,
    /// Now.
    pub moment: Moment,
}

impl Orders<'_> {
    /// What the original calls the state of the stream.
    pub fn status(&self) -> &'static str {
        status::stream_status(self.snapshot, self.moment)
    }
}

/// What a command is about, for the code of a refusal.
#[derive(Clone, Copy)]
pub enum About<'a> {
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
pub fn wrong(why: impl std::fmt::Display) -> Answer {
    answer::error(400, "INVALID_REQUEST", &why.to_string())
}

impl From<Wrong> for Answer {
    fn from(why: Wrong) -> Answer {
        wrong(why)
    }
}

/// Gives a command; the words of who carried it out, or the answer to its refusal.
pub fn give(orders: &Orders<'_>, command: Command, about: About<'_>) -> Result<String, Answer> {
    (orders.ask)(command).map_err(|declined| {
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
                orders.listing.entry(name).and_then(|entry| entry.remedy())
            }
            _ => None,
        };
        answer::error_with(status, code, &declined.words, remedy.as_deref())
    })
}

pub fn done(
    orders: &Orders<'_>,
    message: String,
    video: Option<&str>,
    source: Option<&str>,
) -> Answer {
    let status = orders.status();
    answer::json(200, &Done { success: true, message, video, source, status })
}

/// `POST /api/switch`.
pub fn switch(body: &[u8], orders: &Orders<'_>) -> Result<Answer, Answer> {
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
    let message = give(orders, Command::Switch(selection), about)?;
    let video = if video.is_empty() { source } else { video };
    Ok(done(orders, message, Some(video), Some(source)))
}

fn named_file(name: &str) -> Result<FileName, Answer> {
    if name.is_empty() {
        return Err(wrong("`video` must be the name of a file in the library."));
    }
    names::check(name).map_err(|why| wrong(format_args!("`video` cannot be this: {why}.")))
}

/// `POST /api/stop`.
pub fn stop(orders: &Orders<'_>) -> Result<Answer, Answer> {
    let message = give(orders, Command::Stop, About::Programme)?;
    Ok(done(orders, message, None, None))
}

/// `POST /api/playout`.
pub fn playout(body: &[u8], orders: &Orders<'_>) -> Result<Answer, Answer> {
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
    let message = give(orders, command, About::Programme)?;
    Ok(done(orders, message, None, None))
}

/// `POST /api/inputs/NAME/restart`.
pub fn reopen(name: &str, orders: &Orders<'_>) -> Result<Answer, Answer> {
    let input = match name {
        "udp" => LiveInput::Udp,
        "pull" if !orders.snapshot.pull.url.is_empty() => LiveInput::Pull,
        _ => {
            let why = "There is no input of this name that could be opened anew: udp always is \
                       one, pull where [input.pull] is configured.";
            return Err(answer::error(404, "INPUT_NOT_FOUND", why));
        }
    };
    let message = give(orders, Command::Reopen(input), About::Programme)?;
    Ok(done(orders, message, None, None))
}
