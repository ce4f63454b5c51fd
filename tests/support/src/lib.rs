//! What several test suites share. Purpose: media made without ffmpeg's muxers, packed in every
//! way the standards allow ([`units`] are the model; one module per container writes it), one
//! oracle for what a viewer receives, and real peers ([`peers`], [`tools`]). Independent of the
//! product: nothing here imports it, so that a mistake of its readers cannot repeat itself in what
//! they are held against.

pub mod aac;
pub mod bits;
pub mod flv;
pub mod h264;
pub mod loss;
pub mod mkv;
pub mod mp4;
pub mod oracle;
pub mod packing;
pub mod peers;
pub mod recipes;
pub mod seed;
pub mod tools;
pub mod ts;
pub mod units;
