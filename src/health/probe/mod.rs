//! `streamcaster probe`: how the program does, asked over loopback, in one line and an exit code.
//! Purpose: made for cron: bounded in time, quiet, safe to run twice at once; with `--recover` it
//! acts on what it finds ([`plan`]). Where the control plane does not answer, the data plane is asked
//! past it: a programme that goes on is not ended. Non-goals: starting the program, which is its supervisor's;
//! HTTPS. Bounds: one deadline over each request, a short file of memory.
//!
//! `judged` reads an answer of `/api/health`, `plan` decides, `recover` does it.

mod http;
mod judged;
mod plan;
mod recover;
mod restart;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use http::Target;
pub use judged::Outcome;

use crate::base::limits::PROBE_TIMEOUT_S_MAX;
use crate::net::plane_socket;
use crate::system::pid_file;
use crate::system::runtime;
use crate::system::store::{self, Links};
use judged::{Finding, Plane};

/// The file with what lets a probe ask, made anew by each start of the program.
const TOKEN: &str = "probe.token";
/// The data plane is never far from its next turn: a probe asks it behind its other question.
const PLANE_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest token read.
const TOKEN_BYTES_MAX: u64 = 256;

/// What a probe is told.
#[derive(Clone, Debug)]
pub struct Options {
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

/// What one of them said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When, seconds of the epoch.
    pub at_s: u64,
    /// The exit code.
    pub code: u8,
    /// The line.
    pub line: String,
}

/// What the last probe that may act and the last rotation said, by what they left in the folder of
/// remembered state. Waits for the disk.
pub fn said(state: &Path) -> (Option<Said>, Option<Said>) {
    recover::said(state)
}

/// Probes; prints nothing: the line is handed back.
pub fn run(options: &Options) -> (Outcome, String) {
    let asker = Asker::new(options);
    if options.rotate {
        return recover::rotate(&asker);
    }
    if options.recover || options.dry_run {
        return recover::run(&asker, options.dry_run);
    }
    let Finding { outcome, line, .. } = asker.health();
    (outcome, line)
}

/// Whom to ask, and how.
struct Asker {
    target: Option<Target>,
    state: PathBuf,
    logs: PathBuf,
    token: Option<String>,
    timeout: Duration,
    /// The operator has said where to ask: it need not be the program on this folder.
    is_elsewhere: bool,
}

impl Asker {
    fn new(options: &Options) -> Asker {
        let state = options.data.join("state");
        let said = || pid_file::address(&state).map(Target::at);
        let target = options.target.clone().or_else(said).or(options.configured.clone());
        let timeout = Duration::from_secs(options.timeout_s.clamp(1, PROBE_TIMEOUT_S_MAX));
        let token = runtime::token(&options.data).and_then(|path| token(&path));
        let token = token.or_else(|| self::token(&state.join(TOKEN)));
        let is_elsewhere = options.target.is_some();
        Asker { target, state, logs: options.data.join("logs"), token, timeout, is_elsewhere }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, Vec<u8>), String> {
        let Some(target) = &self.target else {
            return Err("the configuration cannot be read; say where with --url".to_owned());
        };
        let token = self.token.as_deref();
        http::ask(target, (method, path), body, token, self.timeout)
            .map_err(|error| error.to_string())
    }

    fn health(&self) -> Finding {
        let (finding, is_alive) = match self.ask("GET", "/api/health", "") {
            Ok((status, body)) => (judged::read(status, &body), judged::is_busy(status, &body)),
            Err(why) => (judged::silent(&why), false),
        };
        if finding.outcome != Outcome::Silent || self.is_elsewhere {
            return finding;
        }
        judged::past_control(finding, is_alive, self.plane())
    }

    fn plane(&self) -> Plane {
        let Some(process) = pid_file::running(&self.state).ok().flatten() else {
            return Plane::Absent;
        };
        match plane_socket::ask(process, self.timeout.min(PLANE_TIMEOUT)) {
            Ok(state) => Plane::Says(state),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Plane::Absent,
            Err(_) => Plane::Silent,
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
