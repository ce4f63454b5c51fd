//! HAProxy in front, with the PROXY protocol before RTMP and with a certificate before the page, as
//! the manual sets it up: who comes through it is known by his own address, and has the rights that
//! go with that one. It connects from 127.0.0.2, clients from 127.0.7.x and 127.0.8.x.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::authority::Signed;
use crate::child::output_of;
use crate::encoder::Encoder;
use crate::haproxy::{free_address, of_the_manual, HaProxy};
use crate::machine;
use crate::player::Player;
use crate::program::{number, text, Folder, Program};
use crate::wait::{self, seconds};

const HERE: [u8; 4] = [127, 0, 0, 1];
const PROXY: [u8; 4] = [127, 0, 0, 2];
const STRANGER: [u8; 4] = [127, 0, 0, 3];
const KEY: &str = "correct-horse-battery";

const FROM: &str = "[proxy]\nfrom = [\"127.0.0.2\"]\n";
/// The password is `password`.
const PASSWORD: &str = "[http]\npassword_hash = \
     \"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\"\n";

/// HAProxy with the manual's configuration before a program of this machine.
struct Front {
    /// Where it takes RTMP.
    rtmp: SocketAddr,
    /// Where it takes the page's HTTPS.
    page: SocketAddr,
    tool: HaProxy,
    _folder: Folder,
}

impl Front {
    fn start(program: &Program, header: &str) -> Front {
        let folder = Folder::new();
        let (rtmp, page) = (free_address(), free_address());
        let pem = certificate(&folder);
        let of_server = |at: SocketAddr, more: &str| format!("{at} source 127.0.0.2 {more}");
        let mut config = of_the_manual(1);
        for (line, here) in [
            (":1935\n", format!("{rtmp}\n")),
            (":443 ssl crt /etc/haproxy/page.pem", format!("{page} ssl crt {pem}")),
            (
                "streamcaster.example.com:1935 check send-proxy-v2",
                of_server(program.rtmp, &format!("check inter 200ms {header}")),
            ),
            ("streamcaster.example.com:8080", of_server(program.http, "")),
        ] {
            assert!(config.contains(line), "{line} is not in:\n{config}");
            config = config.replace(line, &here);
        }
        let tool = HaProxy::start(&config, &[rtmp, page]);
        Front { rtmp, page, tool, _folder: folder }
    }
}

/// A certificate for localhost that signs itself, with its key in one file.
fn certificate(folder: &Folder) -> String {
    let pem = Signed::by_itself(folder.path(), "own").both;
    pem.to_str().expect("a path in UTF-8").to_owned()
}

fn refusals(program: &Program) -> Vec<(String, String)> {
    let status = program.status();
    let listed = status.pointer("/rtmp/refusals").and_then(Value::as_array);
    let seen = |one: &Value| (text(one, "/code"), text(one, "/address"));
    listed.expect("a list").iter().map(seen).collect()
}

fn is_refused(program: &Program, code: &str, address: &str) {
    let wanted = (code.to_owned(), address.to_owned());
    let seen = wait::holds(seconds(10), || refusals(program).contains(&wanted));
    assert!(seen, "{wanted:?} is not in {:?}\n{}", refusals(program), program.printed());
}

/// Publishes nothing from an address, and is refused with a code for that address.
fn is_no_publisher(program: &Program, to: SocketAddr, last: u8, code: &str) {
    let encoder = Encoder::start(to, [127, 0, 7, last], "stream", None);
    assert!(wait::holds(seconds(10), || encoder.told().end.is_some()), "{}", program.told());
    assert!(!encoder.told().accepted, "{}", program.told());
    is_refused(program, code, &format!("127.0.7.{last}"));
}

/// A text of the status, once it begins like this.
fn told(program: &Program, pointer: &str, start: &str) -> String {
    let known = wait::poll(seconds(10), || {
        Some(text(&program.status(), pointer)).filter(|text| text.starts_with(start))
    });
    known.unwrap_or_else(|| panic!("no {pointer} {start}: {}", program.told()))
}

fn publishes(program: &Program, to: SocketAddr, from: [u8; 4], name: &str) -> Encoder {
    let encoder = Encoder::start(to, from, name, None);
    assert!(wait::holds(seconds(10), || encoder.told().accepted), "{}", program.told());
    encoder
}

