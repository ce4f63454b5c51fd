//! `GET /api/events`: what happens, as server-sent events (WHATWG HTML, 9.2). Purpose: a page that
//! is open knows the state a second after it was, without asking. Non-goals: keeping events for a
//! client that does not read: it has the newest state when it reads again, or is cut. Bounds: the
//! state's event is made once a second for all clients, and not at all without one; a client holds
//! the one it is being sent, and [`EVENT_LOG_LINES_MAX`] lines of the log.
//!
//! | event | data |
//! |---|---|
//! | `status` | what `GET /api/status` tells, once a second |
//! | `log` | `{"lines":[{"id","time","level","target","text"}]}`; its `id:` is the last line's |
//! | `library` | `{"version"}`: first, and when the list of files has changed |
//! | `config` | `{"revision"}`: first, and when the settings have changed |

use std::cell::RefCell;
use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use serde::Serialize;
use smol::future::or;

use crate::base::limits::{EVENT_LOG_LINES_MAX, EVENT_PERIOD_MS, LOG_LINES_MAX};
use crate::base::time::Mono;
use crate::control::api::moment::Now;
use crate::control::api::status;
use crate::control::http::stream::Carrier;
use crate::library::Library;
use crate::operator::snapshot::Board;
use crate::system::logs::{LogBook, LogLine};

/// How long a client waits before it connects again, ms.
const RETRY: &str = "retry: 2000\n\n";
const PERIOD: Duration = Duration::from_millis(EVENT_PERIOD_MS);

/// Tells the revision of the settings; called on the gate's thread, so it must not wait.
pub type Revision = Arc<dyn Fn() -> String + Send + Sync>;

/// Where the events come from.
pub struct EventSource {
    board: Board,
    library: Library,
    logs: LogBook,
    revision: Revision,
    now: Now,
    newest: RefCell<Option<StatusEvent>>,
}

/// The state's event, whole.
#[derive(Clone)]
struct StatusEvent {
    made: Mono,
    event: Arc<str>,
}

#[derive(Serialize)]
struct Lines<'a> {
    lines: Vec<LineAnswer<'a>>,
}

#[derive(Serialize)]
struct LineAnswer<'a> {
    id: u64,
    time: String,
    level: String,
    target: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct LibraryAnswer {
    version: u64,
}

#[derive(Serialize)]
struct ConfigAnswer<'a> {
    revision: &'a str,
}

/// What a client knows.
#[derive(Default)]
struct Known {
    line: Option<u64>,
    library: Option<u64>,
    revision: Option<String>,
}

impl EventSource {
    /// From these; `now` tells the time and what else the state is told with.
    pub fn new(
        board: Board,
        library: Library,
        logs: LogBook,
        revision: Revision,
        now: Now,
    ) -> EventSource {
        EventSource { board, library, logs, revision, now, newest: RefCell::new(None) }
    }

    /// The newest state, made again if the last one is as old as may be.
    fn status(&self) -> StatusEvent {
        let moment = (self.now)();
        let mut newest = self.newest.borrow_mut();
        match &*newest {
            Some(event) if moment.now < event.made + PERIOD => event.clone(),
            _ => {
                let status = status::document(&self.board.read(), moment);
                let text = String::from_utf8_lossy(&status);
                let event = format!("event: status\ndata: {text}\n\n").into();
                newest.insert(StatusEvent { made: moment.now, event }).clone()
            }
        }
    }

    /// What a client does not know yet, besides the state; empty when it knows everything.
    fn news(&self, known: &mut Known) -> String {
        let mut events = String::new();
        let version = self.library.version();
        if known.library != Some(version) {
            known.library = Some(version);
            event(&mut events, "library", None, &LibraryAnswer { version });
        }
        let revision = (self.revision)();
        if known.revision.as_ref() != Some(&revision) {
            event(&mut events, "config", None, &ConfigAnswer { revision: &revision });
            known.revision = Some(revision);
        }
        let lines = self.logs.since(known.line, EVENT_LOG_LINES_MAX);
        if let Some(last) = lines.last() {
            known.line = Some(last.number);
            let answer = Lines { lines: lines.iter().map(line_answer).collect() };
            event(&mut events, "log", known.line, &answer);
        }
        events
    }
}

fn line_answer(line: &LogLine) -> LineAnswer<'_> {
    LineAnswer {
        id: line.number,
        time: line.time.to_string(),
        level: line.level.as_str().to_ascii_lowercase(),
        target: &line.target,
        text: &line.text,
    }
}

