//! What every layer stands on: limits, time, secrets, repeated complaints.

pub mod limits;
pub mod time;
