//! The machine below: clock, disk, logs, configuration, and the snapshot others look at.

pub mod clock;
pub mod health;
pub mod logs;
pub mod memory;
pub mod snapshot;
