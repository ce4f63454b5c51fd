//! Where the programme is pushed to, in the words of the HTTP API: the list, and adding, editing,
//! removing and restarting one. Purpose: every change is written into the configuration first, then
//! takes effect at once. Non-goals: pushing. Bound: the limit on destinations.

use serde::{Deserialize, Serialize};

#[cfg(test)]
use crate::base::limits::{BPS_DAY_SAMPLES_MAX, BPS_HISTORY_SAMPLES_MAX};
use crate::config::settings::destinations::{self as file, Draft, SessionDraft};
use crate::config::settings::Settings;
use crate::config::Destination;
#[cfg(test)]
use crate::config::OnWarning;
use crate::control::api::asked::Asked;
use crate::control::api::body;
use crate::control::api::changes;
#[cfg(test)]
use crate::control::api::changes::SettingsChanged;
#[cfg(test)]
use crate::control::api::document::Document;
use crate::control::api::done::done;
#[cfg(test)]
use crate::control::api::done::CarriedOut;
use crate::control::api::moment::{CivilTime, Moment};
use crate::control::api::names::decoded;
#[cfg(test)]
use crate::control::api::schemas;
use crate::control::api::videos::ObjectionAnswer;
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::Problem;
use crate::operator::platforms::{self, Warning};
use crate::operator::snapshot::{DestinationState, DestinationStatus, Snapshot};
#[cfg(test)]
use serde_json::{json, Value};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Destinations"))]
struct List<'a> {
    destinations: Vec<Told<'a>>,
    count: usize,
    max: usize,
    /// The settings' version, for If-Match.
    revision: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Destination"))]
struct Told<'a> {
    name: &'a str,
    url: String,
    /// What a person recognises it by, ••••1a2b.
    key: String,
    enabled: bool,
    backup_url: Option<String>,
    /// A time of day in UTC.
    reconnect: Option<String>,
    reconnect_after_h: Option<f64>,
    /// Before the next session; null: the platform's.
    reconnect_pause_s: Option<u64>,
    /// What becomes of a programme that its platform will not like: it is pushed with a warning,
    /// or held back until it fits.
    #[cfg_attr(test, schemars(extend("enum" = OnWarning::NAMES)))]
    on_warning: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = ["file", "environment"])))]
    set_by: &'static str,
    #[cfg_attr(test, schemars(with = "schemas::DestinationState"))]
    state: &'static str,
    since: Option<CivilTime>,
    retry_in_s: Option<u64>,
    detail: &'a str,
    bps: u64,
    /// One every 5 s, the newest last.
    #[cfg_attr(test, schemars(length(max = BPS_HISTORY_SAMPLES_MAX)))]
    bps_history: Vec<u64>,
    /// Means over 5 min of the last 24 h, kbit/s, the newest last.
    #[cfg_attr(test, schemars(length(max = BPS_DAY_SAMPLES_MAX)))]
    kbps_day: Vec<u32>,
    bytes_out: u64,
    /// Media bytes sent in this session, or in the last one.
    session_bytes: u64,
    sessions: u64,
    reconnects: u64,
    /// Round-trip time of its connection.
    rtt_ms: Option<f64>,
    /// TCP segments sent again.
    retransmits: u64,
    /// The server's last status, error or goodbye.
    last_words: &'a str,
    skips: u64,
    /// Units that came too late for the order of time: sent with a later time, or, sound, left
    /// out.
    late: u64,
    lag_ms: u64,
    warnings: Vec<ObjectionAnswer>,
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
    let is_live = status.state == DestinationState::Live;
    let live_since = is_live.then_some(status.since);
    let warnings = match config.enabled {
        true => platforms::warnings(&config.url, &snapshot.programme, live_since),
        false => Vec::new(),
    };
    let warned = |Warning { code, words }| ObjectionAnswer { code, text: words };
    Told {
        name: &config.name,
        url: config.url.to_string(),
        key: config.key.secret().hint(),
        enabled: config.enabled,
        backup_url: config.backup_url.as_ref().map(ToString::to_string),
        reconnect: config.reconnect.at.map(|at| at.to_string()),
        reconnect_after_h: config.reconnect.after.map(|after| after.as_secs_f64() / 3600.0),
        reconnect_pause_s: config.reconnect.pause.map(|pause| pause.as_secs()),
        on_warning: config.on_warning.name(),
        set_by: if config.is_environments { "environment" } else { "file" },
        state: status.state.name(),
        since: known.map(|status| moment.civil(status.since)),
        retry_in_s: status.retry_at.map(|at| moment.seconds_until(at)),
        detail: known.map_or("", |status| &status.detail),
        bps: status.bps,
        bps_history: status.bps_history.to_vec(),
        kbps_day: status.kbps_day.to_vec(),
        bytes_out: status.bytes_out,
        session_bytes: status.session_bytes,
        sessions: status.sessions,
        reconnects: status.reconnects,
        rtt_ms: status.rtt_ms,
        retransmits: status.retransmits,
        last_words: known.map_or("", |status| &status.last_words),
        skips: status.skips,
        late: status.late,
        lag_ms: status.lag_ms,
        warnings: warnings.into_iter().map(warned).collect(),
    }
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DestinationRequest {
    /// Its host unless said otherwise; unique, at most 64 bytes.
    name: Option<String>,
    /// rtmp://host/app or rtmps://; with the key as its last segment when key is not given.
    url: Option<String>,
    /// The stream key.
    key: Option<String>,
    enabled: Option<bool>,
    /// Another address of it, for the same key, used when the first is refused or cannot be reached;
    /// empty for none.
    backup_url: Option<String>,
    /// A time of day in UTC, HH:MM, at which its session is ended and begun again; empty for none.
    reconnect: Option<String>,
    /// The same when it has lasted so many hours; 0 for never.
    reconnect_after_h: Option<f64>,
    /// The pause before the next session, seconds; negative for the one behind which the platform begins
    /// a new broadcast.
    reconnect_pause_s: Option<i64>,
    /// What becomes of a programme that its platform will not like.
    #[cfg_attr(test, schemars(extend("enum" = OnWarning::NAMES)))]
    on_warning: Option<String>,
}

