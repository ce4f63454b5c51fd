//! MPEG-TS (ISO/IEC 13818-1) taken apart: datagrams in, access units of one programme out, into a
//! [`UnitSink`](crate::codec::access_unit::UnitSink). Purpose: whatever comes over UDP, what can
//! be carried flows on, what cannot is named, and a frame that lost a part never leaves as whole.
//!
//! From the outside in: [`sync`] finds the packet grid in datagrams (`rtp` unwraps them, `repeats`
//! drops those the network doubled), [`packet`] reads a packet's header, `continuity` finds what
//! was lost, `psi`, `programmes` and `streams` say what the multiplex holds, `pes`, `clock` and
//! `early_end` turn packets of one PID into timed access units for `video` and `audio`, and
//! [`demux`] joins them. [`file`] reads a file of
//! it from any place.
//!
//! # What no demultiplexer can see
//!
//! The continuity counter has four bits. If exactly 16 (or 32, …) packets of a PID are lost in
//! one go, the counter fits and the hole stays. Where the PES states its length the hole is
//! found at the next PES start; where it states none, the unit leaves with the hole. Two datagrams
//! that both come late can make counters meet in the same way, about once in ten thousand units at
//! one datagram late in twenty. A packet whose payload was damaged under way and whose
//! `transport_error_indicator` was not set passes as good. In datagrams that are no whole number
//! of packets, a packet glued together from two datagrams with a loss between them is recognised
//! by the grid of the second one, as far as that datagram goes.
//!
//! Non-goals: PCR and buffer timing (the programme's timeline paces), descrambling, PSI/SI beyond
//! PAT and PMT, writing. Bound: the tables are part of the [`demux::Demux`], and there is at most
//! one assembler for each track; peers' numbers only choose how much of it is used.

mod audio;
mod clock;
mod continuity;
mod counters;
pub mod demux;
mod early_end;
pub mod file;
mod grid;
pub mod packet;
mod pes;
pub mod plausible;
mod programmes;
mod psi;
mod repeats;
mod rtp;
pub mod streams;
pub mod sync;
mod video;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod demux_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod testing;
