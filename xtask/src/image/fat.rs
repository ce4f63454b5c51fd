//! The EFI system partition. Purpose: a FAT16 file system (Microsoft's FAT specification, "fatgen
//! 1.03") with the one file UEFI looks for, `EFI/BOOT/BOOTX64.EFI`, the same bytes every time.
//! Non-goals: other files, long names, reading. Bound: a file that fits; nobody else writes here. Ours
//! rather than a crate (`fatfs`): three folders and one file, in clusters that no library's allocator
//! may choose otherwise in its next version.

/// Bytes of a sector and of a cluster of four.
const SECTOR: usize = 512;
const CLUSTER_SECTORS: usize = 4;
const CLUSTER: usize = SECTOR * CLUSTER_SECTORS;
const ROOT_ENTRIES: usize = 512;
const FATS: usize = 2;
/// The count of clusters is what makes it FAT16, nothing else.
const CLUSTERS_MIN: usize = 4085;
const CLUSTERS_MAX: usize = 65_524;
const END: u16 = 0xffff;
const FOLDER: u8 = 0x10;
const LABEL: u8 = 0x08;
/// The volume's number; it tells removable disks apart, and this is none.
const VOLUME: u32 = 0x5343_4153;

/// Makes a file system of `bytes` bytes that holds `loader` as `EFI/BOOT/BOOTX64.EFI`.
pub fn with_loader(bytes: usize, loader: &[u8]) -> Result<Vec<u8>, String> {
    let sectors = bytes / SECTOR;
    let fat_sectors = (sectors / CLUSTER_SECTORS * 2).div_ceil(SECTOR);
    let root_sectors = ROOT_ENTRIES * 32 / SECTOR;
    let data_at = 1 + FATS * fat_sectors + root_sectors;
    let clusters = sectors.saturating_sub(data_at) / CLUSTER_SECTORS;
    if !(CLUSTERS_MIN..=CLUSTERS_MAX).contains(&clusters) {
        return Err(format!("{bytes} bytes make no FAT16 file system"));
    }
    // Clusters 2 and 3 are the folders, the loader's follow.
    let loader_clusters = loader.len().div_ceil(CLUSTER);
    if 2 + loader_clusters > clusters {
        return Err(format!("the EFI loader has {} bytes: too many", loader.len()));
    }
    let mut image = boot_sector(sectors, fat_sectors);
    for _ in 0..FATS {
        let at = image.len();
        image.extend(chains(loader_clusters).into_iter().flat_map(u16::to_le_bytes));
        image.resize(at + fat_sectors * SECTOR, 0);
    }
    let mut root = entry(b"STREAMCASTR", LABEL, 0, 0);
    root.extend(entry(b"EFI        ", FOLDER, 2, 0));
    root.resize(root_sectors * SECTOR, 0);
    image.extend(root);
    image.extend(folder(2, 0, &entry(b"BOOT       ", FOLDER, 3, 0)));
    image.extend(folder(3, 2, &entry(b"BOOTX64 EFI", 0, 4, loader.len())));
    image.extend_from_slice(loader);
    image.resize(bytes, 0);
    Ok(image)
}

fn boot_sector(sectors: usize, fat_sectors: usize) -> Vec<u8> {
    let half = |number: usize| u16::try_from(number).expect("bounded by the count of clusters");
    let (small, large) = match u16::try_from(sectors) {
        Ok(small) => (small, 0),
        Err(_) => (0, u32::try_from(sectors).expect("a FAT16 volume has below 2^32 sectors")),
    };
    let mut bytes = vec![0xeb, 0x3c, 0x90];
    bytes.extend(b"STRMCAST");
    bytes.extend(half(SECTOR).to_le_bytes());
    bytes.push(CLUSTER_SECTORS as u8);
    bytes.extend(1_u16.to_le_bytes());
    bytes.push(FATS as u8);
    bytes.extend(half(ROOT_ENTRIES).to_le_bytes());
    bytes.extend(small.to_le_bytes());
    bytes.push(0xf8);
    bytes.extend(half(fat_sectors).to_le_bytes());
    bytes.extend(32_u16.to_le_bytes());
    bytes.extend(64_u16.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(large.to_le_bytes());
    bytes.extend([0x80, 0x00, 0x29]);
    bytes.extend(VOLUME.to_le_bytes());
    bytes.extend(b"STREAMCASTRFAT16   ");
    bytes.resize(SECTOR - 2, 0);
    bytes.extend([0x55, 0xaa]);
    bytes
}

/// The table of clusters: two reserved places, two folders of one cluster, the loader's chain.
fn chains(loader_clusters: usize) -> Vec<u16> {
    let mut table = vec![0xfff8, END, END, END];
    let first = table.len();
    for cluster in first..first + loader_clusters {
        let last = cluster + 1 == first + loader_clusters;
        table.push(if last { END } else { u16::try_from(cluster + 1).unwrap_or(END) });
    }
    table
}

/// A folder of one cluster: itself, the one above, and an entry.
fn folder(own: u16, above: u16, held: &[u8]) -> Vec<u8> {
    let mut bytes = entry(b".          ", FOLDER, own, 0);
    bytes.extend(entry(b"..         ", FOLDER, above, 0));
    bytes.extend_from_slice(held);
    bytes.resize(CLUSTER, 0);
    bytes
}

fn entry(name: &[u8; 11], attributes: u8, cluster: u16, size: usize) -> Vec<u8> {
    // 1 January 1980, the oldest day the format knows.
    const DAY: u16 = (1 << 5) | 1;
    let mut bytes = name.to_vec();
    bytes.push(attributes);
    bytes.resize(16, 0);
    for half in [DAY, DAY, 0, 0, DAY, cluster] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend(u32::try_from(size).expect("checked against the clusters").to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(with_loader(1 << 20, b"").unwrap_err().contains("no FAT16"));
        assert!(with_loader(32 << 20, &vec![0; 33 << 20]).unwrap_err().contains("too many"));
    }

    #[test]
    fn the_loader_is_found_along_the_path() {
        let loader: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        let image = with_loader(32 << 20, &loader).unwrap();
        let u16_at = |at: usize| {
            let field = image.get(at..at + 2).unwrap();
            usize::from(u16::from_le_bytes(field.try_into().unwrap()))
        };
        let root = (1 + 2 * u16_at(22)) * 512;
        let data = root + 512 * 32;
        let cluster = |number: usize| data + (number - 2) * 2048;
        assert_eq!(image.get(root + 32..root + 35), Some(&b"EFI"[..]));
        let efi = cluster(u16_at(root + 32 + 26));
        assert_eq!(image.get(efi + 64..efi + 68), Some(&b"BOOT"[..]));
        let boot = cluster(u16_at(efi + 64 + 26));
        assert_eq!(image.get(boot + 64..boot + 75), Some(&b"BOOTX64 EFI"[..]));
        let mut found = Vec::new();
        let mut at = u16_at(boot + 64 + 26);
        while at < 0xfff8 {
            found.extend_from_slice(image.get(cluster(at)..cluster(at) + 2048).unwrap());
            at = u16_at(512 + 2 * at);
        }
        assert_eq!(found.get(..loader.len()), Some(&loader[..]));
        assert_eq!(found.len(), 5 * 2048);
    }
}
