//! What the program says of itself, as a probe reads it. Purpose: an answer of `/api/health`, or
//! none, turned into one line and an exit code. Bound: the answer's and the line's.

use serde::Deserialize;

use crate::net::plane_socket::PlaneState;
use crate::system::text::one_line;

/// A programme of which nothing was stored for longer stands still: slides change more often, and
/// what is silent is covered within seconds.
const PLANE_STILL_MS_MAX: u64 = 30_000;
/// How the line of who got no answer begins.
const NO_ANSWER: &str = "no answer: ";

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// All is well.
    Healthy,
    /// The programme runs, not all as wanted.
    Degraded,
    /// Viewers get nothing.
    Unhealthy,
    /// Nobody answers.
    Silent,
}

impl ProbeOutcome {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            ProbeOutcome::Healthy => 0,
            ProbeOutcome::Degraded => 1,
            ProbeOutcome::Unhealthy => 2,
            ProbeOutcome::Silent => 3,
        }
    }

    /// The outcome of an exit code.
    pub const fn of_code(code: u8) -> ProbeOutcome {
        match code {
            0 => ProbeOutcome::Healthy,
            1 => ProbeOutcome::Degraded,
            2 => ProbeOutcome::Unhealthy,
            _ => ProbeOutcome::Silent,
        }
    }
}

/// A check as it was told.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct CheckReport {
    /// What was looked at.
    pub name: String,
    status: String,
    /// A destination's state, or which input.
    pub state: String,
    detail: String,
}

impl CheckReport {
    /// Whether it is not as it should be.
    pub fn is_bad(&self) -> bool {
        self.status != "healthy"
    }
}

/// What was found, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The outcome.
    pub outcome: ProbeOutcome,
    /// One line for a person.
    pub line: String,
    /// The checks that were told.
    pub checks: Vec<CheckReport>,
}

#[derive(Deserialize)]
struct ProbeAnswer {
    status: String,
    #[serde(default)]
    checks: Vec<CheckReport>,
}

/// Reads an answer.
pub fn read(status: u16, body: &[u8]) -> Finding {
    if is_busy(status, body) {
        return silent("all connections of the control port are in use");
    }
    if matches!(status, 401 | 403) {
        return silent("the program refuses this probe: is --data the folder it runs on?");
    }
    let Ok(ProbeAnswer { status: verdict, checks }) = serde_json::from_slice(body) else {
        return silent("another program answers there");
    };
    let outcome = match (status, verdict.as_str()) {
        (200, "healthy") => ProbeOutcome::Healthy,
        (200, "degraded") => ProbeOutcome::Degraded,
        (503, "unhealthy") => ProbeOutcome::Unhealthy,
        _ => return silent("another program answers there"),
    };
    let bad = checks.iter().filter(|check| check.is_bad()).map(|check| check.detail.as_str());
    let details: Vec<&str> = bad.collect();
    let line = match details.is_empty() {
        true => verdict,
        false => format!("{verdict}: {}", details.join("; ")),
    };
    Finding { outcome, line: one_line(&line), checks }
}

/// Whether an answer is the control port's that it has no room: so something is alive there.
pub fn is_busy(status: u16, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct ProbeRefused {
        code: String,
    }
    let refused = serde_json::from_slice(body).ok();
    status == 503 && refused.is_some_and(|ProbeRefused { code }| code == "SYSTEM_ERROR")
}

/// What the data plane says of itself when it is asked past the control plane.
#[derive(Clone, Debug)]
pub enum PlaneAnswer {
    /// It answers.
    Says(PlaneState),
    /// It is there and does not.
    Silent,
    /// There is no process, or it has no such socket.
    Absent,
}

