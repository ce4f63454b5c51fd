//! The copies of an ext4 superblock. Purpose: a file system that grew while it was in use is mended
//! when its superblock is lost. The kernel writes the copies in growing, with the mark of a file
//! system in use on them (`needs_recovery`); e2fsck begins with a copy, replays a journal that is empty by
//! then, gives up, and leaves a superblock that says clean. A copy has no use for the mark: mke2fs makes
//! them without.
//! Non-goals: the superblock itself, copies that are damaged. Bounds: file systems with sparse copies,
//! as mke2fs makes them; two dozen blocks at most.
//!
//! The fields: the kernel's own documentation, "ext4 Data Structures and Algorithms", Super Block.

use std::io;

use super::partitions::{put, word, Disk, SECTOR_BYTES};

/// A superblock, and where the first one stands, bytes.
const BYTES: usize = 1024;
const MAGIC: [u8; 2] = [0x53, 0xef];
const MAGIC_AT: usize = 56;
/// `s_feature_incompat`, and in it: the journal is to be replayed; 64-bit block numbers.
const INCOMPAT_AT: usize = 96;
const RECOVER: u32 = 0x4;
const WIDE: u32 = 0x80;
/// `s_feature_ro_compat`, and in it: copies in some groups only; sums over metadata.
const RO_COMPAT_AT: usize = 100;
const SPARSE: u32 = 0x1;
const SUMS: u32 = 0x400;
/// `s_checksum`, over all before it.
const SUM_AT: usize = 1020;

/// Takes the mark of a file system in use from the copies on a disk, or partition, that holds nothing
/// else; how many had it. What is no ext4 has none.
///
/// # Errors
/// The device's own.
pub fn unmark(device: &mut impl Disk) -> io::Result<usize> {
    let mut first = [0; BYTES];
    device.read(BYTES as u64 / SECTOR_BYTES, &mut first)?;
    let mut unmarked = 0;
    // Blocks are whole sectors.
    for at in copies(&first).map(|at| at / SECTOR_BYTES) {
        let mut copy = [0; BYTES];
        // The last group may end before its copy would.
        if device.read(at, &mut copy).is_err() || !is_well(&copy) {
            continue;
        }
        let features = word(&copy, INCOMPAT_AT);
        if features & RECOVER == 0 {
            continue;
        }
        put(&mut copy, INCOMPAT_AT, &(features & !RECOVER).to_le_bytes());
        if word(&copy, RO_COMPAT_AT) & SUMS != 0 {
            let sum = crc32c(copy.get(..SUM_AT).unwrap_or_default());
            put(&mut copy, SUM_AT, &sum.to_le_bytes());
        }
        device.write(at, &copy)?;
        unmarked += 1;
    }
    Ok(unmarked)
}

/// Where the copies stand, bytes: in group 1 and in those whose number is a power of 3, 5 or 7.
fn copies(first: &[u8; BYTES]) -> impl Iterator<Item = u64> {
    let (log_block_kib, group_blocks) = (word(first, 24), u64::from(word(first, 32)));
    let high = if word(first, INCOMPAT_AT) & WIDE == 0 { 0 } else { word(first, 336) };
    let blocks = u64::from(high) << 32 | u64::from(word(first, 4));
    let is_ours = is_well(first) && word(first, RO_COMPAT_AT) & SPARSE != 0;
    let is_possible = is_ours && log_block_kib <= 6 && group_blocks != 0;
    let block_bytes = 1024_u64 << log_block_kib.min(6);
    let first_block = u64::from(word(first, 20));
    let powers =
        |base: u64| std::iter::successors(Some(base), move |power| power.checked_mul(base));
    let groups = [3, 5, 7].into_iter().flat_map(move |base| {
        let is_there =
            move |group: &u64| group.checked_mul(group_blocks).is_some_and(|at| at < blocks);
        powers(base).take_while(is_there)
    });
    std::iter::once(1).chain(groups).filter(move |_| is_possible).filter_map(move |group: u64| {
        group.checked_mul(group_blocks)?.checked_add(first_block)?.checked_mul(block_bytes)
    })
}

/// It is a superblock, and its sum, if it has one, is right.
fn is_well(superblock: &[u8; BYTES]) -> bool {
    let has_sum = word(superblock, RO_COMPAT_AT) & SUMS != 0;
    let sum = crc32c(superblock.get(..SUM_AT).unwrap_or_default());
    let magic = superblock.get(MAGIC_AT..MAGIC_AT + 2);
    magic == Some(&MAGIC) && (!has_sum || word(superblock, SUM_AT) == sum)
}

/// CRC-32C (RFC 3720, 12.1) as ext4 uses it: from all ones, and not inverted at the end.
fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        let mixed = crc ^ u32::from(*byte);
        (0..8).fold(mixed, |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}

#[cfg(test)]
#[path = "superblocks_tests.rs"]
mod tests;
