//! `/api/firmware`: the system of the appliance, which version of it runs, and the way of another
//! one to it. Purpose: tells what the root daemon of the updates has written down, and carries a
//! package piece by piece from a client to the daemon's socket, whose last word is the answer.
//! Non-goals: what a package is and whether it may be installed, which the daemon judges: this
//! program has no right to write a slot. Bounds: one order at a time, a package of
//! [`FIRMWARE_REQUEST_BYTES_MAX`] in pieces of [`UPLOAD_STEP_BYTES_MIN`], never held; a client that
//! sends less than a piece in [`UPLOAD_STEP_MS_MAX`](crate::base::limits::UPLOAD_STEP_MS_MAX), and
//! a daemon that takes no piece or says nothing in [`FIRMWARE_ANSWER_MS_MAX`], end the connection.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_net::unix::UnixStream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use smol::future::{or, pending};
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::appliance::firmware::downgrade::Proof;
use crate::appliance::firmware::latest::{self, LatestMemory, Offer};
use crate::appliance::firmware::orders::{self, FirmwareOrder, RefusalCode};
use crate::appliance::firmware::slots::Slot;
use crate::appliance::firmware::state;
use crate::base::limits::{
    FIRMWARE_LINE_BYTES_MAX, FIRMWARE_REQUEST_BYTES_MAX, FIRMWARE_TOLD_BYTES_MAX,
    UPLOAD_STEP_BYTES_MIN,
};
use crate::control::api::asked::Asked;
use crate::control::api::body;
use crate::control::api::done::done;
use crate::control::api::names::parameter;
use crate::control::api::stream::Stream;
use crate::control::http::answer::{self, Answer};
use crate::control::http::deadline::within;
use crate::control::http::problem::Problem;
use crate::control::http::stream::Carrier;

/// Time the update service has to take a connection.
const FIRMWARE_CONNECT_MS_MAX: u64 = 3_000;
/// Time it has to take the next piece, and to say what came of it once it has all: a slow disk
/// writes, flushes and reads back a whole slot.
const FIRMWARE_ANSWER_MS_MAX: u64 = 180_000;
/// How long the daemon may take to check a password: longer than it rests after a wrong one.
const PROOF_TIME: Duration = Duration::from_secs(6);

/// Where the daemon of the updates listens, and what it writes down.
#[derive(Clone, Debug)]
pub struct Appliance {
    folder: PathBuf,
}

/// Why nothing is told of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Untold {
    /// There is no appliance around this program.
    NotAnAppliance,
    /// Nothing is written down.
    NotYet,
    /// What is written down is no JSON object, or too long.
    Unreadable,
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Untold::NotAnAppliance => {
                "This is not the appliance: update the program the way it was installed."
            }
            Untold::NotYet => "The update service has not reported yet.",
            Untold::Unreadable => "The update service's report is not valid.",
        })
    }
}

impl Appliance {
    /// The one whose state is in this folder, if there is such a folder.
    pub fn new(folder: &Path) -> Appliance {
        Appliance { folder: folder.to_owned() }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(orders::SOCKET)
    }

    fn told(&self) -> Result<Map<String, Value>, Untold> {
        let absent = if self.folder.is_dir() { Untold::NotYet } else { Untold::NotAnAppliance };
        let file = File::open(self.folder.join(state::TOLD)).map_err(|_| absent)?;
        let mut text = Vec::new();
        let read = file.take(FIRMWARE_TOLD_BYTES_MAX).read_to_end(&mut text);
        read.map_err(|_| Untold::Unreadable)?;
        serde_json::from_slice(&text).map_err(|_| Untold::Unreadable)
    }
}

/// `GET /api/firmware` where nothing can be told.
#[derive(Serialize)]
struct Unavailable {
    success: bool,
    available: bool,
    reason: String,
}

/// What the server of [update] url offers; null where none was asked.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "FirmwareLatest"))]
struct Latest {
    url: String,
    /// When it last answered with what is believed, seconds since 1970.
    answered: Option<u64>,
    /// It did not answer, or with what is not believed.
    failed: Option<Failed>,
    /// A system that is newer than what runs.
    offered: Option<Offer>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "FirmwareFailed"))]
