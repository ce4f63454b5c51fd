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

impl<T: Number> Number for Option<T> {
    fn of(written: u64, measure: Measure) -> Option<Option<T>> {
        T::of(written, measure).map(Some)
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

macro_rules! shown {
    ($($kept:ty: |$it:ident, $measure:ident| $value:expr,)+) => {
        $(impl Shown for $kept {
            fn shown(&self, $measure: Measure) -> Value {
                let $it = self;
                $value
            }
        })+
    };
}

macro_rules! numbers {
    ($($kept:ty),+) => {
        $(impl Number for $kept {
            fn of(written: u64, measure: Measure) -> Option<$kept> {
                written.checked_mul(measure.size())?.try_into().ok()
            }
        })+
        shown! { $($kept: |it, measure| Value::Integer(*it as u64 / measure.size()),)+ }
    };
}

numbers!(u16, u64, usize);

shown! {
    Duration: |it, measure| Value::Integer(match measure {
        Measure::Ms => u64::try_from(it.as_millis()).unwrap_or(u64::MAX),
        _ => it.as_secs(),
    }),
    bool: |it, _measure| Value::Boolean(*it),
    Vec<Network>: |it, _measure| Value::List(it.iter().map(Network::to_string).collect()),
    String: |it, _measure| Value::Text(it.clone()),
    MachineName: |it, _measure| Value::Text(it.as_str().to_owned()),
    SocketAddr: |it, _measure| Value::Text(it.to_string()),
    Interface: |it, _measure| Value::Text(it.to_string()),
    LevelFilter: |it, _measure| Value::Text(it.as_str().to_ascii_lowercase()),
    PathBuf: |it, _measure| Value::Text(it.display().to_string()),
    RequireKey: |it, _measure| Value::Text(it.name().to_owned()),
    WhenOffered: |it, _measure| Value::Text(it.name().to_owned()),
    Window: |it, _measure| Value::Text(it.to_string()),
    Secret: |it, _measure| Value::Text(it.hint()),
    PasswordHash: |_it, _measure| Value::Text(MASK.to_owned()),
}
