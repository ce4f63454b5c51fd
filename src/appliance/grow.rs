//! `streamcaster grow`: /data takes the disk's whole size. Purpose: the shell around the partition
//! table and the file system's own growing; the appliance calls the one before /data is mounted, the
//! other after. Non-goals: telling the kernel of a new table, making file systems. Bound: one call.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::ext4;
use super::partitions::{self, Disk, Growth, SECTOR_BYTES};
use super::superblocks;

/// A disk's device, or an image.
struct Device {
    file: File,
    sectors: u64,
}

impl Device {
    fn open(path: &Path) -> io::Result<Device> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        // A device's metadata does not tell its size.
        let sectors = file.seek(SeekFrom::End(0))? / SECTOR_BYTES;
        Ok(Device { file, sectors })
    }
}

impl Disk for Device {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, at.saturating_mul(SECTOR_BYTES))
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at.saturating_mul(SECTOR_BYTES))?;
        self.file.sync_all()
    }
}

/// Grows the last partition of a disk; what was done, for a person, or nothing where nothing was.
///
/// # Errors
/// Why the table is as it was, for a person.
pub fn table(device: &Path) -> Result<Option<String>, String> {
    let said = |why: &dyn std::fmt::Display| format!("{}: {why}", device.display());
    let mut disk = Device::open(device).map_err(|error| said(&error))?;
    Ok(match partitions::grow(&mut disk).map_err(|error| said(&error))? {
        Growth::None => None,
        Growth::Mended => Some(said(
            &"the partition table was damaged and has been restored from \
                                      its copy",
        )),
        Growth::Grown { from, to } => {
            Some(said(&format!("the data partition has grown from {} to {}", mib(from), mib(to))))
        }
    })
}

/// Grows the file system mounted at a folder to the size of its partition, and makes the copies of
/// its superblock fit to mend it; what was done, for a person, or nothing where nothing was.
///
/// # Errors
/// Why it is as large as it was, or has unfit copies, for a person.
pub fn filesystem(folder: &Path) -> Result<Option<String>, String> {
    let said = |why: &dyn std::fmt::Display| format!("{}: {why}", folder.display());
    let grown = || -> io::Result<Option<(u64, u64)>> {
        let open = File::open(folder)?;
        let block_bytes = rustix::fs::fstatvfs(&open)?.f_frsize;
        let bytes = || Ok::<u64, io::Error>(rustix::fs::fstatvfs(&open)?.f_blocks * block_bytes);
        let blocks = partition_bytes(open.metadata()?.dev())?
            .checked_div(block_bytes)
            .ok_or_else(|| io::Error::other("no block size"))?;
        let before = bytes()?;
        ext4::resize(&open, blocks)?;
        let after = bytes()?;
        Ok((after != before).then_some((before, after)))
    };
    let grown = grown().map_err(|error| said(&error))?;
    // At each start: a system that knew nothing of it may have grown the file system.
    unmark(folder).map_err(|error| {
        said(&format!("the copies of the superblock stay marked as in use: {error}"))
    })?;
    Ok(grown.map(|(before, after)| {
        said(&format!("the file system has grown from {} to {}", mib(before), mib(after)))
    }))
}

/// Takes the mark of a file system in use from the superblock's copies on the device below a folder.
fn unmark(folder: &Path) -> io::Result<usize> {
    let about = sysfs(fs::metadata(folder)?.dev(), "uevent")?;
    let name = about.lines().find_map(|line| line.strip_prefix("DEVNAME="));
    let name = name.ok_or_else(|| io::Error::other("no name in sysfs"))?;
    superblocks::unmark(&mut Device::open(&Path::new("/dev").join(name))?)
}

/// What the kernel says of a block device by its number.
fn sysfs(device: u64, file: &str) -> io::Result<String> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/{file}"))
}

/// The size of the partition with a device number, as the kernel has it now.
fn partition_bytes(device: u64) -> io::Result<u64> {
    let text = sysfs(device, "size")?;
    let sectors: u64 = text.trim().parse().map_err(|_| io::Error::other("no size in sysfs"))?;
    sectors.checked_mul(SECTOR_BYTES).ok_or_else(|| io::Error::other("its size is out of range"))
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
