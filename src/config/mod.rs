//! The configuration. Purpose: `config.toml` in the data directory, environment variables over it,
//! command line arguments over those; validated whole, and everything that is wrong is told at once
//! with its place, its key and what was expected. A missing file means the defaults. Non-goals:
//! writing the file, watching it. Bounds: [`CONFIG_BYTES_MAX`](crate::base::limits), and the limit
//! of each value beside its reading.

mod appliance;
mod check;
mod destinations;
mod environment;
mod errors;
mod file;
mod health;
mod inputs;
mod interface;
pub mod settings;
mod suggest;
mod tls;
mod update;
mod values;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

pub use self::appliance::{ApplianceConfig, MachineName};
pub use self::destinations::Destination;
pub use self::environment::Arguments;
pub use self::errors::{ConfigError, ConfigErrors, Place};
pub use self::health::Thresholds;
pub use self::inputs::{PublishConfig, PullConfig, RequireKey};
pub use self::interface::Interface;
pub use self::update::{UpdateConfig, WhenOffered, Window};

use self::destinations::Draft;
use crate::base::limits::{
    DESTINATIONS_DEFAULT, LOG_FILES_DEFAULT, LOG_FILE_BYTES_DEFAULT, RING_BYTES_DEFAULT,
    SILENCE_MS_DEFAULT, UDP_RECEIVE_BUFFER_BYTES_DEFAULT, VIEWERS_DEFAULT, VIEWER_BATCH_MS_DEFAULT,
};
use crate::base::redact::{register, Secret};
use crate::net::certificate::TlsFiles;
use crate::net::network::Network;
use crate::system::password::PasswordHash;

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "config.toml";

/// All settings, valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `[appliance]`
    pub appliance: ApplianceConfig,
    /// `[programme]`
    pub programme: ProgrammeConfig,
    /// `[input.udp]`
    pub udp: UdpConfig,
    /// `[input.rtmp]`
    pub publish: PublishConfig,
    /// `[input.pull]`
    pub pull: Option<PullConfig>,
    /// `[rtmp]`
    pub rtmp: RtmpConfig,
    /// `[http]`
    pub http: HttpConfig,
    /// `[stat]`
    pub stat: StatConfig,
    /// `[proxy]`: networks of the proxies that are believed when they say for whom they ask.
    pub proxies: Vec<Network>,
    /// `[log]`
    pub log: LogConfig,
    /// `[health]`
    pub health: Thresholds,
    /// `[update]`
    pub update: UpdateConfig,
    /// `[[destination]]`, with those of the environment; their names differ.
    pub destinations: Vec<Destination>,
}

/// The programme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgrammeConfig {
    /// A source silent this long is covered by the standby card.
    pub silence: Duration,
    /// Silence stands in where a source has no audio.
    pub fill_audio: bool,
    /// Payload bytes of the ring.
    pub ring_bytes: usize,
}

/// The UDP input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpConfig {
    /// Where it listens; a multicast address is the group to join.
    pub listen: SocketAddr,
    /// Where the group is joined; `None` leaves it to the kernel's routes.
    pub interface: Option<Interface>,
    /// Networks whose datagrams are taken; at least one.
    pub allow: Vec<Network>,
    /// Programme number to take of a stream that has several.
    pub programme: Option<u16>,
    /// Receive buffer to ask the kernel for, bytes.
    pub receive_buffer_bytes: usize,
}

/// The RTMP server, and how many it and the pushes may serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtmpConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Viewers served at once.
    pub viewers_max: usize,
    /// Destinations there may be.
    pub destinations_max: usize,
    /// How long frames may wait to share a write, with many viewers; zero: never.
    pub batch: Duration,
    /// What a viewer must know to play.
    pub play_key: Option<Secret>,
    /// Networks that may connect, beside this machine itself; at least one.
    pub allow: Vec<Network>,
}

/// The control page and its API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate; without one it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Who knows the password may look and command; without one, this machine only.
    pub password_hash: Option<PasswordHash>,
    /// Networks that may connect, beside this machine itself; at least one.
    pub allow: Vec<Network>,
}

/// The statistics for existing tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatConfig {
    /// Where they are served.
    pub listen: SocketAddr,
    /// Networks that may connect, beside this machine itself; at least one.
    pub allow: Vec<Network>,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// What is worth a line.
    pub level: LevelFilter,
    /// Size at which the file is rotated, bytes.
    pub file_bytes: u64,
    /// Rotated files kept.
    pub files: usize,
}