/// Appends an event. JSON as it is written here has no line ends.
fn event(events: &mut String, name: &str, id: Option<u64>, data: &impl Serialize) {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    // Our own structs of numbers and texts: there is nothing JSON could not say.
    let data = serde_json::to_string(data).unwrap_or_default();
    // A String takes all that is written to it.
    let _ = write!(events, "event: {name}\n{id}data: {data}\n\n");
}

/// Serves the events until the client leaves; `after` is the number of the last log line it has.
///
/// # Errors
/// The client is gone, or does not read.
pub async fn serve(
    carrier: &mut Carrier<'_>,
    source: &EventSource,
    after: Option<u64>,
) -> io::Result<()> {
    carrier.begin("text/event-stream; charset=utf-8").await?;
    carrier.send(RETRY.as_bytes()).await?;
    let mut known = Known { line: after, ..Known::default() };
    loop {
        let newest = source.status();
        carrier.send(newest.event.as_bytes()).await?;
        // As often as it takes to send the whole log: it may grow meanwhile, and need not be
        // caught up with at once.
        for _ in 0..=LOG_LINES_MAX / EVENT_LOG_LINES_MAX {
            let news = source.news(&mut known);
            if news.is_empty() {
                break;
            }
            carrier.send(news.as_bytes()).await?;
        }
        let pause = (newest.made + PERIOD).since((source.now)().now);
        drop(newest);
        let due = async {
            Timer::after(pause).await;
            false
        };
        let left = async {
            carrier.left().await;
            true
        };
        if or(left, due).await {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::api::moment::Moment;
    use crate::control::api::sample;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::Mutex;

    struct Desk {
        room: EventSource,
        now_ms: Arc<AtomicU64>,
        made: Arc<AtomicU64>,
        revision: Arc<Mutex<String>>,
    }

    fn desk() -> Desk {
        let (board, now_ms) = (Board::default(), Arc::new(AtomicU64::new(3_600_000)));
        board.publish(sample::on_air());
        let folder =
            std::env::temp_dir().join(format!("streamcaster-events-{}", std::process::id()));
        let revision = Arc::new(Mutex::new("a1".to_owned()));
        let made = Arc::<AtomicU64>::default();
        let (told, clock, asked) = (Arc::clone(&revision), Arc::clone(&now_ms), Arc::clone(&made));
        let room = EventSource::new(
            board,
            Library::start(folder).unwrap(),
            LogBook::default(),
            Arc::new(move || told.lock().unwrap().clone()),
            Arc::new(move || {
                asked.fetch_add(1, Ordering::Relaxed);
                Moment { now: Mono::from_ms(clock.load(Ordering::Relaxed)), ..sample::MOMENT }
            }),
        );
        Desk { room, now_ms, made, revision }
    }

    #[test]
    fn the_state_is_made_once_for_all_and_again_when_it_is_old() {
        let desk = desk();
        assert_eq!(desk.made.load(Ordering::Relaxed), 0, "nobody listens");
        let first = desk.room.status().event;
        assert!(first.starts_with("event: status\ndata: {\"stream_status\":\"streaming\","));
        assert!(first.ends_with("}\n\n") && first.matches('\n').count() == 3, "{first}");
        desk.now_ms.fetch_add(EVENT_PERIOD_MS - 1, Ordering::Relaxed);
        assert!(Arc::ptr_eq(&first, &desk.room.status().event));
        desk.now_ms.fetch_add(1, Ordering::Relaxed);
        assert!(!Arc::ptr_eq(&first, &desk.room.status().event));
    }

    #[test]
    fn a_client_is_told_what_it_does_not_know() {
        let desk = desk();
        let mut known = Known::default();
        let first = desk.room.news(&mut known);
        assert!(first.contains("event: library\ndata: {\"version\":"), "{first}");
        assert!(first.ends_with("event: config\ndata: {\"revision\":\"a1\"}\n\n"), "{first}");
        *desk.revision.lock().unwrap() = "b2".to_owned();
        known.library = Some(desk.room.library.version());
        let second = desk.room.news(&mut known);
        assert!(second.contains("event: config\ndata: {\"revision\":\"b2\"}\n\n"), "{second}");
        known.library = Some(u64::MAX);
        assert!(desk.room.news(&mut known).starts_with("event: library\n"));
    }
}
