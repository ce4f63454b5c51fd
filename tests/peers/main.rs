//! The program among real peers: ffmpeg, rtmpdump, mpv, vlc, nginx-rtmp, and an RTMP client that
//! is not ours. One test binary, so that what plays in real time is counted and spread over the
//! machine.
#![cfg(test)]

mod child;
mod flv;
mod frames;
mod harness;
mod media;
mod nginx;
mod player;
mod program;
mod sender;
mod wait;
