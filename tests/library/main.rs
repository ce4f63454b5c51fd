//! The library: what a folder may hold, and files that ffmpeg made, read unit by unit.

mod folder;
#[path = "../ts_support/recorder.rs"]
mod recorder;
mod ts_file;
