//! The product as it is shipped: the static binary, alone and in its container image.
#![cfg(test)]

mod alone;
mod container;
#[path = "../peers/wait.rs"]
mod wait;
mod world;
