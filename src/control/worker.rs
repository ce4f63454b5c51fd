//! The threads that answer. Purpose: take requests from tiny_http, ask [`routes`], hand back the
//! answer. A panic while an answer is made, printed or sent ends that answer, not the thread.
//! Non-goals: policy. Bounds:
//! [`HTTP_COMMANDS_MAX`] commands under way, so that workers are left to tell the state; one list
//! of the library in the making.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tiny_http::{Header, Method, Request, Response, Server, StatusCode};

use crate::base::limits::{HTTP_BODY_BYTES_MAX, HTTP_COMMANDS_MAX, HTTP_LANES, HTTP_WORKERS};
use crate::config::settings::Settings;
use crate::control::api::Moment;
use crate::control::audit::Audit;
use crate::control::auth::calls::StoreHash;
use crate::control::auth::Auth;
use crate::control::caller::{Caller, Credentials};
use crate::control::firmware::Appliance;
use crate::control::meter::{HttpUse, Meter};
use crate::control::page;
use crate::control::routes::{self, Answer, Asked, Port, World};
use crate::control::stream::STREAM_FIELD;
use crate::control::ControlOptions;
use crate::health::host::Gauges;
use crate::library::clerk::{Change, Changed, Clerk};
use crate::library::upload::UploadError;
use crate::library::Library;
use crate::operator::commands::{Command, Declined, DeclinedKind, Desk, Outcome};
use crate::operator::snapshot::Board;
use crate::system::logs::LogBook;
use crate::system::{clock, heap, memory};

/// The field by which the gate says on which port a request came in; a peer's own one never
/// passes the gate.
pub const PORT_FIELD: &str = "X-Streamcaster-Port";
/// The field by which the gate says from which address, likewise.
pub const PEER_FIELD: &str = "X-Streamcaster-Peer";
/// The field by which the gate says which address of ours it came to, likewise.
pub const LOCAL_FIELD: &str = "X-Streamcaster-Local";
/// The field by which the gate says, with `1`, that it came by TLS.
pub const SECURE_FIELD: &str = "X-Streamcaster-Secure";
/// The field by which the gate says, with `1`, that a proxy sent it that has named nobody.
pub const PROXY_FIELD: &str = "X-Streamcaster-Proxy";
/// The field by which the gate says how long the body is that it has not read.
pub const LENGTH_FIELD: &str = "X-Streamcaster-Length";

const _: () = assert!(HTTP_COMMANDS_MAX < HTTP_LANES && HTTP_COMMANDS_MAX < HTTP_WORKERS);

/// What the workers share.
pub struct Shop {
    /// The HTTP server they answer for.
    pub server: Server,
    /// No more requests will come.
    pub closed: AtomicBool,
    board: Board,
    desk: Desk,
    library: Library,
    clerk: Clerk,
    settings: Settings,
    meter: Arc<Meter>,
    auth: Arc<Auth>,
    audit: Audit,
    store_hash: Box<StoreHash>,
    gauges: Gauges,
    log: LogBook,
    appliance: Appliance,
    /// Commands under way.
    commands: AtomicUsize,
    /// Held while a list of the library is made and handed on: it may be large.
    listing: Mutex<()>,
}

impl Shop {
    /// All of it.
    pub fn new(server: Server, options: ControlOptions, meter: Arc<Meter>) -> Shop {
        Shop {
            server,
            closed: AtomicBool::new(false),
            board: options.board,
            desk: options.desk,
            library: options.library,
            clerk: options.clerk,
            meter,
            auth: options.auth,
            audit: Audit::default(),
            store_hash: options.store_hash,
            gauges: options.gauges,
            log: options.logs,
            settings: options.settings,
            appliance: Appliance::new(&options.appliance),
            commands: AtomicUsize::new(0),
            listing: Mutex::default(),
        }
    }

    /// Gives a command, if not too many are under way.
    fn ask(&self, command: Command) -> Outcome {
        let _counted = Counted::new(&self.commands)?;
        let is_listed = command.edits_playlists();
        let words = self.desk.ask(command)?;
        if is_listed {
            self.wait_for_news();
        }
        Ok(words)
    }

    /// Waits until the data plane has told its state once more, so that who asks next finds what
    /// has just been done.
    fn wait_for_news(&self) {
        let now = clock::mono();
        while self.board.read().taken <= now && clock::mono().since(now) < NEWS_MAX {
            thread::sleep(NEWS_LOOK);
        }
    }

    /// Has the library changed, if not too many commands are under way.
    fn change(&self, change: Change) -> Result<Changed, UploadError> {
        let _counted = Counted::new(&self.commands).map_err(|_| UploadError::Busy)?;
        self.clerk.ask(change)
    }
}