/// IPv4 and IPv6 (`sockets::bind`).
const fn everywhere(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

impl Default for ProgrammeConfig {
    fn default() -> Self {
        let silence = Duration::from_millis(SILENCE_MS_DEFAULT);
        ProgrammeConfig { silence, fill_audio: true, ring_bytes: RING_BYTES_DEFAULT }
    }
}

impl Default for UdpConfig {
    /// Senders are believed on loopback, in the private ranges (RFC 1918, RFC 4193) and link-local.
    fn default() -> Self {
        UdpConfig {
            listen: everywhere(1234),
            interface: None,
            allow: Network::near(),
            programme: None,
            receive_buffer_bytes: UDP_RECEIVE_BUFFER_BYTES_DEFAULT,
        }
    }
}

impl Default for RtmpConfig {
    fn default() -> Self {
        RtmpConfig {
            listen: everywhere(1935),
            viewers_max: VIEWERS_DEFAULT,
            destinations_max: DESTINATIONS_DEFAULT,
            batch: Duration::from_millis(VIEWER_BATCH_MS_DEFAULT),
            play_key: None,
            allow: Network::everybody(),
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        let allow = Network::everybody();
        HttpConfig { listen: everywhere(8080), tls: None, password_hash: None, allow }
    }
}

impl Default for StatConfig {
    fn default() -> Self {
        StatConfig { listen: everywhere(8081), allow: Network::everybody() }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig {
            level: LevelFilter::Info,
            file_bytes: LOG_FILE_BYTES_DEFAULT,
            files: LOG_FILES_DEFAULT,
        }
    }
}

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

/// Every key a file may have, each with its section.
pub fn known_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    suggest::SECTIONS
        .into_iter()
        .flat_map(|(section, keys)| keys.iter().map(move |key| (section, *key)))
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

/// A configuration on its way: what was said so far, and where.
#[derive(Default)]
struct Build {
    config: Config,
    drafts: Vec<Draft>,
    /// Where the addresses were said that are not the defaults.
    listens: Vec<(Listen, Origin)>,
    /// Where the multicast interface was said.
    interface: Option<Origin>,
    /// Where `[http] tls_certificate` and `tls_key` lead, as they were said.
    tls: [Option<(PathBuf, Origin)>; 2],
    /// `[input.pull]` as it was said.
    pull: Option<inputs::Draft>,
    errors: ConfigErrors,
}

/// The addresses listened on: each may be said in the file, the environment and the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listen {
    Udp,
    Rtmp,
    Http,
    Stat,
}

impl Listen {
    /// Its key in the file.
    const fn key(self) -> &'static str {
        match self {
            Listen::Udp => "[input.udp] listen",
            Listen::Rtmp => "[rtmp] listen",
            Listen::Http => "[http] listen",
            Listen::Stat => "[stat] listen",
        }
    }
}

/// Where a value was said, and in which words.
#[derive(Clone, Debug)]
struct Origin {
    place: Place,
    key: String,
    value: Option<String>,
}

impl Origin {
    fn error(self, expected: impl Into<String>) -> ConfigError {
        let Origin { place, key, value } = self;
        ConfigError { place, key, value, expected: expected.into() }
    }
}

impl Build {
    /// With the defaults of the machine: on the appliance, which stands in the open, the statistics,
    /// which have no password, are for that machine alone.
    fn on(arguments: &Arguments) -> Build {
        let mut build = Build::default();
        if arguments.is_appliance {
            build.config.stat.allow = Network::here();
        }
        build
    }

    fn fail(&mut self, origin: Origin, expected: impl Into<String>) {
        self.errors.push(origin.error(expected));
    }

    /// Takes an address from where it was said last.
    fn listen(&mut self, which: Listen, address: SocketAddr, origin: Origin) {
        *self.listen_mut(which) = address;
        self.listens.retain(|(known, _)| *known != which);
        self.listens.push((which, origin));
    }

    fn listen_mut(&mut self, which: Listen) -> &mut SocketAddr {
        match which {
            Listen::Udp => &mut self.config.udp.listen,
            Listen::Rtmp => &mut self.config.rtmp.listen,
            Listen::Http => &mut self.config.http.listen,
            Listen::Stat => &mut self.config.stat.listen,
        }
    }

    /// Where an address was said last.
    fn origin(&self, which: Listen) -> Origin {
        let said = self.listens.iter().find(|(known, _)| *known == which);
        said.map_or_else(
            || Origin { place: Place::Default, key: which.key().to_owned(), value: None },
            |(_, origin)| origin.clone(),
        )
    }

    fn finish(mut self) -> Result<Config, ConfigErrors> {
        self.resolve_destinations();
        self.resolve_pull();
        self.resolve_tls();
        self.check();
        let given = self.drafts.iter().filter_map(|draft| draft.key.as_ref());
        given.chain(&self.config.rtmp.play_key).for_each(register);
        self.config.publish.key.iter().for_each(register);
        self.config.http.password_hash.iter().for_each(|hash| register(hash.secret()));
        self.pull.iter().filter_map(|pull| pull.key.as_ref()).for_each(register);
        self.config
            .pull
            .iter()
            .flat_map(|pull| pull.name.hidden_of_name())
            .for_each(|s| register(&s));
        for destination in &self.config.destinations {
            register(destination.key.secret());
        }
        self.errors.into_result(self.config)
    }
}

#[cfg(test)]
mod tests;
