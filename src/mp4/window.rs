//! A file's bytes through a small window. Purpose: tables of any length are read entry by entry,
//! with one read of the file for many of them. Bound: `MP4_WINDOW_BYTES`.

use crate::base::limits::MP4_WINDOW_BYTES;
use crate::codec::container::{FileError, ReadAt};

/// Bytes of a file, kept from the last read.
pub(super) struct Window {
    bytes: Box<[u8]>,
    /// Where in the file they stand.
    at: u64,
    /// How many of them are valid.
    valid: usize,
}

impl Window {
    pub(super) fn new() -> Window {
        Window { bytes: vec![0; MP4_WINDOW_BYTES].into_boxed_slice(), at: 0, valid: 0 }
    }

    /// The `count` bytes at `at`, at most `MP4_WINDOW_BYTES`.
    ///
    /// # Errors
    /// Truncated where the file ends before.
    pub(super) fn bytes(
        &mut self,
        file: &mut dyn ReadAt,
        at: u64,
        count: usize,
    ) -> Result<&[u8], FileError> {
        let held = at.checked_sub(self.at).and_then(|offset| usize::try_from(offset).ok());
        let held = held.filter(|offset| self.valid.checked_sub(*offset) >= Some(count));
        let offset = match held {
            Some(offset) => offset,
            None => {
                self.valid = 0;
                self.valid = file.read_at(at, &mut self.bytes)?.min(self.bytes.len());
                self.at = at;
                0
            }
        };
        let valid = self.bytes.get(..self.valid).unwrap_or_default();
        let missing = at.saturating_add(u64::try_from(self.valid).unwrap_or(u64::MAX));
        valid
            .get(offset..)
            .and_then(|from| from.get(..count))
            .ok_or(FileError::Truncated { at: missing })
    }
}

/// A file and the window through which it is looked at.
pub(super) struct View<'a> {
    pub(super) file: &'a mut dyn ReadAt,
    pub(super) window: &'a mut Window,
}

impl View<'_> {
    /// The `count` bytes at `at`, at most `MP4_WINDOW_BYTES`.
    pub(super) fn bytes(&mut self, at: u64, count: usize) -> Result<&[u8], FileError> {
        self.window.bytes(self.file, at, count)
    }

    pub(super) fn array<const N: usize>(&mut self, at: u64) -> Result<[u8; N], FileError> {
        let bytes = self.bytes(at, N)?;
        bytes.first_chunk().copied().ok_or(FileError::Truncated { at })
    }

    pub(super) fn u16(&mut self, at: u64) -> Result<u16, FileError> {
        Ok(u16::from_be_bytes(self.array(at)?))
    }

    pub(super) fn u32(&mut self, at: u64) -> Result<u32, FileError> {
        Ok(u32::from_be_bytes(self.array(at)?))
    }

    pub(super) fn u64(&mut self, at: u64) -> Result<u64, FileError> {
        Ok(u64::from_be_bytes(self.array(at)?))
    }
}
