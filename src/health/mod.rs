//! The verdict on the whole, from a snapshot and the machine's figures. Purpose: one place that
//! says healthy, degraded or unhealthy, for the API, for the page and for whatever restarts the
//! machine. Non-goals: acting on it, remembering: the verdict depends on what is handed in alone.
//! Bound: one check per subject and one per destination.
//!
//! *Unhealthy* means that viewers get nothing and only a restart may help: the data plane does
//! not move, or nothing is on air. *Degraded* means that the programme runs, yet not as the
//! operator wants it: standby is shown, a destination is not served, the machine is at its end.

mod check;
pub mod host;
mod machine;
pub mod probe;

pub use self::check::{Check, Figures, Verdict};

use std::time::Duration;

use crate::base::time::Mono;
use crate::config::Thresholds;
use crate::operator::snapshot::{DestinationState, DestinationStatus, Snapshot, Source};

/// A snapshot older than this was not taken by a data plane that runs.
pub const SNAPSHOT_STALE_MS: u64 = 3_000;
/// Time after the start before silence on air counts: bit rates are means over 10 s.
pub const ON_AIR_GRACE_MS: u64 = 15_000;

/// The verdict on the whole.
#[derive(Clone, Debug, PartialEq)]
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

/// Judges `snapshot` and `figures` at `now`.
pub fn judge(snapshot: &Snapshot, figures: &Figures, now: Mono) -> Health {
    let mut checks = vec![data_plane(snapshot, now)];
    let thresholds = &figures.thresholds;
    // What a stuck data plane last said of the rest is no longer known to be true.
    if is_running(snapshot, now) {
        checks.push(programme(snapshot, now));
        checks.push(input(snapshot));
        checks.push(standby(snapshot, thresholds, now));
    }
    checks.extend([machine::cpu(figures), machine::memory(figures), machine::disk(figures, now)]);
    checks.extend(machine::data_disk(figures));
    checks.extend(machine::clock(figures));
    if is_running(snapshot, now) {
        let enabled = |d: &&DestinationStatus| d.state != DestinationState::Idle;
        let enabled = snapshot.destinations.iter().filter(enabled);
        checks.extend(enabled.map(|each| destination(each, thresholds, now)));
    }
    let verdict = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Healthy);
    Health { verdict, checks }
}

fn data_plane(snapshot: &Snapshot, now: Mono) -> Check {
    let age = now.since(snapshot.taken);
    let check = if is_running(snapshot, now) {
        Check::of("data_plane", Verdict::Healthy, "running")
    } else {
        let age_s = age.as_secs();
        let words = format!("the data plane has not responded for {age_s} s");
        Check::of("data_plane", Verdict::Unhealthy, words)
    };
    check.measured(tenths(age), Some(SNAPSHOT_STALE_MS as f64 / 1000.0), "s")
}

fn programme(snapshot: &Snapshot, now: Mono) -> Check {
    let programme = &snapshot.programme;
    let bps = programme.video_bps.saturating_add(programme.audio_bps);
    let check = if bps == 0 && now > Mono::from_ms(ON_AIR_GRACE_MS) {
        Check::of("programme", Verdict::Unhealthy, "nothing has been on air for 10 s")
    } else {
        let (name, kbps) = (programme.on_air.name(), bps / 1000);
        Check::of("programme", Verdict::Healthy, format!("{name} on air, {kbps} kbit/s"))
    };
    check.measured(bps as f64, None, "bit/s")
}

/// What is on air should come from somewhere. `state` names the input that is missed.
fn input(snapshot: &Snapshot) -> Check {
    let chosen = snapshot.playout.choice == Some(Source::Standby);
    let healthy = |detail: &str| Check::of("input", Verdict::Healthy, detail);
    let degraded =
        |state, detail: String| Check { state, ..Check::of("input", Verdict::Degraded, detail) };
    match snapshot.programme.on_air {
        Source::Udp => healthy("the UDP input is on air"),
        Source::Rtmp => healthy("the RTMP publisher is on air"),
        Source::Pull => healthy("the RTMP pull is on air"),
        Source::File => healthy("a video file is on air"),
        Source::Standby if chosen => healthy("standby is on air, as the operator chose"),
        Source::Standby => {
            let (state, detail) = missed(snapshot);
            degraded(state, format!("standby is on air: {detail}"))
        }
    }
}

