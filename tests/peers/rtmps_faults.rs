//! Servers of RTMPS that are somebody else, broken or hostile, all at once: each push ends in one plain
//! sentence and in time, and neither the programme nor a good server's push notices. What faults a
//! server cannot be made to show, the line to it has.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::authority::{Authority, Signed, Validity};
use crate::frames::{one_run, only_grows};
use crate::haproxy::{free_address, HaProxy};
use crate::machine;
use crate::media::{Media, PLAIN};
use crate::nginx::Nginx;
use crate::player::Player;
use crate::program::{number, text, Program};
use crate::relay::{Fault, Relay};
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

/// What the server's certificates have together, at least.
const LARGE_CHAIN_BYTES: usize = 100 << 10;

/// A server of TLS before another one: for each certificate an address of its own, in their order.
fn terminator(certificates: &[PathBuf], server: SocketAddr) -> (HaProxy, Vec<SocketAddr>) {
    let accepts: Vec<_> = certificates.iter().map(|_| free_address()).collect();
    let binds: String = accepts
        .iter()
        .zip(certificates)
        .map(|(at, pem)| format!(" bind {at} ssl crt {}\n", pem.display()))
        .collect();
    let config = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 2m\n timeout server 2m\n\
         listen tls\n{binds} server rtmp {server}\n"
    );
    (HaProxy::start(&config, &accepts), accepts)
}

/// The certificate with its authority's so often behind it that all are large.
fn large_chain(authority: &Authority, own: &Signed) -> PathBuf {
    let read = |path: &PathBuf| fs::read(path).expect("openssl has made it");
    let above = read(&authority.certificate());
    // In PEM four letters stand for three bytes.
    let times = LARGE_CHAIN_BYTES * 4 / 3 / above.len() + 1;
    let whole = [read(&own.both), above.repeat(times)].concat();
    let path = authority.folder().join("large.pem");
    fs::write(&path, whole).expect("the test's folder");
    path
}

/// A push's name, where it goes, and what it is told to have ended with.
type Case = (&'static str, SocketAddr, &'static str);

fn destinations(cases: &[Case]) -> String {
    let one = |(name, at, _): &Case| {
        let port = at.port();
        format!(
            "[[destination]]\nname = \"{name}\"\nurl = \"rtmps://localhost:{port}/live\"\n\
             key = \"key-of-{name}\"\n"
        )
    };
    cases.iter().map(one).collect()
}

/// The states of all of them, by name.
fn states(program: &Program) -> Vec<(String, String)> {
    let status = program.status();
    let all = status.pointer("/destinations").and_then(serde_json::Value::as_array);
    let of = |one: &serde_json::Value| (text(one, "/name"), text(one, "/state"));
    all.expect("a list").iter().map(of).collect()
}

fn is_live(program: &Program, name: &str) -> bool {
    states(program).contains(&(name.to_owned(), "live".to_owned()))
}

/// The ends of a push that were told, each one line.
fn ends(program: &Program, name: &str) -> Vec<String> {
    let begin = format!("destination {name}: ");
    let told = program.printed();
    let ends = told.lines().filter_map(|line| line.split_once(&begin)).map(|(_, words)| words);
    ends.filter(|words| words.contains("; retrying in")).map(str::to_owned).collect()
}

/// The servers that the pushes go to.
struct Servers {
    nginx: Nginx,
    authority: Authority,
    _haproxy: HaProxy,
    /// By its certificate: a good one, and those that are wrong in one way each.
    good: SocketAddr,
    wrong: [SocketAddr; 6],
    /// Lines that are whole until they are cut.
    lines: [Relay; 3],
}

impl Servers {
    fn start() -> Servers {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let own = authority.signs("DNS:localhost");
        let nginx = Nginx::start();
        let certificates = [
            own.both.clone(),
            authority.signs_for("DNS:localhost", Validity::Past).both,
            authority.signs_for("DNS:localhost", Validity::Future).both,
            authority.signs("DNS:ingest.example.com").both,
            stranger.signs("DNS:localhost").both,
            Signed::by_itself(authority.folder(), "self").both,
            large_chain(&authority, &own),
        ];
        let (haproxy, accepts) = terminator(&certificates, nginx.address());
        let (good, wrong) = accepts.split_first().expect("one for each certificate");
        let lines = [Fault::Close, Fault::Reset, Fault::Damage];
        let lines = lines.map(|fault| Relay::whole(*good, fault));
        let wrong = wrong.try_into().expect("one for each certificate");
        Servers { nginx, authority, _haproxy: haproxy, good: *good, wrong, lines }
    }

