//! The machine below: clock, disk, logs, configuration, and the snapshot others look at.

pub mod clock;
pub mod link;
pub mod shutdown;
pub mod snapshot;
pub mod sockets;
