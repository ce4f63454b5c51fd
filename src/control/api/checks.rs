//! The verdict and its checks as the API tells them.

use serde::Serialize;

use crate::control::api::moment::Moment;
use crate::health::{self, Health};
use crate::operator::snapshot::Snapshot;

/// `GET /api/health`.
#[derive(Serialize)]
pub struct HealthAnswer<'a> {
    status: &'static str,
    udp_process: bool,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Vec<CheckAnswer<'a>>>,
}

/// A check.
#[derive(Serialize)]
pub struct CheckAnswer<'a> {
    name: &'a str,
    status: &'static str,
    value: Option<f64>,
    unit: &'static str,
    threshold: Option<f64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    state: &'static str,
    detail: &'a str,
}

/// Tells the verdict; `whole`: and each check, which is not for everybody.
pub fn health<'a>(
    snapshot: &Snapshot,
    health: &'a Health,
    moment: Moment,
    whole: bool,
) -> HealthAnswer<'a> {
    HealthAnswer {
        status: health.verdict.name(),
        udp_process: health::is_running(snapshot, moment.now),
        timestamp: moment.utc.to_string(),
        checks: whole.then(|| checks(health)),
    }
}

/// Each check.
pub fn checks(health: &Health) -> Vec<CheckAnswer<'_>> {
    let answers = health.checks.iter().map(|check| CheckAnswer {
        name: &check.name,
        status: check.verdict.name(),
        value: check.value,
        unit: check.unit,
        threshold: check.threshold,
        state: check.state,
        detail: &check.detail,
    });
    answers.collect()
}
