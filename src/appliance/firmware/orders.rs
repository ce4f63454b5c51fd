//! The words between anybody who orders an update and the daemon that carries it out, over a unix
//! socket. Purpose: one connection is one order: a line of JSON, behind it the package if there is
//! one; the answers are lines of JSON, the last of which says `done` or `error`. Non-goal: who may
//! connect, which the socket's owner and mode say. Bound: [`FIRMWARE_LINE_BYTES_MAX`] a line.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::downgrade::Proof;
use super::install::InstallError;
use super::slots::Slot;
use crate::base::limits::FIRMWARE_LINE_BYTES_MAX;

/// Where the daemon listens, in the folder of the [appliance](super::slots::APPLIANCE).
pub const SOCKET: &str = "firmware.sock";

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "lowercase")]
pub enum FirmwareOrder {
    /// Write the package that follows and start it.
    Install {
        /// The package's length.
        bytes: u64,
        /// Whether it may be older than what runs.
        #[serde(default)]
        allow_downgrade: bool,
        /// Whether it may be a debug system where what runs is none.
        #[serde(default)]
        allow_debug: bool,
    },
    /// Start the other system.
    Rollback,
}

impl FirmwareOrder {
    /// Whether it takes an older system, and a debug system.
    pub const fn allows(self) -> (bool, bool) {
        match self {
            FirmwareOrder::Install { allow_downgrade, allow_debug, .. } => {
                (allow_downgrade, allow_debug)
            }
            FirmwareOrder::Rollback => (false, false),
        }
    }

    /// How much follows the order, bytes.
    pub const fn package_bytes(self) -> u64 {
        match self {
            FirmwareOrder::Install { bytes, .. } => bytes,
            FirmwareOrder::Rollback => 0,
        }
    }
}

/// In a person's words.
impl fmt::Display for FirmwareOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FirmwareOrder::Install { allow_downgrade: false, .. } => "install an update",
            FirmwareOrder::Install { allow_downgrade: true, .. } => {
                "install an update, even an older one"
            }
            FirmwareOrder::Rollback => "roll back to the other system",
        })
    }
}

/// What a connection begins with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FirmwareRequest {
    /// Something to be done.
    Order(FirmwareOrder),
    /// Something that somebody knows.
    Proof(Proof),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FirmwareAnswer {
    /// It was not done: the last line.
    Error {
        /// A sentence for the operator.
        error: String,
        /// The same for a program.
        code: RefusalCode,
    },
    /// It was done, and the machine starts again: the last line.
    Done {
        /// `installed` or `rolling back`.
        done: String,
        /// The system that starts.
        version: String,
        /// Its revision.
        revision: String,
        /// The slot it is in.
        slot: Slot,
    },
    /// A proof was taken: the last line.
    Taken {
        /// What it is about.
        taken: String,
    },
    /// Bytes of the package that have come.
    Writing {
        /// `writing`.
        progress: String,
        /// So many.
        bytes: u64,
        /// Of so many.
        of: u64,
    },
    /// Any other step.
    Step {
        /// `verifying`.
        progress: String,
    },
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefusalCode {
    /// Signed by another key, or not at all.
    WrongSignature,
    /// Something else.
    NotAnUpdate,
    /// Older than what runs.
    OlderVersion,
    /// Older than what runs, and to be confirmed.
    ConfirmationRequired,
    /// The confirmation is neither the password nor the code.
    WrongConfirmation,
    /// Nothing waits for a confirmation.
    NothingToConfirm,
    /// Older than what may take the place of what runs.
    TooOld,
    /// A debug system, and what runs is none.
    DebugVersion,
    /// Not all of it came.
    CutShort,
    /// What came is not what was signed.
    Damaged,
    /// It does not fit.
    TooLarge,
    /// The disk, or the boot loader's environment on it.
    Disk,
    /// Another order is being carried out, or it is too early.
    Busy,
    /// There is nothing to go back to.
    NoOtherSystem,
    /// The order is none.
    InvalidRequest,
}

/// What was not done, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDone {
    /// For a program.
    pub code: RefusalCode,
    /// For the operator.
    pub why: String,
}

impl NotDone {
    /// With a sentence.
    pub fn new(code: RefusalCode, why: impl Into<String>) -> NotDone {
        NotDone { code, why: why.into() }
    }
}

