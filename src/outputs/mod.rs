//! The readers' shells: what carries the programme to viewers, platforms and previews.

pub mod destinations;
mod feeder;
pub mod preview;
mod push;
pub mod pushes;
pub mod viewers;
