//! The verdict on the whole, from a snapshot. Purpose: one place that says healthy, degraded or
//! unhealthy, for the API, for the page and for whatever restarts the machine. Non-goals: acting
//! on it, remembering: the verdict depends on the snapshot and the time alone. Bound: one check
//! per subject and one per destination.
//!
//! *Unhealthy* means that viewers get nothing and only a restart may help: the data plane does
//! not move, or nothing is on air. *Degraded* means that the programme runs, yet not as the
//! operator wants it: standby is shown, or a destination is not served.

use std::time::Duration;

use crate::base::time::Mono;
use crate::system::snapshot::{DestinationState, DestinationStatus, Snapshot, Source};

/// A snapshot older than this was not taken by a data plane that runs.
pub const SNAPSHOT_STALE_MS: u64 = 3_000;
/// Time after the start before silence on air counts: bit rates are means over 10 s.
pub const ON_AIR_GRACE_MS: u64 = 15_000;
/// Time a destination's first try may take before it counts as not served.
pub const DESTINATION_GRACE_MS: u64 = 30_000;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at: `data_plane`, `programme`, `input` or `destination`.
    pub name: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// Why, for a person; never empty.
    pub detail: String,
}

/// The verdict on the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The worst of the checks.
    pub verdict: Verdict,
    /// Each check.
    pub checks: Vec<Check>,
}

/// Whether the data plane that took `snapshot` still runs at `now`.
pub fn is_running(snapshot: &Snapshot, now: Mono) -> bool {
    now.since(snapshot.taken) <= Duration::from_millis(SNAPSHOT_STALE_MS)
}

/// Judges `snapshot` at `now`.
pub fn judge(snapshot: &Snapshot, now: Mono) -> Health {
    let mut checks = vec![data_plane(snapshot, now)];
    // What a stuck data plane last said of the rest is no longer known to be true.
    if is_running(snapshot, now) {
        checks.push(programme(snapshot, now));
        checks.push(input(snapshot));
        let enabled = |d: &&DestinationStatus| d.state != DestinationState::Idle;
        checks.extend(snapshot.destinations.iter().filter(enabled).map(|d| destination(d, now)));
    }
    let verdict = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Healthy);
    Health { verdict, checks }
}

fn data_plane(snapshot: &Snapshot, now: Mono) -> Check {
    let age_s = now.since(snapshot.taken).as_secs();
    if is_running(snapshot, now) {
        check("data_plane", Verdict::Healthy, "running".to_owned())
    } else {
        check(
            "data_plane",
            Verdict::Unhealthy,
            format!("the programme has given no sign of life for {age_s} s"),
        )
    }
}

fn programme(snapshot: &Snapshot, now: Mono) -> Check {
    let programme = &snapshot.programme;
    let silent = programme.video_bps == 0 && programme.audio_bps == 0;
    if silent && now > Mono::from_ms(ON_AIR_GRACE_MS) {
        return check("programme", Verdict::Unhealthy, "nothing has been on air for 10 s".into());
    }
    let kbps = programme.video_bps.saturating_add(programme.audio_bps) / 1000;
    let name = programme.on_air.name();
    check("programme", Verdict::Healthy, format!("{name} on air, {kbps} kbit/s"))
}

fn input(snapshot: &Snapshot) -> Check {
    let (verdict, detail) = match (snapshot.programme.on_air, snapshot.udp.receiving) {
        (Source::Udp, _) => (Verdict::Healthy, "the UDP input is on air"),
        (Source::Rtmp, _) => (Verdict::Healthy, "the RTMP publisher is on air"),
        (Source::Pull, _) => (Verdict::Healthy, "the RTMP pull is on air"),
        (Source::File, _) => (Verdict::Healthy, "a video file is on air"),
        (Source::Standby, true) => {
            (Verdict::Degraded, "standby is on air: the UDP input has no keyframe or no video yet")
        }
        (Source::Standby, false) => (Verdict::Degraded, "standby is on air: no input is live"),
    };
    check("input", verdict, detail.to_owned())
}

