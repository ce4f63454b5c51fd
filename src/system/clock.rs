//! The two clocks of the machine. Purpose: the only place that reads them.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::base::time::{Mono, Utc};

/// The file, in the appliance's folder, by which its start says that no time server has answered yet
/// (`rootfs/usr/lib/appliance/clock`).
pub const UNSET: &str = "clock.warning";

static START: OnceLock<Instant> = OnceLock::new();

/// The monotonic clock, counted from the first call: `main` makes it first thing.
pub fn mono() -> Mono {
    let start = START.get_or_init(Instant::now);
    Mono(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX))
}

/// Civil time; the epoch when the machine's clock stands before it.
pub fn utc() -> Utc {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Utc(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
