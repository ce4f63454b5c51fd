//! A processor for what takes all of one: an emulated machine. Purpose: as many machines run at once
//! as there are processors left for them, in whatever process the test is. `cargo xtask test` names
//! a folder with a file for each processor in `STREAMCASTER_PROCESSORS`, and holds those that it
//! needs itself; without it there is one. Bound: a machine holds one, and lets go of it with its end.

use std::fs::{self, File};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustix::fs::{flock, FlockOperation};

/// A processor, until it is dropped.
#[derive(Debug)]
pub struct Processor {
    _locked: File,
}

impl Processor {
    /// Waits for one.
    pub fn take() -> Processor {
        let all = all();
        loop {
            if let Some(locked) = all.iter().find_map(locked) {
                return Processor { _locked: locked };
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The lock is the opened file's: tests of one process have it from each other as well.
fn locked(path: &PathBuf) -> Option<File> {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    let file = file.expect("a processor's file can be opened");
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok().map(|()| file)
}

fn all() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("STREAMCASTER_PROCESSORS") else {
        return vec![super::target_tmp().join("processor")];
    };
    let files = fs::read_dir(folder).expect("a folder with a file for each processor");
    files.map(|file| file.expect("a file").path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_somebody_s_until_it_is_dropped() {
        let path = super::super::target_tmp().join(format!("processor-{}", std::process::id()));
        let first = locked(&path).expect("nobody has it");
        assert!(locked(&path).is_none());
        drop(first);
        assert!(locked(&path).is_some());
        fs::remove_file(path).unwrap();
    }
}