impl From<InstallError> for NotDone {
    fn from(failed: InstallError) -> NotDone {
        use super::package::PackageError;

        let code = match &failed {
            InstallError::Refused(PackageError::WrongSignature) => RefusalCode::WrongSignature,
            InstallError::Refused(PackageError::NotAnUpdate(_)) | InstallError::TooLong => {
                RefusalCode::NotAnUpdate
            }
            InstallError::CutShort { .. } => RefusalCode::CutShort,
            InstallError::TooLarge { .. } => RefusalCode::TooLarge,
            InstallError::Older { .. } => RefusalCode::OlderVersion,
            InstallError::Unconfirmed(_) => RefusalCode::ConfirmationRequired,
            InstallError::Excluded { .. } => RefusalCode::TooOld,
            InstallError::Debug(_) => RefusalCode::DebugVersion,
            InstallError::Damaged => RefusalCode::Damaged,
            InstallError::OnTrial => RefusalCode::Busy,
            InstallError::NotKept | InstallError::Environment(_) | InstallError::Disk(_) => {
                RefusalCode::Disk
            }
        };
        NotDone::new(code, failed.to_string())
    }
}

/// Reads the line with the order or the proof.
///
/// # Errors
/// It is none, or none came.
pub fn receive(from: &mut dyn BufRead) -> Result<FirmwareRequest, NotDone> {
    let invalid = |why: &str| {
        NotDone::new(
            RefusalCode::InvalidRequest,
            format!(
                "the request is \
                                                                                 not valid: \
                                                                                 {why}"
            ),
        )
    };
    let line = line(from).map_err(|error| invalid(&error.to_string()))?;
    let line = line.ok_or_else(|| invalid("nothing was received"))?;
    serde_json::from_slice(&line).map_err(|error| invalid(&error.to_string()))
}

/// A line without its end; `None`: there is no more.
fn line(from: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.take(FIRMWARE_LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line is too long or not \
                                                                   ended",
        )),
    }
}

/// An order or an answer as its line.
pub fn line_of(words: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(words).expect("orders and answers are JSON");
    line.push(b'\n');
    line
}

/// Sends a line.
///
/// # Errors
/// The socket's own.
pub fn send(into: &mut dyn Write, words: &impl Serialize) -> io::Result<()> {
    into.write_all(&line_of(words))
}

/// Orders something of the daemon and waits until it is done: its last answer. `body` is the
/// package behind the order, read on a thread of its own; `hear` is told every answer.
///
/// # Errors
/// Why it was not done, for a person.
pub fn order(
    socket: &Path,
    order: FirmwareOrder,
    body: Box<dyn Read + Send>,
    hear: &mut dyn FnMut(&FirmwareAnswer),
) -> Result<FirmwareAnswer, String> {
    let unheard = |error: io::Error| format!("{}: {error}", socket.display());
    let stream = UnixStream::connect(socket).map_err(unheard)?;
    let mut into = stream.try_clone().map_err(unheard)?;
    let sender = std::thread::Builder::new().name("package".to_owned());
    let sender = sender.spawn(move || give(&mut into, order, body)).map_err(unheard)?;
    let mut from = io::BufReader::new(&stream);
    let last = loop {
        match line(&mut from).map_err(unheard)? {
            None => break None,
            Some(line) => {
                let answer: FirmwareAnswer = serde_json::from_slice(&line)
                    .map_err(|error| format!("the answer is not valid: {error}"))?;
                hear(&answer);
                if !matches!(answer, FirmwareAnswer::Writing { .. } | FirmwareAnswer::Step { .. }) {
                    break Some(answer);
                }
            }
        }
    };
    let given = if matches!(last, Some(FirmwareAnswer::Done { .. })) || sender.is_finished() {
        sender.join().unwrap_or(Ok(()))
    } else {
        // Nobody listens any more; the thread ends with what it reads from, or with the process.
        Ok(())
    };
    match (last, given) {
        (Some(done @ FirmwareAnswer::Done { .. }), _) => Ok(done),
        (_, Err(error)) => Err(format!("the update stopped in the middle: {error}")),
        (Some(FirmwareAnswer::Error { error, .. }), _) => Err(error),
        _ => Err("the connection to the firmware daemon ended without an answer".to_owned()),
    }
}

/// Says something that somebody knows, and waits until it is taken: what it is about. Made for the
/// programme: it waits for `patience` at most.
///
/// # Errors
/// Why it was not taken; no code where nobody answers.
pub fn prove(
    socket: &Path,
    proof: Proof,
    patience: Duration,
) -> Result<String, (Option<RefusalCode>, String)> {
    let unheard = |error: io::Error| (None, error.to_string());
    let mut stream = UnixStream::connect(socket).map_err(unheard)?;
    stream.set_read_timeout(Some(patience)).map_err(unheard)?;
    stream.set_write_timeout(Some(patience)).map_err(unheard)?;
    send(&mut stream, &FirmwareRequest::Proof(proof)).map_err(unheard)?;
    let line = line(&mut io::BufReader::new(&stream)).map_err(unheard)?.unwrap_or_default();
    match serde_json::from_slice(&line) {
        Ok(FirmwareAnswer::Taken { taken }) => Ok(taken),
        Ok(FirmwareAnswer::Error { error, code }) => Err((Some(code), error)),
        _ => Err((None, "the answer is not valid".to_owned())),
    }
}

