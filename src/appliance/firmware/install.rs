//! One update, from its first byte to the boot loader's word. Purpose: whenever the power goes, the
//! boot loader finds a slot that is whole, and never tries one that is not. Steps, each on the
//! disk before the next: the idle slot loses its tries; its beginning is cleared; all but its
//! beginning is written; once the sum is right, the beginning; all is read back and summed again;
//! the slot comes first, with one try. Non-goals: where the bytes come from, the restart. Bounds:
//! one piece of [`FIRMWARE_PIECE_BYTES`] and the slot's first [`FIRMWARE_HEAD_BYTES`].

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use ring::digest::{Context, SHA256};
use rustix::fs::{fadvise, Advice};

use super::environment::{self, EnvironmentError, GrubEnvironment, TRIES_ON_TRIAL};
use super::package::{self, PackageError, PackageHeader, PublicKey, SystemIdentity, HEADER_BYTES};
use super::slots::{Partitions, Slot};
use crate::base::limits::{FIRMWARE_HEAD_BYTES, FIRMWARE_PIECE_BYTES, FIRMWARE_UNSYNCED_BYTES_MAX};

/// Why an update was not installed. The system that runs is untouched, and stays the first.
#[derive(Debug)]
pub enum InstallError {
    /// Its header is not one this system believes.
    Refused(PackageError),
    /// It is shorter than it says, or stopped coming.
    CutShort {
        /// Bytes that came behind the header.
        came: u64,
        /// Bytes there should be.
        of: u64,
    },
    /// There is more of it than it says.
    TooLong,
    /// It does not fit into the slot.
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The slot's.
        slot_bytes: u64,
    },
    /// The system that runs lets none as old take its place.
    Excluded {
        /// The update.
        update: Box<SystemIdentity>,
        /// What runs.
        running: Box<SystemIdentity>,
    },
    /// It is older than the system that runs, and nobody has confirmed it.
    Unconfirmed(Box<SystemIdentity>),
    /// It is older than the system that runs, and that was not allowed.
    Older {
        /// The update.
        update: Box<SystemIdentity>,
        /// What runs.
        running: Box<SystemIdentity>,
    },
    /// Everybody at its console would be root, which is not so on the system that runs, and that was
    /// not allowed.
    Debug(Box<SystemIdentity>),
    /// What came is not what was signed.
    Damaged,
    /// What the disk gives back is not what was written.
    NotKept,
    /// The system that runs has not proven itself: the other slot is what it would go back to.
    OnTrial,
    /// The boot loader's variables.
    Environment(EnvironmentError),
    /// The disk's own.
    Disk(io::Error),
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstallError::Refused(refused) => write!(f, "{refused}"),
            InstallError::CutShort { came, of } => {
                write!(f, "the update is incomplete: {came} of {of} bytes were received")
            }
            InstallError::TooLong => f.write_str("the update is longer than its header says"),
            InstallError::TooLarge { bytes, slot_bytes } => {
                write!(f, "the update of {bytes} bytes does not fit into {slot_bytes} bytes")
            }
            InstallError::Older { update, running } => {
                let (build, own) = (update.build, running.build);
                write!(
                    f,
                    "the update {update}, build {build}, is older than the running system, \
                     {running}, build {own}"
                )
            }
            InstallError::Excluded { update, running } => excluded(f, update, running),
            InstallError::Unconfirmed(update) => unconfirmed(f, update),
            InstallError::Debug(update) => write!(
                f,
                "{update} is a debug system, on which everybody at the console is root; the \
                 running system is not"
            ),
            InstallError::Damaged => f.write_str(
                "the update is damaged: its checksum does not \
                                                  match",
            ),
            InstallError::NotKept => {
                f.write_str("the disk did not return what was written to it: it may be failing")
            }
            InstallError::OnTrial => f.write_str(
                "the running system is still on trial: wait until it is confirmed, or roll back",
            ),
            InstallError::Environment(error) => write!(f, "{error}"),
            InstallError::Disk(error) => write!(f, "the disk: {error}"),
        }
    }
}

/// For the operator.
pub fn excluded(
    f: &mut impl fmt::Write,
    other: &SystemIdentity,
    running: &SystemIdentity,
) -> fmt::Result {
    write!(f, "the running system, {running}, can be replaced by nothing older than ")?;
    match (running.oldest, running.oldest_build) {
        (Some(oldest), _) if other.version < oldest => write!(f, "{oldest}")?,
        (_, Some(build)) => write!(f, "build {build}")?,
        _ => write!(f, "{}", running.version)?,
    }
    write!(f, ": {other}, build {}, is older", other.build)
}

