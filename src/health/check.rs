//! One check: what it is judged by, and what it says.

use std::borrow::Cow;

use super::host::MachineStatus;
use crate::config::Thresholds;
use crate::system::heap::HeapUse;

/// What is judged besides the snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// The heap against its limit.
    pub heap: HeapUse,
    /// What the process occupies, bytes; 0: not known.
    pub resident_bytes: u64,
    /// The machine.
    pub machine: MachineStatus,
    /// What is too much.
    pub thresholds: Thresholds,
}

/// How well it is, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All is as it should be.
    Healthy,
    /// The programme runs, but not all of what was asked for.
    Degraded,
    /// Viewers get nothing.
    Unhealthy,
}

impl Verdict {
    /// The name the API uses.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Healthy => "healthy",
            Verdict::Degraded => "degraded",
            Verdict::Unhealthy => "unhealthy",
        }
    }
}

/// The verdict on one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What was looked at: `data_plane`, `programme`, `input`, `standby`, `cpu`, `memory`, `disk`,
    /// `data_disk` where something is wrong with it, `clock` where nobody has set it, or `destination:`
    /// and a name.
    pub name: Cow<'static, str>,
    /// How it is.
    pub verdict: Verdict,
    /// What was measured, in `unit`; nothing where there is no number, or none could be had.
    pub value: Option<f64>,
    /// Of what it is compared to, in `unit`.
    pub threshold: Option<f64>,
    /// `%`, `s`, `bit/s`; empty where there is no number.
    pub unit: &'static str,
    /// For a program that acts on it: a destination's state, or which input it is about.
    pub state: &'static str,
    /// Why, for a person; never empty.
    pub detail: String,
}

impl Check {
    pub(super) fn of(
        name: impl Into<Cow<'static, str>>,
        verdict: Verdict,
        detail: impl Into<String>,
    ) -> Check {
        let (name, detail) = (name.into(), detail.into());
        Check { name, verdict, value: None, threshold: None, unit: "", state: "", detail }
    }

    /// The same, with what was measured.
    pub(super) fn measured(self, value: f64, threshold: Option<f64>, unit: &'static str) -> Check {
        Check { value: Some(value), threshold, unit, ..self }
    }
}
