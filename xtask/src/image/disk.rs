//! The disk: six partitions in one sparse file. Purpose: what BIOS and UEFI machines boot from, the
//! same bytes every time. Non-goals: other sizes; the data partition grows to the disk's end at
//! the first start. Bound: `DISK_BYTES`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use super::files::{read, tool};
use super::gpt::{self, Guid, Partition, FRONT_SECTORS, SECTOR};
use super::parts::ImageParts;
use super::{fat, grub};
use crate::step::{fed, run};

const MIB: u64 = 1 << 20;
const SECTORS_PER_MIB: u64 = MIB / SECTOR;

/// What a slot may hold. Twice what it needs: kernels grow.
pub const SLOT_BYTES: u64 = 64 * MIB;
const ESP_BYTES: u64 = 32 * MIB;
const DATA_BYTES: u64 = 64 * MIB;
/// The data file system keeps room for the block groups of a disk this large, so that it grows in
/// place.
const DATA_GROWS_TO_BLOCKS: u64 = 1 << 28;
/// Where the BIOS's part of the boot loader stands, in sectors.
const CORE_AT: u64 = SECTORS_PER_MIB;
/// One MiB in front, where the table is, and one behind for its copy.
const DISK_BYTES: u64 = (1 + 1 + 32 + 1 + 64 + 64 + 64 + 1) * MIB;

const DISK: Guid = "5343aa00-0000-4000-8000-000000000000";
const LINUX_DATA: Guid = "0fc63daf-8483-4772-8e79-3d69d8477de4";

/// Name, kind, own GUID and size of each partition, in their order.
const PARTITIONS: [(&str, Guid, Guid, u64); 6] = [
    ("bios", "21686148-6449-6e6f-744e-656564454649", "5343aa00-0000-4000-8000-000000000001", MIB),
    (
        "esp",
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
        "5343aa00-0000-4000-8000-000000000002",
        ESP_BYTES,
    ),
    ("env", LINUX_DATA, "5343aa00-0000-4000-8000-000000000003", MIB),
    ("slot-a", LINUX_DATA, "5343aa00-0000-4000-8000-000000000004", SLOT_BYTES),
    ("slot-b", LINUX_DATA, "5343aa00-0000-4000-8000-000000000005", SLOT_BYTES),
    ("data", LINUX_DATA, "5343aa00-0000-4000-8000-000000000006", DATA_BYTES),
];
const NUMBERS: grub::Numbers = grub::Numbers { environment: 3, slots: [4, 5] };

/// The file system of /data has an identity too; two disks made of one image share it, as they
/// share everything.
const DATA_UUID: &str = "5343aa00-0000-4000-8000-0000000000da";

/// The boot code's part of the first sector, in front of a table that tools keep there.
pub const BOOT_CODE_BYTES: u64 = 440;

/// The part of a disk that an image brings and that nobody else writes: behind the table, before
/// the data partition. In bytes.
pub fn system() -> std::ops::Range<u64> {
    let data = partitions().last().map_or(FRONT_SECTORS, |data| data.first);
    FRONT_SECTORS * SECTOR..data * SECTOR
}

/// Where the boot loader's variables and slot B begin, in bytes.
pub fn update_places() -> [u64; 2] {
    let partitions = partitions();
    let place = |number: usize| partitions.get(number - 1).map_or(0, |own| own.first * SECTOR);
    let grub::Numbers { environment, slots: [_, b] } = NUMBERS;
    [environment, b].map(place)
}

/// Where the data partition lies in an image, in bytes.
pub fn data_range() -> Option<std::ops::Range<usize>> {
    let first = usize::try_from(system().end).ok()?;
    Some(first..first + usize::try_from(DATA_BYTES).ok()?)
}

fn partitions() -> Vec<Partition> {
    let mut first = CORE_AT;
    let place = |(name, kind, guid, bytes): (&'static str, Guid, Guid, u64)| {
        let sectors = bytes / SECTOR;
        let partition = Partition { name, kind, guid, first, sectors };
        first += sectors;
        partition
    };
    PARTITIONS.into_iter().map(place).collect()
}

