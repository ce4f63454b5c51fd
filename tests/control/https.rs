//! HTTPS: a certificate as an operator makes one, and curl as the client.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use streamcaster::net::certificate::TlsFiles;
use streamcaster::net::served_certificate::ServedCertificate;
use test_support::peers::authority::Signed;

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // What an earlier run left behind.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Makes a certificate for localhost that signs itself.
fn certificate(folder: &Path, name: &str) -> TlsFiles {
    let Signed { certificate, key, .. } = Signed::by_itself(folder, name);
    TlsFiles { certificate, key }
}

fn served(files: &TlsFiles) -> Arc<ServedCertificate> {
    Arc::new(ServedCertificate::new(files.clone()).expect("a certificate"))
}

fn https(http: SocketAddr, files: &TlsFiles) -> ControlHandle {
    let board = Board::default();
    board.publish(snapshot());
    let tls = Some(served(files));
    start(ControlOptions { tls, ..options(http, ANY, board) }).expect("two free ports")
}

/// curl, which believes this certificate only.
fn curl(trusted: &Path, to: SocketAddr, path: &str, more: &[&str]) -> Output {
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--cacert"])
        .arg(trusted)
        .args(more)
        .arg(format!("https://127.0.0.1:{}{path}", to.port()))
        .output()
        .expect("curl")
}