/// The control plane gave no verdict (`finding`, and whether it is merely busy): the data plane's
/// own word decides.
pub fn past_control(finding: Finding, is_busy: bool, plane: PlaneAnswer) -> Finding {
    let why = finding.line.strip_prefix(NO_ANSWER).unwrap_or(&finding.line);
    let degraded = |line: String| Finding {
        outcome: ProbeOutcome::Degraded,
        line: one_line(&line),
        checks: Vec::new(),
    };
    match plane {
        PlaneAnswer::Says(PlaneState { on_air, unit_age_ms })
            if unit_age_ms <= PLANE_STILL_MS_MAX =>
        {
            degraded(format!(
                "degraded: the control page does not answer ({why}); the programme goes on: \
                 {on_air} on air"
            ))
        }
        PlaneAnswer::Says(PlaneState { unit_age_ms, .. }) => {
            let still_s = unit_age_ms / 1000;
            silent(&format!("{why}; nothing has been on air for {still_s} s"))
        }
        PlaneAnswer::Silent => silent(&format!("{why}; the data plane does not answer either")),
        PlaneAnswer::Absent if is_busy => degraded(format!("degraded: {why}")),
        PlaneAnswer::Absent => finding,
    }
}

/// Nobody answered.
pub fn silent(why: &str) -> Finding {
    let line = one_line(&format!("{NO_ANSWER}{why}"));
    Finding { outcome: ProbeOutcome::Silent, line, checks: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_become_lines_and_codes() {
        let healthy =
            read(200, br#"{"status":"healthy","checks":[{"name":"a","status":"healthy"}]}"#);
        assert_eq!((healthy.outcome.code(), &*healthy.line), (0, "healthy"));
        let degraded = read(
            200,
            br#"{"status":"degraded","udp_process":true,"checks":[
                {"name":"disk","status":"degraded","value":85,"detail":"disk 85 %"},
                {"name":"cpu","status":"healthy","detail":"cpu"},
                {"name":"destination:t","status":"degraded","state":"refused","detail":"t was\nrefused"}]}"#,
        );
        assert_eq!(degraded.outcome.code(), 1);
        assert_eq!(degraded.line, "degraded: disk 85 %; t was refused");
        assert_eq!(degraded.checks[2].state, "refused");
        let unhealthy = read(503, br#"{"status":"unhealthy"}"#);
        assert_eq!((unhealthy.outcome.code(), &*unhealthy.line), (2, "unhealthy"));
    }

    #[test]
    fn a_busy_control_plane_is_no_dead_programme() {
        let busy = (503, &br#"{"error":"Try again.","code":"SYSTEM_ERROR"}"#[..]);
        assert!(is_busy(busy.0, busy.1));
        assert!(!is_busy(503, br#"{"status":"unhealthy"}"#));
        assert!(!is_busy(200, busy.1));
        let says = |unit_age_ms| PlaneState { on_air: "file".to_owned(), unit_age_ms };
        let judge = |busy: bool, plane| past_control(silent("it took too long"), busy, plane);
        let moving = judge(false, PlaneAnswer::Says(says(40)));
        assert_eq!(moving.outcome, ProbeOutcome::Degraded);
        assert_eq!(
            moving.line,
            "degraded: the control page does not answer (it took too long); the programme goes \
             on: file on air"
        );
        let still = judge(true, PlaneAnswer::Says(says(PLANE_STILL_MS_MAX + 1)));
        assert_eq!(still.outcome, ProbeOutcome::Silent);
        assert_eq!(judge(true, PlaneAnswer::Silent).outcome, ProbeOutcome::Silent);
        assert_eq!(
            judge(true, PlaneAnswer::Absent).outcome,
            ProbeOutcome::Degraded,
            "a 503 means alive"
        );
        assert_eq!(judge(false, PlaneAnswer::Absent).outcome, ProbeOutcome::Silent);
        assert_eq!(read(busy.0, busy.1).outcome, ProbeOutcome::Silent, "it gives no verdict");
    }

    #[test]
    fn what_is_not_ours_is_no_answer() {
        for (status, body) in [
            (200, &b"<html>"[..]),
            (200, b"{}"),
            (200, br#"{"status":"unhealthy"}"#),
            (404, br#"{"status":"healthy"}"#),
            (401, br#"{"status":"healthy"}"#),
            (200, br#"{"status":"healthy","checks":7}"#),
        ] {
            assert_eq!(read(status, body).outcome, ProbeOutcome::Silent, "{status}");
        }
        for code in 0..=3 {
            assert_eq!(ProbeOutcome::of_code(code).code(), code);
        }
    }
}
