//! The threads that answer. Purpose: take requests from tiny_http, ask [`routes`], hand back the
//! answer. A panic while answering ends that answer, not the thread. Non-goals: policy.

use std::io::Cursor;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use tiny_http::{Header, Request, Response, Server, StatusCode};

use crate::control::api::Moment;
use crate::control::page;
use crate::control::routes::{self, Answer, Asked, Port, COMMON_FIELDS};
use crate::system::snapshot::Board;
use crate::system::{clock, heap, memory};

/// The field by which the gate says on which port a request came in; a peer's own one never
/// passes the gate.
pub const PORT_FIELD: &str = "X-Streamcaster-Port";

/// What the workers share.
pub struct Shop {
    /// The HTTP server they answer for.
    pub server: Server,
    /// Where the state hangs.
    pub board: Board,
    /// No more requests will come.
    pub closed: AtomicBool,
}

/// A worker's whole life.
pub fn work(shop: &Arc<Shop>) {
    // After an error (tiny_http's accept failed) requests still come in by the lanes that stand.
    while !shop.closed.load(Ordering::Acquire) {
        if let Ok(request) = shop.server.recv() {
            serve(request, &shop.board);
        }
    }
}

fn serve(request: Request, board: &Board) {
    let answered = catch_unwind(AssertUnwindSafe(|| answer(&request, board)));
    let answer = answered
        .unwrap_or_else(|_| routes::error(500, "SYSTEM_ERROR", "The answer could not be made."));
    if let Err(e) = request.respond(response(answer)) {
        log::debug!("control: an answer was not taken: {e}");
    }
}

fn answer(request: &Request, board: &Board) -> Answer {
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
    };
    routes::answer(asked, &board.read(), moment())
}

fn moment() -> Moment {
    Moment {
        now: clock::mono(),
        utc: clock::utc(),
        pid: std::process::id(),
        resident_bytes: memory::rss_bytes().unwrap_or(0),
        heap: heap::usage(),
    }
}

fn response(answer: Answer) -> Response<Cursor<std::borrow::Cow<'static, [u8]>>> {
    let fields = COMMON_FIELDS.iter().chain(&answer.fields);
    let headers = fields.filter_map(|(name, value)| Header::from_bytes(*name, *value).ok());
    let length = answer.body.len();
    let status = StatusCode(answer.status);
    let body = Cursor::new(answer.body);
    // Always with a Content-Length: the gate does not take chunks.
    Response::new(status, headers.collect(), body, Some(length), None)
        .with_chunked_threshold(usize::MAX)
}