#[test]
fn page_and_api_come_by_tls_1_3_only() {
    let folder = folder("https-serves");
    let files = certificate(&folder, "own");
    let control = https(ANY, &files);
    let told = curl(&files.certificate, control.http(), "/api/status", &["--include"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n"), "{told}");
    assert!(told.contains("\"stream_status\":\"streaming\""), "{told}");
    let page = curl(&files.certificate, control.http(), "/page.js", &[]);
    assert!(page.status.success() && !page.stdout.is_empty(), "{page:?}");
    let old = curl(&files.certificate, control.http(), "/", &["--tls-max", "1.2"]);
    assert!(!old.status.success(), "TLS 1.2 is not spoken");
    // A stream: curl is still being sent events when its time is over.
    let events = curl(&files.certificate, control.http(), "/api/events", &["--max-time", "3"]);
    let events = String::from_utf8_lossy(&events.stdout).into_owned();
    assert!(events.matches("event: status\n").count() >= 2, "{events}");
    // Plain HTTP: from this machine, and on the other port.
    assert_eq!(status(&get(control.http(), "/api/status", "")), 200);
    assert_eq!(status(&get(control.stat(), "/health", "")), 200);
}

#[test]
fn who_speaks_plainly_from_elsewhere_is_sent_to_https() {
    let folder = folder("https-plain");
    let control = https(([0, 0, 0, 0], 0).into(), &certificate(&folder, "own"));
    // To an address of this machine's that is not loopback, a connection comes from there.
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect("198.51.100.1:9").expect("a route");
    let own = socket.local_addr().expect("an address").ip();
    let to = SocketAddr::new(own, control.http().port());
    let plainly = |request: &str| {
        let mut stream = TcpStream::connect_timeout(&to, GUARD).expect("the gate accepts");
        stream.set_read_timeout(Some(GUARD)).expect("a timeout");
        answer_of(&mut stream, request.as_bytes())
    };
    let asked = |request: Request, host: &str| plainly(&written(&request.field("Host", host)));
    let sent = asked(Request::get("/api/status?a=b"), "box.local:8080");
    assert_eq!(status(&sent), 308, "{sent}");
    assert!(sent.contains("\r\nLocation: https://box.local:8080/api/status?a=b\r\n"), "{sent}");
    assert!(!sent.contains("stream_status"), "{sent}");
    let told = asked(Request::new("POST", "/api/stop"), "box");
    assert_eq!(status(&told), 400, "{told}");
    assert!(told.contains("https://") && !told.contains("Location"), "{told}");
    for host in ["a@b", "a/b", "", "a b"] {
        let told = asked(Request::get("/"), host);
        assert_eq!(status(&told), 400, "{told}");
    }
    assert_eq!(status(&plainly("GET / HTTP/9\r\n\r\n")), 505);
}

#[test]
fn tls_is_spoken_behind_a_proxys_header() {
    let folder = folder("https-proxied");
    let files = certificate(&folder, "own");
    let board = Board::default();
    board.publish(snapshot());
    let proxies = Proxies::new(&["127.0.0.2".parse().expect("an address")]);
    let tls = Some(served(&files));
    let control = start(ControlOptions { tls, proxies, ..options(ANY, ANY, board) });
    let control = control.expect("two free ports");
    // curl writes the line as HAProxy's send-proxy does, with its own addresses.
    let asked = |more: &[&str]| {
        let more = [&["--interface", "127.0.0.2", "--include"][..], more].concat();
        let told = curl(&files.certificate, control.http(), "/api/status", &more);
        String::from_utf8_lossy(&told.stdout).into_owned()
    };
    for told in [asked(&["--haproxy-protocol"]), asked(&[])] {
        assert!(told.contains("PASSWORD_NOT_SET"), "not this machine's rights: {told}");
    }
    let plainly = |header: &str| {
        let mut stream = connect_from([127, 0, 0, 2], control.http());
        let request = format!("{header}{}", written(&Request::get("/")));
        status(&answer_of(&mut stream, request.as_bytes()))
    };
    assert_eq!(plainly("PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n"), 308, "to https");
}

#[test]
fn what_is_no_handshake_harms_nobody() {
    let folder = folder("https-noise");
    let files = certificate(&folder, "own");
    let control = https(ANY, &files);
    let mut silent: Vec<_> = (0..12).map(|_| connect(control.http())).collect();
    for stream in &mut silent {
        // The head of a record that never comes.
        stream.write_all(&[0x16, 3, 1, 2, 0]).expect("room in the socket");
    }
    let mut noise = connect(control.http());
    noise.write_all(&[0x16; 600]).expect("room in the socket");
    let alert = rest(&mut noise);
    assert!(!alert.starts_with(b"HTTP"), "{alert:?}");
    let begun = Instant::now();
    for stream in &mut silent {
        rest(stream);
    }
    assert!(begun.elapsed() < GUARD, "none is waited for without end");
    assert!(curl(&files.certificate, control.http(), "/api/status", &[]).status.success());
}

/// The record with a ClientHello, as openssl sends it.
fn client_hello() -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port it got").to_string();
    let mut openssl = Command::new("openssl")
        .args(["s_client", "-connect", &address])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let (mut stream, _) = listener.accept().expect("openssl connects");
    let mut record = vec![0; 5];
    stream.read_exact(&mut record).expect("a record's head");
    let length = usize::from(record[3]) << 8 | usize::from(record[4]);
    record.resize(5 + length, 0);
    stream.read_exact(&mut record[5..]).expect("the record");
    openssl.kill().expect("it waits");
    openssl.wait().expect("its end");
    record
}

/// Whether the other side has not closed; what it has sent is read and dropped.
fn is_open(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn who_is_silent_in_the_handshake_keeps_nobody_out() {
    let folder = folder("https-silent");
    let files = certificate(&folder, "own");
    let control = https(ANY, &files);
    let hello = client_hello();
    let (half, _) = hello.split_at(hello.len() / 2);
    // Fewer than there are seats, and more, each from an address of its own.
    for (count, said) in [(20, &hello[..1]), (20, half), (20, &hello), (40, half), (40, &hello)] {
        let silent = (1..=count).map(|last| {
            let mut stream = connect_from([127, 0, 3, last], control.http());
            // It may have made room for another already.
            let _ = stream.write_all(said);
            stream
        });
        let mut silent: Vec<_> = silent.collect();
        for _ in 0..3 {
            let from = ["--interface", "127.0.0.9"];
            let told = curl(&files.certificate, control.http(), "/api/health", &from);
            assert!(told.status.success(), "{count} that said {}: {told:?}", said.len());
        }
        // They were not waited for.
        let open = silent.iter_mut().filter_map(|stream| is_open(stream).then_some(())).count();
        let wanted = if count == 20 { 20 } else { 1 };
        assert!(open >= wanted, "{open} of {count} that said {}", said.len());
    }
}

#[test]
fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let folder = folder("https-renewed");
    let (files, renewed) = (certificate(&folder, "own"), certificate(&folder, "renewed"));
    let old = folder.join("old.crt");
    fs::copy(&files.certificate, &old).expect("a copy");
    let control = https(ANY, &files);
    let serves =
        |trusted: &Path| curl(trusted, control.http(), "/api/health", &[]).status.success();
    assert!(serves(&old));
    let warned =
        || logs().since(None, 512).iter().filter(|l| l.text.contains("stays in force")).count();
    assert_eq!(warned(), 0);
    fs::write(&files.key, "no key\n").expect("written");
    let begun = Instant::now();
    while warned() == 0 {
        assert!(begun.elapsed() < GUARD, "a broken key is told");
        assert!(serves(&old), "the one before stays in force");
    }
    fs::copy(&renewed.key, &files.key).expect("copied");
    fs::copy(&renewed.certificate, &files.certificate).expect("copied");
    let begun = Instant::now();
    while !serves(&renewed.certificate) {
        assert!(begun.elapsed() < GUARD, "a new certificate is taken");
    }
    assert!(!serves(&old));
    assert!(serves(&renewed.certificate), "told {} times", warned());
}
