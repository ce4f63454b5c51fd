//! The machine's checks: processors, memory, disk. They are never worse than degraded: as long as
//! the programme runs, a machine at its end is a reason to look, not to restart.

use crate::base::budget::human;
use crate::base::time::Mono;
use crate::health::host::{CpuShare, DiskWarning};

use super::check::{Check, Figures, Verdict};

/// From this share withheld by the hypervisor on it is told, percent.
const STOLEN_PERCENT: f64 = 10.0;

/// Over or not.
fn verdict(value: f64, threshold: f64) -> Verdict {
    if value > threshold {
        Verdict::Degraded
    } else {
        Verdict::Healthy
    }
}

/// To a tenth, as it is told.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The mean of the last minute; what a shorter time says is told, and not judged. That the load
/// stays above what a burstable plan grants for good is told as well: the plan is not known, and
/// the programme runs.
pub(super) fn cpu(figures: &Figures) -> Check {
    let (machine, thresholds) = (&figures.machine, &figures.thresholds);
    let threshold = thresholds.cpu_percent as f64;
    let (share, verdict) = match (machine.cpu_minute, machine.cpu) {
        (Some(minute), _) => (minute, verdict(minute.percent, threshold)),
        (None, Some(moment)) => (moment, Verdict::Healthy),
        (None, None) => {
            let words = "the use of the processors is not known yet, or cannot be measured on \
                         this machine";
            let check = Check::of("cpu", Verdict::Healthy, words);
            return Check { threshold: Some(threshold), unit: "%", ..check };
        }
    };
    let CpuShare { percent, process_percent, stolen_percent, .. } = share;
    let mut detail = format!("cpu {percent:.0} %, this program {process_percent:.1} % of one core");
    if verdict != Verdict::Healthy {
        detail.push_str(&format!("; above {threshold} % for a minute"));
    }
    if stolen_percent >= STOLEN_PERCENT {
        detail.push_str(&format!(
            "; the hypervisor withholds {stolen_percent:.0} %: the machine is throttled or its \
             host is full"
        ));
    }
    let baseline = thresholds.cpu_baseline_percent as f64;
    let steady = machine.cpu_steady.map_or(0.0, |steady| steady.core_percent);
    if steady > baseline {
        detail.push_str(&format!(
            "; {steady:.0} % of one core over ten minutes is more than the {baseline} % that \
             burstable plans grant for good: such a machine will be throttled"
        ));
    }
    Check::of("cpu", verdict, detail).measured(rounded(percent), Some(threshold), "%")
}

/// The counted heap against its limit. What the process occupies is shown beside it and not judged:
/// what a C library keeps of memory that was given back is no need of the program's, and grows no
/// further. What the kernel holds for its sockets is limited for each of them when it is opened.
pub(super) fn memory(figures: &Figures) -> Check {
    let threshold = figures.thresholds.memory_percent as f64;
    let wide = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    let (used, limit) = (wide(figures.heap.used_bytes), wide(figures.heap.limit_bytes));
    let percent = match limit {
        0 => 0.0,
        limit => 100.0 * used as f64 / limit as f64,
    };
    let mut detail = format!("memory {percent:.0} % of the budget");
    if limit > 0 {
        detail.push_str(&format!(", {} of {}", human(used), human(limit)));
    }
    if figures.resident_bytes > 0 {
        detail.push_str(&format!("; {} resident", human(figures.resident_bytes)));
    }
    if let Some(memory) = figures.machine.memory {
        detail.push_str(&format!("; the machine has {} left", human(memory.available)));
    }
    let check = Check::of("memory", verdict(percent, threshold), detail);
    check.measured(rounded(percent), Some(threshold), "%")
}

pub(super) fn disk(figures: &Figures, now: Mono) -> Check {
    let threshold = figures.thresholds.disk_percent as f64;
    let Some(disk) = figures.machine.disk else {
        let words = "the size of the data folder's disk is not known yet";
        let check = Check::of("disk", Verdict::Healthy, words);
        return Check { threshold: Some(threshold), unit: "%", ..check };
    };
    let percent = disk.used_percent();
    let mut over = verdict(percent, threshold);
    let mut detail = format!("disk {percent:.0} %, {} free", human(disk.free_bytes));
    if over != Verdict::Healthy {
        detail.push_str(&format!("; above {threshold} %: delete videos or enlarge the disk"));
    }
    if disk.is_stale(now) {
        let age_s = now.since(disk.taken).as_secs();
        detail.push_str(&format!("; measured {age_s} s ago, the disk has not answered since"));
        over = Verdict::Degraded;
    }
    Check::of("disk", over, detail).measured(rounded(percent), Some(threshold), "%")
}

/// Only where something is wrong with it: a disk that was mended or lost, or that nothing can be
/// written to. Making room, which `disk` is a reason for, helps none of these.
pub(super) fn data_disk(figures: &Figures) -> Option<Check> {
    let is_read_only = figures.machine.disk.is_some_and(|disk| disk.is_read_only);
    let refused = "the data disk is read-only: settings, videos and logs are not saved";
    let warning = figures.machine.disk_warning.as_ref().map(DiskWarning::as_str);
    let detail = match (warning, is_read_only) {
        (Some(warning), true) => format!("{warning}; {refused}"),
        (Some(warning), false) => warning.to_owned(),
        (None, true) => refused.to_owned(),
        (None, false) => return None,
    };
    Some(Check::of("data_disk", Verdict::Degraded, detail))
}

