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
    assert!(mounts.contains(" /dev/vdb6 "), "{mounts}");
    assert!(!mounts.contains("vda"), "{mounts}");
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

/// A superblock that is lost behind a file system that grew: e2fsck ends with 12 (errors are left, and
/// it could not go on) for a copy marked as in use, and mends everything with what it made of that.
#[test]
fn a_check_that_gave_up_is_made_again() {
    for (well_at, warning, expected) in [
        (3, "the data disk was damaged and has been mended", &["-p", "-fy", "-fy"][..]),
        (
            5,
            "the data disk was badly damaged and has been mended",
            &["-p", "-fy", "-fy", "-fy -b 32768 -B 4096", "-fy"],
        ),
    ] {
        let world = World::new(&format!("again-{well_at}"));
        own_disk(&world);
        world.write("proc/mounts", "");
        let record = world.path("e2fsck").display().to_string();
        let is_well = format!("[ $(wc -l < {record}) -ge {well_at} ] && exit 1; exit 12");
        world.program("e2fsck", &format!("echo \"$*\" >> {record}\n{is_well}"));
        world.recorder("mount");
        assert!(world.run("data", &[], &[]).status.success());
        let asked = expected.iter().map(|it| format!("{it} /dev/vdb6\n")).collect::<String>();
        assert_eq!(world.read("e2fsck"), asked);
        assert_eq!(world.read("run/appliance/data.warning"), format!("{warning}\n"));
        assert_eq!(world.read("mount").lines().count(), 1, "not before everything is mended");
    }
}

/// The plug was pulled between the two checks: the superblock says clean, and nothing can be written.
#[test]
fn what_looks_clean_and_cannot_be_used_is_checked_whole() {
    for (mends, warning) in [
        (true, "the data disk was damaged and has been mended"),
        (false, "the data disk cannot be used: nothing is kept over a restart"),
    ] {
        let world = World::new(if mends { "unclean" } else { "unusable" });
        own_disk(&world);
        world.write("proc/mounts", "");
        world.write("sys/class/block/vdb6/size", "131072\n");
        let (mounts, mended) = (world.path("proc/mounts"), world.path("mended"));
        let (mounts, mended) = (mounts.display(), mended.display());
        let whole = if mends { format!("touch {mended}; exit 1") } else { "exit 12".to_owned() };
        world.program(
            "e2fsck",
            &format!("case $1 in -p) exit 0 ;; -fy) {whole} ;; *) exit 8 ;; esac"),
        );
        let data = world.path("data").display().to_string();
        // Once it was let go of, a disk that is not mended mounts no more, but memory does.
        let tried = world.path("tried").display().to_string();
        let refuses = format!("[ -e {mended} ] || [ ! -e {tried} ] || exit 1");
        world.program(
            "mount",
            &format!("case $* in *tmpfs*) ;; *) {refuses} ;; esac\necho \"x {data} x\" > {mounts}"),
        );
        world.program("umount", &format!("touch {tried}; : > {mounts}"));
        let says = "echo 'ls: reading directory: Input/output error' >&2; exit 1";
        world.program("su", &format!("[ -e {mended} ] || {{ {says}; }}"));
        world.program("dd", "exit 1");
        assert!(world.run("data", &[], &[]).status.success());
        assert_eq!(world.read("run/appliance/data.warning"), format!("{warning}\n"));
    }
}
