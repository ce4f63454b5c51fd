//! The fuzz targets under libFuzzer. Purpose: nothing but choosing the target, which the
//! environment names. `cargo xtask fuzz` builds it with coverage and runs it.
#![no_main]

mod targets;

use std::sync::OnceLock;

use targets::{Target, TARGETS};

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn chosen() -> Target {
    let name = std::env::var("STREAMCASTER_FUZZ_TARGET").expect("the name of a target");
    let found = TARGETS.into_iter().find(|(target, _)| *target == name);
    found.expect("a target of that name").1
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| CHOSEN.get_or_init(chosen)(input));
