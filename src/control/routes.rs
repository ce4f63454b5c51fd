//! What answers which request. Purpose: a function from what was asked and a snapshot to an
//! answer; sockets and threads are elsewhere, and what reaches out (commands, the library) is
//! handed in. Non-goals: parsing HTTP, connections. Bound: an answer's size follows from the
//! limits on viewers and destinations, and the library's list keeps its own.

use std::borrow::Cow;

use serde::Serialize;

use crate::control::api::{self, Moment};
use crate::control::caller::Caller;
use crate::control::destinations;
use crate::control::orders;
use crate::control::page;
use crate::control::settings;
use crate::control::stat;
use crate::control::stream::Stream;
use crate::control::videos;
use crate::system::commands::{Command, Outcome};
use crate::system::health::{judge, Verdict};
use crate::system::library::listing::Listing;
use crate::system::library::objections::OnAir;
use crate::system::settings::Settings;
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
    /// If-Match as sent; empty when absent.
    pub if_match: &'a str,
    /// Who asks.
    pub caller: Caller<'a>,
    /// Content-Type as sent; empty when absent.
    pub content_type: &'a str,
    /// The body; empty when absent.
    pub body: &'a [u8],
    /// Length of a body that the gate reads itself if the answer is a [`Stream`], bytes.
    pub piece_bytes: Option<u64>,
    /// Last-Event-ID as sent; empty when absent.
    pub last_event_id: &'a str,
}

/// What an answer is made from.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The state.
    pub snapshot: &'a Snapshot,
    /// Now.
    pub moment: Moment,
    /// Gives a command and waits for what comes of it.
    pub ask: &'a dyn Fn(Command) -> Outcome,
    /// The library.
    pub listing: &'a Listing,
    /// The settings.
    pub settings: &'a Settings,
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
    /// What the gate serves instead of this answer.
    pub stream: Option<Stream>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
}

/// An error in the API's form.
pub fn error(status: u16, code: &str, text: &str) -> Answer {
    error_with(status, code, text, None)
}

/// The same, with the command line that would help.
pub fn error_with(status: u16, code: &str, text: &str, remedy: Option<&str>) -> Answer {
    json(status, &ErrorAnswer { success: false, error: text, code, remedy })
}

/// An answer in JSON.
pub fn json(status: u16, value: &impl Serialize) -> Answer {
    // Our own structs of numbers, texts and lists: there is nothing JSON could not say.
    json_bytes(status, serde_json::to_vec(value).unwrap_or_default())
}

/// An answer that is JSON already.
pub fn json_bytes(status: u16, body: Vec<u8>) -> Answer {
    Answer { status, fields: vec![JSON, FRESH], body: Cow::Owned(body), stream: None }
}

/// An answer that the gate's side gives.
pub fn streamed(stream: Stream) -> Answer {
    Answer { status: 200, fields: Vec::new(), body: Cow::Borrowed(&[]), stream: Some(stream) }
}

