//! What a probe does about what it found. Purpose: a pure function from what it remembers and
//! what it found to what is to be done; times are civil seconds, handed in. Non-goals: doing it.
//! Bounds: what is remembered is forgotten when its check is well again, and never holds more than
//! one entry for each check of an answer. The same thing is done again no sooner than after
//! [`PROBE_AGAIN_S_MIN`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::judged::{Finding, ProbeOutcome};

/// Probes in a row without an answer, or with memory above its threshold, before a restart.
const PROBE_RESTART_STRIKES: u32 = 3;
/// The same thing is done again no sooner than this.
const PROBE_AGAIN_S_MIN: u64 = 300;
/// A destination that fails this long is begun again.
const PROBE_DESTINATION_S_MIN: u64 = 300;
/// An input that is dead this long is opened again.
const PROBE_INPUT_S_MIN: u64 = 120;
/// Times an input is opened again before it is believed that nobody sends.
const PROBE_INPUT_TRIES_MAX: u32 = 3;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// End the program; its supervisor starts it again.
    Restart(&'static str),
    /// Make room on the disk.
    RotateLogs,
    /// Begin a destination's session again.
    Destination(String),
    /// Open an input again: `udp` or `pull`.
    Input(String),
}

/// What is remembered from one probe to the next.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct ProbeMemory {
    /// Probes in a row without an answer.
    no_answer: u32,
    /// Probes in a row with memory over its threshold.
    memory_over: u32,
    /// Checks that are not well: since when, seconds of the epoch.
    bad_since: BTreeMap<String, u64>,
    /// What was done when, by its name.
    done_at: BTreeMap<String, u64>,
    /// Times the input was opened again since it was last well.
    input_tries: u32,
    /// The last exit code.
    pub last_code: u8,
    /// The last line.
    pub last_line: String,
    /// When it was said, seconds of the epoch.
    pub last_s: u64,
    /// What came of the day's rotation, as of a probe.
    pub rotated_code: u8,
    /// The line about it.
    pub rotated_line: String,
    /// When it was said, seconds of the epoch.
    pub rotated_s: u64,
}

impl ProbeMemory {
    /// What is to be done about a finding at `now`, and remembers that it is.
    pub fn plan(&mut self, finding: &Finding, now: u64) -> Vec<Action> {
        let is_silent = finding.outcome == ProbeOutcome::Silent;
        self.no_answer = if is_silent { self.no_answer.saturating_add(1) } else { 0 };
        let mut actions = Vec::new();
        if is_silent {
            if self.no_answer >= PROBE_RESTART_STRIKES && self.may("restart", now) {
                self.no_answer = 0;
                actions.push(Action::Restart("it did not answer three times in a row"));
            }
            return actions;
        }
        self.recall(finding, now);
        let bad =
            |name: &str| finding.checks.iter().any(|check| check.name == name && check.is_bad());
        self.memory_over = if bad("memory") { self.memory_over.saturating_add(1) } else { 0 };
        if self.memory_over >= PROBE_RESTART_STRIKES && self.may("restart", now) {
            self.memory_over = 0;
            return vec![Action::Restart("its memory was over the threshold three times in a row")];
        }
        if bad("disk") && self.may("rotate_logs", now) {
            actions.push(Action::RotateLogs);
        }
        for check in finding.checks.iter().filter(|check| check.is_bad()) {
            let bad_s = self.bad_s(&check.name, now);
            if check.name == "input" {
                let dead = bad_s >= PROBE_INPUT_S_MIN && self.input_tries < PROBE_INPUT_TRIES_MAX;
                if dead && matches!(&*check.state, "udp" | "pull") && self.may("input", now) {
                    self.input_tries += 1;
                    actions.push(Action::Input(check.state.clone()));
                }
            }
            // A server that says no will say so again: its key or its rules are the reason.
            if let Some(name) = check.name.strip_prefix("destination:") {
                let says_no = matches!(&*check.state, "refused" | "rejecting");
                let dead = bad_s >= PROBE_DESTINATION_S_MIN && !says_no;
                if dead && self.may(&check.name, now) {
                    actions.push(Action::Destination(name.to_owned()));
                }
            }
        }
        actions
    }

    /// Notes since when each check is not well, and forgets those that are.
    fn recall(&mut self, finding: &Finding, now: u64) {
        let mut bad_since = BTreeMap::new();
        for check in finding.checks.iter().filter(|check| check.is_bad()) {
            // A clock that went back begins the time again.
            let known = self.bad_since.get(&check.name).copied().filter(|since| *since <= now);
            bad_since.insert(check.name.clone(), known.unwrap_or(now));
        }
        if !bad_since.contains_key("input") {
            self.input_tries = 0;
        }
        self.bad_since = bad_since;
        self.done_at.retain(|_, at| *at <= now && now - *at < PROBE_AGAIN_S_MIN);
    }

