//! What strangers connect to.

mod admission;
mod door;
mod proxied;
mod refusals;
mod rights;
pub mod rtmp;
