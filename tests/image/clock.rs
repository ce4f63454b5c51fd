//! The clock by the network: which answers set it and which do not.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::machine::Machine;
use crate::shell::Shell;
use crate::time_server::{Answer, TimeServer};
use crate::wait::holds;
use crate::PATIENCE;

/// What must not be believed, and what is said of it.
const WRONG: [(Answer, &str); 7] = [
    (Answer::Short, "the answer is too short"),
    (Answer::Refusal, "the server refuses: DENY"),
    (Answer::Unsynchronised, "the server does not know the time"),
    (Answer::NoServer, "the answer is not a time server's"),
    // Passed over: the one that was asked may still answer.
    (Answer::Stranger, "no answer"),
    (Answer::Held, "the answer contains no time"),
    (Answer::Empty, "the answer contains no time"),
];
/// Half of the longest round trip that is believed (appliance/ntp.rs, CLOCK_ROUND_TRIP_MS_MAX), and the
/// second that `date` cuts off.
const OFF_S: u64 = 2;

/// Has the appliance ask a time server that it got by DHCP, at once and not when its next try is due.
pub fn is_set_by(server: &TimeServer, shell: &Shell<'_>) {
    shell.run(&format!("echo {} > /run/appliance/ntp; kill $(pidof clock)", server.address));
    let unset = "[ ! -e /run/appliance/clock.warning ]; echo $?";
    assert!(holds(PATIENCE, || shell.run(unset) == "0"), "{}", shell.run("dmesg | tail -n 20"));
}

/// On a machine whose clock nobody has set yet.
pub fn is_set_by_right_answers_only(machine: &Machine, shell: &Shell<'_>) {
    let server = TimeServer::start();
    // As the appliance's own script asks.
    let ask = format!(
        "streamcaster as --keep sys_time clock streamcaster clock --server {}; echo =$?",
        server.address
    );
    let before = shell.number("date +%s");
    for (answer, why) in WRONG {
        server.answers(answer);
        let said = shell.run(&ask);
        assert!(said.contains(why), "{answer:?}: {said}");
        assert!(!said.ends_with("=0"), "{answer:?}: {said}");
    }
    let lied_s = shell.number("date +%s") - before;
    assert!(lied_s < 86_400, "a wrong answer moved the clock by {lied_s} s");
    let warning = "clock      not set yet: no time server has answered";
    assert!(shell.screen().contains(warning), "{}", shell.screen());
    let is_told = || {
        let health = machine.ask_in("GET", "/api/health", "").unwrap_or_default();
        health.contains("no time server has answered since the start")
    };
    assert!(holds(PATIENCE, is_told), "{:?}", machine.ask_in("GET", "/api/health", ""));

    server.answers(Answer::Right);
    is_set_by(&server, shell);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (from, set, until) = (now(), shell.number("date +%s"), now());
    assert!((from - OFF_S..=until + OFF_S).contains(&set), "{set} is not in {from}..={until}");
    assert!(!shell.screen().contains("  clock "), "{}", shell.screen());
    assert!(holds(PATIENCE, || !is_told()), "{:?}", machine.ask_in("GET", "/api/health", ""));
    println!("clock: seven answers not believed, one set it from {before} to {set}");
}