    /// Where each push is refused, or given up, in the handshake.
    fn of_the_handshake(&self) -> [Case; 12] {
        let [expired, future, other, unknown, itself, large] = self.wrong;
        let line = |records, fault| Relay::start(self.good, records, fault).address();
        let slow = Fault::Drip(Duration::from_millis(200));
        let late = "the TLS handshake took more than 10000 ms";
        let failed = "the TLS handshake failed";
        [
            (
                "expired",
                expired,
                "certificate expired on 2020-12-31; only its operator can renew it",
            ),
            ("future", future, "is valid from 2090-01-01 on, and this machine's clock says 20"),
            ("other", other, "is for ingest.example.com, not for localhost; correct the server's"),
            ("unknown", unknown, "its certificate is not signed by a known authority"),
            (
                "itself",
                itself,
                "its certificate is an authority's own, such as one that signs itself",
            ),
            ("large", large, "the server's certificates are larger than 64 KiB"),
            ("silent", line(1, Fault::Silence), late),
            ("slow", line(0, slow), late),
            ("closes", line(1, Fault::Close), "closed the connection during the TLS handshake"),
            ("resets", line(1, Fault::Reset), failed),
            ("damages", line(2, Fault::Damage), failed),
            // It waits for more of what it takes for RTMP.
            ("plain", self.nginx.address(), late),
        ]
    }

    /// Those that are live until their lines are cut; what comes byte by byte comes whole.
    fn of_the_stream(&self) -> [Case; 5] {
        let [closing, resetting, damaging] = self.lines.each_ref().map(Relay::address);
        let drips = Relay::start(self.good, 0, Fault::Drip(Duration::ZERO)).address();
        [
            ("good", self.good, ""),
            ("drips", drips, ""),
            ("live-closes", closing, "the peer closed the connection"),
            ("live-resets", resetting, "connection reset by peer"),
            ("live-damages", damaging, "the data was damaged on the way"),
        ]
    }
}

/// Asserts that each push with words to wait for has ended with them in time.
fn are_told(program: &Program, cases: &[Case], limit: Duration) {
    for (name, _, words) in cases.iter().filter(|(.., words)| !words.is_empty()) {
        let told = || ends(program, name).iter().any(|end| end.contains(words));
        let is_told = wait::holds(limit, told);
        assert!(is_told, "{name}: {:?}\n{}", ends(program, name), program.told());
    }
}

#[test]
fn each_bad_server_ends_in_one_sentence_and_disturbs_nobody() {
    let media = Media::of(PLAIN);
    let _machine = machine::alone();
    let servers = Servers::start();
    let (handshake, stream) = (servers.of_the_handshake(), servers.of_the_stream());
    let mut program = Program::start(&format!(
        "[rtmp]\ndestinations_max = 20\n[tls]\nca_file = \"{}\"\n{}{}",
        servers.authority.certificate().display(),
        destinations(&stream),
        destinations(&handshake),
    ));
    let sender = Sender::start(Schedule::of(&media.path), program.udp);
    program.wait_on_air("udp", seconds(5));
    let viewer = Player::start(program.rtmp, "stream");
    // The step's ten seconds, and as much for its turn behind those that are silent.
    are_told(&program, &handshake, seconds(20));
    for (name, ..) in stream {
        assert!(wait::holds(seconds(15), || is_live(&program, name)), "{name}: {}", program.told());
    }
    servers.lines.iter().for_each(Relay::cut);
    are_told(&program, &stream, seconds(5));
    for name in ["good", "drips"] {
        assert!(is_live(&program, name), "{}", program.told());
        assert_eq!(ends(&program, name), Vec::<String>::new());
    }
    let status = program.status();
    let [peak, limit] =
        ["peak", "limit"].map(|which| number(&status, &format!("/memory/heap_{which}_bytes")));
    assert!(peak < limit * 7 / 8, "{peak} of {limit} bytes of heap");
    sender.finish();
    program.assert_well();
    let seen = viewer.stop().frames;
    only_grows("the viewer", &seen.video);
    one_run("the viewer's video", &seen.video, &media.frames.video, 900);
}
