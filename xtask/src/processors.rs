//! Which processors the suites may keep busy. Purpose: emulated machines, each of which takes one
//! for minutes, share them with the suites that compute, and get them all when those are done. Each
//! processor is a file, and belongs to who has locked it: machines are started by tests, in
//! processes of their own, which find the files by [`VARIABLE`] (`tests/support`,
//! `peers::processor`). Bound: as many files as processors.

use std::fs::{self, File};
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;

use rustix::fs::{flock, FlockOperation};

use crate::step::target_dir;

/// What tells tests where the files are.
pub const VARIABLE: &str = "STREAMCASTER_PROCESSORS";

/// The machine's processors.
pub struct Processors {
    /// Where the files are.
    pub folder: PathBuf,
    /// How many there are.
    pub count: usize,
}

impl Processors {
    /// Makes their files.
    pub fn new() -> Result<Processors, String> {
        let count = thread::available_parallelism().map_or(1, NonZero::get);
        Processors::of(count, target_dir().join("tests/processors"))
    }

    fn of(count: usize, folder: PathBuf) -> Result<Processors, String> {
        let failed = |error| format!("{}: {error}", folder.display());
        crate::step::remove_folder(&folder)?;
        fs::create_dir_all(&folder).map_err(failed)?;
        for number in 0..count {
            fs::write(folder.join(number.to_string()), "").map_err(failed)?;
        }
        Ok(Processors { folder, count })
    }

    /// Takes one, until what comes back is dropped.
    pub fn hold(&self, number: usize) -> Result<File, String> {
        let path = self.folder.join(number.to_string());
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let file = File::options().write(true).open(&path).map_err(failed)?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_nobody_else_s() {
        let folder = std::env::temp_dir().join(format!("processors-{}", std::process::id()));
        let processors = Processors::of(2, folder.clone()).unwrap();
        let held = processors.hold(1).unwrap();
        let free = |number: &str| {
            let file = File::options().write(true).open(folder.join(number)).unwrap();
            flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        };
        assert!(free("0") && !free("1"));
        drop(held);
        assert!(free("1"));
        fs::remove_dir_all(folder).unwrap();
    }
}
