//! The partition table of the appliance's disk (GUID partition table, UEFI 2.10, 5.3). Purpose: the
//! last partition, `data`, grows to the end of a disk that is larger than the image. Non-goals:
//! making a table, other changes, other sector sizes than 512. Bound: 128 entries of 128 bytes, as
//! the image has them; a table that says otherwise is left alone.
//!
//! A pulled plug leaves a disk that starts: the copy at the new end is on the disk before the table
//! in front changes, and all that changes in front lies in the first 4 KiB, which go out as one
//! write. Should even that be torn, the boot loader still finds its slots, whose entries are the
//! same before and after, and the next call mends the front from the copy.

use std::io;

use flate2::Crc;

use crate::base::limits::{PARTITIONS_GROWN_MAX, PARTITION_GAIN_BYTES_MIN};

/// Bytes of a sector.
pub const SECTOR_BYTES: u64 = 512;
const SECTOR: usize = 512;
const ENTRY_BYTES: usize = 128;
const ENTRIES: usize = 128;
/// Sectors of the entry array.
const ENTRY_SECTORS: u64 = (ENTRY_BYTES * ENTRIES / SECTOR) as u64;
/// The header's part of its sector (UEFI 2.10, table 5.5).
const HEADER_BYTES: usize = 92;
/// Partitions end on whole mebibytes, as they begin.
const ALIGNED_SECTORS: u64 = PARTITION_GAIN_BYTES_MIN / SECTOR_BYTES;
/// The sectors that one write changes whole: a page of the kernel's cache, a block of any disk made
/// these days.
const FRONT_SECTORS: u64 = 8;
/// Where the table's header stands; the entries follow it.
const HEADER_AT: u64 = 1;

/// The partition that grows, and one that only a disk of ours has.
const DATA: &str = "data";
const OURS: &str = "slot-a";

/// A disk, or a file that stands for one.
pub trait Disk {
    /// Its size; what is less than a sector at its end does not count.
    fn sectors(&self) -> u64;
    /// Fills `bytes` from the sector `at` on.
    ///
    /// # Errors
    /// As the disk has them.
    fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Writes and waits until it is on the disk.
    ///
    /// # Errors
    /// As the disk has them.
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
}

/// What became of the table.
#[derive(Debug, PartialEq, Eq)]
pub enum Growth {
    /// There is nothing to win.
    None,
    /// The front was damaged and is as its copy again; there is nothing to win.
    Mended,
    /// The data partition is larger, in bytes.
    Grown {
        /// What it was.
        from: u64,
        /// What it is.
        to: u64,
    },
}

/// Why the table is as it was.
#[derive(Debug)]
pub enum TableError {
    /// The disk cannot be read or written.
    Disk(io::Error),
    /// Neither the table nor its copy holds.
    NoTable,
    /// It is whole, and not the appliance's: no `data` at the end, or no slots.
    NotOurs,
    /// The disk ends before the table does.
    Shrunk,
}

impl std::fmt::Display for TableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TableError::Disk(error) => write!(f, "the disk: {error}"),
            TableError::NoTable => {
                write!(f, "neither the partition table nor its copy is intact: nothing was changed")
            }
            TableError::NotOurs => write!(
                f,
                "not a disk of the appliance, whose last partition is {DATA:?}: nothing was changed"
            ),
            TableError::Shrunk => {
                write!(f, "the disk is smaller than its partition table says: nothing was changed")
            }
        }
    }
}

impl From<io::Error> for TableError {
    fn from(error: io::Error) -> TableError {
        TableError::Disk(error)
    }
}

