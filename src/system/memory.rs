//! Memory: what was promised and what is used. Purpose: the table of `streamcaster check`, and the
//! process's own resident size. Non-goal: enforcing the budget.

use std::fmt::Write;
use std::fs;

use crate::base::budget::{human, Budget, Owner};

/// The budget as a table with aligned columns, ending in a line end: a part for the heap, one for
/// what the process holds besides, one for the kernel, each with its total.
pub fn table(budget: &Budget) -> String {
    let rows = budget.rows();
    let name_width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let how_width = rows.iter().map(|row| row.how.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let parts = [
        (Owner::Heap, "heap, enforced"),
        (Owner::Process, "process, besides its heap"),
        (Owner::Kernel, "kernel, for its sockets"),
    ];
    for (owner, title) in parts {
        let own = rows.iter().filter(|row| row.owner == owner);
        let lines = own.map(|row| (row.name, row.how.as_str(), row.bytes));
        for (name, how, bytes) in lines.chain([(title, "total", budget.total(owner))]) {
            // Writing into a String does not fail.
            let _ = writeln!(text, "{name:name_width$}  {how:how_width$}  {:>9}", human(bytes));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len() + 1);
    text
}

/// The process's resident size, bytes, from /proc/self/status (proc_pid_status(5), VmRSS); `None`
/// where there is no such file.
pub fn rss_bytes() -> Option<u64> {
    resident(&fs::read_to_string("/proc/self/status").ok()?)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::budget::Demand;

    #[test]
    fn the_table_is_aligned_and_has_its_totals() {
        let demand = Demand {
            ring_bytes: 8 << 20,
            unit_record_bytes: 64,
            viewers: 250,
            destinations: 8,
            receive_buffer_bytes: 4 << 20,
            has_certificate: false,
            password_bytes: 0,
        };
        let text = table(&Budget::of(&demand));
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let widths: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
        assert_eq!(lines.iter().filter(|line| line.contains(" total ")).count(), 3, "{text}");
        assert!(text.contains("250 viewers × 40 KiB"), "{text}");
        assert!(text.contains("322 sockets × 256 KiB"), "{text}");
        assert!(text.ends_with("B\n"));
    }

    #[test]
    fn the_resident_size_is_read() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\nRssAnon: 1 kB\n"), Some(1_263_616));
        assert_eq!(resident("VmRSS: many kB"), None);
        assert_eq!(resident(""), None);
        assert!(rss_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
