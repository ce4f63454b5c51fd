//! A machine's firmware in place of its BIOS.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Adds OVMF to a machine; its settings are in a file of the machine's own, which is made.
pub fn by_uefi(qemu: &mut Command, own: &Path) {
    fs::copy("/usr/share/OVMF/OVMF_VARS.fd", own).expect("`cargo xtask setup` installs OVMF");
    for (file, read_only) in [(Path::new("/usr/share/OVMF/OVMF_CODE.fd"), "on"), (own, "off")] {
        let drive = format!("if=pflash,format=raw,readonly={read_only},file={}", file.display());
        qemu.args(["-drive", &drive]);
    }
}
