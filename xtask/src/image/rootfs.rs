//! The root file system: everything that runs on the appliance, as one compressed cpio that the
//! kernel unpacks into memory. Purpose: `rootfs/` as it stands, busybox and its applets, the
//! modules, the product, a file system check. Non-goal: what those files say. Bound: it lives in
//! the machine's memory, so every file of it is paid for as long as the machine runs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::cpio::{CpioKind, Newc};
use super::files::{gzip, read};
use super::kernel::Kernel;
use super::modules;
use super::parts::ImageParts as Debian;
use crate::step::{piped, root};

/// Folders that are there before init makes any.
const FOLDERS: [&str; 13] = [
    "bin", "data", "dev", "etc", "lib", "proc", "root", "run", "sys", "tmp", "usr", "usr/bin",
    "var",
];
/// One folder of programs, whatever path somebody calls them by.
const LINKS: [(&str, &str); 2] = [("sbin", "bin"), ("usr/sbin", "bin")];
/// Files in these are programs, whatever the checkout made of their modes.
const PROGRAMS: [&str; 3] = ["bin/", "usr/bin/", "etc/init.d/"];
/// What tells the packer what to pack, and people about it: no part of the system.
const NOT_PACKED: [&str; 3] = ["README.md", "applets", "modules"];

/// What is packed beside `rootfs/`.
pub struct RootfsParts<'a> {
    /// The kernel whose modules go in.
    pub kernel: &'a Kernel,
    /// Debian's packages.
    pub debian: &'a Debian,
    /// The product's static binary.
    pub product: &'a Path,
    /// A whole, empty file system for `/data`, should the disk's be beyond mending.
    pub fresh_data: &'a [u8],
    /// The licences of all that is in it, compressed.
    pub licences: &'a [u8],
    /// What the system says of itself: version, revision, time.
    pub release: &'a str,
    /// The public keys whose updates it accepts, a line each in hexadecimal.
    pub keys: &'a str,
    /// Whether the serial console gives a root shell.
    pub debug_shell: bool,
    /// The time all files bear, in seconds since 1970.
    pub mtime: u32,
}

/// A path and what is there: permissions and content, or where a link leads.
enum Entry {
    File(u32, Vec<u8>),
    Link(String),
    Folder(u32),
}

type Tree = BTreeMap<String, Entry>;

/// Packs the initramfs, compressed.
pub fn pack(parts: &RootfsParts<'_>, stage: &Path) -> Result<Vec<u8>, String> {
    let mut tree = Tree::new();
    for folder in FOLDERS {
        tree.insert(folder.to_owned(), Entry::Folder(if folder == "tmp" { 0o1777 } else { 0o755 }));
    }
    let own = root().join("rootfs");
    copy(&own, "", &mut tree)?;
    for (path, target) in LINKS {
        tree.insert(path.to_owned(), Entry::Link(target.to_owned()));
    }
    let mut program = |path: &str, from: &Path| -> Result<(), String> {
        tree.insert(path.to_owned(), Entry::File(0o755, read(from)?));
        Ok(())
    };
    program("bin/busybox", &parts.debian.tree("busybox-static")?.join("bin/busybox"))?;
    program("bin/e2fsck", &parts.debian.tree("e2fsck-static")?.join("sbin/e2fsck.static"))?;
    program("usr/bin/streamcaster", parts.product)?;
    let list = |name: &str| {
        fs::read_to_string(own.join(name)).map_err(|error| format!("rootfs/{name}: {error}"))
    };
    for applet in modules::names(&list("applets")?) {
        tree.entry(format!("bin/{applet}")).or_insert_with(|| Entry::Link("busybox".to_owned()));
    }
    for (path, bytes) in modules::collect(parts.kernel, &list("modules")?, stage)? {
        let path = format!("lib/modules/{}/{path}", parts.kernel.release);
        add_above(&path, &mut tree);
        tree.insert(path, Entry::File(0o644, bytes));
    }
    let fresh = "usr/share/data.ext4.gz".to_owned();
    add_above(&fresh, &mut tree);
    tree.insert(fresh, Entry::File(0o644, gzip(parts.fresh_data)?));
    let licences = "usr/share/licences.gz".to_owned();
    tree.insert(licences, Entry::File(0o644, parts.licences.to_vec()));
    for (path, text) in
        [("etc/streamcaster/release", parts.release), ("etc/streamcaster/update.pub", parts.keys)]
    {
        tree.insert(path.to_owned(), Entry::File(0o644, text.as_bytes().to_vec()));
    }
    if parts.debug_shell {
        tree.insert("etc/debug-shell".to_owned(), Entry::File(0o644, Vec::new()));
    }
    compress(&archive(&tree, parts.mtime))
}

