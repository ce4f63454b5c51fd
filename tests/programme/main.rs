//! The programme as an operator runs it: files, live inputs, playlists and switches between them,
//! while real viewers and a real nginx-rtmp stay connected.
#![cfg(test)]

mod bad;
mod clips;
mod fidelity;
mod passages;
mod scene;
mod storm;

// What the tests with friendly peers have; not all of it is needed here.
#[path = "../peers/child.rs"]
mod child;
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
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/viewer.rs"]
mod viewer;
#[path = "../peers/wait.rs"]
mod wait;
