//! The partition table of the appliance's disk: a disk that an input describes, sums put right or
//! not, and damaged where the input says. Whatever stands there, the boot code and every entry but
//! `data` stay, a refusal changes nothing, and once grown there is nothing left to win.

use std::io;

use flate2::Crc;
use streamcaster::appliance::partitions::{grow, Disk, Growth, TableError};

use super::take::Take;

const SECTOR: usize = 512;
const ENTRY_BYTES: usize = 128;
const ENTRIES_BYTES: usize = 128 * ENTRY_BYTES;
/// What stands in front: protective MBR, header, entries.
const FRONT_BYTES: usize = 2 * SECTOR + ENTRIES_BYTES;
const MEBIBYTE_SECTORS: u64 = 2048;

/// A disk of which only what was written exists; the rest is zeros.
#[derive(Clone, PartialEq)]
struct Sparse {
    sectors: u64,
    front: Vec<u8>,
    /// Where the last 33 sectors of the old and the new end begin, and what is there.
    ends: Vec<(u64, Vec<u8>)>,
}

impl Sparse {
    /// The place in memory of a sector, if it is kept.
    fn place(&mut self, at: u64) -> Option<&mut [u8]> {
        let inside = |from: u64, bytes: &[u8]| {
            let offset = usize::try_from(at.checked_sub(from)?).ok()?.checked_mul(SECTOR)?;
            (offset < bytes.len()).then_some(offset)
        };
        if let Some(offset) = inside(0, &self.front) {
            return self.front.get_mut(offset..offset + SECTOR);
        }
        self.ends.iter_mut().find_map(|(from, bytes)| {
            let offset = inside(*from, bytes)?;
            bytes.get_mut(offset..offset + SECTOR)
        })
    }
}

impl Disk for Sparse {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut disk = self.clone();
        for (at, into) in (at..).zip(bytes.chunks_mut(SECTOR)) {
            if at >= self.sectors {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            into.fill(0);
            if let Some(from) = disk.place(at) {
                let (from, _) = from.split_at(into.len().min(SECTOR));
                into.copy_from_slice(from);
            }
        }
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        assert_eq!(bytes.len() % SECTOR, 0, "whole sectors");
        for (at, from) in (at..).zip(bytes.chunks(SECTOR)) {
            assert!(at < self.sectors, "a write behind the end of the disk");
            let place = self.place(at).expect("only the table and its copy are written");
            place.copy_from_slice(from);
        }
        Ok(())
    }
}

/// Makes the disk, lets it grow, looks at what became of it.
pub fn run(input: &[u8]) {
    let mut take = Take(input);
    let mut disk = disk(&mut take);
    let before = disk.clone();
    let outcome = grow(&mut disk);
    assert_eq!(disk.front.get(..446), before.front.get(..446), "boot code and signature");
    match outcome {
        Err(TableError::Disk(error)) => panic!("this disk does not fail: {error}"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            // A front that was mended from its copy stays mended.
            assert!(disk.ends == before.ends, "a refusal leaves the copy alone");
        }
        Ok(grown) => {
            if let Growth::Grown { from, to } = grown {
                assert!(to >= from + (1 << 20));
                assert!(to / SECTOR as u64 <= disk.sectors);
                // Either the front held, or it was mended from one of the copies.
                let kept = tables(&before).iter().map(|table| changed(table, &disk.front)).min();
                assert!(kept.is_some_and(|changed| changed <= 1), "{kept:?} entries changed");
            }
            let after = disk.clone();
            assert!(matches!(grow(&mut disk), Ok(Growth::None)), "there is no more to win");
            assert!(disk == after, "and nothing is written for it");
        }
    }
}

/// What stands where a table's entries may be.
fn tables(disk: &Sparse) -> Vec<&[u8]> {
    let front = disk.front.get(2 * SECTOR..).unwrap_or_default();
    let copies = disk.ends.iter().map(|(_, end)| end.get(..ENTRIES_BYTES).unwrap_or_default());
    [front].into_iter().chain(copies).collect()
}

