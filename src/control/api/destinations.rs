//! Where the programme is pushed to, in the words of the HTTP API: the list, and adding, editing,
//! removing and restarting one. Purpose: every change is written into the configuration first, then
//! takes effect at once. Non-goals: pushing. Bound: the limit on destinations.

use serde::{Deserialize, Serialize};

use crate::config::settings::destinations::{self as file, Draft};
use crate::config::settings::Settings;
use crate::config::Destination;
use crate::control::api::asked::Asked;
use crate::control::api::body;
use crate::control::api::changes;
use crate::control::api::moment::Moment;
use crate::control::api::names::decoded;
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::Problem;
use crate::operator::platforms::{self, Warning};
use crate::operator::snapshot::{DestinationStatus, Snapshot};

#[derive(Serialize)]
struct List<'a> {
    destinations: Vec<Told<'a>>,
    count: usize,
    max: usize,
    revision: &'a str,
}

#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    url: String,
    /// What a person recognises it by.
    key: String,
    enabled: bool,
    set_by: &'static str,
    state: &'static str,
    since: Option<String>,
    retry_in_s: Option<u64>,
    detail: &'a str,
    bps: u64,
    bps_history: Vec<u64>,
    bytes_out: u64,
    sessions: u64,
    skips: u64,
    late: u64,
    lag_ms: u64,
    warnings: Vec<Warned>,
}

#[derive(Serialize)]
struct Warned {
    code: &'static str,
    text: String,
}

/// `GET /api/destinations`.
pub fn list(settings: &Settings, snapshot: &Snapshot, moment: Moment) -> Result<Answer, Answer> {
    let sight = settings.look().map_err(|error| changes::refused(&error))?;
    // Revision and list from the same bytes: who sends the one back has seen the other.
    let told = |each| told(each, snapshot, moment);
    let told: Vec<_> = sight.config.destinations.iter().map(told).collect();
    let max = settings.started().rtmp.destinations_max;
    let count = told.len();
    Ok(answer::json(200, &List { destinations: told, count, max, revision: &sight.revision }))
}

fn told<'a>(config: &'a Destination, snapshot: &'a Snapshot, moment: Moment) -> Told<'a> {
    let statuses = &snapshot.destinations;
    let known = statuses.iter().find(|status| status.name.as_str() == config.name);
    let nothing = DestinationStatus::default();
    let status = known.unwrap_or(&nothing);
    let warnings = match config.enabled {
        true => platforms::warnings(&config.url, &snapshot.programme),
        false => Vec::new(),
    };
    let warned = |Warning { code, words }| Warned { code, text: words };
    Told {
        name: &config.name,
        url: config.url.to_string(),
        key: config.key.secret().hint(),
        enabled: config.enabled,
        set_by: if config.is_environments { "environment" } else { "file" },
        state: status.state.name(),
        since: known.map(|status| moment.civil(status.since)),
        retry_in_s: status.retry_at.map(|at| moment.seconds_until(at)),
        detail: known.map_or("", |status| &status.detail),
        bps: status.bps,
        bps_history: status.bps_history.to_vec(),
        bytes_out: status.bytes_out,
        sessions: status.sessions,
        skips: status.skips,
        late: status.late,
        lag_ms: status.lag_ms,
        warnings: warnings.into_iter().map(warned).collect(),
    }
}

#[derive(Deserialize)]
struct DestinationRequest {
    name: Option<String>,
    /// For a new one perhaps with the key as its last segment.
    url: Option<String>,
    key: Option<String>,
    enabled: Option<bool>,
}

/// What a request's body says.
fn draft(body: &[u8]) -> Result<Draft, Answer> {
    let DestinationRequest { name, url, key, enabled } = body::read(body)?;
    Ok(Draft { name, url, key, enabled })
}

/// `POST /api/destinations`.
pub fn add(asked: &Asked<'_>, settings: &Settings) -> Result<Answer, Answer> {
    let draft = draft(asked.body)?;
    let most = settings.started().rtmp.destinations_max;
    let changed = settings.change_from(changes::if_match(asked), |document, before| {
        file::add(document, before, most.min(before.rtmp.destinations_max), draft)
    });
    let changed = changed.map_err(|error| changes::refused(&error))?;
    Ok(changes::done(201, changed, "The destination is added."))
}

/// `PUT /api/destinations/NAME`.
pub fn edit(name: &str, asked: &Asked<'_>, settings: &Settings) -> Result<Answer, Answer> {
    let (name, draft) = (named(name)?, draft(asked.body)?);
    let change = |document: &mut _, before: &_| file::edit(document, before, &name, draft);
    let changed = settings.change_from(changes::if_match(asked), change);
    let changed = changed.map_err(|error| changes::refused(&error))?;
    Ok(changes::done(200, changed, "The destination is changed."))
}

/// `DELETE /api/destinations/NAME`.
pub fn remove(name: &str, asked: &Asked<'_>, settings: &Settings) -> Result<Answer, Answer> {
    let name = named(name)?;
    let change = |document: &mut _, before: &_| file::remove(document, before, &name);
    let changed = settings.change_from(changes::if_match(asked), change);
    let changed = changed.map_err(|error| changes::refused(&error))?;
    Ok(changes::done(200, changed, "The destination is removed."))
}

/// `POST /api/destinations/NAME/restart`.
pub fn restart(name: &str, settings: &Settings) -> Result<Answer, Answer> {
    #[derive(Serialize)]
    struct Restarted {
        success: bool,
        message: &'static str,
    }
    let asked = settings.restart_destination(&named(name)?);
    asked.map_err(|error| changes::refused_edit(&error))?;
    let message = "The destination ends its session and begins a new one.";
    Ok(answer::json(200, &Restarted { success: true, message }))
}

/// A destination's name, as it stands in a path.
fn named(name: &str) -> Result<String, Answer> {
    decoded(name, false).ok_or_else(|| {
        Problem::Invalid.answer("The destination's name must be UTF-8 in percent-encoding.")
    })
}
