//! The control page in a real Chromium, driven end to end against the real program: what an
//! operator sees and does, by mouse and by keyboard, in both languages, on a phone and on a desk.
#![cfg(test)]

mod access;
mod axe;
mod firmware;
mod hands;
mod keyboard;
mod library;
mod outputs;
mod page;
mod pipe;
mod programme;
mod settings;
mod setup;
mod views;
mod watch;
mod world;

// What the tests with friendly peers have; not all of it is needed here.
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/child.rs"]
mod child;
#[path = "../control/daemon.rs"]
mod daemon;
#[path = "../peers/flv.rs"]
mod flv;
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/frames.rs"]
mod frames;
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/nginx.rs"]
mod nginx;
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/program.rs"]
mod program;
#[path = "../peers/wait.rs"]
mod wait;
