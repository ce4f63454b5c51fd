//! The verbs of the appliance: `streamcaster add-password | as | clock | name-servers | grow | update |
//! rollback | confirm | firmware`.
//! Purpose: what a root shell and the system's own scripts say to its clock, its disk and its two
//! slots. Non-goals: how it is done, which is `system`'s. Bound: an update is never held in memory:
//! it goes through a piece at a time, from the file or the network to the daemon.

pub mod latest;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::appliance::firmware::daemon::{Daemon, Hands};
use crate::appliance::firmware::environment;
use crate::appliance::firmware::orders::{self, FirmwareAnswer, FirmwareOrder, SOCKET};
use crate::appliance::firmware::slots::Places;
use crate::appliance::firmware::socket::is_root;
use crate::appliance::sandbox::Plan;
use crate::appliance::{grow, name_servers, ntp, rights};
use crate::base::limits::{CONFIG_BYTES_MAX, FIRMWARE_ORDER_MS_MAX, PASSWORD_HASH_TEXT_BYTES_MAX};
use crate::config::settings;
use crate::config::{self, Arguments};
use crate::system::logs::{self, LogOptions};
use argh::FromArgs;

/// A connection to where an update comes from.
const DOWNLOAD_CONNECT_MS_MAX: u64 = 15_000;
/// Its first answer, and any piece of it.
const DOWNLOAD_SILENCE_MS_MAX: u64 = 30_000;
/// Redirects followed.
const DOWNLOAD_REDIRECTS_MAX: u32 = 5;
/// Pause between two lines about how far an update is.
const PROGRESS: Duration = Duration::from_secs(1);

/// Give a configuration that has no password one: standard input is a line with its hash, then the
/// configuration, which is printed with it. Made for the appliance's first start.
#[derive(FromArgs)]
#[argh(subcommand, name = "add-password")]
pub struct AddPassword {
    /// the data directory that the configuration is, or is to be, in
    #[argh(option)]
    data: PathBuf,
    /// only tell whether the one that is there has none: exit code 0 if so
    #[argh(switch)]
    ask: bool,
}

/// Set the machine's clock by a time server, when it is off by more than a tenth of a second.
#[derive(FromArgs)]
#[argh(subcommand, name = "clock")]
pub struct ClockVerb {
    /// the time server, HOST or HOST:PORT
    #[argh(option)]
    server: String,
    /// say how far it is off, and do nothing
    #[argh(switch)]
    dry_run: bool,
}

/// Print the DNS servers that routers advertise by IPv6: a record at once, and one for each change. Made
/// for the appliance's network; needs no rights.
#[derive(FromArgs)]
#[argh(subcommand, name = "name-servers")]
pub struct NameServersVerb {}

/// Let the appliance's data partition, or the file system on it, take the disk's whole size.
#[derive(FromArgs)]
#[argh(subcommand, name = "grow")]
pub struct Grow {
    /// the disk whose partition table is to change; nothing of it may be mounted
    #[argh(option)]
    table: Option<PathBuf>,
    /// where the file system is mounted
    #[argh(option)]
    filesystem: Option<PathBuf>,
}

/// Install an update into the slot that does not run, and start it. On the appliance, as root.
#[derive(FromArgs)]
#[argh(subcommand, name = "update")]
pub struct Update {
    /// streamcaster.update, as a file or as http://… or https://…
    #[argh(positional)]
    from: String,
    /// take one that is older than what runs
    #[argh(switch)]
    allow_downgrade: bool,
    /// take a debug system, whose console gives everybody a root shell, where what runs is none
    #[argh(switch)]
    allow_debug: bool,
}

/// Start the system that ran before the last update. On the appliance, as root.
#[derive(FromArgs)]
#[argh(subcommand, name = "rollback")]
pub struct Rollback {}

/// Tell the boot loader that the system that runs is good. Made for the appliance's guard.
#[derive(FromArgs)]
#[argh(subcommand, name = "confirm")]
pub struct Confirm {
    /// only tell whether it is on trial and there is another to fall back to: exit code 0 if so
    #[argh(switch)]
    ask: bool,
}

/// Carry out updates and rollbacks that the programme orders. Made for the appliance's init.
#[derive(FromArgs)]
#[argh(subcommand, name = "firmware")]
pub struct Firmware {}

