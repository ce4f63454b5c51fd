//! Waiting for something to become true, with a deadline: never a sleep that hopes.

use std::time::{Duration, Instant};

/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Looks until `look` finds something, and hands it over; `None` when the time is up.
pub fn poll<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Like [`poll`] for a condition; whether it came true in time.
pub fn holds(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    poll(limit, || condition().then_some(())).is_some()
}

/// Seconds, shorter to read.
pub const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}
