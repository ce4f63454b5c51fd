//! A configuration on its way: the file, then the environment, then the arguments, each over the one
//! before; at the end all of it is checked together. Bound: the sections' own.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::arguments::Arguments;
use super::drafts::{DestinationDraft, PullDraft};
use super::errors::{ConfigErrors, Origin, Place};
use super::model::Config;
use crate::base::redact::register;
use crate::net::network::Network;

/// A configuration on its way: what was said so far, and where.
#[derive(Default)]
pub(super) struct Build {
    pub(super) config: Config,
    pub(super) drafts: Vec<DestinationDraft>,
    /// Where the addresses were said that are not the defaults.
    pub(super) listens: Vec<(Listen, Origin)>,
    /// Where the multicast interface was said.
    pub(super) interface: Option<Origin>,
    /// Where `[http] tls_certificate` and `tls_key` lead, as they were said.
    pub(super) tls: [Option<(PathBuf, Origin)>; 2],
    /// `[input.pull]` as it was said.
    pub(super) pull: Option<PullDraft>,
    pub(super) errors: ConfigErrors,
}

/// The addresses listened on: each may be said in the file, the environment and the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listen {
    Udp,
    Rtmp,
    Http,
    Stat,
}

impl Listen {
    /// Its key in the file.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Listen::Udp => "[input.udp] listen",
            Listen::Rtmp => "[rtmp] listen",
            Listen::Http => "[http] listen",
            Listen::Stat => "[stat] listen",
        }
    }
}

impl Build {
    /// With the defaults of the machine: on the appliance, which stands in the open, the statistics,
    /// which have no password, are for that machine alone.
    pub(super) fn on(arguments: &Arguments) -> Build {
        let mut build = Build::default();
        if arguments.is_appliance {
            build.config.stat.allow = Network::here();
        }
        build
    }

    pub(super) fn fail(&mut self, origin: Origin, expected: impl Into<String>) {
        self.errors.push(origin.error(expected));
    }

    /// Takes an address from where it was said last.
    pub(super) fn listen(&mut self, which: Listen, address: SocketAddr, origin: Origin) {
        *self.listen_mut(which) = address;
        self.listens.retain(|(known, _)| *known != which);
        self.listens.push((which, origin));
    }

    pub(super) fn listen_mut(&mut self, which: Listen) -> &mut SocketAddr {
        match which {
            Listen::Udp => &mut self.config.udp.listen,
            Listen::Rtmp => &mut self.config.rtmp.listen,
            Listen::Http => &mut self.config.http.listen,
            Listen::Stat => &mut self.config.stat.listen,
        }
    }

    /// Where an address was said last.
    pub(super) fn origin(&self, which: Listen) -> Origin {
        let said = self.listens.iter().find(|(known, _)| *known == which);
        said.map_or_else(
            || Origin { place: Place::Default, key: which.key().to_owned(), value: None },
            |(_, origin)| origin.clone(),
        )
    }

    pub(super) fn finish(mut self) -> Result<Config, ConfigErrors> {
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
