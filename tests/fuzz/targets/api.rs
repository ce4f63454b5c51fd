//! Bodies of any bytes for every call that changes something: each is answered in the API's form,
//! and nothing is taken that was not understood. First byte: which call; up to the first line end:
//! the name in its path; the rest: the body.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;

use serde_json::Value;
use streamcaster::base::redact::Secret;
use streamcaster::base::time::{Mono, Utc};
use streamcaster::config::settings::Settings;
use streamcaster::config::Thresholds;
use streamcaster::config::{Arguments, Config};
use streamcaster::control::api::asked::Asked;
use streamcaster::control::api::audit::Audit;
use streamcaster::control::api::backend::Backend;
use streamcaster::control::api::commands::Commands;
use streamcaster::control::api::firmware::Appliance;
use streamcaster::control::api::moment::Moment;
use streamcaster::control::api::paths::PATHS;
use streamcaster::control::api::routes::answer;
use streamcaster::control::api::stream::Answered;
use streamcaster::control::auth::caller::{Caller, Credentials, NOBODY};
use streamcaster::control::auth::Auth;
use streamcaster::control::http::meter::HttpUse;
use streamcaster::control::http::port::Port;
use streamcaster::health::host::MachineStatus;
use streamcaster::library::writer::LibraryWriter;
use streamcaster::library::Library;
use streamcaster::operator::commands;
use streamcaster::operator::snapshot::{Board, Snapshot};
use streamcaster::system::heap::HeapUse;
use streamcaster::system::logs::LogBook;

const MOMENT: Moment = Moment {
    now: Mono::from_ms(1000),
    utc: Utc(0),
    pid: 1,
    resident_bytes: 0,
    heap: HeapUse { used_bytes: 0, peak_bytes: 0, limit_bytes: 0 },
    http: HttpUse { refused: 0, connections: 0, events: 0, previews: 0, uploads: 0 },
    budget_bytes: 0,
    machine: MachineStatus {
        cores: None,
        cpu: None,
        cpu_minute: None,
        cpu_steady: None,
        load: None,
        memory: None,
        disk: None,
        network: None,
        disk_warning: None,
        addresses: [None; 2],
        is_clock_unset: false,
    },
    thresholds: Thresholds::DEFAULT,
    name: None,
};

/// This machine's own page, of somebody who has the token.
const CALLER: Caller<'static> = Caller {
    peer: Some(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
    host: "localhost",
    credentials: Credentials { cookie: "", authorization: "Bearer 0a" },
    ..NOBODY
};

/// What stays from one input to the next: settings and a library in a folder that there is not, and
/// a data plane that does whatever it is asked.
fn backend() -> &'static Backend {
    static BACKEND: OnceLock<Backend> = OnceLock::new();
    BACKEND.get_or_init(|| {
        let (data, arguments) = (Path::new("/dev/null/none"), Arguments::default());
        let (desk, inbox) = commands::channel();
        thread::spawn(move || {
            while let Ok(order) = inbox.recv_blocking() {
                order.answer(Ok("done".to_owned()));
            }
        });
        let board = Board::default();
        // From after whatever was asked: nobody waits for a newer one.
        board.publish(Snapshot { taken: Mono(u64::MAX), ..Snapshot::default() });
        let library = Library::start(data.to_owned()).expect("a thread");
        let writer = LibraryWriter::start(data.to_owned(), library.clone(), board.clone());
        let uploads = writer.expect("a thread");
        Backend {
            commands: Commands::new(desk, board.clone(), uploads.clone()),
            board,
            now: Arc::new(|| MOMENT),
            library,
            uploads,
            settings: Settings::new(data, Box::new(|_| None), arguments, Config::default()).0,
            auth: Arc::new(Auth::new(None, Some(Secret::new("0a"))).expect("random bytes")),
            audit: Audit::default(),
            store_hash: Box::new(|_| Ok(())),
            log: LogBook::default(),
            appliance: Appliance::new(data),
        }
    })
}

/// Reads an input as a command.
pub fn run(input: &[u8]) {
    let Some((&which, rest)) = input.split_first() else { return };
    let calls: Vec<(&str, &str)> = PATHS
        .iter()
        .filter(|path| path.port == Port::Http)
        .flat_map(|path| path.methods.split(", ").map(|method| (method, path.template)))
        .filter(|(method, _)| !matches!(*method, "GET" | "HEAD"))
        .collect();
    let (method, template) = calls[usize::from(which) % calls.len()];
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (name, body) = rest.split_at(end);
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    // The gate lets nothing else pass.
    let name: String = name.iter().copied().filter(u8::is_ascii_graphic).map(char::from).collect();
    let target = template.replace("{name}", &name).replace("{id}", &name);
    if template == "/api/password" && is_costly(body) {
        return;
    }
    let answered = match ask(method, &target, body) {
        Answered::Answer(answer) => answer,
        Answered::Stream(stream) => {
            return assert_eq!(template, "/api/uploads/{id}", "{method} {target}: {stream:?}");
        }
    };
    let why = format!("{method} {target}: {} {}", answered.status, text(&answered.body));
    let told: Value = serde_json::from_slice(&answered.body).expect(&why);
    let success = told.get("success").and_then(Value::as_bool);
    assert_eq!(success, Some(answered.status < 300), "{why}");
    assert!(
        (200..300).contains(&answered.status) || (400..600).contains(&answered.status),
        "{why}"
    );
    if answered.status >= 400 {
        let said = |key| told.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        assert!(said("error"), "{why}");
        assert!(said("code"), "{why}");
    }
}

/// A password that would be hashed, which takes its time on purpose.
fn is_costly(body: &[u8]) -> bool {
    let read: Option<Value> = serde_json::from_slice(body).ok();
    read.is_some_and(|value| value.get("new").is_some_and(Value::is_string))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ask(method: &str, target: &str, body: &[u8]) -> Answered {
    let asked = Asked {
        port: Port::Http,
        method,
        target,
        gzip: false,
        if_none_match: "",
        if_match: "",
        caller: CALLER,
        secure: false,
        content_type: "application/json",
        body,
        piece_bytes: Some(1),
        upload_offset: "0",
        last_event_id: "",
    };
    answer(&asked, backend())
}
