//! `GET` and `POST /api/maintenance`: what cron does. Purpose: room made on the disk, the day's
//! rotation of the log, and what the probe and the rotation said last. Non-goal: deleting what the
//! operator put there.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::budget::human;
use crate::base::time::Utc;
use crate::control::api::body;
#[cfg(test)]
use crate::control::api::document::Document;
use crate::control::api::moment::CivilTime;
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::Problem;
use crate::health::probe::{self, DestinationSaid};
use crate::system::logs::LogBook;
#[cfg(test)]
use serde_json::json;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Rotated"))]
struct Done {
    #[cfg_attr(test, schemars(extend("const" = true)))]
    success: bool,
    message: String,
    freed_bytes: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Maintenance"))]
struct Told {
    probe: Option<Line>,
    rotation: Option<Line>,
}

/// What a job of cron's said.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "CronLine"))]
struct Line {
    time: CivilTime,
    /// 0 well, 1 degraded, 2 unhealthy, 3 no answer.
    #[cfg_attr(test, schemars(range(max = 3)))]
    code: u8,
    text: String,
}

/// Tells what was said last.
pub fn tell(state: &Path) -> Answer {
    let line = |said: DestinationSaid| Line {
        time: CivilTime(Utc(said.at_s.saturating_mul(1000))),
        code: said.code,
        text: said.line,
    };
    let (probe, rotation) = probe::said(state);
    answer::json(200, &Told { probe: probe.map(line), rotation: rotation.map(line) })
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("required" = ["action"])))]
struct MaintenanceRequest {
    #[serde(default, deserialize_with = "body::choice")]
    #[cfg_attr(test, schemars(with = "MaintenanceAction"))]
    action: Option<MaintenanceAction>,
}

/// Rotate and remove the rotated files, or rotate and pack them.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum MaintenanceAction {
    RotateLogs,
    RotateDaily,
}

/// Answers.
///
/// # Errors
/// The request or the disk, as an answer.
pub fn answer(body: &[u8], log: &LogBook) -> Result<Answer, Answer> {
    let MaintenanceRequest { action } = body::read(body)?;
    let done = match action {
        Some(MaintenanceAction::RotateLogs) => log.rotate(),
        Some(MaintenanceAction::RotateDaily) => log.begin_day(),
        None => return Err(body::wrong("`action` must be rotate_logs or rotate_daily.")),
    };
    match done {
        Ok(freed_bytes) => {
            let message = format!("The log is rotated; {} are free again.", human(freed_bytes));
            log::info!("{message}");
            Ok(answer::json(200, &Done { success: true, message, freed_bytes }))
        }
        Err(error) => {
            let words = format!("The log could not be rotated: {error}. Look at the disk.");
            log::warn!("{words}");
            Err(Problem::Failed.answer(words))
        }
    }
}

/// What the API's document says of it.
#[cfg(test)]
pub fn describe(document: &mut Document) {
    let probe = json!({ "time": "2026-11-22T12:27:54.018Z", "code": 0, "text": "healthy" });
    let rotated = json!({
        "success": true, "message": "The log is rotated; 0 B are free again.", "freed_bytes": 0,
    });
    document
        .operation(
            "GET /api/maintenance",
            "system",
            "getMaintenance",
            "What cron's probe and rotation said last",
        )
        .answers::<Told>(200, "Null: it never ran", json!({ "probe": probe, "rotation": null }));
    document
        .operation("POST /api/maintenance", "system", "maintenance", "Makes room on the disk")
        .takes::<MaintenanceRequest>(json!({ "action": "rotate_logs" }))
        .answers::<Done>(200, "Done", rotated);
}
