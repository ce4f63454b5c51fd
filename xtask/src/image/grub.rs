//! The boot loader: GRUB for BIOS and for UEFI, one configuration in both. Purpose: it tries the
//! slots in their order, each only if all of it has the sums it came with and tries are left, and
//! counts a try down before it makes it; the system, once healthy, sets the count back.
//! Non-goals: menus, passwords, Secure Boot. Bound: two slots, three tries each.
//!
//! GRUB reads the slots' cpio and the environment's ustar straight off their partitions. It can
//! write into a file of an archive, which it refuses for a bare partition; that is why the
//! environment is one.

use std::path::Path;
use std::process::Command;

use super::files::{read, write};
use super::parts::ImageParts;
use super::ustar;
use crate::step::run;

/// Where Debian puts GRUB's parts, and the package that brings each.
const BIOS: [&str; 3] = ["grub-pc-bin", "i386-pc", "usr/lib/grub/i386-pc"];
const EFI: [&str; 3] = ["grub-efi-amd64-bin", "x86_64-efi", "usr/lib/grub/x86_64-efi"];
/// Where the configuration lies in the memdisk of both cores.
const PREFIX: &str = "boot/grub";
/// What both need: partitions, the archives, the script's words, sums, the kernel.
const MODULES: [&str; 17] = [
    "part_gpt",
    "memdisk",
    "tar",
    "newc",
    "normal",
    "echo",
    "test",
    "regexp",
    "loadenv",
    "hashsum",
    "gcry_sha256",
    "linux",
    "serial",
    "terminal",
    "sleep",
    "reboot",
    "minicmd",
];
const BIOS_MODULES: [&str; 2] = ["biosdisk", "vga_text"];
const EFI_MODULES: [&str; 1] = ["efi_gop"];

/// What the kernel is started with, by both slots and by the flasher: its consoles; that it starts
/// again after a panic; lockdown (nothing that root does changes the kernel that runs); no merged
/// slabs, no vsyscall page, no debugfs, memory cleared as it is handed out. Two things that nothing of
/// this machine needs are left out, a fifth of the kernel's start: tests of the kernel's cryptography
/// against itself, and its jitter generator (what is random comes from the processor and interrupts).
pub const KERNEL_LINE: &str = "console=tty0 console=ttyS0,115200n8 panic=10 oops=panic quiet \
                               lockdown=integrity slab_nomerge vsyscall=none debugfs=off \
                               init_on_alloc=1 cryptomgr.notests \
                               initcall_blacklist=jent_mod_init,crypto_kdf108_init";

/// The partitions' numbers, from 1.
pub struct Numbers {
    /// The environment.
    pub environment: usize,
    /// Slot A and slot B.
    pub slots: [usize; 2],
}

/// Both loaders.
pub struct Loaders {
    /// The first sector's code and data, to byte 440.
    pub boot_code: Vec<u8>,
    /// What that code loads, from the BIOS boot partition.
    pub core: Vec<u8>,
    /// The program UEFI starts.
    pub efi: Vec<u8>,
}

/// Makes both loaders, by way of the folder `stage`. `core_at` is the sector where the BIOS's
/// part will stand.
pub fn loaders(
    numbers: &Numbers,
    core_at: u64,
    debian: &ImageParts,
    stage: &Path,
) -> Result<Loaders, String> {
    let memdisk = stage.join("memdisk.tar");
    let config = configuration(numbers);
    write(&memdisk, &ustar::of_one(&format!("{PREFIX}/grub.cfg"), config.as_bytes()))?;
    let make = |[package, format, folder]: [&str; 3], own: &[&str]| -> Result<Vec<u8>, String> {
        let out = stage.join(format!("core.{format}"));
        let mut mkimage = Command::new("grub-mkimage");
        mkimage.args(["--format", format, "--prefix", &format!("(memdisk)/{PREFIX}")]);
        mkimage.arg("--directory").arg(debian.tree(package)?.join(folder));
        mkimage.arg("--memdisk").arg(&memdisk).arg("--output").arg(&out);
        run(mkimage.args(MODULES).args(own), "Install grub-common.")?;
        read(&out)
    };
    let core = patched_core(make(BIOS, &BIOS_MODULES)?, core_at)?;
    let [package, _, folder] = BIOS;
    let boot_code = read(&debian.tree(package)?.join(folder).join("boot.img"))?;
    let boot_code = patched_boot_code(boot_code, core_at)?;
    Ok(Loaders { boot_code, core, efi: make(EFI, &EFI_MODULES)? })
}

/// What grub-bios-setup would write, which works on disks only: where the core begins; that the
/// BIOS tells the drive; no jump around the check of what it tells (grub's boot.S, `kernel_sector`,
/// `boot_drive`, `boot_drive_check`).
fn patched_boot_code(mut code: Vec<u8>, core_at: u64) -> Result<Vec<u8>, String> {
    patch(&mut code, 0x5c, &core_at.to_le_bytes())?;
    patch(&mut code, 0x64, &[0xff])?;
    patch(&mut code, 0x66, &[0x90, 0x90])?;
    code.truncate(440);
    Ok(code)
}

/// Where the rest of the core is, and how long: the one entry of its first sector's block list
/// (grub's diskboot.S, `blocklist_default_start`).
fn patched_core(mut core: Vec<u8>, core_at: u64) -> Result<Vec<u8>, String> {
    let rest =
        u16::try_from(core.len().div_ceil(512) - 1).map_err(|_| "GRUB's core is too long")?;
    patch(&mut core, 0x1f4, &(core_at + 1).to_le_bytes())?;
    patch(&mut core, 0x1fc, &rest.to_le_bytes())?;
    patch(&mut core, 0x1fe, &0x820_u16.to_le_bytes())?;
    Ok(core)
}

