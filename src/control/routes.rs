//! What answers which request. Purpose: a function from what was asked and a snapshot to an
//! answer; sockets and threads are elsewhere, and what reaches out (commands, the library) is
//! handed in. Non-goals: parsing HTTP, connections. Bound: an answer's size follows from the
//! limits on viewers and destinations, and the library's list keeps its own.

use std::borrow::Cow;

use serde::Serialize;

use crate::config::settings::Settings;
use crate::control::api::{self, Moment};
use crate::control::audit::Audit;
use crate::control::auth::calls::{self, StoreHash};
use crate::control::auth::{Auth, Who};
use crate::control::caller::Caller;
use crate::control::checks;
use crate::control::destinations;
use crate::control::firmware::{self, Appliance};
use crate::control::licences;
use crate::control::logs;
use crate::control::maintenance;
use crate::control::metrics;
use crate::control::orders;
use crate::control::page;
use crate::control::paths::{self, Found, Route};
use crate::control::settings;
use crate::control::stat;
use crate::control::stream::Stream;
use crate::control::uploads;
use crate::control::videos;
use crate::health::{judge, Verdict};
use crate::library::clerk::{Change, Changed};
use crate::library::listing::Listing;
use crate::library::objections::OnAir;
use crate::library::upload::{Upload, UploadError};
use crate::operator::commands::{Command, Outcome};
use crate::operator::snapshot::Snapshot;
use crate::system::logs::LogBook;

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
    /// It came in over TLS.
    pub secure: bool,
    /// Content-Type as sent; empty when absent.
    pub content_type: &'a str,
    /// The body; empty when absent.
    pub body: &'a [u8],
    /// Length of a body that the gate reads itself if the answer is a [`Stream`], bytes.
    pub piece_bytes: Option<u64>,
    /// Upload-Offset as sent; empty when absent.
    pub upload_offset: &'a str,
    /// Last-Event-ID as sent; empty when absent.
    pub last_event_id: &'a str,
}

impl<'a> Asked<'a> {
    /// The path, without the query.
    pub fn path(&self) -> &'a str {
        path_of(self.target)
    }

    /// It is not only a look.
    pub fn changes(&self) -> bool {
        !matches!(self.method, "GET" | "HEAD")
    }
}

fn path_of(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
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
    /// Has the library changed and waits for what comes of it.
    pub change: &'a dyn Fn(Change) -> Result<Changed, UploadError>,
    /// The uploads under way or broken off.
    pub uploads: &'a [Upload],
    /// Who may.
    pub auth: &'a Auth,
    /// Where changes are noted.
    pub audit: &'a Audit,
    /// Writes the hash of a new password down.
    pub store_hash: &'a StoreHash,
    /// The log.
    pub log: &'a LogBook,
    /// The settings.
    pub settings: &'a Settings,
    /// The appliance around this program, if there is one.
    pub appliance: &'a Appliance,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Fields besides those that every answer has.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
    /// What the gate serves instead of this answer.
    pub stream: Option<Stream>,
}

impl Answer {
    /// Its own fields behind those of every answer.
    pub fn all_fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let own = self.fields.iter().map(|(name, value)| (*name, value.as_ref()));
        COMMON_FIELDS.iter().copied().chain(own)
    }
}

/// Fields of every answer: no guessing of types, no referrer, no frame, nothing loaded from
/// elsewhere, and nothing of it loaded by other sites (Fetch Standard, 3.7).
pub const COMMON_FIELDS: [(&str, &str); 5] = [
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Server", "StreamCaster"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self' data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
];

