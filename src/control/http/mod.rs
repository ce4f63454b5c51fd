//! HTTP: what comes from a client and goes to it.

pub mod budget;
pub mod job;
pub mod print;
