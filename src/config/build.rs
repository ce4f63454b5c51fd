//! A configuration on its way: the file, then the environment, then the arguments, each over the one
//! before; at the end all of it is checked together. Bound: the sections' own.

use std::path::PathBuf;

use super::arguments::Arguments;
use super::drafts::{DestinationDraft, PullDraft, TlsDraft};
use super::errors::{written, ConfigErrors, Origin, Place};
use super::model::Config;
use crate::base::redact::register;
use crate::net::network::Network;

/// A configuration on its way: what was said so far, and where.
#[derive(Default)]
pub(super) struct Build {
    pub(super) config: Config,
    pub(super) drafts: Vec<DestinationDraft>,
    pub(super) pull: PullDraft,
    pub(super) tls: TlsDraft,
    /// The file of authorities as it was said.
    pub(super) ca_file: Option<PathBuf>,
    /// The file's.
    pub(super) folder: PathBuf,
    /// Where each setting was said last that is not the default.
    origins: Vec<(&'static str, Origin)>,
    pub(super) errors: ConfigErrors,
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

    /// Remembers where a setting was said.
    pub(super) fn said(&mut self, key: &'static str, origin: Origin) {
        self.origins.retain(|(known, _)| *known != key);
        self.origins.push((key, origin));
    }

    /// Where a setting was said last.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let said = self.origins.iter().find(|(known, _)| *known == key);
        said.map_or_else(
            || Origin { place: Place::Default, key: written(key), value: None },
            |(_, origin)| origin.clone(),
        )
    }

    pub(super) fn finish(mut self) -> Result<Config, ConfigErrors> {
        self.resolve_destinations();
        self.resolve_pull();
        self.resolve_tls();
        self.resolve_authorities();
        self.check();
        let given = self.drafts.iter().filter_map(|draft| draft.key.as_ref());
        given.chain(&self.config.rtmp.play_key).for_each(register);
        self.config.publish.key.iter().for_each(register);
        self.config.http.password_hash.iter().for_each(|hash| register(hash.secret()));
        self.pull.key.iter().for_each(register);
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