impl AddPassword {
    /// Prints the configuration, or fails where it is wrong or has a password.
    pub fn run(self) -> ExitCode {
        let environment = |name: &str| std::env::var_os(name);
        if self.ask {
            let read = config::load(&self.data, &environment, &Arguments::default());
            let has_none = read.is_ok_and(|config| config.http.password_hash.is_none());
            return ExitCode::from(u8::from(!has_none));
        }
        let mut text = String::new();
        let bytes_max = CONFIG_BYTES_MAX + PASSWORD_HASH_TEXT_BYTES_MAX as u64;
        let read = io::stdin().take(bytes_max).read_to_string(&mut text);
        let added = read.map_err(|error| error.to_string()).and_then(|_| {
            let (hash, config) = text.split_once('\n').ok_or("no line with a hash was given")?;
            let path = self.data.join(config::FILE_NAME);
            settings::with_password_hash(&path, config, hash, &environment)
                .map_err(|why| why.to_string())
        });
        // What it prints is a file's content: without a line end of its own.
        match added.map(|config| io::stdout().write_all(config.as_bytes())) {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(error)) => told(Err(error.to_string())),
            Err(why) => told(Err(why)),
        }
    }
}

/// Start a program as another user, without any capability but those named. Made for the
/// appliance's own scripts, which are root.
#[derive(FromArgs)]
#[argh(subcommand, name = "as")]
pub struct As {
    /// what it keeps: net_bind_service, net_raw, sys_time, with commas between
    #[argh(option, default = "String::new()")]
    keep: String,
    /// the user
    #[argh(positional)]
    user: String,
    /// the program, and what it is told
    #[argh(positional, greedy)]
    program: Vec<String>,
}

impl As {
    /// Becomes the program.
    pub fn run(self) -> ExitCode {
        let keep = rights::capabilities(&self.keep);
        told(
            keep.and_then(|keep| rights::become_program(&self.user, keep, &self.program))
                .map(|()| None),
        )
    }
}

impl ClockVerb {
    /// Asks the server. What it answers is read without the rights to do anything but set the clock.
    pub fn run(self) -> ExitCode {
        Plan::of_clock().enter();
        told(ntp::set(&self.server, self.dry_run).map(Some))
    }
}

impl NameServersVerb {
    /// Listens for good.
    pub fn run(self) -> ExitCode {
        told(name_servers::listen(&mut io::stdout()).map(|()| None).map_err(|why| why.to_string()))
    }
}

impl Grow {
    /// Grows the one or the other.
    pub fn run(self) -> ExitCode {
        match (self.table, self.filesystem) {
            (Some(disk), None) => told(grow::table(&disk)),
            (None, Some(folder)) => told(grow::filesystem(&folder)),
            _ => told(Err("grow needs either --table or --filesystem".to_owned())),
        }
    }
}

impl Update {
    /// Installs it; what it says goes to standard output.
    pub fn run(self) -> ExitCode {
        let source = if self.from.starts_with("http://") || self.from.starts_with("https://") {
            download(&self.from).map_err(|why| format!("{}: {why}", self.from))
        } else {
            open(&self.from)
        };
        ended(source.and_then(|(bytes, body)| {
            let (allow_downgrade, allow_debug) = (self.allow_downgrade, self.allow_debug);
            let order = FirmwareOrder::Install { bytes, allow_downgrade, allow_debug };
            let mut told: Option<Instant> = None;
            ask(order, body, &mut |answer| match answer {
                FirmwareAnswer::Writing { bytes, of, .. } => {
                    if told.is_none_or(|told| told.elapsed() >= PROGRESS) {
                        told = Some(Instant::now());
                        let percent = bytes.saturating_mul(100) / (*of).max(1);
                        println!("{percent:3} %: {bytes} of {of} bytes");
                    }
                }
                FirmwareAnswer::Step { progress } => println!("{progress}"),
                FirmwareAnswer::Done { .. }
                | FirmwareAnswer::Error { .. }
                | FirmwareAnswer::Taken { .. } => {}
            })
        }))
    }
}

impl Rollback {
    /// Starts the other system.
    pub fn run(self) -> ExitCode {
        ended(ask(FirmwareOrder::Rollback, Box::new(io::empty()), &mut |_| ()))
    }
}

