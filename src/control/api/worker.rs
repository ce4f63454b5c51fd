//! The threads that answer. Purpose: take requests from the gate, ask [`routes`], hand back the
//! answer, printed. A panic while an answer is made or printed ends that answer, not the thread.
//! Non-goals: policy. Bounds:
//! [`HTTP_COMMANDS_MAX`] commands under way, so that workers are left to tell the state; one list
//! of the library in the making.

use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use smol::channel::Receiver;
use tiny_http::Method;

use crate::base::limits::{HTTP_COMMANDS_MAX, HTTP_WORKERS};
use crate::config::settings::Settings;
use crate::control::api::asked::Asked;
use crate::control::api::audit::Audit;
use crate::control::api::firmware::Appliance;
use crate::control::api::moment::Moment;
use crate::control::api::routes::{self, World};
use crate::control::api::session::StoreHash;
use crate::control::api::stream::{Answered, Stream};
use crate::control::auth::Auth;
use crate::control::http::answer::{self, Answer};
use crate::control::http::budget::AnswerBudget;
use crate::control::http::head::Refusal;
use crate::control::http::job::{Job, Reply, Request};
use crate::control::http::meter::Meter;
use crate::control::http::print::Printed;
use crate::control::options::ControlOptions;
use crate::health::host::Gauges;
use crate::library::upload::UploadError;
use crate::library::writer::{Change, ChangeResult, LibraryWriter};
use crate::library::Library;
use crate::operator::commands::{Command, Declined, DeclinedKind, Desk, Outcome};
use crate::operator::snapshot::Board;
use crate::system::clock;
use crate::system::logs::LogBook;

const _: () = assert!(HTTP_COMMANDS_MAX < HTTP_WORKERS);

/// What the workers share.
pub struct Backend {
    /// What their answers may hold.
    budget: AnswerBudget,
    board: Board,
    desk: Desk,
    library: Library,
    library_writer: LibraryWriter,
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

impl Backend {
    /// All of it.
    pub fn new(options: ControlOptions, meter: Arc<Meter>) -> Backend {
        Backend {
            budget: AnswerBudget::default(),
            board: options.board,
            desk: options.desk,
            library: options.library,
            library_writer: options.library_writer,
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
    fn change(&self, change: Change) -> Result<ChangeResult, UploadError> {
        let _counted = Counted::new(&self.commands).map_err(|_| UploadError::Busy)?;
        self.library_writer.ask(change)
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

/// A worker's whole life: it ends when no more jobs can come.
pub fn work(backend: &Backend, jobs: &Receiver<Job<Stream>>) {
    while let Ok(job) = jobs.recv_blocking() {
        if job.reply.is_closed() {
            // The client has left.
            continue;
        }
        let reply = serve(&job.request, backend);
        // The client may have left meanwhile: nobody misses the answer.
        let _ = job.reply.try_send(reply);
    }
}

fn serve(request: &Request, backend: &Backend) -> Reply<Stream> {
    let large = routes::may_be_large(&request.head.target);
    // Nothing is in it that a panic could leave half done.
    let _one = large.then(|| backend.listing.lock().unwrap_or_else(PoisonError::into_inner));
    let is_head = request.head.method == Method::Head;
    respond(|| answer(request, backend), |answer| Printed::new(answer, is_head, &backend.budget))
}

/// Makes an answer and prints it; after a panic another one takes its place.
fn respond(
    make: impl FnOnce() -> Answered,
    print: impl Fn(Answer) -> io::Result<Printed>,
) -> Reply<Stream> {
    let made = catch_unwind(AssertUnwindSafe(|| match make() {
        Answered::Stream(stream) => Ok(Reply::Stream(stream)),
        Answered::Answer(answer) => print(answer).map(Reply::Whole),
    }));
    let reply = match made {
        Ok(Ok(reply)) => return reply,
        Ok(Err(error)) if error.kind() == io::ErrorKind::OutOfMemory => None,
        // The last resort, should even the answer about a panic end in one.
        Ok(Err(_)) | Err(_) => catch_unwind(AssertUnwindSafe(|| print(failed()).ok())).ok(),
    };
    reply.flatten().map_or(Reply::Refused(Refusal::Unavailable), Reply::Whole)
}

/// What is answered instead when a panic ends the making of an answer.
fn failed() -> Answer {
    answer::error(500, "SYSTEM_ERROR", "The answer could not be made.")
}

fn answer(request: &Request, backend: &Backend) -> Answered {
    let asked = Asked::of(request);
    let world = World {
        snapshot: &backend.board.read(),
        moment: Moment::now(&backend.meter, &backend.gauges, &backend.settings),
        ask: &|command| backend.ask(command),
        listing: &backend.library.listing(),
        change: &|change| backend.change(change),
        uploads: &backend.library_writer.known(),
        auth: &backend.auth,
        audit: &backend.audit,
        store_hash: &*backend.store_hash,
        log: &backend.log,
        settings: &backend.settings,
        appliance: &backend.appliance,
    };
    // What is written to the disk counts as a command, so that a slow one keeps no worker from
    // telling the state.
    let counted = routes::waits_for_disk(&asked).then(|| Counted::new(&backend.commands));
    match counted {
        Some(Err(busy)) => Answered::Answer(answer::error(503, "BUSY", &busy.words)),
        Some(Ok(_)) | None => routes::answer(asked, &world),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::HTTP_ANSWERS_BYTES_MAX;

    /// The status of an answer, and the answer.
    fn told(reply: Reply<Stream>) -> (String, String) {
        match reply {
            Reply::Whole(printed) => {
                let text = String::from_utf8(printed.parts(true).concat()).unwrap();
                (text.split(' ').nth(1).unwrap().to_owned(), text)
            }
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_panic_ends_the_answer_and_not_the_thread() {
        let budget = AnswerBudget::default();
        let good = || Answered::Answer(answer::text(200, "text/plain", "well\n"));
        let print = |answer| Printed::new(answer, false, &budget);
        let (status, answer) = told(respond(good, print));
        assert!(status == "200" && answer.ends_with("\r\n\r\nwell\n"), "{answer}");
        let first = std::cell::Cell::new(true);
        let once = |answer: Answer| match first.replace(false) {
            true => panic!("while it is printed"),
            false => print(answer),
        };
        let broken = std::cell::Cell::new(true);
        let not_printed = |answer: Answer| match broken.replace(false) {
            true => Err(io::Error::other("not printed")),
            false => print(answer),
        };
        for (place, reply) in [
            ("in a route", respond(|| panic!("in a route"), print)),
            ("while it is printed", respond(good, once)),
            ("not printed", respond(good, not_printed)),
        ] {
            let (status, answer) = told(reply);
            assert_eq!(status, "500", "{place}");
            assert!(answer.contains("SYSTEM_ERROR") && !answer.contains(place), "{answer}");
        }
        assert_eq!(told(respond(good, print)).0, "200");
        let reply = respond(good, |_| panic!("whatever is printed"));
        assert!(matches!(reply, Reply::Refused(Refusal::Unavailable)), "{reply:?}");
    }

    #[test]
    fn without_room_for_an_answer_its_client_is_refused() {
        let budget = AnswerBudget::default();
        let _all = budget.take(HTTP_ANSWERS_BYTES_MAX);
        let owned = || Answered::Answer(answer::json(200, &"well"));
        let reply = respond(owned, |answer| Printed::new(answer, false, &budget));
        assert!(matches!(reply, Reply::Refused(Refusal::Unavailable)), "{reply:?}");
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
