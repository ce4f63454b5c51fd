//! One host that can be taken over, and each thing that may be wrong with it.

use super::*;

const GOOD: &str = "system Debian GNU/Linux 12 (bookworm)\nfamily debian \nmachine x86_64\n\
    container none\nfirmware BIOS\nmemory_kib 991232\ngrub grub-install (GRUB) 2.06-13\n\
    grub_reboot /usr/sbin/grub-reboot\ngrub_once 3\ngrub_custom 4\ngrub_file_system ext2\n\
    grub_abstraction \nboot_uuid 1-2\nboot_path /boot\nboot_options rw,relatime\n\
    boot_free_kib 900000\nboot_disk vda\ndisk vda\ndisk_uuid 1-2\ndisk_file_system ext4\n\
    disk_namesakes 1\ndisk_bytes 42949672960\ndisk_drivers virtio_blk virtio-pci\ncard ens5\n\
    card_drivers ena\ncard_addresses 172.26.1.2/20\ncard_leased 1\ncard_route 0\nend yes\n";
const NEEDS: Needs = Needs { image: 228 * MIB, boot: 32 * MIB };

/// The findings with some facts changed: `NAME VALUE` lines, the last of a name counts.
fn with(changes: &str) -> Vec<(&'static str, Finding)> {
    look(&Facts::parse(&format!("{GOOD}{changes}")), &NEEDS)
}

#[test]
fn a_stock_instance_can_be_taken_over() {
    for same in [
        "",
        "family ubuntu debian",
        "firmware UEFI\nsecure_boot 0",
        "boot_path ",
        "disk_drivers sd virtio_scsi virtio-pci",
        "disk_drivers vbd",
        "disk_drivers nvme",
        "card_leased 0\ncard_route 1",
    ] {
        for (what, finding) in with(same) {
            assert!(matches!(finding, Fine(_)), "{same}: {what}: {finding:?}");
        }
    }
}

#[test]
fn what_would_make_it_a_machine_that_answers_nobody_is_refused() {
    for (what, change) in [
        ("system", "family rhel fedora"),
        ("system", "machine aarch64"),
        ("system", "container lxc"),
        ("firmware", "firmware UEFI\nsecure_boot 1"),
        ("boot loader", "grub_reboot "),
        ("boot loader", "grub grub-install (GNU GRUB) 0.97"),
        ("boot loader", "grub_once 0"),
        ("boot loader", "grub_custom "),
        ("boot loader", "grub_file_system btrfs"),
        ("boot loader", "grub_abstraction lvm"),
        ("/boot", "boot_options ro,relatime"),
        ("/boot", "boot_free_kib 40000"),
        ("/boot", "boot_uuid "),
        ("/boot", "boot_path /a b"),
        ("disk", "disk \nboot_disk "),
        ("disk", "disk_uuid "),
        ("disk", "disk_uuid 1;2"),
        ("disk", "disk_file_system xfs"),
        ("disk", "disk_namesakes 2"),
        ("disk", "disk_drivers sd ahci"),
        ("disk", "disk_bytes 200000000"),
        ("memory", "memory_kib 200000"),
        ("network", "card "),
        ("network", "card_drivers e1000"),
    ] {
        let found: Vec<_> =
            with(change).into_iter().filter(|(_, finding)| !matches!(finding, Fine(_))).collect();
        let [(named, Wrong(advice))] = &found[..] else { unreachable!("{change}: {found:?}") };
        assert_eq!(*named, what, "{change}");
        assert!(!advice.is_empty());
    }
}

#[test]
fn what_may_be_meant_is_asked_about() {
    for (what, change) in [
        ("network", "card_leased 0\ncard_route 0"),
        ("disk", "boot_disk vdb"),
        ("disk", "disk_bytes 500000000"),
    ] {
        let doubts: Vec<_> = with(change)
            .into_iter()
            .filter_map(|(name, finding)| matches!(finding, Doubtful(_)).then_some(name))
            .collect();
        assert_eq!(doubts, [what], "{change}");
    }
}

#[test]
fn the_drivers_are_those_the_image_carries() {
    let modules = include_str!("../../../rootfs/modules");
    for driver in ["virtio_blk", "virtio_scsi", "xen-blkfront", "virtio_net", "ena", "xen-netfront"]
    {
        assert!(modules.lines().any(|line| line == driver), "{driver}");
        assert!(DISK_DRIVERS.contains(&driver) || CARD_DRIVERS.contains(&driver));
    }
}
