//! Pushes and pulls by RTMPS: HAProxy ends TLS in front of a real nginx, with a certificate of the
//! test's own authority.

use std::net::SocketAddr;

use crate::authority::{Authority, Signed};
use crate::haproxy::{free_address, HaProxy};
use crate::machine;
use crate::media::{Media, PLAIN};
use crate::nginx::Nginx;
use crate::program::Program;
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};
use crate::whole::whole_run;

/// Frames that must have come in a row.
const FRAMES_MIN: usize = 1000;

/// HAProxy, which speaks TLS of these versions at `at` and passes on what is in it.
fn tls_before(own: &Signed, at: SocketAddr, server: &str, versions: &str) -> HaProxy {
    let server = server.strip_prefix("rtmp://").and_then(|rest| rest.split('/').next());
    let (server, own) = (server.expect("an address"), own.both.display());
    let config = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\n\
         listen tls\n bind {at} ssl crt {own} {versions}\n server rtmp {server}\n"
    );
    HaProxy::start(&config, &[at])
}

#[test]
fn a_push_by_rtmps_is_what_a_plain_one_is() {
    let media = Media::of(PLAIN);
    let _machine = machine::shared();
    let authority = Authority::new();
    let own = authority.signs("DNS:localhost");
    for versions in ["ssl-min-ver TLSv1.3", "ssl-max-ver TLSv1.2"] {
        let (nginx, at) = (Nginx::start(), free_address());
        let _tls = tls_before(&own, at, &nginx.url(), versions);
        let mut program = Program::start(&format!(
            "[tls]\nca_file = \"{}\"\n[[destination]]\nname = \"secure\"\n\
             url = \"rtmps://localhost:{}/live\"\nkey = \"pushed\"\n",
            authority.certificate().display(),
            at.port()
        ));
        program.wait_destination("live", seconds(10));
        let sender = Sender::start(Schedule::of(&media.path), program.udp);
        program.wait_on_air("udp", seconds(3));
        sender.finish();
        program.wait_on_air("standby", seconds(3));
        program.assert_well();
        let status = program.terminate(seconds(5)).expect("it ends on SIGTERM");
        assert!(status.success(), "{status}:\n{}", program.printed());
        assert!(wait::holds(seconds(5), || nginx.push_ended_politely()), "{}", nginx.log());
        let pushed = nginx.recordings().pop().expect("nginx recorded the push");
        let (before, _) = whole_run(versions, &pushed, &media.frames, FRAMES_MIN);
        assert!(before > 0, "nginx was live before the source came on air");
    }
}

#[test]
fn a_server_nobody_vouches_for_is_told_and_gets_no_key() {
    let _machine = machine::shared();
    let authority = Authority::new();
    let own = authority.signs("DNS:localhost");
    let (nginx, at) = (Nginx::start(), free_address());
    let _tls = tls_before(&own, at, &nginx.url(), "ssl-min-ver TLSv1.2");
    let program = Program::start(&format!(
        "[[destination]]\nname = \"secure\"\nurl = \"rtmps://localhost:{}/live\"\nkey = \"pushed\"\n",
        at.port()
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
    let at = free_address();
    let _tls = tls_before(&own, at, &format!("rtmp://{}/live", origin.rtmp), "ssl-min-ver TLSv1.2");
    let mut program = Program::start(&format!(
        "[tls]\nca_file = \"{}\"\n[input.pull]\nurl = \"rtmps://localhost:{}/live/stream\"\n",
        authority.certificate().display(),
        at.port()
    ));
    program.wait_on_air("pull", seconds(10));
    program.assert_well();
}
