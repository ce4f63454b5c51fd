use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use serde_json::{json, Value};

use super::*;
use crate::base::limits::{
    DESTINATIONS_MAX, HTTP_ANSWER_BYTES_MAX, PLAYLISTS_MAX, PLAYLIST_FILES_MAX, VIEWERS_MAX,
};
use crate::base::redact::Secret;
use crate::base::time::Mono;
use crate::codec::container::Remedy;
use crate::config::settings::Settings;
use crate::config::{Arguments, Config};
use crate::control::api::audit::Audit;
use crate::control::api::commands::Commands;
use crate::control::api::sample;
use crate::control::auth::caller::{Caller, Credentials, NOBODY};
use crate::library::listing::{FileState, LibraryEntry, Listing};
use crate::library::open::FileIdentity;
use crate::library::writer::LibraryWriter;
use crate::library::Library;
use crate::operator::commands::{
    self, Command, Declined, DeclinedKind, FileName, Inbox, Outcome, Playlist, Selection,
};
use crate::operator::snapshot::{Board, Snapshot, Text, TEXT_BYTES_MAX};
use crate::system::logs::LogBook;

const OWN_PAGE: Caller<'static> = Caller {
    peer: Some(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
    host: "localhost:8080",
    origin: "http://localhost:8080",
    fetch_site: "same-origin",
    credentials: Credentials { cookie: "", authorization: "Bearer 0123abcd" },
    ..NOBODY
};

/// Without a password; the page above has the token.
fn open() -> Arc<Auth> {
    Arc::new(Auth::new(None, Some(Secret::new("0123abcd"))).unwrap())
}

/// What answers from this state, with a desk whose other end is the inbox.
fn backend(auth: &Arc<Auth>, snapshot: &Snapshot, moment: Moment) -> (Backend, Inbox) {
    let (desk, inbox) = commands::channel();
    let board = Board::default();
    board.publish(snapshot.clone());
    let backend = Backend {
        commands: Commands::new(desk, board.clone(), LibraryWriter::absent()),
        board,
        now: Arc::new(move || moment),
        library: Library::with(one_file()),
        uploads: LibraryWriter::absent(),
        settings: no_settings(),
        auth: Arc::clone(auth),
        audit: Audit::default(),
        store_hash: Box::new(|_| Ok(())),
        log: LogBook::default(),
        appliance: Appliance::new(std::path::Path::new("/dev/null/none")),
    };
    (backend, inbox)
}

/// Asks, while somebody gives `outcome` to each command; the last command, and the answer.
fn ask_backend(
    (backend, inbox): (Backend, Inbox),
    asked: &Asked<'_>,
    outcome: &Outcome,
) -> (Option<Command>, Answer) {
    thread::scope(|scope| {
        let carried_out = scope.spawn(|| {
            let mut last = None;
            while let Ok(order) = inbox.recv_blocking() {
                last = Some(order.command.clone());
                order.answer(outcome.clone());
            }
            last
        });
        let answer = whole(answer(asked, &backend));
        drop(backend);
        (carried_out.join().expect("no panic"), answer)
    })
}

/// The answer, which is no stream.
fn whole(answered: Answered) -> Answer {
    match answered {
        Answered::Answer(answer) => answer,
        Answered::Stream(stream) => unreachable!("{stream:?}"),
    }
}

/// A library with one file, which is broken.
fn one_file() -> Listing {
    let identity = FileIdentity { device: 1, inode: 1, size: 5, modified_ns: 0, changed_ns: 0 };
    let words = "it is an AVI file".into();
    let state = FileState::Refused { words, remedy: Some(Remedy::Both), is_passing: false };
    let entries = vec![Arc::new(LibraryEntry { name: "bad.avi".into(), identity, state })];
    Listing { entries, ..Listing::default() }
}

/// Settings in a folder that there is not.
fn no_settings() -> Settings {
    let (data, arguments) = (std::path::Path::new("/dev/null/none"), Arguments::default());
    Settings::new(data, Box::new(|_| None), arguments, Config::default()).0
}

fn asked<'a>(port: Port, method: &'a str, target: &'a str, body: &'a [u8]) -> Asked<'a> {
    Asked {
        port,
        method,
        target,
        gzip: false,
        if_none_match: "",
        if_match: "",
        caller: OWN_PAGE,
        secure: false,
        content_type: "application/json; charset=utf-8",
        body,
        piece_bytes: None,
        upload_offset: "",
        last_event_id: "",
    }
}

fn answer_at(asked: Asked<'_>, snapshot: &Snapshot, moment: Moment) -> Answer {
    ask_backend(backend(&open(), snapshot, moment), &asked, &well()).1
}

fn ask(port: Port, method: &str, target: &str) -> Answer {
    answer_at(asked(port, method, target, b""), &sample::on_air(), sample::MOMENT)
}

/// Sends a body with a command; what was asked of the data plane, and the answer.
fn order(method: &str, target: &str, body: &str, outcome: &Outcome) -> (Option<Command>, Answer) {
    order_with(asked(Port::Http, method, target, body.as_bytes()), &sample::on_air(), outcome)
}

fn order_with(
    asked: Asked<'_>,
    snapshot: &Snapshot,
    outcome: &Outcome,
) -> (Option<Command>, Answer) {
    ask_backend(backend(&open(), snapshot, sample::MOMENT), &asked, outcome)
}

fn well() -> Outcome {
    Ok("It is on air.".to_owned())
}

