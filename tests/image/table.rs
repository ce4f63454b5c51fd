//! The partition table of an image (UEFI Specification 2.10, 5.3): enough of it to lose an entry.

use flate2::Crc;

use crate::machine::Disk;

const SECTOR: u64 = 512;
const ENTRIES: u64 = 2 * SECTOR;
const ENTRY_BYTES: usize = 128;
const COUNT: usize = 128;

/// Takes the partition of that name out of the table, and leaves what it held.
pub fn forget(disk: &Disk, name: &str) {
    let mut entries = disk.read::<{ ENTRY_BYTES * COUNT }>(ENTRIES);
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).chain([0, 0]).collect();
    let named = |entry: &&mut [u8]| entry.get(56..).is_some_and(|own| own.starts_with(&name));
    let entry = entries.chunks_mut(ENTRY_BYTES).find(named).expect("the partition is there");
    entry.fill(0);
    disk.write(&entries, ENTRIES);
    let mut header = disk.read::<92>(SECTOR);
    header[88..].copy_from_slice(&crc32(&entries).to_le_bytes());
    header[16..20].fill(0);
    let sum = crc32(&header);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
    disk.write(&header, SECTOR);
}

/// The sum of Ethernet and ZIP (ISO/IEC 3309).
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn the_sum_is_the_usual_one() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}