/// Which input is missed, and why: the inputs that are there and their reasons, or that none is.
fn missed(snapshot: &Snapshot) -> (&'static str, String) {
    let Snapshot { udp, publisher, pull, .. } = snapshot;
    let inputs = [
        ("udp", "UDP", &udp.reason),
        ("rtmp", "RTMP", &publisher.reason),
        ("pull", "RTMP pull", &pull.reason),
    ];
    let there = inputs.map(|(state, name, reason)| {
        let why = reason.as_ref().map(|reason| &reason.why)?;
        let why = why.to_string();
        Some((state, format!("{name}: {}", why.trim_end_matches('.'))))
    });
    let mut there = there.into_iter().flatten();
    if let Some((state, first)) = there.next() {
        let rest = there.map(|(_, detail)| format!("; {detail}"));
        return (state, first + &rest.collect::<String>());
    }
    // A pull that is off or absent is idle.
    if pull.state != DestinationState::Idle && !udp.receiving {
        let why = match pull.detail.as_str() {
            "" => "the RTMP pull receives nothing".to_owned(),
            why => format!("RTMP pull: {why}"),
        };
        return ("pull", why);
    }
    match udp.receiving {
        true => ("udp", "the UDP input has received no picture yet".to_owned()),
        false => ("udp", "no input is live".to_owned()),
    }
}

fn standby(snapshot: &Snapshot, thresholds: &Thresholds, now: Mono) -> Check {
    let programme = &snapshot.programme;
    let limit_s = thresholds.standby.as_secs() as f64;
    if programme.on_air != Source::Standby {
        let check = Check::of("standby", Verdict::Healthy, "standby is not on air");
        return check.measured(0.0, Some(limit_s), "s");
    }
    let shown = now.since(programme.on_air_since);
    let (shown_s, limit) = (shown.as_secs(), thresholds.standby.as_secs());
    let check = if shown > thresholds.standby {
        let words = format!("standby has been on air for {shown_s} s, longer than {limit} s");
        Check::of("standby", Verdict::Degraded, words)
    } else {
        Check::of("standby", Verdict::Healthy, format!("standby has been on air for {shown_s} s"))
    };
    check.measured(tenths(shown), Some(limit_s), "s")
}

/// A destination that failed stays degraded while it is tried again: only its first try has
/// grace, or the verdict would flicker with every retry.
fn destination(destination: &DestinationStatus, thresholds: &Thresholds, now: Mono) -> Check {
    let name = &destination.name;
    let tried = now.since(destination.since);
    let why = &destination.detail;
    let (verdict, detail) = match destination.state {
        DestinationState::Idle | DestinationState::Live => {
            (Verdict::Healthy, format!("destination {name} is {}", destination.state.name()))
        }
        DestinationState::Connecting if !why.is_empty() => {
            (Verdict::Degraded, format!("destination {name} is connecting again: {why}"))
        }
        DestinationState::Connecting if tried <= thresholds.destination_grace => {
            (Verdict::Healthy, format!("destination {name} is connecting"))
        }
        DestinationState::Connecting => {
            let tried_s = tried.as_secs();
            (Verdict::Degraded, format!("destination {name} has been connecting for {tried_s} s"))
        }
        DestinationState::BackingOff => {
            (Verdict::Degraded, format!("destination {name} will be retried: {why}"))
        }
        DestinationState::Held => {
            (Verdict::Degraded, format!("destination {name} is held back: {why}"))
        }
        DestinationState::Refused => {
            (Verdict::Degraded, format!("destination {name} was refused: {why}"))
        }
        DestinationState::Rejecting => {
            (Verdict::Degraded, format!("destination {name} is rejecting the stream: {why}"))
        }
        DestinationState::Stalled => {
            (Verdict::Degraded, format!("destination {name} has stalled: {why}"))
        }
    };
    let state = destination.state.name();
    let check = Check { state, ..Check::of(format!("destination:{name}"), verdict, detail) };
    check.measured(destination.bps as f64, None, "bit/s")
}

