//! The program among real peers: ffmpeg, rtmpdump, mpv, vlc, nginx-rtmp, and an RTMP client that
//! is not ours. One test binary, so that what plays in real time is counted and spread over the
//! machine.
#![cfg(test)]

mod balancer;
mod budget;
mod child;
mod crowd;
mod damage;
mod encoder;
mod fidelity;
mod flv;
mod frames;
mod harness;
mod machine;
mod media;
mod nginx;
mod outage;
mod player;
mod preview;
mod program;
mod publish;
mod refusals;
mod requests;
mod runtime;
mod secrets;
mod sender;
mod shutdown;
mod udp;
mod uploads;
mod viewer;
mod wait;
mod whole;
