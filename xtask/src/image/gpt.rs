//! The partition table. Purpose: a GUID partition table (UEFI 2.10, 5.3) with its copy and the
//! protective MBR, the same bytes every time. Non-goals: reading, changing, other sector sizes
//! than 512. Bound: 128 entries. Ours rather than a crate (`gpt`): what a reader of disks offers is more
//! code than two headers and a checksum, and its identifiers are random unless each is set.

use flate2::Crc;

/// Bytes of a sector.
pub const SECTOR: u64 = 512;
/// Sectors of the entry array: 128 entries of 128 bytes.
const ENTRY_SECTORS: u64 = 32;
const ENTRY_BYTES: usize = 128;
const ENTRIES: usize = 128;
/// What the table takes at the front: protective MBR, header, entries.
pub const FRONT_SECTORS: u64 = 2 + ENTRY_SECTORS;
/// What its copy takes at the end.
const BACK_SECTORS: u64 = 1 + ENTRY_SECTORS;

/// A GUID as it is written down, for example `c12a7328-f81f-11d2-ba4b-00a0c93ec93b`.
pub type Guid = &'static str;

/// One partition.
pub struct Partition {
    /// The name userland finds it by.
    pub name: &'static str,
    /// What it is for.
    pub kind: Guid,
    /// Its own identity.
    pub guid: Guid,
    /// The first sector.
    pub first: u64,
    /// How many sectors.
    pub sectors: u64,
}

/// The table's two places: bytes for the disk's beginning and for its end.
pub struct Table {
    /// From sector 0: the MBR with `boot_code` in front, the header, the entries.
    pub front: Vec<u8>,
    /// The copy: entries, then the header in the very last sector.
    pub back: Vec<u8>,
    /// Where the copy begins, in sectors.
    pub back_at: u64,
}

/// Makes the table of a disk of `sectors` sectors. `boot_code` is at most the 440 bytes that an
/// MBR has for it.
pub fn table(disk: Guid, sectors: u64, partitions: &[Partition], boot_code: &[u8]) -> Table {
    let mut entries = Vec::with_capacity(ENTRIES * ENTRY_BYTES);
    for partition in partitions.iter().take(ENTRIES) {
        entries.extend(entry(partition));
    }
    entries.resize(ENTRIES * ENTRY_BYTES, 0);
    let back_at = sectors - BACK_SECTORS;
    let sum = crc32(&entries);
    let mut front = protective_mbr(sectors, boot_code);
    front.extend(header(disk, sectors, 1, 2, sum));
    front.extend_from_slice(&entries);
    let mut back = entries;
    back.extend(header(disk, sectors, sectors - 1, back_at, sum));
    Table { front, back, back_at }
}

fn entry(partition: &Partition) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRY_BYTES);
    bytes.extend(guid(partition.kind));
    bytes.extend(guid(partition.guid));
    bytes.extend(partition.first.to_le_bytes());
    bytes.extend((partition.first + partition.sectors - 1).to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(partition.name.encode_utf16().flat_map(u16::to_le_bytes));
    bytes.resize(ENTRY_BYTES, 0);
    bytes
}

/// A header that stands in sector `own`, with its entries from sector `entries_at` on.
fn header(disk: Guid, sectors: u64, own: u64, entries_at: u64, entries_sum: u32) -> Vec<u8> {
    const HEADER_BYTES: u32 = 92;
    let other = sectors - own;
    let fill = |own_sum: u32| {
        let mut bytes = b"EFI PART".to_vec();
        for word in [0x0001_0000, HEADER_BYTES, own_sum, 0] {
            bytes.extend(u32::to_le_bytes(word));
        }
        for sector in [own, other, FRONT_SECTORS, sectors - BACK_SECTORS - 1] {
            bytes.extend(sector.to_le_bytes());
        }
        bytes.extend(guid(disk));
        bytes.extend(entries_at.to_le_bytes());
        for word in [ENTRIES as u32, ENTRY_BYTES as u32, entries_sum] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    };
    // The header's own sum is taken with zero in its place.
    let mut bytes = fill(crc32(&fill(0)));
    bytes.resize(SECTOR as usize, 0);
    bytes
}

/// One partition of type 0xEE over the whole disk, for anybody who knows no GPT.
fn protective_mbr(sectors: u64, boot_code: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = boot_code.iter().copied().take(440).collect();
    bytes.resize(446, 0);
    bytes.extend([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff]);
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(u32::try_from(sectors - 1).unwrap_or(u32::MAX).to_le_bytes());
    bytes.resize(510, 0);
    bytes.extend([0x55, 0xaa]);
    bytes
}

/// The 16 bytes of a GUID: its first three groups are little-endian.
fn guid(text: Guid) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    for (group, digits) in text.split('-').enumerate() {
        let value = u64::from_str_radix(digits, 16).expect("our GUIDs are hexadecimal");
        let width = digits.len() / 2;
        let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
        if group < 3 {
            bytes.extend(little.iter().take(width));
        } else {
            bytes.extend(big.iter().skip(big.len() - width));
        }
    }
    bytes
}

/// CRC-32 as in ISO 3309, which UEFI asks for.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: Guid = "00112233-4455-6677-8899-aabbccddeeff";

    #[test]
    fn a_guid_and_a_sum_are_as_the_standards_show() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let bytes = guid(DISK);
        assert_eq!(bytes.get(..8), Some(&[0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66][..]));
        assert_eq!(bytes.get(8..), Some(&[0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff][..]));
    }

    #[test]
    fn table_and_copy_point_at_each_other() {
        let part = Partition { name: "data", kind: DISK, guid: DISK, first: 2048, sectors: 10 };
        let table = table(DISK, 8192, &[part], &[0x90; 500]);
        let (front, back) = (&table.front, &table.back);
        assert_eq!(front.len() as u64, FRONT_SECTORS * SECTOR);
        assert_eq!(back.len() as u64, (8192 - table.back_at) * SECTOR);
        assert_eq!(front.get(439..441), Some(&[0x90, 0][..]), "boot code ends at 440");
        assert_eq!(front.get(510..520), Some(&b"\x55\xaaEFI PART"[..]));
        let number = |bytes: &[u8], at: usize| {
            let field = bytes.get(at..at + 8).unwrap();
            u64::from_le_bytes(field.try_into().unwrap())
        };
        assert_eq!((number(front, 512 + 24), number(front, 512 + 32)), (1, 8191));
        let copy = back.get(back.len() - 512..).unwrap();
        assert_eq!((number(copy, 24), number(copy, 32)), (8191, 1));
        assert_eq!((number(copy, 40), number(copy, 48)), (34, 8158));
        assert_eq!(number(copy, 72), table.back_at);
        assert_eq!(front.get(1024..), back.get(..back.len() - 512), "the same entries");
        assert_eq!((number(back, 32), number(back, 40)), (2048, 2057));
    }
}
