//! A time of each day, in UTC. Purpose: read and written in one way, `HH:MM`. Bound: this number.

use std::fmt;

/// Minutes in a day.
const DAY_MIN: u16 = 24 * 60;

/// Minutes since midnight, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(u16);

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl TimeOfDay {
    /// This hour, and no minute.
    pub const fn hour(hour: u16) -> TimeOfDay {
        TimeOfDay(hour % 24 * 60)
    }

    /// `HH:MM`.
    pub fn parse(text: &str) -> Option<TimeOfDay> {
        let (hour, minute) = text.split_once(':')?;
        let two = |text: &str| {
            let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse::<u16>().ok())?
        };
        let (hour, minute) = (two(hour)?, two(minute)?);
        (hour < 24 && minute < 60).then_some(TimeOfDay(hour * 60 + minute))
    }

    /// The one that it is at so many seconds since 1970.
    pub fn at(now_s: u64) -> TimeOfDay {
        TimeOfDay(u16::try_from(now_s / 60 % u64::from(DAY_MIN)).unwrap_or(0))
    }

    /// Minutes from `earlier` to it, over midnight if it must be.
    pub fn minutes_since(self, earlier: TimeOfDay) -> u16 {
        (self.0 + DAY_MIN - earlier.0) % DAY_MIN
    }
}
