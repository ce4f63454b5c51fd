//! A bad day: one run of the real program with a source, a viewer and a real nginx-rtmp, while an
//! operator with clumsy hands, strangers with bad manners and a disk with moods do what they do.
//! Every answer helps, nothing that was written is torn, no secret is shown, and the viewer misses
//! no frame.
#![cfg(test)]

mod crowds;
mod day;
mod disk;
mod hands;
mod operator;
mod stage;

// What the tests with friendly peers have; not all of it is needed here.
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/child.rs"]
mod child;
#[expect(dead_code, reason = "shared with tests/programme")]
#[path = "../programme/clips.rs"]
mod clips;
#[path = "../peers/flv.rs"]
mod flv;
#[path = "../peers/frames.rs"]
mod frames;
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/media.rs"]
mod media;
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/nginx.rs"]
mod nginx;
#[path = "../peers/player.rs"]
mod player;
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/program.rs"]
mod program;
#[path = "../peers/sender.rs"]
mod sender;
#[path = "../peers/wait.rs"]
mod wait;
