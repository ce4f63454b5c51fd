//! Matroska (RFC 9559): files, read in constant memory.

mod ahead;
mod block;
mod cues;
mod cursor;
mod element;
pub mod file;
mod frames;
mod reorder;
mod scale;
mod segment;
mod tracks;
