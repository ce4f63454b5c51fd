//! What RTMPS connections hold, counted by the allocator while servers take nothing of what they are
//! sent, and send more than is read. Purpose: the budget's claims for a connection and a handshake are
//! held. One test in a process of its own, for whatever else runs would be counted with it: the servers
//! are OpenSSL's.
#![cfg(test)]

use std::future::poll_fn;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use streamcaster::base::limits::{
    RTMPS_CONNECTION_BYTES, RTMPS_HANDSHAKE_BYTES, RTMPS_SESSIONS_MAX, RTMPS_SESSION_BYTES,
    RTMPS_UNSENT_BYTES_MAX,
};
use streamcaster::net::byte_stream::ByteStream;
use streamcaster::net::certificate::AuthorityFile;
use streamcaster::net::reactor::{self, Watched};
use streamcaster::net::tls::Authorities;
use streamcaster::system::heap::{usage, CountedHeap};
use test_support::peers::authority::{Authority, Signed};
use test_support::peers::wait::{poll, seconds};

#[global_allocator]
static HEAP: CountedHeap = CountedHeap;

const CONNECTIONS: usize = 8;
/// What each server sends: several of the largest records.
static SENT: [u8; 60_000] = [b'.'; 60_000];
/// What an encoder's second has at 6 Mbit/s; more than all sockets on the way take.
static SECOND: [u8; 750_000] = [7; 750_000];

/// Servers, which end with the test.
struct Servers(Vec<(Child, SocketAddr)>);

impl Drop for Servers {
    fn drop(&mut self) {
        for (child, _) in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// OpenSSL's server of one version, whose output nobody reads: it takes what fits into a pipe.
fn server(own: &Signed, version: &str) -> (Child, SocketAddr) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("the port it got");
    drop(free);
    let mut openssl = Command::new("openssl");
    openssl.args(["s_server", "-quiet", version, "-accept", &address.to_string(), "-cert"]);
    openssl.arg(&own.both).arg("-key").arg(&own.key).stderr(Stdio::null());
    let child = openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("openssl");
    // Which it takes for a client that left.
    poll(seconds(10), || TcpStream::connect(address).ok()).expect("it listens");
    (child, address)
}

/// Writes until the socket and what is kept unsent are full.
fn fill(stream: &ByteStream) {
    let (mut writer, mut sent) = (stream, 0);
    loop {
        let left = SECOND.get(sent % SECOND.len()..).expect("within");
        match writer.write(left) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => unreachable!("{error}"),
        }
    }
}

/// Reads a byte, so that the rest of its record is kept.
async fn taste(stream: &ByteStream) {
    while let Err(error) = stream.read(&mut [0]) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        poll_fn(|cx| stream.poll_readable(cx)).await;
    }
}

#[test]
fn a_connection_holds_no_more_than_the_budget_says() {
    let authority = Authority::new();
    let own = authority.signs("DNS:localhost");
    let authorities = AuthorityFile::read(authority.certificate()).expect("its own");
    let authorities = Authorities::with(Some(&authorities));
    let connect = |to: SocketAddr| {
        let socket = TcpStream::connect(to).and_then(Watched::new).expect("it listens");
        reactor::run(authorities.shake(socket, "localhost")).expect("a good server")
    };
    // What all connections share is there with the first.
    let mut servers = Servers(vec![server(&own, "-tls1_3")]);
    drop(connect(servers.0.first().expect("one").1));
    let each = |at| server(&own, if at % 2 == 0 { "-tls1_3" } else { "-tls1_2" });
    servers.0.extend((0..CONNECTIONS).map(each));
    let mut streams = Vec::with_capacity(CONNECTIONS);
    let before = usage().used_bytes;
    for (child, address) in servers.0.iter_mut().skip(1) {
        let at = usage().used_bytes;
        let held = || usage().used_bytes - at;
        let stream = connect(*address);
        let shaken = held();
        child.stdin.as_mut().expect("a pipe").write_all(&SENT).expect("it reads");
        // Before it has enough to do with what it is sent.
        reactor::run(taste(&stream));
        let tasted = held();
        fill(&stream);
        println!("{shaken} bytes shaken, {tasted} with a record, {} with what is unsent", held());
        streams.push(stream);
    }
    let held = usage().used_bytes - before;
    let peak = usage().peak_bytes - before;
    println!("{} bytes a connection, {peak} at most", held / CONNECTIONS);
    assert!(
        held > CONNECTIONS * RTMPS_UNSENT_BYTES_MAX / 2,
        "{held}: what waits unsent is counted"
    );
    let remembered = RTMPS_SESSIONS_MAX * RTMPS_SESSION_BYTES;
    let budget = CONNECTIONS * RTMPS_CONNECTION_BYTES;
    assert!(held <= budget, "{held} of {budget} bytes");
    let budget = budget + RTMPS_HANDSHAKE_BYTES + remembered;
    assert!(peak <= budget, "{peak} of {budget} bytes at most");
    drop(streams);
    let left = usage().used_bytes - before;
    assert!(left <= remembered, "{left} bytes of {remembered} are still held");
}
