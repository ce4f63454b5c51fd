//! A stock Debian on a disk, for `cargo xtask flash` to take over in a test: `target/tools/debian`.
//! Purpose: what a cloud's instance is, by Debian's own installer and packages: its kernel, its
//! GRUB with its own configuration, systemd, ssh, an `admin` with sudo. Made once, without loop
//! devices: the file system is made of a folder, and the system installs its boot loader itself, at
//! a first start in QEMU. Non-goals: Debian's cloud-init, other releases. Bound: `DISK_BYTES`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::setup::as_root;
use crate::step::{fed, run, said, target_dir};

const RELEASE: &str = "bookworm";
/// What a cloud's image has beyond the smallest system.
const PACKAGES: &str = "systemd-sysv,udev,openssh-server,sudo,iproute2,initramfs-tools,zstd,\
                        linux-image-cloud-amd64,grub-pc";
const DISK_BYTES: u64 = 1536 << 20;
/// Where the one partition begins: behind the boot loader.
const PARTITION_AT: u64 = 1 << 20;
const SECTOR: u64 = 512;
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
    let disk = folder.join("disk.img");
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
    mkfs.args(["-E", &format!("offset={PARTITION_AT}")]).arg(&fresh);
    let kib = (DISK_BYTES - PARTITION_AT) / 1024;
    run(mkfs.arg(format!("{kib}k")), "Install e2fsprogs.")?;
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

/// A disk with one bootable partition of Linux, in the table every BIOS knows: at byte 446 an entry
/// of 16 bytes, of which the last 8 are its first sector and how many there are.
fn partition(disk: &Path) -> std::io::Result<()> {
    let file = File::create(disk)?;
    file.set_len(DISK_BYTES)?;
    let number = |bytes: u64| u32::try_from(bytes / SECTOR).unwrap_or(u32::MAX).to_le_bytes();
    let mut entry = vec![0x80, 0xff, 0xff, 0xff, 0x83, 0xff, 0xff, 0xff];
    entry.extend(number(PARTITION_AT));
    entry.extend(number(DISK_BYTES - PARTITION_AT));
    file.write_all_at(&entry, 446)?;
    file.write_all_at(&[0x55, 0xaa], 510)
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
    fn the_table_names_one_partition_to_the_disks_end() {
        let path = std::env::temp_dir().join(format!("xtask-debian-{}", std::process::id()));
        partition(&path).unwrap();
        let mut front = [0; 512];
        let read = File::open(&path).and_then(|file| file.read_exact_at(&mut front, 0));
        fs::remove_file(&path).unwrap();
        read.unwrap();
        assert_eq!(front.get(454..458), Some(&2048_u32.to_le_bytes()[..]));
        assert_eq!(front.get(458..462), Some(&(3_145_728_u32 - 2048).to_le_bytes()[..]));
        assert_eq!(front.get(510..), Some(&[0x55, 0xaa][..]));
    }
}
