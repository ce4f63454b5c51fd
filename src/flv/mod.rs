//! FLV (Adobe Flash Video File Format Specification, version 10.1): the headers in front of audio
//! and video, which RTMP messages carry as well, and files of them.

pub mod complaint;
pub mod file;
pub mod reader;
mod seek;
#[cfg(test)]
mod standby_tests;
pub mod tag;
pub mod units;
