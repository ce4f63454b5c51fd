//! The boot loader's environment, and which disk is ours.

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

/// The partition: a tar header, and the block behind it.
fn environment(world: &World, lines: &str) {
    let mut bytes = vec![b'h'; 512];
    bytes.extend_from_slice(lines.as_bytes());
    bytes.resize(512 + 1024, b'#');
    bytes.extend_from_slice(&[b't'; 512]);
    fs::write(world.path("env"), bytes).expect("a file");
    for (number, name) in [(3, "env"), (4, "slot-a"), (6, "data")] {
        if !world.path(&format!("sys/class/block/vdb{number}")).exists() {
            partition(world, "vdb", number, name);
        }
    }
}

fn confirm(world: &World) -> (bool, String) {
    let device = world.path("env");
    let device = device.to_str().expect("a path");
    let output = world.run("confirm", &[], &[("ENV_DEVICE", device)]);
    let bytes = fs::read(world.path("env")).expect("the file");
    assert_eq!(bytes.len(), 512 + 1024 + 512);
    assert!(bytes.iter().take(512).all(|byte| *byte == b'h'), "the header was written over");
    assert!(bytes.iter().skip(1536).all(|byte| *byte == b't'), "more than the block was written");
    let block = bytes.get(512..1536).expect("the block");
    (output.status.success(), String::from_utf8(block.to_vec()).expect("text"))
}

#[test]
fn the_running_slot_gets_its_tries_back_and_nothing_else_changes() {
    let world = World::new("confirm");
    environment(&world, "# GRUB Environment Block\norder=BA\nA_left=1\nB_left=2\n");
    let (confirmed, block) = confirm(&world);
    assert!(confirmed);
    let text = "# GRUB Environment Block\norder=BA\nA_left=1\nB_left=3\n";
    assert_eq!(block.trim_end_matches('#'), text);
    assert_eq!(confirm(&world), (true, block));
}

#[test]
fn what_is_no_environment_is_not_written() {
    for lines in ["", "GRUB\n", "# another\nB_left=2\n"] {
        let world = World::new("no-environment");
        environment(&world, lines);
        let before = fs::read(world.path("env")).expect("the file");
        assert!(!confirm(&world).0);
        assert_eq!(fs::read(world.path("env")).expect("the file"), before);
    }
    let full = format!("# GRUB Environment Block\nlong={}\nB_left=2\n", "x".repeat(480));
    let world = World::new("full-environment");
    environment(&world, &full);
    assert!(!confirm(&world).0);
    assert!(confirm(&world).1.contains("B_left=2\n"));
}

#[test]
fn a_foreign_disk_with_a_partition_of_the_same_name_is_not_ours() {
    let world = World::new("disks");
    partition(&world, "vda", 1, "data");
    partition(&world, "vda", 2, "env");
    environment(&world, "");
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
    environment(&world, "");
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
