//! The library: what a folder may hold, and files that ffmpeg made, read unit by unit.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod folder;
#[cfg(test)]
#[path = "../ts_support/recorder.rs"]
mod recorder;
#[cfg(test)]
mod ts_file;
