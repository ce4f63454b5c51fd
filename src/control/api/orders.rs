//! The routes that change something: requests turned into commands for the data plane, and what
//! came of them into answers. Purpose: the one place that knows the names of the fields of a
//! request's body; the original controller's stay for ever. Non-goals: who may command, which is
//! judged before; carrying commands out. Bound: the body's, which the gate keeps.

use serde::{Deserialize, Serialize};

use crate::control::api::body::{self, wrong, Seconds};
use crate::control::api::commands::Commands;
#[cfg(test)]
use crate::control::api::document::Document;
#[cfg(test)]
use crate::control::api::schemas;
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::{ErrorAnswer, Problem};
use crate::library::names;
use crate::library::Library;
use crate::operator::commands::{Command, DeclinedKind, FileName, LiveInput, Selection};
use crate::operator::snapshot::PullStatus;
#[cfg(test)]
use serde_json::json;

/// What a command is about, for the code of a refusal.
#[derive(Clone, Copy)]
pub enum About<'a> {
    /// A file of the library, which knows what helps one that cannot be played.
    File(&'a str, &'a Library),
    Playlist,
    Programme,
}

/// A command to the programme was carried out.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Commanded"))]
pub struct CommandDone<'a> {
    #[cfg_attr(test, schemars(extend("const" = true)))]
    success: bool,
    message: String,
    /// What was put on air.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    video: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    source: Option<&'a str>,
    #[cfg_attr(test, schemars(with = "schemas::StreamStatus"))]
    status: &'static str,
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
    answer::json(200, &CommandDone { success: true, message, video: None, source: None, status })
}

/// What to put on air. A file of the library takes [`FileRequest`] besides.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SwitchRequest {
    /// The file or the playlist.
    video: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FileRequest {
    /// Where in the file to begin, seconds.
    start_s: Option<Seconds>,
    /// Begin again when the file ends.
    r#loop: Option<bool>,
}