/// Seconds, to a tenth.
fn tenths(span: Duration) -> f64 {
    (span.as_millis() / 100) as f64 / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::reason::{Reason, Why};
    use crate::operator::snapshot::{text, PlayoutStatus, ProgrammeStatus, PullStatus, Text};
    use crate::rtmp::server::RtmpRefusal;

    const NOW: Mono = Mono::from_ms(60_000);

    fn judge(snapshot: &Snapshot, now: Mono) -> Health {
        super::judge(snapshot, &Figures::default(), now)
    }

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
        let names: Vec<&str> = stale.checks.iter().map(|check| &*check.name).collect();
        assert_eq!(names, ["data_plane", "cpu", "memory", "disk"]);
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
        assert!(health.checks.iter().any(|c| c.detail.contains("UDP input")));
    }

    #[test]
    fn destinations_count_unless_idle_or_in_their_first_try() {
        use DestinationState::{
            BackingOff, Connecting, Held, Idle, Live, Refused, Rejecting, Stalled,
        };
        let verdict = |state, since_ms, why| with_destination(state, since_ms, why).verdict;
        assert_eq!(verdict(Idle, 0, ""), Verdict::Healthy);
        assert_eq!(verdict(Live, 0, ""), Verdict::Healthy);
        assert_eq!(verdict(Connecting, 30_000, ""), Verdict::Healthy);
        assert_eq!(verdict(Connecting, 28_999, ""), Verdict::Degraded);
        assert_eq!(verdict(Connecting, 59_999, "connection refused"), Verdict::Degraded);
        assert_eq!(verdict(BackingOff, 59_999, "connection refused"), Verdict::Degraded);
        assert_eq!(verdict(Refused, 59_999, "bad name"), Verdict::Degraded);
        assert_eq!(verdict(Held, 59_999, "no sound"), Verdict::Degraded);
        assert_eq!(verdict(Rejecting, 59_999, "it closes"), Verdict::Degraded);
        assert_eq!(verdict(Stalled, 59_999, "it reads nothing"), Verdict::Degraded);
    }

    #[test]
    fn the_detail_names_the_destination_and_its_reason() {
        let health = with_destination(DestinationState::Refused, 0, "bad name");
        assert!(health
            .checks
            .iter()
            .any(|c| c.detail == "destination twitch was refused: bad name"
                && c.name == "destination:twitch"
                && c.state == "refused"));
    }

    fn check(snapshot: &Snapshot, figures: &Figures, name: &str) -> Check {
        let mut checks = super::judge(snapshot, figures, NOW).checks.into_iter();
        checks.find(|check| check.name == name).unwrap()
    }

    #[test]
    fn standby_that_was_chosen_counts_only_when_it_lasts() {
        let mut snapshot = good();
        snapshot.programme.on_air = Source::Standby;
        snapshot.playout = PlayoutStatus { choice: Some(Source::Standby), ..Default::default() };
        snapshot.programme.on_air_since = Mono::from_ms(0);
        let mut figures = Figures::default();
        assert_eq!(check(&snapshot, &figures, "input").verdict, Verdict::Healthy);
        let lasting = check(&snapshot, &figures, "standby");
        assert_eq!((lasting.verdict, lasting.value), (Verdict::Healthy, Some(60.0)));
        figures.thresholds.standby = Duration::from_secs(59);
        let lasting = check(&snapshot, &figures, "standby");
        assert_eq!((lasting.verdict, lasting.threshold), (Verdict::Degraded, Some(59.0)));
        snapshot.programme.on_air = Source::File;
        assert_eq!(check(&snapshot, &figures, "standby").verdict, Verdict::Healthy);
    }

    #[test]
    fn the_input_that_is_missed_is_named() {
        let mut snapshot = good();
        snapshot.programme.on_air = Source::Standby;
        let named = |snapshot: &Snapshot| check(snapshot, &Figures::default(), "input").state;
        assert_eq!(named(&snapshot), "udp");
        let state = DestinationState::BackingOff;
        snapshot.pull = PullStatus { state, ..PullStatus::default() };
        assert_eq!(named(&snapshot), "pull");
        snapshot.udp.receiving = true;
        assert_eq!(named(&snapshot), "udp");
    }

    #[test]
    fn the_input_that_is_there_is_named_with_its_reason() {
        let mut snapshot = good();
        snapshot.programme.on_air = Source::Standby;
        let input = |snapshot: &Snapshot| check(snapshot, &Figures::default(), "input");
        let reason = |why| Some(Reason { why, since: NOW });
        let address = text("192.0.2.1");
        snapshot.publisher.reason = reason(Why::Refused(RtmpRefusal::App, address, text("foo")));
        let found = input(&snapshot);
        assert_eq!((found.state, found.verdict), ("rtmp", Verdict::Degraded));
        assert!(found.detail.contains("RTMP: 192.0.2.1 was refused: it asked for application"));
        snapshot.udp.reason = reason(Why::VideoCodec(text("HEVC")));
        let found = input(&snapshot);
        assert_eq!(found.state, "udp");
        assert!(
            found.detail.starts_with("standby is on air: UDP: The picture is HEVC"),
            "{found:?}"
        );
        assert!(found.detail.contains("; RTMP: 192.0.2.1"), "{found:?}");
        snapshot.playout.choice = Some(Source::Standby);
        assert_eq!(input(&snapshot).verdict, Verdict::Healthy, "nothing is missed");
    }

    #[test]
    fn a_destinations_grace_can_be_chosen() {
        let destination = DestinationStatus {
            state: DestinationState::Connecting,
            since: Mono::from_ms(50_000),
            ..DestinationStatus::default()
        };
        let snapshot = Snapshot { destinations: vec![destination], ..good() };
        let mut figures = Figures::default();
        figures.thresholds.destination_grace = Duration::from_secs(10);
        let verdict = |figures: &Figures| super::judge(&snapshot, figures, NOW).verdict;
        assert_eq!(verdict(&figures), Verdict::Healthy);
        figures.thresholds.destination_grace = Duration::from_secs(9);
        assert_eq!(verdict(&figures), Verdict::Degraded);
    }
}
