//! A piece of a file kept in memory, moved along as its reader goes. Purpose: many small reads
//! cost few system calls. Bound: its size, allocated once.

use std::io;

use crate::base::limits::FILE_WINDOW_BYTES;

use super::container::{FileError, ReadAt};

/// A window onto a file.
#[derive(Debug)]
pub struct FileWindow {
    bytes: Box<[u8]>,
    /// Where in the file it begins, and how much of it is filled.
    at: u64,
    filled: usize,
    /// Bytes read at once, or as many as are asked for.
    stride: usize,
}

impl Default for FileWindow {
    fn default() -> FileWindow {
        FileWindow::new()
    }
}

impl FileWindow {
    /// An empty one of `FILE_WINDOW_BYTES`.
    pub fn new() -> FileWindow {
        FileWindow::of(FILE_WINDOW_BYTES)
    }

    /// An empty one of another size.
    pub fn of(size_bytes: usize) -> FileWindow {
        let bytes = vec![0; size_bytes].into_boxed_slice();
        FileWindow { bytes, at: 0, filled: 0, stride: size_bytes }
    }

    /// From now on so many bytes are read at once, or as many as are asked for: few for a reader
    /// that leaps, all that the window holds for one that goes on.
    pub fn set_stride(&mut self, bytes: usize) {
        self.stride = bytes.min(self.bytes.len());
    }

    /// At most `bytes` bytes at `offset`, and no more than the window holds; fewer at the end of
    /// the file. What follows them is read along.
    ///
    /// # Errors
    /// The disk's own.
    pub fn get(&mut self, file: &mut dyn ReadAt, offset: u64, bytes: usize) -> io::Result<&[u8]> {
        self.get_from(file, offset, offset, bytes)
    }

    /// All of the `bytes` bytes at `offset`, which are no more than the window holds.
    ///
    /// # Errors
    /// Truncated where the file ends before; the disk's own.
    pub fn exact(
        &mut self,
        file: &mut dyn ReadAt,
        offset: u64,
        bytes: usize,
    ) -> Result<&[u8], FileError> {
        let got = self.get(file, offset, bytes)?;
        if got.len() < bytes {
            let came = u64::try_from(got.len()).unwrap_or(u64::MAX);
            return Err(FileError::Truncated { at: offset.saturating_add(came) });
        }
        Ok(got)
    }

    /// The same, when the reader goes backwards: what stands before them is read along.
    ///
    /// # Errors
    /// The disk's own.
    pub fn get_backwards(
        &mut self,
        file: &mut dyn ReadAt,
        offset: u64,
        bytes: usize,
    ) -> io::Result<&[u8]> {
        let bytes = bytes.min(self.bytes.len());
        let from = offset.saturating_sub(self.stride.saturating_sub(bytes) as u64);
        self.get_from(file, from, offset, bytes)
    }

    fn get_from(
        &mut self,
        file: &mut dyn ReadAt,
        from: u64,
        offset: u64,
        bytes: usize,
    ) -> io::Result<&[u8]> {
        let bytes = bytes.min(self.bytes.len());
        let held = |window: &FileWindow| {
            let start = usize::try_from(offset.checked_sub(window.at)?).ok()?;
            Some((start, start.checked_add(bytes).filter(|end| *end <= window.filled)?))
        };
        if held(self).is_none() {
            self.filled = 0;
            self.at = from;
            let behind = usize::try_from(offset.saturating_sub(from)).unwrap_or(0);
            let wanted = self.stride.max(behind.saturating_add(bytes));
            let wanted = wanted.min(self.bytes.len());
            let room = self.bytes.get_mut(..wanted).unwrap_or_default();
            self.filled = file.read_at(from, room)?.min(room.len());
        }
        let start = usize::try_from(offset.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let filled = self.bytes.get(..self.filled).unwrap_or_default();
        let behind = filled.get(start..).unwrap_or_default();
        Ok(behind.get(..bytes).unwrap_or(behind))
    }
}

/// A file that lies in memory and counts how often it is read, for tests.
#[cfg(test)]
pub(crate) struct InMemory<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) reads: usize,
}

#[cfg(test)]
impl ReadAt for InMemory<'_> {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        self.bytes.read_at(offset, into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> Vec<u8> {
        (0..300_000u32).map(|n| (n / 7) as u8).collect()
    }

    #[test]
    fn any_place_comes_out_as_it_stands_in_the_file() {
        let bytes = bytes();
        let mut file = InMemory { bytes: &bytes, reads: 0 };
        let mut window = FileWindow::new();
        for (n, offset) in [0, 5, 65_530, 200_000, 10, 299_990, 300_000, 400_000].iter().enumerate()
        {
            let wanted = bytes.get(*offset..).unwrap_or_default();
            let wanted = wanted.get(..20).unwrap_or(wanted);
            let got = if n % 2 == 0 {
                window.get(&mut file, *offset as u64, 20)
            } else {
                window.get_backwards(&mut file, *offset as u64, 20)
            };
            assert_eq!(got.unwrap(), wanted, "at {offset}");
        }
        assert_eq!(window.get(&mut file, u64::MAX, 20).unwrap(), b"");
        assert_eq!(window.get(&mut file, 0, 1 << 20).unwrap().len(), FILE_WINDOW_BYTES);
    }

    #[test]
    fn all_of_it_or_an_error_that_says_where_the_file_ends() {
        let bytes = bytes();
        let mut file = InMemory { bytes: &bytes, reads: 0 };
        let mut window = FileWindow::of(100);
        assert_eq!(window.exact(&mut file, 299_900, 100).unwrap(), &bytes[299_900..]);
        for offset in [299_901, 299_999, 300_000, 400_000] {
            let error = window.exact(&mut file, offset, 100).unwrap_err();
            let end = offset.max(300_000);
            assert!(matches!(error, FileError::Truncated { at } if at == end), "{offset}: {error}");
        }
        window.set_stride(1000);
        assert_eq!(window.get(&mut file, 0, 1000).unwrap().len(), 100, "its own size");
    }

    #[test]
    fn who_leaps_reads_little() {
        let bytes = bytes();
        let mut file = InMemory { bytes: &bytes, reads: 0 };
        let mut window = FileWindow::new();
        window.set_stride(100);
        for (offset, reads) in [(1000, 1), (1080, 1), (1081, 2), (0, 3)] {
            assert_eq!(window.get(&mut file, offset, 20).unwrap().len(), 20);
            assert_eq!(file.reads, reads, "at {offset}");
        }
        let much = window.get(&mut file, 5, 5000).unwrap();
        assert_eq!(much, &bytes[5..5005]);
        assert_eq!(window.get_backwards(&mut file, 9000, 20).unwrap(), &bytes[9000..9020]);
        assert_eq!(window.get_backwards(&mut file, 8920, 20).unwrap(), &bytes[8920..8940]);
        assert_eq!(file.reads, 5);
    }

    #[test]
    fn going_on_in_small_steps_reads_in_large_ones() {
        let bytes = bytes();
        for backwards in [false, true] {
            let mut file = InMemory { bytes: &bytes, reads: 0 };
            let mut window = FileWindow::new();
            for step in 0..10_000u64 {
                if backwards {
                    window.get_backwards(&mut file, 299_980 - step * 20, 20).unwrap();
                } else {
                    window.get(&mut file, step * 20, 20).unwrap();
                }
            }
            assert!(file.reads <= 5, "{} reads", file.reads);
        }
    }
}
