//! What a process holds: memory, threads, descriptors.

use std::fs;

use streamcaster::base::limits::BLOCKING_THREADS_MAX;

/// What a process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footing {
    /// Resident memory, KiB.
    pub rss_kib: u64,
    /// Threads, without the pool for files.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

impl Footing {
    /// Looks at a process; nothing if it is gone.
    pub fn of(pid: u32) -> Option<Footing> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let (rss_kib, threads) = (number("VmRSS:"), Self::threads(pid)?);
        Some(Footing { rss_kib, threads, descriptors: open.count() as u64 })
    }

    /// Threads but those of the pool for name look-ups and files: they come and go with what the
    /// program does by itself, and have a bound of their own.
    fn threads(pid: u32) -> Option<u64> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        let (pool, others): (Vec<_>, Vec<_>) =
            names.partition(|name| name.starts_with("blocking-"));
        assert!(pool.len() <= BLOCKING_THREADS_MAX, "{} threads for files", pool.len());
        Some(others.len() as u64)
    }

    /// The larger of each.
    pub fn at_most(self, other: Footing) -> Footing {
        Footing {
            rss_kib: self.rss_kib.max(other.rss_kib),
            threads: self.threads.max(other.threads),
            descriptors: self.descriptors.max(other.descriptors),
        }
    }
}
