//! What every layer stands on: limits, time, secrets, repeated complaints.

pub mod events;
pub mod limits;
pub mod rate;
pub mod redact;
pub mod time;
