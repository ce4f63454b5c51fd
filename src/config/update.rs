//! `[update]`: where newer systems are offered, and what becomes of them. Purpose: an address that is
//! asked once a day, and a window of the day in which what it offers may be installed. Non-goals:
//! asking, which is `streamcaster latest`; belief, which is the signature's. Bound: one address.

use super::time_of_day::TimeOfDay;
use super::values::Parsed;
use crate::base::limits::UPDATE_URL_BYTES_MAX;

/// What becomes of a newer system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenOffered {
    /// The page says that it is there.
    #[default]
    Tell,
    /// It is installed in the window.
    Window,
}

impl WhenOffered {
    const ALL: [WhenOffered; 2] = [WhenOffered::Tell, WhenOffered::Window];
    /// Their names, in the file.
    pub const NAMES: [&'static str; 2] = [Self::ALL[0].name(), Self::ALL[1].name()];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            WhenOffered::Tell => "tell",
            WhenOffered::Window => "window",
        }
    }

    pub(super) fn parse(text: &str) -> Option<WhenOffered> {
        WhenOffered::ALL.into_iter().find(|when| when.name() == text)
    }
}

/// A part of each day, in UTC, the end not included; it may reach over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: TimeOfDay,
    to: TimeOfDay,
}

impl Default for Window {
    fn default() -> Self {
        Window { from: TimeOfDay::hour(3), to: TimeOfDay::hour(5) }
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

impl Window {
    /// `HH:MM-HH:MM`, not empty.
    pub fn parse(text: &str) -> Parsed<Window> {
        let window = text
            .split_once('-')
            .and_then(|(from, to)| Some((TimeOfDay::parse(from)?, TimeOfDay::parse(to)?)));
        window
            .filter(|(from, to)| from != to)
            .map(|(from, to)| Window { from, to })
            .ok_or_else(|| "expected a part of the day in UTC such as \"03:00-05:00\"".to_owned())
    }

    /// Whether it is open at so many seconds since 1970.
    pub fn is_open(self, now_s: u64) -> bool {
        TimeOfDay::at(now_s).minutes_since(self.from) < self.to.minutes_since(self.from)
    }
}

/// The section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateConfig {
    /// Where `streamcaster.latest` is; without one nothing is asked.
    pub url: Option<String>,
    /// What becomes of what is offered.
    pub install: WhenOffered,
    /// When it may be installed.
    pub window: Window,
}

pub(super) fn url(text: &str) -> Parsed<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"@?#\"\\<>".contains(&byte);
    let names_a_file = |rest: &str| {
        rest.split_once('/').is_some_and(|(host, path)| {
            !host.is_empty() && !path.is_empty() && !path.ends_with('/')
        })
    };
    let is_one = text.len() <= UPDATE_URL_BYTES_MAX && text.bytes().all(plain);
    rest.filter(|rest| is_one && names_a_file(rest)).map(|_| text.to_owned()).ok_or_else(|| {
        "expected an address such as https://updates.example.com/streamcaster.latest, without a \
         user, a password or a query"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_part_of_the_day_and_may_reach_over_midnight() {
        let hour = |hour: u64| hour * 3600 + 1_795_824_000;
        for (text, open, closed) in [
            ("03:00-05:00", vec![3, 4], vec![2, 5, 12]),
            ("23:00-01:00", vec![23, 0], vec![1, 12, 22]),
            ("00:00-23:59", vec![0, 12, 23], vec![]),
        ] {
            let window = Window::parse(text).unwrap();
            assert_eq!(window.to_string(), text);
            assert!(open.iter().all(|it| window.is_open(hour(*it))), "{text}");
            assert!(!closed.iter().any(|it| window.is_open(hour(*it))), "{text}");
        }
        for wrong in
            ["", "3:00-5:00", "03:00", "03:00-03:00", "24:00-01:00", "03:60-04:00", "+3:00-05:00"]
        {
            assert!(Window::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_names_a_file_and_no_secret() {
        assert!(url("https://updates.example.com/a/streamcaster.latest").is_ok());
        assert!(url("http://10.0.0.1:8000/streamcaster.latest").is_ok());
        for wrong in [
            "",
            "updates.example.com/x",
            "ftp://a/x",
            "https://a",
            "https://a/",
            "https:///x",
            "https://u:p@a/x",
            "https://a/x?token=1",
            "https://a/x y",
        ] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