struct Failed {
    since: u64,
    why: String,
}

/// What `streamcaster latest` has written down, in the folder of remembered state.
fn offered(state: &Path) -> Option<Latest> {
    let LatestMemory { url, answered_s: answered, failed, offered, .. } =
        LatestMemory::read(&state.join(latest::MEMORY));
    let failed = failed.map(|latest::LookFailures { since_s: since, why }| Failed { since, why });
    (!url.is_empty()).then_some(Latest { url, answered, failed, offered })
}

/// `GET /api/firmware`: what the daemon has written down, and what is offered.
pub fn tell(appliance: &Appliance, state: &Path) -> Answer {
    match appliance.told() {
        Ok(mut told) => {
            let latest = serde_json::to_value(offered(state)).unwrap_or(Value::Null);
            told.insert("latest".to_owned(), latest);
            told.insert("success".to_owned(), true.into());
            told.insert("available".to_owned(), true.into());
            answer::json(200, &told)
        }
        Err(untold) => {
            let reason = untold.to_string();
            answer::json(200, &Unavailable { success: true, available: false, reason })
        }
    }
}

fn demand_appliance(appliance: &Appliance) -> Result<(), Answer> {
    if appliance.folder.is_dir() {
        return Ok(());
    }
    Err(Problem::NotAnAppliance.answer(Untold::NotAnAppliance))
}

/// `POST /api/firmware`: the gate brings the package.
///
/// # Errors
/// Why it is not even begun, as an answer.
pub fn install(asked: &Asked<'_>, appliance: &Appliance) -> Result<Stream, Answer> {
    demand_appliance(appliance)?;
    let allows = |name: &str| match parameter(asked.target, name) {
        None | Some("" | "0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(_) => Err(Problem::Invalid.answer(format_args!("`{name}` must be 1 or 0."))),
    };
    let (allow_downgrade, allow_debug) = (allows("allow_downgrade")?, allows("allow_debug")?);
    let bytes = asked.piece_bytes.ok_or_else(|| {
        let words = "Send the update package with Content-Type: application/octet-stream.";
        Problem::UnsupportedType.answer(words)
    })?;
    if bytes > FIRMWARE_REQUEST_BYTES_MAX {
        let words = "This is larger than any update: it would not fit where a system is kept.";
        return Err(Problem::PackageTooLarge.answer(words));
    }
    if bytes == 0 {
        let words = "Send the update package as the body, with its Content-Length.";
        return Err(Problem::Invalid.answer(words));
    }
    Ok(Stream::Firmware(FirmwareOrder::Install { bytes, allow_downgrade, allow_debug }))
}

/// `POST /api/firmware/rollback`.
///
/// # Errors
/// There is no appliance, as an answer.
pub fn roll_back(appliance: &Appliance) -> Result<Stream, Answer> {
    demand_appliance(appliance)?;
    Ok(Stream::Firmware(FirmwareOrder::Rollback))
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ConfirmRequest {
    /// The password, or the code on the machine's console.
    #[cfg_attr(test, schemars(required))]
    confirmation: Option<String>,
}

/// `POST /api/firmware/confirm` `{"confirmation"}`: somebody's word for the older system that was
/// refused with `CONFIRMATION_REQUIRED`; the daemon judges it.
///
/// # Errors
/// It is not taken, as an answer.
pub fn confirm(body: &[u8], appliance: &Appliance) -> Result<Answer, Answer> {
    demand_appliance(appliance)?;
    let ConfirmRequest { confirmation } = body::read(body)?;
    let confirmation = confirmation.ok_or_else(|| {
        body::wrong("`confirmation` must be the password, or the code on the machine's console.")
    })?;
    let proof = Proof::Confirm { confirmation };
    match orders::prove(&appliance.socket(), proof, PROOF_TIME) {
        Ok(system) => Ok(done(format!("{system} may be started in the next 15 minutes."))),
        Err((Some(code), words)) => Err(Failure::Refused { code, words }.answer()),
        Err((None, _)) => Err(Failure::Away.answer()),
    }
}

/// Has the daemon know that the password is another; `current` is the one before. Where it does not
/// take that, confirmations go on needing the one it knows, or the console's code.
pub fn tell_password(appliance: &Appliance, current: &str, hash: &str) {
    let socket = appliance.socket();
    if !socket.exists() {
        return;
    }
    let proof = Proof::Password { current: current.to_owned(), hash: hash.to_owned() };
    if let Err((_, why)) = orders::prove(&socket, proof, PROOF_TIME) {
        log::warn!(
            "the update service does not take the new password: {why}; an older system is confirmed \
             with the password before, or with the code on the console"
        );
    }
}

/// What came of an order that was carried out.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "FirmwareChanged"))]
struct Done {
    #[cfg_attr(test, schemars(extend("const" = true)))]
    success: bool,
    message: String,
    version: String,
    revision: String,
    slot: Slot,
}

/// Why an order was not carried out.
#[derive(Debug)]
enum Failure {
    /// Nobody listens on the socket.
    Away,
    /// The daemon ended the connection before it had said what came of it.
    BrokenOff,
    /// The daemon said nothing, or took nothing, for too long.
    Silent,
    /// The daemon's words make no sense.
    Garbled,
    /// The client sent its package too slowly.
    TooSlow,
    /// The client is gone.
    Gone(io::Error),
    /// The daemon refused.
    Refused { code: RefusalCode, words: String },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::Away => "The update service does not answer; nothing was changed.",
            Failure::BrokenOff => {
                "The update service broke off. Look at which version runs, then try again."
            }
            Failure::Silent => {
                "The update service did not answer in time. Look at which version runs, then try \
                 again."
            }
            Failure::Garbled => "The update service's answer is not valid.",
            Failure::TooSlow => "The package was sent too slowly; the running system is unchanged.",
            Failure::Gone(_) => "The connection was lost before the whole package was received.",
            Failure::Refused { words, .. } => words,
        })
    }
}

