//! The machine below: clock, disk, logs, configuration, and the snapshot others look at.

pub mod clock;
pub mod health;
pub mod snapshot;