/// `POST /api/switch`.
pub fn switch(
    body: &[u8],
    commands: &Commands,
    library: &Library,
    status: &'static str,
) -> Result<Answer, Answer> {
    let SwitchRequest { video, source } = body::read(body)?;
    let video = video.as_deref().unwrap_or_default();
    let source = source.as_deref().unwrap_or("local");
    let live = |selection| (selection, About::Programme);
    let (selection, about) = match source {
        "local" => {
            let name = named_file(video)?;
            let FileRequest { start_s, r#loop } = body::read(body)?;
            let at_ms = start_s.map_or(0, |Seconds(ms)| ms);
            let looped = r#loop.unwrap_or(false);
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
    Ok(answer::json(
        200,
        &CommandDone { success: true, message, video, source: Some(source), status },
    ))
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

/// What to do with the file that plays; some of it takes a field more.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PlayoutRequest {
    #[serde(default, deserialize_with = "body::choice")]
    #[cfg_attr(test, schemars(with = "PlayoutAction"))]
    action: Option<PlayoutAction>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum PlayoutAction {
    Pause,
    Resume,
    Next,
    Seek,
    Loop,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SeekRequest {
    /// For seek: seconds from the file's beginning.
    position_s: Option<Seconds>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LoopRequest {
    /// For loop.
    r#loop: Option<bool>,
}

/// `POST /api/playout`.
pub fn playout(body: &[u8], commands: &Commands, status: &'static str) -> Result<Answer, Answer> {
    let PlayoutRequest { action } = body::read(body)?;
    let action =
        action.ok_or_else(|| wrong("`action` must be pause, resume, next, seek or loop."))?;
    let command = match action {
        PlayoutAction::Pause => Command::Pause,
        PlayoutAction::Resume => Command::Resume,
        PlayoutAction::Next => Command::Next,
        PlayoutAction::Seek => {
            let Seconds(ms) = body::read::<SeekRequest>(body)?.position_s.ok_or_else(|| {
                wrong("`position_s` must say where to go, in seconds from the file's beginning.")
            })?;
            Command::Seek(ms)
        }
        PlayoutAction::Loop => {
            let LoopRequest { r#loop } = body::read(body)?;
            Command::Loop(r#loop.ok_or_else(|| wrong("`loop` must be true or false."))?)
        }
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

/// What the API's document says of them.
#[cfg(test)]
pub fn describe(document: &mut Document) {
    let done = |message| json!({ "success": true, "message": message, "status": "streaming" });
    let examples = [
        ("file", json!({ "video": "clip.mp4", "start_s": 12.5, "loop": true })),
        ("live", json!({ "source": "udp" })),
        ("playlist", json!({ "source": "playlist", "video": "night" })),
    ];
    let mut switch =
        document.operation("POST /api/switch", "programme", "switch", "Puts something on air");
    let schema = switch.schema::<SwitchDocument>();
    switch
        .takes_schema(schema, &examples)
        .answers::<CommandDone<'_>>(200, "Done", done("clip.mp4 is on air."))
        .refuses(&[404, 409]);
    document
        .operation(
            "POST /api/stop",
            "programme",
            "stop",
            "Ends what the operator chose: back to the live input, or to standby",
        )
        .answers::<CommandDone<'_>>(200, "Done", done("The choice is ended."))
        .refuses(&[409]);
    let examples = [
        ("pause", json!({ "action": "pause" })),
        ("seek", json!({ "action": "seek", "position_s": 60 })),
        ("loop", json!({ "action": "loop", "loop": true })),
    ];
    let mut playout = document.operation(
        "POST /api/playout",
        "programme",
        "playout",
        "Pause, resume, next, seek, loop",
    );
    let schema = playout.schema::<PlayoutDocument>();
    playout
        .takes_schema(schema, &examples)
        .answers::<CommandDone<'_>>(200, "Done", done("Paused."))
        .refuses(&[404, 409]);
    document
        .operation(
            "POST /api/inputs/{name}/restart",
            "programme",
            "restartInput",
            "Opens an input again",
        )
        .answers::<CommandDone<'_>>(200, "Done", done("The UDP input is reopened."))
        .refuses(&[404, 409]);
}

/// What may be put on air, by source.
#[cfg(test)]
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "SwitchRequest")]
#[expect(dead_code, reason = "for the document alone")]
enum SwitchDocument {
    /// A file of the library.
    File {
        #[schemars(with = "schemas::FileName")]
        video: String,
        #[schemars(extend("enum" = ["local", null]))]
        source: Option<String>,
        #[serde(flatten)]
        file: FileRequest,
        /// Not used.
        #[serde(default, rename = "googledriveFileId")]
        #[schemars(with = "serde_json::Value")]
        googledrive_file_id: Option<String>,
    },
    /// A playlist.
    Playlist {
        #[schemars(with = "schemas::PlaylistName")]
        video: String,
        #[schemars(extend("const" = "playlist"))]
        source: String,
    },
    /// A live input, or the standby card.
    Live {
        #[serde(default)]
        #[schemars(schema_with = "file_or_nothing")]
        video: Option<String>,
        #[schemars(extend("enum" = ["udp", "rtmp", "pull", "standby"]))]
        source: String,
    },
}

#[cfg(test)]
fn file_or_nothing(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let file = generator.subschema_for::<schemas::FileName>();
    schemars::json_schema!({ "anyOf": [file, { "type": "null" }, { "const": "" }] })
}

/// What may be done, with the fields of each.
#[cfg(test)]
#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(rename = "PlayoutRequest", extend("required" = ["action"]))]
#[expect(dead_code, reason = "for the document alone")]
struct PlayoutDocument {
    #[serde(flatten)]
    what: PlayoutRequest,
    #[serde(flatten)]
    seek: SeekRequest,
    #[serde(flatten)]
    again: LoopRequest,
}