/// Grows the data partition to the end of the disk, where that wins a mebibyte, and mends a damaged
/// front from its copy.
///
/// # Errors
/// The table is no other than before, unless it is the disk itself that failed.
pub fn grow(disk: &mut impl Disk) -> Result<Growth, TableError> {
    let mended = !mend(disk)?;
    let Some(mut table) = Table::read(disk, HEADER_AT)? else { return Err(TableError::NoTable) };
    let last = table.data()?;
    let sectors = disk.sectors();
    // Behind the last usable sector stands the copy: entries, header.
    let end = sectors.saturating_sub(ENTRY_SECTORS + 1);
    if last.end > end {
        return Err(TableError::Shrunk);
    }
    let end = end - end % ALIGNED_SECTORS;
    if end < last.end.saturating_add(ALIGNED_SECTORS) {
        return Ok(if mended { Growth::Mended } else { Growth::None });
    }
    table.set_end(&last, end);
    table.set_place(HEADER_AT, sectors);
    disk.write(sectors - 1 - ENTRY_SECTORS, &table.copy_bytes(sectors))?;
    disk.write(0, &front(disk, &table)?)?;
    let bytes = |end: u64| end.saturating_sub(last.first).saturating_mul(SECTOR_BYTES);
    Ok(Growth::Grown { from: bytes(last.end), to: bytes(end) })
}

/// Whether the table in front is whole; where it is not, it becomes as its copy says.
fn mend(disk: &mut impl Disk) -> Result<bool, TableError> {
    if Table::read(disk, HEADER_AT)?.is_some() {
        return Ok(true);
    }
    let last = disk.sectors().saturating_sub(1);
    // A disk that was enlarged has its copy where the old end was. The header in front knows, should
    // only the entries be damaged; nothing is taken from it that the copy itself does not confirm.
    let told = number(&sector(disk, HEADER_AT)?, 32);
    for at in [last, told] {
        let copy = if at > HEADER_AT && at <= last { Table::read(disk, at)? } else { None };
        let Some(mut table) = copy else { continue };
        table.data()?;
        table.set_place(HEADER_AT, at + 1);
        // What lies behind the first page first: the header makes it valid.
        let entries = table.entries.get(FRONT_ENTRIES_BYTES..).unwrap_or_default();
        disk.write(FRONT_SECTORS, entries)?;
        disk.write(0, &front(disk, &table)?)?;
        return Ok(false);
    }
    Err(TableError::NoTable)
}

/// Bytes of the entries within the first page.
const FRONT_ENTRIES_BYTES: usize = (FRONT_SECTORS as usize - 2) * SECTOR;
const _: () = assert!(FRONT_ENTRIES_BYTES / ENTRY_BYTES == PARTITIONS_GROWN_MAX);

/// The first page as it becomes: boot code and signature stay, the protective partition covers the
/// disk.
fn front(disk: &impl Disk, table: &Table) -> io::Result<Vec<u8>> {
    const PROTECTIVE_SIZE: usize = 446 + 12;
    let mut bytes = sector(disk, 0)?;
    let size = u32::try_from(disk.sectors() - 1).unwrap_or(u32::MAX);
    // A front that is no MBR at all is none of ours to make: it starts from its own boot code.
    if bytes.get(510..) == Some(&[0x55, 0xaa]) && bytes.get(450) == Some(&0xee) {
        put(&mut bytes, PROTECTIVE_SIZE, &size.to_le_bytes());
    }
    bytes.extend_from_slice(&table.header);
    bytes.extend_from_slice(table.entries.get(..FRONT_ENTRIES_BYTES).unwrap_or_default());
    Ok(bytes)
}

/// A partition: its place in the array, its sectors.
struct Partition {
    index: usize,
    first: u64,
    /// The sector behind its last.
    end: u64,
}

/// A header whose sum holds, with its entries, whose sum holds too.
struct Table {
    header: Vec<u8>,
    entries: Vec<u8>,
}

impl Table {
    /// The table whose header stands at a sector; nothing where it does not hold.
    fn read(disk: &impl Disk, at: u64) -> io::Result<Option<Table>> {
        let (sectors, header) = (disk.sectors(), sector(disk, at)?);
        let entries_at = number(&header, 72);
        let whole = header.starts_with(b"EFI PART")
            && word(&header, 12) as usize == HEADER_BYTES
            && word(&header, 16) == header_sum(&header)
            && number(&header, 24) == at
            && word(&header, 80) as usize == ENTRIES
            && word(&header, 84) as usize == ENTRY_BYTES;
        let there = entries_at
            .checked_add(ENTRY_SECTORS)
            .is_some_and(|end| entries_at > HEADER_AT && end <= sectors);
        // In front the entries follow the header, as the image has them.
        if !whole || !there || (at == HEADER_AT && entries_at != HEADER_AT + 1) {
            return Ok(None);
        }
        let mut entries = vec![0; ENTRIES * ENTRY_BYTES];
        disk.read(entries_at, &mut entries)?;
        let holds = word(&header, 88) == crc32(&entries);
        Ok(holds.then_some(Table { header, entries }))
    }

