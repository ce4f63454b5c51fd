//! What answers which request. Purpose: a pure function from what was asked and a snapshot to an
//! answer; sockets and threads are elsewhere. Non-goals: parsing HTTP, connections. Bound: an
//! answer's size follows from the limits on viewers and destinations.

use std::borrow::Cow;

use serde::Serialize;

use crate::control::api::{self, Moment};
use crate::control::page;
use crate::control::stat;
use crate::system::health::{judge, Verdict};
use crate::system::snapshot::Snapshot;

/// The two TCP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Page and API.
    Http,
    /// `/stat` and `/health`.
    Stat,
}

impl Port {
    /// Both ports.
    pub const ALL: [Port; 2] = [Port::Http, Port::Stat];

    /// The name the gate tells the server behind it.
    pub const fn name(self) -> &'static str {
        match self {
            Port::Http => "http",
            Port::Stat => "stat",
        }
    }
}

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The port it came in by.
    pub port: Port,
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The client understands gzip.
    pub gzip: bool,
    /// If-None-Match as sent; empty when absent.
    pub if_none_match: &'a str,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Fields besides those that every answer has.
    pub fields: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

/// Fields of every answer: no guessing of types, no referrer, no frame, nothing loaded from
/// elsewhere.
pub const COMMON_FIELDS: [(&str, &str); 4] = [
    ("Server", "StreamCaster"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
];

const FRESH: (&str, &str) = ("Cache-Control", "no-store");
const JSON: (&str, &str) = ("Content-Type", "application/json; charset=utf-8");

/// The API's form of an error.
#[derive(Serialize)]
struct ErrorAnswer<'a> {
    success: bool,
    error: &'a str,
    code: &'a str,
}

/// An error in the API's form.
pub fn error(status: u16, code: &str, text: &str) -> Answer {
    json(status, &ErrorAnswer { success: false, error: text, code })
}

fn json(status: u16, value: &impl Serialize) -> Answer {
    // Our own structs of numbers, texts and lists: there is nothing JSON could not say.
    let body = serde_json::to_vec(value).unwrap_or_default();
    Answer { status, fields: vec![JSON, FRESH], body: Cow::Owned(body) }
}

fn text(status: u16, kind: &'static str, body: impl Into<Cow<'static, str>>) -> Answer {
    let body = match body.into() {
        Cow::Borrowed(body) => Cow::Borrowed(body.as_bytes()),
        Cow::Owned(body) => Cow::Owned(body.into_bytes()),
    };
    Answer { status, fields: vec![("Content-Type", kind), FRESH], body }
}

/// Answers.
pub fn answer(asked: Asked<'_>, snapshot: &Snapshot, moment: Moment) -> Answer {
    let path = asked.target.split(['?', '#']).next().unwrap_or_default();
    let known = match asked.port {
        Port::Http => matches!(path, "/api/status" | "/api/health") || page::has(path),
        Port::Stat => matches!(path, "/stat" | "/health"),
    };
    if !known {
        return error(404, "NOT_FOUND", "There is nothing at this path.");
    }
    if !matches!(asked.method, "GET" | "HEAD") {
        let mut refused = error(405, "INVALID_REQUEST", "This path only takes GET and HEAD.");
        refused.fields.push(("Allow", "GET, HEAD"));
        return refused;
    }
    match (asked.port, path) {
        (Port::Http, "/api/status") => {
            json(200, &api::status(snapshot, &judge(snapshot, moment.now), moment))
        }
        (Port::Http, "/api/health") => {
            let health = judge(snapshot, moment.now);
            let status = if health.verdict == Verdict::Unhealthy { 503 } else { 200 };
            json(status, &api::health(snapshot, &health, moment))
        }
        (Port::Http, _) => page::answer(path, asked.gzip, asked.if_none_match),
        (Port::Stat, "/stat") => text(200, "text/xml", stat::document(snapshot, moment)),
        (Port::Stat, _) => match judge(snapshot, moment.now).verdict {
            Verdict::Unhealthy => text(503, "text/plain", "unhealthy\n"),
            Verdict::Healthy | Verdict::Degraded => text(200, "text/plain", "healthy\n"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{DESTINATIONS_MAX, HTTP_ANSWER_BYTES_MAX, VIEWERS_MAX};
    use crate::base::time::Mono;
    use crate::control::sample;
    use crate::system::snapshot::{Text, TEXT_BYTES_MAX};
    use serde_json::Value;

    fn ask(port: Port, method: &str, target: &str) -> Answer {
        let asked = Asked { port, method, target, gzip: false, if_none_match: "" };
        answer(asked, &sample::on_air(), sample::MOMENT)
    }

    fn value(answer: &Answer) -> Value {
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[test]
    fn each_port_has_its_own_paths() {
        for path in ["/", "/page.css", "/page.js", "/api/status", "/api/status?x=1", "/api/health"]
        {
            assert_eq!(ask(Port::Http, "GET", path).status, 200, "{path}");
            assert_eq!(ask(Port::Stat, "GET", path).status, 404, "{path}");
        }
        for path in ["/stat", "/health"] {
            assert_eq!(ask(Port::Stat, "GET", path).status, 200, "{path}");
            assert_eq!(ask(Port::Http, "GET", path).status, 404, "{path}");
        }
        assert_eq!(&*ask(Port::Stat, "GET", "/health").body, b"healthy\n");
    }

    #[test]
    fn errors_have_the_form_of_the_api() {
        for path in ["/nothing", "/../etc/passwd", "//", "/api/status/"] {
            let refused = ask(Port::Http, "GET", path);
            assert_eq!(refused.status, 404, "{path}");
            assert_eq!(value(&refused)["success"], false);
            assert_eq!(value(&refused)["code"], "NOT_FOUND");
        }
        let refused = ask(Port::Http, "POST", "/api/status");
        assert_eq!((refused.status, &value(&refused)["code"]), (405, &"INVALID_REQUEST".into()));
        assert!(refused.fields.contains(&("Allow", "GET, HEAD")));
    }

    #[test]
    fn a_stuck_data_plane_is_told_by_status() {
        let snapshot = sample::on_air();
        let moment = Moment { now: Mono::from_ms(3_610_000), ..sample::MOMENT };
        let ask = |port, target| {
            answer(
                Asked { port, method: "GET", target, gzip: false, if_none_match: "" },
                &snapshot,
                moment,
            )
        };
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
        for (port, target) in [(Port::Http, "/api/status"), (Port::Stat, "/stat")] {
            let asked = Asked { port, method: "GET", target, gzip: false, if_none_match: "" };
            let bytes = answer(asked, &snapshot, sample::MOMENT).body.len();
            assert!(bytes <= HTTP_ANSWER_BYTES_MAX, "{target}: {bytes}");
        }
    }
}
