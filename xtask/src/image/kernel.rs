//! The kernel: Debian's for clouds, unpacked and never installed. Purpose: `cargo xtask setup`
//! fetches the version that the metapackage names today, and every image is made of what was
//! fetched then. Non-goals: building a kernel, verifying packages (apt does, against Debian's
//! keys). Bound: one version at a time, in the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step::{run, said, target_dir};

/// The metapackage that names the kernel of the day. The 6.12 series: its virtio_pci is built in,
/// and it is 2.5 MB smaller than Debian 12's own 6.1.
const METAPACKAGE: &str = "linux-image-6.12-cloud-amd64";

/// A kernel that was fetched.
pub struct Kernel {
    /// What `uname -r` says, and the name of its folder of modules.
    pub release: String,
    /// Debian's package and version.
    pub package: String,
    /// The bootable image.
    pub vmlinuz: PathBuf,
    /// The folder that holds `lib/modules/RELEASE`.
    pub tree: PathBuf,
}

/// The fetched kernel; the error says how to fetch one.
pub fn find() -> Result<Kernel, String> {
    let folder = folder();
    let package = fs::read_to_string(folder.join("package"))
        .map_err(|_| "no kernel was fetched yet: type `cargo xtask setup`".to_owned())?;
    let tree = folder.join("tree");
    let release = only_name(&tree.join("lib/modules"))?;
    let vmlinuz = tree.join("boot").join(format!("vmlinuz-{release}"));
    Ok(Kernel { release, package: package.trim().to_owned(), vmlinuz, tree })
}

/// Fetches the kernel that the metapackage names, unless one is there. The package lists have to
/// be there already.
pub fn fetch() -> Result<(), String> {
    let folder = folder();
    // Written last: without it, what lies there is the rest of a try that broke off.
    if folder.join("package").exists() {
        return Ok(());
    }
    // Nothing is there at the first try.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut show = Command::new("apt-cache");
    let shown = said(show.args(["show", "--no-all-versions", METAPACKAGE]))
        .map_err(|error| format!("{error}\nType `sudo apt-get update` and try again."))?;
    let (name, version) = named(&shown)?;
    println!("fetching {name} {version}");
    let advice = "Type `sudo apt-get update` and try again.";
    let mut download = Command::new("apt-get");
    // The sandbox user of apt may not write into the target folder.
    download.args(["-q", "-o", "APT::Sandbox::User=root", "download"]);
    run(download.arg(format!("{name}={version}")).current_dir(&folder), advice)?;
    let deb = folder.join(only_name(&folder)?);
    let tree = folder.join("tree");
    run(Command::new("dpkg-deb").arg("--extract").args([&deb, &tree]), "Try again.")?;
    let release = only_name(&tree.join("lib/modules"))?;
    // The package brings no list of what needs what: installing would make it.
    run(super::tool("depmod").arg("-b").arg(&tree).arg(&release), "Install kmod.")?;
    fs::remove_file(&deb).map_err(|error| format!("{}: {error}", deb.display()))?;
    let package = folder.join("package");
    fs::write(&package, format!("{name} {version}\n"))
        .map_err(|error| format!("{}: {error}", package.display()))
}

fn folder() -> PathBuf {
    target_dir().join("tools/kernel")
}

/// The package and version that the metapackage's one dependency names:
/// `Depends: linux-image-6.12.1+deb12-cloud-amd64 (= 6.12.1-1~deb12u1)`.
fn named(shown: &str) -> Result<(&str, &str), String> {
    let depends = shown.lines().find_map(|line| line.strip_prefix("Depends: "));
    let first = depends.and_then(|line| line.split(',').next());
    first
        .and_then(|one| one.trim().strip_suffix(')')?.split_once(" (= "))
        .ok_or_else(|| format!("{METAPACKAGE} names no kernel:\n{shown}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metapackage_names_a_kernel_and_its_version() {
        let shown = "Package: linux-image-6.12-cloud-amd64\nVersion: 6.12.9-1\nDepends: \
                     linux-image-6.12.9-cloud-amd64 (= 6.12.9-1), other\nSize: 1\n";
        assert_eq!(named(shown), Ok(("linux-image-6.12.9-cloud-amd64", "6.12.9-1")));
        assert!(named("Package: x\nDepends: y\n").is_err());
        assert!(named("").is_err());
    }
}
