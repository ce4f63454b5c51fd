//! `[health]`: from where on something counts as not well.

use std::time::Duration;

/// Share of the processors above which the machine is called overloaded, percent of all cores.
const CPU_PERCENT_DEFAULT: u64 = 80;
/// Steady load above which burstable plans run out of credit, percent of one core.
const CPU_BASELINE_PERCENT_DEFAULT: u64 = 10;
/// Use of the memory budget that is too much, percent.
const MEMORY_PERCENT_DEFAULT: u64 = 90;
/// Use of the data folder's disk that is too much, percent.
const DISK_PERCENT_DEFAULT: u64 = 80;
/// Time standby may be on air before that counts.
const STANDBY_S_DEFAULT: u64 = 60;
/// Time a destination's first try may take before it counts as not served.
const DESTINATION_GRACE_S_DEFAULT: u64 = 30;

/// What the checks measure against: `[health]` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Processors, percent of all cores, mean over a minute.
    pub cpu_percent: u64,
    /// Load that lasts, percent of one core: what burstable plans grant for good. Only told.
    pub cpu_baseline_percent: u64,
    /// Memory, percent of the budget.
    pub memory_percent: u64,
    /// The data folder's disk, percent in use.
    pub disk_percent: u64,
    /// Time standby may be on air.
    pub standby: Duration,
    /// Time a destination's first try may take.
    pub destination_grace: Duration,
}

impl Thresholds {
    /// Those of a configuration that says nothing.
    pub const DEFAULT: Thresholds = Thresholds {
        cpu_percent: CPU_PERCENT_DEFAULT,
        cpu_baseline_percent: CPU_BASELINE_PERCENT_DEFAULT,
        memory_percent: MEMORY_PERCENT_DEFAULT,
        disk_percent: DISK_PERCENT_DEFAULT,
        standby: Duration::from_secs(STANDBY_S_DEFAULT),
        destination_grace: Duration::from_secs(DESTINATION_GRACE_S_DEFAULT),
    };
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds::DEFAULT
    }
}
