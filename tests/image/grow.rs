//! The data partition on a disk larger than the image: after the first start it reaches to the
//! disk's end, and the file system with it.

use crate::machine::{Disk, Machine, DISK_BYTES, USUAL};
use crate::wait::holds;
use crate::PATIENCE;

const MIB: u64 = 1 << 20;
const SECTOR: u64 = 512;
/// The sixth entry of the table in front.
const ENTRY: u64 = 2 * SECTOR + 5 * 128;
/// Behind the slots.
const DATA: u64 = 163 * MIB;

fn number(disk: &Disk, at: u64) -> u64 {
    u64::from_le_bytes(disk.read(at))
}

#[test]
fn data_takes_the_disk_s_whole_size_at_the_first_start() {
    let disk = Disk::new("grow");
    assert_eq!(number(&disk, ENTRY + 40), 227 * MIB / SECTOR - 1, "the image's own size");
    let machine = Machine::start(&disk, USUAL);
    machine.is_healthy(PATIENCE);

    let (first, last) = (number(&disk, ENTRY + 32), number(&disk, ENTRY + 40));
    assert_eq!((first * SECTOR, (last + 1) * SECTOR), (DATA, DISK_BYTES - MIB));
    // The table's copy has moved to the end and says the same.
    let sectors = DISK_BYTES / SECTOR;
    assert_eq!(number(&disk, SECTOR + 32), sectors - 1);
    assert_eq!(disk.read::<8>(DISK_BYTES - SECTOR), *b"EFI PART");
    let copy = DISK_BYTES - 33 * SECTOR;
    assert_eq!(disk.read::<{ 32 * 512 }>(copy), disk.read::<{ 32 * 512 }>(2 * SECTOR));

    // The superblock says so once the kernel has written it back: its size in blocks of 4 KiB
    // (ext4's documentation, "Super Block", s_blocks_count_lo and s_log_block_size).
    let blocks = || u32::from_le_bytes(disk.read(DATA + 1024 + 4));
    assert_eq!(u32::from_le_bytes(disk.read(DATA + 1024 + 24)), 2, "blocks of 4 KiB");
    let wanted = (DISK_BYTES - MIB - DATA) / 4096;
    assert!(
        holds(PATIENCE, || u64::from(blocks()) == wanted),
        "{} blocks, not {wanted}:\n{}",
        blocks(),
        machine.console()
    );
}