/// Writes the disk with `slot` in slot A and `data` as the data partition's file system.
pub fn write(
    target: &Path,
    slot: &[u8],
    data: &[u8],
    debian: &ImageParts,
    stage: &Path,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", target.display());
    let loaders = grub::loaders(&NUMBERS, CORE_AT, debian, stage)?;
    let size = |bytes: u64| usize::try_from(bytes).expect("a partition fits into memory");
    let esp = fat::with_loader(size(ESP_BYTES), &loaders.efi)?;
    let partitions = partitions();
    let table = gpt::table(DISK, DISK_BYTES / SECTOR, &partitions, &loaders.boot_code);
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(target);
    let file = file.map_err(failed)?;
    file.set_len(DISK_BYTES).map_err(failed)?;
    let environment = grub::environment();
    let contents: [&[u8]; 6] = [&loaders.core, &esp, &environment, slot, &[], data];
    for (partition, content) in partitions.iter().zip(contents) {
        if content.len() as u64 > partition.sectors * SECTOR {
            let name = partition.name;
            return Err(format!("{} bytes do not fit into the partition {name}", content.len()));
        }
        sparse(&file, content, partition.first * SECTOR).map_err(failed)?;
    }
    sparse(&file, &table.front, 0).map_err(failed)?;
    sparse(&file, &table.back, table.back_at * SECTOR).map_err(failed)
}

/// Writes what is not zero: the rest is a hole already.
fn sparse(file: &File, content: &[u8], mut at: u64) -> std::io::Result<()> {
    for piece in content.chunks(64 << 10) {
        if piece.iter().any(|&byte| byte != 0) {
            file.write_all_at(piece, at)?;
        }
        at += piece.len() as u64;
    }
    Ok(())
}

/// An ext4 file system for /data, with a start configuration if one is given. `time` is what its
/// files and itself bear, in seconds since 1970.
pub fn data(config: Option<&Path>, time: u32, stage: &Path) -> Result<Vec<u8>, String> {
    let file = stage.join("data.ext4");
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    File::create(&file).and_then(|made| made.set_len(DATA_BYTES)).map_err(failed)?;
    let clock = ("E2FSPROGS_FAKE_TIME", time.to_string());
    let mut make = tool("mke2fs");
    make.env(clock.0, &clock.1).args(["-q", "-F", "-t", "ext4", "-L", "data", "-b", "4096"]);
    // Videos are few and large: an inode for every 64 KiB; and nothing kept back for root.
    make.args(["-m", "0", "-i", "65536", "-U", DATA_UUID, "-J", "size=8"]);
    make.arg("-E").arg(format!(
        "hash_seed={DATA_UUID},lazy_itable_init=0,lazy_journal_init=0,\
         resize={DATA_GROWS_TO_BLOCKS}"
    ));
    run(make.arg(&file), "Install e2fsprogs.")?;
    if let Some(config) = config {
        // What mke2fs -d copies bears the checkout's times and owners.
        let copy = stage.join("config.toml");
        super::files::write(&copy, &read(config)?)?;
        let orders = format!(
            "write {} config.toml\nset_inode_field config.toml mode 0100600\n\
             set_inode_field config.toml uid {SERVICE}\nset_inode_field config.toml gid {SERVICE}\n\
             set_inode_field config.toml generation 1\n",
            copy.display()
        );
        let mut debugfs = tool("debugfs");
        debugfs.env(clock.0, &clock.1).args(["-w", "-f", "-"]).arg(&file);
        fed(debugfs.stdout(std::process::Stdio::null()), &orders)?;
        let same = Command::new(tool("debugfs").get_program())
            .args(["-R", "cat config.toml"])
            .arg(&file)
            .output();
        if !same.is_ok_and(|output| read(&copy).is_ok_and(|bytes| bytes == output.stdout)) {
            return Err("the configuration did not get onto the data partition".to_owned());
        }
    }
    read(&file)
}

/// The user and group the service runs as, by number: `rootfs/etc/passwd` names them.
const SERVICE: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partitions_lie_one_behind_the_other_on_whole_mebibytes() {
        let partitions = partitions();
        for pair in partitions.windows(2) {
            let [one, next] = pair else { unreachable!("windows of two") };
            assert_eq!(one.first + one.sectors, next.first, "{}", one.name);
        }
        assert!(partitions.iter().all(|one| one.first % SECTORS_PER_MIB == 0));
        let end = partitions.last().map(|last| last.first + last.sectors).unwrap();
        assert_eq!(end * SECTOR, DISK_BYTES - MIB);
        assert_eq!(system().end, 163 * MIB);
        assert_eq!(update_places(), [34 * MIB, 99 * MIB]);
    }

    #[test]
    fn the_service_owns_its_configuration() {
        let passwd = include_str!("../../../rootfs/etc/passwd");
        let wanted = format!("streamcaster:x:{SERVICE}:{SERVICE}:");
        assert!(passwd.lines().any(|line| line.starts_with(&wanted)), "{passwd}");
    }
}
