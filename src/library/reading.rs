//! Reading a file of the library, whatever is in it. Bound: the reader's own.

use std::panic::{catch_unwind, AssertUnwindSafe};

use super::container::open_container;
use super::open::LibraryFile;
use crate::codec::container::FileError;
use crate::program::reading::{FilePlace, FileReading};

/// Reads a file from its beginning: to survey it as to play it.
pub(super) fn read(file: &LibraryFile) -> Result<FileReading, FileError> {
    let place = || -> Result<FilePlace, FileError> {
        let mut bytes = file.again()?;
        let reader = open_container(&mut bytes)?;
        Ok(FilePlace::new(Box::new(bytes), reader))
    };
    let picture = place()?;
    let sound = if picture.needs_another() { Some(place()?) } else { None };
    Ok(FileReading::new(picture, sound))
}

/// Runs what reads strangers' bytes: a bug in it ends with one file, not with the thread.
pub(super) fn guarded<T>(
    name: &str,
    read: impl FnOnce() -> Result<T, FileError>,
) -> Result<T, FileError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        log::error!("library: reading {name} hit a bug in this program; please report it");
        Err(FileError::Broken { what: "reading it hit a bug in this program", at: 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::LibraryError;

    #[test]
    fn a_bug_in_a_reader_refuses_its_file_and_ends_nothing_else() {
        let found: Result<(), FileError> = guarded("a.ts", || panic!("a bug"));
        let words = found.map_err(LibraryError::Refused).expect_err("refused").to_string();
        assert!(words.contains("hit a bug in this program"), "{words}");
        assert!(guarded("a.ts", || Ok(1)).is_ok());
    }
}
