//! The appliance's image on an emulated machine: power on, and what is then seen from outside. By
//! BIOS and UEFI, with a whole slot, a damaged one, and none.
#![cfg(test)]

use test_support::peers::{child, media, player, processor, program, sender, wait, whole};
use test_support::tools::xtask;

mod attacks;
mod clock;
mod data;
mod firmware;
mod fleet;
mod grow;
mod hardening;
mod ipv6;
mod machine;
mod network;
mod offered;
mod offers;
mod router;
mod service;
mod shell;
mod stream;
mod table;
mod time_server;
mod torture;

use std::time::Duration;

use machine::{made, Disk, Firmware, Machine, Parts, SLOT_A, SLOT_B, USUAL};
use wait::{holds, seconds};

/// An emulated processor that shares a busy machine's cores takes its time; a real one needs a
/// tenth of it.
const PATIENCE: Duration = seconds(180);
/// Where `/data` begins, as `cargo xtask image` lays it out.
const DATA: u64 = 163 << 20;

/// Somewhere in the kernel: behind the list of sums, before the initramfs.
const INSIDE_THE_KERNEL: u64 = 4 << 20;

#[test]
fn it_boots_by_bios_and_is_on_air() {
    on_air("BIOS, virtio-blk", "bios", USUAL);
}

#[test]
fn it_boots_by_uefi_and_is_on_air() {
    on_air("UEFI, NVMe", "uefi", Parts { firmware: Firmware::Uefi, ..USUAL });
}

fn on_air(what: &str, name: &str, parts: Parts) {
    let disk = Disk::new(name);
    let machine = Machine::start(&disk, parts);
    let loader = machine.shows("StreamCaster: slot A", PATIENCE);
    let healthy = machine.is_healthy(PATIENCE);
    let (played, frame) = machine.is_played(PATIENCE);
    println!("{what}: boot loader {loader:.1?}, healthy {healthy:.1?}, first frame {played:.1?}");
    assert!(frame.starts_with("1280,I"), "the card's key frame: {frame}");
    assert!(!machine.console().contains("panic"), "{}", machine.console());
    assert!(!machine.console().contains("DEBUG"), "{}", machine.console());
    assert!(disk.environment().contains("A_left=2\n"), "{}", disk.environment());
}

#[test]
fn a_damaged_slot_loses_its_tries_and_the_other_starts() {
    let disk = Disk::new("damaged");
    disk.write(&made("streamcaster.slot"), SLOT_B);
    disk.set_environment("order=AB\nA_left=3\nB_left=3\n");
    disk.write(b"x", SLOT_A + INSIDE_THE_KERNEL);
    let machine = Machine::start(&disk, Parts { firmware: Firmware::Vmware, ..USUAL });
    machine.shows("Slot A is damaged.", PATIENCE);
    machine.shows("StreamCaster: slot B", PATIENCE);
    finds_disk_and_card(&machine);
    let environment = disk.environment();
    assert!(environment.contains("A_left=0\n"), "{environment}");
    assert!(environment.contains("B_left=2\n"), "{environment}");
}

#[test]
fn without_tries_the_slot_that_is_whole_starts_all_the_same() {
    let disk = Disk::new("exhausted");
    disk.set_environment("order=BA\nA_left=0\nB_left=0\n");
    let machine = Machine::start(&disk, Parts { firmware: Firmware::Ahci, ..USUAL });
    machine.shows("No slot has tries left", PATIENCE);
    machine.shows("StreamCaster: slot A", PATIENCE);
    finds_disk_and_card(&machine);
}

/// The page is asked over the card; without the disk the screen would say that it runs from memory.
fn finds_disk_and_card(machine: &Machine) {
    machine.is_healthy(PATIENCE);
    machine.shows("password ", PATIENCE);
    assert!(!machine.console().contains("warning "), "{}", machine.console());
}

#[test]
fn with_both_slots_damaged_the_boot_loader_says_so() {
    let disk = Disk::new("both");
    disk.write(b"x", SLOT_A + INSIDE_THE_KERNEL);
    let machine = Machine::start(&disk, USUAL);
    machine.shows("both slots are damaged", PATIENCE);
    let lost = || disk.environment().contains("A_left=0\n");
    assert!(holds(PATIENCE, lost), "{}", disk.environment());
}
