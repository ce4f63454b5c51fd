//! What is said when the program cannot start. Bound: one sentence and what to do.

use std::fmt;
use std::io;

/// Why the program could not start.
#[derive(Debug)]
pub struct StartError {
    pub(super) what: String,
    pub(super) hint: &'static str,
    pub(super) cause: io::Error,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StartError { what, hint, cause } = self;
        write!(f, "{what}: {cause}. {hint}")
    }
}