/// A destination that failed stays degraded while it is tried again: only its first try has
/// grace, or the verdict would flicker with every retry.
fn destination(destination: &DestinationStatus, now: Mono) -> Check {
    let name = &destination.name;
    let tried_s = now.since(destination.since).as_secs();
    let why = &destination.detail;
    let (verdict, detail) = match destination.state {
        DestinationState::Idle | DestinationState::Live => {
            (Verdict::Healthy, format!("destination {name} is {}", destination.state.name()))
        }
        DestinationState::Connecting if !why.is_empty() => {
            (Verdict::Degraded, format!("destination {name} is tried again: {why}"))
        }
        DestinationState::Connecting if tried_s * 1000 <= DESTINATION_GRACE_MS => {
            (Verdict::Healthy, format!("destination {name} is connecting"))
        }
        DestinationState::Connecting => {
            (Verdict::Degraded, format!("destination {name} has been connecting for {tried_s} s"))
        }
        DestinationState::BackingOff => {
            (Verdict::Degraded, format!("destination {name} waits for its next try: {why}"))
        }
        DestinationState::Refused => {
            (Verdict::Degraded, format!("destination {name} was refused: {why}"))
        }
    };
    check("destination", verdict, detail)
}

fn check(name: &'static str, verdict: Verdict, detail: String) -> Check {
    Check { name, verdict, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::snapshot::{ProgrammeStatus, Text};

    const NOW: Mono = Mono::from_ms(60_000);

    fn good() -> Snapshot {
        Snapshot {
            taken: NOW,
            programme: ProgrammeStatus {
                on_air: Source::Udp,
                video_bps: 3_000_000,
                audio_bps: 128_000,
                ..ProgrammeStatus::default()
            },
            ..Snapshot::default()
        }
    }

    fn with_destination(state: DestinationState, since_ms: u64, detail: &str) -> Health {
        let destination = DestinationStatus {
            name: Text::try_from("twitch").unwrap(),
            state,
            since: Mono::from_ms(since_ms),
            detail: Text::try_from(detail).unwrap(),
            ..DestinationStatus::default()
        };
        judge(&Snapshot { destinations: vec![destination], ..good() }, NOW)
    }

    #[test]
    fn a_live_input_on_air_is_healthy() {
        assert_eq!(judge(&good(), NOW).verdict, Verdict::Healthy);
    }

    #[test]
    fn a_stale_snapshot_is_unhealthy_and_nothing_else_is_claimed() {
        let at = |ms| judge(&good(), Mono::from_ms(60_000 + ms));
        assert_eq!(at(SNAPSHOT_STALE_MS).verdict, Verdict::Healthy);
        let stale = at(SNAPSHOT_STALE_MS + 1);
        assert_eq!(stale.verdict, Verdict::Unhealthy);
        assert_eq!(stale.checks.len(), 1);
    }

    #[test]
    fn silence_on_air_is_unhealthy_after_the_start() {
        let mut snapshot = good();
        snapshot.programme.video_bps = 0;
        assert_eq!(judge(&snapshot, NOW).verdict, Verdict::Healthy, "audio alone is a programme");
        snapshot.programme.audio_bps = 0;
        assert_eq!(judge(&snapshot, NOW).verdict, Verdict::Unhealthy);
        snapshot.taken = Mono::from_ms(ON_AIR_GRACE_MS);
        assert_eq!(judge(&snapshot, snapshot.taken).verdict, Verdict::Healthy);
    }

    #[test]
    fn standby_is_degraded() {
        let mut snapshot = good();
        snapshot.programme.on_air = Source::Standby;
        assert_eq!(judge(&snapshot, NOW).verdict, Verdict::Degraded);
        snapshot.udp.receiving = true;
        let health = judge(&snapshot, NOW);
        assert_eq!(health.verdict, Verdict::Degraded);
        assert!(health.checks.iter().any(|c| c.detail.contains("keyframe")));
    }

    #[test]
    fn destinations_count_unless_idle_or_in_their_first_try() {
        use DestinationState::{BackingOff, Connecting, Idle, Live, Refused};
        let verdict = |state, since_ms, why| with_destination(state, since_ms, why).verdict;
        assert_eq!(verdict(Idle, 0, ""), Verdict::Healthy);
        assert_eq!(verdict(Live, 0, ""), Verdict::Healthy);
        assert_eq!(verdict(Connecting, 30_000, ""), Verdict::Healthy);
        assert_eq!(verdict(Connecting, 28_999, ""), Verdict::Degraded);
        assert_eq!(verdict(Connecting, 59_999, "connection refused"), Verdict::Degraded);
        assert_eq!(verdict(BackingOff, 59_999, "connection refused"), Verdict::Degraded);
        assert_eq!(verdict(Refused, 59_999, "bad name"), Verdict::Degraded);
    }

    #[test]
    fn the_detail_names_the_destination_and_its_reason() {
        let health = with_destination(DestinationState::Refused, 0, "bad name");
        assert!(health
            .checks
            .iter()
            .any(|c| c.detail == "destination twitch was refused: bad name"));
    }
}
