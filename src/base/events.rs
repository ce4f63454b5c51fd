//! Complaints that repeat. Purpose: a fault that occurs a thousand times a second costs one line a
//! second, which tells how often. Non-goal: the log itself. Bound: two words per kind of complaint.

use super::limits::REPEAT_MS_MIN;
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

#[cfg(test)]
mod tests {
    use super::*;

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
