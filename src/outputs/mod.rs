//! The readers' shells: what carries the programme to viewers, platforms and previews.

mod attention;
pub mod destinations;
mod feeder;
mod hold_back;
mod planned_end;
pub mod preview;
mod push;
pub mod pushes;
mod seats;
pub mod viewers;