impl Failure {
    fn answer(&self) -> Answer {
        let problem = match self {
            Failure::TooSlow | Failure::Gone(_) => Problem::PackageTooSlow,
            Failure::Refused { code, .. } => problem(*code),
            _ => Problem::Unavailable,
        };
        problem.answer(self)
    }
}

const fn problem(code: RefusalCode) -> Problem {
    match code {
        RefusalCode::InvalidRequest => Problem::Invalid,
        RefusalCode::NoOtherSystem => Problem::NoOtherSystem,
        RefusalCode::OlderVersion => Problem::OlderVersion,
        RefusalCode::ConfirmationRequired => Problem::ConfirmationRequired,
        RefusalCode::NothingToConfirm => Problem::NothingToConfirm,
        RefusalCode::TooOld => Problem::TooOld,
        RefusalCode::DebugVersion => Problem::DebugVersion,
        RefusalCode::WrongConfirmation => Problem::WrongConfirmation,
        RefusalCode::TooLarge => Problem::PackageTooLarge,
        RefusalCode::CutShort => Problem::CutShort,
        RefusalCode::Damaged => Problem::Damaged,
        RefusalCode::NotAnUpdate => Problem::NotAnUpdate,
        RefusalCode::WrongSignature => Problem::WrongSignature,
        RefusalCode::Disk => Problem::SlotDisk,
        RefusalCode::Busy => Problem::Busy,
    }
}

/// Gives an order to the daemon: what came of it, and whether the client is still there to be answered:
/// it may leave before its package is whole.
pub async fn carry_out(
    order: FirmwareOrder,
    carrier: &mut Carrier<'_>,
    appliance: &Appliance,
) -> (Answer, io::Result<()>) {
    let outcome = talk(order, carrier, &appliance.socket()).await;
    let answer = match &outcome {
        Ok(done) => answer::json(200, done),
        Err(failure) => failure.answer(),
    };
    match outcome {
        Err(Failure::Gone(error)) => (answer, Err(error)),
        _ => (answer, Ok(())),
    }
}

