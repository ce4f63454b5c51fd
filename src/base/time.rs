//! The three clocks, as values. Purpose: nothing below the shells reads a clock; `now` comes in
//! as an argument, so that tests run hours in milliseconds. Non-goal: time zones.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Media time in 90 kHz ticks, unwrapped: the unit of PTS and DTS in MPEG-TS
/// (ISO/IEC 13818-1, 2.4.3.7). Signed, because an offset may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub i64);

/// 90 kHz ticks in a millisecond.
pub const TICKS_PER_MS: i64 = 90;
/// 90 kHz ticks in a second.
pub const TICKS_PER_S: i64 = 90_000;

impl Ticks {
    /// Ticks of a span of milliseconds.
    pub const fn from_ms(ms: i64) -> Ticks {
        Ticks(ms.saturating_mul(TICKS_PER_MS))
    }

    /// How long so many samples last, rounded to the nearest tick: counted from one point each
    /// time, rounding does not accumulate.
    pub fn from_samples(samples: i64, sample_rate_hz: u32) -> Ticks {
        let rate = i64::from(sample_rate_hz);
        Ticks(samples.saturating_mul(TICKS_PER_S).saturating_add(rate / 2) / rate.max(1))
    }

    /// Ticks of a wall-clock span, rounded down.
    pub fn from_duration(span: Duration) -> Ticks {
        let ticks = span.as_micros().saturating_mul(9) / 100;
        Ticks(i64::try_from(ticks).unwrap_or(i64::MAX))
    }

    /// Whole milliseconds, rounded towards minus infinity, so that the rounding of a later tick
    /// is never earlier than that of an earlier one.
    pub const fn to_ms(self) -> i64 {
        self.0.div_euclid(TICKS_PER_MS)
    }

    /// The span as a wall-clock duration; a negative one is zero.
    pub fn to_duration(self) -> Duration {
        let ticks = u64::try_from(self.0).unwrap_or(0);
        Duration::from_micros(ticks.saturating_mul(100) / 9)
    }
}

impl Add for Ticks {
    type Output = Ticks;
    fn add(self, other: Ticks) -> Ticks {
        Ticks(self.0.saturating_add(other.0))
    }
}

impl Sub for Ticks {
    type Output = Ticks;
    fn sub(self, other: Ticks) -> Ticks {
        Ticks(self.0.saturating_sub(other.0))
    }
}

/// A point on the monotonic clock: microseconds since the process (or the test) began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// The point `ms` milliseconds after the beginning.
    pub const fn from_ms(ms: u64) -> Mono {
        Mono(ms.saturating_mul(1000))
    }

    /// Whole milliseconds since the beginning.
    pub const fn to_ms(self) -> u64 {
        self.0 / 1000
    }

    /// The time passed since `earlier`; zero if that lies ahead.
    pub const fn since(self, earlier: Mono) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, span: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// A point of civil time: milliseconds since 1970-01-01T00:00:00Z. Displayed as ISO 8601 in UTC
/// with milliseconds, `2026-11-22T12:27:54.018Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utc(pub u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms_of_day) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil_from_days(days);
        let (s, ms) = (ms_of_day / 1000, ms_of_day % 1000);
        let (hour, minute, second) = (s / 3600, s / 60 % 60, s % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// The Gregorian date of a day counted from 1970-01-01, by eras of 400 years (146,097 days) and
/// years that begin in March, so that the leap day is a year's last.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_of_ticks_round_down_on_both_sides_of_zero() {
        assert_eq!(Ticks(89).to_ms(), 0);
        assert_eq!(Ticks(90).to_ms(), 1);
        assert_eq!(Ticks(-1).to_ms(), -1);
        assert_eq!(Ticks(-91).to_ms(), -2);
    }

    #[test]
    fn durations_and_ticks_agree() {
        assert_eq!(Ticks::from_duration(Duration::from_millis(40)), Ticks(3600));
        assert_eq!(Ticks(3600).to_duration(), Duration::from_millis(40));
        assert_eq!(Ticks(-5).to_duration(), Duration::ZERO);
    }

    #[test]
    fn civil_time_is_iso_8601() {
        assert_eq!(Utc(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Utc(951_782_399_999).to_string(), "2000-02-28T23:59:59.999Z");
        assert_eq!(Utc(951_782_400_000).to_string(), "2000-02-29T00:00:00.000Z");
        assert_eq!(Utc(1_795_350_474_018).to_string(), "2026-11-22T12:27:54.018Z");
    }
}
