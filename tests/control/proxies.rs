//! Proxies in front of the control plane: whom their connections and requests count for, and that
//! nobody else is believed. The proxy is 127.0.0.2 and 127.0.0.4, a stranger 127.0.0.3.

use super::auth::{alone, guarded_options};
use super::*;

const PROXY: [u8; 4] = [127, 0, 0, 2];
const OTHER_PROXY: [u8; 4] = [127, 0, 0, 4];
const STRANGER: [u8; 4] = [127, 0, 0, 3];

fn proxies() -> Proxies {
    let networks = ["127.0.0.2", "127.0.0.4"].map(|text| text.parse().expect("an address"));
    Proxies::new(&networks)
}

/// Behind the proxies, without a password.
fn open() -> ControlHandle {
    let board = Board::default();
    board.publish(snapshot());
    start(ControlOptions { proxies: proxies(), ..options(ANY, ANY, board) }).expect("two ports")
}

/// Behind the proxies, with the password `password`.
fn guarded() -> ControlHandle {
    let options = guarded_options(Box::new(|_| Ok(())));
    start(ControlOptions { proxies: proxies(), ..options }).expect("two free ports")
}

/// The line of version 1 for a client.
fn v1(client: &str) -> Vec<u8> {
    let family = if client.contains(':') { "TCP6" } else { "TCP4" };
    let to = if client.contains(':') { "::1" } else { "192.0.2.1" };
    format!("PROXY {family} {client} {to} 4711 8080\r\n").into_bytes()
}

/// The header of version 2 for a client, with what AWS puts behind the addresses.
fn v2(client: [u8; 4]) -> Vec<u8> {
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let block =
        [&client[..], &[192, 0, 2, 1, 0x12, 0x67, 0x1f, 0x90], b"\xea\0\x03\x01ab"].concat();
    let length = u16::try_from(block.len()).expect("short").to_be_bytes();
    [&signature[..], &[0x21, 0x11], &length, &block].concat()
}

/// The header of version 2 of a proxy's own question.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn request(path: &str, fields: &str) -> Vec<u8> {
    written(&Request::get(path).fields(fields).field("Host", "127.0.0.1")).into_bytes()
}

/// Sends bytes from an address and reads the answer until the close.
fn say_from(from: [u8; 4], to: SocketAddr, bytes: &[u8]) -> String {
    answer_of(&mut connect_from(from, to), bytes)
}

fn log_in(password: &str, fields: &str) -> Vec<u8> {
    post("/api/login", fields, &format!("{{\"password\":\"{password}\"}}")).into_bytes()
}

fn is_logged(words: &str) -> bool {
    logs().since(None, 512).iter().any(|line| line.text.contains(words))
}

#[test]
fn nobody_has_this_machines_rights_through_a_proxy() {
    let control = open();
    let asked = |from, header: &[u8], fields: &str| {
        let bytes = [header, &request("/api/status", fields)].concat();
        status(&say_from(from, control.http(), &bytes))
    };
    assert_eq!(asked([127, 0, 0, 1], b"", ""), 200, "this machine itself");
    assert_eq!(asked(STRANGER, b"", ""), 200, "which is all of 127.0.0.0/8 but the proxies");
    let for_another = "X-Forwarded-For: 127.0.0.1\r\n";
    assert_eq!(asked(STRANGER, b"", for_another), 403);
    for header in [
        &b""[..],
        &v1("192.0.2.7"),
        &v1("127.0.0.1"),
        &v1("::1"),
        &v2([127, 0, 0, 1]),
        LOCAL,
        b"PROXY UNKNOWN\r\n",
    ] {
        for fields in ["", for_another, "Forwarded: for=127.0.0.1\r\n", "X-Real-IP: 127.0.0.1\r\n"]
        {
            assert_eq!(asked(PROXY, header, fields), 403, "{header:?} {fields}");
        }
    }
    let health = [&v1("192.0.2.7")[..], &request("/health", "")].concat();
    assert_eq!(status(&say_from(PROXY, control.stat(), &health)), 200, "8081 as well");
    assert_eq!(status(&say_from(PROXY, control.stat(), &request("/health", ""))), 200);
}

#[test]
fn the_probes_token_is_good_beside_a_proxy_and_not_through_it() {
    let (control, _alone) = (guarded(), alone());
    let bearer = "Authorization: Bearer a-token-of-the-probe\r\n";
    let asked = |header: &[u8], fields: &str| {
        let bytes = [header, &request("/api/status", &format!("{bearer}{fields}"))].concat();
        status(&say_from(PROXY, control.http(), &bytes))
    };
    assert_eq!(asked(b"", ""), 200);
    assert_eq!(asked(&v1("192.0.2.7"), ""), 401);
    assert_eq!(asked(&v1("127.0.0.1"), ""), 401);
    assert_eq!(asked(b"", "X-Forwarded-For: 127.0.0.1\r\n"), 401);
}

#[test]
fn headers_are_read_however_they_come() {
    let (control, _alone) = (guarded(), alone());
    for (number, header) in [v1("192.0.2.10"), v2([192, 0, 2, 11])].into_iter().enumerate() {
        let mut stream = connect_from(PROXY, control.http());
        stream.set_nodelay(true).expect("an option");
        for byte in [&header[..], &log_in("Password", "")].concat() {
            stream.write_all(&[byte]).expect("room in the socket");
        }
        let answer = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
        assert_eq!(status(&answer), 401, "{answer}");
        let from = format!("from 192.0.2.1{number}: refused");
        assert!(is_logged(&from), "{from} is not in the log");
    }
    // Letters that could have been a header's.
    let mut stream = connect_from(PROXY, control.http());
    stream.set_nodelay(true).expect("an option");
    for byte in log_in("Password", "X-Forwarded-For: 2001:db8::12\r\n") {
        stream.write_all(&[byte]).expect("room in the socket");
    }
    assert_eq!(status(&String::from_utf8_lossy(&rest(&mut stream))), 401);
    assert!(is_logged("from 2001:db8::12: refused"));
}

