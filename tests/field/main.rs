//! What encoders, segmenters, phones and relays really send, through the whole program: each
//! stream or file compared unit by unit, and decoded picture by picture, with what ffmpeg makes of
//! the same input, at a viewer and behind a real nginx-rtmp.
#![cfg(test)]

mod case;
mod compare;
mod cuts;
mod devices;
mod files;
mod made;
mod pool;
mod reasons;
mod refresh;
mod senders;

use test_support::peers::{
    child, encoder, flv, heard, media, nginx, player, program, scene, sender, wait,
};
