//! A machine without a network and with a clock that begins in 1970: on air, and reachable as soon
//! as there is a network.

use crate::machine::{Card, Disk, Machine, Parts, USUAL};
use crate::service::answers_in;
use crate::shell::Shell;
use crate::PATIENCE;

#[test]
fn without_a_network_and_in_1970_it_is_on_air_and_the_network_comes_later() {
    let disk = Disk::open("offline");
    let parts = Parts { card: Card::Unplugged, clock: "1970-01-02", ..USUAL };
    let machine = Machine::start(&disk, parts);
    let shell = Shell::of(&machine, 0);
    shell.on_air_after("true");
    println!("no network, 1970: on air {:.1?} after power-on", machine.power_on.elapsed());
    assert!(shell.screen().contains("page       no network address yet"), "{}", shell.screen());
    // What the disk wrote last is later than 1970, and so is the clock then.
    let year = shell.number("date +%Y");
    assert!((1970..2100).contains(&year), "{year}");
    // Longer than a client that asks a few times only would have gone on.
    let before = shell.service();
    shell.run("sleep 30");
    assert_eq!(machine.get("/api/health"), None, "the plug is not out");
    machine.plug(true);
    assert!(answers_in(&machine));
    println!("reachable {:.1?} after power-on", machine.power_on.elapsed());
    assert!(shell.screen().contains("address    10.0.2.15"), "{}", shell.screen());
    assert_eq!(shell.service(), before, "the programme went on all the time");
    machine.is_played(PATIENCE);
}
