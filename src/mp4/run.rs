//! A box's table and the cursors that go over it. Purpose: the entries of `stts` and `ctts`, each
//! of which stands for a run of samples (ISO/IEC 14496-12, 8.6.1). Bound: a window per table.

use crate::base::limits::MP4_STEPS_MAX;
use crate::codec::container::{FileError, ReadAt};
use crate::codec::window::FileWindow;

use super::boxes::BoxHead;
use super::view::{self, FileView};

/// A row of entries of one size.
pub(super) struct EntryTable {
    window: FileWindow,
    /// The first entry.
    at: u64,
    entry_bytes: u32,
    count: u32,
}

impl EntryTable {
    /// The entries of a box, which begin at `at`; their number stands in the four bytes before.
    pub(super) fn new(
        view: &mut FileView<'_>,
        head: &BoxHead,
        at: u64,
        entry_bytes: u32,
    ) -> Result<EntryTable, FileError> {
        let count = view.u32(at.saturating_sub(4))?;
        EntryTable::counted(head, at, entry_bytes, count)
    }

    /// `count` entries of a box from `at` on.
    pub(super) fn counted(
        head: &BoxHead,
        at: u64,
        entry_bytes: u32,
        count: u32,
    ) -> Result<EntryTable, FileError> {
        let bytes = u64::from(count).saturating_mul(u64::from(entry_bytes));
        if at.saturating_add(bytes) > head.end {
            return Err(head.broken("a table has fewer entries than it states"));
        }
        Ok(EntryTable { window: view::window(), at, entry_bytes, count })
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Where its first entry stands, for errors.
    pub(super) const fn broken(&self, what: &'static str) -> FileError {
        FileError::Broken { what, at: self.at }
    }

    /// The bytes at the beginning of an entry.
    pub(super) fn entry<const N: usize>(
        &mut self,
        file: &mut dyn ReadAt,
        index: u32,
    ) -> Result<[u8; N], FileError> {
        let offset = u64::from(index).saturating_mul(u64::from(self.entry_bytes));
        let at = self.at.saturating_add(offset);
        let bytes = self.window.exact(file, at, N)?;
        bytes.first_chunk().copied().ok_or(FileError::Truncated { at })
    }

    pub(super) fn u32(&mut self, file: &mut dyn ReadAt, index: u32) -> Result<u32, FileError> {
        Ok(u32::from_be_bytes(self.entry(file, index)?))
    }

    /// Two numbers.
    fn pair(&mut self, file: &mut dyn ReadAt, index: u32) -> Result<(u32, u32), FileError> {
        let [a, b, c, d, e, f, g, h] = self.entry(file, index)?;
        Ok((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
    }
}

/// A number per sample, written as runs of equal ones.
pub(super) struct Runs {
    table: EntryTable,
    /// The next entry to be read.
    entry: u32,
    /// Samples left of the one read last.
    left: u32,
    value: u32,
}

impl Runs {
    pub(super) fn new(table: EntryTable) -> Runs {
        Runs { table, entry: 0, left: 0, value: 0 }
    }

    /// The next sample's number; `None` behind the last entry.
    pub(super) fn next(&mut self, file: &mut dyn ReadAt) -> Result<Option<u32>, FileError> {
        let mut steps = MP4_STEPS_MAX;
        while self.left == 0 {
            if self.entry >= self.table.count() {
                return Ok(None);
            }
            if steps == 0 {
                return Err(self.table.broken("a table has too many empty entries"));
            }
            steps -= 1;
            (self.left, self.value) = self.table.pair(file, self.entry)?;
            self.entry += 1;
        }
        self.left -= 1;
        Ok(Some(self.value))
    }

    /// The number told last; 0 before the first.
    pub(super) const fn last(&self) -> u32 {
        self.value
    }

    /// Goes to a sample, counted from 0, and returns the sum of the numbers before it.
    pub(super) fn go(&mut self, file: &mut dyn ReadAt, sample: u32) -> Result<u64, FileError> {
        (self.entry, self.left, self.value) = (0, 0, 0);
        let (mut before, mut sum) = (sample, 0u64);
        while before > 0 && self.entry < self.table.count() {
            let (count, value) = self.table.pair(file, self.entry)?;
            self.entry += 1;
            let taken = count.min(before);
            sum = sum.saturating_add(u64::from(taken).saturating_mul(u64::from(value)));
            before -= taken;
            (self.left, self.value) = (count - taken, value);
        }
        let beyond = u64::from(before).saturating_mul(u64::from(self.value));
        Ok(sum.saturating_add(beyond))
    }

    /// The last sample before which the numbers sum up to no more than `limit`.
    pub(super) fn find(&mut self, file: &mut dyn ReadAt, limit: u64) -> Result<u32, FileError> {
        let (mut sample, mut sum) = (0u32, 0u64);
        for entry in 0..self.table.count() {
            let (count, value) = self.table.pair(file, entry)?;
            let run = u64::from(count).saturating_mul(u64::from(value));
            if limit.saturating_sub(sum) < run {
                let within = limit.saturating_sub(sum).checked_div(u64::from(value)).unwrap_or(0);
                return Ok(sample.saturating_add(u32::try_from(within).unwrap_or(u32::MAX)));
            }
            sum = sum.saturating_add(run);
            sample = sample.saturating_add(count);
        }
        Ok(sample)
    }
}
