//! `streamcaster probe`: how the program does, asked over loopback, in one line and an exit code.
//! Purpose: made for cron: bounded in time, quiet, safe to run twice at once; with `--recover` it
//! acts on what it finds ([`plan`]). Where the control plane does not answer, the data plane is asked
//! past it: a programme that goes on is not ended. Non-goals: starting the program, which is its supervisor's;
//! HTTPS. Bounds: one deadline over each request, a short file of memory.
//!
//! `judged` reads an answer of `/api/health`, `plan` decides, `recover` does it.

mod asker;
mod http;
mod judged;
mod plan;
mod recover;
mod restart;

pub use asker::ProbeOptions;
pub use http::Target;
pub use judged::ProbeOutcome;
pub use recover::{said, DestinationSaid};

use asker::Asker;
use judged::Finding;

/// Probes; prints nothing: the line is handed back.
pub fn run(options: &ProbeOptions) -> (ProbeOutcome, String) {
    let asker = Asker::new(options);
    if options.rotate {
        return recover::rotate(&asker);
    }
    if options.recover || options.dry_run {
        return recover::run(&asker, options.dry_run);
    }
    let Finding { outcome, line, .. } = asker.health();
    (outcome, line)
}
