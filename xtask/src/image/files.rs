//! Files of an image: read, written, summed, packed, each with an error that names it.

use std::fs;
use std::path::Path;
use std::process::Command;

use ring::digest::{digest, SHA256};

use crate::step::{hexadecimal, piped, root, said};

/// SHA-256, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(digest(&SHA256, bytes).as_ref())
}

/// Compressed, without a name and a time in the header.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    piped(Command::new("gzip").args(["-9", "--no-name"]), bytes)
}

/// When the commit was made: the same for everybody who builds it. A source without its history
/// is from the beginning of time.
pub fn commit_time() -> u32 {
    let mut log = Command::new("git");
    log.args(["log", "-1", "--format=%ct"]).current_dir(root());
    said(&mut log).ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}

/// A tool of Debian's that is not on every user's PATH.
pub fn tool(name: &str) -> Command {
    let places = ["/usr/sbin", "/sbin"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists());
    Command::new(found.unwrap_or_else(|| name.into()))
}

/// Reads a file; the error names it.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes a file, with the folders above it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(above) = path.parent() {
        fs::create_dir_all(above).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}
