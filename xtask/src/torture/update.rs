//! The plug is pulled while an update is written into slot B. Whatever the moment was, the boot
//! loader must not have been told to try a slot that is not whole.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::machine::{ask, send};
use crate::image::disk;
use crate::image::files::read;
use crate::step::target_dir;

/// Until it is written, read back and first, on an idle machine's emulated processor, and a little
/// longer.
pub const WRITING_MS_MAX: u64 = 9_000;
/// What precedes the slot in a package.
const HEADER_BYTES: usize = 1024;
/// The block of variables inside its archive.
const BLOCK_AT: u64 = 512;
const BLOCK_BYTES: usize = 1024;
/// The variables of a machine whose slot A is trusted, and whose slot B was given up.
const TRUSTED: &str = "order=AB\nA_left=3\nB_left=0\n";

/// What the boot loader would do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start what ran.
    Old,
    /// Try the update, all of which is there; or it is being tried, and the next start is of what ran.
    Update,
}

/// The update that belongs to the image.
pub struct Update {
    package: Vec<u8>,
}

impl Update {
    /// Reads it.
    pub fn of_the_image() -> Result<Update, String> {
        let package = read(&target_dir().join("dist/streamcaster.update"))?;
        Ok(Update { package })
    }

    /// Sends it to a machine, until that answers or is gone.
    pub fn send(&self, at: SocketAddr) {
        // The answer, if one comes, is on the disk.
        let _ = send(at, "POST", "/api/firmware", "application/octet-stream", &self.package);
    }

    /// Looks at the disk of a machine whose plug was pulled, and makes its slot A the trusted one
    /// again, and slot B nobody's.
    pub fn check(&self, own: &Path) -> Result<Next, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", own.display());
        let file = OpenOptions::new().read(true).write(true).open(own).map_err(failed)?;
        let next = self.next(&file).map_err(failed)?;
        let [environment, slot] = disk::update_places();
        let mut block = format!("# GRUB Environment Block\n{TRUSTED}").into_bytes();
        block.resize(BLOCK_BYTES, b'#');
        file.write_all_at(&block, environment + BLOCK_AT).map_err(failed)?;
        file.write_all_at(&vec![0; self.package.len()], slot).map_err(failed)?;
        next
    }

    fn next(&self, file: &File) -> std::io::Result<Result<Next, String>> {
        let [environment, slot] = disk::update_places();
        let mut block = vec![0; BLOCK_BYTES];
        file.read_exact_at(&mut block, environment + BLOCK_AT)?;
        let block = String::from_utf8_lossy(&block).into_owned();
        let blob = self.package.get(HEADER_BYTES..).unwrap_or_default();
        let mut written = vec![0; blob.len()];
        file.read_exact_at(&mut written, slot)?;
        Ok(judge(&block, written == blob))
    }
}

/// What the boot loader would do by its variables; an error where it would not be whole.
fn judge(block: &str, is_whole: bool) -> Result<Next, String> {
    let value = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    let (order, tries) = (value("order="), value("B_left="));
    if value("A_left=").is_none_or(|left| left == "0") {
        return Err(format!("what ran has no tries left: {block}"));
    }
    match (order, tries, is_whole) {
        (Some("AB"), Some("0"), _) => Ok(Next::Old),
        (Some("BA"), Some("1" | "0"), true) => Ok(Next::Update),
        _ => Err(format!("slot B is {}whole: {block}", if is_whole { "" } else { "not " })),
    }
}

/// The slot that a machine says it runs from.
pub fn slot(at: SocketAddr) -> Option<String> {
    slot_of(&ask(at, "GET", "/api/firmware", "")?).map(str::to_owned)
}

/// The same of its answer: what came of the last update names a slot too, the one it was for.
fn slot_of(answer: &str) -> Option<&str> {
    let (before, last) = answer.split_once("\"last\":{").unwrap_or((answer, "}"));
    let (_, after) = last.split_once('}')?;
    let parts = [before, after].into_iter();
    parts.filter_map(|part| part.split_once("\"slot\":\"")).find_map(|(_, slot)| slot.get(..1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_that_runs_is_not_that_of_the_last_update() {
        let last = r#""last":{"outcome":"fell back","slot":"B"}"#;
        assert_eq!(slot_of(&format!(r#"{{{last},"slot":"A"}}"#)), Some("A"));
        assert_eq!(slot_of(&format!(r#"{{"slot":"A",{last}}}"#)), Some("A"));
        assert_eq!(slot_of(r#"{"last":null,"slot":"B","slots":{}}"#), Some("B"));
        assert_eq!(slot_of(&format!("{{{last}}}")), None);
    }

    #[test]
    fn a_slot_that_is_not_whole_may_not_be_tried() {
        let block = |order, left| format!("# GRUB\norder={order}\nA_left=2\nB_left={left}\n####");
        for is_whole in [false, true] {
            assert_eq!(judge(&block("AB", 0), is_whole), Ok(Next::Old));
        }
        for left in [1, 0] {
            assert_eq!(judge(&block("BA", left), true), Ok(Next::Update), "{left}");
        }
        for (order, left) in [("BA", 1), ("BA", 0), ("AB", 1), ("AB", 3)] {
            assert!(judge(&block(order, left), false).is_err(), "{order} {left}");
        }
        assert!(judge("order=AB\nA_left=0\nB_left=0\n", false).is_err());
        assert!(judge("####", true).is_err());
    }
}