/// For the operator.
pub fn unconfirmed(f: &mut impl fmt::Write, other: &SystemIdentity) -> fmt::Result {
    write!(
        f,
        "{other} is older than the running system: confirm it with the password or the \
               console's code"
    )
}

impl From<PackageError> for InstallError {
    fn from(refused: PackageError) -> InstallError {
        InstallError::Refused(refused)
    }
}

impl From<EnvironmentError> for InstallError {
    fn from(error: EnvironmentError) -> InstallError {
        InstallError::Environment(error)
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallProgress {
    /// So many bytes of the package have come.
    Writing(u64),
    /// It is read back.
    Verifying,
}

/// What an update is written to: the idle slot and the boot loader's variables.
pub trait Medium {
    /// The slot's size, bytes.
    ///
    /// # Errors
    /// The disk's own; so for all of these.
    fn slot_bytes(&mut self) -> io::Result<u64>;
    /// Writes a piece of the slot.
    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Waits until all that was written is on the disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Reads a piece of the slot, as the disk has it.
    fn read(&mut self, into: &mut [u8], at: u64) -> io::Result<()>;
    /// Changes the boot loader's variables, on the disk.
    fn change(
        &mut self,
        with: &dyn Fn(&mut GrubEnvironment),
    ) -> Result<GrubEnvironment, EnvironmentError>;
}

/// The partitions of a disk.
pub struct SlotPartitions {
    slot: File,
    environment: PathBuf,
}

impl SlotPartitions {
    /// Opens a slot to be written.
    ///
    /// # Errors
    /// The disk's own.
    pub fn open(partitions: &Partitions, slot: Slot) -> io::Result<SlotPartitions> {
        let file = OpenOptions::new().read(true).write(true).open(partitions.of(slot))?;
        Ok(SlotPartitions { slot: file, environment: partitions.environment.clone() })
    }
}

impl Medium for SlotPartitions {
    fn slot_bytes(&mut self) -> io::Result<u64> {
        self.slot.seek(SeekFrom::End(0))
    }

    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.slot.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.slot.sync_all()?;
        // What is read afterwards comes from the disk, not from the pages that went there.
        fadvise(&self.slot, 0, None, Advice::DontNeed).map_err(io::Error::from)
    }

    fn read(&mut self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.slot.read_exact_at(into, at)
    }

    fn change(
        &mut self,
        with: &dyn Fn(&mut GrubEnvironment),
    ) -> Result<GrubEnvironment, EnvironmentError> {
        environment::change(&self.environment, with)
    }
}

/// What an update has to be, to be taken.
pub struct UpdateTerms<'a> {
    /// The slot that runs; the other one is written.
    pub running: Slot,
    /// The system in it.
    pub release: &'a SystemIdentity,
    /// The keys it believes.
    pub keys: &'a [PublicKey],
    /// Whether it may be older.
    pub allow_downgrade: bool,
    /// Whether it may be a debug system where the one that runs is none.
    pub allow_debug: bool,
    /// Whether somebody has confirmed this one, where it is older.
    pub is_confirmed: &'a dyn Fn(&PackageHeader) -> bool,
}

/// Installs a package of `length` bytes that `source` gives. The slot comes first afterwards, and is
/// on trial.
///
/// # Errors
/// See [`InstallError`]: the boot loader will start what runs now.
pub fn install(
    demand: &UpdateTerms<'_>,
    length: u64,
    source: &mut dyn Read,
    medium: &mut dyn Medium,
    tell: &mut dyn FnMut(InstallProgress),
) -> Result<PackageHeader, InstallError> {
    let header = receive_header(demand, length, source, medium)?;
    let (running, idle) = (demand.running, demand.running.other());
    if medium.change(&|_| ())?.on_trial() == Some(running) {
        return Err(InstallError::OnTrial);
    }
    medium.change(&|variables| {
        variables.set_tries(idle, 0);
        variables.put_first(running);
        variables.set_on_trial(None);
    })?;
    let head = vec![0; FIRMWARE_HEAD_BYTES];
    medium.write(&head, 0).and_then(|()| medium.sync()).map_err(InstallError::Disk)?;
    let head = receive(&header, head, source, medium, tell)?;
    tell(InstallProgress::Verifying);
    medium.write(&head, 0).and_then(|()| medium.sync()).map_err(InstallError::Disk)?;
    if let Err(failed) = read_back(&header, medium) {
        // What is not whole should not look as if it were; the boot loader would not try it anyway.
        let _ = medium.write(&vec![0; FIRMWARE_HEAD_BYTES], 0).and_then(|()| medium.sync());
        return Err(failed);
    }
    medium.change(&|variables| {
        variables.set_tries(idle, TRIES_ON_TRIAL);
        variables.put_first(idle);
        variables.set_on_trial(Some(idle));
    })?;
    Ok(header)
}

