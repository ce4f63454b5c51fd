//! `cargo xtask emulate`: the appliance on a machine of its own, in QEMU. Purpose: the image as
//! it would run on the smallest plan (1 GB, one core), its console in this terminal, its ports on
//! loopback. Its disk is kept between runs: a newer image replaces the system on it and leaves
//! `/data`. Non-goals: speed, and being reached from elsewhere. Bound: one machine a disk.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use argh::FromArgs;

use crate::image::disk;
use crate::step::{run as run_command, target_dir};
use crate::torture;

/// The disk of the smallest plan is larger; this is enough to see /data grow.
const DISK_BYTES: u64 = 4 << 30;
/// What the guest listens on, and whether by TCP or UDP.
const PORTS: [(&str, u16); 4] = [("tcp", 8080), ("tcp", 8081), ("tcp", 1935), ("udp", 1234)];
const UEFI_CODE: &str = "/usr/share/OVMF/OVMF_CODE.fd";
const UEFI_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS.fd";

/// start the image in QEMU; Ctrl-A X ends it
#[derive(FromArgs)]
#[argh(subcommand, name = "emulate")]
pub struct Emulate {
    /// start by UEFI, from an NVMe disk; otherwise by BIOS, from a virtio disk
    #[argh(switch)]
    uefi: bool,
    /// memory in MB, 1024 unless said otherwise
    #[argh(option, default = "1024")]
    memory: u32,
    /// added to each port's number on loopback, for when the usual ones are taken
    #[argh(option, default = "0")]
    port_offset: u16,
    /// forget /data and begin with a fresh disk
    #[argh(switch)]
    fresh: bool,
    /// use the processor's virtualisation (KVM), where it works
    #[argh(switch)]
    kvm: bool,
    /// pull the plug again and again while settings or an update are written, on a disk of its own
    #[argh(switch)]
    torture: bool,
    /// how often the plug is pulled, 50 times unless said otherwise
    #[argh(option, default = "50")]
    rounds: u32,
    /// what chooses the moments
    #[argh(option, default = "1")]
    seed: u64,
}

/// The command as it is typed.
pub fn run(options: &Emulate) -> Result<(), String> {
    let image = target_dir().join("dist/streamcaster.img");
    if !image.exists() {
        return Err(format!("{} is missing: type `cargo xtask image`", image.display()));
    }
    if options.torture {
        return torture::run(options.rounds, options.seed, options.memory);
    }
    let folder = target_dir().join("emulate");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let own = folder.join("disk.img");
    if options.fresh || !own.exists() {
        copy(&image, &own)?;
    } else {
        renew(&image, &own)?;
    }
    let mut machine = machine(options, &own, &folder)?;
    for (protocol, port) in PORTS {
        println!("{protocol} 127.0.0.1:{} → {port}", outside(port, options)?);
    }
    println!("Ctrl-A X ends the machine, Ctrl-A C talks to QEMU.");
    run_command(&mut machine, "QEMU says above what is wrong.")
}

/// The machine as QEMU's arguments.
fn machine(options: &Emulate, own: &Path, folder: &Path) -> Result<Command, String> {
    let mut network = "user,id=net".to_owned();
    for (protocol, port) in PORTS {
        network += &format!(",hostfwd={protocol}:127.0.0.1:{}-:{port}", outside(port, options)?);
    }
    let mut qemu = Command::new("qemu-system-x86_64");
    let accelerator = if options.kvm { "kvm" } else { "tcg" };
    qemu.args(["-machine", "q35", "-accel", accelerator, "-cpu", "max", "-smp", "1"]);
    qemu.args([
        "-m",
        &options.memory.to_string(),
        "-display",
        "none",
        "-no-user-config",
        "-nodefaults",
    ]);
    qemu.args([
        "-serial",
        "mon:stdio",
        "-netdev",
        &network,
        "-device",
        "virtio-net-pci,netdev=net",
    ]);
    // As on a real machine: a card nobody looks at, and a watchdog.
    qemu.args(["-device", "virtio-rng-pci", "-device", "VGA", "-device", "i6300esb"]);
    let drive = format!("if=none,id=disk,format=raw,cache=writeback,file={}", own.display());
    qemu.args(["-drive", &drive, "-device"]);
    if options.uefi {
        qemu.arg("nvme,drive=disk,serial=1");
        for (number, (file, read_only)) in
            [(UEFI_CODE.into(), "on"), (variables(folder)?, "off")].into_iter().enumerate()
        {
            let file = file.display();
            let drive =
                format!("if=pflash,format=raw,unit={number},readonly={read_only},file={file}");
            qemu.args(["-drive", &drive]);
        }
    } else {
        qemu.arg("virtio-blk-pci,drive=disk");
    }
    Ok(qemu)
}

