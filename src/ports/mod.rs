//! What strangers connect to.

mod admission;
mod door;
pub mod rtmp;