    fn bad_s(&self, name: &str, now: u64) -> u64 {
        self.bad_since.get(name).map_or(0, |since| now.saturating_sub(*since))
    }

    /// Whether something was not done just now; it counts as done then.
    fn may(&mut self, what: &str, now: u64) -> bool {
        let recent = |at: &u64| *at <= now && now - *at < PROBE_AGAIN_S_MIN;
        if self.done_at.get(what).is_some_and(recent) {
            return false;
        }
        self.done_at.insert(what.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::judged::{read, silent};
    use super::*;

    fn finding(checks: &str) -> Finding {
        let found = read(200, format!(r#"{{"status":"degraded","checks":[{checks}]}}"#).as_bytes());
        assert_eq!(found.outcome, ProbeOutcome::Degraded);
        found
    }

    fn bad(name: &str, state: &str) -> Finding {
        finding(&format!(r#"{{"name":"{name}","status":"degraded","state":"{state}"}}"#))
    }

    #[test]
    fn three_silences_in_a_row_restart_and_not_again_at_once() {
        let mut memory = ProbeMemory::default();
        let nobody = silent("nobody");
        let mut plan = |finding: &Finding, now| memory.plan(finding, now);
        assert!(plan(&nobody, 0).is_empty());
        assert!(plan(&nobody, 60).is_empty());
        let well = read(200, br#"{"status":"healthy"}"#);
        assert!(plan(&well, 120).is_empty(), "an answer begins the count again");
        assert!(plan(&nobody, 180).is_empty());
        assert!(plan(&nobody, 240).is_empty());
        assert!(matches!(plan(&nobody, 300)[..], [Action::Restart(_)]));
        for now in [360, 420, 480, 540] {
            assert!(plan(&nobody, now).is_empty(), "{now}");
        }
        assert!(matches!(plan(&nobody, 600)[..], [Action::Restart(_)]));
    }

    #[test]
    fn memory_restarts_at_the_third_time() {
        let mut memory = ProbeMemory::default();
        let over = bad("memory", "");
        assert!(memory.plan(&over, 0).is_empty());
        assert!(memory.plan(&over, 60).is_empty());
        assert!(matches!(memory.plan(&over, 120)[..], [Action::Restart(_)]));
        assert!(memory.plan(&over, 180).is_empty());
    }

    #[test]
    fn a_full_disk_is_tidied_every_five_minutes() {
        let mut memory = ProbeMemory::default();
        let acted: Vec<u64> = (0..=10)
            .map(|minute| minute * 60)
            .filter(|now| memory.plan(&bad("disk", ""), *now) == [Action::RotateLogs])
            .collect();
        assert_eq!(acted, [0, 300, 600]);
    }

    #[test]
    fn a_destination_that_fails_long_is_begun_again_unless_it_was_refused() {
        let mut memory = ProbeMemory::default();
        let failing = bad("destination:a b", "backing_off");
        assert!(memory.plan(&failing, 1000).is_empty());
        assert!(memory.plan(&failing, 1000 + PROBE_DESTINATION_S_MIN - 1).is_empty());
        let action = [Action::Destination("a b".to_owned())];
        assert_eq!(memory.plan(&failing, 1000 + PROBE_DESTINATION_S_MIN), action);
        let refused = bad("destination:a b", "refused");
        assert!(memory.plan(&refused, 9000).is_empty());
        assert!(memory.plan(&finding(""), 9060).is_empty(), "well again");
        assert!(memory.plan(&failing, 9120).is_empty(), "and counted again");
    }

    #[test]
    fn an_input_is_opened_a_few_times_and_then_left_alone() {
        let mut memory = ProbeMemory::default();
        let dead = bad("input", "udp");
        let acted: Vec<u64> = (0..60)
            .map(|minute| minute * 60)
            .filter(|now| memory.plan(&dead, *now) == [Action::Input("udp".to_owned())])
            .collect();
        assert_eq!(acted, [120, 420, 720]);
        assert!(memory.plan(&finding(""), 4000).is_empty());
        memory.plan(&dead, 4060);
        assert_eq!(memory.plan(&dead, 4180).len(), 1, "a new outage");
    }

    #[test]
    fn a_clock_that_went_back_does_not_forbid_for_ever() {
        let mut memory = ProbeMemory::default();
        assert_eq!(memory.plan(&bad("disk", ""), 1_000_000).len(), 1);
        assert_eq!(memory.plan(&bad("disk", ""), 10).len(), 1);
    }

    #[test]
    fn what_is_remembered_survives_being_written_down() {
        let mut memory = ProbeMemory::default();
        memory.plan(&bad("input", "pull"), 5);
        memory.plan(&silent("x"), 6);
        let json = serde_json::to_vec(&memory).unwrap();
        assert_eq!(serde_json::from_slice::<ProbeMemory>(&json).unwrap(), memory);
        assert_eq!(
            serde_json::from_str::<ProbeMemory>("{\"new\":1}").unwrap(),
            ProbeMemory::default()
        );
    }
}