/// A log-in with a wrong password, for a client.
type Way<'a> = &'a dyn Fn(&str) -> Vec<u8>;

#[test]
fn wrong_passwords_count_for_the_client_and_not_for_its_proxy() {
    let _alone = alone();
    let by_header = |client: &str| [&v1(client)[..], &log_in("Password", "")].concat();
    let by_field = |client: &str| log_in("Password", &format!("X-Forwarded-For: {client}\r\n"));
    let by_element = |client: &str| log_in("Password", &format!("Forwarded: for={client}\r\n"));
    let ways: [Way<'_>; 3] = [&by_header, &by_field, &by_element];
    for bytes in ways {
        let control = guarded();
        let tried = |from, client| status(&say_from(from, control.http(), &bytes(client)));
        for from in [PROXY, OTHER_PROXY, PROXY] {
            assert_eq!(tried(from, "192.0.2.7"), 401);
        }
        assert_eq!(tried(PROXY, "192.0.2.8"), 401, "another has its own tries");
        let refused = (0..20).any(|_| tried(OTHER_PROXY, "192.0.2.7") == 429);
        assert!(refused, "whichever proxy it comes by");
    }
    // What a client says of itself does not help it.
    let control = guarded();
    let refused = (0..20).any(|number| {
        let list = format!("198.51.100.{number}, 192.0.2.7");
        status(&say_from(PROXY, control.http(), &by_field(&list))) == 429
    });
    assert!(refused);
}

#[test]
fn a_header_of_somebody_else_is_refused_and_said() {
    let control = open();
    for header in [v1("127.0.0.1"), v2([127, 0, 0, 1]), LOCAL.to_vec(), b"PROXY junk\r\n".to_vec()]
    {
        let bytes = [&header[..], &request("/api/status", "")].concat();
        let answer = say_from(STRANGER, control.http(), &bytes);
        assert_eq!(status(&answer), 400, "{answer}");
        assert!(answer.contains("[proxy] from"), "{answer}");
    }
    assert!(is_logged("refused 127.0.0.3: A PROXY header"));
    // Only at the beginning of a connection.
    let mut twice = v1("192.0.2.7");
    twice.extend(v1("127.0.0.1"));
    twice.extend(request("/api/status", ""));
    assert_eq!(status(&say_from(PROXY, control.http(), &twice)), 400);
}

#[test]
fn headers_that_are_none_are_refused_and_said() {
    let control = open();
    let unix = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8"[..], &[0; 216]].concat();
    for (header, why) in [
        (&b"PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n"[..], "malformed"),
        (&[b"PROXY ", &[b'x'; 107][..]].concat(), "107 bytes"),
        (&unix, "did not come by TCP"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04abcd", "cut off"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", "longer than"),
        (b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0", "neither 1 nor 2"),
    ] {
        let answer = say_from(PROXY, control.http(), header);
        assert_eq!(status(&answer), 400, "{answer}");
        assert!(answer.contains(why), "{answer}");
    }
    let turned_away = control_use(&control, "refused");
    assert!(turned_away >= 6, "{turned_away}");
    // One that does not come whole is waited for, and not for ever.
    let mut halves = [&b"PROXY TCP4 192.0"[..], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"]
        .map(|half| (half, connect_from(PROXY, control.http())));
    for (half, stream) in &mut halves {
        stream.write_all(half).expect("room in the socket");
    }
    let mut silent = connect_from(PROXY, control.http());
    for (_, mut stream) in halves {
        assert_eq!(status(&String::from_utf8_lossy(&rest(&mut stream))), 408);
    }
    assert_eq!(rest(&mut silent), b"", "who said nothing is told nothing");
}

/// One of the gate's numbers.
fn control_use(control: &ControlHandle, name: &str) -> u64 {
    let answer = get(control.http(), "/api/status", "");
    let told: serde_json::Value = serde_json::from_str(body(&answer)).expect("JSON");
    let number = told.pointer(&format!("/http/{name}")).and_then(serde_json::Value::as_u64);
    number.unwrap_or_else(|| unreachable!("no /http/{name} in {told}"))
}

#[test]
fn a_proxy_may_hold_all_seats_and_a_client_its_share() {
    let control = open();
    // Each has asked once and is kept: nobody has to be waited for.
    let asks = |client: &str| {
        let mut stream = connect_from(PROXY, control.http());
        stream.write_all(&v1(client)).expect("room in the socket");
        Request::get("/api/health").kept().write(&mut stream).expect("room in the socket");
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        stream
    };
    let others: Vec<_> =
        (0..HTTP_CONNECTIONS_MAX / 2).map(|n| asks(&format!("192.0.2.{n}"))).collect();
    let mut own: Vec<_> =
        (0..=HTTP_ADDRESS_CONNECTIONS_MAX).map(|_| asks("198.51.100.1")).collect();
    let first = own.remove(0);
    first.set_nonblocking(false).expect("a socket");
    rest(&mut { first });
    assert!(others.iter().all(is_open_after_answer), "a client that has more closes its own");
    assert!(own.iter().all(is_open_after_answer));
}

/// Whether the other side has not closed, once what it has answered is read.
fn is_open_after_answer(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let mut stream = stream;
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
