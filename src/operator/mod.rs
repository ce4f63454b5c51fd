//! All that the control plane and the data plane say to each other: commands in, a snapshot out, and the
//! words for what stands in the way. Plain data and bounded channels; nothing here waits for a disk or
//! a network.

pub mod commands;
pub mod platforms;
pub mod reason;
pub mod record;
pub mod snapshot;
