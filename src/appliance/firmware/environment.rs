//! The boot loader's variables: which slot comes first, and how many tries each has left. Purpose:
//! they are read, changed and written in one place. They stand in a GRUB environment block
//! (GRUB's manual, "The GRUB environment block"): a heading, lines `name=value`, `#` up to 1024
//! bytes, which is the one file of a tar archive on the partition `env`. Lines that are not known
//! here stay. Non-goals: making one, GRUB's escapes (no value of ours has any). Bound: the
//! variables keep to the first 512 bytes, a sector, so that a torn write leaves the old ones.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{flock, FlockOperation};

use super::slots::Slot;

/// Tries of a system that has proven itself.
pub const TRIES_TRUSTED: u8 = 3;
/// Tries of one that has not: it starts once, and is left behind unless it gets well.
pub const TRIES_ON_TRIAL: u8 = 1;

const BLOCK_BYTES: usize = 1024;
/// Behind the header of the archive.
const BLOCK_AT: u64 = 512;
/// A sector is written whole or not at all.
const TEXT_BYTES_MAX: usize = 512;
const HEADING: &[u8] = b"# GRUB Environment Block\n";
/// The boot loader does not know this one: the slot whose system has not proven itself.
const TRIAL: &str = "trial";
const ORDER: &str = "order";

/// Why the variables cannot be had or kept.
#[derive(Debug)]
pub enum EnvironmentError {
    /// What stands there is no environment block.
    NotABlock,
    /// The variables do not fit into a sector.
    Full,
    /// The disk's own.
    Io(io::Error),
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnvironmentError::NotABlock => {
                f.write_str("the boot loader's environment is not valid")
            }
            EnvironmentError::Full => {
                write!(f, "the boot loader's environment is full: {TEXT_BYTES_MAX} bytes")
            }
            EnvironmentError::Io(error) => {
                write!(f, "the boot loader's environment: {error}")
            }
        }
    }
}

impl From<io::Error> for EnvironmentError {
    fn from(error: io::Error) -> EnvironmentError {
        EnvironmentError::Io(error)
    }
}

/// The variables, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrubEnvironment {
    /// What stands between the heading and the padding, each line without its end.
    lines: Vec<Vec<u8>>,
}

impl GrubEnvironment {
    /// Reads a block.
    ///
    /// # Errors
    /// It has no heading.
    pub fn parse(block: &[u8; BLOCK_BYTES]) -> Result<GrubEnvironment, EnvironmentError> {
        let text = block.strip_prefix(HEADING).ok_or(EnvironmentError::NotABlock)?;
        let mut lines: Vec<Vec<u8>> =
            text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        // Behind the last line there is only padding.
        lines.pop();
        Ok(GrubEnvironment { lines })
    }

    /// The block.
    ///
    /// # Errors
    /// The variables do not fit into a sector.
    pub fn emit(&self) -> Result<[u8; BLOCK_BYTES], EnvironmentError> {
        let mut text = HEADING.to_vec();
        for line in &self.lines {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(EnvironmentError::Full);
        }
        text.resize(BLOCK_BYTES, b'#');
        text.try_into().map_err(|_| EnvironmentError::Full)
    }

    /// The slot that is tried first.
    pub fn first(&self) -> Slot {
        // As the boot loader has it: anything but BA is AB.
        if self.value(ORDER) == Some(b"BA") {
            Slot::B
        } else {
            Slot::A
        }
    }

    /// How often a slot may still be tried, 0 to 3; the boot loader knows no other numbers.
    pub fn tries(&self, slot: Slot) -> u8 {
        match self.value(tries_name(slot)) {
            Some(&[digit @ b'1'..=b'3']) => digit - b'0',
            _ => 0,
        }
    }

    /// The slot whose system has not proven itself yet.
    pub fn on_trial(&self) -> Option<Slot> {
        self.value(TRIAL).and_then(|value| match value {
            b"A" => Some(Slot::A),
            b"B" => Some(Slot::B),
            _ => None,
        })
    }

