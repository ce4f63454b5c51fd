use super::*;

/// A disk in memory that remembers what was written to it.
#[derive(Clone)]
struct Memory {
    bytes: Vec<u8>,
    writes: Vec<(u64, Vec<u8>)>,
}

impl Disk for Memory {
    fn sectors(&self) -> u64 {
        self.bytes.len() as u64 / SECTOR_BYTES
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(at * SECTOR_BYTES).unwrap();
        let there = self.bytes.get(from..from + bytes.len());
        bytes.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let from = usize::try_from(at * SECTOR_BYTES).unwrap();
        let there = self.bytes.get_mut(from..from + bytes.len());
        there.ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(bytes);
        self.writes.push((at, bytes.to_vec()));
        Ok(())
    }
}

const MIB: u64 = 1 << 20;
const BOOT_CODE: [u8; 440] = [0x90; 440];

/// A disk as the image has it, in small: slot-a in the second mebibyte, data up to the fourth, and
/// one mebibyte behind it.
fn image() -> Memory {
    with_partitions(&[("slot-a", 2048, 4095), ("data", 4096, 8191)])
}

fn with_partitions(partitions: &[(&str, u64, u64)]) -> Memory {
    let sectors = 5 * MIB / SECTOR_BYTES;
    let mut entries = vec![0; ENTRIES * ENTRY_BYTES];
    for (index, (name, first, last)) in partitions.iter().enumerate() {
        let at = index * ENTRY_BYTES;
        put(&mut entries, at, &[7; 32]);
        put(&mut entries, at + 32, &first.to_le_bytes());
        put(&mut entries, at + 40, &last.to_le_bytes());
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        put(&mut entries, at + 56, &units);
    }
    let mut header = b"EFI PART\0\0\x01\0\x5c\0\0\0".to_vec();
    header.resize(SECTOR, 0);
    put(&mut header, 40, &34_u64.to_le_bytes());
    put(&mut header, 56, &[9; 16]);
    put(&mut header, 80, &[128, 0, 0, 0, 128, 0, 0, 0]);
    put(&mut header, 88, &crc32(&entries).to_le_bytes());
    let mut table = Table { header, entries };
    table.set_place(HEADER_AT, sectors);
    let mut disk = Memory { bytes: vec![0; usize::try_from(5 * MIB).unwrap()], writes: vec![] };
    let mut front = BOOT_CODE.to_vec();
    front.resize(446, 0);
    front.extend([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
    front.extend(u32::try_from(sectors - 1).unwrap().to_le_bytes());
    front.resize(510, 0);
    front.extend([0x55, 0xaa]);
    front.extend(&table.header);
    front.extend(&table.entries);
    disk.write(0, &front).unwrap();
    disk.write(sectors - 33, &table.copy_bytes(sectors)).unwrap();
    disk.writes.clear();
    disk
}

/// The same on a larger disk.
fn enlarged(mut disk: Memory, mebibytes: u64) -> Memory {
    disk.bytes.resize(usize::try_from(mebibytes * MIB).unwrap(), 0);
    disk
}

fn grown(mebibytes: u64) -> Memory {
    let mut disk = enlarged(image(), mebibytes);
    grow(&mut disk).unwrap();
    disk.writes.clear();
    disk
}

/// First and last sector of an entry in front, as a boot loader reads it, without any sum.
fn entry(disk: &Memory, index: usize) -> (u64, u64) {
    let at = 1024 + index * ENTRY_BYTES;
    (number(&disk.bytes, at + 32), number(&disk.bytes, at + 40))
}

#[test]
fn data_grows_to_the_last_whole_mebibyte() {
    let mut disk = enlarged(image(), 9);
    assert_eq!(grow(&mut disk).unwrap(), Growth::Grown { from: 2 * MIB, to: 6 * MIB });
    assert_eq!(entry(&disk, 0), (2048, 4095), "others stay");
    assert_eq!(entry(&disk, 1), (4096, 8 * 2048 - 1));
    assert_eq!(disk.bytes[..440], BOOT_CODE);
    let sectors = disk.sectors();
    assert_eq!(u64::from(word(&disk.bytes, 458)), sectors - 1, "the protective partition");
    assert_eq!(disk.bytes[446..458], image().bytes[446..458]);
    // Table and copy hold, point at each other, and say the same.
    let front = Table::read(&disk, 1).unwrap().expect("in front");
    let copy = Table::read(&disk, sectors - 1).unwrap().expect("at the end");
    assert_eq!(front.entries, copy.entries);
    let fields = |table: &Table| [24, 32, 40, 48, 72].map(|at| number(&table.header, at));
    let last_usable = sectors - 34;
    assert_eq!(fields(&front), [1, sectors - 1, 34, last_usable, 2]);
    assert_eq!(fields(&copy), [sectors - 1, 1, 34, last_usable, sectors - 33]);
    assert_eq!(front.header[56..72], [9; 16], "the disk's own identity");
    // The second time nothing is written.
    disk.writes.clear();
    assert_eq!(grow(&mut disk).unwrap(), Growth::None);
    assert!(disk.writes.is_empty());
}

#[test]
fn a_disk_enlarged_again_grows_again() {
    let mut disk = enlarged(grown(9), 12);
    assert_eq!(grow(&mut disk).unwrap(), Growth::Grown { from: 6 * MIB, to: 9 * MIB });
    assert_eq!(grow(&mut disk).unwrap(), Growth::None);
}

#[test]
fn less_than_a_mebibyte_is_not_worth_a_write() {
    // The copy and its header take 33 sectors of what there is.
    for sectors in [0, 1, 32] {
        let mut disk = image();
        disk.bytes.resize(disk.bytes.len() + sectors * SECTOR, 0);
        assert_eq!(grow(&mut disk).unwrap(), Growth::None, "{sectors}");
        assert!(disk.writes.is_empty());
    }
    let mut disk = image();
    disk.bytes.resize(disk.bytes.len() + 33 * SECTOR, 0);
    assert_eq!(grow(&mut disk).unwrap(), Growth::Grown { from: 2 * MIB, to: 3 * MIB });
}

/// The plug is pulled behind every single sector that is written, and also when the sectors of one
/// write have come in the other order: the boot loader finds its slots, one copy of the table
/// holds, and the next start ends where this one would have.
#[test]
fn a_pulled_plug_leaves_a_disk_that_starts() {
    for (name, before) in [
        ("first start", enlarged(image(), 9)),
        ("another time", enlarged(grown(9), 12)),
        ("damaged in front", damaged(enlarged(grown(9), 9), 1024)),
    ] {
        let mut whole = before.clone();
        grow(&mut whole).unwrap();
        assert!(!whole.writes.is_empty());
        for backwards in [false, true] {
            let mut disk = before.clone();
            for (at, bytes) in &whole.writes {
                let mut sectors: Vec<(u64, &[u8])> = (*at..).zip(bytes.chunks(SECTOR)).collect();
                if backwards {
                    sectors.reverse();
                }
                for (at, sector) in sectors {
                    disk.write(at, sector).unwrap();
                    let what = format!("{name}, sector {at}, backwards {backwards}");
                    assert_eq!(disk.bytes[..440], BOOT_CODE, "{what}");
                    assert_eq!(disk.bytes[512..520], *b"EFI PART", "{what}");
                    if name != "damaged in front" {
                        assert_eq!(entry(&disk, 0), (2048, 4095), "{what}");
                    }
                    let mut again = disk.clone();
                    grow(&mut again).unwrap_or_else(|error| panic!("{what}: {error}"));
                    // All but the protective partition's size, which nobody goes by.
                    let same = again.bytes[SECTOR..] == whole.bytes[SECTOR..];
                    assert!(same, "{what}: the next start ends elsewhere");
                }
            }
            assert!(disk.bytes == whole.bytes);
        }
    }
}

fn damaged(mut disk: Memory, at: usize) -> Memory {
    disk.bytes[at] ^= 0xff;
    disk
}

#[test]
fn a_damaged_front_is_mended_from_its_copy() {
    for at in [512, 512 + 16, 512 + 40, 1024, 1024 + 128 + 40, 1024 + 127 * 128] {
        let mut disk = damaged(image(), at);
        assert_eq!(grow(&mut disk).unwrap(), Growth::Mended, "byte {at}");
        assert!(disk.bytes == image().bytes, "byte {at}");
    }
    // On a disk that was enlarged only the header knows where the copy is.
    let mut disk = damaged(enlarged(image(), 9), 1024 + 40);
    assert_eq!(grow(&mut disk).unwrap(), Growth::Grown { from: 2 * MIB, to: 6 * MIB });
    assert!(disk.bytes[..34 * SECTOR] == grown(9).bytes[..34 * SECTOR]);
}

#[test]
fn with_both_damaged_all_is_left_alone() {
    let end = image().bytes.len();
    for (front, copy) in [(512, end - 512), (1024, end - 33 * SECTOR), (1024, end - 500)] {
        let disk = damaged(damaged(image(), front), copy);
        let mut after = disk.clone();
        assert!(matches!(grow(&mut after), Err(TableError::NoTable)), "{front}");
        assert!(after.writes.is_empty());
    }
    for size in [0, 1, 2, 34] {
        let mut empty = Memory { bytes: vec![0; size * SECTOR], writes: vec![] };
        assert!(grow(&mut empty).is_err(), "{size}");
    }
    // A damaged copy alone is no reason to write where nothing is to win.
    let mut disk = damaged(image(), end - 512);
    assert_eq!(grow(&mut disk).unwrap(), Growth::None);
}

#[test]
fn other_disks_are_left_alone() {
    for partitions in [
        &[("data", 4096, 8191)][..],
        &[("slot-a", 2048, 4095)],
        &[("slot-a", 4096, 8191), ("data", 2048, 4095)],
        &[("slot-a", 2048, 4095), ("data2", 4096, 8191)],
        &[("slot-a", 2048, 4095), ("dat", 4096, 8191)],
        &[],
    ] {
        let mut disk = enlarged(with_partitions(partitions), 9);
        assert!(matches!(grow(&mut disk), Err(TableError::NotOurs)), "{partitions:?}");
        assert!(disk.writes.is_empty());
    }
    let mut disk = image();
    disk.bytes.truncate(usize::try_from(4 * MIB).unwrap());
    assert!(matches!(grow(&mut disk), Err(TableError::Shrunk)));
    assert!(disk.writes.is_empty());
}

#[test]
fn no_table_whatever_it_holds_ends_more_than_the_call() {
    let mut dice = fastrand::Rng::with_seed(6);
    let good = enlarged(image(), 6);
    for _ in 0..300 {
        let mut disk = good.clone();
        let mut table = Table::read(&disk, 1).unwrap().expect("it is whole");
        for _ in 0..dice.usize(1..4) {
            let at = [24, 32, 40, 48, 72][dice.usize(..5)];
            put(&mut table.header, at, &dice.u64(..).to_le_bytes());
        }
        let at = dice.usize(..2) * ENTRY_BYTES + 32 + 8 * dice.usize(..2);
        let wild = [0, 1, 34, u64::MAX, u64::MAX - 1, dice.u64(..)][dice.usize(..6)];
        put(&mut table.entries, at, &wild.to_le_bytes());
        let sum = crc32(&table.entries);
        put(&mut table.header, 88, &sum.to_le_bytes());
        table.seal();
        disk.write(1, &table.header).unwrap();
        disk.write(2, &table.entries).unwrap();
        let _ = grow(&mut disk);
    }
}
