//! `cargo xtask soak`: the programme's soak in its long form. Purpose: a quarter of an hour of feeds
//! that restart, by one command. Non-goal: what is measured, which the test says itself
//! (tests/programme/soak.rs; a minute of it belongs to every run of the tests).

use crate::step::{cargo, run};
use crate::suites::LONG_FORM;

/// Builds the suite and soaks.
pub fn soak() -> Result<(), String> {
    let test = ["test", "--workspace", "--locked", "--test", "programme"];
    let mut command = cargo(&test);
    command.args(["--", "--nocapture", "soak::"]).env(LONG_FORM, "1");
    run(&mut command, "What grew is above, with what was held behind each round.")
}
