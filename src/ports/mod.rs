//! What strangers connect to.

mod admission;
mod listener;
mod proxied;
mod refusals;
mod rights;
pub mod rtmp;
