//! Files and streams of every format, through the product's readers: what ffmpeg wraps must come
//! out as ffmpeg itself takes it out, what writers of the tests' own pack in every legal way must
//! come out as it went in, and captures of real senders as they were sent.
#![cfg(test)]

mod demultiplexed;
mod ffmpeg;
mod flv_mkv_ffmpeg;
mod mp4_ffmpeg;
mod recorder;
mod remuxed;
mod ts_captures;
mod ts_ffmpeg;
mod ts_file;