/// How long a changed list may take to be in the state, and how often it is looked for there.
const NEWS_MAX: Duration = Duration::from_secs(1);
const NEWS_LOOK: Duration = Duration::from_millis(10);

/// A command under way.
struct Counted<'a>(&'a AtomicUsize);

impl Counted<'_> {
    fn new(commands: &AtomicUsize) -> Result<Counted<'_>, Declined> {
        // Counted first and given back if too many: it is dropped either way.
        let before = commands.fetch_add(1, Ordering::AcqRel);
        let counted = Counted(commands);
        if before < HTTP_COMMANDS_MAX {
            return Ok(counted);
        }
        Err(Declined {
            kind: DeclinedKind::Busy,
            words: "Other commands are still under way; try again in a moment.".to_owned(),
        })
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A worker's whole life.
pub fn work(shop: &Arc<Shop>) {
    // After an error (tiny_http's accept failed) requests still come in by the lanes that stand.
    while !shop.closed.load(Ordering::Acquire) {
        if let Ok(request) = shop.server.recv() {
            // The last resort, should even the answer about a panic end in one.
            if catch_unwind(AssertUnwindSafe(|| serve(request, shop))).is_err() {
                log::error!("control: an answer could not be sent");
            }
        }
    }
}

fn serve(request: Request, shop: &Shop) {
    let large = routes::may_be_large(request.url());
    // Nothing is in it that a panic could leave half done.
    let _one = large.then(|| shop.listing.lock().unwrap_or_else(PoisonError::into_inner));
    if let Err(e) = respond(request, |request| answer(request, shop), print) {
        log::debug!("control: an answer was not taken: {e}");
    }
}