/// What a request's body says.
fn draft(body: &[u8]) -> Result<Draft, Answer> {
    let asked: DestinationRequest = body::read(body)?;
    let DestinationRequest { name, url, key, enabled, on_warning, .. } = asked;
    let DestinationRequest { backup_url, reconnect, reconnect_after_h, reconnect_pause_s, .. } =
        asked;
    let session = SessionDraft { backup_url, reconnect, reconnect_after_h, reconnect_pause_s };
    Ok(Draft { name, url, key, enabled, on_warning, session })
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
    let asked = settings.restart_destination(&named(name)?);
    asked.map_err(|error| changes::refused_edit(&error))?;
    Ok(done("The destination ends its session and begins a new one."))
}

/// A destination's name, as it stands in a path.
fn named(name: &str) -> Result<String, Answer> {
    decoded(name, false).ok_or_else(|| {
        Problem::Invalid.answer("The destination's name must be UTF-8 in percent-encoding.")
    })
}

/// What the API's document says of them.
#[cfg(test)]
pub fn describe(document: &mut Document) {
    let done = |message| {
        json!({
            "success": true, "message": message, "restart_needed": false,
            "revision": "5d1f0c2a9b3e",
        })
    };
    let tag = "destinations";
    document
        .operation("GET /api/destinations", tag, "destinations", "Where the programme is pushed to")
        .answers::<List<'_>>(200, "The list", Value::Null)
        .refuses(&[409]);
    let mut add = document.operation(
        "POST /api/destinations",
        tag,
        "addDestination",
        "Adds a destination, which begins at once",
    );
    let schema = json!({ "allOf": [add.schema::<DestinationRequest>()], "required": ["url"] });
    let example = json!({
        "name": "Platform", "url": "rtmps://live.platform.example/app", "key": "live_1234",
        "enabled": false,
    });
    add.if_match()
        .takes_schema(schema, &[("", example)])
        .answers::<SettingsChanged>(201, "Done", done("The destination is added."))
        .refuses(&[409, 507]);
    document
        .operation(
            "PUT /api/destinations/{name}",
            tag,
            "editDestination",
            "Changes a destination; what is not given stays",
        )
        .if_match()
        .takes::<DestinationRequest>(json!({ "enabled": false }))
        .answers::<SettingsChanged>(200, "Done", done("The destination is changed."))
        .refuses(&[404, 409, 507]);
    document
        .operation(
            "DELETE /api/destinations/{name}",
            tag,
            "removeDestination",
            "Removes a destination, with a farewell to its server",
        )
        .if_match()
        .answers::<SettingsChanged>(200, "Done", done("The destination is removed."))
        .refuses(&[404, 409, 507]);
    document
        .operation(
            "POST /api/destinations/{name}/restart",
            tag,
            "restartDestination",
            "Ends a destination's session and begins a new one",
        )
        .answers::<CarriedOut>(200, "Done", Value::Null)
        .refuses(&[404, 409]);
}