#[test]
fn who_plays_and_publishes_through_haproxy_is_known_by_his_own_address() {
    let _machine = machine::shared();
    for header in ["send-proxy", "send-proxy-v2"] {
        let mut program = Program::start(&format!("{FROM}[input.rtmp]\nkey = \"{KEY}\"\n"));
        let front = Front::start(&program, header);
        let player = Player::start_from([127, 0, 7, 1], front.rtmp, "stream");
        let plays = wait::holds(seconds(10), || player.video_frames() > 0);
        assert!(plays, "{}\n{}", program.told(), front.tool.output());
        let viewer = told(&program, "/viewers/0/address", "127.0.7.1:");
        assert!(program.printed().contains(&format!("{viewer} plays")), "{}", program.printed());

        is_no_publisher(&program, front.rtmp, 2, "wrong_key");
        let here = publishes(&program, program.rtmp, HERE, "stream");
        let by_key = publishes(&program, front.rtmp, [127, 0, 7, 3], KEY);
        told(&program, "/publisher/address", "127.0.7.3:");
        drop((here, by_key));

        // HAProxy's own questions are connections like others, and no mistakes.
        let asked = number(&program.status(), "/rtmp/accepted");
        let more = || number(&program.status(), "/rtmp/accepted") >= asked + 5;
        assert!(wait::holds(seconds(10), more), "{}", program.told());
        assert_eq!(number(&program.status(), "/rtmp/protocol_errors"), 0, "{}", program.told());
        let got = player.video_frames();
        assert!(wait::holds(seconds(5), || player.video_frames() > got), "{}", program.told());
        program.assert_well();
    }
}

#[test]
fn nobody_publishes_without_a_key_because_the_proxy_is_on_this_machine() {
    let _machine = machine::shared();
    let program = Program::start(FROM);
    let front = Front::start(&program, "send-proxy-v2");
    is_no_publisher(&program, front.rtmp, 4, "key_not_set");
    publishes(&program, program.rtmp, HERE, "stream");
}

#[test]
fn the_viewers_of_one_client_do_not_take_the_last_seat_of_another() {
    let _machine = machine::shared();
    let program = Program::start(&format!("{FROM}[rtmp]\nviewers_max = 4\n"));
    let front = Front::start(&program, "send-proxy-v2");
    let watches = |last| {
        let player = Player::start_from([127, 0, 7, last], front.rtmp, "stream");
        let plays = wait::holds(seconds(10), || player.video_frames() > 0);
        assert!(plays, "127.0.7.{last}: {}", program.told());
        player
    };
    let _own = [(); 3].map(|()| watches(5));
    let _fourth = Player::start_from([127, 0, 7, 5], front.rtmp, "stream");
    is_refused(&program, "too_many_from_address", "127.0.7.5");
    watches(6);
}

/// Connects from an address of this machine.
fn connect(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address of this machine");
    socket.connect(&to.into()).expect("the RTMP port accepts");
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(seconds(30))).expect("a timeout");
    stream
}

/// Sends bytes and waits to be closed without an answer.
fn is_closed_upon(from: [u8; 4], to: SocketAddr, bytes: &[u8]) {
    let mut stream = connect(from, to);
    stream.write_all(bytes).expect("room in the socket");
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(answer, b"", "{bytes:?} is answered");
}

fn handshake() -> Vec<u8> {
    let mut hello = vec![0; 1537];
    hello.splice(..1, [3]);
    hello
}

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

