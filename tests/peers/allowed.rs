//! Networks that may connect: who comes from elsewhere is closed, counted, and said once. A proxy names
//! the clients: everything else here is of this machine itself, which always may.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use test_support::peers::http::{Answer, Request};

use crate::program::{number, Program};
use crate::wait::{self, seconds};

const CONFIG: &str = "[proxy]\nfrom = [\"127.0.0.2\"]\n\
                      [rtmp]\nallow = [\"192.0.2.0/24\"]\n\
                      [http]\nallow = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n\
                      password_hash = \"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$\
                      nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\"\n\
                      [stat]\nallow = [\"198.51.100.7\"]\n";

/// A connection through the proxy for a client.
fn through(to: SocketAddr, client: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).expect("an address of loopback");
    socket.connect(&to.into()).expect("it listens");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(seconds(20))).expect("a socket");
    let kind = if client.contains(':') { "TCP6" } else { "TCP4" };
    let header = format!("PROXY {kind} {client} {client} 4711 1935\r\n");
    stream.write_all(header.as_bytes()).expect("room in the socket");
    stream
}

/// What a program answers to the bytes of a client; nothing where it closes.
fn answered(to: SocketAddr, client: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = through(to, client);
    // It may have closed already.
    let _ = stream.write_all(bytes);
    let mut answer = vec![0; 64];
    let read = stream.read(&mut answer).unwrap_or(0);
    answer.truncate(read);
    answer
}

/// The state, as this machine itself is answered with the token.
fn status(program: &Program) -> Value {
    let (_, body) = program.ask("GET", "/api/status", "").expect("an answer");
    serde_json::from_str(&body).expect("JSON")
}

#[test]
fn who_is_not_of_an_allowed_network_is_closed_counted_and_said_once() {
    let program = Program::start(CONFIG);
    let hello = [&[3][..], &[0; 1536]].concat();
    for _ in 0..3 {
        assert!(answered(program.rtmp, "203.0.113.9", &hello).is_empty());
    }
    assert_eq!(answered(program.rtmp, "192.0.2.9", &hello).first(), Some(&3));
    let refused = || number(&status(&program), "/rtmp/refused") == 3;
    assert!(wait::holds(seconds(10), refused), "{}", program.printed());
    let may = |to, path: &str, client| {
        let mut stream = through(to, client);
        Request::get(path).field("Host", "a").write(&mut stream).expect("room in the socket");
        let answer = Answer::read(&mut stream).expect("an answer");
        assert!([200, 503, 403].contains(&answer.status), "{answer:?}");
        answer.status != 403
    };
    for (client, page, statistics) in [
        ("192.0.2.9", true, false),
        ("2001:db8::9", true, false),
        ("198.51.100.7", false, true),
        ("203.0.113.9", false, false),
        // Whom a proxy calls so is not this machine.
        ("127.0.0.1", false, false),
    ] {
        assert_eq!(may(program.http, "/api/health", client), page, "{client}");
        assert_eq!(may(program.stat, "/health", client), statistics, "{client}");
    }
    // This machine itself, without a proxy: its status has been read all along.
    let counted = number(&status(&program), "/http/refused");
    assert_eq!(counted, 7, "{}", program.printed());
    for once in ["its network is not in [rtmp] allow", "Your network is not among those"] {
        program.wait_printed(once);
        assert_eq!(program.printed().matches(once).count(), 1, "{}", program.printed());
    }
}
