//! Complaints that repeat. Purpose: a fault that occurs a thousand times a second costs one line a
//! second, which tells how often. Non-goal: the log itself. Bound: two words per kind of complaint.

use super::limits::{NEWS_BURST_MAX, REPEAT_MS_MIN};
use super::time::Mono;

/// One kind of complaint.
#[derive(Clone, Debug, Default)]
pub struct Repeat {
    said: Option<Mono>,
    suppressed: u64,
}

impl Repeat {
    /// Registers one occurrence at `now`. `Some(n)`: say it, and that `n` others were left out
    /// since it was last said. `None`: said less than [`REPEAT_MS_MIN`] ago, only counted.
    pub fn say(&mut self, now: Mono) -> Option<u64> {
        let due = self.said.is_none_or(|said| now.to_ms() >= said.to_ms() + REPEAT_MS_MIN);
        if due {
            self.said = Some(now);
            Some(std::mem::take(&mut self.suppressed))
        } else {
            self.suppressed = self.suppressed.saturating_add(1);
            None
        }
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
    fn a_flood_is_said_once_a_second_with_its_number() {
        let mut repeat = Repeat::default();
        let mut said = Vec::new();
        for ms in 0..3_500 {
            if let Some(left_out) = repeat.say(Mono::from_ms(ms)) {
                said.push((ms, left_out));
            }
        }
        assert_eq!(said, [(0, 0), (1000, 999), (2000, 999), (3000, 999)]);
    }

    #[test]
    fn what_is_rare_is_always_said() {
        let mut repeat = Repeat::default();
        assert_eq!(repeat.say(Mono::from_ms(5)), Some(0));
        assert_eq!(repeat.say(Mono::from_ms(1005)), Some(0));
        assert_eq!(repeat.say(Mono::from_ms(1006)), None);
        assert_eq!(repeat.say(Mono::from_ms(9000)), Some(1));
    }
}
