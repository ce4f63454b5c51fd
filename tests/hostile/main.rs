//! The program among enemies: what strangers may send to its ports, while a viewer watches. Each
//! test runs alone: what it measures is the program, not its neighbours.
#![cfg(test)]

use test_support::peers::{frames, machine, media, player, program, sender, wait};

mod footing;
mod http;
mod rtmp;
mod scene;
mod shares;
mod slow;
mod sockets;
mod udp;
mod wire;
