//! The control plane over real sockets, met as strangers meet it. Every read has a timeout, as a
//! guard against hanging only: no test hopes for time to pass.
#![cfg(test)]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use log::LevelFilter;
use socket2::{Domain, SockAddr, Socket, Type};
use streamcaster::base::limits::{
    HTTP_ADDRESS_CONNECTIONS_MAX, HTTP_BODY_BYTES_MAX, HTTP_COMMANDS_MAX, HTTP_CONNECTIONS_MAX,
    HTTP_FIELDS_MAX, HTTP_HEAD_BYTES_MAX, HTTP_IDLE_MS_MAX, HTTP_VIEWERS_LISTED_MAX,
};
use streamcaster::base::redact::Secret;
use streamcaster::base::time::Mono;
use streamcaster::config::settings::Settings;
use streamcaster::config::{Arguments, Config};
use streamcaster::control::auth::Auth;
use streamcaster::control::http::client::Allowed;
use streamcaster::control::{start, ControlHandle, ControlOptions};
use streamcaster::health::host::Gauges;
use streamcaster::library::writer::LibraryWriter;
use streamcaster::library::Library;
use streamcaster::net::proxy::Proxies;
use streamcaster::operator::commands::{self, Command, Desk, Inbox, Selection};
use streamcaster::operator::snapshot::{Board, Snapshot, Source, Text, ViewerStatus};
use streamcaster::outputs::preview;
use streamcaster::system::logs::{self, LogBook, LogHandle, LogOptions};
use test_support::peers::http::Request;

mod auth;
mod firmware;
mod https;
mod openapi;
mod orders;
mod proxies;
mod rollout;
mod settings;
mod strangers;
mod streams;
mod uploads;

/// The probe's token of control planes without a password, and the field that says it.
const TOKEN: &str = "a-token-of-an-open-page";
const BEARER: &str = "Authorization: Bearer a-token-of-an-open-page\r\n";
const GUARD: Duration = Duration::from_secs(30);
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A snapshot that does not go stale while the tests run.
fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot { taken: Mono::from_ms(u64::MAX / 2000), ..Snapshot::default() };
    snapshot.programme.on_air = Source::Udp;
    snapshot.programme.video_bps = 3_000_000;
    snapshot.udp.sender = Text::try_from("192.0.2.7:5000").ok();
    snapshot
}

/// An empty library, the same for all tests.
fn library() -> Library {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("control-videos");
    Library::start(folder).expect("a thread")
}

/// The log of all tests, with a line in it.
fn logs() -> LogBook {
    static LOG: OnceLock<LogHandle> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let options = LogOptions { dir: None, file_bytes: 0, files: 0 };
        let log = logs::install(LevelFilter::Info, options).expect("the only log");
        log::info!(target: "control", "said before");
        log
    });
    log.book()
}

/// Settings of a program without a file, in a folder that there is not.
fn settings() -> Settings {
    let (data, arguments) = (std::path::Path::new("/dev/null/none"), Arguments::default());
    Settings::new(data, Box::new(|_| None), arguments, Config::default()).0
}

fn options(http: SocketAddr, stat: SocketAddr, board: Board) -> ControlOptions {
    // Nobody takes commands, unless a test does.
    let (desk, _) = commands::channel();
    let auth = Arc::new(Auth::new(None, Some(Secret::new(TOKEN))).expect("random bytes"));
    let library = library();
    let parts = Path::new(env!("CARGO_TARGET_TMPDIR")).join("control-uploads");
    let library_writer =
        LibraryWriter::start(parts, library.clone(), board.clone()).expect("a thread");
    let (previews, _) = preview::channel();
    ControlOptions {
        http,
        stat,
        tls: None,
        proxies: Proxies::default(),
        allowed: Allowed::default(),
        board,
        desk,
        previews,
        library,
        library_writer,
        logs: logs(),
        revision: Arc::new(|| "r1".to_owned()),
        auth,
        store_hash: Box::new(|_| Ok(())),
        gauges: Gauges::default(),
        settings: settings(),
        appliance: Path::new("/dev/null/none").to_owned(),
    }
}

fn control_with(snapshot: Snapshot) -> ControlHandle {
    let board = Board::default();
    board.publish(snapshot);
    start(options(ANY, ANY, board)).expect("two free ports")
}

/// A control plane whose commands the test takes.
fn control_and_inbox() -> (ControlHandle, Inbox) {
    let board = Board::default();
    board.publish(snapshot());
    let (desk, inbox): (Desk, Inbox) = commands::channel();
    let control = start(ControlOptions { desk, ..options(ANY, ANY, board) });
    (control.expect("two free ports"), inbox)
}

/// A command with a body, of somebody who has the token; where there is a password, it is no other's.
fn post(path: &str, fields: &str, body: &str) -> String {
    let bearer = if fields.contains("Authorization:") { "" } else { BEARER };
    post_without(path, &format!("{bearer}{fields}"), body)
}

/// The same of somebody who has nothing but these fields.
fn post_without(path: &str, fields: &str, body: &str) -> String {
    written(&command("POST", path, body).fields(fields))
}

/// A request with a body of JSON, an empty one as well, of nobody.
fn command(method: &str, path: &str, body: &str) -> Request {
    let request = Request::new(method, path).field("Content-Type", "application/json");
    request.body(body.as_bytes())
}

/// A request as it is sent.
fn written(request: &Request) -> String {
    let mut bytes = Vec::new();
    request.write(&mut bytes).expect("memory takes it");
    String::from_utf8(bytes).expect("text")
}

fn control() -> ControlHandle {
    control_with(snapshot())
}

fn connect(to: SocketAddr) -> TcpStream {
    connect_from([127, 0, 0, 1], to)
}

/// Connects from another address of this machine.
fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SockAddr::from(SocketAddr::from((from, 0)))).expect("a loopback address");
    socket.connect_timeout(&SockAddr::from(to), GUARD).expect("the gate accepts");
    socket.set_read_timeout(Some(GUARD)).expect("a timeout");
    socket.set_write_timeout(Some(GUARD)).expect("a timeout");
    socket.into()
}

/// What comes until the other side closes; a reset ends it too.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(e) if e.kind() != ErrorKind::ConnectionReset => {
            unreachable!("{e} after {}", String::from_utf8_lossy(&all))
        }
        _ => all,
    }
}

/// Sends a request and reads the answer until the close.
fn say(to: SocketAddr, request: &[u8]) -> String {
    answer_of(&mut connect(to), request)
}

/// The same on a connection that is there.
fn answer_of(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).expect("room in the socket");
    String::from_utf8_lossy(&rest(stream)).into_owned()
}

fn ask(to: SocketAddr, request: &Request) -> String {
    say(to, written(request).as_bytes())
}

fn get(to: SocketAddr, path: &str, fields: &str) -> String {
    ask(to, &Request::get(path).fields(fields))
}

fn status(answer: &str) -> u16 {
    let number = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    assert!(number.is_some(), "no status in {answer:?}");
    number.unwrap_or_default()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head and a body").1
}
