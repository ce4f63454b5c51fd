//! What answers which request. Purpose: a function from what was asked and a snapshot to an
//! answer; sockets and threads are elsewhere, and what reaches out (commands, the library) is
//! handed in. Non-goals: parsing HTTP, connections. Bound: an answer's size follows from the
//! limits on viewers and destinations, and the library's list keeps its own.

use crate::base::time::Mono;
use crate::control::api::asked::{path_of, Asked};
use crate::control::api::backend::Backend;
use crate::control::api::checks;
use crate::control::api::destinations;
use crate::control::api::firmware::{self, Appliance};
use crate::control::api::licences;
use crate::control::api::logs;
use crate::control::api::maintenance;
use crate::control::api::moment::Moment;
use crate::control::api::orders;
use crate::control::api::paths::{self, RequestedPath, Route};
use crate::control::api::platforms;
use crate::control::api::playlists;
use crate::control::api::session;
use crate::control::api::settings;
use crate::control::api::status;
use crate::control::api::stream::{Answered, Stream};
use crate::control::api::uploads;
use crate::control::api::videos;
use crate::control::auth::{Auth, Who};
use crate::control::http::answer::{self, Answer};
use crate::control::http::port::Port;
use crate::control::http::problem::{self, Problem};
use crate::control::metrics;
use crate::control::metrics::stat;
use crate::control::page;
use crate::health::{judge, Verdict};
use crate::library::objections::OnAir;

/// Whether the answer to this target may be far larger than others.
pub fn may_be_large(target: &str) -> bool {
    path_of(target) == "/api/videos"
}

/// Answers.
pub fn answer(asked: &Asked<'_>, backend: &Backend) -> Answered {
    let Some(found) = paths::find(asked.port, asked.path()) else {
        return Answered::Answer(problem::nothing_here());
    };
    let methods = found.methods;
    if !methods.split(", ").any(|method| method == asked.method) {
        let words = format!("This path only takes {}.", methods.replace(", ", " and "));
        let mut refused = Problem::MethodNotAllowed.answer(words);
        refused.fields.push(("Allow", methods.into()));
        return Answered::Answer(refused);
    }
    let moment = (backend.now)();
    let judged = may(asked, found.route, &backend.auth, moment.now);
    let who = *judged.as_ref().unwrap_or(&Who::Nobody);
    let answered = judged.and_then(|who| match stream(asked, found, &backend.appliance) {
        Some(stream) => stream.map(Answered::Stream),
        None if asked.changes() => {
            command(asked, found, backend, (who, moment)).map(Answered::Answer)
        }
        None => tell(asked, found, backend, (who, moment)).map(Answered::Answer),
    });
    let answered = answered.unwrap_or_else(Answered::Answer);
    if asked.changes() {
        backend.audit.note(asked, who, &answered, moment.now);
    }
    answered
}

/// Who asks, if they may have what they ask for, in this form. The port for tools is open to all.
fn may(asked: &Asked<'_>, route: Route, auth: &Auth, now: Mono) -> Result<Who, Answer> {
    if asked.port == Port::Stat {
        return Ok(Who::Nobody);
    }
    let judged = auth.judge(&asked.caller, route.right(), asked.changes(), now);
    let who = judged.map_err(|refused| refused.answer(!asked.caller.is_script()))?;
    let kind = asked.content_type.split(';').next().unwrap_or_default().trim();
    if asked.body.is_empty() || kind.eq_ignore_ascii_case("application/json") {
        return Ok(who);
    }
    let words = "Send the body as JSON, with Content-Type: application/json.";
    Err(Problem::UnsupportedType.answer(words))
}

/// What is answered by a long stream, if it is.
fn stream(
    asked: &Asked<'_>,
    RequestedPath { route, name, .. }: RequestedPath<'_>,
    appliance: &Appliance,
) -> Option<Result<Stream, Answer>> {
    match (route, asked.method) {
        (Route::Events, _) => Some(Ok(Stream::Events { after: asked.last_event_id.parse().ok() })),
        (Route::Preview, _) => Some(Ok(Stream::Preview)),
        (Route::Upload, "PATCH") => Some(uploads::go_on(name, asked)),
        (Route::Firmware, "POST") => Some(firmware::install(asked, appliance)),
        (Route::Rollback, _) => Some(firmware::roll_back(appliance)),
        _ => None,
    }
}

