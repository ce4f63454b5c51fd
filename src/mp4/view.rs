//! A file's numbers through a small window. Purpose: tables of any length are read entry by entry,
//! with one read of the file for many of them. Bound: `MP4_WINDOW_BYTES`.

use crate::base::limits::MP4_WINDOW_BYTES;
use crate::codec::container::{FileError, ReadAt};
use crate::codec::window::FileWindow;

/// A window for a table.
pub(super) fn window() -> FileWindow {
    FileWindow::of(MP4_WINDOW_BYTES)
}

/// A file and the window through which it is looked at.
pub(super) struct FileView<'a> {
    pub(super) file: &'a mut dyn ReadAt,
    pub(super) window: &'a mut FileWindow,
}

impl FileView<'_> {
    /// The `count` bytes at `at`, at most `MP4_WINDOW_BYTES`.
    pub(super) fn bytes(&mut self, at: u64, count: usize) -> Result<&[u8], FileError> {
        self.window.exact(self.file, at, count)
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
