//! What a process holds: memory, threads, descriptors.

use std::fs;

/// What a process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footing {
    /// Resident memory, KiB.
    pub rss_kib: u64,
    /// Threads.
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
        let (rss_kib, threads) = (number("VmRSS:"), number("Threads:"));
        Some(Footing { rss_kib, threads, descriptors: open.count() as u64 })
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
