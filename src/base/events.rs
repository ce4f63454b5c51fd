//! Complaints that repeat. Purpose: a fault that occurs a thousand times a second costs one line
//! when it begins and one when it is over. Non-goal: the log itself. Bound: a few words per kind of
//! complaint.

use std::fmt;
use std::time::Duration;

use super::time::Mono;

/// News beyond the first burst is logged at most this often.
const REPEAT_MS_MIN: u64 = 1000;
/// News that strangers can make (a viewer comes or goes) told at once, before they are rationed.
const NEWS_BURST_MAX: u64 = 64;
/// A condition that has not occurred for so long is over.
pub const CONDITION_QUIET_MS: u64 = 10_000;

/// A condition that lasts, however often it occurs: logged once when it begins, and once when it
/// is over.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    lasting: Option<Lasting>,
}

#[derive(Clone, Copy, Debug)]
struct Lasting {
    since: Mono,
    last: Mono,
    count: u64,
}

/// A condition that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// Times it occurred.
    pub count: u64,
    /// From its first occurrence to its last.
    pub lasted: Duration,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} times in {} s", self.count, self.lasted.as_secs())
    }
}

impl Condition {
    /// It occurs at `now`. True: it begins with that and is to be logged.
    pub fn occurs(&mut self, now: Mono) -> bool {
        match &mut self.lasting {
            Some(lasting) => {
                lasting.last = now;
                lasting.count = lasting.count.saturating_add(1);
                false
            }
            None => {
                self.lasting = Some(Lasting { since: now, last: now, count: 1 });
                true
            }
        }
    }

    /// Since when it lasts, if it does.
    pub fn since(&self) -> Option<Mono> {
        self.lasting.map(|lasting| lasting.since)
    }

    /// Whether it is over at `now` and to be logged: to be asked from time to time.
    pub fn over(&mut self, now: Mono) -> Option<Over> {
        self.over_after(now, Duration::from_millis(CONDITION_QUIET_MS))
    }

    /// The same, for one that may pause for so long; no time at all: it is known to be over.
    pub fn over_after(&mut self, now: Mono, quiet: Duration) -> Option<Over> {
        let Lasting { since, last, count } = self.lasting?;
        if now.since(last) < quiet {
            return None;
        }
        self.lasting = None;
        Some(Over { count, lasted: last.since(since) })
    }
}

/// News of which each piece matters, but which a stranger can make: [`NEWS_BURST_MAX`] are told as
/// they come, and from then on as many as time allows, one each [`REPEAT_MS_MIN`].
#[derive(Clone, Debug)]
pub struct News {
    left: u64,
    refilled: Mono,
    suppressed: u64,
}

impl Default for News {
    fn default() -> News {
        News { left: NEWS_BURST_MAX, refilled: Mono(0), suppressed: 0 }
    }
}

impl News {
    /// Registers one piece at `now`. `Some(n)`: tell it, and that `n` others were left out since
    /// one was last told. `None`: only counted.
    pub fn say(&mut self, now: Mono) -> Option<u64> {
        let earned = now.to_ms().saturating_sub(self.refilled.to_ms()) / REPEAT_MS_MIN;
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(NEWS_BURST_MAX);
            self.refilled = now;
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        };
        self.left = left;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_news_is_told_and_a_flood_is_not() {
        let mut news = News::default();
        let told = |news: &mut News, from: u64, to: u64| {
            (from..to).filter_map(|ms| news.say(Mono::from_ms(ms))).collect::<Vec<u64>>()
        };
        let burst = told(&mut news, 0, 900);
        assert_eq!(burst, vec![0; NEWS_BURST_MAX as usize]);
        assert_eq!(told(&mut news, 900, 3_500), [1000 - NEWS_BURST_MAX, 999, 999]);
        assert_eq!(told(&mut news, 3_600_000, 3_601_000).len(), NEWS_BURST_MAX as usize);
    }

    #[test]
    fn a_condition_has_a_beginning_and_an_end_and_nothing_between() {
        let (mut condition, mut said) = (Condition::default(), Vec::new());
        // An hour of a thousand a second, looked at four times a second, and another an hour later.
        let occurs = |ms: u64| ms < 3_600_000 || (7_200_000..7_200_005).contains(&ms);
        for ms in (0..7_300_000).filter(|ms| occurs(*ms) || ms % 250 == 0) {
            let now = Mono::from_ms(ms);
            if occurs(ms) && condition.occurs(now) {
                said.push((ms, None));
            }
            if ms % 250 == 0 {
                said.extend(condition.over(now).map(|over| (ms, Some(over))));
            }
        }
        let over = |count, ms| Some(Over { count, lasted: Duration::from_millis(ms) });
        assert_eq!(
            said,
            [
                (0, None),
                (3_610_000, over(3_600_000, 3_599_999)),
                (7_200_000, None),
                (7_210_250, over(5, 4)),
            ]
        );
        assert_eq!(condition.since(), None);
    }
}
