//! What strangers connect to.

mod admission;
mod listener;
mod opening;
mod parting;
mod proxied;
mod refusals;
mod rights;
pub mod rtmp;