fn value(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn file(name: &str, at_ms: u64, looped: bool) -> Command {
    Command::Switch(Selection::File { name: name.try_into().unwrap(), at_ms, looped })
}

#[test]
fn each_port_has_its_own_paths() {
    for path in [
        "/",
        "/page.css",
        "/app.js",
        "/api/status",
        "/api/status?x=1",
        "/api/health",
        "/api/videos",
        "/api/videos?limit=1",
        "/api/playlists",
    ] {
        assert_eq!(ask(Port::Http, "GET", path).status, 200, "{path}");
        assert_eq!(ask(Port::Stat, "GET", path).status, 404, "{path}");
    }
    for path in ["/stat", "/health"] {
        assert_eq!(ask(Port::Stat, "GET", path).status, 200, "{path}");
        assert_eq!(ask(Port::Http, "GET", path).status, 404, "{path}");
    }
    assert_eq!(ask(Port::Stat, "POST", "/api/stop").status, 404);
    assert_eq!(&*ask(Port::Stat, "GET", "/health").body, b"healthy\n");
}

#[test]
fn errors_have_the_form_of_the_api() {
    for path in ["/nothing", "/../etc/passwd", "//", "/api/status/", "/api/playlists/a/b"] {
        let refused = ask(Port::Http, "GET", path);
        assert_eq!(refused.status, 404, "{path}");
        assert_eq!(value(&refused)["success"], false);
        assert_eq!(value(&refused)["code"], "NOT_FOUND");
    }
    for (method, path, allowed) in [
        ("POST", "/api/status", "GET, HEAD"),
        ("DELETE", "/api/videos", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("GET", "/api/switch", "POST"),
        ("HEAD", "/api/stop", "POST"),
        ("PUT", "/api/playout", "POST"),
        ("OPTIONS", "/api/switch", "POST"),
        ("POST", "/api/playlists/a", "GET, HEAD, PUT, DELETE"),
    ] {
        let refused = ask(Port::Http, method, path);
        assert_eq!((refused.status, &value(&refused)["code"]), (405, &"INVALID_REQUEST".into()));
        assert!(refused.fields.contains(&("Allow", allowed.into())), "{method} {path}");
    }
}

#[test]
fn a_stuck_data_plane_is_told_by_status() {
    let snapshot = sample::on_air();
    let moment = Moment { now: Mono::from_ms(3_610_000), ..sample::MOMENT };
    let ask = |port, target| answer_at(asked(port, "GET", target, b""), &snapshot, moment);
    let health = ask(Port::Http, "/api/health");
    assert_eq!(health.status, 503);
    assert_eq!(value(&health)["status"], "unhealthy");
    assert_eq!(value(&health)["udp_process"], false);
    assert_eq!(ask(Port::Stat, "/health").status, 503);
}

#[test]
fn degraded_is_not_an_error() {
    let health = ask(Port::Http, "GET", "/api/health");
    assert_eq!((health.status, &value(&health)["status"]), (200, &"degraded".into()));
    assert_eq!(value(&health)["udp_process"], true);
}

#[test]
fn the_largest_answers_fit() {
    let mut snapshot = sample::on_air();
    snapshot.viewers = vec![snapshot.viewers[0].clone(); VIEWERS_MAX];
    for viewer in &mut snapshot.viewers {
        viewer.agent = Text::try_from("\u{1}".repeat(TEXT_BYTES_MAX).as_str()).unwrap();
    }
    snapshot.destinations = vec![snapshot.destinations[0].clone(); DESTINATIONS_MAX];
    for destination in &mut snapshot.destinations {
        destination.detail = Text::try_from("'".repeat(TEXT_BYTES_MAX).as_str()).unwrap();
    }
    let name = FileName::try_from("\"".repeat(120).as_str()).unwrap();
    let files = vec![name; PLAYLIST_FILES_MAX];
    let list = Arc::new(Playlist { files, ..Playlist::default() });
    let lists = (0..PLAYLISTS_MAX).map(|n| (format!("{n:064}"), Arc::clone(&list)));
    snapshot.playout.playlists = Arc::new(lists.collect());
    for (port, target) in
        [(Port::Http, "/api/status"), (Port::Http, "/api/playlists"), (Port::Stat, "/stat")]
    {
        let bytes =
            answer_at(asked(port, "GET", target, b""), &snapshot, sample::MOMENT).body.len();
        assert!(bytes <= HTTP_ANSWER_BYTES_MAX, "{target}: {bytes}");
    }
}

#[test]
fn a_body_must_say_that_it_is_json() {
    for (content_type, status) in [
        ("application/json", 200),
        ("Application/JSON;charset=utf-8", 200),
        ("", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=application/json", 415),
        ("application/jsonp", 415),
    ] {
        let asked = Asked {
            content_type,
            ..asked(Port::Http, "POST", "/api/switch", br#"{"video":"a.mp4"}"#)
        };
        let (command, answer) = order_with(asked, &sample::on_air(), &well());
        assert_eq!(answer.status, status, "{content_type}");
        assert_eq!(command.is_some(), status == 200, "{content_type}");
    }
    let bare = Asked { content_type: "", ..asked(Port::Http, "POST", "/api/stop", b"") };
    assert_eq!(order_with(bare, &sample::on_air(), &well()).1.status, 200);
}

#[path = "routes_orders_tests.rs"]
mod orders_tests;
#[path = "routes_who_tests.rs"]
mod who_tests;
