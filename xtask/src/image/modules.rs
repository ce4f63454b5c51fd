//! Kernel modules. Purpose: those that `rootfs/modules` asks for and all they need, decompressed
//! (busybox reads no `.ko.xz`), with the tables that `modprobe` looks names and hardware up in.
//! Non-goal: loading them, which init does. Bound: what one kernel package holds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::depmod::depmod;
use super::files::{read, write};
use super::kernel::Kernel;
use crate::step::piped;

/// The tables of depmod that busybox's modprobe reads.
const TABLES: [&str; 4] = ["modules.dep", "modules.alias", "modules.builtin", "modules.softdep"];

/// What goes into the file system: paths below `lib/modules/RELEASE`, and bytes.
pub type KernelModules = Vec<(String, Vec<u8>)>;

/// Collects the modules of a list, one name a line, by way of the folder `stage`.
pub fn collect(kernel: &Kernel, list: &str, stage: &Path) -> Result<KernelModules, String> {
    let from = kernel.tree.join("lib/modules").join(&kernel.release);
    let text = |name: &str| {
        fs::read_to_string(from.join(name)).map_err(|error| format!("{name}: {error}"))
    };
    let wanted = resolve(&names(list), &text("modules.dep")?, &text("modules.builtin")?)?;
    let into = stage.join("lib/modules").join(&kernel.release);
    let mut modules = Vec::new();
    for path in wanted {
        let packed = read(&from.join(&path))?;
        let (plain, module) = match path.strip_suffix(".xz") {
            Some(plain) => {
                (plain, piped(Command::new("xz").args(["--decompress", "--stdout"]), &packed)?)
            }
            None => (path.as_str(), packed),
        };
        write(&into.join(plain), &module)?;
        modules.push((plain.to_owned(), module));
    }
    for name in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        write(&into.join(name), &read(&from.join(name))?)?;
    }
    depmod(stage, &kernel.release)?;
    for name in TABLES {
        modules.push((name.to_owned(), read(&into.join(name))?));
    }
    Ok(modules)
}

/// The names of a list: a line each, what follows `#` is for the reader.
pub fn names(list: &str) -> Vec<&str> {
    list.lines()
        .map(|line| line.split_once('#').map_or(line, |(name, _)| name).trim())
        .filter(|name| !name.is_empty())
        .collect()
}

/// The paths of the modules and of all they need. A name that is built into the kernel needs
/// none; an unknown one is an error, since the machine it is for would not boot.
fn resolve(names: &[&str], dependencies: &str, builtin: &str) -> Result<BTreeSet<String>, String> {
    let mut wanted = BTreeSet::new();
    for name in names {
        let line = dependencies.lines().find(|line| {
            line.split_once(':').is_some_and(|(path, _)| module_name(path) == underscored(name))
        });
        match line.and_then(|line| line.split_once(':')) {
            // The table names the needs of needs as well.
            Some((path, needs)) => {
                wanted.insert(path.to_owned());
                wanted.extend(needs.split_whitespace().map(str::to_owned));
            }
            None if builtin.lines().any(|path| module_name(path) == underscored(name)) => {}
            None => return Err(format!("rootfs/modules: this kernel has no module {name}")),
        }
    }
    Ok(wanted)
}

/// `kernel/drivers/net/xen-netfront.ko.xz` is the module xen_netfront.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    underscored(file.split('.').next().unwrap_or(file))
}

fn underscored(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "kernel/a/virtio_net.ko.xz: kernel/a/net_failover.ko.xz kernel/b/failover.ko.xz\n\
                         kernel/a/net_failover.ko.xz: kernel/b/failover.ko.xz\n\
                         kernel/b/failover.ko.xz:\nkernel/c/xen-blkfront.ko.xz:\n";

    #[test]
    fn a_list_has_a_name_a_line_and_room_for_words() {
        assert_eq!(names("# disks\nnvme\n\n  virtio_blk # QEMU\n"), ["nvme", "virtio_blk"]);
    }

    #[test]
    fn a_module_brings_what_it_needs() {
        let found = resolve(&["virtio_net"], TABLE, "").unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
        let found = resolve(&["xen_blkfront"], TABLE, "").unwrap();
        assert_eq!(found.first().map(String::as_str), Some("kernel/c/xen-blkfront.ko.xz"));
    }

    #[test]
    fn what_is_built_in_needs_no_file_and_what_is_unknown_is_an_error() {
        let found = resolve(&["nvme"], TABLE, "kernel/drivers/nvme/host/nvme.ko\n").unwrap();
        assert!(found.is_empty());
        assert!(resolve(&["nvme2"], TABLE, "kernel/nvme.ko\n").unwrap_err().contains("nvme2"));
    }
}
