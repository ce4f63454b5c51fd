//! How /data comes, and how the clock is set: what is called, and in which order.

use std::fs;
use std::os::unix::fs::symlink;

use crate::world::World;

/// A machine whose /data is not there yet, with stand-ins that write down how they are called.
fn before_data(name: &str) -> World {
    let world = World::new(name);
    world.write("proc/mounts", "none /proc proc rw 0 0\n");
    for quiet in ["mount", "e2fsck", "blockdev"] {
        answers(&world, quiet, "exit 0");
    }
    // Waiting is what time passes by.
    world.program("sleep", &format!("echo 999.00 > {}", world.path("proc/uptime").display()));
    world
}

/// A program that writes down its call and then answers.
fn answers(world: &World, name: &str, text: &str) {
    let calls = world.path("calls").display().to_string();
    world.program(name, &format!("echo \"{name} $*\" >> {calls}\n{text}"));
}

/// A partition the kernel has found on the disk vda.
fn partition(world: &World, number: u8, label: &str) {
    let own = format!("sys/devices/vda/vda{number}");
    world.write(&format!("{own}/uevent"), &format!("DEVNAME=vda{number}\nPARTNAME={label}\n"));
    link(world, &own, &format!("vda{number}"));
}

fn link(world: &World, target: &str, name: &str) {
    fs::create_dir_all(world.path("sys/class/block")).expect("a folder");
    let link = world.path("sys/class/block").join(name);
    symlink(world.path(target), link).expect("a link");
}

/// The disk as the kernel finds it, with or without partitions.
fn disk(world: &World, with_partitions: bool) {
    world.write("sys/devices/vda/uevent", "DEVNAME=vda\n");
    world.write("sys/devices/vda/device/vendor", "x\n");
    link(world, "sys/devices/vda", "vda");
    if with_partitions {
        partition(world, 4, "slot-a");
        partition(world, 6, "data");
    }
}

/// The calls so far, each by its first words.
fn calls(world: &World) -> Vec<String> {
    let root = world.path("").display().to_string();
    let text = world.read("calls").replace(root.trim_end_matches('/'), "");
    text.lines().map(str::to_owned).collect()
}

const MOUNT: &str =
    "mount -t ext4 -o nosuid,nodev,noexec,noatime,errors=remount-ro /dev/vda6 /data";

#[test]
fn the_partition_grows_before_the_check_and_the_file_system_after_mounting() {
    let world = before_data("grow");
    disk(&world, true);
    answers(&world, "streamcaster", "echo it has grown");
    assert!(world.run("data", &[], &[]).status.success());
    let expected = [
        "streamcaster grow --table /dev/vda",
        "blockdev --rereadpt /dev/vda",
        "e2fsck -p /dev/vda6",
        MOUNT,
        "streamcaster grow --filesystem /data",
    ];
    assert_eq!(calls(&world), expected);
    assert!(world.read("dev/kmsg").contains("<3>data: it has grown"), "{}", world.read("dev/kmsg"));
    assert_eq!(world.read("run/appliance/data.warning"), "");
}

#[test]
fn a_table_that_stays_is_not_read_again() {
    let world = before_data("stay");
    disk(&world, true);
    answers(&world, "streamcaster", "exit 0");
    assert!(world.run("data", &[], &[]).status.success());
    let expected = [
        "streamcaster grow --table /dev/vda",
        "e2fsck -p /dev/vda6",
        MOUNT,
        "streamcaster grow --filesystem /data",
    ];
    assert_eq!(calls(&world), expected);
    assert_eq!(world.read("dev/kmsg"), "");
}

#[test]
fn what_does_not_grow_is_told_and_data_is_there_all_the_same() {
    let world = before_data("not-grown");
    disk(&world, true);
    answers(&world, "streamcaster", "echo broken >&2; exit 1");
    assert!(world.run("data", &[], &[]).status.success());
    assert!(calls(&world).contains(&MOUNT.to_owned()), "{:?}", calls(&world));
    // The second one writes over the first: the kernel's log keeps lines, this file does not.
    assert_eq!(world.read("dev/kmsg"), "<3>data: broken\n");
}

