//! The command line: `streamcaster run | probe | check | hash-password | version`, and the
//! appliance's `add-password | as | clock | name-servers | grow | update | rollback | confirm |
//! firmware`.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use argh::FromArgs;
use streamcaster::app::{self, AfterExit};
use streamcaster::appliance::firmware::slots::APPLIANCE;
use streamcaster::appliance::sandbox::{self, Plan, Restarts};
use streamcaster::appliance::verbs;
use streamcaster::base::budget::Budget;
use streamcaster::base::limits::{BLOCKING_THREADS_MAX, THREAD_STACK_BYTES};
use streamcaster::config::{self, Arguments, Config};
use streamcaster::control::BUILD;
use streamcaster::health::probe::{self, ProbeOptions, ProbeOutcome, Target};
use streamcaster::system::heap::CountedHeap;
use streamcaster::system::licences;
use streamcaster::system::logs::{self, LogOptions};
use streamcaster::system::password::{self, PasswordHash};
use streamcaster::system::{clock, memory, pid_file, terminal};

/// Time a probe waits for its answer, unless told otherwise.
const PROBE_TIMEOUT_S_DEFAULT: u64 = 5;

#[global_allocator]
static HEAP: CountedHeap = CountedHeap;

/// Turns MPEG-TS over UDP into one programme that never stops, and serves and pushes it over RTMP.
#[derive(FromArgs)]
struct CommandLine {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Verb {
    Run(RunCommand),
    Probe(Probe),
    Check(CheckCommand),
    HashPassword(HashPassword),
    AddPassword(verbs::AddPassword),
    Clock(verbs::ClockVerb),
    NameServers(verbs::NameServersVerb),
    Grow(verbs::Grow),
    Update(verbs::Update),
    Rollback(verbs::Rollback),
    Confirm(verbs::Confirm),
    Firmware(verbs::Firmware),
    As(verbs::As),
    Latest(verbs::latest::LatestVerb),
    Version(VersionCommand),
}

/// Run until SIGTERM or SIGINT.
#[derive(FromArgs)]
#[argh(subcommand, name = "run")]
struct RunCommand {
    /// the data directory (default: ./data)
    #[argh(option, default = "default_data()")]
    data: PathBuf,
    /// where MPEG-TS comes in, ADDRESS:PORT (default: [::]:1234)
    #[argh(option)]
    udp: Option<String>,
    /// where RTMP is served, ADDRESS:PORT (default: [::]:1935)
    #[argh(option)]
    rtmp: Option<String>,
    /// where the control page is served, ADDRESS:PORT (default: [::]:8080)
    #[argh(option)]
    http: Option<String>,
    /// where /stat is served, ADDRESS:PORT (default: [::]:8081)
    #[argh(option)]
    stat: Option<String>,
    /// off, error, warn, info, debug or trace (default: info)
    #[argh(option)]
    log_level: Option<String>,
    /// where the appliance's own services are met (default: /run/appliance)
    #[argh(option, default = "default_appliance()")]
    appliance: PathBuf,
    /// it is started again when it ends with 75: it never starts a program, itself included
    #[argh(switch)]
    supervised: bool,
}

/// Ask the running program how it does: prints one line, and exits 0 healthy, 1 degraded,
/// 2 unhealthy, 3 no answer. Made for cron.
#[derive(FromArgs)]
#[argh(subcommand, name = "probe")]
struct Probe {
    /// the data directory of the program (default: ./data)
    #[argh(option, default = "default_data()")]
    data: PathBuf,
    /// where its API is, http://ADDRESS:PORT (default: where it listens)
    #[argh(option)]
    url: Option<String>,
    /// seconds it may take to answer (default: 5)
    #[argh(option, default = "PROBE_TIMEOUT_S_DEFAULT")]
    timeout_s: u64,
    /// act: end it when it does not answer three times in a row, make room on the disk, begin dead
    /// inputs and destinations again
    #[argh(switch)]
    recover: bool,
    /// say what --recover would do, and do nothing
    #[argh(switch)]
    dry_run: bool,
    /// exit 0 when it is degraded as well: for a container's health check, which ends what fails it
    #[argh(switch)]
    unhealthy_only: bool,
    /// have the log rotated and the rotated files packed instead: once a day
    #[argh(switch)]
    rotate: bool,
}

/// Check the configuration and print the memory budget.
#[derive(FromArgs)]
#[argh(subcommand, name = "check")]
struct CheckCommand {
    /// the data directory (default: ./data)
    #[argh(option, default = "default_data()")]
    data: PathBuf,
}

/// Ask for a password and print the line for config.toml. Reads one line when it is piped in.
#[derive(FromArgs)]
#[argh(subcommand, name = "hash-password")]
struct HashPassword {}

/// Print the version.
#[derive(FromArgs)]
#[argh(subcommand, name = "version")]
struct VersionCommand {
    /// print what the appliance's image is made of, and the licence of each part
    #[argh(switch)]
    licences: bool,
}

impl VersionCommand {
    fn run(&self) -> ExitCode {
        if !self.licences {
            println!("streamcaster {} ({})", BUILD.version, BUILD.git);
            return ExitCode::SUCCESS;
        }
        let Some(packed) = licences::packed() else {
            eprintln!(
                "This program was not installed by an image, which brings the texts: its licence is \
                 MIT, those of its parts are in streamcaster.licences.gz beside the image."
            );
            return ExitCode::FAILURE;
        };
        // Somebody who reads the beginning of it closes the pipe.
        let _ = licences::unpack(&packed, &mut std::io::stdout());
        ExitCode::SUCCESS
    }
}

fn default_appliance() -> PathBuf {
    Path::new("/").join(APPLIANCE)
}

fn default_data() -> PathBuf {
    PathBuf::from("data")
}

/// Exit code of a configuration that is wrong (sysexits.h, EX_CONFIG).
const WRONG_CONFIGURATION: u8 = 78;
/// Exit code of one that is to be started again (sysexits.h, EX_TEMPFAIL).
const AGAIN: u8 = 75;
/// Time the log has to be written at the end.
const LOG_FLUSH: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    clock::mono();
    // Both are read once, when the first thread begins. The pool's own default is 500 threads;
    // a thread's own stack would be 2 MiB.
    std::env::set_var("BLOCKING_MAX_THREADS", BLOCKING_THREADS_MAX.to_string());
    std::env::set_var("RUST_MIN_STACK", THREAD_STACK_BYTES.to_string());
    match argh::from_env::<CommandLine>().verb {
        Verb::Run(run) => start(run),
        Verb::Probe(probe) => ask(probe),
        Verb::Check(check) => examine(&check.data),
        Verb::HashPassword(HashPassword {}) => hash_password(),
        Verb::AddPassword(password) => password.run(),
        Verb::Clock(clock) => clock.run(),
        Verb::NameServers(servers) => servers.run(),
        Verb::Grow(grow) => grow.run(),
        Verb::Update(update) => update.run(),
        Verb::Rollback(rollback) => rollback.run(),
        Verb::Confirm(confirm) => confirm.run(),
        Verb::Firmware(firmware) => firmware.run(),
        Verb::As(other) => other.run(),
        Verb::Latest(latest) => latest.run(),
        Verb::Version(version) => version.run(),
    }
}

