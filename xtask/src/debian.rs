//! A stock Debian on a disk, for `cargo xtask flash` to take over in a test: `target/tools/debian`.
//! Purpose: what a cloud's instance is, by Debian's own installer and packages: its kernel, its
//! GRUB for BIOS and UEFI with its own configuration, systemd, ssh, an `admin` with sudo. Made once,
//! without loop devices: the file system is made of a folder, and the system installs its boot
//! loaders itself, at a first start in QEMU. Non-goals: Debian's cloud-init, other releases. Bound:
//! `DISK_BYTES`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::as_root::as_root;
use crate::image::gpt::{self, Partition, SECTOR};
use crate::step::{fed, run, said, target_dir};

const RELEASE: &str = "bookworm";
/// What a cloud's image has beyond the smallest system.
const PACKAGES: &str = "systemd-sysv,udev,openssh-server,sudo,iproute2,initramfs-tools,zstd,\
                        linux-image-cloud-amd64,grub-cloud-amd64,dosfstools";
const MIB: u64 = 1 << 20;
const DISK_BYTES: u64 = 1536 * MIB;
/// The partitions of Debian's own cloud images, with the root file system last here: the boot
/// loader's for BIOS, the one for UEFI, the rest.
const PARTITIONS: [Partition; 3] = [
    Partition {
        name: "bios",
        kind: "21686148-6449-6e6f-744e-656564454649",
        guid: "5343aa00-0000-4000-8000-0000000000d1",
        first: MIB / SECTOR,
        sectors: 3 * MIB / SECTOR,
    },
    Partition {
        name: "uefi",
        kind: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
        guid: "5343aa00-0000-4000-8000-0000000000d2",
        first: 4 * MIB / SECTOR,
        sectors: 60 * MIB / SECTOR,
    },
    Partition {
        name: "root",
        kind: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        guid: "5343aa00-0000-4000-8000-0000000000d3",
        first: ROOT_AT / SECTOR,
        sectors: ROOT_BYTES / SECTOR,
    },
];
const ROOT_AT: u64 = 64 * MIB;
/// The last MiB is the table's copy's.
const ROOT_BYTES: u64 = DISK_BYTES - ROOT_AT - MIB;
/// The disk's own identity.
const DISK_GUID: &str = "5343aa00-0000-4000-8000-0000000000d0";
/// The identity of its root file system.
const ROOT_UUID: &str = "5343aa00-0000-4000-8000-0000000000db";
/// How long its first start may take, emulated.
const PATIENCE: Duration = Duration::from_secs(300);

/// Run in the new system, by root: what a cloud sets up, and the script of the first start.
const SETTLE: &str = include_str!("debian.sh");