#[test]
fn a_kernel_that_does_not_read_the_table_is_told_and_data_is_there_all_the_same() {
    let world = before_data("busy");
    disk(&world, true);
    answers(&world, "streamcaster", "case $2 in --table) echo it has grown ;; esac");
    answers(&world, "blockdev", "exit 1");
    assert!(world.run("data", &[], &[]).status.success());
    let asked = calls(&world).iter().filter(|call| call.starts_with("blockdev")).count();
    assert_eq!(asked, 5);
    assert!(calls(&world).contains(&MOUNT.to_owned()), "{:?}", calls(&world));
    assert!(world.read("dev/kmsg").contains("the next start will"), "{}", world.read("dev/kmsg"));
}

#[test]
fn a_disk_without_partitions_is_mended_where_that_can_be() {
    let world = before_data("mend");
    disk(&world, false);
    let uevent = |number, label| {
        format!(
            "mkdir -p {0}/sys/devices/vda/vda{number}\nprintf 'DEVNAME=vda{number}\\n\
             PARTNAME={label}\\n' > {0}/sys/devices/vda/vda{number}/uevent\n\
             ln -s {0}/sys/devices/vda/vda{number} {0}/sys/class/block/vda{number}",
            world.path("").display()
        )
    };
    answers(
        &world,
        "streamcaster",
        "case $2 in --table) [ -e $0.said ] || echo mended; : > $0.said ;; esac",
    );
    answers(&world, "blockdev", &format!("{}\n{}", uevent(4, "slot-a"), uevent(6, "data")));
    assert!(world.run("data", &[], &[]).status.success());
    let expected = [
        "streamcaster grow --table /dev/vda",
        "blockdev --rereadpt /dev/vda",
        "streamcaster grow --table /dev/vda",
        "e2fsck -p /dev/vda6",
        MOUNT,
        "streamcaster grow --filesystem /data",
    ];
    assert_eq!(calls(&world), expected);
}

#[test]
fn the_network_s_own_time_servers_are_asked_first() {
    let world = World::new("clock");
    world.write("run/appliance/ntp", "10.0.0.1\n10.0.0.2\n");
    let right = "case $8 in *pool*) echo 'set: it was 3 days slow' ;; *) echo no; exit 1 ;; esac";
    answers(&world, "streamcaster", right);
    assert!(world.run("clock", &[], &[]).status.success());
    let expected = ["10.0.0.1", "10.0.0.2", "169.254.169.123", "fd00:ec2::123", "2.pool.ntp.org"];
    let expected = expected.map(|server| {
        format!("streamcaster as --keep sys_time clock streamcaster clock --server {server}")
    });
    assert_eq!(calls(&world), expected);
    assert_eq!(world.read("dev/kmsg"), "<3>clock: set: it was 3 days slow\n");
}

#[test]
fn the_clock_is_asked_for_until_somebody_answers() {
    let world = World::new("clock-late");
    answers(&world, "sleep", &format!("echo $* >> {}", world.path("slept").display()));
    let late = format!(
        "[ $(wc -l < {}) -ge 13 ] || exit 1; echo 'right: 3 ms slow'",
        world.path("calls").display()
    );
    answers(&world, "streamcaster", &late);
    assert!(world.run("clock", &[], &[]).status.success());
    // Ever more rarely, and when it is right not for an hour.
    assert_eq!(world.read("slept"), "1\n2\n4\n3600\n");
    assert_eq!(world.read("dev/kmsg"), "");
    // Said until then, and not again when the next hour's question has no answer.
    assert!(!world.path("run/appliance/clock.warning").exists());
    world.program("streamcaster", "exit 1");
    world.program("sleep", "exec kill -TERM $PPID");
    let _ = world.run("clock", &[], &[]);
    assert!(!world.path("run/appliance/clock.warning").exists());
    fs::remove_file(world.path("run/appliance/clock.answered")).expect("it was answered");
    let _ = world.run("clock", &[], &[]);
    let warning = world.read("run/appliance/clock.warning");
    assert!(warning.starts_with("not set yet: no time server has answered"), "{warning}");
}