/// Only where nobody has told the appliance the time since its start: what its own clock or its disk
/// said may be years off.
pub(super) fn clock(figures: &Figures) -> Option<Check> {
    let words =
        "no time server has answered since the start: encrypted connections fail where the \
                 clock is wrong; allow outgoing UDP on port 123, or have DHCP name a time server";
    figures.machine.is_clock_unset.then(|| Check::of("clock", Verdict::Degraded, words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::host::{DiskStatus, MemoryBytes};
    use crate::system::heap::HeapUse;

    fn share(percent: f64) -> Option<CpuShare> {
        Some(CpuShare { percent, core_percent: percent, process_percent: 3.0, stolen_percent: 0.0 })
    }

    #[test]
    fn a_peak_is_told_and_a_minute_is_judged() {
        let mut figures = Figures::default();
        let unknown = cpu(&figures);
        assert_eq!((unknown.verdict, unknown.value), (Verdict::Healthy, None));
        figures.machine.cpu = share(99.0);
        let peak = cpu(&figures);
        assert_eq!((peak.verdict, peak.value), (Verdict::Healthy, Some(99.0)));
        figures.machine.cpu_minute = share(80.0);
        assert_eq!(cpu(&figures).verdict, Verdict::Healthy, "at the threshold, not above");
        figures.machine.cpu_minute = share(80.1);
        let over = cpu(&figures);
        assert_eq!((over.verdict, over.threshold), (Verdict::Degraded, Some(80.0)));
        assert!(over.detail.contains("this program 3.0 % of one core"), "{}", over.detail);
    }

    #[test]
    fn steady_load_and_throttling_are_words_not_verdicts() {
        let mut figures = Figures::default();
        figures.machine.cpu_minute = share(11.0);
        figures.machine.cpu_steady = share(10.0);
        assert!(!cpu(&figures).detail.contains("burstable"));
        figures.machine.cpu_steady = share(10.1);
        let check = cpu(&figures);
        assert_eq!(check.verdict, Verdict::Healthy);
        assert!(check.detail.contains("burstable"), "{}", check.detail);
        let stolen_percent = STOLEN_PERCENT;
        figures.machine.cpu_minute = Some(CpuShare { stolen_percent, ..CpuShare::default() });
        assert!(cpu(&figures).detail.contains("withholds 10 %"));
    }

    #[test]
    fn the_heap_counts_and_not_what_an_allocator_keeps() {
        let heap = HeapUse { used_bytes: 90, peak_bytes: 95, limit_bytes: 100 };
        let mut figures = Figures { heap, ..Figures::default() };
        figures.resident_bytes = 300 << 20;
        let check = memory(&figures);
        assert_eq!((check.verdict, check.value), (Verdict::Healthy, Some(90.0)));
        assert!(check.detail.contains("; 300 MiB resident"), "{}", check.detail);
        figures.heap.used_bytes = 91;
        assert_eq!(memory(&figures).verdict, Verdict::Degraded);
        figures.machine.memory = Some(MemoryBytes { total: 1 << 30, available: 512 << 20 });
        assert!(memory(&figures).detail.contains("has 512 MiB left"));
        assert_eq!(memory(&Figures::default()).verdict, Verdict::Healthy, "nothing is known");
    }

    #[test]
    fn a_disk_that_no_longer_answers_is_told() {
        let taken = Mono::from_ms(10_000);
        let of = |used_bytes| DiskStatus {
            taken,
            total_bytes: 100,
            free_bytes: 100 - used_bytes,
            used_bytes,
            is_read_only: false,
        };
        let mut figures = Figures::default();
        assert_eq!(disk(&figures, taken).value, None);
        figures.machine.disk = Some(of(80));
        assert_eq!(disk(&figures, taken).verdict, Verdict::Healthy);
        let stale = disk(&figures, Mono::from_ms(40_000));
        assert_eq!(stale.verdict, Verdict::Degraded);
        assert!(stale.detail.contains("measured 30 s ago"), "{}", stale.detail);
        figures.machine.disk = Some(of(81));
        assert_eq!(disk(&figures, taken).verdict, Verdict::Degraded);
    }

    #[test]
    fn a_clock_is_told_while_nobody_has_set_it() {
        let mut figures = Figures::default();
        assert_eq!(clock(&figures), None);
        figures.machine.is_clock_unset = true;
        let check = clock(&figures).expect("a check");
        assert_eq!((check.verdict, &*check.name), (Verdict::Degraded, "clock"));
    }

    #[test]
    fn what_is_wrong_with_the_data_disk_is_told_and_nothing_else() {
        let mut figures = Figures::default();
        assert_eq!(data_disk(&figures), None);
        figures.machine.disk = Some(DiskStatus { is_read_only: true, ..DiskStatus::default() });
        let check = data_disk(&figures).expect("a check");
        assert_eq!((check.verdict, &*check.name), (Verdict::Degraded, "data_disk"));
        assert!(check.detail.contains("read-only"), "{}", check.detail);
        figures.machine.disk_warning = DiskWarning::of("it was mended");
        let check = data_disk(&figures).expect("a check");
        assert!(check.detail.starts_with("it was mended; the data disk is read-only"), "{check:?}");
        figures.machine.disk = None;
        assert_eq!(data_disk(&figures).expect("a check").detail, "it was mended");
    }
}
