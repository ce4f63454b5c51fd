//! What strangers connect to.

pub mod rtmp;