/// Sends the order and what follows; only what the source says is an error: one that refuses
/// answers why.
fn give(
    into: &mut UnixStream,
    order: FirmwareOrder,
    mut body: Box<dyn Read + Send>,
) -> io::Result<()> {
    if send(into, &order).is_err() {
        return Ok(());
    }
    let mut piece = [0; 16 << 10];
    let mut outcome = Ok(());
    loop {
        let count = match body.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                outcome = Err(error);
                break;
            }
        };
        if into.write_all(piece.get(..count).unwrap_or_default()).is_err() {
            break;
        }
    }
    // Whether it was all of it, the other side knows by the length.
    let _ = into.shutdown(Shutdown::Write);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_in_the_agreed_words() {
        let read = |mut text: &[u8]| match receive(&mut text) {
            Ok(FirmwareRequest::Order(order)) => Ok(order),
            Ok(FirmwareRequest::Proof(proof)) => panic!("{proof:?}"),
            Err(refusal) => Err(refusal),
        };
        let install =
            FirmwareOrder::Install { bytes: 9, allow_downgrade: false, allow_debug: false };
        assert_eq!(
            read(b"{\"order\":\"install\",\"bytes\":9,\"allow_downgrade\":false}\nrest"),
            Ok(install)
        );
        assert_eq!(read(b"{\"order\":\"install\",\"bytes\":9}\n"), Ok(install));
        assert_eq!(read(b"{\"order\":\"rollback\",\"later\":1}\n"), Ok(FirmwareOrder::Rollback));
        for text in [
            &b""[..],
            b"\n",
            b"{\"order\":\"rollback\"}",
            b"{\"order\":\"install\"}\n",
            b"{\"order\":\"install\",\"bytes\":-1}\n",
            b"{\"order\":\"reboot\"}\n",
            b"\xff\xfe\n",
        ] {
            assert_eq!(
                read(text).map_err(|refusal| refusal.code),
                Err(RefusalCode::InvalidRequest)
            );
        }
        for order in [install, FirmwareOrder::Rollback] {
            assert_eq!(read(&line_of(&order)), Ok(order));
        }
        let endless = vec![b' '; 1 << 20];
        assert!(read(&endless).unwrap_err().why.contains("too long or not ended"));
    }

    #[test]
    fn proofs_are_read_in_the_agreed_words() {
        let confirm = b"{\"order\":\"confirm\",\"confirmation\":\"abc\"}\n";
        let read = receive(&mut &confirm[..]).unwrap();
        assert!(
            matches!(&read, FirmwareRequest::Proof(Proof::Confirm { confirmation }) if confirmation == "abc")
        );
        assert_eq!(line_of(&read), confirm);
        let change = b"{\"order\":\"password\",\"current\":\"a\",\"hash\":\"b\"}\n";
        assert!(matches!(
            receive(&mut &change[..]),
            Ok(FirmwareRequest::Proof(Proof::Password { .. }))
        ));
        for wrong in [&b"{\"order\":\"confirm\"}\n"[..], b"{\"order\":\"password\",\"hash\":1}\n"] {
            assert_eq!(receive(&mut &wrong[..]).unwrap_err().code, RefusalCode::InvalidRequest);
        }
    }

    #[test]
    fn answers_are_said_and_heard_in_the_agreed_words() {
        let text = |text: &str| text.to_owned();
        for (answer, line) in [
            (
                FirmwareAnswer::Writing { progress: text("writing"), bytes: 1, of: 2 },
                "{\"progress\":\"writing\",\"bytes\":1,\"of\":2}\n",
            ),
            (FirmwareAnswer::Step { progress: text("verifying") }, "{\"progress\":\"verifying\"}\n"),
            (
                FirmwareAnswer::Done {
                    done: text("installed"),
                    version: text("0.1.0"),
                    revision: text("abc1234"),
                    slot: Slot::B,
                },
                "{\"done\":\"installed\",\"version\":\"0.1.0\",\"revision\":\"abc1234\",\"slot\":\"B\"}\n",
            ),
            (FirmwareAnswer::Taken { taken: text("0.0.9 (abc)") }, "{\"taken\":\"0.0.9 (abc)\"}\n"),
            (
                FirmwareAnswer::Error { error: text("no"), code: RefusalCode::NoOtherSystem },
                "{\"error\":\"no\",\"code\":\"NO_OTHER_SYSTEM\"}\n",
            ),
        ] {
            let mut sent = Vec::new();
            send(&mut sent, &answer).unwrap();
            assert_eq!(String::from_utf8_lossy(&sent), line);
            assert_eq!(serde_json::from_slice::<FirmwareAnswer>(&sent).unwrap(), answer);
        }
    }
}
