//! A machine without a network and with a clock that begins in 1970: on air, and reachable as soon
//! as there is a network.

use crate::machine::{Card, Disk, Machine, Parts, USUAL};
use crate::service::answers_in;
use crate::shell::Shell;
use crate::{clock, PATIENCE};

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
    clock::is_set_by_right_answers_only(&machine, &shell);
    without_a_password_one_is_made(&machine, &shell);
}

/// The configuration lost its password: the next start makes one, which the console shows.
fn without_a_password_one_is_made(machine: &Machine, shell: &Shell<'_>) {
    shell.run(
        "printf '# mine\\n[programme]\\nsilence_ms = 640 # short\\n' > /run/appliance/own; \
         . /usr/lib/appliance/functions; put_theirs config.toml < /run/appliance/own",
    );
    // Until then no address is shown, but what to do.
    shell.run("/usr/lib/appliance/name");
    let screen = shell.screen();
    assert!(screen.contains("page       nobody can open it: there is no password"), "{screen}");
    assert!(screen.contains("what to do restart this machine"), "{screen}");
    shell.on_air_after(
        "pid=$(cat /run/appliance/service.pid); kill $(pidof service); kill -KILL $pid; sleep 3",
    );
    let screen = shell.screen();
    let word = |label: &str| {
        let line = screen.lines().find(|line| line.trim_start().starts_with(label));
        let line = line.unwrap_or_else(|| panic!("no {label}: {screen}"));
        line.split_ascii_whitespace().next_back().expect("a word").to_owned()
    };
    let (password, address) = (word("password"), word("set up"));
    let config = shell.run("cat /data/config.toml");
    for line in ["# mine", "silence_ms = 640 # short", "[http]"] {
        assert!(config.lines().any(|own| own.trim() == line), "{config}");
    }
    let code = address.split_once("#setup=").expect("a code").1;
    let told = machine.say("POST", "/api/setup", &format!("{{\"code\":\"{code}\"}}"));
    assert!(told.as_ref().is_some_and(|told| told.contains(&password)), "{told:?}");
    let body = format!("{{\"password\":\"{password}\"}}");
    let let_in = machine.say("POST", "/api/login", &body).unwrap_or_default();
    assert!(let_in.contains(" 200 "), "{let_in}");
}