/// How many entries in front are not as in a table before.
fn changed(table: &[u8], front: &[u8]) -> usize {
    let front = front.get(2 * SECTOR..).unwrap_or_default().chunks(ENTRY_BYTES);
    table.chunks(ENTRY_BYTES).zip(front).filter(|(before, after)| before != after).count()
}

/// A table as the image has it, of an input's partitions, on a disk of an input's size.
fn disk(take: &mut Take<'_>) -> Sparse {
    let old = MEBIBYTE_SECTORS * (5 + take.below(8) as u64);
    let sectors = old + u64::from(take.byte()) * MEBIBYTE_SECTORS / 8;
    let mut entries = vec![0; ENTRIES_BYTES];
    let partitions = 1 + take.below(5);
    for index in 0..partitions {
        let name = ["slot-a", "slot-b", "data", "other", ""][take.below(5)];
        let first = MEBIBYTE_SECTORS * (1 + take.below(4) as u64);
        let last = first + MEBIBYTE_SECTORS * take.below(6) as u64 + u64::from(take.byte()) - 1;
        let at = if take.byte() == 0xff { 100 } else { index } * ENTRY_BYTES;
        put(&mut entries, at, &[7; 32]);
        put(&mut entries, at + 32, &first.to_le_bytes());
        put(&mut entries, at + 40, &last.to_le_bytes());
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        put(&mut entries, at + 56, &units);
    }
    let (mut header, mut copy) = (header(&entries, 1, old - 1, 2), vec![]);
    copy.extend(&entries);
    let (mut copy_header, repairs) = (header_of_copy(&entries, old), take.byte());
    for target in [&mut header, &mut copy_header, &mut entries, &mut copy] {
        for _ in 0..take.below(4) {
            let (at, value) = (take.word() as usize % target.len(), take.byte());
            put(target, at, &[value]);
        }
    }
    if repairs & 1 != 0 {
        seal(&mut header, &entries);
    }
    if repairs & 2 != 0 {
        seal(&mut copy_header, &copy);
    }
    copy.extend(copy_header);
    let mut front = vec![0x90; 446];
    front.extend([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
    front.resize(510, 0);
    front.extend([0x55, 0xaa]);
    front.extend(header);
    front.extend(entries);
    assert_eq!(front.len(), FRONT_BYTES);
    let mut ends = vec![(old - 33, copy)];
    if sectors >= old + 33 {
        ends.push((sectors - 33, vec![0; 33 * SECTOR]));
    } else if sectors > old {
        // Both ends overlap: one piece.
        let bytes = usize::try_from(sectors - old).expect("a small disk") * SECTOR;
        ends.iter_mut().for_each(|(_, end)| end.resize(end.len() + bytes, 0));
    }
    Sparse { sectors, front, ends }
}

fn header(entries: &[u8], at: u64, other: u64, entries_at: u64) -> Vec<u8> {
    let mut header = b"EFI PART\0\0\x01\0\x5c\0\0\0".to_vec();
    header.resize(SECTOR, 0);
    for (field, value) in [(24, at), (32, other), (40, 34), (48, other - 33), (72, entries_at)] {
        put(&mut header, field, &value.to_le_bytes());
    }
    put(&mut header, 80, &[128, 0, 0, 0, 128, 0, 0, 0]);
    seal(&mut header, entries);
    header
}

fn header_of_copy(entries: &[u8], sectors: u64) -> Vec<u8> {
    let mut header = header(entries, 1, sectors - 1, 2);
    for (field, value) in [(24, sectors - 1), (32, 1), (72, sectors - 33)] {
        put(&mut header, field, &value.to_le_bytes());
    }
    seal(&mut header, entries);
    header
}

fn seal(header: &mut [u8], entries: &[u8]) {
    put(header, 88, &sum(entries));
    let own = header_sum(header);
    put(header, 16, &own);
}

fn header_sum(header: &[u8]) -> [u8; 4] {
    let mut bytes: Vec<u8> = header.iter().copied().take(92).collect();
    put(&mut bytes, 16, &[0; 4]);
    sum(&bytes)
}

fn sum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}
