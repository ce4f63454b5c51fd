//! What every layer stands on: limits and the budget, time, rates, secrets, repeated complaints.

pub mod backoff;
pub mod budget;
pub mod events;
pub mod history;
pub mod limits;
pub mod rate;
pub mod redact;
pub mod revision;
pub mod text;
pub mod time;