async fn talk(
    order: FirmwareOrder,
    carrier: &mut Carrier<'_>,
    socket: &Path,
) -> Result<Done, Failure> {
    let connected = within(FIRMWARE_CONNECT_MS_MAX, UnixStream::connect(socket)).await;
    let Some(Ok(daemon)) = connected else { return Err(Failure::Away) };
    // Whatever is still to be sent, its last word counts.
    or(hear(order, daemon.clone()), send(order, carrier, daemon)).await
}

/// Sends the order and what belongs to it, then waits as long as the daemon may take.
async fn send(
    order: FirmwareOrder,
    carrier: &mut Carrier<'_>,
    mut daemon: UnixStream,
) -> Result<Done, Failure> {
    let mut taken = put(&mut daemon, &orders::line_of(&order)).await?;
    let mut missing = order.package_bytes();
    // On the heap: a future is as large as the largest of all connections'.
    let mut piece = vec![0; UPLOAD_STEP_BYTES_MIN];
    while missing > 0 && taken == Taken::Whole {
        let most = usize::try_from(missing).unwrap_or(usize::MAX).min(piece.len());
        let part = piece.get_mut(..most).unwrap_or_default();
        let (filled, came) = carrier.fill(part).await;
        came.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => Failure::TooSlow,
            _ => Failure::Gone(error),
        })?;
        taken = put(&mut daemon, part.get(..filled).unwrap_or_default()).await?;
        missing = missing.saturating_sub(u64::try_from(filled).unwrap_or(u64::MAX));
    }
    within(FIRMWARE_ANSWER_MS_MAX, pending()).await.unwrap_or(Err(Failure::Silent))
}

/// How the daemon took a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Whole,
    /// It takes no more; why is what it says.
    NoMore,
}

async fn put(daemon: &mut UnixStream, piece: &[u8]) -> Result<Taken, Failure> {
    match within(FIRMWARE_ANSWER_MS_MAX, daemon.write_all(piece)).await {
        Some(Ok(())) => Ok(Taken::Whole),
        Some(Err(_)) => Ok(Taken::NoMore),
        None => Err(Failure::Silent),
    }
}

/// Listens to the daemon until it has said what came of the order.
async fn hear(order: FirmwareOrder, mut daemon: UnixStream) -> Result<Done, Failure> {
    let mut line = Vec::with_capacity(256);
    let mut piece = [0; 256];
    loop {
        while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let rest = line.split_off(end + 1);
            let said = std::mem::replace(&mut line, rest);
            if let Some(done) = understand(order, &said)? {
                return Ok(done);
            }
        }
        if line.len() > FIRMWARE_LINE_BYTES_MAX {
            return Err(Failure::Garbled);
        }
        match daemon.read(&mut piece).await {
            Ok(0) | Err(_) => return Err(Failure::BrokenOff),
            Ok(taken) => line.extend_from_slice(piece.get(..taken).unwrap_or_default()),
        }
    }
}

/// What a line of the daemon says; nothing when it only tells how far it is.
fn understand(order: FirmwareOrder, line: &[u8]) -> Result<Option<Done>, Failure> {
    let said = serde_json::from_slice(line).map_err(|_| Failure::Garbled)?;
    let (version, revision, slot) = match said {
        orders::FirmwareAnswer::Error { error, code } => {
            return Err(Failure::Refused { code, words: error })
        }
        orders::FirmwareAnswer::Done { version, revision, slot, .. } => (version, revision, slot),
        orders::FirmwareAnswer::Writing { .. } | orders::FirmwareAnswer::Step { .. } => {
            return Ok(None)
        }
        orders::FirmwareAnswer::Taken { .. } => return Err(Failure::Garbled),
    };
    let message = match order {
        FirmwareOrder::Install { .. } => {
            format!(
                "Version {version} ({revision}) is installed; the machine restarts with it now."
            )
        }
        FirmwareOrder::Rollback => {
            format!("The machine restarts now, with version {version} ({revision}).")
        }
    };
    Ok(Some(Done { success: true, message, version, revision, slot }))
}

