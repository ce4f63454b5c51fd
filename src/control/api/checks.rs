//! The verdict and its checks as the API tells them.

use serde::Serialize;

#[cfg(test)]
use crate::control::api::document::{component, Document};
use crate::control::api::moment::{CivilTime, Moment};
#[cfg(test)]
use crate::control::api::schemas;
use crate::health::{self, Health};
use crate::operator::snapshot::Snapshot;
#[cfg(test)]
use serde_json::json;

/// `GET /api/health`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Health"))]
pub struct HealthAnswer<'a> {
    #[cfg_attr(test, schemars(with = "schemas::Verdict"))]
    status: &'static str,
    /// The programme runs.
    udp_process: bool,
    timestamp: CivilTime,
    /// Only for who is logged in, or on the machine itself while no password is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Vec<CheckAnswer<'a>>"))]
    checks: Option<Vec<CheckAnswer<'a>>>,
}

/// What is watched, against its threshold.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Check"))]
pub struct CheckAnswer<'a> {
    /// Data_plane, programme, input, standby, cpu, memory, disk, data_disk, clock,
    /// destination:NAME…
    name: &'a str,
    #[cfg_attr(test, schemars(with = "schemas::Verdict"))]
    status: &'static str,
    value: Option<f64>,
    unit: &'static str,
    threshold: Option<f64>,
    /// The state of what has one.
    #[serde(skip_serializing_if = "str::is_empty")]
    state: &'static str,
    /// For a person.
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
        timestamp: CivilTime(moment.utc),
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

/// What the API's document says of it.
#[cfg(test)]
pub fn describe(document: &mut Document) {
    let example = json!({ "status": "healthy", "udp_process": true, "timestamp": "2026-11-22T12:27:54.018Z" });
    let schemas = [component("schemas", "Health"), component("schemas", "Error")];
    let unhealthy = json!({
        "description": "Unhealthy, or no room at the moment",
        "content": { "application/json": { "schema": { "anyOf": schemas } } },
    });
    document
        .operation("GET /api/health", "programme", "health", "The verdict and its checks")
        .answers::<HealthAnswer<'_>>(200, "Healthy or degraded", example)
        .answers_also(503, unhealthy);
}
