//! Elementary streams: what H.264 and AAC say of themselves, and the access units made of them.

pub mod access_unit;