/// UEFI keeps its settings in a file of the machine's own.
fn variables(folder: &Path) -> Result<PathBuf, String> {
    let own = folder.join("uefi-variables.fd");
    if !own.exists() {
        fs::copy(UEFI_VARIABLES, &own).map_err(|error| format!("{UEFI_VARIABLES}: {error}"))?;
    }
    Ok(own)
}

fn outside(port: u16, options: &Emulate) -> Result<u16, String> {
    port.checked_add(options.port_offset).ok_or_else(|| format!("no port is {port} higher"))
}

/// A fresh disk, larger than the image: the copy of the partition table is not at its end then, as
/// on a real disk.
fn copy(image: &Path, own: &Path) -> Result<(), String> {
    let advice = "Is there room below the target folder?";
    run_command(Command::new("cp").arg("--sparse=always").args([image, own]), advice)?;
    let file = OpenOptions::new().write(true).open(own);
    file.and_then(|file| file.set_len(DISK_BYTES))
        .map_err(|error| format!("{}: {error}", own.display()))
}

/// Brings the image's boot loader and slots onto a disk, and leaves its partition table, which
/// tells how far /data has grown, and /data.
fn renew(image: &Path, own: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", own.display());
    let from = File::open(image).map_err(failed)?;
    let into = OpenOptions::new().write(true).open(own).map_err(failed)?;
    let system = disk::system();
    for range in [0..disk::BOOT_CODE_BYTES, system] {
        let mut at = range.start;
        let mut piece = vec![0; 1 << 20];
        while at < range.end {
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(piece.len());
            let piece = piece.get_mut(..left).unwrap_or_default();
            from.read_exact_at(piece, at).map_err(failed)?;
            into.write_all_at(piece, at).map_err(failed)?;
            at += left as u64;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_image_leaves_the_table_and_the_data() {
        let folder = std::env::temp_dir().join(format!("xtask-emulate-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (image, own) = (folder.join("image"), folder.join("own"));
        let end = disk::system().end;
        fs::write(&image, vec![1; usize::try_from(end).unwrap() + 4096]).unwrap();
        fs::write(&own, vec![2; usize::try_from(end).unwrap() + 4096]).unwrap();
        let renewed = renew(&image, &own);
        let bytes = fs::read(&own).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        renewed.unwrap();
        let at = |place: u64| bytes.get(usize::try_from(place).unwrap()).copied();
        assert_eq!((at(0), at(439), at(440), at(512)), (Some(1), Some(1), Some(2), Some(2)));
        let start = disk::system().start;
        assert_eq!((at(start - 1), at(start)), (Some(2), Some(1)));
        assert_eq!((at(end - 1), at(end)), (Some(1), Some(2)));
    }

    #[test]
    fn ports_may_be_moved_but_not_out_of_the_range() {
        let mut options = Emulate::from_args(&["emulate"], &[]).unwrap();
        options.port_offset = 10;
        assert_eq!(outside(8080, &options), Ok(8090));
        options.port_offset = 60_000;
        assert!(outside(8080, &options).is_err());
    }
}
