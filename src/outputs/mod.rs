//! The readers' shells: what carries the programme to viewers and platforms.

pub mod destinations;
mod feeder;
mod push;
pub mod pushes;
pub mod viewers;
