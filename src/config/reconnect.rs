//! When a destination's session is ended on purpose and begun again. Purpose: platforms end what runs too
//! long, or keep no more than a part of it (Twitch 48 h, YouTube's archives 12 h); a session that ends at a
//! time of the operator's choosing is not cut off at another. Non-goals: ending it (outputs). Bound: this
//! struct.

use std::time::Duration;

use super::time_of_day::TimeOfDay;
use super::value::Value;
use super::values::Parsed;

/// The shortest and the longest session, hundredths of an hour.
const AFTER_H_HUNDREDTHS: std::ops::RangeInclusive<u64> = 25..=72_000;
/// The longest pause.
const PAUSE_S_MAX: u64 = 600;

/// When a session is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconnect {
    /// At this time of each day.
    pub at: Option<TimeOfDay>,
    /// When it has lasted so long.
    pub after: Option<Duration>,
    /// The pause before the next one; without it the platform's.
    pub pause: Option<Duration>,
}

impl Reconnect {
    pub(super) fn time(value: &Value) -> Parsed<TimeOfDay> {
        TimeOfDay::parse(value.text()?)
            .ok_or_else(|| "expected a time of day in UTC such as \"04:00\"".to_owned())
    }

    pub(super) fn hours(value: &Value) -> Parsed<Duration> {
        let hundredths = match value {
            Value::Integer(hours) => hours.saturating_mul(100),
            Value::Hundredths(hundredths) => *hundredths,
            _ => 0,
        };
        let (min, max) = (AFTER_H_HUNDREDTHS.start(), AFTER_H_HUNDREDTHS.end());
        match AFTER_H_HUNDREDTHS.contains(&hundredths) {
            true => Ok(Duration::from_secs(hundredths * 36)),
            false => Err(format!(
                "expected a number of hours from 0.{min} to {}, such as 11.5",
                max / 100
            )),
        }
    }

    pub(super) fn seconds(value: &Value) -> Parsed<Duration> {
        match value {
            Value::Integer(seconds @ 0..=PAUSE_S_MAX) => Ok(Duration::from_secs(*seconds)),
            _ => Err(format!("expected a whole number of seconds from 0 to {PAUSE_S_MAX}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_or_refused_with_what_is_expected() {
        let hours = |value| Reconnect::hours(&value).map(|time| time.as_secs());
        assert_eq!(hours(Value::Hundredths(1150)), Ok(41_400));
        assert_eq!(hours(Value::Integer(48)), Ok(172_800));
        for wrong in [Value::Integer(0), Value::Hundredths(24), Value::Integer(u64::MAX)] {
            assert!(hours(wrong).unwrap_err().contains("hours from 0.25 to 720"));
        }
        assert!(hours(Value::Text("11.5".to_owned())).is_err());
        let time = |text: &str| Reconnect::time(&Value::Text(text.to_owned()));
        assert_eq!(time("04:00").unwrap().to_string(), "04:00");
        for wrong in ["4:00", "24:00", "04:60", "04:00:00", "", "-1:00"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        let seconds = |value| Reconnect::seconds(&value).map(|time| time.as_secs());
        assert_eq!(seconds(Value::Integer(0)), Ok(0));
        assert_eq!(seconds(Value::Integer(600)), Ok(600));
        assert!(seconds(Value::Integer(601)).is_err());
    }
}
