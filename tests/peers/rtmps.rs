//! Pushes and pulls by RTMPS: HAProxy, nginx and stunnel end TLS in front of a real server, with a
//! certificate of the test's own authority. Servers that are not as they should be: `rtmps_faults`.

use crate::authority::Authority;
use crate::machine;
use crate::media::{Media, PLAIN};
use crate::nginx::Nginx;
use crate::program::{text, Program};
use crate::sender::{Schedule, Sender};
use crate::terminators::{Kind, Terminator, Version, KINDS};
use crate::wait::{self, seconds};
use crate::whole::whole_run;

/// Frames that must have come in a row.
const FRAMES_MIN: usize = 1000;

#[test]
fn a_push_by_rtmps_is_what_a_plain_one_is() {
    let media = Media::of(PLAIN);
    let _machine = machine::shared();
    let authority = Authority::new();
    let own = authority.signs("DNS:localhost");
    let nginx = Nginx::start();
    let before = |kind, version| Terminator::start(kind, version, &own, nginx.address());
    let terminators =
        KINDS.map(|kind| [Version::Tls12, Version::Tls13].map(|version| before(kind, version)));
    let ports: Vec<u16> = terminators.iter().flatten().map(Terminator::port).collect();
    let pushes: String = ports
        .iter()
        .map(|port| {
            format!(
                "[[destination]]\nname = \"by-{port}\"\nurl = \"rtmps://localhost:{port}/live\"\n\
                 key = \"pushed-{port}\"\n"
            )
        })
        .collect();
    let authorities = authority.certificate();
    let tls = format!("[tls]\nca_file = \"{}\"\n", authorities.display());
    let mut program = Program::start(&format!("{tls}{pushes}"));
    let live = || {
        let status = program.status();
        let state = |n| text(&status, &format!("/destinations/{n}/state"));
        (0..ports.len()).all(|n| state(n) == "live")
    };
    assert!(wait::holds(seconds(10), live), "{}", program.told());
    let sender = Sender::start(Schedule::of(&media.path), program.udp);
    program.wait_on_air("udp", seconds(3));
    sender.finish();
    program.wait_on_air("standby", seconds(3));
    program.assert_well();
    let status = program.terminate(seconds(5)).expect("it ends on SIGTERM");
    assert!(status.success(), "{status}:\n{}", program.printed());
    assert!(wait::holds(seconds(5), || nginx.push_ended_politely()), "{}", nginx.log());
    let recordings = nginx.recordings();
    assert_eq!(recordings.len(), ports.len(), "one for each, whose connection never broke");
    for pushed in recordings {
        let (before, _) = whole_run("pushed", &pushed, &media.frames, FRAMES_MIN);
        assert!(before > 0, "nginx was live before the source came on air");
    }
}

#[test]
fn a_server_nobody_vouches_for_is_told_and_gets_no_key() {
    let _machine = machine::shared();
    let authority = Authority::new();
    let own = authority.signs("DNS:localhost");
    let nginx = Nginx::start();
    let tls = Terminator::start(Kind::HaProxy, Version::Tls13, &own, nginx.address());
    let program = Program::start(&format!(
        "[[destination]]\nname = \"secure\"\nurl = \"rtmps://localhost:{}/live\"\nkey = \"pushed\"\n",
        tls.port()
    ));
    let words = "its certificate is not signed by a known authority";
    assert!(wait::holds(seconds(10), || program.told().contains(words)), "{}", program.told());
    assert!(!nginx.log().contains("pushed"), "{}", nginx.log());
}

#[test]
fn a_pull_by_rtmps_comes_on_air() {
    let _machine = machine::shared();
    let authority = Authority::new();
    let own = authority.signs("DNS:localhost");
    let origin = Program::start("");
    let tls = Terminator::start(Kind::HaProxy, Version::Tls12, &own, origin.rtmp);
    let mut program = Program::start(&format!(
        "[tls]\nca_file = \"{}\"\n[input.pull]\nurl = \"rtmps://localhost:{}/live/stream\"\n",
        authority.certificate().display(),
        tls.port()
    ));
    program.wait_on_air("pull", seconds(10));
    program.assert_well();
}
