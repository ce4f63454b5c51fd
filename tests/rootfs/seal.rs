//! When the kernel is closed to drivers, and which it has by then.

use crate::world::World;

/// A machine whose programme has been looked at, with a clock that goes on by waiting.
fn started(name: &str) -> World {
    let world = World::new(name);
    world.write("run/appliance/probe", "0 healthy\n");
    world.write("sys/bus/pci/devices/0000:00:03.0/modalias", "pci:v00001D0Fd0000EC20\n");
    let uptime = world.path("proc/uptime").display().to_string();
    world.program(
        "sleep",
        &format!("read -r s rest < {uptime}; echo \"$((${{s%.*}} + $1)).00 0\" > {uptime}"),
    );
    for tool in ["modprobe", "sysctl"] {
        let calls = world.path("calls").display().to_string();
        world.program(tool, &format!("echo \"{tool} $*\" >> {calls}"));
    }
    world
}

const PLUGGED: &str = "modprobe -a -q -b pci:v00001D0Fd0000EC20";
const SEALED: &str = "sysctl -q -w kernel.modules_disabled=1";

#[test]
fn with_a_card_the_kernel_is_closed_after_all_drivers_have_come() {
    let world = started("sealed");
    world.write("sys/class/net/eth0/device/modalias", "pci:x\n");
    world.write("sys/class/net/lo/ifindex", "1\n");
    assert!(world.run("seal", &[], &[]).status.success());
    assert_eq!(world.read("calls"), format!("{PLUGGED}\n{PLUGGED}\n{SEALED}\n"));
}

#[test]
fn without_a_card_it_is_looked_for_and_then_every_driver_of_one_is_loaded() {
    let world = started("cardless");
    world.write("sys/class/net/lo/ifindex", "1\n");
    assert!(world.run("seal", &[], &[]).status.success());
    let calls = world.read("calls");
    let looks = calls.lines().filter(|line| *line == PLUGGED).count();
    assert_eq!(looks, 17, "{calls}");
    let last: Vec<&str> = calls.lines().rev().take(2).collect();
    assert_eq!(
        last,
        [SEALED, "modprobe -a -q virtio_net ena xen-netfront vmxnet3 hv_netvsc gve"],
        "{calls}"
    );
}

#[test]
fn a_programme_that_does_not_start_keeps_the_kernel_open_for_a_minute_only() {
    let world = started("silent");
    std::fs::remove_file(world.path("run/appliance/probe")).expect("it is there");
    world.write("sys/class/net/eth0/device/modalias", "pci:x\n");
    assert!(world.run("seal", &[], &[]).status.success());
    assert_eq!(world.read("proc/uptime"), "160.00 0\n");
    assert!(world.read("calls").ends_with(&format!("{SEALED}\n")));
}
