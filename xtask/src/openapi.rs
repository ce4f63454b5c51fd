//! `cargo xtask openapi`: writes the API's document again, `src/control/openapi.json`. Purpose: it is
//! made from the types that are read and answered, which only the product's tests know as schemas;
//! one of them writes it here and compares it everywhere else.

use crate::step::{cargo, run};

/// What makes the test write instead of comparing.
const RENEW: &str = "STREAMCASTER_OPENAPI_RENEW";
const TEST: &str = "control::api::openapi::the_committed_document_is_what_the_types_say";

/// Writes it.
pub fn renew() -> Result<(), String> {
    let mut test = cargo(&["test", "--workspace", "--lib", "--quiet", "--", "--exact", TEST]);
    run(test.env(RENEW, "1"), "The document is left as it was, or half described.")
}
