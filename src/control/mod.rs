//! (skeleton)
pub mod build_info;
mod head;