/// Takes a folder of the checkout over, below `at` (empty, or ending in `/`).
fn copy(folder: &Path, at: &str, tree: &mut Tree) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if at.is_empty() && NOT_PACKED.contains(&name.as_str()) {
            continue;
        }
        let path = placed(&format!("{at}{name}"));
        let metadata = entry.metadata().map_err(failed)?;
        add_above(&path, tree);
        if metadata.is_dir() {
            if !LINKS.iter().any(|(link, _)| format!("{at}{name}") == *link) {
                tree.insert(path.clone(), Entry::Folder(0o755));
            }
            copy(&entry.path(), &format!("{at}{name}/"), tree)?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(entry.path()).map_err(failed)?;
            tree.insert(path, Entry::Link(target.to_string_lossy().into_owned()));
        } else {
            let runs = metadata.permissions().mode() & 0o111 != 0
                || PROGRAMS.iter().any(|folder| path.starts_with(folder));
            let mode = match path.as_str() {
                // Root's to read, as everywhere.
                "etc/shadow" => 0o600,
                _ if runs => 0o755,
                _ => 0o644,
            };
            tree.insert(path, Entry::File(mode, read(&entry.path())?));
        }
    }
    Ok(())
}

/// Where a path of the checkout comes to lie: behind the links that stand for its folder.
fn placed(path: &str) -> String {
    for (link, target) in LINKS {
        if let Some(below) = path.strip_prefix(link).and_then(|rest| rest.strip_prefix('/')) {
            let above =
                link.rsplit_once('/').map_or(String::new(), |(above, _)| format!("{above}/"));
            return format!("{above}{target}/{below}");
        }
    }
    path.to_owned()
}

fn add_above(path: &str, tree: &mut Tree) {
    for (end, _) in path.match_indices('/') {
        let above = path.get(..end).unwrap_or(path);
        tree.entry(above.to_owned()).or_insert(Entry::Folder(0o755));
    }
}

/// Sorted paths put every folder before what is in it.
fn archive(tree: &Tree, mtime: u32) -> Vec<u8> {
    let mut archive = Newc::new(mtime);
    for (path, entry) in tree {
        match entry {
            Entry::Folder(mode) => archive.add(path, *mode, &CpioKind::Folder),
            Entry::File(mode, bytes) => archive.add(path, *mode, &CpioKind::File(bytes)),
            Entry::Link(target) => archive.add(path, 0o777, &CpioKind::Link(target)),
        }
    }
    // Process 1 has its three descriptors from this one, before anything is mounted.
    archive.add("dev/console", 0o600, &CpioKind::Device(5, 1));
    archive.finish()
}

/// One thread: how many there are would show in the bytes.
fn compress(archive: &[u8]) -> Result<Vec<u8>, String> {
    piped(Command::new("zstd").args(["-q", "-19", "-T1", "--single-thread", "-c"]), archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_lie_in_one_folder() {
        assert_eq!(placed("sbin/flash"), "bin/flash");
        assert_eq!(placed("usr/sbin/x"), "usr/bin/x");
        assert_eq!(placed("etc/sbin"), "etc/sbin");
        assert_eq!(placed("sbin"), "sbin");
    }

    #[test]
    fn the_checkout_is_taken_over_with_modes_of_our_own() {
        let folder = std::env::temp_dir().join(format!("xtask-rootfs-{}", std::process::id()));
        for (path, mode) in [
            ("applets", 0o600),
            ("sbin/tool", 0o600),
            ("etc/a", 0o600),
            ("etc/shadow", 0o644),
            ("init", 0o700),
        ] {
            crate::image::files::write(&folder.join(path), b"x").unwrap();
            fs::set_permissions(folder.join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        let mut tree = Tree::new();
        let copied = copy(&folder, "", &mut tree);
        fs::remove_dir_all(&folder).unwrap();
        copied.unwrap();
        let modes: Vec<(&str, u32)> = tree
            .iter()
            .map(|(path, entry)| match entry {
                Entry::File(mode, _) | Entry::Folder(mode) => (path.as_str(), *mode),
                Entry::Link(_) => (path.as_str(), 0),
            })
            .collect();
        let expected = [
            ("bin", 0o755),
            ("bin/tool", 0o755),
            ("etc", 0o755),
            ("etc/a", 0o644),
            ("etc/shadow", 0o600),
            ("init", 0o755),
        ];
        assert_eq!(modes, expected);
    }
}
