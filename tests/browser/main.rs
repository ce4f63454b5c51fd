//! The control page in a real Chromium, driven end to end against the real program: what an
//! operator sees and does, by mouse and by keyboard, in both languages, on a phone and on a desk.
#![cfg(test)]

use test_support::peers::{child, kept, nginx, program, wait};

mod access;
mod axe;
mod code;
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
