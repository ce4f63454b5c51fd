//! The configuration. Purpose: `config.toml` in the data directory, environment variables over it,
//! command line arguments over those; validated whole, and everything that is wrong is told at once
//! with its place, its key and what was expected. A missing file means the defaults. Non-goals:
//! writing the file, watching it. Bounds: [`CONFIG_BYTES_MAX`](crate::base::limits), and the limit
//! of each value beside its reading.

mod appliance;
mod arguments;
mod build;
pub mod catalogue;
mod check;
mod destinations;
mod drafts;
mod environment;
mod errors;
mod file;
mod health;
mod inputs;
mod interface;
mod kept;
mod model;
mod pull;
mod reading;
mod reconnect;
mod setting;
pub mod settings;
mod suggest;
mod time_of_day;
mod tls;
mod update;
mod value;
mod values;

use std::ffi::OsString;
use std::path::Path;

pub use self::appliance::{ApplianceConfig, MachineName};
pub use self::arguments::Arguments;
pub use self::errors::{ConfigError, ConfigErrors, Place};
pub use self::health::Thresholds;
pub use self::inputs::{PublishConfig, PullConfig, RequireKey};
pub use self::interface::Interface;
pub use self::kept::Measure;
pub use self::model::{
    Config, Destination, HttpConfig, LogConfig, OnWarning, ProgrammeConfig, RtmpConfig, StatConfig,
    UdpConfig,
};
pub use self::reconnect::Reconnect;
pub use self::setting::{Argument, Kind, SetBy, Setting, Variable};
pub use self::time_of_day::TimeOfDay;
pub use self::update::{UpdateConfig, WhenOffered, Window};
pub use self::value::Value;

use self::build::Build;

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "config.toml";

/// Reads `config.toml` in `data_dir`, then `environment` (a name to its value; an empty value
/// counts as none), then `arguments`. Every secret found is registered with the log's redaction,
/// whether the rest is valid or not.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(
    data_dir: &Path,
    environment: &dyn Fn(&str) -> Option<OsString>,
    arguments: &Arguments,
) -> Result<Config, ConfigErrors> {
    let mut build = Build::on(arguments);
    build.read_file(&data_dir.join(FILE_NAME));
    build.read_environment(environment);
    build.read_arguments(arguments);
    build.finish()
}

/// Reads a text that stands, or is to stand, in the file at `path`, exactly as [`load`] would.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load_text(
    path: &Path,
    text: &str,
    environment: &dyn Fn(&str) -> Option<OsString>,
    arguments: &Arguments,
) -> Result<Config, ConfigErrors> {
    let mut build = Build::on(arguments);
    build.read_text(path, text);
    build.read_environment(environment);
    build.read_arguments(arguments);
    build.finish()
}

/// What is in force where nobody says anything.
pub fn defaults(arguments: &Arguments) -> Config {
    Build::on(arguments).config
}

/// Reads a text as [`load`] reads the file's, with nothing over it.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse(text: &str) -> Result<Config, ConfigErrors> {
    let mut build = Build::default();
    build.read_text(Path::new(FILE_NAME), text);
    build.finish()
}

#[cfg(test)]
mod tests;
