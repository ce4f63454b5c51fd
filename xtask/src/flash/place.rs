//! Putting the flasher in place: kernel and initramfs on /boot, an entry in the old system's boot
//! menu, chosen for one start. Purpose: whatever fails here, or at that start, leaves a system that
//! starts as before. Non-goal: writing to the disk, which the flasher does. Bound: three files and
//! one entry, all taken away again by [`clear`].

use super::facts::Facts;
use super::ssh::SshHost;
use crate::image::files::sha256;
use crate::image::grub::KERNEL_LINE;
use crate::image::made::Made;

/// Where it all lies on the host.
const FOLDER: &str = "streamcaster-flash";

/// Before the upload. A try that broke off has left the same things.
const CLEAR: &str = r#"
PATH=/usr/sbin:/usr/bin:/sbin:/bin
set -eu
rm -rf "/boot/$1"
[ ! -f /boot/grub/grubenv ] || grub-editenv /boot/grub/grubenv unset next_entry
menu=/boot/grub/custom.cfg
if [ -f $menu ]; then
    sed "/^### $1: begin/,/^### $1: end/d" $menu > $menu.new
    if [ -s $menu.new ]; then mv $menu.new $menu; else rm $menu $menu.new; fi
fi
[ "${2:-}" = empty ] || mkdir -m 0700 "/boot/$1"
sync
"#;

/// After it: what arrived is what was sent, then the entry, then the choice of it.
const ENTER: &str = r#"
PATH=/usr/sbin:/usr/bin:/sbin:/bin
set -eu
cd "/boot/$1"
printf '%s\n' "$2" | sha256sum --check --quiet
menu=/boot/grub/custom.cfg
{
    if [ -f $menu ]; then cat $menu; fi
    printf '%s\n' "$3"
} > $menu.new
mv $menu.new $menu
sync
grub-reboot "$1"
grub-editenv /boot/grub/grubenv list | grep -qx "next_entry=$1"
sync
"#;

const RESTART: &str = "(sleep 1; systemctl reboot || reboot) > /dev/null 2>&1 < /dev/null &";

/// The entry, in the words of GRUB's script. The modules are those that a stock menu's entries load;
/// one that is built in or of no use is passed over.
fn entry(boot_uuid: &str, boot_path: &str, disk_uuid: &str) -> String {
    format!(
        "### {FOLDER}: begin\n\
         menuentry 'StreamCaster takes the place of this system' --id {FOLDER} {{\n  \
         insmod part_gpt\n  insmod part_msdos\n  insmod ext2\n  insmod fat\n  \
         search --no-floppy --fs-uuid --set=root {boot_uuid}\n  \
         linux {boot_path}/{FOLDER}/vmlinuz {KERNEL_LINE} flash={disk_uuid}\n  \
         initrd {boot_path}/{FOLDER}/flash.initrd\n}}\n### {FOLDER}: end"
    )
}

/// Takes away whatever a take-over has put on the host.
pub fn clear(host: &SshHost) -> Result<(), String> {
    host.script(CLEAR, &[FOLDER, "empty"]).map(drop)
}

/// Puts all of it on the host; the next start is the flasher's.
pub fn prepare(host: &SshHost, facts: &Facts, made: &Made, flasher: &[u8]) -> Result<(), String> {
    let named =
        |name| facts.plain(name).ok_or_else(|| format!("the host's {name} has: strange letters"));
    let entry = entry(named("boot_uuid")?, named("boot_path")?, named("disk_uuid")?);
    host.script(CLEAR, &[FOLDER])?;
    let mut sums = Vec::new();
    for (name, bytes) in [("vmlinuz", &made.vmlinuz[..]), ("flash.initrd", flasher)] {
        host.upload(&format!("/boot/{FOLDER}/{name}"), bytes)?;
        sums.push(format!("{}  {name}", sha256(bytes)));
    }
    host.script(ENTER, &[FOLDER, &sums.join("\n"), &entry]).map(drop)
}

/// Restarts the host.
pub fn restart(host: &SshHost) -> Result<(), String> {
    host.script(RESTART, &[]).map(drop)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::step::fed;

    #[test]
    fn the_entry_is_one_that_grub_reads() {
        for path in ["/boot", "", "/@/boot"] {
            let text = entry("aa-bb", path, "cc-dd");
            assert_eq!(fed(&mut Command::new("grub-script-check"), &text), Ok(()));
            assert!(text.contains(&format!("linux {path}/{FOLDER}/vmlinuz ")), "{text}");
            assert!(text.contains(" flash=cc-dd\n"), "{text}");
        }
    }

    #[test]
    fn the_scripts_are_ones_that_every_shell_reads() {
        for script in [CLEAR, ENTER, RESTART] {
            assert_eq!(fed(Command::new("sh").arg("-n"), script), Ok(()));
        }
    }
}
