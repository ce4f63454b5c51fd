//! On images of mke2fs's, marked as the kernel marks them in growing, and judged by e2fsck.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Blocks of 4 KiB in a group.
const GROUP: u32 = 32_768;

struct Image {
    path: PathBuf,
    file: File,
}

impl Image {
    /// A file system of so many blocks, in groups of 8 blocks a byte of one (mke2fs's own size).
    fn new(name: &str, blocks: u32, options: &[&str]) -> Image {
        let name = format!("superblocks-{name}-{}.img", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut make = Command::new("/sbin/mke2fs");
        make.args(["-q", "-F", "-t", "ext4", "-N", "1024"]).args(options);
        let made = make.arg(&path).arg(format!("{blocks}")).output();
        let made = made.expect("mke2fs starts: `cargo xtask setup` installs it");
        assert!(made.status.success(), "{made:?}");
        let file = OpenOptions::new().read(true).write(true).open(&path).expect("the image");
        Image { path, file }
    }

    /// Marks a copy as in use, as growing does.
    fn mark(&self, at: u64) {
        let mut copy = [0; BYTES];
        self.file.read_exact_at(&mut copy, at).expect("a copy");
        assert!(is_well(&copy), "no superblock at {at}");
        let features = word(&copy, INCOMPAT_AT);
        put(&mut copy, INCOMPAT_AT, &(features | RECOVER).to_le_bytes());
        if word(&copy, RO_COMPAT_AT) & SUMS != 0 {
            let sum = crc32c(&copy[..SUM_AT]);
            put(&mut copy, SUM_AT, &sum.to_le_bytes());
        }
        self.file.write_all_at(&copy, at).expect("written");
    }

    fn copies(&self) -> Vec<u64> {
        let mut first = [0; BYTES];
        self.file.read_exact_at(&mut first, 1024).expect("the first");
        copies(&first).collect()
    }

    /// Whether e2fsck mends it at once without its superblock.
    fn mended_without_its_superblock(&self) -> bool {
        self.file.write_all_at(&[0; BYTES], 1024).expect("written");
        fsck(&self.path, &["-f", "-y"]) <= 2 && fsck(&self.path, &["-f", "-n"]) == 0
    }
}

impl Disk for Image {
    fn sectors(&self) -> u64 {
        self.file.metadata().expect("the image").len() / SECTOR_BYTES
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, at * SECTOR_BYTES)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at * SECTOR_BYTES)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn fsck(path: &Path, arguments: &[&str]) -> i32 {
    let mut fsck = Command::new("/sbin/e2fsck");
    let output = fsck.args(arguments).arg(path).output().expect("e2fsck starts");
    output.status.code().expect("it is not killed")
}

#[test]
fn marked_copies_are_unmarked_and_mend_what_marked_ones_cannot() {
    // A last group that is short, and more groups than 3, 5 and 7.
    for (name, blocks) in [("short", 3 * GROUP + 4096), ("long", 28 * GROUP)] {
        let mut image = Image::new(name, blocks, &["-b", "4096"]);
        let copies = image.copies();
        let groups: Vec<u64> = copies.iter().map(|at| at / 4096 / u64::from(GROUP)).collect();
        let all = [1, 3, 9, 27, 5, 25, 7];
        let expected = all.into_iter().filter(|group| group * u64::from(GROUP) < u64::from(blocks));
        assert_eq!(groups, expected.collect::<Vec<_>>(), "{name}");
        copies.iter().for_each(|at| image.mark(*at));
        assert_eq!(unmark(&mut image).expect("written"), copies.len(), "{name}");
        assert_eq!(unmark(&mut image).expect("read"), 0, "{name}");
        assert_eq!(fsck(&image.path, &["-f", "-n"]), 0, "{name}: nothing else has changed");
        assert!(image.mended_without_its_superblock(), "{name}");
    }
    let image = Image::new("marked", 3 * GROUP, &["-b", "4096"]);
    image.copies().iter().for_each(|at| image.mark(*at));
    assert!(!image.mended_without_its_superblock(), "marked copies mend as well: no need of this");
}

#[test]
fn other_sizes_and_file_systems_without_sums_are_no_exception() {
    for (name, group, options) in [
        ("small-blocks", 8192, &["-b", "1024"][..]),
        ("no-sums", GROUP, &["-b", "4096", "-O", "^metadata_csum"]),
        ("narrow", GROUP, &["-b", "4096", "-O", "^64bit"]),
    ] {
        let mut image = Image::new(name, 3 * group + 4096, options);
        let copies = image.copies();
        assert_eq!(copies.len(), 2, "{name}: groups 1 and 3");
        copies.iter().for_each(|at| image.mark(*at));
        assert_eq!(unmark(&mut image).expect("written"), 2, "{name}");
        assert!(image.mended_without_its_superblock(), "{name}");
    }
}

#[test]
fn what_is_damaged_or_no_file_system_stays_as_it_is() {
    let mut image = Image::new("damaged", 2 * GROUP, &["-b", "4096"]);
    let at = image.copies()[0];
    image.mark(at);
    let mut copy = [0; BYTES];
    image.file.read_exact_at(&mut copy, at).expect("a copy");
    copy[200] ^= 1;
    image.file.write_all_at(&copy, at).expect("written");
    assert_eq!(unmark(&mut image).expect("read"), 0, "its sum is wrong");
    let mut dice = fastrand::Rng::with_seed(7);
    for _ in 0..10_000 {
        let mut first = [0; BYTES];
        first.iter_mut().for_each(|byte| *byte = dice.u8(..));
        first[MAGIC_AT..MAGIC_AT + 2].copy_from_slice(&MAGIC);
        let features = word(&first, RO_COMPAT_AT) & !SUMS | SPARSE;
        put(&mut first, RO_COMPAT_AT, &features.to_le_bytes());
        put(&mut first, 24, &dice.u32(..8).to_le_bytes());
        assert!(copies(&first).count() < 100, "bounded, whatever it says");
    }
}
