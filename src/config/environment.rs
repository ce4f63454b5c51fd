//! The environment and the command line over it. The names are those of the program this one
//! replaces (azumag/streamcaster), so that its deployments go on working. `TZ` is not among them:
//! log times are UTC.

use std::ffi::OsString;
use std::net::SocketAddr;

use super::arguments::Arguments;
use super::build::Build;
use super::catalogue::SETTINGS;
use super::drafts::DestinationDraft;
use super::errors::{quoted, Origin, Place};
use super::model::OnWarning;
use super::reconnect::Reconnect;
use super::setting::{Argument, Setting, Variable};
use super::value::Value;
use super::values::{self, Parsed};
use crate::base::redact::Secret;

/// A variable that has a value.
struct Said {
    value: String,
    /// With the value in its words; not for secrets.
    origin: Origin,
}

impl Said {
    /// Where it was said, without the value.
    fn hidden(self) -> Origin {
        Origin { value: None, ..self.origin }
    }
}

impl Build {
    /// Reads the variables; an empty one counts as absent.
    pub(super) fn read_environment(&mut self, environment: &dyn Fn(&str) -> Option<OsString>) {
        for setting in &SETTINGS {
            for variable in setting.environment {
                if let Some(said) = self.raw(environment, variable.name()) {
                    self.variable(setting, *variable, said);
                }
            }
        }
        self.server_and_key(environment);
        self.relay_target(environment);
    }

    fn variable(&mut self, setting: &'static Setting, variable: Variable, said: Said) {
        match whole(variable, &said.value, &setting.read(&self.config)) {
            Ok(value) => setting.take(self, &value, said.origin),
            Err(expected) => self.fail(said.origin, expected),
        }
    }

    /// Reads the arguments.
    pub(super) fn read_arguments(&mut self, arguments: &Arguments) {
        for setting in &SETTINGS {
            let Some(Argument { name, given }) = setting.argument else { continue };
            let Some(text) = given(arguments) else { continue };
            let (key, value) = (name.to_owned(), Some(quoted(text)));
            let origin = Origin { place: Place::Argument, key, value };
            setting.take(self, &Value::Text(text.to_owned()), origin);
        }
    }

    /// `RTMP_SERVER` and `STREAM_KEY` make the first destination.
    fn server_and_key(&mut self, environment: &dyn Fn(&str) -> Option<OsString>) {
        let server = self.raw(environment, "RTMP_SERVER");
        let key = self.raw(environment, "STREAM_KEY");
        match (server, key) {
            (Some(server), Some(key)) => {
                let url = server.value.clone();
                match values::destination_key(&key.value) {
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

    fn raw(
        &mut self,
        environment: &dyn Fn(&str) -> Option<OsString>,
        name: &'static str,
    ) -> Option<Said> {
        let origin = |value| Origin { place: Place::Environment, key: name.to_owned(), value };
        match environment(name)?.into_string() {
            Ok(text) => {
                let value = text.trim().to_owned();
                let shown = Some(quoted(&value));
                (!value.is_empty()).then(|| Said { value, origin: origin(shown) })
            }
            Err(_) => {
                self.fail(origin(None), "expected UTF-8 text");
                None
            }
        }
    }
}

/// What a setting is by a variable: where that says a part of an address, the rest is as it was.
fn whole(variable: Variable, text: &str, was: &Value) -> Parsed<Value> {
    let was = was.text().ok().and_then(|was| was.parse::<SocketAddr>().ok());
    Ok(Value::Text(match (variable, was) {
        (Variable::Host(_), Some(was)) => {
            SocketAddr::new(values::host(text)?, was.port()).to_string()
        }
        (Variable::Port(_), Some(was)) => {
            SocketAddr::new(was.ip(), values::port(text)?).to_string()
        }
        _ => text.to_owned(),
    }))
}

fn draft(url: String, origin: Origin, key: Option<Secret>) -> DestinationDraft {
    DestinationDraft {
        whole: origin.clone(),
        name: None,
        url: Some((url, origin)),
        backup_url: None,
        key,
        reconnect: Reconnect::default(),
        enabled: true,
        on_warning: OnWarning::default(),
    }
}
