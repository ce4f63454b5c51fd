//! RTMP as an input: who may publish, and what is pulled from another server.

use crate::base::redact::Secret;
use crate::net::network::Network;
use crate::rtmp::url::{RtmpUrl, StreamKey};

/// Who may publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishConfig {
    /// Whether anybody may.
    pub enabled: bool,
    /// What lets a publisher in from anywhere.
    pub key: Option<Secret>,
    /// Where there is a key, who needs it.
    pub require_key: RequireKey,
    /// Networks from which may be published as long as there is no key.
    pub allow: Vec<Network>,
}

/// Who needs the key that is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequireKey {
    /// Everybody but this machine itself.
    #[default]
    Remote,
    /// Everybody.
    Always,
}

impl RequireKey {
    const ALL: [RequireKey; 2] = [RequireKey::Remote, RequireKey::Always];
    /// Their names, in the file.
    pub const NAMES: [&'static str; 2] = [Self::ALL[0].name(), Self::ALL[1].name()];

    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            RequireKey::Remote => "remote",
            RequireKey::Always => "always",
        }
    }

    pub(super) fn parse(text: &str) -> Option<RequireKey> {
        RequireKey::ALL.into_iter().find(|who| who.name() == text)
    }
}

impl Default for PublishConfig {
    /// Publishers are believed on loopback, in the private ranges and link-local.
    fn default() -> Self {
        PublishConfig {
            enabled: true,
            key: None,
            require_key: RequireKey::default(),
            allow: Network::near(),
        }
    }
}

/// What is pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullConfig {
    /// The server and its application.
    pub url: RtmpUrl,
    /// The stream's name, with a query if it needs one.
    pub name: StreamKey,
    /// Its play key, if it was given beside the URL; `name` has it already.
    pub key: Option<Secret>,
    /// Whether it is pulled.
    pub enabled: bool,
}