/// Tells something.
fn tell(
    asked: &Asked<'_>,
    RequestedPath { route, name, .. }: RequestedPath<'_>,
    backend: &Backend,
    (who, moment): (Who, Moment),
) -> Result<Answer, Answer> {
    let (snapshot, settings) = (&*backend.board.read(), &backend.settings);
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
            videos::answer(asked.target, &backend.library.listing(), on_air)
        }
        Route::Playlists => playlists::list(&snapshot.playout),
        Route::Uploads => uploads::list(&backend.uploads.known()),
        Route::Playlist => playlists::tell(name, &snapshot.playout)?,
        Route::Destinations => destinations::list(settings, snapshot, moment)?,
        Route::Platforms => platforms::list(),
        Route::Settings => settings::list(settings)?,
        Route::Firmware => firmware::tell(&backend.appliance, settings.state_folder()),
        Route::Licences => licences::answer(asked.gzip),
        Route::Stat => answer::text(200, "text/xml", stat::document(snapshot, moment)),
        Route::StatStyle => stat::style(asked.path()),
        Route::Metrics => {
            let body = metrics::document(snapshot, &health(), moment);
            answer::text(200, metrics::CONTENT_TYPE, body)
        }
        Route::Maintenance => maintenance::tell(settings.state_folder()),
        Route::Logs => logs::answer(asked.target, &backend.log)?,
        Route::PlainHealth => match health().verdict {
            Verdict::Unhealthy => answer::text(503, "text/plain", "unhealthy\n"),
            Verdict::Healthy | Verdict::Degraded => answer::text(200, "text/plain", "healthy\n"),
        },
        Route::Session => session::session(asked.secure, &backend.auth, who),
        // The others take no GET, which was seen to before.
        _ => page::answer(asked.path(), asked.gzip, asked.if_none_match),
    })
}

/// Changes something.
fn command(
    asked: &Asked<'_>,
    RequestedPath { route, name, .. }: RequestedPath<'_>,
    backend: &Backend,
    (who, moment): (Who, Moment),
) -> Result<Answer, Answer> {
    let Backend { auth, settings, commands, library, appliance, .. } = backend;
    let (body, now) = (asked.body, moment.now);
    let counted = route.waits_for_disk().then(|| commands.count()).transpose();
    let _counted = counted.map_err(|busy| Problem::Busy.answer(busy))?;
    let snapshot = backend.board.read();
    let (playout, status) = (&snapshot.playout, status::stream_status(&snapshot, moment));
    match route {
        Route::Login => session::login(asked, auth, now),
        Route::Logout => Ok(session::logout(asked.secure, auth, who)),
        Route::SetUp => session::set_up(asked, auth, (now, moment.utc)),
        Route::Password => {
            let store_hash = &*backend.store_hash;
            session::change_password(asked, (who, now), auth, store_hash, appliance)
        }
        Route::Switch => orders::switch(body, commands, library, status),
        Route::Stop => orders::stop(commands, status),
        Route::Playout => orders::playout(body, commands, status),
        Route::Maintenance => maintenance::answer(body, &backend.log),
        Route::InputRestart => orders::reopen(name, commands, &snapshot.pull, status),
        Route::Playlist if asked.method == "PUT" => {
            playlists::put(name, asked, commands, playout, status)
        }
        Route::Playlist => playlists::delete(name, commands, status),
        Route::Uploads => uploads::begin(body, commands),
        Route::Upload => uploads::give_up(name, commands),
        Route::Video if asked.method == "PATCH" => {
            uploads::rename_video(name, body, commands, playout)
        }
        Route::Video => uploads::remove_video(name, commands, playout),
        Route::Destinations => destinations::add(asked, settings),
        Route::Destination if asked.method == "PUT" => destinations::edit(name, asked, settings),
        Route::Destination => destinations::remove(name, asked, settings),
        Route::DestinationRestart => destinations::restart(name, settings),
        Route::Settings => settings::change(asked, settings),
        Route::Restart => settings::restart(settings),
        Route::Confirm => firmware::confirm(body, appliance),
        // What only tells takes no other method, which was seen to before.
        _ => Err(problem::nothing_here()),
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
