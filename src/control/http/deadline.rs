//! Deadlines: nothing waits for a client, a disk or a service without one.

use std::future::Future;
use std::time::Duration;

use async_io::Timer;
use smol::future::or;

/// What `work` gives within `ms`; nothing if it takes longer.
pub async fn within<T>(ms: u64, work: impl Future<Output = T>) -> Option<T> {
    let deadline = async {
        Timer::after(Duration::from_millis(ms)).await;
        None
    };
    or(async { Some(work.await) }, deadline).await
}
