//! Whether a host can be taken over. Purpose: everything that would make it a machine that answers
//! nobody is found before anything is changed, and each finding says what to do. Non-goals: asking,
//! printing. Bound: facts in, a list of findings out.

use super::facts::Facts;

const MIB: u64 = 1 << 20;
/// What the appliance needs while it holds the image in memory a second time.
const MEMORY_BASE_BYTES: u64 = 192 * MIB;
/// Room on /boot that is left to the old system.
const BOOT_SPARE_BYTES: u64 = 16 * MIB;
/// Less room than this for videos and logs is said.
const DATA_BYTES: u64 = 512 * MIB;

/// Drivers of `rootfs/modules`, and those built into its kernel, as the kernel names them: of disks,
/// and of network cards. xen-blkfront and xen-netfront call themselves by what they drive.
const DISK_DRIVERS: [&str; 5] = ["virtio_blk", "virtio_scsi", "nvme", "vbd", "xen-blkfront"];
const CARD_DRIVERS: [&str; 4] = ["virtio_net", "ena", "vif", "xen-netfront"];

/// What one look found.
#[derive(Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is as it must be; what it is.
    Fine(String),
    /// It may be meant: `--yes` passes over it.
    Doubtful(String),
    /// Not like this; what to do.
    Wrong(String),
}

use Finding::{Doubtful, Fine, Wrong};

/// What the take-over brings, in bytes.
pub struct Needs {
    /// The disk image.
    pub image: u64,
    /// What goes to /boot.
    pub boot: u64,
}

/// Looks at everything, in the order of what a reader wants to know first.
pub fn look(facts: &Facts, needs: &Needs) -> Vec<(&'static str, Finding)> {
    vec![
        ("system", system(facts)),
        ("firmware", firmware(facts)),
        ("boot loader", boot_loader(facts)),
        ("/boot", boot_folder(facts, needs)),
        ("disk", disk(facts, needs)),
        ("memory", memory(facts, needs)),
        ("network", network(facts)),
    ]
}

fn system(facts: &Facts) -> Finding {
    let name = facts.get("system");
    let family = facts.get("family");
    if !family.split(' ').any(|word| word == "debian" || word == "ubuntu") {
        return Wrong(format!(
            "{name} is neither Debian nor Ubuntu: begin with an instance of these"
        ));
    }
    if facts.get("machine") != "x86_64" {
        return Wrong(format!("the processor is {}: x86_64 is needed", facts.get("machine")));
    }
    match facts.get("container") {
        "" | "none" => Fine(format!("{name}, x86_64")),
        kind => Wrong(format!("it is a container ({kind}): it has no boot loader of its own")),
    }
}

fn firmware(facts: &Facts) -> Finding {
    if facts.get("secure_boot") == "1" {
        return Wrong("Secure Boot is on: switch it off in the machine's settings".to_owned());
    }
    Fine(facts.get("firmware").to_owned())
}

fn boot_loader(facts: &Facts) -> Finding {
    let grub = facts.get("grub");
    if facts.get("grub_reboot").is_empty() || !grub.contains(" 2.") {
        return Wrong("GRUB 2 with grub-reboot is not there: install grub2-common".to_owned());
    }
    if facts.number("grub_once") == 0 || facts.number("grub_custom") == 0 {
        return Wrong(
            "/boot/grub/grub.cfg knows no entry for one start (next_entry) or no custom.cfg: \
             type `update-grub` there"
                .to_owned(),
        );
    }
    // Where GRUB cannot write, it tries the same entry at every start.
    let kind = facts.get("grub_file_system");
    if kind != "ext2" && kind != "fat" || !facts.get("grub_abstraction").is_empty() {
        let below = facts.get("grub_abstraction");
        return Wrong(format!(
            "GRUB cannot write to /boot ({kind} {below}): it would not come back to this system"
        ));
    }
    Fine(grub.to_owned())
}

fn boot_folder(facts: &Facts, needs: &Needs) -> Finding {
    if facts.get("boot_options").split(',').any(|option| option == "ro") {
        return Wrong("it is mounted read-only".to_owned());
    }
    let usable = |name| facts.plain(name).is_some_and(|value| !value.is_empty());
    // Where /boot is a file system of its own, its path there is empty.
    if !usable("boot_uuid") || facts.plain("boot_path").is_none() {
        return Wrong("GRUB does not find its file system".to_owned());
    }
    let (free, needed) = (facts.number("boot_free_kib") * 1024, needs.boot + BOOT_SPARE_BYTES);
    if free < needed {
        return Wrong(format!(
            "{} MiB are free and {} needed: remove old kernels (`apt-get autoremove`)",
            free / MIB,
            needed.div_ceil(MIB)
        ));
    }
    Fine(format!("{} MiB free", free / MIB))
}

fn disk(facts: &Facts, needs: &Needs) -> Finding {
    let (name, bytes) = (facts.get("disk"), facts.number("disk_bytes"));
    if name.is_empty() {
        return Wrong(
            "the root file system lies on no single disk (LVM, RAID, encrypted): name one by --disk"
                .to_owned(),
        );
    }
    let kind = facts.get("disk_file_system");
    let known = facts.plain("disk_uuid").is_some_and(|uuid| !uuid.is_empty());
    if !known || !["ext2", "ext3", "ext4"].contains(&kind) {
        return Wrong(format!(
            "{name} holds no ext4 file system by which it is found again ({kind})"
        ));
    }
    if facts.number("disk_namesakes") != 1 {
        return Wrong(format!(
            "another disk has a file system of the same UUID as {name}, a copy perhaps: detach it"
        ));
    }
    let drivers = facts.get("disk_drivers");
    if !drivers.split(' ').any(|driver| DISK_DRIVERS.contains(&driver)) {
        return Wrong(format!("the appliance has no driver for {name} ({drivers})"));
    }
    if bytes < needs.image {
        return Wrong(format!(
            "{name} has {} MiB, the image {}",
            bytes / MIB,
            needs.image.div_ceil(MIB)
        ));
    }
    let told = format!("/dev/{name}, {} MiB, by {drivers}", bytes / MIB);
    if facts.get("boot_disk") != name {
        return Doubtful(format!("{told}: the machine starts from another disk now"));
    }
    if bytes - needs.image < DATA_BYTES {
        return Doubtful(format!("{told}: little is left for videos"));
    }
    Fine(format!("{told}: ALL OF IT WILL BE OVERWRITTEN"))
}

fn memory(facts: &Facts, needs: &Needs) -> Finding {
    // What the boot loader put down, and the same unpacked.
    let (there, needed) = (facts.number("memory_kib") * 1024, MEMORY_BASE_BYTES + 2 * needs.boot);
    if there < needed {
        return Wrong(format!("{} MiB, {} are needed", there / MIB, needed.div_ceil(MIB)));
    }
    Fine(format!("{} MiB", there / MIB))
}

fn network(facts: &Facts) -> Finding {
    let (card, drivers) = (facts.get("card"), facts.get("card_drivers"));
    let addresses = facts.get("card_addresses");
    if card.is_empty() {
        return Wrong("no network card has a default route".to_owned());
    }
    if !drivers.split(' ').any(|driver| CARD_DRIVERS.contains(&driver)) {
        return Wrong(format!("the appliance has no driver for {card} ({drivers})"));
    }
    let told = format!("{card} {addresses}, by {drivers}");
    if facts.number("card_leased") + facts.number("card_route") == 0 {
        return Doubtful(format!(
            "{told}: the address seems to be a fixed one, and the appliance asks by DHCP only"
        ));
    }
    Fine(format!("{told}, by DHCP"))
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