fn patch(bytes: &mut [u8], at: usize, with: &[u8]) -> Result<(), String> {
    bytes
        .get_mut(at..at + with.len())
        .map(|place| place.copy_from_slice(with))
        .ok_or_else(|| format!("a part of GRUB has {} bytes only", bytes.len()))
}

/// The environment of a fresh image, as the partition holds it: slot A is there and may be tried
/// three times, slot B is empty.
pub fn environment() -> Vec<u8> {
    let mut block = b"# GRUB Environment Block\norder=AB\nA_left=3\nB_left=0\n".to_vec();
    block.resize(1024, b'#');
    ustar::of_one("grubenv", &block)
}

/// GRUB's script knows no arithmetic and no variables of variables: hence a function a slot.
fn configuration(numbers: &Numbers) -> String {
    let Numbers { environment, slots: [a, b] } = numbers;
    let console = r#"set timeout=0
if serial --unit=0 --speed=115200; then
  terminal_input console serial
  terminal_output console serial
fi
regexp --set=1:disk '^\(([^,)]+)' "$cmdpath"
"#;
    let state = format!("set environment=($disk,gpt{environment})/grubenv\nload_env --file $environment order A_left B_left\n");
    let boot = BOOT.replace("KERNEL_LINE", KERNEL_LINE);
    let mut config = format!("{console}{state}{boot}");
    for (name, number) in [("A", a), ("B", b)] {
        config += &SLOT.replace("NAME", name).replace("NUMBER", &number.to_string());
    }
    config + ORDER
}

/// Starts the system of the slot `$slot` on `$part`; comes back only when it cannot.
const BOOT: &str = r#"
function start_slot {
  echo "StreamCaster: slot $slot"
  linux $part/vmlinuz KERNEL_LINE slot=$slot
  initrd $part/initrd
  boot
}
"#;

/// One slot: whether it is whole, a try counted, a try.
const SLOT: &str = r#"
function whole_NAME {
  set slot=NAME
  set part=($disk,gptNUMBER)
  if [ ! -f $part/SHA256SUMS ]; then return 1; fi
  hashsum --hash sha256 --check $part/SHA256SUMS --prefix $part
}
function try_NAME {
  if [ "$NAME_left" = 3 ]; then set NAME_left=2
  elif [ "$NAME_left" = 2 ]; then set NAME_left=1
  elif [ "$NAME_left" = 1 ]; then set NAME_left=0
  else return 1; fi
  if whole_NAME; then
    save_env --file $environment NAME_left
    start_slot
  else
    echo "Slot NAME is damaged."
    set NAME_left=0
    save_env --file $environment NAME_left
  fi
}
function last_resort_NAME {
  if whole_NAME; then start_slot; fi
}
"#;

/// Each slot while it has tries, then each that is whole: a system that could not prove its
/// health (a network that is gone, a disk that is full) is better than none.
const ORDER: &str = r#"
if [ "$order" = BA ]; then
  try_B
  try_A
  echo "No slot has tries left: starting whichever is whole."
  last_resort_B
  last_resort_A
else
  try_A
  try_B
  echo "No slot has tries left: starting whichever is whole."
  last_resort_A
  last_resort_B
fi
echo "StreamCaster: both slots are damaged. Write the image to this disk again."
echo "Trying again in a minute."
sleep 60
reboot
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::fed;

    #[test]
    fn the_environment_stands_where_userland_looks_for_it() {
        let archive = environment();
        let block = archive.get(512..1536).unwrap();
        assert!(block.starts_with(b"# GRUB Environment Block\n"));
        // A sector is written whole or not at all: the variables keep to the first.
        let variables = block
            .iter()
            .position(|&byte| byte == b'#')
            .and(block.windows(2).position(|pair| pair == b"##"));
        assert!(variables.is_some_and(|end| end < 512), "{variables:?}");
    }

    #[test]
    fn both_slots_are_told_apart() {
        let config = configuration(&Numbers { environment: 3, slots: [4, 5] });
        for line in
            ["set part=($disk,gpt4)", "set part=($disk,gpt5)", "set environment=($disk,gpt3)"]
        {
            assert!(config.contains(line), "{line} is missing:\n{config}");
        }
        assert!(config.contains(&format!("vmlinuz {KERNEL_LINE} slot=$slot\n")), "{config}");
        let placeholders = ["NAME", "NUMBER", "KERNEL_LINE"];
        assert!(!placeholders.iter().any(|word| config.contains(word)), "{config}");
        let check = fed(&mut Command::new("grub-script-check"), &config);
        assert_eq!(check, Ok(()));
    }

    #[test]
    fn the_loader_is_told_where_its_core_is() {
        let code = patched_boot_code(vec![7; 512], 2048).unwrap();
        assert_eq!(code.get(0x5c..0x64), Some(&2048_u64.to_le_bytes()[..]));
        assert_eq!(code.get(0x64..0x67), Some(&[0xff, 7, 0x90][..]));
        let core = patched_core(vec![0; 1025], 2048).unwrap();
        assert_eq!(core.get(0x1f4..0x1fc), Some(&2049_u64.to_le_bytes()[..]));
        assert_eq!(core.get(0x1fc..0x200), Some(&[2, 0, 0x20, 0x08][..]));
        assert!(patched_boot_code(vec![0; 64], 1).is_err());
    }
}
