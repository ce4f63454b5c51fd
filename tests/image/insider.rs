//! What a programme that was broken into says to the firmware daemon: built by the suite `image`, run on
//! the machine as the service's user. Each line it prints is what it tried, and what was answered.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const SOCKET: &str = "/run/appliance/firmware.sock";
/// More than the daemon's line may have.
const TOO_LONG: usize = 5 << 10;
const CONNECTIONS: usize = 5000;
/// Fewer than the user's descriptors.
const AT_ONCE: usize = 900;
/// Longer than the daemon waits for a silent caller.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let package = |order: &str, bytes: usize| {
        let mut said = format!("{order}\n").into_bytes();
        said.resize(said.len() + bytes, b'x');
        said
    };
    let deep = format!("{{\"order\":{}", "[".repeat(4000));
    for (name, order) in [
        ("nothing", Vec::new()),
        ("unfinished", br#"{"order":"roll"#.to_vec()),
        ("no end", vec![b' '; TOO_LONG]),
        ("too long", package(&"x".repeat(TOO_LONG), 0)),
        ("deep", package(&deep, 0)),
        ("no text", package("\u{fffd}", 64).into_iter().map(|byte| byte | 0x80).collect()),
        ("unknown", package(r#"{"order":"reboot"}"#, 0)),
        ("two orders", package(r#"{"order":"rollback","order":"install"}"#, 0)),
        ("a path", package(r#"{"order":"../../etc/shadow"}"#, 0)),
        ("a slot", package(r#"{"order":"install","bytes":2048,"slot":"../../../dev/vda"}"#, 2048)),
        ("no length", package(r#"{"order":"install"}"#, 2048)),
        ("no bytes", package(r#"{"order":"install","bytes":0}"#, 0)),
        ("fewer than none", package(r#"{"order":"install","bytes":-1}"#, 2048)),
        ("all bytes", package(r#"{"order":"install","bytes":18446744073709551615}"#, 2048)),
        ("noise", package(r#"{"order":"install","bytes":2048,"allow_downgrade":true}"#, 2048)),
        ("rollback", package(r#"{"order":"rollback"}"#, 0)),
        ("confirmation", package(r#"{"order":"confirm","confirmation":"streamcaster"}"#, 0)),
        ("password", package(r#"{"order":"password","current":"x","hash":"y"}"#, 0)),
    ] {
        println!("{name}: {}", said(&order));
    }
    let mut held = Vec::new();
    let mut made = 0;
    while made < CONNECTIONS {
        match UnixStream::connect(SOCKET) {
            Ok(stream) => held.push(stream),
            Err(error) => println!("connection {made}: {error}"),
        }
        made += 1;
        // The first of them keeps the daemon waiting all the while.
        held.truncate(AT_ONCE);
    }
    println!("connections: {made}");
    drop(held);
    let began = Instant::now();
    while said(b"{}\n").contains("BUSY") && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("afterwards: {}", said(b"{}\n"));
}

/// What is answered to an order.
fn said(order: &[u8]) -> String {
    let mut answer = String::new();
    let asked = UnixStream::connect(SOCKET).and_then(|mut stream| {
        // It may have been refused before all of it was sent.
        let _ = stream.write_all(order);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream.read_to_string(&mut answer)
    });
    match asked {
        Ok(_) => answer.lines().last().unwrap_or("closed").to_owned(),
        Err(error) => format!("{answer}{error}"),
    }
}
