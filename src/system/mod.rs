//! The machine below: clock, disk, logs, configuration, and the snapshot others look at.

pub mod backoff;
pub mod clock;
pub mod commands;
pub mod config;
pub mod connect;
pub mod health;
pub mod heap;
pub mod library;
pub mod link;
pub mod logs;
pub mod memory;
pub mod platforms;
pub mod reactor;
pub mod record;
pub mod retry;
pub mod settings;
pub mod shutdown;
pub mod snapshot;
pub mod sockets;
pub mod store;