#[test]
fn what_is_no_header_of_a_proxy_is_refused_and_shown() {
    let mut program = Program::start(FROM);
    let (hello, line) = (handshake(), &b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 1935\r\n"[..]);
    is_closed_upon(PROXY, program.rtmp, &hello);
    is_refused(&program, "no_proxy_header", "127.0.0.2");
    let endless = [b"PROXY ", &[b'x'; 200][..]].concat();
    let unix = [V2, b"\x21\x31\0\xd8", &[0; 216]].concat();
    for (header, why) in [
        (&b"PROXY TCP4 192.0.2.7\r\n"[..], "malformed"),
        (&endless, "107 bytes"),
        (&unix, "did not come by TCP"),
        (&[V2, b"\x21\x11\0\x04abcd"].concat(), "cut off"),
        (&[V2, b"\x21\x11\xff\xff"].concat(), "longer than"),
    ] {
        is_closed_upon(PROXY, program.rtmp, header);
        let told = || text(&program.status(), "/rtmp/refusals/0/text").contains(why);
        assert!(wait::holds(seconds(10), told), "{why}: {}", program.told());
    }
    is_refused(&program, "bad_proxy_header", "127.0.0.2");
    // One that does not come whole is not waited for without end.
    for start in [&line[..20], V2, b"\r"] {
        is_closed_upon(PROXY, program.rtmp, start);
    }
    for header in [line, &[V2, b"\x20\0\0\0"].concat()] {
        is_closed_upon(STRANGER, program.rtmp, &[header, &hello].concat());
    }
    is_refused(&program, "proxy_header", "127.0.0.3");
    // Each is counted.
    let errors = 1 + 5 + 3 + 2;
    let counted = || number(&program.status(), "/rtmp/protocol_errors");
    assert!(wait::holds(seconds(10), || counted() == errors), "{}", program.told());
    for once in [
        "127.0.0.3 was refused: it sent a PROXY header, and is not in [proxy] from",
        "127.0.0.2 was refused: its PROXY header cannot be read",
        "127.0.0.2 was refused: it is in [proxy] from",
    ] {
        program.wait_printed(once);
        assert_eq!(program.printed().matches(once).count(), 1, "{}", program.printed());
    }

    // Byte by byte, with another client's protocol right behind it: it is answered.
    for header in [line, &[V2, b"\x20\0\0\0"].concat()] {
        let mut stream = connect(PROXY, program.rtmp);
        for byte in [header, &hello].concat() {
            stream.write_all(&[byte]).expect("room in the socket");
        }
        let mut version = [0];
        stream.read_exact(&mut version).expect("an answer");
        assert_eq!(version, [3]);
    }
    // Who only looks whether the port is open does nothing wrong.
    let accepted = number(&program.status(), "/rtmp/accepted");
    drop(connect(PROXY, program.rtmp));
    let came = || number(&program.status(), "/rtmp/accepted") > accepted;
    assert!(wait::holds(seconds(10), came), "{}", program.told());
    assert_eq!(counted(), errors);
    program.assert_well();
}

/// curl from an address of this machine: the answer's head and body.
fn curl(last: u8, url: &str, more: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--include", "--max-time", "20", "--noproxy", "*"]);
    curl.args(["--interface", &format!("127.0.8.{last}")]).args(more).arg(url);
    output_of(&mut curl).1
}

fn log_in(last: u8, page: &str, password: &str) -> String {
    let body = format!("{{\"password\":\"{password}\"}}");
    let json = "Content-Type: application/json";
    curl(last, &format!("{page}/api/login"), &["--header", json, "--data", &body])
}

fn answers(told: &str, status: u16) -> bool {
    told.split(' ').nth(1) == Some(&status.to_string())
}

#[test]
fn the_page_behind_haproxys_certificate_knows_its_clients() {
    let mut program = Program::start(&format!("{FROM}{PASSWORD}"));
    let front = Front::start(&program, "send-proxy-v2");
    let page = format!("https://{}", front.page);
    let session = curl(1, &format!("{page}/api/session"), &[]);
    assert!(session.contains("\"secure\":true"), "{session}\n{}", front.tool.output());
    for _ in 0..3 {
        let told = log_in(1, &page, "wrong");
        assert!(answers(&told, 401), "{told}");
    }
    let other = log_in(2, &page, "wrong");
    assert!(answers(&other, 401), "another client has its own tries: {other}");
    let waits = (0..20).any(|_| answers(&log_in(1, &page, "wrong"), 429));
    assert!(waits, "{}", program.printed());
    program.wait_printed("from 127.0.8.1: refused");
    // Strangers together may have to wait as well.
    let inside = wait::poll(seconds(20), || {
        Some(log_in(3, &page, "password")).filter(|told| answers(told, 200))
    });
    let inside = inside.expect("the password");
    assert!(inside.contains("; Secure"), "{inside}");
    program.assert_well();
}

#[test]
fn the_page_behind_a_header_knows_its_clients() {
    let mut program = Program::start(&format!("{FROM}{PASSWORD}"));
    let (one, two) = (free_address(), free_address());
    let at = program.http;
    let config = format!(
        "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1m\n    timeout server \
         1m\nlisten one\n    bind {one}\n    server s {at} source 127.0.0.2 send-proxy\n\
         listen two\n    bind {two}\n    server s {at} source 127.0.0.2 send-proxy-v2\n"
    );
    let proxy = HaProxy::start(&config, &[one, two]);
    for (last, address) in [(4, one), (5, two)] {
        let told = log_in(last, &format!("http://{address}"), "wrong");
        assert!(answers(&told, 401), "{told}\n{}", proxy.output());
        program.wait_printed(&format!("from 127.0.8.{last}: refused"));
    }
    program.assert_well();
}
