//! The flasher: an image that came with the kernel, a disk that another system had.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::world::World;

const UUID: &str = "5343aa00-0000-4000-8000-0000000000db";
/// Less than the disk, and no whole number of the pieces it is written in.
const IMAGE_BYTES: usize = (2 << 20) + 12_345;
const DISK_BYTES: usize = 4 << 20;

fn image() -> Vec<u8> {
    (0..IMAGE_BYTES).map(|at| u8::try_from(at / 7 % 251).expect("below 256")).collect()
}

fn sum(path: &PathBuf) -> String {
    let output = Command::new("sha256sum").arg(path).output().expect("sha256sum");
    String::from_utf8_lossy(&output.stdout).chars().take(64).collect()
}

/// A machine whose first partition holds the old root, with an image in memory.
fn taken_over(name: &str) -> World {
    let world = World::new(name);
    world.write("proc/cmdline", &format!("BOOT_IMAGE=/vmlinuz quiet flash={UUID}\n"));
    world.write("dev/kmsg", "");
    world.write("sys/devices/virtio0/block/vda/size", &format!("{}\n", DISK_BYTES / 512));
    world.write("sys/devices/virtio0/block/vda/ro", "0\n");
    world.write("sys/devices/virtio0/block/vda/vda1/partition", "1\n");
    fs::create_dir_all(world.path("sys/class/block")).expect("a folder");
    for (link, device) in [("vda", "vda"), ("vda1", "vda/vda1")] {
        let target = format!("../../devices/virtio0/block/{device}");
        symlink(target, world.path("sys/class/block").join(link)).expect("a link");
    }
    fs::write(world.path("dev/vda"), vec![0xee; DISK_BYTES]).expect("a disk");
    fs::create_dir_all(world.path("flash")).expect("a folder");
    fs::write(world.path("flash/image"), image()).expect("an image");
    let whole = sum(&world.path("flash/image"));
    let packed = Command::new("gzip").arg("--keep").arg(world.path("flash/image")).status();
    assert!(packed.is_ok_and(|status| status.success()), "gzip");
    world.write("flash/image", &format!("{whole} {IMAGE_BYTES}\n"));
    let packed = sum(&world.path("flash/image.gz"));
    world.write("flash/SHA256SUMS", &format!("{packed}  image.gz\n"));
    world.program("findfs", &format!("[ \"$*\" = UUID={UUID} ] && echo /dev/vda1"));
    world.recorder("reboot");
    world
}

fn flash(world: &World) -> Output {
    world.run("flash", &[], &[])
}

fn disk(world: &World) -> Vec<u8> {
    fs::read(world.path("dev/vda")).expect("a disk")
}

#[test]
fn the_image_is_written_and_the_rest_of_the_disk_left_alone() {
    let world = taken_over("flash");
    flash(&world);
    let disk = disk(&world);
    assert!(disk.get(..IMAGE_BYTES) == Some(&image()[..]), "{}", world.read("dev/kmsg"));
    assert!(disk.iter().skip(IMAGE_BYTES).all(|&byte| byte == 0xee));
    assert_eq!(disk.len(), DISK_BYTES);
    assert_eq!(world.read("reboot"), "-f\n");
}

/// Something that is wrong before the first write.
type Fault = fn(&World);

#[test]
fn what_is_wrong_before_the_first_write_leads_back_to_the_old_system() {
    let faults: [(&str, Fault); 7] = [
        ("the image is damaged", |world| {
            let path = world.path("flash/image.gz");
            let mut packed = fs::read(&path).expect("it is there");
            let middle = packed.len() / 2;
            *packed.get_mut(middle).expect("a middle") ^= 1;
            fs::write(path, packed).expect("it is ours");
        }),
        ("the image is damaged", |world| world.write("flash/SHA256SUMS", "")),
        ("no image came with the kernel", |world| {
            fs::remove_file(world.path("flash/image")).expect("it is there");
        }),
        ("no disk holds", |world| {
            // Each look takes a while.
            let uptime = world.path("proc/uptime").display().to_string();
            world.program("findfs", &format!("echo 200.00 100.00 > {uptime}; exit 1"));
        }),
        ("vda is too small", |world| {
            world.write("sys/devices/virtio0/block/vda/size", "4096\n");
        }),
        ("vda is read-only", |world| world.write("sys/devices/virtio0/block/vda/ro", "1\n")),
        ("no disk holds", |world| {
            world.write("proc/cmdline", "flash=other\n");
            let uptime = world.path("proc/uptime").display().to_string();
            world.program("findfs", &format!("echo 200.00 100.00 > {uptime}; exit 1"));
        }),
    ];
    for (why, fault) in faults {
        let world = taken_over("fault");
        fault(&world);
        flash(&world);
        let told = world.read("dev/kmsg");
        assert!(told.contains(why), "{why}: {told}");
        assert!(told.contains("the old system starts again"), "{why}: {told}");
        assert!(disk(&world).iter().all(|&byte| byte == 0xee), "{why}: the disk was written to");
        assert_eq!(world.read("reboot"), "-f\n", "{why}");
    }
}

#[test]
fn a_disk_that_forgets_is_written_three_times_and_then_left_with_a_word() {
    let world = taken_over("forgets");
    world.program("dd", &format!("echo dd >> {}; cat > /dev/null", world.path("writes").display()));
    // The wait of somebody who stays for ever.
    world.program("sleep", "[ \"$1\" != 600 ]");
    flash(&world);
    assert_eq!(world.read("writes"), "dd\n".repeat(3));
    let told = world.read("dev/kmsg");
    assert!(told.contains("restore its snapshot"), "{told}");
}
