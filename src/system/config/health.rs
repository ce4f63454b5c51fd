//! `[health]`: from where on something counts as not well.

use std::time::Duration;

use toml::de::DeValue;

use super::file::{Reading, Section, Show};
use super::values;
use crate::base::limits::HEALTH_S_MAX;

impl Reading<'_> {
    pub(super) fn health(&mut self, section: &Section<'_>) {
        let mut after = *self.thresholds_mut();
        let mut number = |key, range| {
            let whole = |value: &DeValue<'_>| values::whole(value, range);
            self.value(section, key, Show::Value, whole).map(|(number, _)| number)
        };
        for (key, field) in [
            ("cpu_percent", &mut after.cpu_percent),
            ("cpu_baseline_percent", &mut after.cpu_baseline_percent),
            ("memory_percent", &mut after.memory_percent),
            ("disk_percent", &mut after.disk_percent),
        ] {
            *field = number(key, 1..=100).unwrap_or(*field);
        }
        for (key, field) in [
            ("standby_s", &mut after.standby),
            ("destination_grace_s", &mut after.destination_grace),
        ] {
            *field = number(key, 1..=HEALTH_S_MAX).map_or(*field, Duration::from_secs);
        }
        *self.thresholds_mut() = after;
    }
}
