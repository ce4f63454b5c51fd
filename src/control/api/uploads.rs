//! Uploads, and changes of the library's files. Purpose: requests turned into orders for the
//! [`LibraryWriter`](crate::library::writer::LibraryWriter), and the way of an upload's bytes from a client to it: one piece is filled while the
//! one before is written, and what came before a connection broke is kept. Non-goals: the disk,
//! who may. Bounds: [`UPLOAD_PIECES_MAX`] pieces of [`UPLOAD_PIECE_BYTES`] an upload; a client that
//! sends too little, and a disk that takes no piece in [`UPLOAD_DISK_MS_MAX`], end the connection.

use std::io::{self, ErrorKind};

use serde::{Deserialize, Serialize};
use smol::channel::Receiver;

#[cfg(test)]
use crate::base::limits::UPLOAD_BYTES_MAX;
use crate::base::limits::{UPLOAD_PIECES_MAX, UPLOAD_PIECE_BYTES, UPLOAD_REQUEST_BYTES};
use crate::control::api::asked::Asked;
use crate::control::api::body::{self, wrong, WholeNumber};
use crate::control::api::commands::Commands;
#[cfg(test)]
use crate::control::api::document::Document;
use crate::control::api::done::done;
#[cfg(test)]
use crate::control::api::done::CarriedOut;
use crate::control::api::moment::CivilTime;
use crate::control::api::names::decoded;
#[cfg(test)]
use crate::control::api::schemas;
use crate::control::api::stream::Stream;
use crate::control::http::answer::{self, Answer};
use crate::control::http::deadline::within;
use crate::control::http::problem::{ErrorAnswer, Problem};
use crate::control::http::stream::Carrier;
use crate::library::change::{ChangeError, NameTaken};
use crate::library::names;
use crate::library::upload::{Upload, UploadError, UploadId};
use crate::library::writer::{
    Change, ChangeResult, LibraryWriter, StoredUpload, UploadSeat, Written,
};
use crate::operator::commands::FileName;
use crate::operator::snapshot::PlayoutStatus;
#[cfg(test)]
use serde_json::{json, Value};

/// Time the disk has to take a piece of an upload.
const UPLOAD_DISK_MS_MAX: u64 = 20_000;
/// Time it has to take the last of a file and give it its name.
const UPLOAD_FINISH_MS_MAX: u64 = 60_000;

/// Tells why not; `offset` is where the upload stands, unless the error says so itself.
fn refused(error: &UploadError, offset: Option<u64>) -> Answer {
    let offset = match error {
        UploadError::WrongOffset { offset }
        | UploadError::TooMuch { offset, .. }
        | UploadError::Active { offset } => Some(*offset),
        UploadError::DiskFull { offset: Some(offset), .. } => Some(*offset),
        _ => offset,
    };
    ErrorAnswer { offset, ..problem(error).error(error) }.answer()
}

fn problem(error: &UploadError) -> Problem {
    match error {
        UploadError::NotFound => Problem::UploadNotFound,
        UploadError::WrongOffset { .. } => Problem::WrongOffset,
        UploadError::TooMuch { .. } => Problem::WrongLength,
        UploadError::Active { .. } => Problem::UploadActive,
        UploadError::Full => Problem::UploadsFull,
        UploadError::Empty => Problem::Invalid,
        UploadError::TooLarge => Problem::BodyTooLarge,
        UploadError::Crowded | UploadError::Busy => Problem::Busy,
        UploadError::DiskFull { .. } => Problem::DiskFull,
        UploadError::Change(error) => match error {
            ChangeError::NotFound => Problem::VideoNotFound,
            ChangeError::Exists => Problem::VideoExists,
            ChangeError::InUse => Problem::VideoOnAir,
            ChangeError::Disk(error) if error.kind() == ErrorKind::StorageFull => Problem::DiskFull,
            ChangeError::Apart | ChangeError::Disk(_) => Problem::Failed,
        },
    }
}

/// The uploads there are.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Uploads"))]
struct UploadsAnswer<'a> {
    uploads: Vec<UploadAnswer<'a>>,
    count: usize,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Upload"))]
struct UploadAnswer<'a> {
    #[cfg_attr(test, schemars(with = "schemas::UploadId"))]
    id: String,
    filename: &'a str,
    size: u64,
    /// What has come, bytes.
    offset: u64,
    replace: bool,
    modified: CivilTime,
}

