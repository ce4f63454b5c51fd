//! What the last ten minutes were like. Purpose: shares and rates from counters that only grow, as
//! means over three spans. Non-goal: reading clocks. Bound: [`SAMPLES`] samples, allocated once. A
//! counter that went back (a machine that was moved, a container begun again) counts as no change.

use std::collections::VecDeque;

use super::proc::{CpuTicks, NetworkBytes};
use super::status::{CpuShare, MachineStatus, NetworkRates};
use crate::base::limits::{CPU_MINUTE_MS, CPU_STEADY_MS, MACHINE_SAMPLE_MS};
use crate::base::time::Mono;

/// Samples whose ends lie ten minutes apart.
const SAMPLES: usize = (CPU_STEADY_MS / MACHINE_SAMPLE_MS) as usize + 1;
/// How many samples back a minute ago is.
const MINUTE: usize = (CPU_MINUTE_MS / MACHINE_SAMPLE_MS) as usize;

/// One look at the counters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LoadSample {
    /// When.
    pub(super) taken: Mono,
    /// Processor time, and how many cores.
    pub(super) cpu: Option<(CpuTicks, u32)>,
    /// This process's processor time.
    pub(super) process_ticks: Option<u64>,
    /// Bytes over the networks.
    pub(super) network: Option<NetworkBytes>,
}

/// The samples, oldest first.
pub(super) struct LoadHistory(VecDeque<LoadSample>);

impl Default for LoadHistory {
    fn default() -> LoadHistory {
        LoadHistory(VecDeque::with_capacity(SAMPLES))
    }
}

impl LoadHistory {
    /// Adds a sample; what it and the older ones say, the rest empty.
    pub(super) fn add(&mut self, sample: LoadSample) -> MachineStatus {
        if self.0.len() >= SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(sample);
        let newest = self.0.len() - 1;
        let before = |steps: usize| newest.checked_sub(steps).and_then(|at| self.0.get(at));
        let share = |steps| before(steps).and_then(|older| share(older, &sample));
        MachineStatus {
            cores: sample.cpu.map(|(_, cores)| cores),
            cpu: share(1),
            cpu_minute: share(MINUTE),
            cpu_steady: share(SAMPLES - 1),
            network: before(1).and_then(|older| rates(older, &sample)),
            ..MachineStatus::default()
        }
    }
}

fn share(older: &LoadSample, newer: &LoadSample) -> Option<CpuShare> {
    let (then, (now, cores)) = (older.cpu?.0, newer.cpu?);
    let total = now.total.checked_sub(then.total).filter(|total| *total > 0)?;
    let percent = |before: u64, after: u64| {
        let part = after.saturating_sub(before).min(total);
        100.0 * part as f64 / total as f64
    };
    let process = match (older.process_ticks, newer.process_ticks) {
        (Some(before), Some(after)) => percent(before, after),
        _ => 0.0,
    };
    let busy = percent(then.busy, now.busy);
    Some(CpuShare {
        percent: busy,
        core_percent: busy * f64::from(cores),
        process_percent: process * f64::from(cores),
        stolen_percent: percent(then.stolen, now.stolen),
    })
}

fn rates(older: &LoadSample, newer: &LoadSample) -> Option<NetworkRates> {
    let (then, now) = (older.network?, newer.network?);
    let ms = u64::try_from(newer.taken.since(older.taken).as_millis()).ok();
    let ms = ms.filter(|ms| *ms > 0)?;
    let bps = |before: u64, after: u64| after.saturating_sub(before).saturating_mul(8000) / ms;
    Some(NetworkRates {
        bps_in: bps(then.received, now.received),
        bps_out: bps(then.sent, now.sent),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of two cores that is `busy` of 1000 ticks between two looks.
    fn sample(step: u64, busy: u64) -> LoadSample {
        let ticks = CpuTicks { total: step * 1000, busy: step * busy, stolen: step * 10 };
        LoadSample {
            taken: Mono::from_ms(step * MACHINE_SAMPLE_MS),
            cpu: Some((ticks, 2)),
            process_ticks: Some(step * 50),
            network: Some(NetworkBytes { received: step * 5000, sent: step * 2500 }),
        }
    }

    fn is(share: Option<CpuShare>, percent: f64) -> bool {
        share.is_some_and(|share| (share.percent - percent).abs() < 1e-9)
    }

    #[test]
    fn shares_are_means_over_their_spans_and_not_told_before() {
        let mut history = LoadHistory::default();
        let first = history.add(sample(0, 300));
        assert_eq!((first.cpu, first.network), (None, None));
        let mut last = first;
        for step in 1..=SAMPLES as u64 + 5 {
            last = history.add(sample(step, 300));
            assert!(is(last.cpu, 30.0), "{step}: {last:?}");
            assert_eq!(last.cpu_minute.is_some(), step >= MINUTE as u64, "{step}");
            assert_eq!(last.cpu_steady.is_some(), step >= SAMPLES as u64 - 1, "{step}");
        }
        assert!(is(last.cpu_minute, 30.0), "{last:?}");
        assert!(is(last.cpu_steady, 30.0), "{last:?}");
        let share = last.cpu.unwrap();
        assert!((share.core_percent - 60.0).abs() < 1e-9);
        assert!((share.process_percent - 10.0).abs() < 1e-9, "of one core: {share:?}");
        assert!((share.stolen_percent - 1.0).abs() < 1e-9);
        assert_eq!(last.network, Some(NetworkRates { bps_in: 8_000, bps_out: 4_000 }));
    }

    #[test]
    fn counters_that_go_back_or_vanish_are_no_change() {
        let mut history = LoadHistory::default();
        history.add(sample(5, 300));
        let back = history.add(sample(4, 300));
        assert_eq!(back.cpu, None, "time went back");
        assert_eq!(back.network, None);
        let blind = LoadSample { taken: Mono::from_ms(100_000), ..LoadSample::default() };
        assert_eq!(history.add(blind), MachineStatus::default());
        assert!(history.add(sample(50, 300)).cpu.is_none(), "nothing to compare with");
        let less = LoadSample { process_ticks: None, ..sample(51, 300) };
        assert!(history.add(less).cpu.is_some_and(|share| share.process_percent < 1e-9));
    }
}
