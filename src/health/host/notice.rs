//! What the appliance found out about its data disk before the program began. Purpose: the page tells
//! what the console tells. Non-goal: any other machine, which leaves no such file. Bound: one line
//! of [`DISK_WARNING_BYTES_MAX`], read once.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::base::limits::DISK_WARNING_BYTES_MAX;
use crate::base::text::prefix;

/// Where the appliance's start leaves it (`rootfs/usr/lib/appliance/data`), in its folder.
const FILE: &str = "data.warning";

/// The warning, by value like all that is told of the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DiskWarning {
    bytes: [u8; DISK_WARNING_BYTES_MAX],
    length: usize,
}

impl DiskWarning {
    /// The first line of a text, as much of it as there is room for; `None` where it is empty.
    pub fn of(text: &str) -> Option<DiskWarning> {
        let line = prefix(text.lines().next()?.trim(), DISK_WARNING_BYTES_MAX);
        let length = line.len();
        let mut bytes = [0; DISK_WARNING_BYTES_MAX];
        bytes.get_mut(..length)?.copy_from_slice(line.as_bytes());
        (length > 0).then_some(DiskWarning { bytes, length })
    }

    /// What the appliance left in its folder; nothing when all is well with the disk.
    pub(super) fn read(appliance: &Path) -> Option<DiskWarning> {
        let mut bytes = Vec::with_capacity(DISK_WARNING_BYTES_MAX);
        let limit = u64::try_from(DISK_WARNING_BYTES_MAX).unwrap_or(u64::MAX);
        File::open(appliance.join(FILE)).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
        DiskWarning::of(&String::from_utf8_lossy(&bytes))
    }

    /// The sentence.
    pub fn as_str(&self) -> &str {
        // Cut between characters, and no longer than its place.
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for DiskWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_read_and_no_more_than_its_bound() {
        let folder = std::env::temp_dir().join(format!("disk-warning-{}", std::process::id()));
        assert_eq!(DiskWarning::read(&folder), None);
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut told = Vec::new();
        let (long, wide) = ("x".repeat(10_000), "ä".repeat(10_000));
        let broken = format!("x{wide}");
        for text in ["", "\n", "the disk is gone\nmore\n", &long, &wide, &broken] {
            std::fs::write(folder.join(FILE), text).expect("a file");
            told.push(DiskWarning::read(&folder).map(|warning| warning.as_str().to_owned()));
        }
        std::fs::remove_dir_all(&folder).expect("our own folder");
        assert_eq!(told[..2], [None, None]);
        assert_eq!(told[2].as_deref(), Some("the disk is gone"));
        assert_eq!(told[3].as_deref(), long.get(..DISK_WARNING_BYTES_MAX));
        assert_eq!(told[4].as_deref(), wide.get(..DISK_WARNING_BYTES_MAX));
        // The half of a letter at its end is none.
        assert!(told[5].as_ref().is_some_and(|told| told.starts_with("xää")), "{told:?}");
    }
}
