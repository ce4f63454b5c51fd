//! A session's way to its planned end. Purpose: it ends when the operator wants it to, at a moment when
//! viewers lose least: while the standby card is on air, before a key frame. Non-goals: the pause behind
//! it (retry), the farewell (push). Pure: `now` comes in. Bounds: [`QUIET_WAIT`] for a quiet moment,
//! [`KEY_WAIT`] for a key frame.

use std::time::Duration;

use crate::base::time::{Mono, Utc};
use crate::config::{Reconnect, TimeOfDay};

/// A step of the wall clock that is longer than this was somebody's who set it: what lies in it has not
/// passed.
const STEP_MAX: Duration = Duration::from_secs(300);
/// Time that is waited for a quiet moment.
const QUIET_WAIT: Duration = Duration::from_secs(600);
/// Time that is waited for a key frame, which streams with intra refresh never have.
const KEY_WAIT: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndStep {
    /// Nothing yet.
    Stay,
    /// The session ends before the next key frame.
    BeforeKey,
    /// The session ends.
    Now,
}

/// When a session ends.
pub(super) struct PlannedEnd {
    reconnect: Reconnect,
    began: Mono,
    looked: Utc,
    /// Since when it is to end.
    due: Option<Mono>,
    /// Since when a key frame is waited for.
    asked: Option<Mono>,
}

impl PlannedEnd {
    /// Of a session that begins now.
    pub(super) fn new(reconnect: Reconnect, now: Mono, utc: Utc) -> PlannedEnd {
        PlannedEnd { reconnect, began: now, looked: utc, due: None, asked: None }
    }

    /// What is to be done now; `is_quiet`: nothing is on air that anybody would miss. To be asked more
    /// often than each minute.
    pub(super) fn look(&mut self, is_quiet: bool, now: Mono, utc: Utc) -> EndStep {
        if self.is_due(now, utc) {
            self.due.get_or_insert(now);
        }
        let Some(due) = self.due else { return EndStep::Stay };
        if is_quiet || now.since(due) >= QUIET_WAIT {
            self.asked.get_or_insert(now);
        }
        match self.asked {
            None => EndStep::Stay,
            Some(asked) if now.since(asked) < KEY_WAIT => EndStep::BeforeKey,
            Some(_) => EndStep::Now,
        }
    }

    fn is_due(&mut self, now: Mono, utc: Utc) -> bool {
        let before = std::mem::replace(&mut self.looked, utc);
        let lasted = self.reconnect.after.is_some_and(|after| now.since(self.began) >= after);
        lasted || self.reconnect.at.is_some_and(|at| passes(before, utc, at))
    }
}

/// Whether a time of day lies behind `before`, and not behind `now`.
fn passes(before: Utc, now: Utc, at: TimeOfDay) -> bool {
    let step = Duration::from_millis(now.0.saturating_sub(before.0));
    let [earlier, later] = [before, now].map(|utc| TimeOfDay::at(utc.0 / 1000));
    let (minutes, since) = (later.minutes_since(earlier), at.minutes_since(earlier));
    step <= STEP_MAX && since > 0 && since <= minutes
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: u64 = 86_400;

    fn reconnect(at: Option<&str>, after_h: Option<u64>) -> Reconnect {
        let at = at.map(|at| TimeOfDay::parse(at).unwrap());
        let after = after_h.map(|hours| Duration::from_secs(hours * 3600));
        Reconnect { at, after, pause: None }
    }

    /// The seconds since 1970 at which a programme of so many days has its sessions ended, looked at
    /// every `tick` seconds, the wall clock as `wall` has it.
    fn ends(what: Reconnect, days: u64, tick: u64, wall: impl Fn(u64) -> u64) -> Vec<u64> {
        let utc = |s: u64| Utc(wall(s) * 1000);
        let start = |s: u64| PlannedEnd::new(what, Mono::from_ms(s * 1000), utc(s));
        let mut session = start(0);
        let mut ended = Vec::new();
        for s in (tick..days * DAY_S).step_by(tick as usize) {
            if session.is_due(Mono::from_ms(s * 1000), utc(s)) {
                ended.push(wall(s));
                session = start(s);
            }
        }
        ended
    }

    #[test]
    fn a_time_of_day_comes_once_a_day_wherever_the_looks_fall() {
        for tick in [1, 4, 7, 59] {
            for (at, second) in [("04:00", 4 * 3600), ("00:00", 0), ("23:59", 86_340)] {
                let found = ends(reconnect(Some(at), None), 4, tick, |s| s + 1_000 * DAY_S + 300);
                assert_eq!(found.len(), 4, "{at} {tick}: {found:?}");
                for end in found {
                    let late = (end % DAY_S + DAY_S - second) % DAY_S;
                    assert!(late < tick, "{at} {tick}: {late} s late");
                }
            }
        }
    }

    #[test]
    fn a_session_lasts_as_long_as_it_may_over_48_hours() {
        let found = ends(reconnect(None, Some(11)), 2, 4, |s| s);
        assert_eq!(found, [39_600, 79_200, 118_800, 158_400]);
        let both = ends(reconnect(Some("12:00"), Some(11)), 2, 4, |s| s);
        assert_eq!(both, [39_600, 43_200, 82_800, 122_400, 129_600, 169_200]);
        assert_eq!(ends(Reconnect::default(), 2, 4, |s| s), [0; 0]);
    }

    #[test]
    fn a_clock_that_is_set_ends_nothing() {
        // From 1970 to 2026, over 04:00; and back by an hour, over it again.
        let set = |s: u64| if s < 600 { s } else { s + 20_000 * DAY_S + 5 * 3600 };
        let found = ends(reconnect(Some("04:00"), None), 1, 4, set);
        assert_eq!(found, [20_001 * DAY_S + 4 * 3600], "the next day's only");
        let back = |s: u64| if s < 5 * 3600 { s } else { s - 3600 };
        let found = ends(reconnect(Some("04:30"), None), 1, 4, back);
        assert_eq!(found.len(), 2, "the same time of day comes a second time: {found:?}");
    }

    /// The seconds at which a session that is due after an hour is told each step, the card on air when
    /// `is_quiet`.
    fn steps(is_quiet: impl Fn(u64) -> bool) -> Vec<(u64, EndStep)> {
        let mut session = PlannedEnd::new(reconnect(None, Some(1)), Mono(0), Utc(0));
        let mut steps = Vec::new();
        for s in (0..3 * 3600).step_by(4) {
            let step = session.look(is_quiet(s), Mono::from_ms(s * 1000), Utc(s * 1000));
            if steps.last().is_none_or(|(_, last)| *last != step) {
                steps.push((s, step));
            }
        }
        steps
    }

    #[test]
    fn it_waits_for_the_card_and_a_key_frame_but_not_for_ever() {
        use EndStep::{BeforeKey, Now, Stay};
        assert_eq!(steps(|_| true), [(0, Stay), (3600, BeforeKey), (3632, Now)]);
        assert_eq!(steps(|_| false), [(0, Stay), (4200, BeforeKey), (4232, Now)]);
        let card_for_a_moment = |s| s == 3800;
        assert_eq!(steps(card_for_a_moment), [(0, Stay), (3800, BeforeKey), (3832, Now)]);
    }
}
