//! What strangers connect to.

mod admission;
mod door;
mod refusals;
mod rights;
pub mod rtmp;
