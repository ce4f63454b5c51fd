//! The programme as an operator runs it: files, live inputs, playlists and switches between them,
//! while real viewers and a real nginx-rtmp stay connected.
#![cfg(test)]

use test_support::peers::{
    child, clips, encoder, flv, frames, heard, media, nginx, player, program, scene, sender,
    viewer, wait,
};

mod bad;
mod fidelity;
mod soak;
mod storm;
