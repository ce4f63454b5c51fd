//! The rotated logs: `streamcaster.log.1`, `.2`, … and, packed, `.1.gz`, `.2.gz`, …. Purpose: which
//! file stands at which age, and how they move on. Cut at any moment, nothing is lost: a file is
//! renamed, and what is packed is whole before the plain one goes. Non-goal: what is written into
//! them. Bound: one file at each age, [`LOG_FILES_MAX`] ages; a compressor of
//! [`LOG_PACK_BYTES`](crate::base::limits::LOG_PACK_BYTES), whatever it packs.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;

use flate2::write::GzEncoder;
use flate2::Compression;

use crate::base::limits::LOG_FILES_MAX;

/// Name of the newest file.
pub(super) const NAME: &str = "streamcaster.log";

/// Where they are, and how many are kept.
pub(super) struct Rotated {
    dir: PathBuf,
    files: usize,
}

fn if_there(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The same bytes for the same content: no name and no time are told (RFC 1952, 2.3).
fn pack_into(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut encoder = GzEncoder::new(to, Compression::default());
    io::copy(from, &mut encoder)?;
    encoder.finish().map(drop)
}

impl Rotated {
    pub(super) fn new(dir: PathBuf, files: usize) -> Rotated {
        Rotated { dir, files }
    }

    /// The file of an age, as it was written; the newest has none.
    pub(super) fn plain(&self, age: usize) -> PathBuf {
        match age {
            0 => self.dir.join(NAME),
            age => self.dir.join(format!("{NAME}.{age}")),
        }
    }

    fn packed(&self, age: usize) -> PathBuf {
        self.dir.join(format!("{NAME}.{age}.gz"))
    }

    /// Moves every file one place on; the oldest is removed.
    pub(super) fn shift(&self) -> io::Result<()> {
        if self.files == 0 {
            return if_there(fs::remove_file(self.plain(0)));
        }
        self.remove(self.files)?;
        for age in (0..self.files).rev() {
            if age > 0 {
                if_there(fs::rename(self.packed(age), self.packed(age + 1)))?;
            }
            if_there(fs::rename(self.plain(age), self.plain(age + 1)))?;
        }
        Ok(())
    }

    /// Packs those that are not, and removes those that are too old for a configuration that keeps
    /// fewer than it did.
    pub(super) fn pack(&self) -> io::Result<()> {
        for age in self.files + 1..=LOG_FILES_MAX {
            self.remove(age)?;
        }
        (1..=self.files).try_for_each(|age| self.pack_one(age))
    }

    fn pack_one(&self, age: usize) -> io::Result<()> {
        let (plain, packed) = (self.plain(age), self.packed(age));
        let mut from = match File::open(&plain) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        // Of one name: what a cut left behind is written over.
        let unfinished = self.dir.join(format!("{NAME}.gz.new"));
        // A packed one beside the plain one is whole: only the last step is missing.
        if !packed.exists() {
            let written = File::create(&unfinished).and_then(|mut to| {
                pack_into(&mut from, &mut to)?;
                to.sync_all()
            });
            if let Err(error) = written.and_then(|()| fs::rename(&unfinished, &packed)) {
                let _ = fs::remove_file(&unfinished);
                return Err(error);
            }
        }
        File::open(&self.dir)?.sync_all()?;
        fs::remove_file(&plain)
    }

    /// Removes all but the newest.
    pub(super) fn remove_all_but_newest(&self) -> io::Result<()> {
        (2..=self.files).try_for_each(|age| self.remove(age))
    }

    fn remove(&self, age: usize) -> io::Result<()> {
        if_there(fs::remove_file(self.plain(age)))?;
        if_there(fs::remove_file(self.packed(age)))
    }

    /// What all of them take, the newest file included, bytes.
    pub(super) fn bytes(&self) -> u64 {
        let size = |path: PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
        let all = (0..=LOG_FILES_MAX).map(|age| match age {
            0 => size(self.plain(0)),
            age => size(self.plain(age)).saturating_add(size(self.packed(age))),
        });
        all.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::base::limits::THREAD_STACK_BYTES;

    /// Packed where the log packs: on a thread with no more stack than its own.
    fn packed(bytes: &[u8]) -> Vec<u8> {
        let pack = || {
            let mut to = Vec::new();
            pack_into(&mut &*bytes, &mut to).unwrap();
            to
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(THREAD_STACK_BYTES);
            thread.spawn_scoped(scope, pack).unwrap().join().unwrap()
        })
    }

    /// What gzip makes of it.
    fn unpacked(packed: Vec<u8>) -> Vec<u8> {
        let mut gzip = Command::new("gzip");
        let gzip = gzip.arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut gzip = gzip.spawn().unwrap();
        let mut input = gzip.stdin.take().unwrap();
        let fed = std::thread::spawn(move || input.write_all(&packed));
        let output = gzip.wait_with_output().unwrap();
        fed.join().unwrap().unwrap();
        assert!(output.status.success(), "gzip refuses it");
        output.stdout
    }

    #[test]
    fn gzip_reads_what_was_packed_on_the_logs_own_stack() {
        let mut random = fastrand::Rng::with_seed(3);
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(300_000).collect();
        let line = |n: usize| {
            let minute = n % 60;
            format!("2026-11-22T12:{minute:02}:54.018Z INFO  [viewers] 10.0.0.{n} comes\n")
        };
        let text: String = (0..9999).map(line).collect();
        for bytes in [&[][..], b"a", &noise, text.as_bytes()] {
            let packed = packed(bytes);
            assert_eq!(packed.get(4..8), Some(&[0; 4][..]), "no time is told");
            assert!(unpacked(packed) == bytes, "{} bytes", bytes.len());
        }
        let length = packed(text.as_bytes()).len();
        assert!(length * 8 < text.len(), "{length} of {}", text.len());
    }
}
