//! What the appliance found out about its data disk before the program began. Purpose: the page tells
//! what the console tells. Non-goal: any other machine, which leaves no such file. Bound: one line
//! of `DISK_WARNING_BYTES_MAX`, read once.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use crate::base::limits::DISK_WARNING_BYTES_MAX;

/// Where the appliance's start leaves it (`rootfs/usr/lib/appliance/data`).
const FILE: &str = "/run/appliance/data.warning";

/// The warning; nothing when all is well with the disk.
pub(super) fn disk_warning() -> Option<&'static str> {
    static WARNING: OnceLock<Option<String>> = OnceLock::new();
    WARNING.get_or_init(|| read(Path::new(FILE))).as_deref()
}

/// The first line of a file.
fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::with_capacity(DISK_WARNING_BYTES_MAX);
    let limit = u64::try_from(DISK_WARNING_BYTES_MAX).unwrap_or(u64::MAX);
    File::open(path).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_read_and_no_more_than_its_bound() {
        let file = std::env::temp_dir().join(format!("disk-warning-{}", std::process::id()));
        assert_eq!(read(&file), None);
        let mut told = Vec::new();
        for text in ["", "\n", "the disk is gone\nmore\n", &"x".repeat(10_000)] {
            std::fs::write(&file, text).expect("a file");
            told.push(read(&file).map(|line| line.chars().take(16).collect::<String>()));
        }
        let whole = read(&file).map(|line| line.len());
        std::fs::remove_file(&file).expect("our own file");
        assert_eq!(told[..2], [None, None]);
        assert_eq!(told[2].as_deref(), Some("the disk is gone"));
        assert_eq!(whole, Some(DISK_WARNING_BYTES_MAX));
    }
}
