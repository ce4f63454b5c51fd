//! The program among real peers: ffmpeg, rtmpdump, mpv, vlc, nginx-rtmp, and an RTMP client that
//! is not ours. One test binary, so that what plays in real time is counted and spread over the
//! machine.
#![cfg(test)]

use test_support::peers::{
    authority, child, encoder, flv, frames, machine, media, nginx, player, program, relay, sender,
    viewer, wait, whole,
};

mod allowed;
mod answers;
mod balancer;
mod budget;
mod crowd;
mod damage;
mod fidelity;
mod haproxy;
mod harness;
mod held_back;
mod outage;
mod preview;
mod proxied;
mod publish;
mod reasons;
mod refusals;
mod requests;
mod rtmps;
mod rtmps_faults;
mod rtmps_in;
mod runtime;
mod secrets;
mod shutdown;
mod terminators;
mod udp;
mod uploads;
