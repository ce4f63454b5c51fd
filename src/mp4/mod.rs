//! MP4 and its relatives (ISO/IEC 14496-12, -14 and -15, and the QuickTime file format they come
//! from): files, whole or in fragments, read in constant memory.

mod boxes;
mod clock;
mod descriptor;
mod edits;
mod fragments;
mod index;
mod media;
mod movie;
mod payload;
pub mod reader;
mod run;
mod tables;
mod track;
mod window;

pub use reader::{is_mp4, Mp4Reader};