/// The header, before anything is written.
fn receive_header(
    demand: &UpdateTerms<'_>,
    length: u64,
    source: &mut dyn Read,
    medium: &mut dyn Medium,
) -> Result<PackageHeader, InstallError> {
    let mut bytes = [0; HEADER_BYTES];
    if fill(source, &mut bytes) < HEADER_BYTES {
        // A short file may well be none of ours.
        let ours = package::begins_one(&bytes);
        return Err(if ours {
            InstallError::CutShort { came: 0, of: length.saturating_sub(HEADER_BYTES as u64) }
        } else {
            InstallError::Refused(package::NotAnUpdate::Opening.into())
        });
    }
    let header = package::verify(&bytes, demand.keys)?;
    let comes = length.saturating_sub(HEADER_BYTES as u64);
    if comes < header.bytes {
        return Err(InstallError::CutShort { came: comes, of: header.bytes });
    }
    if comes > header.bytes {
        return Err(InstallError::TooLong);
    }
    let slot_bytes = medium.slot_bytes().map_err(InstallError::Disk)?;
    if header.bytes > slot_bytes {
        return Err(InstallError::TooLarge { bytes: header.bytes, slot_bytes });
    }
    let running = demand.release;
    if running.excludes(&header.identity) {
        return Err(InstallError::Excluded {
            update: Box::new(header.identity),
            running: Box::new(running.clone()),
        });
    }
    if header.identity.debug && !running.debug && !demand.allow_debug {
        return Err(InstallError::Debug(Box::new(header.identity)));
    }
    if header.identity.is_older_than(running) {
        if !demand.allow_downgrade {
            return Err(InstallError::Older {
                update: Box::new(header.identity),
                running: Box::new(running.clone()),
            });
        }
        if !(demand.is_confirmed)(&header) {
            return Err(InstallError::Unconfirmed(Box::new(header.identity)));
        }
    }
    Ok(header)
}

/// All behind the header onto the disk, but for its beginning, which is handed back once the sum
/// is right.
fn receive(
    header: &PackageHeader,
    mut head: Vec<u8>,
    source: &mut dyn Read,
    medium: &mut dyn Medium,
    tell: &mut dyn FnMut(InstallProgress),
) -> Result<Vec<u8>, InstallError> {
    let mut sum = Context::new(&SHA256);
    head.truncate(usize::try_from(header.bytes).unwrap_or(FIRMWARE_HEAD_BYTES));
    let mut came = fill(source, &mut head) as u64;
    let cut_short = |came| Err(InstallError::CutShort { came, of: header.bytes });
    if came < head.len() as u64 {
        return cut_short(came);
    }
    sum.update(&head);
    let mut piece = vec![0; FIRMWARE_PIECE_BYTES];
    let mut unsynced = 0;
    while came < header.bytes {
        let wanted = piece_of(&mut piece, header.bytes - came);
        let count = fill(source, wanted);
        if count < wanted.len() {
            return cut_short(came + count as u64);
        }
        sum.update(wanted);
        medium.write(wanted, came).map_err(InstallError::Disk)?;
        came += count as u64;
        unsynced += count as u64;
        if unsynced >= FIRMWARE_UNSYNCED_BYTES_MAX {
            medium.sync().map_err(InstallError::Disk)?;
            unsynced = 0;
        }
        tell(InstallProgress::Writing(came + HEADER_BYTES as u64));
    }
    medium.sync().map_err(InstallError::Disk)?;
    if sum.finish().as_ref() != header.sha256 {
        return Err(InstallError::Damaged);
    }
    Ok(head)
}

fn read_back(header: &PackageHeader, medium: &mut dyn Medium) -> Result<(), InstallError> {
    let mut sum = Context::new(&SHA256);
    let mut piece = vec![0; FIRMWARE_PIECE_BYTES];
    let mut at = 0;
    while at < header.bytes {
        let wanted = piece_of(&mut piece, header.bytes - at);
        medium.read(wanted, at).map_err(InstallError::Disk)?;
        sum.update(wanted);
        at += wanted.len() as u64;
    }
    (sum.finish().as_ref() == header.sha256).then_some(()).ok_or(InstallError::NotKept)
}

fn piece_of(piece: &mut [u8], left: u64) -> &mut [u8] {
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
    piece.get_mut(..count).unwrap_or_default()
}

/// Reads until the buffer is full or nothing more comes; how much that is.
fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Silence and a connection that breaks are the same here: no more comes.
            Err(_) => break,
        }
    }
    filled
}

#[cfg(test)]
#[path = "install_tests.rs"]
mod tests;
