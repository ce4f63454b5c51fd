//! `[health]`: from where on something counts as not well.

use std::time::Duration;

use crate::base::limits::{
    CPU_BASELINE_PERCENT_DEFAULT, CPU_PERCENT_DEFAULT, DESTINATION_GRACE_S_DEFAULT,
    DISK_PERCENT_DEFAULT, MEMORY_PERCENT_DEFAULT, STANDBY_S_DEFAULT,
};

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