/// `GET /api/uploads`.
pub fn list(uploads: &[Upload]) -> Answer {
    let uploads: Vec<_> = uploads
        .iter()
        .map(|upload| {
            let (id, modified) = (upload.id.to_string(), CivilTime(upload.modified));
            let replace = upload.taken == NameTaken::Replace;
            let Upload { size, offset, .. } = *upload;
            UploadAnswer { id, filename: &upload.filename, size, offset, replace, modified }
        })
        .collect();
    let count = uploads.len();
    answer::json(200, &UploadsAnswer { uploads, count })
}

/// An upload that has begun.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "UploadBegun"))]
struct Begun {
    #[cfg_attr(test, schemars(extend("const" = true)))]
    success: bool,
    #[cfg_attr(test, schemars(with = "schemas::UploadId"))]
    id: String,
    offset: u64,
    /// A good length for one PATCH.
    piece_bytes: u64,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct BeginRequest {
    #[cfg_attr(test, schemars(with = "schemas::FileName"))]
    filename: Option<String>,
    /// Bytes.
    #[cfg_attr(test, schemars(with = "u64", range(min = 1, max = UPLOAD_BYTES_MAX)))]
    size: Option<WholeNumber>,
    /// A file of this name is replaced, unless it is on air.
    replace: Option<bool>,
}

/// `POST /api/uploads`.
pub fn begin(body: &[u8], commands: &Commands) -> Result<Answer, Answer> {
    let BeginRequest { filename, size, replace } = body::read(body)?;
    let filename = file_name(filename)?;
    let WholeNumber(size) =
        size.ok_or_else(|| wrong("`size` must say how long the file is, in bytes."))?;
    let taken = match replace {
        Some(true) => NameTaken::Replace,
        _ => NameTaken::Refuse,
    };
    match give(commands, Change::Begin { filename, size, taken })? {
        ChangeResult::Begun(upload) => Ok(answer::json(
            201,
            &Begun {
                success: true,
                id: upload.id.to_string(),
                offset: upload.offset,
                piece_bytes: UPLOAD_REQUEST_BYTES,
            },
        )),
        ChangeResult::Done => Err(Problem::Failed.answer("The upload was not started.")),
    }
}

/// `PATCH /api/uploads/ID`: the gate brings the body.
pub fn go_on(id: &str, asked: &Asked<'_>) -> Result<Stream, Answer> {
    let UploadId(id) = upload_id(id)?;
    let bytes = asked.piece_bytes.ok_or_else(|| {
        let words = "Send the file's bytes with Content-Type: application/octet-stream.";
        Problem::UnsupportedType.answer(words)
    })?;
    let is_number = asked.upload_offset.bytes().all(|byte| byte.is_ascii_digit());
    let offset = asked.upload_offset.parse().ok().filter(|_| is_number);
    let offset = offset.ok_or_else(|| {
        wrong("Upload-Offset must say where in the file the body begins, in bytes.")
    })?;
    Ok(Stream::Upload { id, offset, bytes })
}

/// `DELETE /api/uploads/ID`.
pub fn give_up(id: &str, commands: &Commands) -> Result<Answer, Answer> {
    give(commands, Change::GiveUp(upload_id(id)?))?;
    Ok(done("The upload is cancelled."))
}

/// What came of a change of a file.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "VideoChanged"))]
struct VideoDone<'a> {
    #[cfg_attr(test, schemars(extend("const" = true)))]
    success: bool,
    message: String,
    filename: &'a str,
    /// How many playlists name the file as it was called.
    playlists: usize,
}

