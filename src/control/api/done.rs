//! What is answered when there is no more to say than a sentence.

use serde::Serialize;

use crate::control::http::answer::{self, Answer};

/// A command was carried out.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Done"))]
pub struct CarriedOut {
    #[cfg_attr(test, schemars(extend("const" = true)))]
    success: bool,
    /// For a person.
    message: String,
}

/// Tells that it was.
pub fn done(message: impl Into<String>) -> Answer {
    answer::json(200, &CarriedOut { success: true, message: message.into() })
}
