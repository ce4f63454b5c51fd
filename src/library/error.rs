//! Why a file of the library cannot be played.

use std::fmt;
use std::io;

use super::names::InvalidName;
use super::open::OpenError;
use crate::codec::container::FileError;

/// Why a file cannot be played.
#[derive(Debug)]
pub enum LibraryError {
    /// No file may have this name.
    Invalid(InvalidName),
    /// There is no such file.
    NotFound,
    /// It is a folder, a pipe, a device or a socket.
    Irregular,
    /// It is a link that leads out of the library.
    LeadsOut,
    /// It is still being written.
    Growing,
    /// It may not be opened, or the disk fails.
    Unreadable(io::Error),
    /// Its reader refuses it.
    Refused(FileError),
}

impl From<OpenError> for LibraryError {
    fn from(error: OpenError) -> LibraryError {
        match error {
            OpenError::Missing => LibraryError::NotFound,
            OpenError::Irregular => LibraryError::Irregular,
            OpenError::LeadsOut => LibraryError::LeadsOut,
            OpenError::System(error) => LibraryError::Unreadable(error),
        }
    }
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LibraryError::Invalid(why) => write!(f, "{why}"),
            LibraryError::NotFound => f.write_str("there is no such file in the library"),
            LibraryError::Irregular => f.write_str("it is not a regular file"),
            LibraryError::LeadsOut => {
                f.write_str("it is a link to outside the library, or to nothing")
            }
            LibraryError::Growing => f.write_str("it is still being written"),
            LibraryError::Unreadable(error) => write!(f, "it cannot be opened: {error}"),
            LibraryError::Refused(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for LibraryError {}
