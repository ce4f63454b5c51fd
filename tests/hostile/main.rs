//! The program among enemies: what strangers may send to its ports, while a viewer watches. Each
//! test runs alone: what it measures is the program, not its neighbours.
#![cfg(test)]

mod footing;
mod http;
mod rtmp;
mod scene;
mod slow;
mod sockets;
mod udp;
mod wire;

// What the tests with friendly peers have; not all of it is needed here.
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/child.rs"]
mod child;
#[path = "../peers/flv.rs"]
mod flv;
#[path = "../peers/frames.rs"]
mod frames;
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/machine.rs"]
mod machine;
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/media.rs"]
mod media;
#[path = "../peers/player.rs"]
mod player;
#[expect(dead_code, reason = "shared with tests/peers")]
#[path = "../peers/program.rs"]
mod program;
#[path = "../peers/sender.rs"]
mod sender;
#[path = "../peers/wait.rs"]
mod wait;
