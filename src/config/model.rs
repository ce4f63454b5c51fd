//! All settings as the program uses them, and what they are where nobody says anything.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use log::LevelFilter;

use super::appliance::ApplianceConfig;
use super::health::Thresholds;
use super::inputs::{PublishConfig, PullConfig};
use super::interface::Interface;
use super::reconnect::Reconnect;
use super::update::UpdateConfig;
use crate::base::limits::{
    DESTINATIONS_DEFAULT, LOG_FILES_DEFAULT, LOG_FILE_BYTES_DEFAULT, RING_BYTES_DEFAULT,
    SILENCE_MS_DEFAULT, UDP_RECEIVE_BUFFER_BYTES_DEFAULT, VIEWERS_DEFAULT, VIEWER_BATCH_MS_DEFAULT,
};
use crate::base::redact::Secret;
use crate::net::certificate::{AuthorityFile, TlsFiles};
use crate::net::network::Network;
use crate::rtmp::url::{RtmpUrl, StreamKey};
use crate::system::password::PasswordHash;

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
    /// `[tls] ca_file`: authorities that are believed besides the known ones, when we connect to others.
    pub authorities: Option<AuthorityFile>,
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

/// Where the programme is pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// What the person calls it, or its host; unique.
    pub name: String,
    /// Its server and application.
    pub url: RtmpUrl,
    /// Where to with the same key when that is refused or cannot be reached.
    pub backup_url: Option<RtmpUrl>,
    /// Its stream key.
    pub key: StreamKey,
    /// Whether it is pushed to.
    pub enabled: bool,
    /// When its session is ended on purpose and begun again.
    pub reconnect: Reconnect,
    /// What becomes of a programme that its platform will not like.
    pub on_warning: OnWarning,
    /// Whether the environment names it, not the file.
    pub is_environments: bool,
}

/// What becomes of a programme that a destination's platform will not like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnWarning {
    /// It is pushed, with a warning.
    #[default]
    Warn,
    /// It is held back until it fits.
    Hold,
}

impl OnWarning {
    const ALL: [OnWarning; 2] = [OnWarning::Warn, OnWarning::Hold];
    /// Their names, in the file.
    pub const NAMES: [&'static str; 2] = [Self::ALL[0].name(), Self::ALL[1].name()];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            OnWarning::Warn => "warn",
            OnWarning::Hold => "hold",
        }
    }

    pub(super) fn parse(text: &str) -> Option<OnWarning> {
        OnWarning::ALL.into_iter().find(|it| it.name() == text)
    }
}