#[cfg(test)]
#[path = "firmware_document.rs"]
mod document;
#[cfg(test)]
pub use document::describe;

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(order: FirmwareOrder, line: &str) -> Result<Option<String>, (u16, String, String)> {
        let outcome = understand(order, line.as_bytes());
        outcome.map(|done| done.map(|done| done.message)).map_err(|failure| {
            let answer = failure.answer();
            let told: Value = serde_json::from_slice(&answer.body).unwrap();
            let text = |name: &str| told[name].as_str().unwrap().to_owned();
            (answer.status, text("code"), text("error"))
        })
    }

    const INSTALL: FirmwareOrder =
        FirmwareOrder::Install { bytes: 7, allow_downgrade: true, allow_debug: false };

    #[test]
    fn progress_is_passed_over_and_the_last_word_understood() {
        assert_eq!(heard(INSTALL, r#"{"progress":"writing","bytes":4,"of":7}"#), Ok(None));
        let done = r#"{"done":"installed","version":"0.2.0","revision":"abc1234","slot":"B"}"#;
        let message = heard(INSTALL, done).unwrap().unwrap();
        assert_eq!(
            message,
            "Version 0.2.0 (abc1234) is installed; the machine restarts with it now."
        );
        let back = done.replace("installed", "rolling back");
        let message = heard(FirmwareOrder::Rollback, &back).unwrap().unwrap();
        assert_eq!(message, "The machine restarts now, with version 0.2.0 (abc1234).");
        let refused = r#"{"error":"Too old.","code":"OLDER_VERSION"}"#;
        let wanted = (409, "OLDER_VERSION".to_owned(), "Too old.".to_owned());
        assert_eq!(heard(INSTALL, refused), Err(wanted));
        for garbled in [r#"{"error":"New.","code":"NEW"}"#, r#"{"news":1}"#, r#"{"done":1}"#, "x"] {
            assert_eq!(heard(INSTALL, garbled).unwrap_err().0, 503, "{garbled}");
        }
    }

    #[test]
    fn the_state_is_told_as_it_is_written_down_or_why_not() {
        let folder = std::env::temp_dir().join(format!("firmware-state-{}", std::process::id()));
        let told = |folder: &Path| -> Value {
            let answer = tell(&Appliance::new(folder), folder);
            assert_eq!(answer.status, 200);
            serde_json::from_slice(&answer.body).unwrap()
        };
        let absent = told(&folder);
        assert_eq!((&absent["success"], &absent["available"]), (&true.into(), &false.into()));
        std::fs::create_dir_all(&folder).unwrap();
        let silent = told(&folder);
        assert_ne!((&silent["available"], &silent["reason"]), (&true.into(), &absent["reason"]));
        let file = folder.join(state::TOLD);
        let most = usize::try_from(FIRMWARE_TOLD_BYTES_MAX).unwrap();
        for text in ["", "[]", "{", &format!("{{\"a\":\"{}\"}}", "x".repeat(most))] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(told(&folder)["available"], false, "{text:.20}");
        }
        std::fs::write(&file, r#"{"slot":"A","on_trial":false,"last":null}"#).unwrap();
        let wanted = serde_json::json!({
            "slot": "A", "on_trial": false, "last": null, "success": true, "available": true,
            "latest": null,
        });
        assert_eq!(told(&folder), wanted);
        let memory = r#"{"url":"https://a/x","answered_s":7,"next_s":9,"failed":{"since_s":8,
            "why":"no"},"offered":{"version":"0.2.0","revision":"a","build":6,"kernel":null},
            "tried":null}"#;
        std::fs::write(folder.join(latest::MEMORY), memory).unwrap();
        let wanted = serde_json::json!({
            "url": "https://a/x", "answered": 7, "failed": {"since": 8, "why": "no"},
            "offered": {"version": "0.2.0", "revision": "a", "build": 6, "kernel": null},
        });
        assert_eq!(told(&folder)["latest"], wanted);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