/// `DELETE /api/videos/NAME`.
pub fn remove_video(
    name: &str,
    commands: &Commands,
    playout: &PlayoutStatus,
) -> Result<Answer, Answer> {
    let name = path_name(name)?;
    give(commands, Change::Remove(name.clone()))?;
    Ok(video_done(format!("{name} is deleted"), &name, &name, playout))
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RenameRequest {
    #[cfg_attr(test, schemars(with = "schemas::FileName"))]
    filename: Option<String>,
}

/// `PATCH /api/videos/NAME`.
pub fn rename_video(
    name: &str,
    body: &[u8],
    commands: &Commands,
    playout: &PlayoutStatus,
) -> Result<Answer, Answer> {
    let from = path_name(name)?;
    let RenameRequest { filename } = body::read(body)?;
    let to = file_name(filename)?;
    give(commands, Change::Rename { from: from.clone(), to: to.clone() })?;
    Ok(video_done(format!("{from} is now called {to}"), &from, &to, playout))
}

fn video_done(done: String, before: &str, filename: &str, playout: &PlayoutStatus) -> Answer {
    let lists = playout.playlists.values();
    let playlists = lists.filter(|list| list.files.iter().any(|file| file == before)).count();
    let message = match playlists {
        0 => format!("{done}."),
        1 => format!("{done}; one playlist still names {before}."),
        more => format!("{done}; {more} playlists still name {before}."),
    };
    answer::json(200, &VideoDone { success: true, message, filename, playlists })
}

fn give(commands: &Commands, change: Change) -> Result<ChangeResult, Answer> {
    commands.change(change).map_err(|error| refused(&error, None))
}

/// The id of an upload as it stands in a path.
fn upload_id(id: &str) -> Result<UploadId, Answer> {
    id.parse().map_err(|_| refused(&UploadError::NotFound, None))
}

/// A file's name as it stands in a path.
fn path_name(name: &str) -> Result<FileName, Answer> {
    let name = decoded(name, false)
        .ok_or_else(|| wrong("The file's name must be UTF-8 in percent-encoding."))?;
    names::check(&name).map_err(|why| wrong(format_args!("This names no file: {why}.")))
}

/// A file's name as a request's `filename` says it.
fn file_name(name: Option<String>) -> Result<FileName, Answer> {
    let checked = names::check(&name.unwrap_or_default());
    checked.map_err(|why| wrong(format_args!("`filename` cannot be this: {why}.")))
}

/// How far an upload is.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "UploadReceived"))]
struct Received {
    #[cfg_attr(test, schemars(extend("const" = true)))]
    success: bool,
    #[cfg_attr(test, schemars(with = "schemas::UploadId"))]
    id: String,
    offset: u64,
    /// The file is in the library.
    complete: bool,
}

/// Takes `bytes` bytes of upload `id` from `offset` on, and says what came of it.
///
/// # Errors
/// The client is gone: there is nobody to tell. What came of it is on its way to the disk.
pub async fn receive(
    carrier: &mut Carrier<'_>,
    library_writer: &LibraryWriter,
    id: u64,
    offset: u64,
    bytes: u64,
) -> io::Result<Answer> {
    let id = UploadId(id);
    let seat = match library_writer.seat(id, offset, bytes) {
        Ok(seat) => seat,
        Err(error) => return Ok(refused(&error, None)),
    };
    let mut inflow = Inflow::new(seat, offset);
    let carried = inflow.carry(carrier, bytes).await?;
    let complete = match carried {
        Ok(()) => inflow.keep().await.map(|name| name.is_some()),
        Err(error) => Err(error),
    };
    Ok(match complete {
        Ok(complete) => {
            let (id, offset) = (id.to_string(), inflow.at);
            answer::json(200, &Received { success: true, id, offset, complete })
        }
        Err(error) => refused(&error, Some(inflow.at)),
    })
}

/// An upload's bytes between the client and the disk.
struct Inflow {
    seat: UploadSeat,
    /// How far the disk is.
    at: u64,
    /// Memory that waits to be filled.
    spare: Vec<Vec<u8>>,
    /// The piece that is being written.
    under_way: Option<Receiver<Written>>,
}

impl Inflow {
    fn new(seat: UploadSeat, at: u64) -> Inflow {
        Inflow { seat, at, spare: vec![Vec::new(); UPLOAD_PIECES_MAX], under_way: None }
    }

    /// Carries `missing` bytes to the disk, or as many as come.
    async fn carry(
        &mut self,
        carrier: &mut Carrier<'_>,
        mut missing: u64,
    ) -> io::Result<Result<(), UploadError>> {
        while missing > 0 {
            let mut piece = self.spare.pop().unwrap_or_default();
            let most = usize::try_from(missing).unwrap_or(usize::MAX).min(UPLOAD_PIECE_BYTES);
            piece.resize(most, 0);
            let (filled, came) = carrier.fill(&mut piece).await;
            piece.truncate(filled);
            missing = missing.saturating_sub(u64::try_from(filled).unwrap_or(u64::MAX));
            let handed = match self.settle().await {
                Ok(()) => self.hand_on(piece),
                refused => refused,
            };
            if let Err(gone) = came {
                // What has come is worth keeping, though nobody is there to be told.
                let _ = self.settle().await;
                return Err(gone);
            }
            if handed.is_err() {
                return Ok(handed);
            }
        }
        Ok(self.settle().await)
    }

    /// Hands a piece to the disk.
    fn hand_on(&mut self, piece: Vec<u8>) -> Result<(), UploadError> {
        if !piece.is_empty() {
            self.under_way = Some(self.seat.write(self.at, piece)?);
        }
        Ok(())
    }

    /// Waits until the piece under way is written.
    async fn settle(&mut self) -> Result<(), UploadError> {
        let Some(under_way) = self.under_way.take() else { return Ok(()) };
        let written = within(UPLOAD_DISK_MS_MAX, under_way.recv()).await;
        let Some(Ok(Written { bytes, outcome })) = written else { return Err(UploadError::Busy) };
        self.spare.push(bytes);
        match outcome {
            Ok(at) => self.at = at,
            Err(error) => {
                if let UploadError::DiskFull { offset: Some(at), .. } = error {
                    self.at = at;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Has the disk keep what has come, and the library take the upload if it is complete.
    async fn keep(&mut self) -> StoredUpload {
        let kept = self.seat.keep()?;
        match within(UPLOAD_FINISH_MS_MAX, kept.recv()).await {
            Some(Ok(outcome)) => outcome,
            _ => Err(UploadError::Busy),
        }
    }
}

/// What the API's document says of them.
#[cfg(test)]
pub fn describe(document: &mut Document) {
    let id = "00c0ffee00c0ffee";
    let begun =
        json!({ "success": true, "id": id, "offset": 0, "piece_bytes": UPLOAD_REQUEST_BYTES });
    let received =
        json!({ "success": true, "id": id, "offset": UPLOAD_REQUEST_BYTES, "complete": false });
    let given_up = json!({ "success": true, "message": "The upload is cancelled." });
    document
        .operation("PATCH /api/videos/{name}", "library", "renameVideo", "Renames a file")
        .takes::<RenameRequest>(json!({ "filename": "evening.mp4" }))
        .answers::<VideoDone<'_>>(200, "Done", Value::Null)
        .refuses(&[404, 409, 507]);
    document
        .operation("DELETE /api/videos/{name}", "library", "deleteVideo", "Deletes a file")
        .answers::<VideoDone<'_>>(200, "Done", Value::Null)
        .refuses(&[404, 409, 507]);
    document
        .operation("GET /api/uploads", "library", "uploads", "Uploads under way or broken off")
        .answers::<UploadsAnswer<'_>>(200, "The uploads", Value::Null);
    document
        .operation("POST /api/uploads", "library", "beginUpload", "Begins an upload")
        .about(
            "Room for the whole file is checked first. An upload without a byte for 24 h is given \
             up.",
        )
        .takes::<BeginRequest>(json!({ "filename": "clip.mp4", "size": 73_400_320 }))
        .answers::<Begun>(201, "Begun", begun)
        .refuses(&[409, 507]);
    let offset = json!({ "type": "integer", "minimum": 0, "maximum": UPLOAD_BYTES_MAX });
    document
        .operation(
            "PATCH /api/uploads/{id}",
            "library",
            "continueUpload",
            "Sends the next bytes of the file",
        )
        .about(
            "Of any length up to the rest. What came before a connection broke is kept: look at the \
             offset and go on there. A wrong Upload-Offset is told the right one in offset.",
        )
        .needs_header("Upload-Offset", "Where in the file the body begins, bytes", offset)
        .takes_bytes("")
        .answers::<Received>(200, "They are on the disk", received)
        .refuses(&[404, 409, 507]);
    document
        .operation("DELETE /api/uploads/{id}", "library", "giveUpUpload", "Gives an upload up")
        .answers::<CarriedOut>(200, "Done", given_up)
        .refuses(&[404, 409, 507]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_where_to_go_on() {
        let told = |error: UploadError, offset| {
            let answer = refused(&error, offset);
            let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            (answer.status, value["code"].clone(), value["offset"].clone())
        };
        assert_eq!(
            told(UploadError::WrongOffset { offset: 7 }, Some(3)),
            (409, "WRONG_OFFSET".into(), 7.into())
        );
        let full = |offset| UploadError::DiskFull { missing: 1, offset };
        assert_eq!(told(full(None), None), (507, "DISK_FULL".into(), serde_json::Value::Null));
        assert_eq!(told(full(Some(5)), None), (507, "DISK_FULL".into(), 5.into()));
        let exists = UploadError::Change(ChangeError::Exists);
        assert_eq!(told(exists, Some(9)), (409, "VIDEO_EXISTS".into(), 9.into()));
        let full = UploadError::Change(ChangeError::Disk(io::Error::from_raw_os_error(28)));
        assert_eq!(told(full, None).0, 507);
        assert_eq!(told(UploadError::Crowded, None).0, 503);
    }
}
