//! What Linux tells of itself in `/proc`. Purpose: texts in, figures out. Non-goals: reading the
//! files, rates. Bound: looks at each text once; what is not as proc(5) says is no figure.

/// Processor time of the whole machine since it began, in clock ticks, all cores together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTicks {
    /// All of it.
    pub total: u64,
    /// What was spent working, not idle and not waiting for a disk.
    pub busy: u64,
    /// What the machine wanted to work and its hypervisor did not let it.
    pub stolen: u64,
}

/// The machine's memory, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryBytes {
    /// All of it.
    pub total: u64,
    /// What can be had without swapping.
    pub available: u64,
}

/// What went over the machine's networks since it began, loopback left out, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkBytes {
    /// Received.
    pub received: u64,
    /// Sent.
    pub sent: u64,
}

/// The first line of `/proc/stat` and the number of cores (proc_stat(5)). Guests' time is in
/// `user` already.
pub fn cpu(stat: &str) -> Option<(CpuTicks, u32)> {
    let mut figures = [0_u64; 8];
    let mut words = stat.lines().find_map(|line| line.strip_prefix("cpu "))?.split_whitespace();
    // Kernels before 2.6.11 have no `steal`; four figures there always are.
    for (at, figure) in figures.iter_mut().enumerate() {
        match words.next() {
            Some(word) => *figure = word.parse().ok()?,
            None if at >= 4 => break,
            None => return None,
        }
    }
    let total = figures.iter().fold(0_u64, |sum, figure| sum.saturating_add(*figure));
    let [_, _, _, idle, waiting, _, _, stolen] = figures;
    let idle = idle.saturating_add(waiting).saturating_add(stolen);
    let is_core = |line: &&str| {
        let number = line.strip_prefix("cpu").and_then(|rest| rest.split(' ').next());
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let cores = u32::try_from(stat.lines().filter(is_core).count()).ok()?.max(1);
    Some((CpuTicks { total, busy: total.saturating_sub(idle), stolen }, cores))
}

/// Processor time of a process in clock ticks: `utime` and `stime` of `/proc/PID/stat`
/// (proc_pid_stat(5), 14 and 15). Its name in brackets may hold anything.
pub fn process_ticks(stat: &str) -> Option<u64> {
    let behind_name = stat.rsplit_once(')')?.1;
    let mut figures = behind_name.split_whitespace().skip(11);
    let user: u64 = figures.next()?.parse().ok()?;
    let system: u64 = figures.next()?.parse().ok()?;
    user.checked_add(system)
}

/// `/proc/meminfo`. Kernels before 3.14 have no `MemAvailable`: free and cached stands in for it.
pub fn memory(meminfo: &str) -> Option<MemoryBytes> {
    let figure = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    let guess = || figure("MemFree")?.checked_add(figure("Cached")?);
    Some(MemoryBytes {
        total: figure("MemTotal")?,
        available: figure("MemAvailable").or_else(guess)?,
    })
}

/// The three means of `/proc/loadavg`, over 1, 5 and 15 minutes.
pub fn load(loadavg: &str) -> Option<[f64; 3]> {
    let mut words = loadavg.split_whitespace().map(str::parse::<f64>);
    let mut next = || words.next()?.ok().filter(|load| load.is_finite());
    Some([next()?, next()?, next()?])
}

/// `/proc/net/dev`, all interfaces but `lo`.
pub fn network(dev: &str) -> Option<NetworkBytes> {
    let mut sum = None;
    for line in dev.lines().skip(2) {
        let (name, figures) = line.split_once(':')?;
        let mut figures = figures.split_whitespace().map(str::parse::<u64>);
        let (received, sent) = (figures.next()?.ok()?, figures.nth(7)?.ok()?);
        let NetworkBytes { received: all_received, sent: all_sent } = sum.unwrap_or_default();
        sum = Some(match name.trim() {
            "lo" => NetworkBytes { received: all_received, sent: all_sent },
            _ => NetworkBytes {
                received: all_received.saturating_add(received),
                sent: all_sent.saturating_add(sent),
            },
        });
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  1736412 27675 236816 2745958 10870 0 16603 367 0 0\n\
        cpu0 799556 9970 114563 1451060 2752 0 8592 176 0 0\n\
        cpu1 936856 17705 122252 1294897 8117 0 8010 191 0 0\n\
        intr 1 2 3\nctxt 5\nbtime 1\n";

    #[test]
    fn processor_time_is_read() {
        let (ticks, cores) = cpu(STAT).unwrap();
        assert_eq!(cores, 2);
        assert_eq!(ticks.total, 1_736_412 + 27_675 + 236_816 + 2_745_958 + 10_870 + 16_603 + 367);
        assert_eq!(ticks.busy, 1_736_412 + 27_675 + 236_816 + 16_603);
        assert_eq!(ticks.stolen, 367);
        let old = cpu("cpu  1 2 3 4\n").unwrap();
        assert_eq!(old, (CpuTicks { total: 10, busy: 6, stolen: 0 }, 1));
        for broken in ["", "cpu", "cpu  1 2 3\n", "cpu  1 2 x 4 5 6 7 8\n", "cpu0 1 2 3 4\n"] {
            assert_eq!(cpu(broken), None, "{broken:?}");
        }
        let most = u64::MAX;
        let largest = cpu(&format!("cpu  {most} {most} {most} {most}\n")).unwrap();
        assert_eq!(largest.0.total, u64::MAX);
    }

    #[test]
    fn a_processs_time_is_found_behind_any_name() {
        let stat = "17894 (a) b) (c) R 17876 17876 3922 0 -1 4194304 100 0 0 0 31 12 0 0 20 0 1";
        assert_eq!(process_ticks(stat), Some(43));
        assert_eq!(process_ticks("17894 (cat) R 1 2 3"), None);
        assert_eq!(process_ticks("nothing"), None);
        assert!(process_ticks(&std::fs::read_to_string("/proc/self/stat").unwrap()).is_some());
    }

    #[test]
    fn memory_is_read_with_and_without_an_estimate() {
        let text = "MemTotal:       24684084 kB\nMemFree:        19093028 kB\n\
            MemAvailable:   23700728 kB\nBuffers:           17852 kB\nCached:          4471236 kB\n";
        let (total, available) = (24_684_084 << 10, 23_700_728 << 10);
        assert_eq!(memory(text), Some(MemoryBytes { total, available }));
        let old = "MemTotal: 100 kB\nMemFree: 30 kB\nCached: 20 kB\n";
        assert_eq!(memory(old), Some(MemoryBytes { total: 100 << 10, available: 50 << 10 }));
        assert_eq!(memory("MemTotal: lots kB\n"), None);
        assert_eq!(memory(&format!("MemTotal: {} kB\nMemAvailable: 1 kB\n", u64::MAX)), None);
    }

    #[test]
    fn load_is_read() {
        assert_eq!(load("4.30 2.31 1.24 8/147 17898\n"), Some([4.30, 2.31, 1.24]));
        for broken in ["", "1.0 2.0", "NaN 1 1", "a b c"] {
            assert_eq!(load(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn networks_are_added_up_without_loopback() {
        let head = "Inter-|   Receive            |  Transmit\n face |bytes    packets\n";
        let text = format!(
            "{head}    lo: 377044423626 1 0 0 0 0 0 0 377044423626 1 0 0 0 0 0 0\n  \
             eth0: 526200930   19845    0    0    0     0          0         0  1215837   13338 \
             0 0 0 0 0 0\n eth1:70 1 0 0 0 0 0 0 30 1 0 0 0 0 0 0\n"
        );
        let sum = NetworkBytes { received: 526_201_000, sent: 1_215_867 };
        assert_eq!(network(&text), Some(sum));
        assert_eq!(network(&format!("{head}eth0: 1 2 3\n")), None);
        assert_eq!(network(head), None);
    }
}
