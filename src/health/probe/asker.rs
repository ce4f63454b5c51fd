//! How the program is asked: over loopback with the probe's token, and past the control plane where that
//! does not answer. Bound: one deadline over each request.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::http::{self, Target};
use super::judged::{self, Finding, PlaneAnswer, ProbeOutcome};
use crate::net::plane_socket;
use crate::system::pid_file;
use crate::system::runtime;
use crate::system::store::{self, Links};

/// The longest a probe may be told to wait for its answer.
const PROBE_TIMEOUT_S_MAX: u64 = 60;
/// The file with what lets a probe ask, made again by each start of the program.
const TOKEN: &str = "probe.token";
/// The data plane is never far from its next turn: a probe asks it behind its other question.
const PLANE_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest token read.
const TOKEN_BYTES_MAX: u64 = 256;

/// What a probe is told.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// The data folder of the program that is asked.
    pub data: PathBuf,
    /// Where it is asked; `None`: where it says it listens, or else at `configured`.
    pub target: Option<Target>,
    /// Where the configuration says it listens.
    pub configured: Option<Target>,
    /// Seconds each request may take.
    pub timeout_s: u64,
    /// Act on what is found.
    pub recover: bool,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// Do the day's rotation of the log instead.
    pub rotate: bool,
}

/// Whom to ask, and how.
pub(super) struct Asker {
    target: Option<Target>,
    pub(super) state: PathBuf,
    pub(super) logs: PathBuf,
    token: Option<String>,
    timeout: Duration,
    /// The operator has said where to ask: it need not be the program on this folder.
    is_elsewhere: bool,
}

impl Asker {
    pub(super) fn new(options: &ProbeOptions) -> Asker {
        let state = options.data.join("state");
        let said = || pid_file::address(&state).map(Target::at);
        let target = options.target.clone().or_else(said).or(options.configured.clone());
        let timeout = Duration::from_secs(options.timeout_s.clamp(1, PROBE_TIMEOUT_S_MAX));
        let token = runtime::token(&options.data).and_then(|path| token(&path));
        let token = token.or_else(|| self::token(&state.join(TOKEN)));
        let is_elsewhere = options.target.is_some();
        Asker { target, state, logs: options.data.join("logs"), token, timeout, is_elsewhere }
    }

    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<(u16, Vec<u8>), String> {
        let Some(target) = &self.target else {
            return Err("the configuration cannot be read; give the program's address with \
                        --url"
                .to_owned());
        };
        let token = self.token.as_deref();
        http::ask(target, (method, path), body, token, self.timeout)
            .map_err(|error| error.to_string())
    }

    pub(super) fn health(&self) -> Finding {
        let (finding, is_alive) = match self.ask("GET", "/api/health", "") {
            Ok((status, body)) => (judged::read(status, &body), judged::is_busy(status, &body)),
            Err(why) => (judged::silent(&why), false),
        };
        if finding.outcome != ProbeOutcome::Silent || self.is_elsewhere {
            return finding;
        }
        judged::past_control(finding, is_alive, self.plane())
    }

    fn plane(&self) -> PlaneAnswer {
        let Some(process) = pid_file::running(&self.state).ok().flatten() else {
            return PlaneAnswer::Absent;
        };
        match plane_socket::ask(process, self.timeout.min(PLANE_TIMEOUT)) {
            Ok(state) => PlaneAnswer::Says(state),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => PlaneAnswer::Absent,
            Err(_) => PlaneAnswer::Silent,
        }
    }
}

fn token(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = store::open(path, Links::Refused).ok()?;
    file.take(TOKEN_BYTES_MAX).read_to_string(&mut text).ok()?;
    let token = text.trim();
    let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then(|| token.to_owned())
}
