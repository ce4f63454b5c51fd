//! MP4 and its relatives (ISO/IEC 14496-12, -14 and -15, and the QuickTime file format they come
//! from): files, whole or in fragments, read in constant memory.

mod boxes;
mod clock;
mod descriptor;
mod edits;
mod fragments;
mod index;
mod lane;
mod media;
mod movie;
#[cfg(test)]
mod odd_tests;
pub mod reader;
mod run;
mod tables;
#[cfg(test)]
mod testing;
mod track;
mod view;

pub use reader::{is_mp4, Mp4Reader};
