//! The kernel: Debian's for clouds, unpacked and never installed. Purpose: where its image and its
//! modules lie in the pinned package. Non-goals: building a kernel, getting the package, which is
//! `parts`. Bound: one version at a time.

use std::fs;
use std::path::{Path, PathBuf};

use super::parts::{depmod, Part};

/// A kernel that was fetched.
pub struct Kernel {
    /// What `uname -r` says, and the name of its folder of modules.
    pub release: String,
    /// Debian's version, which counts the mended faults.
    pub version: String,
    /// The bootable image.
    pub vmlinuz: PathBuf,
    /// The folder that holds `lib/modules/RELEASE`.
    pub tree: PathBuf,
}

/// The kernel in its package.
pub fn of(part: &Part) -> Result<Kernel, String> {
    let tree = part.tree.clone();
    let release = only_name(&tree.join("lib/modules"))?;
    let vmlinuz = tree.join("boot").join(format!("vmlinuz-{release}"));
    Ok(Kernel { release, version: part.pin.version.clone(), vmlinuz, tree })
}

/// Makes the list of what needs what.
pub fn index(tree: &Path) -> Result<(), String> {
    depmod(tree, &only_name(&tree.join("lib/modules"))?)
}

/// The name of the one thing in a folder.
fn only_name(folder: &Path) -> Result<String, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name),
        _ => Err(format!("{} should hold one thing", folder.display())),
    }
}
