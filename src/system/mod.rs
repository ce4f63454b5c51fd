//! The machine below: clock, memory, random numbers, logs, files that are written whole or not at all.

pub mod clock;
pub mod heap;
pub mod licences;
pub mod logs;
pub mod memory;
pub mod password;
pub mod pid_file;
pub mod random;
pub mod runtime;
pub mod sandbox_state;
pub mod shutdown;
pub mod store;
pub mod terminal;
pub mod text;
