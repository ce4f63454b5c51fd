//! What answers which request. Purpose: a function from what was asked and a snapshot to an
//! answer; sockets and threads are elsewhere, and what reaches out (commands, the library) is
//! handed in. Non-goals: parsing HTTP, connections. Bound: an answer's size follows from the
//! limits on viewers and destinations, and the library's list keeps its own.

use crate::config::settings::Settings;
use crate::control::api::asked::{path_of, Asked};
use crate::control::api::audit::Audit;
use crate::control::api::checks;
use crate::control::api::destinations;
use crate::control::api::firmware::{self, Appliance};
use crate::control::api::licences;
use crate::control::api::logs;
use crate::control::api::maintenance;
use crate::control::api::moment::Moment;
use crate::control::api::orders::{self, Orders};
use crate::control::api::paths::{self, RequestedPath, Route};
use crate::control::api::playlists;
use crate::control::api::session::{self, StoreHash};
use crate::control::api::settings;
use crate::control::api::status;
use crate::control::api::stream::{Answered, Stream};
use crate::control::api::uploads;
use crate::control::api::videos;
use crate::control::auth::{Auth, Who};
use crate::control::http::answer::{self, Answer};
use crate::control::http::port::Port;
use crate::control::metrics;
use crate::control::metrics::stat;
use crate::control::page;
use crate::health::{judge, Verdict};
use crate::library::listing::Listing;
use crate::library::objections::OnAir;
use crate::library::upload::{Upload, UploadError};
use crate::library::writer::{Change, ChangeResult};
use crate::operator::commands::{Command, Outcome};
use crate::operator::snapshot::Snapshot;
use crate::system::logs::LogBook;

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
    pub change: &'a dyn Fn(Change) -> Result<ChangeResult, UploadError>,
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

/// Whether the answer to this target may be far larger than others.
pub fn may_be_large(target: &str) -> bool {
    path_of(target) == "/api/videos"
}

/// Whether this may wait for the disk without being a command.
pub fn waits_for_disk(asked: &Asked<'_>) -> bool {
    let found = paths::find(asked.port, asked.path());
    asked.changes() && found.is_some_and(|found| found.route.waits_for_disk())
}

/// Answers.
pub fn answer(asked: Asked<'_>, world: &World<'_>) -> Answered {
    let Some(found) = paths::find(asked.port, asked.path()) else {
        let nothing = answer::error(404, "NOT_FOUND", "There is nothing at this path.");
        return Answered::Answer(nothing);
    };
    let methods = found.methods;
    if !methods.split(", ").any(|method| method == asked.method) {
        let words = format!("This path only takes {}.", methods.replace(", ", " and "));
        let mut refused = answer::error(405, "INVALID_REQUEST", &words);
        refused.fields.push(("Allow", methods.into()));
        return Answered::Answer(refused);
    }
    let judged = may(&asked, found.route, world);
    let who = *judged.as_ref().unwrap_or(&Who::Nobody);
    let answered = judged.and_then(|who| match stream(&asked, found, world) {
        Some(stream) => stream.map(Answered::Stream),
        None if asked.changes() => command(&asked, found, world, who).map(Answered::Answer),
        None => tell(&asked, found, world, who).map(Answered::Answer),
    });
    let answered = answered.unwrap_or_else(Answered::Answer);
    if asked.changes() {
        world.audit.note(&asked, who, &answered, world.moment.now);
    }
    answered
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
    Err(answer::error(415, "INVALID_REQUEST", words))
}

/// What is answered by a long stream, if it is.
fn stream(
    asked: &Asked<'_>,
    RequestedPath { route, name, .. }: RequestedPath<'_>,
    world: &World<'_>,
) -> Option<Result<Stream, Answer>> {
    match (route, asked.method) {
        (Route::Events, _) => Some(Ok(Stream::Events { after: asked.last_event_id.parse().ok() })),
        (Route::Preview, _) => Some(Ok(Stream::Preview)),
        (Route::Upload, "PATCH") => Some(uploads::go_on(name, asked)),
        (Route::Firmware, "POST") => Some(firmware::install(asked, world.appliance)),
        (Route::Rollback, _) => Some(firmware::roll_back(world.appliance)),
        _ => None,
    }
}

