//! A bad day: one run of the real program with a source, a viewer and a real nginx-rtmp, while an
//! operator with clumsy hands, strangers with bad manners and a disk with moods do what they do.
//! Every answer helps, nothing that was written is torn, no secret is shown, and the viewer misses
//! no frame.
#![cfg(test)]

use test_support::peers::{child, clips, frames, nginx, player, program, sender, wait};

mod crowds;
mod day;
mod disk;
mod hands;
mod operator;
mod stage;
