//! `GET` and `POST /api/maintenance`: what cron does. Purpose: room made on the disk, the day's
//! rotation of the log, and what the probe and the rotation said last. Non-goal: deleting what the
//! operator put there.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::budget::human;
use crate::base::time::Utc;
use crate::control::api::body;
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::Problem;
use crate::health::probe::{self, DestinationSaid};
use crate::system::logs::LogBook;

#[derive(Serialize)]
struct Done {
    success: bool,
    message: String,
    freed_bytes: u64,
}

#[derive(Serialize)]
struct Told {
    probe: Option<Line>,
    rotation: Option<Line>,
}

#[derive(Serialize)]
struct Line {
    time: String,
    code: u8,
    text: String,
}

/// Tells what was said last.
pub fn tell(state: &Path) -> Answer {
    let line = |said: DestinationSaid| Line {
        time: Utc(said.at_s.saturating_mul(1000)).to_string(),
        code: said.code,
        text: said.line,
    };
    let (probe, rotation) = probe::said(state);
    answer::json(200, &Told { probe: probe.map(line), rotation: rotation.map(line) })
}

#[derive(Deserialize)]
struct MaintenanceRequest {
    #[serde(default, deserialize_with = "body::choice")]
    action: Option<MaintenanceAction>,
}

/// Rotate and remove the rotated files, or rotate and pack them.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
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
