//! FLV, MP4 and Matroska files, and RTMP messages, that no muxer of ffmpeg's makes: constructed
//! ones, packed in every way from the same access units, and those of the field when they are
//! there.

mod field;
mod media;
mod packed;
mod reading;
mod remedies;
