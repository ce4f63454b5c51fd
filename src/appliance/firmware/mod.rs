//! The appliance's own system: two slots, one of which runs, updates signed by the key it was made
//! with, and the way back. Purpose: an update a person can trust: a system that is cut short,
//! damaged, foreign or older never starts; one that does not get well is left by itself. Non-goals:
//! deltas, encryption. Bounds: one order at a time, the pieces of
//! `limits`; all of it runs as root in a process of its own, `streamcaster firmware`, which the
//! programme asks through a socket ([`orders`]).
//!
//! An update touches only the slot that does not run. That slot first loses its tries, then its
//! beginning; the beginning is written last; the whole is read back from the disk; only then does
//! the boot loader hear of it, with one try ([`install`]). Confirmed after some healthy minutes it
//! has three; else the machine starts again, and the boot loader takes the other.
//!
//! An older system needs a person's confirmation ([`downgrade`]); one that the running system excludes
//! (`oldest` in its release) is not taken at all.

pub mod daemon;
pub mod downgrade;
pub mod environment;
pub mod install;
pub mod latest;
pub mod orders;
pub mod package;
pub mod slots;
pub mod socket;
pub mod state;
