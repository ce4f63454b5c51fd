//! The environment and the command line over it. The names are those of the program this one
//! replaces (azumag/streamcaster), so that its deployments go on working. `TZ` is not among them:
//! log times are UTC.

use std::ffi::OsString;
use std::net::SocketAddr;

use super::arguments::Arguments;
use super::build::{Build, Listen};
use super::drafts::DestinationDraft;
use super::errors::{quoted, Origin, Place};
use super::values::{self, Parsed};
use crate::base::redact::Secret;

/// A variable that has a value.
struct Variable {
    value: String,
    /// With the value in its words; not for secrets.
    origin: Origin,
}

impl Variable {
    /// Where it was said, without the value.
    fn hidden(self) -> Origin {
        Origin { value: None, ..self.origin }
    }
}

impl Build {
    /// Reads the variables; an empty one counts as absent.
    pub(super) fn read_environment(&mut self, environment: &dyn Fn(&str) -> Option<OsString>) {
        if let Some((host, _)) = self.variable(environment, "UDP_HOST", values::host) {
            self.config.udp.listen.set_ip(host);
        }
        self.port(environment, "UDP_PORT", Listen::Udp);
        self.port(environment, "RTMP_PORT", Listen::Rtmp);
        self.port(environment, "PORT", Listen::Http);
        self.port(environment, "HTTP_PORT", Listen::Http);
        self.port(environment, "STATS_PORT", Listen::Stat);
        if let Some((level, _)) = self.variable(environment, "LOG_LEVEL", values::level) {
            self.config.log.level = level;
        }
        self.password_hash(environment);
        self.server_and_key(environment);
        self.relay_target(environment);
    }

    /// Reads the arguments.
    pub(super) fn read_arguments(&mut self, arguments: &Arguments) {
        self.address("--udp", arguments.udp.as_deref(), Listen::Udp);
        self.address("--rtmp", arguments.rtmp.as_deref(), Listen::Rtmp);
        self.address("--http", arguments.http.as_deref(), Listen::Http);
        self.address("--stat", arguments.stat.as_deref(), Listen::Stat);
        if let Some(text) = arguments.log_level.as_deref() {
            match values::level(text) {
                Ok(level) => self.config.log.level = level,
                Err(expected) => self.fail(argument("--log-level", text), expected),
            }
        }
    }

    fn address(&mut self, name: &'static str, text: Option<&str>, which: Listen) {
        let Some(text) = text else { return };
        match values::listen(text) {
            Ok(address) => self.listen(which, address, argument(name, text)),
            Err(expected) => self.fail(argument(name, text), expected),
        }
    }

    fn port(
        &mut self,
        environment: &dyn Fn(&str) -> Option<OsString>,
        name: &'static str,
        which: Listen,
    ) {
        if let Some((port, origin)) = self.variable(environment, name, values::port) {
            let ip = self.listen_mut(which).ip();
            self.listen(which, SocketAddr::new(ip, port), origin);
        }
    }

    /// `HTTP_PASSWORD_HASH`, in the words of the file's `password_hash`.
    fn password_hash(&mut self, environment: &dyn Fn(&str) -> Option<OsString>) {
        let Some(hash) = self.raw(environment, "HTTP_PASSWORD_HASH") else { return };
        match values::password_hash(&hash.value) {
            Ok(hash) => self.config.http.password_hash = Some(hash),
            Err(expected) => self.fail(hash.hidden(), expected),
        }
    }

    /// `RTMP_SERVER` and `STREAM_KEY` make the first destination.
    fn server_and_key(&mut self, environment: &dyn Fn(&str) -> Option<OsString>) {
        let server = self.raw(environment, "RTMP_SERVER");
        let key = self.raw(environment, "STREAM_KEY");
        match (server, key) {
            (Some(server), Some(key)) => {
                let url = server.value.clone();
                match values::stream_key(&key.value) {
                    Ok(key) => self.drafts.insert(0, draft(url, server.hidden(), Some(key))),
                    Err(expected) => self.fail(key.hidden(), expected),
                }
            }
            (Some(server), None) => {
                self.fail(server.hidden(), "expected the stream key beside it, in STREAM_KEY");
            }
            (None, Some(key)) => {
                self.fail(key.hidden(), "expected the server beside it, in RTMP_SERVER");
            }
            (None, None) => {}
        }
    }

    /// `RELAY_TARGET` makes another: a whole URL, its last segment is the key.
    fn relay_target(&mut self, environment: &dyn Fn(&str) -> Option<OsString>) {
        if let Some(target) = self.raw(environment, "RELAY_TARGET") {
            let url = target.value.clone();
            self.drafts.push(draft(url, target.hidden(), None));
        }
    }

    fn variable<T>(
        &mut self,
        environment: &dyn Fn(&str) -> Option<OsString>,
        name: &'static str,
        parse: fn(&str) -> Parsed<T>,
    ) -> Option<(T, Origin)> {
        let Variable { value, origin } = self.raw(environment, name)?;
        match parse(&value) {
            Ok(parsed) => Some((parsed, origin)),
            Err(expected) => {
                self.fail(origin, expected);
                None
            }
        }
    }

    fn raw(
        &mut self,
        environment: &dyn Fn(&str) -> Option<OsString>,
        name: &'static str,
    ) -> Option<Variable> {
        let origin = |value| Origin { place: Place::Environment, key: name.to_owned(), value };
        match environment(name)?.into_string() {
            Ok(text) => {
                let value = text.trim().to_owned();
                let shown = Some(quoted(&value));
                (!value.is_empty()).then(|| Variable { value, origin: origin(shown) })
            }
            Err(_) => {
                self.fail(origin(None), "expected UTF-8 text");
                None
            }
        }
    }
}

fn argument(name: &'static str, text: &str) -> Origin {
    Origin { place: Place::Argument, key: name.to_owned(), value: Some(quoted(text)) }
}

fn draft(url: String, origin: Origin, key: Option<Secret>) -> DestinationDraft {
    DestinationDraft {
        whole: origin.clone(),
        name: None,
        url: Some((url, origin)),
        key,
        enabled: true,
    }
}