/// Makes the disk, unless it is there.
pub fn make() -> Result<(), String> {
    let folder = target_dir().join("tools/debian");
    // Named last: without it, what lies there is the rest of a try that broke off.
    let disk = folder.join("cloud.img");
    if disk.exists() {
        return Ok(());
    }
    println!("missing: a stock Debian to take over; making it takes two minutes");
    let root = as_root().ok_or("making a Debian needs root, or sudo without a password")?;
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    run(root.command("rm").args(["-rf", "--one-file-system"]).arg(&folder), "")?;
    fs::create_dir_all(&folder).map_err(failed)?;
    let key = folder.join("key");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(&key);
    run(&mut keygen, "Install openssh-client.")?;

    let tree = folder.join("tree");
    install(root.command("debootstrap"), &tree)?;
    let public = fs::read_to_string(folder.join("key.pub")).map_err(failed)?;
    let mut settle = root.command("chroot");
    settle.arg(&tree).args(["/usr/bin/env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "/bin/sh", "-s"]);
    settle.args(["--", ROOT_UUID, public.trim()]);
    fed(&mut settle, SETTLE)?;

    let fresh = folder.join("fresh.img");
    partition(&fresh).map_err(failed)?;
    let mut mkfs = root.command("mke2fs");
    mkfs.args(["-q", "-F", "-t", "ext4", "-U", ROOT_UUID, "-d"]).arg(&tree);
    mkfs.args(["-E", &format!("offset={ROOT_AT}")]).arg(&fresh);
    run(mkfs.arg(format!("{}k", ROOT_BYTES / 1024)), "Install e2fsprogs.")?;
    for (from, to) in [("vmlinuz", "vmlinuz"), ("initrd.img", "initrd")] {
        let mut copy = root.command("install");
        copy.args(["-m", "0644"]).arg(tree.join(from)).arg(folder.join(to));
        run(&mut copy, "Debian keeps links to its kernel in /.")?;
    }
    first_start(&folder, &fresh)?;
    run(root.command("rm").args(["-rf", "--one-file-system"]).arg(&tree), "")?;
    fs::rename(&fresh, &disk).map_err(failed)
}

/// Debian's own installer, from the mirror this machine's apt uses.
fn install(mut debootstrap: Command, tree: &Path) -> Result<(), String> {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)"]);
    let listed = said(targets.args(["Created-By: Packages", "Origin: Debian"]))?;
    let mirror = mirror(&listed).ok_or_else(|| {
        format!("apt knows no mirror of Debian. Type `sudo apt-get update`. It says:\n{listed}")
    })?;
    debootstrap.args(["--variant=minbase", &format!("--include={PACKAGES}"), RELEASE]);
    let advice = "What it says above is the reason; its log is debootstrap/debootstrap.log.";
    run(debootstrap.arg(tree).arg(mirror).stdout(Stdio::null()), advice)
}

/// The first of apt's repositories that holds a whole release, and no updates to one.
fn mirror(targets: &str) -> Option<&str> {
    targets.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (uri, codename, component) = (words.next()?, words.next()?, words.next()?);
        (component == "main" && !codename.contains('-')).then_some(uri)
    })
}

/// A disk with nothing in its partitions.
fn partition(disk: &Path) -> std::io::Result<()> {
    let file = File::create(disk)?;
    file.set_len(DISK_BYTES)?;
    let table = gpt::table(DISK_GUID, DISK_BYTES / SECTOR, &PARTITIONS, &[]);
    file.write_all_at(&table.front, 0)?;
    file.write_all_at(&table.back, table.back_at * SECTOR)
}

/// Its first start, by its own kernel, which QEMU loads: it installs its boot loader and switches
/// itself off.
fn first_start(folder: &Path, disk: &Path) -> Result<(), String> {
    let log = folder.join("console.log");
    let console = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-no-reboot"]);
    qemu.args(["-display", "none", "-no-user-config", "-nodefaults", "-serial", "stdio"]);
    qemu.arg("-drive").arg(format!("if=virtio,format=raw,file={}", disk.display()));
    qemu.arg("-kernel").arg(folder.join("vmlinuz")).arg("-initrd").arg(folder.join("initrd"));
    let words = format!("root=UUID={ROOT_UUID} rw console=ttyS0 panic=1 init=/first-start");
    qemu.args(["-append", &words]).stdin(Stdio::null()).stdout(console);
    let mut machine = qemu.spawn().map_err(|error| format!("QEMU does not start: {error}"))?;
    let began = Instant::now();
    let ended = loop {
        match machine.try_wait() {
            Ok(None) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(200));
            }
            Ok(Some(_)) => break true,
            Ok(None) | Err(_) => break false,
        }
    };
    // One that has ended already is ended.
    let _ = machine.kill();
    let _ = machine.wait();
    let said = fs::read_to_string(&log).unwrap_or_default();
    if ended && said.contains("first start: done") {
        return Ok(());
    }
    Err(format!("the stock Debian did not install its boot loader: see {}", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_preferred_to_its_updates() {
        let targets = "http://a.example/security/ bookworm-security main\n\
                       http://b.example/debian/ bookworm contrib\n\
                       http://b.example/debian/ bookworm main\n";
        assert_eq!(mirror(targets), Some("http://b.example/debian/"));
        assert_eq!(mirror("http://a.example/ x-updates main\n\n"), None);
    }

    #[test]
    fn the_partitions_follow_each_other_to_the_disks_end() {
        let ends = PARTITIONS.map(|partition| partition.first + partition.sectors);
        let next = PARTITIONS.map(|partition| partition.first);
        assert_eq!(ends.first_chunk::<2>(), next.last_chunk::<2>());
        assert_eq!(ends.last(), Some(&((DISK_BYTES - MIB) / SECTOR)));
    }
}