const FRESH: (&str, Cow<'static, str>) = ("Cache-Control", Cow::Borrowed("no-store"));
const JSON: (&str, Cow<'static, str>) =
    ("Content-Type", Cow::Borrowed("application/json; charset=utf-8"));

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

/// What is asked for is elsewhere (RFC 9110, 15.4.9).
pub fn redirect(location: String) -> Answer {
    let fields = vec![("Location", location.into())];
    Answer { status: 308, fields, body: Cow::Borrowed(&[]), stream: None }
}

pub(super) fn text(status: u16, kind: &'static str, body: impl Into<Cow<'static, str>>) -> Answer {
    let body = match body.into() {
        Cow::Borrowed(body) => Cow::Borrowed(body.as_bytes()),
        Cow::Owned(body) => Cow::Owned(body.into_bytes()),
    };
    Answer { status, fields: vec![("Content-Type", kind.into()), FRESH], body, stream: None }
}

/// Whether the answer to this target may be far larger than others.
pub fn may_be_large(target: &str) -> bool {
    path_of(target) == "/api/videos"
}

/// The state of the whole in JSON, as `GET /api/status` and the events tell it.
pub fn status(snapshot: &Snapshot, moment: Moment) -> Vec<u8> {
    let health = judge(snapshot, &moment.figures(), moment.now);
    // Our own structs of numbers, texts and lists: there is nothing JSON could not say.
    serde_json::to_vec(&api::status(snapshot, &health, moment)).unwrap_or_default()
}

/// Whether this may wait for the disk without being a command.
pub fn waits_for_disk(asked: &Asked<'_>) -> bool {
    let found = paths::find(asked.port, asked.path());
    asked.changes() && found.is_some_and(|found| found.route.waits_for_disk())
}

/// Answers.
pub fn answer(asked: Asked<'_>, world: &World<'_>) -> Answer {
    let Some(found) = paths::find(asked.port, asked.path()) else {
        return error(404, "NOT_FOUND", "There is nothing at this path.");
    };
    let methods = found.methods;
    if !methods.split(", ").any(|method| method == asked.method) {
        let words = format!("This path only takes {}.", methods.replace(", ", " and "));
        let mut refused = error(405, "INVALID_REQUEST", &words);
        refused.fields.push(("Allow", methods.into()));
        return refused;
    }
    let judged = may(&asked, found.route, world);
    let who = *judged.as_ref().unwrap_or(&Who::Nobody);
    let answered = judged.and_then(|who| match asked.changes() {
        true => command(asked, found, world, who),
        false => tell(asked, found, world, who),
    });
    let answer = answered.unwrap_or_else(|refused| refused);
    if asked.changes() {
        world.audit.note(&asked, who, &answer, world.moment.now);
    }
    answer
}

/// Who asks, if they may have what they ask for, in this form. The port for tools is open to all.
fn may(asked: &Asked<'_>, route: Route, world: &World<'_>) -> Result<Who, Answer> {
    if asked.port == Port::Stat {
        return Ok(Who::Nobody);
    }
    let judged = world.auth.judge(&asked.caller, route.right(), asked.changes(), world.moment.now);
    let who = judged.map_err(|refused| refused.answer(!asked.caller.is_script()))?;
    let kind = asked.content_type.split(';').next().unwrap_or_default().trim();
    if asked.body.is_empty() || kind.eq_ignore_ascii_case("application/json") {
        return Ok(who);
    }
    let words = "Send the body as JSON, with Content-Type: application/json.";
    Err(error(415, "INVALID_REQUEST", words))
}

/// Tells something.
fn tell(
    asked: Asked<'_>,
    Found { route, name, .. }: Found<'_>,
    world: &World<'_>,
    who: Who,
) -> Result<Answer, Answer> {
    let World { snapshot, moment, .. } = *world;
    let health = || judge(snapshot, &moment.figures(), moment.now);
    Ok(match route {
        Route::Status => json_bytes(200, status(snapshot, moment)),
        Route::Health => {
            let health = health();
            let status = if health.verdict == Verdict::Unhealthy { 503 } else { 200 };
            json(status, &checks::health(snapshot, &health, moment, who != Who::Nobody))
        }
        Route::Videos => {
            let on_air = OnAir {
                video: snapshot.programme.video.as_ref(),
                audio: snapshot.programme.audio.as_ref(),
            };
            videos::answer(asked.target, world.listing, on_air)
        }
        Route::Events => streamed(Stream::Events { after: asked.last_event_id.parse().ok() }),
        Route::Preview => streamed(Stream::Preview),
        Route::Playlists => orders::playlists(world),
        Route::Uploads => uploads::list(world.uploads),
        Route::Playlist => orders::playlist(name, world)?,
        Route::Destinations => destinations::list(world)?,
        Route::Settings => settings::list(world)?,
        Route::Firmware => firmware::tell(world.appliance, world.settings.state_folder()),
        Route::Licences => licences::answer(asked.gzip),
        Route::Stat => text(200, "text/xml", stat::document(snapshot, moment)),
        Route::StatStyle => stat::style(asked.path()),
        Route::Metrics => {
            let body = metrics::document(snapshot, &health(), moment);
            text(200, metrics::CONTENT_TYPE, body)
        }
        Route::Maintenance => maintenance::tell(world),
        Route::Logs => logs::answer(asked.target, world.log)?,
        Route::PlainHealth => match health().verdict {
            Verdict::Unhealthy => text(503, "text/plain", "unhealthy\n"),
            Verdict::Healthy | Verdict::Degraded => text(200, "text/plain", "healthy\n"),
        },
        Route::Session => calls::session(&asked, world, who),
        // The others take no GET, which was seen to before.
        _ => page::answer(asked.path(), asked.gzip, asked.if_none_match),
    })
}

/// Changes something.
fn command(
    asked: Asked<'_>,
    Found { route, name, .. }: Found<'_>,
    world: &World<'_>,
    who: Who,
) -> Result<Answer, Answer> {
    match route {
        Route::Login => calls::login(&asked, world),
        Route::Logout => Ok(calls::logout(&asked, world, who)),
        Route::SetUp => calls::set_up(&asked, world),
        Route::Password => calls::change_password(&asked, world, who),
        Route::Switch => orders::switch(asked.body, world),
        Route::Playout => orders::playout(asked.body, world),
        Route::Maintenance => maintenance::answer(asked.body, world),
        Route::InputRestart => orders::reopen(name, world),
        Route::Playlist if asked.method == "PUT" => orders::put_playlist(name, &asked, world),
        Route::Playlist => orders::delete_playlist(name, world),
        Route::Uploads => uploads::begin(asked.body, world),
        Route::Upload if asked.method == "PATCH" => uploads::go_on(name, asked),
        Route::Upload => uploads::give_up(name, world),
        Route::Video if asked.method == "PATCH" => uploads::rename_video(name, asked.body, world),
        Route::Video => uploads::remove_video(name, world),
        Route::Destinations => destinations::add(asked, world),
        Route::Destination if asked.method == "PUT" => destinations::edit(name, asked, world),
        Route::Destination => destinations::remove(name, asked, world),
        Route::DestinationRestart => destinations::restart(name, world),
        Route::Settings => settings::change(asked, world),
        Route::Restart => settings::restart(world),
        Route::Firmware => firmware::install(asked, world.appliance),
        Route::Rollback => firmware::roll_back(world.appliance),
        Route::Confirm => firmware::confirm(asked.body, world.appliance),
        // Only what takes other methods than GET and HEAD comes here.
        _ => orders::stop(world),
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
