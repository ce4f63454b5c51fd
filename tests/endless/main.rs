//! Endless time, in virtual time: days of transport stream go through the demultiplexer, the
//! switcher, the ring, readers, and RTMP chunks, as fast as the machine can, and every header is
//! held to the specification on the far side. Purpose: the clocks wrap, drift and jump, sources
//! come and go, and the programme's time does not notice. Non-goals: sockets, real media, what a
//! decoder makes of it. Bound: each test is seeded, waits for nothing, and ends within seconds.
//!
//! ```text
//! encoder ── ts ──► Demux ──┐
//! card ─────────────────────┴─► Programme ──► Reader ──► chunks ──► player (checks)
//! ```
#![cfg(test)]

mod card;
mod clocks;
mod drift;
mod encoder;
mod files;
mod player;
mod playlist;
mod stamp;
mod storm;
mod switching;
mod ts;
mod wire;
mod world;
mod wraps;
