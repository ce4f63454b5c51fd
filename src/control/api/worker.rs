//! The threads that answer. Purpose: take requests from the gate, ask [`routes`], hand back the
//! answer, printed. A panic while an answer is made or printed ends that answer, not the thread.
//! Non-goals: policy. Bounds: the answers' budget; one list of the library in the making.

use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use smol::channel::Receiver;
use tiny_http::Method;

use crate::control::api::asked::Asked;
use crate::control::api::backend::Backend;
use crate::control::api::routes;
use crate::control::api::stream::{Answered, Stream};
use crate::control::http::answer::Answer;
use crate::control::http::budget::AnswerBudget;
use crate::control::http::head::Refusal;
use crate::control::http::job::{Job, Reply, Request};
use crate::control::http::print::Printed;
use crate::control::http::problem::Problem;

/// What the workers share.
pub struct Workers {
    backend: Backend,
    /// What their answers may hold.
    budget: AnswerBudget,
    /// Held while a list of the library is made and handed on: it may be large.
    listing: Mutex<()>,
}

impl Workers {
    /// Whose answers are made from this.
    pub fn new(backend: Backend) -> Workers {
        Workers { backend, budget: AnswerBudget::default(), listing: Mutex::default() }
    }

    /// A worker's whole life: it ends when no more jobs can come.
    pub fn work(&self, jobs: &Receiver<Job<Stream>>) {
        while let Ok(job) = jobs.recv_blocking() {
            if job.reply.is_closed() {
                // The client has left.
                continue;
            }
            let reply = self.serve(&job.request);
            // The client may have left meanwhile: nobody misses the answer.
            let _ = job.reply.try_send(reply);
        }
    }

    fn serve(&self, request: &Request) -> Reply<Stream> {
        let large = routes::may_be_large(&request.head.target);
        // Nothing is in it that a panic could leave half done.
        let _one = large.then(|| self.listing.lock().unwrap_or_else(PoisonError::into_inner));
        let is_head = request.head.method == Method::Head;
        respond(
            || routes::answer(&Asked::of(request), &self.backend),
            |answer| Printed::new(answer, is_head, &self.budget),
        )
    }
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
    Problem::Failed.answer("The answer could not be made.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::HTTP_ANSWERS_BYTES_MAX;
    use crate::control::http::answer;

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
}