/// What giving a command takes.
fn orders<'a>(world: &World<'a>) -> Orders<'a> {
    let World { ask, listing, snapshot, moment, .. } = *world;
    Orders { ask, listing, snapshot, moment }
}

/// Tells something.
fn tell(
    asked: &Asked<'_>,
    RequestedPath { route, name, .. }: RequestedPath<'_>,
    world: &World<'_>,
    who: Who,
) -> Result<Answer, Answer> {
    let World { snapshot, moment, settings, .. } = *world;
    let health = || judge(snapshot, &moment.figures(), moment.now);
    Ok(match route {
        Route::Status => answer::json_bytes(200, status::document(snapshot, moment)),
        Route::Health => {
            let health = health();
            let status = if health.verdict == Verdict::Unhealthy { 503 } else { 200 };
            let told = checks::health(snapshot, &health, moment, who != Who::Nobody);
            answer::json(status, &told)
        }
        Route::Videos => {
            let on_air = OnAir {
                video: snapshot.programme.video.as_ref(),
                audio: snapshot.programme.audio.as_ref(),
            };
            videos::answer(asked.target, world.listing, on_air)
        }
        Route::Playlists => playlists::list(&orders(world)),
        Route::Uploads => uploads::list(world.uploads),
        Route::Playlist => playlists::tell(name, &orders(world))?,
        Route::Destinations => destinations::list(settings, snapshot, moment)?,
        Route::Settings => settings::list(settings)?,
        Route::Firmware => firmware::tell(world.appliance, settings.state_folder()),
        Route::Licences => licences::answer(asked.gzip),
        Route::Stat => answer::text(200, "text/xml", stat::document(snapshot, moment)),
        Route::StatStyle => stat::style(asked.path()),
        Route::Metrics => {
            let body = metrics::document(snapshot, &health(), moment);
            answer::text(200, metrics::CONTENT_TYPE, body)
        }
        Route::Maintenance => maintenance::tell(settings.state_folder()),
        Route::Logs => logs::answer(asked.target, world.log)?,
        Route::PlainHealth => match health().verdict {
            Verdict::Unhealthy => answer::text(503, "text/plain", "unhealthy\n"),
            Verdict::Healthy | Verdict::Degraded => answer::text(200, "text/plain", "healthy\n"),
        },
        Route::Session => session::session(asked, world.auth, who),
        // The others take no GET, which was seen to before.
        _ => page::answer(asked.path(), asked.gzip, asked.if_none_match),
    })
}

/// Changes something.
fn command(
    asked: &Asked<'_>,
    RequestedPath { route, name, .. }: RequestedPath<'_>,
    world: &World<'_>,
    who: Who,
) -> Result<Answer, Answer> {
    let World { auth, settings, snapshot, change, moment, .. } = *world;
    let (orders, now) = (&orders(world), moment.now);
    match route {
        Route::Login => session::login(asked, auth, now),
        Route::Logout => Ok(session::logout(asked, auth, who)),
        Route::SetUp => session::set_up(asked, auth, (now, moment.utc)),
        Route::Password => {
            let World { store_hash, appliance, .. } = *world;
            session::change_password(asked, (who, now), auth, store_hash, appliance)
        }
        Route::Switch => orders::switch(asked.body, orders),
        Route::Playout => orders::playout(asked.body, orders),
        Route::Maintenance => maintenance::answer(asked.body, world.log),
        Route::InputRestart => orders::reopen(name, orders),
        Route::Playlist if asked.method == "PUT" => playlists::put(name, asked, orders),
        Route::Playlist => playlists::delete(name, orders),
        Route::Uploads => uploads::begin(asked.body, change),
        Route::Upload => uploads::give_up(name, change),
        Route::Video if asked.method == "PATCH" => {
            uploads::rename_video(name, asked.body, change, snapshot)
        }
        Route::Video => uploads::remove_video(name, change, snapshot),
        Route::Destinations => destinations::add(asked, settings),
        Route::Destination if asked.method == "PUT" => destinations::edit(name, asked, settings),
        Route::Destination => destinations::remove(name, asked, settings),
        Route::DestinationRestart => destinations::restart(name, settings),
        Route::Settings => settings::change(asked, settings),
        Route::Restart => settings::restart(settings),
        Route::Confirm => firmware::confirm(asked.body, world.appliance),
        // Only what takes other methods than GET and HEAD comes here.
        _ => orders::stop(orders),
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
