//! What processes cost, as the kernel counts it.

use std::fs;

/// Processor time of all threads of these processes, nanoseconds (`/proc/PID/task/*/schedstat`,
/// first field). Threads that have ended are no longer counted; none of the measured ones ends.
pub fn cpu_ns(pids: &[u32]) -> Result<u64, String> {
    let mut sum = 0;
    for pid in pids {
        let folder = format!("/proc/{pid}/task");
        let tasks = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
        for task in tasks.flatten() {
            let stat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            sum += first_number(&stat).unwrap_or(0);
        }
    }
    Ok(sum)
}

/// Their proportional set size, kB (`smaps_rollup`).
pub fn pss_kb(pids: &[u32]) -> Result<u64, String> {
    let mut sum = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/smaps_rollup");
        let rollup = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        sum += line.and_then(first_number).ok_or(format!("{path} tells no Pss"))?;
    }
    Ok(sum)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_costs_something() {
        let own = [std::process::id()];
        assert!(cpu_ns(&own).unwrap() > 0);
        assert!(pss_kb(&own).unwrap() > 100);
        assert_eq!(first_number(" 1234 kB"), Some(1234));
    }

    #[test]
    fn a_process_that_is_gone_is_told() {
        assert!(pss_kb(&[u32::MAX]).unwrap_err().contains("smaps_rollup"));
        assert!(cpu_ns(&[u32::MAX]).unwrap_err().contains("task"));
    }
}
