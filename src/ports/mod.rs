//! What strangers connect to.

mod admission;
mod door;
mod rights;
pub mod rtmp;
