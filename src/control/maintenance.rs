//! `POST /api/maintenance`: room made on the disk. Purpose: one thing today, rotating the log. Its
//! elders go, but for the newest. Non-goal: deleting what the operator put there.

use serde::Serialize;

use crate::base::budget::human;
use crate::control::fields::Fields;
use crate::control::routes::{self, Answer, World};

#[derive(Serialize)]
struct Done {
    success: bool,
    message: String,
    freed_bytes: u64,
}

/// Answers.
///
/// # Errors
/// The request or the disk, as an answer.
pub fn answer(body: &[u8], world: &World<'_>) -> Result<Answer, Answer> {
    let fields = Fields::read(body, &["action"])?;
    if fields.text("action")? != Some("rotate_logs") {
        return Err(routes::error(400, "INVALID_REQUEST", "`action` must be rotate_logs."));
    }
    match world.log.rotate() {
        Ok(freed_bytes) => {
            let message = format!("The log is rotated; {} are free again.", human(freed_bytes));
            Ok(routes::json(200, &Done { success: true, message, freed_bytes }))
        }
        Err(error) => {
            let words = format!("The log could not be rotated: {error}. Look at the disk.");
            Err(routes::error(500, "SYSTEM_ERROR", &words))
        }
    }
}
