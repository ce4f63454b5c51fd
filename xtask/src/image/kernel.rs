//! The kernel: Debian's for clouds, unpacked and never installed. Purpose: where its image and its
//! modules lie in the pinned package. Non-goals: building a kernel, getting the package, which is
//! `parts`. Bound: one version at a time.

use std::path::PathBuf;

use super::depmod::only_name;
use super::parts::Part;

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
