//! A file at a place of its own: picture and sound may be read at two. Bound: this struct.

use std::io;

use crate::base::time::Ticks;
use crate::codec::access_unit::UnitSink;
use crate::codec::container::{ContainerReader, FileError, Progress, ReadAt, Timing};

/// A file and what reads it, at a place of its own.
pub struct FilePlace {
    pub(super) file: Tracked,
    pub(super) reader: Box<dyn ContainerReader>,
}

/// Takes note where is read.
pub(super) struct Tracked {
    bytes: Box<dyn ReadAt + Send>,
    /// Behind what was read last.
    pub(super) at: u64,
    /// How much was read.
    pub(super) read: u64,
}

impl ReadAt for Tracked {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read_at(offset, into)?;
        let bytes = u64::try_from(read).unwrap_or(0);
        self.at = offset.saturating_add(bytes);
        self.read = self.read.saturating_add(bytes);
        Ok(read)
    }
}

impl FilePlace {
    /// A file, and a reader that has been opened on it.
    pub fn new(bytes: Box<dyn ReadAt + Send>, reader: Box<dyn ContainerReader>) -> FilePlace {
        FilePlace { file: Tracked { bytes, at: 0, read: 0 }, reader }
    }

    /// Whether the sound is to be read at another place.
    pub fn needs_another(&self) -> bool {
        self.reader.timing() != Timing::Tables && self.reader.contents().audio.is_some()
    }

    /// Reads on.
    pub(super) fn next(&mut self, sink: &mut dyn UnitSink) -> Result<Progress, FileError> {
        self.reader.next(&mut self.file, sink)
    }

    /// Reads from there on.
    pub(super) fn seek(&mut self, to: Ticks, sink: &mut dyn UnitSink) -> Result<Ticks, FileError> {
        self.reader.seek(&mut self.file, to, sink)
    }
}
