//! Elementary streams: what H.264 and AAC say of themselves, and the access units made of them.

pub mod aac;
pub mod aac_silence;
pub mod access_unit;
mod annexb;
pub mod audio_config;
mod bit_reader;
#[cfg(test)]
pub(crate) mod collector;
pub mod container;
pub mod entry;
pub mod h264;
pub mod key_units;
pub mod length_units;
mod nal_type;
mod parameter_sets;
pub mod per_track;
mod picture_order;
pub mod profile;
mod program_config;
mod slice_header;
mod sps;
mod unit_clock;
mod unit_starts;
mod unit_times;
mod unit_writer;
mod video_config;
pub mod window;

pub use audio_config::AacRecordError;
pub use video_config::AvcRecordError;