/// An answer's head as it is sent, and its body.
type Printed = (Vec<u8>, Cow<'static, [u8]>);

/// Makes an answer, prints and sends it. Not a byte is sent before all of it is printed: after a
/// panic another answer takes its place, and the lane stays in step.
fn respond(
    mut request: Request,
    make: impl FnOnce(&mut Request) -> Answer,
    print: impl FnOnce(Answer, &Request) -> io::Result<Printed>,
) -> io::Result<()> {
    let printed = catch_unwind(AssertUnwindSafe(|| {
        let answer = make(&mut request);
        print(answer, &request)
    }));
    let (head, body) = match printed {
        Ok(printed) => printed?,
        Err(_) => self::print(failed(), &request)?,
    };
    let mut to = request.into_writer();
    to.write_all(&head)?;
    to.write_all(&body)?;
    to.flush()
}

/// What is answered instead when a panic ends the making of an answer.
fn failed() -> Answer {
    routes::error(500, "SYSTEM_ERROR", "The answer could not be made.")
}

fn answer(request: &mut Request, shop: &Shop) -> Answer {
    let mut body = Vec::new();
    // The gate has the whole body and hands it on with its length.
    let limit = u64::try_from(HTTP_BODY_BYTES_MAX).unwrap_or(u64::MAX);
    if request.as_reader().take(limit).read_to_end(&mut body).is_err() {
        return routes::error(
            400,
            "INVALID_REQUEST",
            "The body did not come whole; send it again.",
        );
    }
    let field = |name: &str| {
        let found =
            request.headers().iter().find(|h| h.field.as_str().as_str().eq_ignore_ascii_case(name));
        found.map_or("", |header| header.value.as_str())
    };
    let named = Port::ALL.into_iter().find(|port| port.name() == field(PORT_FIELD));
    let Some(port) = named else {
        return routes::error(400, "INVALID_REQUEST", "The request did not pass the gate.");
    };
    let asked = Asked {
        port,
        method: request.method().as_str(),
        target: request.url(),
        gzip: page::allows_gzip(field("Accept-Encoding")),
        if_none_match: field("If-None-Match"),
        if_match: field("If-Match"),
        caller: Caller {
            peer: field(PEER_FIELD).parse().ok(),
            local: field(LOCAL_FIELD).parse().ok(),
            host: field("Host"),
            origin: field("Origin"),
            fetch_site: field("Sec-Fetch-Site"),
            fetch_mode: field("Sec-Fetch-Mode"),
            agent: field("User-Agent"),
            is_forwarded: !field("Forwarded").is_empty(),
            is_proxy: field(PROXY_FIELD) == "1",
            credentials: Credentials {
                cookie: field("Cookie"),
                authorization: field("Authorization"),
            },
        },
        secure: field(SECURE_FIELD) == "1",
        content_type: field("Content-Type"),
        body: &body,
        piece_bytes: field(LENGTH_FIELD).parse().ok(),
        upload_offset: field("Upload-Offset"),
        last_event_id: field("Last-Event-ID"),
    };
    let world = World {
        snapshot: &shop.board.read(),
        moment: moment(shop.meter.read(), &shop.gauges, &shop.settings),
        ask: &|command| shop.ask(command),
        listing: &shop.library.listing(),
        change: &|change| shop.change(change),
        uploads: &shop.clerk.known(),
        auth: &shop.auth,
        audit: &shop.audit,
        store_hash: &*shop.store_hash,
        log: &shop.log,
        settings: &shop.settings,
        appliance: &shop.appliance,
    };
    // What is written to the disk counts as a command, so that a slow one keeps no worker from
    // telling the state.
    let counted = routes::waits_for_disk(&asked).then(|| Counted::new(&shop.commands));
    match counted {
        Some(Err(busy)) => routes::error(503, "BUSY", &busy.words),
        Some(Ok(_)) | None => routes::answer(asked, &world),
    }
}

/// Now.
pub fn moment(http: HttpUse, gauges: &Gauges, settings: &Settings) -> Moment {
    let config = settings.current();
    Moment {
        http,
        now: clock::mono(),
        utc: clock::utc(),
        pid: std::process::id(),
        resident_bytes: memory::rss_bytes().unwrap_or(0),
        heap: heap::usage(),
        budget_bytes: gauges.budget_bytes(),
        machine: gauges.machine(),
        thresholds: config.health,
        name: config.appliance.name,
    }
}

fn print(answer: Answer, request: &Request) -> io::Result<Printed> {
    let stream =
        answer.stream.and_then(|stream| Header::from_bytes(STREAM_FIELD, stream.to_string()).ok());
    let fields = answer.all_fields();
    let headers = fields.filter_map(|(name, value)| Header::from_bytes(name, value).ok());
    let headers = headers.chain(stream).collect();
    let (status, length) = (StatusCode(answer.status), answer.body.len());
    // Always with a Content-Length: the gate does not take chunks.
    let response = Response::new(status, headers, io::empty(), Some(length), None)
        .with_chunked_threshold(usize::MAX);
    let mut head = Vec::with_capacity(1024);
    let version = request.http_version().clone();
    response.raw_print(&mut head, version, request.headers(), true, None)?;
    // RFC 9110, 6.4.1.
    let is_bodiless = *request.method() == Method::Head || matches!(answer.status, 204 | 304);
    Ok((head, if is_bodiless { Cow::Borrowed(&[]) } else { answer.body }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    /// Asks once more over a connection that is kept; the answer's status and body.
    fn ask(stream: &mut UnixStream) -> (String, String) {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("an answer");
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        let status = head.split(' ').nth(1).unwrap().to_owned();
        (status, String::from_utf8(body).unwrap())
    }

    #[test]
    fn a_panic_ends_the_answer_and_neither_the_thread_nor_the_connection() {
        let place = std::env::temp_dir().join(format!("worker-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&place);
        let server = Server::from_listener(UnixListener::bind(&place).unwrap(), None).unwrap();
        let worker = thread::spawn(move || {
            let good = |_: &mut Request| routes::text(200, "text/plain", "well\n");
            let next = || server.recv().unwrap();
            respond(next(), good, print).unwrap();
            respond(next(), |_| panic!("in a route"), print).unwrap();
            respond(next(), good, |_, _| panic!("while it is printed")).unwrap();
            let broken = |_, _: &Request| Err(io::Error::other("not printed"));
            respond(next(), good, broken).unwrap_err();
            respond(next(), good, print).unwrap();
        });
        let mut stream = UnixStream::connect(&place).unwrap();
        let well = ("200".to_owned(), "well\n".to_owned());
        assert_eq!(ask(&mut stream), well);
        for place in ["in a route", "while it is printed"] {
            let (status, body) = ask(&mut stream);
            assert_eq!(status, "500", "{place}");
            assert!(body.contains("SYSTEM_ERROR") && !body.contains(place), "{body}");
        }
        assert_eq!(ask(&mut stream).0, "500");
        assert_eq!(ask(&mut stream), well);
        worker.join().expect("the thread lives");
    }

    #[test]
    fn as_many_commands_are_under_way_as_may_be() {
        let commands = AtomicUsize::new(0);
        let first: Vec<_> = (0..HTTP_COMMANDS_MAX).map(|_| Counted::new(&commands)).collect();
        assert!(first.iter().all(Result::is_ok));
        for _ in 0..3 {
            let refused = Counted::new(&commands).err().map(|declined| declined.kind);
            assert_eq!(refused, Some(DeclinedKind::Busy));
        }
        drop(first);
        assert!(Counted::new(&commands).is_ok());
    }
}
