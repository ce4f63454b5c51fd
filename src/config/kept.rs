//! How the configuration keeps a setting's value, and what is shown of it. Purpose: a row of the
//! catalogue names the place, and the type there says the rest.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::appliance::MachineName;
use super::inputs::RequireKey;
use super::interface::Interface;
use super::update::{WhenOffered, Window};
use super::value::Value;
use crate::base::redact::{Secret, MASK};
use crate::net::network::Network;
use crate::system::password::PasswordHash;

/// The unit that a setting's number is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// None: things that are counted, and what is not a number.
    Count,
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
    /// Kibibytes; kept as bytes.
    KiB,
    /// Mebibytes; kept as bytes.
    MiB,
    /// Parts of a hundred.
    Percent,
}

impl Measure {
    /// The name the API uses.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::Count => "",
            Measure::Ms => "ms",
            Measure::S => "s",
            Measure::KiB => "KiB",
            Measure::MiB => "MiB",
            Measure::Percent => "%",
        }
    }

    /// How many of what is kept make one of what is written.
    pub(super) const fn size(self) -> u64 {
        match self {
            Measure::KiB => 1 << 10,
            Measure::MiB => 1 << 20,
            _ => 1,
        }
    }
}

/// What a number is kept as; `None` where it does not fit.
pub(super) trait Number: Sized {
    fn of(written: u64, measure: Measure) -> Option<Self>;
}

impl Number for u64 {
    fn of(written: u64, measure: Measure) -> Option<u64> {
        written.checked_mul(measure.size())
    }
}

impl Number for usize {
    fn of(written: u64, measure: Measure) -> Option<usize> {
        u64::of(written, measure)?.try_into().ok()
    }
}

impl Number for Option<u16> {
    fn of(written: u64, measure: Measure) -> Option<Option<u16>> {
        u64::of(written, measure)?.try_into().ok().map(Some)
    }
}

impl Number for Duration {
    fn of(written: u64, measure: Measure) -> Option<Duration> {
        Some(match measure {
            Measure::Ms => Duration::from_millis(written),
            _ => Duration::from_secs(written),
        })
    }
}

/// What is shown of a value that is kept.
pub(super) trait Shown {
    fn shown(&self, measure: Measure) -> Value;
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self, measure: Measure) -> Value {
        self.as_ref().map_or(Value::None, |value| value.shown(measure))
    }
}

impl Shown for u64 {
    fn shown(&self, measure: Measure) -> Value {
        Value::Integer(self / measure.size())
    }
}

impl Shown for usize {
    fn shown(&self, measure: Measure) -> Value {
        (*self as u64).shown(measure)
    }
}

impl Shown for u16 {
    fn shown(&self, measure: Measure) -> Value {
        u64::from(*self).shown(measure)
    }
}

impl Shown for Duration {
    fn shown(&self, measure: Measure) -> Value {
        Value::Integer(match measure {
            Measure::Ms => u64::try_from(self.as_millis()).unwrap_or(u64::MAX),
            _ => self.as_secs(),
        })
    }
}

impl Shown for bool {
    fn shown(&self, _: Measure) -> Value {
        Value::Boolean(*self)
    }
}

impl Shown for Vec<Network> {
    fn shown(&self, _: Measure) -> Value {
        Value::List(self.iter().map(Network::to_string).collect())
    }
}

/// Types that are shown as a text, each with that text.
macro_rules! shown_as_text {
    ($($kept:ty: $text:expr),+ $(,)?) => {
        $(impl Shown for $kept {
            fn shown(&self, _: Measure) -> Value {
                let text: fn(&$kept) -> String = $text;
                Value::Text(text(self))
            }
        })+
    };
}

shown_as_text! {
    String: |text| text.clone(),
    MachineName: |name| name.as_str().to_owned(),
    SocketAddr: |address| address.to_string(),
    Interface: |interface| interface.to_string(),
    LevelFilter: |level| level.as_str().to_ascii_lowercase(),
    PathBuf: |path| path.display().to_string(),
    RequireKey: |who| who.name().to_owned(),
    WhenOffered: |when| when.name().to_owned(),
    Window: |window| window.to_string(),
    Secret: Secret::hint,
    PasswordHash: |_| MASK.to_owned(),
}