    /// Puts a slot first.
    pub fn put_first(&mut self, slot: Slot) {
        self.set(ORDER, if slot == Slot::A { "AB" } else { "BA" });
    }

    /// Sets how often a slot may be tried.
    pub fn set_tries(&mut self, slot: Slot, tries: u8) {
        self.set(tries_name(slot), &tries.min(TRIES_TRUSTED).to_string());
    }

    /// Says whose system has not proven itself.
    pub fn set_on_trial(&mut self, slot: Option<Slot>) {
        match slot {
            Some(slot) => self.set(TRIAL, slot.letter()),
            None => self.lines.retain(|line| value_of(line, TRIAL).is_none()),
        }
    }

    /// The system that runs in this slot has proven itself.
    pub fn confirm(&mut self, slot: Slot) {
        self.set_tries(slot, TRIES_TRUSTED);
        if self.on_trial() == Some(slot) {
            self.set_on_trial(None);
        }
    }

    /// Of several lines of a name the boot loader believes the last.
    fn value(&self, name: &str) -> Option<&[u8]> {
        self.lines.iter().rev().find_map(|line| value_of(line, name))
    }

    fn set(&mut self, name: &str, value: &str) {
        let new = format!("{name}={value}").into_bytes();
        let at = self.lines.iter().position(|line| value_of(line, name).is_some());
        self.lines.retain(|line| value_of(line, name).is_none());
        self.lines.insert(at.unwrap_or(self.lines.len()).min(self.lines.len()), new);
    }
}

fn tries_name(slot: Slot) -> &'static str {
    match slot {
        Slot::A => "A_left",
        Slot::B => "B_left",
    }
}

fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// Reads the variables from the partition.
///
/// # Errors
/// See [`EnvironmentError`].
pub fn read(partition: &Path) -> Result<GrubEnvironment, EnvironmentError> {
    read_from(&File::open(partition)?)
}

fn read_from(file: &File) -> Result<GrubEnvironment, EnvironmentError> {
    let mut block = [0; BLOCK_BYTES];
    file.read_exact_at(&mut block, BLOCK_AT)?;
    GrubEnvironment::parse(&block)
}

