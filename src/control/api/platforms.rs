//! `/api/platforms`: what is known of platforms, for the page's form and for programs. Non-goal: what
//! becomes of it; an address may always be typed in. Bound: the table's.

use serde::Serialize;
#[cfg(test)]
use serde_json::Value;

#[cfg(test)]
use crate::control::api::document::Document;
use crate::control::http::answer::{self, Answer};
use crate::operator::platforms::{Platform, PLATFORMS};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Platforms"))]
struct Known {
    /// In the order in which they are offered; the last stands for any other server.
    platforms: &'static [Platform],
}

/// `GET /api/platforms`.
pub fn list() -> Answer {
    answer::json(200, &Known { platforms: &PLATFORMS })
}

/// What the API's document says of them.
#[cfg(test)]
pub fn describe(document: &mut Document) {
    let summary = "What is known of platforms: servers, where the key is found, limits";
    document
        .operation("GET /api/platforms", "destinations", "platforms", summary)
        .answers::<Known>(200, "The table", Value::Null);
}