fn start(run: RunCommand) -> ExitCode {
    let RunCommand { data, udp, rtmp, http, stat, log_level, appliance, supervised } = run;
    let is_appliance = appliance.is_dir();
    let arguments = Arguments { udp, rtmp, http, stat, log_level, is_appliance };
    let config = match load(&data, &arguments) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let restarts = if supervised { Restarts::BySupervisor } else { Restarts::InPlace };
    // Before the log's thread, which is the first.
    let in_force = Plan::of(&config, &data, &appliance, restarts).enter();
    let options = LogOptions {
        dir: Some(data.join("logs")),
        file_bytes: config.log.file_bytes,
        files: config.log.files,
    };
    let log = match logs::install(config.log.level, options) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("the log cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    log::info!("streamcaster {} ({}), data in {}", BUILD.version, BUILD.git, data.display());
    log::info!("sandbox: {in_force}");
    let environment = Box::new(|name: &str| std::env::var_os(name));
    let outcome = app::run(&config, &data, environment, arguments, log.book(), &appliance);
    if let Err(error) = &outcome {
        log::error!("{error}");
    }
    log.flush(LOG_FLUSH);
    match outcome {
        Ok(AfterExit::Stay) => ExitCode::SUCCESS,
        Ok(AfterExit::Restart) => {
            // What the log still holds is written before the process is another.
            drop(log);
            match restarts {
                Restarts::BySupervisor => ExitCode::from(AGAIN),
                Restarts::InPlace => begin_again(),
            }
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn ask(probe: Probe) -> ExitCode {
    let Probe { data, url, timeout_s, recover, dry_run, unhealthy_only, rotate } = probe;
    let target = match url.as_deref().map(Target::from_url).transpose() {
        Ok(target) => target,
        Err(why) => {
            eprintln!("--url: {why}");
            return ExitCode::from(WRONG_CONFIGURATION);
        }
    };
    // What is wrong with a configuration is the program's to tell.
    let read = config::load(&data, &|name| std::env::var_os(name), &Arguments::default());
    let configured = read.ok().map(|config| Target::at(pid_file::reachable(config.http.listen)));
    let options = ProbeOptions { data, target, configured, timeout_s, recover, dry_run, rotate };
    let (outcome, line) = probe::run(&options);
    // Nobody may read it, and then the exit code still counts.
    let _ = writeln!(std::io::stdout(), "{line}");
    match outcome {
        // A new start mends no destination and no encoder.
        ProbeOutcome::Degraded if unhealthy_only => ExitCode::SUCCESS,
        told => ExitCode::from(told.code()),
    }
}

/// Starts the program in this process's place, with the same arguments, environment and folder.
/// Only what cannot start comes back. It is the file that runs, whatever has its name by now: another
/// one the sandbox, which stays in force, does not let start.
fn begin_again() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "streamcaster".into());
    let mut command = Command::new("/proc/self/exe");
    let error = command.arg0(name).args(arguments).env(sandbox::KEPT, "1").exec();
    eprintln!("the program cannot restart: {error}");
    ExitCode::FAILURE
}

fn examine(data: &Path) -> ExitCode {
    let appliance = default_appliance();
    let arguments = Arguments { is_appliance: appliance.is_dir(), ..Arguments::default() };
    let config = match load(data, &arguments) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let file = data.join(config::FILE_NAME);
    let found = if file.exists() { "the configuration is valid" } else { "no file: the defaults" };
    println!("{}: {found}", file.display());
    if let Some(name) = &config.appliance.name {
        println!("name: {}", name.as_str());
    }
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    println!("page: {scheme}://{}", config.http.listen);
    println!(
        "password: {}",
        match config.http.password_hash {
            Some(_) => "set",
            None => "none: the page can be viewed from this machine only",
        }
    );
    println!("updates: {}", config.update.url.as_deref().unwrap_or("no server is asked"));
    println!();
    print!("{}", memory::table(&Budget::of(&app::demand(&config))));
    // On the appliance as its supervisor starts it.
    let restarts = if arguments.is_appliance { Restarts::BySupervisor } else { Restarts::InPlace };
    print!("\n{}", sandbox::table(&Plan::of(&config, data, &appliance, restarts)));
    ExitCode::SUCCESS
}

fn hash_password() -> ExitCode {
    let hash = terminal::new_password().and_then(|password| {
        password::fit(&password).map_err(|unfit| unfit.to_string())?;
        PasswordHash::of(&password).map_err(|why| why.to_string())
    });
    match hash {
        Ok(hash) => {
            eprintln!("Put this line into config.toml, under [http]:");
            println!("password_hash = \"{}\"", hash.secret().expose());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn load(data: &Path, arguments: &Arguments) -> Result<Config, ExitCode> {
    config::load(data, &|name| std::env::var_os(name), arguments).map_err(|errors| {
        eprintln!("{errors}");
        ExitCode::from(WRONG_CONFIGURATION)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::catalogue::SETTINGS;
    use config::{Kind, Value};

    #[test]
    fn the_help_of_run_tells_each_settings_argument_with_its_default() {
        let help = RunCommand::from_args(&["run"], &["--help"]).err().expect("its help").output;
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for setting in &SETTINGS {
            let Some(argument) = setting.argument else { continue };
            let (_, rest) = help.split_once(&format!(" {} ", argument.name)).expect(argument.name);
            let told = rest.split(" --").next().unwrap_or_default();
            let Value::Text(default) = setting.read(&Config::default()) else { panic!("no text") };
            assert!(told.contains(&format!("(default: {default})")), "{}: {told}", argument.name);
            if let Kind::Choice(choices) = setting.kind {
                assert!(choices.iter().all(|choice| told.contains(choice)), "{told}");
            }
        }
    }
}