/// Changes the variables and waits until the disk has them; what is the same already is not
/// written. Another process that changes them at the same time waits.
///
/// # Errors
/// See [`EnvironmentError`]; the old ones stand then.
pub fn change(
    partition: &Path,
    with: impl FnOnce(&mut GrubEnvironment),
) -> Result<GrubEnvironment, EnvironmentError> {
    let file = OpenOptions::new().read(true).write(true).open(partition)?;
    flock(&file, FlockOperation::LockExclusive).map_err(io::Error::from)?;
    let before = read_from(&file)?;
    let mut after = before.clone();
    with(&mut after);
    if after != before {
        file.write_all_at(&after.emit()?, BLOCK_AT)?;
        file.sync_all()?;
    }
    Ok(after)
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// The bytes of a block with these lines.
    pub fn block(lines: &str) -> [u8; BLOCK_BYTES] {
        let mut bytes = [HEADING, lines.as_bytes()].concat();
        bytes.resize(BLOCK_BYTES, b'#');
        bytes.try_into().unwrap()
    }

    /// A partition: a tar header, the block, and what lies behind it.
    pub fn partition(path: &Path, block: &[u8]) {
        let bytes = [&[b'h'; 512][..], block, &[b't'; 512]].concat();
        fs::write(path, bytes).unwrap();
    }

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("environment-{name}-{}", std::process::id()))
    }

    #[test]
    fn confirming_gives_the_slot_its_tries_back_and_changes_nothing_else() {
        let path = file("confirm");
        partition(&path, &block("order=BA\nA_left=1\nB_left=2\nnote=kept\ntrial=B\n"));
        for _ in 0..2 {
            change(&path, |variables| variables.confirm(Slot::B)).unwrap();
            let bytes = fs::read(&path).unwrap();
            let expected = block("order=BA\nA_left=1\nB_left=3\nnote=kept\n");
            assert_eq!(bytes[512..1536], expected, "{}", String::from_utf8_lossy(&bytes));
            assert!(bytes[..512].iter().all(|&byte| byte == b'h'), "the header was written over");
            assert!(bytes[1536..].iter().all(|&byte| byte == b't'), "more than the block");
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn confirming_one_leaves_the_others_trial() {
        let mut variables = GrubEnvironment::parse(&block("A_left=2\ntrial=B\n")).unwrap();
        variables.confirm(Slot::A);
        assert_eq!((variables.tries(Slot::A), variables.on_trial()), (3, Some(Slot::B)));
    }

    #[test]
    fn what_is_no_environment_is_not_written() {
        let path = file("none");
        for bytes in [vec![b'#'; 1024], b"# another\nB_left=2\n".repeat(60), vec![0; 10]] {
            partition(&path, &bytes);
            let before = fs::read(&path).unwrap();
            assert!(change(&path, |variables| variables.confirm(Slot::B)).is_err());
            assert_eq!(fs::read(&path).unwrap(), before);
        }
        fs::write(&path, [b'h'; 600]).unwrap();
        assert!(matches!(read(&path), Err(EnvironmentError::Io(_))));
        fs::remove_file(&path).unwrap();
        assert!(matches!(read(&path), Err(EnvironmentError::Io(_))));
    }

    #[test]
    fn what_does_not_fit_a_sector_is_not_written() {
        let path = file("full");
        let fits = TEXT_BYTES_MAX - HEADING.len() - "B_left=3\n".len() - "x=\n".len();
        for (length, is_written) in [(fits, true), (fits + 1, false)] {
            partition(&path, &block(&format!("x={}\n", "y".repeat(length))));
            let before = fs::read(&path).unwrap();
            let outcome = change(&path, |variables| variables.confirm(Slot::B));
            assert_eq!(outcome.is_ok(), is_written, "{length}");
            assert_eq!(fs::read(&path).unwrap() != before, is_written, "{length}");
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn variables_are_read_as_the_boot_loader_reads_them() {
        let read = |lines: &str| GrubEnvironment::parse(&block(lines)).unwrap();
        let none = read("");
        assert_eq!((none.first(), none.tries(Slot::A), none.on_trial()), (Slot::A, 0, None));
        assert_eq!(read("order=BA\n").first(), Slot::B);
        assert_eq!(read("order=B\n").first(), Slot::A);
        assert_eq!(read("order=BA\norder=AB\n").first(), Slot::A);
        for (text, tries) in [("3", 3), ("4", 0), ("", 0), ("-1", 0), ("11", 0), ("1", 1)] {
            assert_eq!(read(&format!("B_left={text}\n")).tries(Slot::B), tries, "{text:?}");
        }
        // A line without an end is padding, whatever it looks like.
        assert_eq!(read("A_left=2").tries(Slot::A), 0);
    }

    #[test]
    fn every_block_that_is_read_is_written_the_same_but_for_its_padding() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..500 {
            let count = random.usize(..400);
            let mut bytes: Vec<u8> = (0..count).map(|_| random.u8(..)).collect();
            bytes.push(b'\n');
            bytes.splice(0..0, HEADING.iter().copied());
            bytes.resize(BLOCK_BYTES, b'#');
            let given: [u8; BLOCK_BYTES] = bytes.try_into().unwrap();
            let mut variables = GrubEnvironment::parse(&given).unwrap();
            assert_eq!(variables.emit().unwrap(), given);
            variables.put_first(Slot::B);
            variables.set_tries(Slot::A, 2);
            variables.set_on_trial(Some(Slot::B));
            let again = GrubEnvironment::parse(&variables.emit().unwrap()).unwrap();
            assert_eq!((again.first(), again.tries(Slot::A)), (Slot::B, 2));
            assert_eq!(again.on_trial(), Some(Slot::B));
        }
    }
}