impl Confirm {
    /// Confirms; a machine without slots has nothing to confirm.
    pub fn run(self) -> ExitCode {
        let places = Places::of_the_machine();
        let (Some(running), Some(partitions)) = (places.running(), places.partitions()) else {
            return ExitCode::from(u8::from(self.ask));
        };
        let environment = &partitions.environment;
        if self.ask {
            let is_on_trial = environment::read(environment).is_ok_and(|variables| {
                variables.on_trial() == Some(running) && variables.tries(running.other()) > 0
            });
            return ExitCode::from(u8::from(!is_on_trial));
        }
        match environment::change(environment, |variables| variables.confirm(running)) {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    }
}

impl Firmware {
    /// Listens for good.
    pub fn run(self) -> ExitCode {
        let options = LogOptions { dir: None, file_bytes: 0, files: 0 };
        let log = logs::install(log::LevelFilter::Info, options);
        if let Err(error) = &log {
            eprintln!("the log cannot be started: {error}");
        }
        let restart = || match Command::new("reboot").status() {
            Ok(status) if status.success() => {}
            outcome => log::error!("the machine cannot be restarted: {outcome:?}"),
        };
        let (restart, is_on_air) = (Box::new(restart), Box::new(is_on_air));
        let hands = Hands { restart, is_root, is_on_air };
        let daemon = Daemon::new(Places::of_the_machine(), hands);
        let Err(why) = daemon.and_then(|daemon| daemon.serve().map_err(|error| error.to_string()))
        else {
            return ExitCode::SUCCESS;
        };
        eprintln!("firmware: {why}");
        ExitCode::FAILURE
    }
}

/// Whether the programme is on air, by a probe that has the programme's rights and no more: what it
/// reads below `/data` that user may have made up, a link or a pipe among it. As in the scripts'
/// `as_user`.
fn is_on_air() -> bool {
    let mut probe = Command::new("timeout");
    probe.args(["-k", "1", "5", "setpriv", "--nnp", "su", "-s", "/bin/sh", "streamcaster", "-c"]);
    probe.arg("exec streamcaster probe --data /data --timeout-s 2 --unhealthy-only");
    probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Says what was done, or why nothing was.
pub(crate) fn told(outcome: Result<Option<String>, String>) -> ExitCode {
    match outcome {
        Ok(line) => {
            // Nobody may read it, and then the exit code still counts.
            let _ = line.map(|line| writeln!(std::io::stdout(), "{line}"));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn ended(outcome: Result<FirmwareAnswer, String>) -> ExitCode {
    match outcome {
        Ok(FirmwareAnswer::Done { done, version, revision, slot }) => {
            println!("{done}: {version} ({revision}) in slot {}", slot.letter());
            println!("The machine restarts now.");
            ExitCode::SUCCESS
        }
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn ask(
    order: FirmwareOrder,
    body: Box<dyn Read + Send>,
    hear: &mut dyn FnMut(&FirmwareAnswer),
) -> Result<FirmwareAnswer, String> {
    let socket = Places::of_the_machine().appliance(SOCKET);
    if !socket.exists() {
        return Err("this is not the appliance, or its firmware daemon is not running".to_owned());
    }
    orders::order(&socket, order, body, hear)
}

pub(crate) type Package = (u64, Box<dyn Read + Send>);

fn open(path: &str) -> Result<Package, String> {
    let failed = |error: io::Error| format!("{path}: {error}");
    let file = File::open(PathBuf::from(path)).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    Ok((bytes, Box::new(file)))
}

/// Asks for it; it comes as it is read. Why not, without the address, which the caller knows. By the signature it does not matter who answers.
pub(crate) fn download(url: &str) -> Result<Package, String> {
    let ms = |ms| Some(Duration::from_millis(ms));
    let agent = ureq::Agent::config_builder()
        .timeout_resolve(ms(DOWNLOAD_CONNECT_MS_MAX))
        .timeout_connect(ms(DOWNLOAD_CONNECT_MS_MAX))
        .timeout_recv_response(ms(DOWNLOAD_SILENCE_MS_MAX))
        .timeout_per_read(ms(DOWNLOAD_SILENCE_MS_MAX))
        .timeout_global(ms(FIRMWARE_ORDER_MS_MAX))
        .max_redirects(DOWNLOAD_REDIRECTS_MAX)
        .build()
        .new_agent();
    let answer = agent.get(url).call().map_err(|error| match error {
        ureq::Error::StatusCode(code) => {
            format!(
                "the server answered with status {code}: the file does not exist, or is not \
                     accessible"
            )
        }
        ureq::Error::Timeout(_) => "the server did not answer in time".to_owned(),
        other => format!("the server cannot be reached: {other}"),
    })?;
    let body = answer.into_body();
    let bytes = body.content_length();
    let bytes = bytes.ok_or("the server's answer has no Content-Length")?;
    Ok((bytes, Box::new(body.into_reader())))
}

/// In a person's words: why an answer that began did not come whole.
pub(crate) fn broken_off(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    match inner {
        Some(ureq::Error::Timeout(_)) => {
            "the server stopped in the middle of its answer".to_owned()
        }
        _ => "the server closed the connection in the middle of its answer".to_owned(),
    }
}
