//! What is needed to tell the state, besides the snapshot: clocks, memory, the machine. Bound: a few
//! numbers.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::base::time::{Mono, Utc};
use crate::config::settings::Settings;
use crate::config::MachineName;
use crate::config::Thresholds;
use crate::control::http::meter::{HttpUse, Meter};
use crate::health::host::{Gauges, MachineStatus};
use crate::health::Figures;
use crate::system::heap::HeapUse;
use crate::system::{clock, heap, memory};

/// What is needed to tell the state, besides the snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The monotonic clock.
    pub now: Mono,
    /// Civil time at `now`.
    pub utc: Utc,
    /// This process's id.
    pub pid: u32,
    /// Memory this process occupies, bytes; 0 when unknown.
    pub resident_bytes: u64,
    /// Its heap against the budget.
    pub heap: HeapUse,
    /// What the gate counts.
    pub http: HttpUse,
    /// What it may occupy, bytes; 0 when unknown.
    pub budget_bytes: u64,
    /// The machine.
    pub machine: MachineStatus,
    /// What health is measured against.
    pub thresholds: Thresholds,
    /// What the machine is called.
    pub name: Option<MachineName>,
}

/// A time as the API tells it: UTC, ISO 8601.
#[derive(Clone, Copy, Debug)]
pub struct CivilTime(pub Utc);

impl Serialize for CivilTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Tells what is needed now.
pub type Now = Arc<dyn Fn() -> Moment + Send + Sync>;

impl Moment {
    /// Now, as the program is.
    pub fn now(meter: &Meter, gauges: &Gauges, settings: &Settings) -> Moment {
        let config = settings.current();
        Moment {
            http: meter.read(),
            now: clock::mono(),
            utc: clock::utc(),
            pid: std::process::id(),
            resident_bytes: memory::rss_bytes().unwrap_or(0),
            heap: heap::usage(),
            budget_bytes: gauges.budget_bytes(),
            machine: gauges.machine(),
            thresholds: config.health,
            name: config.appliance.name,
        }
    }

    /// Whole seconds from now until `at`, begun ones counted.
    pub fn seconds_until(&self, at: Mono) -> u64 {
        u64::try_from(at.since(self.now).as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
    }

    /// What is judged besides the snapshot.
    pub fn figures(&self) -> Figures {
        let Moment { heap, resident_bytes, machine, thresholds, .. } = *self;
        Figures { heap, resident_bytes, machine, thresholds }
    }

    /// Civil time of a point on the monotonic clock.
    pub fn civil(&self, at: Mono) -> CivilTime {
        let (now_ms, at_ms) = (self.now.to_ms(), at.to_ms());
        let utc_ms = self.utc.0.saturating_sub(now_ms).saturating_add(at_ms);
        CivilTime(Utc(utc_ms))
    }
}