    /// The data partition, if it is the last one of a disk of ours.
    fn data(&self) -> Result<Partition, TableError> {
        let mut last: Option<(Partition, bool)> = None;
        let mut ours = false;
        for (index, entry) in self.entries.chunks_exact(ENTRY_BYTES).enumerate() {
            if entry.iter().take(16).all(|&byte| byte == 0) {
                continue;
            }
            let (first, final_sector) = (number(entry, 32), number(entry, 40));
            let partition =
                Partition { index, first, end: final_sector.saturating_add(1).max(first) };
            ours |= is_named(entry, OURS);
            let later = last.as_ref().is_none_or(|(known, _)| known.end <= partition.end);
            if later {
                last = Some((partition, is_named(entry, DATA)));
            }
        }
        match last {
            Some((data, true)) if ours && data.index < PARTITIONS_GROWN_MAX => Ok(data),
            _ => Err(TableError::NotOurs),
        }
    }

    fn set_end(&mut self, partition: &Partition, end: u64) {
        let at = partition.index * ENTRY_BYTES + 40;
        put(&mut self.entries, at, &(end - 1).to_le_bytes());
        let sum = crc32(&self.entries);
        put(&mut self.header, 88, &sum.to_le_bytes());
    }

    /// Makes it the table in front, of a disk of so many sectors.
    fn set_place(&mut self, at: u64, sectors: u64) {
        let last_usable = sectors.saturating_sub(ENTRY_SECTORS + 2);
        for (field, value) in [(24, at), (32, sectors - 1), (48, last_usable), (72, at + 1)] {
            put(&mut self.header, field, &u64::to_le_bytes(value));
        }
        self.seal();
    }

    /// The same table as the copy at a disk's end: entries, header.
    fn copy_bytes(&self, sectors: u64) -> Vec<u8> {
        let mut copy = Table { header: self.header.clone(), entries: self.entries.clone() };
        let fields = [(24, sectors - 1), (32, HEADER_AT), (72, sectors - 1 - ENTRY_SECTORS)];
        for (field, value) in fields {
            put(&mut copy.header, field, &u64::to_le_bytes(value));
        }
        copy.seal();
        copy.entries.extend(copy.header);
        copy.entries
    }

    fn seal(&mut self) {
        let sum = header_sum(&self.header);
        put(&mut self.header, 16, &sum.to_le_bytes());
    }
}

fn sector(disk: &impl Disk, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; SECTOR];
    disk.read(at, &mut bytes)?;
    Ok(bytes)
}

/// Whether an entry bears a name: 36 UTF-16 units, ended by a zero (UEFI 2.10, table 5.6).
fn is_named(entry: &[u8], name: &str) -> bool {
    let units = entry.get(56..).unwrap_or_default().chunks_exact(2);
    let units =
        units.map(|pair| pair.iter().rev().fold(0, |sum, &byte| sum << 8 | u16::from(byte)));
    units.take_while(|&unit| unit != 0).eq(name.encode_utf16())
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u64::from_le_bytes(*field))
}

pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u32::from_le_bytes(*field))
}

pub(super) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let place = at.checked_add(value.len()).and_then(|end| bytes.get_mut(at..end));
    place.expect("a field lies within its table").copy_from_slice(value);
}

/// The header's own sum is taken with zero in its place.
fn header_sum(header: &[u8]) -> u32 {
    let mut bytes: Vec<u8> = header.iter().copied().take(HEADER_BYTES).collect();
    bytes.resize(HEADER_BYTES, 0);
    put(&mut bytes, 16, &[0; 4]);
    crc32(&bytes)
}

/// CRC-32 as in ISO 3309, which UEFI asks for.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
#[path = "partitions_tests.rs"]
mod tests;
