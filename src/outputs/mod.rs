//! The readers' shells: what carries the programme to viewers and platforms.

mod backoff;
pub mod destinations;
mod feeder;
pub mod viewers;
