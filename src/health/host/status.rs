//! The machine's figures. Bound: these numbers.

use std::net::IpAddr;
use std::time::Duration;

use super::notice::DiskWarning;
use super::proc::MemoryBytes;
use crate::base::limits::MACHINE_SAMPLE_MS;
use crate::base::time::Mono;

/// The machine as it was last seen. What could not be read is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineStatus {
    /// Processor cores.
    pub cores: Option<u32>,
    /// Processors, between the last two looks.
    pub cpu: Option<CpuShare>,
    /// Over the last minute, once that has passed.
    pub cpu_minute: Option<CpuShare>,
    /// Over the last ten minutes, once those have passed.
    pub cpu_steady: Option<CpuShare>,
    /// Processes that want to run, means over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// The machine's memory.
    pub memory: Option<MemoryBytes>,
    /// The disk that holds the data folder, as it was when it last answered.
    pub disk: Option<DiskStatus>,
    /// What the appliance found wrong with that disk at its start.
    pub disk_warning: Option<DiskWarning>,
    /// Bit rates over all networks but loopback.
    pub network: Option<NetworkRates>,
    /// The addresses by which it speaks to others, of IPv4 and IPv6.
    pub addresses: [Option<IpAddr>; 2],
    /// An appliance's clock that no time server has answered for since its start.
    pub is_clock_unset: bool,
}

/// How processors were used over a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuShare {
    /// Working, percent of all cores.
    pub percent: f64,
    /// Working, percent of one core.
    pub core_percent: f64,
    /// This process alone, percent of one core.
    pub process_percent: f64,
    /// Withheld by the hypervisor, percent of all cores.
    pub stolen_percent: f64,
}

/// A disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStatus {
    /// When it answered.
    pub taken: Mono,
    /// Bytes it holds.
    pub total_bytes: u64,
    /// Bytes this program may still write.
    pub free_bytes: u64,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Nothing can be written to it, whatever is free.
    pub is_read_only: bool,
}

impl DiskStatus {
    /// In use, percent of what this program may use, as df(1) reckons.
    pub fn used_percent(&self) -> f64 {
        let usable = self.used_bytes.saturating_add(self.free_bytes);
        if usable == 0 {
            return 0.0;
        }
        100.0 * self.used_bytes as f64 / usable as f64
    }

    /// It has not answered for three looks.
    pub fn is_stale(&self, now: Mono) -> bool {
        now.since(self.taken) > Duration::from_millis(3 * MACHINE_SAMPLE_MS)
    }
}

/// What goes over the networks, bit/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkRates {
    /// Received.
    pub bps_in: u64,
    /// Sent.
    pub bps_out: u64,
}