fn text(status: u16, kind: &'static str, body: impl Into<Cow<'static, str>>) -> Answer {
    let body = match body.into() {
        Cow::Borrowed(body) => Cow::Borrowed(body.as_bytes()),
        Cow::Owned(body) => Cow::Owned(body.into_bytes()),
    };
    Answer { status, fields: vec![("Content-Type", kind), FRESH], body, stream: None }
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Status,
    Health,
    Videos,
    Switch,
    Stop,
    Playout,
    Playlists,
    /// One list, by its name as it stands in the path.
    Playlist(&'a str),
    Destinations,
    /// One destination, by its name as it stands in the path.
    Destination(&'a str),
    DestinationRestart(&'a str),
    Settings,
    Restart,
    /// A file of the page.
    Page,
    Stat,
    PlainHealth,
    Events,
}

impl<'a> Route<'a> {
    fn of(port: Port, path: &'a str) -> Option<Route<'a>> {
        Some(match (port, path) {
            (Port::Http, "/api/status") => Route::Status,
            (Port::Http, "/api/health") => Route::Health,
            (Port::Http, "/api/videos") => Route::Videos,
            (Port::Http, "/api/events") => Route::Events,
            (Port::Http, "/api/switch") => Route::Switch,
            (Port::Http, "/api/stop") => Route::Stop,
            (Port::Http, "/api/playout") => Route::Playout,
            (Port::Http, "/api/playlists") => Route::Playlists,
            (Port::Http, "/api/destinations") => Route::Destinations,
            (Port::Http, "/api/settings") => Route::Settings,
            (Port::Http, "/api/restart") => Route::Restart,
            (Port::Http, path) if page::has(path) => Route::Page,
            (Port::Http, path) => return Route::named(path),
            (Port::Stat, "/stat") => Route::Stat,
            (Port::Stat, "/health") => Route::PlainHealth,
            (Port::Stat, _) => return None,
        })
    }

    /// What a path with a name in it stands for.
    fn named(path: &'a str) -> Option<Route<'a>> {
        let (kind, rest) = path.strip_prefix("/api/")?.split_once('/')?;
        Some(match (kind, rest.split_once('/')) {
            ("playlists", None) => Route::Playlist(rest),
            ("destinations", None) => Route::Destination(rest),
            ("destinations", Some((name, "restart"))) => Route::DestinationRestart(name),
            _ => return None,
        })
    }

    /// The methods it takes, as Allow lists them.
    const fn methods(self) -> &'static str {
        match self {
            Route::Switch | Route::Stop | Route::Playout => "POST",
            Route::DestinationRestart(_) | Route::Restart => "POST",
            Route::Destinations => "GET, HEAD, POST",
            Route::Destination(_) => "PUT, DELETE",
            Route::Settings => "GET, HEAD, PATCH",
            // A stream has nothing to say to HEAD.
            Route::Events => "GET",
            Route::Playlist(_) => "GET, HEAD, PUT, DELETE",
            _ => "GET, HEAD",
        }
    }
}

/// Whether the answer to this target may be far larger than others.
pub fn may_be_large(target: &str) -> bool {
    target.starts_with("/api/videos")
}

/// Whether this changes what is on the disk.
pub fn writes_settings(asked: &Asked<'_>) -> bool {
    let paths = ["/api/destinations", "/api/settings"];
    let reads = matches!(asked.method, "GET" | "HEAD");
    !reads && paths.iter().any(|path| asked.target.starts_with(path))
}

/// Answers.
pub fn answer(asked: Asked<'_>, world: &World<'_>) -> Answer {
    let path = asked.target.split(['?', '#']).next().unwrap_or_default();
    let Some(route) = Route::of(asked.port, path) else {
        return error(404, "NOT_FOUND", "There is nothing at this path.");
    };
    let methods = route.methods();
    if !methods.split(", ").any(|method| method == asked.method) {
        let words = format!("This path only takes {}.", methods.replace(", ", " and "));
        let mut refused = error(405, "INVALID_REQUEST", &words);
        refused.fields.push(("Allow", methods));
        return refused;
    }
    let answered = if matches!(asked.method, "GET" | "HEAD") {
        tell(asked, route, path, world)
    } else {
        may_command(asked).and_then(|()| command(asked, route, world))
    };
    answered.unwrap_or_else(|refused| refused)
}

/// Tells something.
fn tell(
    asked: Asked<'_>,
    route: Route<'_>,
    path: &str,
    world: &World<'_>,
) -> Result<Answer, Answer> {
    let World { snapshot, moment, .. } = *world;
    let health = || judge(snapshot, moment.now);
    Ok(match route {
        Route::Status => json(200, &api::status(snapshot, &health(), moment)),
        Route::Health => {
            let health = health();
            let status = if health.verdict == Verdict::Unhealthy { 503 } else { 200 };
            json(status, &api::health(snapshot, &health, moment))
        }
        Route::Videos => {
            let on_air = OnAir {
                video: snapshot.programme.video.as_ref(),
                audio: snapshot.programme.audio.as_ref(),
            };
            videos::answer(asked.target, world.listing, on_air)
        }
        Route::Events => streamed(Stream::Events { after: asked.last_event_id.parse().ok() }),
        Route::Playlists => orders::playlists(world),
        Route::Playlist(name) => orders::playlist(name, world)?,
        Route::Destinations => destinations::list(world)?,
        Route::Settings => settings::list(world)?,
        Route::Stat => text(200, "text/xml", stat::document(snapshot, moment)),
        Route::PlainHealth => match health().verdict {
            Verdict::Unhealthy => text(503, "text/plain", "unhealthy\n"),
            Verdict::Healthy | Verdict::Degraded => text(200, "text/plain", "healthy\n"),
        },
        // The others take no GET, which was seen to before.
        _ => page::answer(path, asked.gzip, asked.if_none_match),
    })
}

/// Whether the one who asks may give commands, in this form.
fn may_command(asked: Asked<'_>) -> Result<(), Answer> {
    let judged = asked.caller.may_command();
    judged.map_err(|stranger| error(403, "FORBIDDEN", &stranger.to_string()))?;
    let kind = asked.content_type.split(';').next().unwrap_or_default().trim();
    if asked.body.is_empty() || kind.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        let words = "Send the body as JSON, with Content-Type: application/json.";
        Err(error(415, "INVALID_REQUEST", words))
    }
}

/// Changes something.
fn command(asked: Asked<'_>, route: Route<'_>, world: &World<'_>) -> Result<Answer, Answer> {
    match route {
        Route::Switch => orders::switch(asked.body, world),
        Route::Playout => orders::playout(asked.body, world),
        Route::Playlist(name) if asked.method == "PUT" => {
            orders::put_playlist(name, asked.body, world)
        }
        Route::Playlist(name) => orders::delete_playlist(name, world),
        Route::Destinations => destinations::add(asked, world),
        Route::Destination(name) if asked.method == "PUT" => destinations::edit(name, asked, world),
        Route::Destination(name) => destinations::remove(name, asked, world),
        Route::DestinationRestart(name) => destinations::restart(name, world),
        Route::Settings => settings::change(asked, world),
        Route::Restart => settings::restart(world),
        // Only what takes other methods than GET and HEAD comes here.
        _ => orders::stop(world),
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
