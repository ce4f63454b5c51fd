//! Which disk is ours, and what becomes of one that is damaged or not there.

use std::fs;
use std::os::unix::fs::symlink;

use crate::world::World;

/// A partition as sysfs shows it.
fn partition(world: &World, disk: &str, number: u32, name: &str) {
    let device = format!("{disk}{number}");
    let uevent = format!("MAJOR=1\nDEVNAME={device}\nPARTN={number}\nPARTNAME={name}\n");
    world.write(&format!("sys/devices/{disk}/{device}/uevent"), &uevent);
    let class = world.path("sys/class/block");
    fs::create_dir_all(&class).expect("a folder");
    let target = world.path(&format!("sys/devices/{disk}/{device}"));
    symlink(target, class.join(device)).expect("a link");
}

/// A disk of ours.
fn own_disk(world: &World) {
    for (number, name) in [(3, "env"), (4, "slot-a"), (6, "data")] {
        partition(world, "vdb", number, name);
    }
}

#[test]
fn a_foreign_disk_with_a_partition_of_the_same_name_is_not_ours() {
    let world = World::new("disks");
    partition(&world, "vda", 1, "data");
    partition(&world, "vda", 2, "env");
    own_disk(&world);
    world.program("e2fsck", "exit 0");
    world.recorder("mount");
    world.write("proc/mounts", "");
    assert!(world.run("data", &[], &[]).status.success());
    let mounts = world.read("mount");
    assert!(mounts.contains(" /dev/vdb6 ") && !mounts.contains("vda"), "{mounts}");
    assert!(mounts.contains("nosuid,nodev,noexec"), "{mounts}");
}

#[test]
fn a_machine_without_a_data_disk_is_on_air_from_memory() {
    let world = World::new("no-disk");
    world.write("proc/mounts", "");
    world.recorder("mount");
    // Time passes with each look.
    let uptime = world.path("proc/uptime");
    world.program("sleep", &format!("echo 200.00 > {}", uptime.display()));
    assert!(world.run("data", &[], &[]).status.success());
    assert!(world.read("mount").starts_with("-t tmpfs -o nosuid,nodev,noexec"));
    assert!(world.read("run/appliance/data.warning").contains("no data disk"));
    assert!(world.path("data/videos").is_dir());
}

#[test]
fn a_damaged_disk_is_mended_then_read_and_never_written_over_while_readable() {
    let world = World::new("damage");
    own_disk(&world);
    world.write("proc/mounts", "");
    world.write("sys/class/block/vdb6/size", "131072\n");
    world.program("e2fsck", "exit 8");
    world.recorder("mke2fs");
    // Only what mounts without writing succeeds.
    let record = world.path("mount").display().to_string();
    world.program(
        "mount",
        &format!("echo \"$*\" >> {record}\ncase $* in *noload*) ;; *) exit 1; esac"),
    );
    assert!(world.run("data", &[], &[]).status.success());
    assert!(world.read("run/appliance/data.warning").contains("only be read"));
    assert_eq!(world.read("mke2fs"), "");
    // Nothing mounts and the device cannot be read: memory, and the disk is left alone.
    world.program(
        "mount",
        &format!("echo \"$*\" >> {record}\ncase $* in *tmpfs*) ;; *) exit 1; esac"),
    );
    world.program("dd", "exit 1");
    assert!(world.run("data", &[], &[]).status.success());
    assert!(world.read("run/appliance/data.warning").contains("nothing is kept"));
    assert_eq!(world.read("mke2fs"), "");
}

/// What a pulled plug leaves is mended and no news; what only the journal held is lost with it.
#[test]
fn a_lost_journal_is_told_and_a_replayed_one_is_not() {
    let world = World::new("journal");
    own_disk(&world);
    world.write("proc/mounts", "");
    world.recorder("mount");
    world.program("e2fsck", "echo recovering journal; exit 1");
    assert!(world.run("data", &[], &[]).status.success());
    assert!(!world.path("run/appliance/data.warning").exists());
    world.program("e2fsck", "echo '*** journal has been deleted ***'; exit 1");
    assert!(world.run("data", &[], &[]).status.success());
    let warning = world.read("run/appliance/data.warning");
    assert_eq!(warning, "the data disk was damaged and has been mended\n");
}
