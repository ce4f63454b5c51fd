//! The command line: `streamcaster run | check | version`.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use argh::FromArgs;
use streamcaster::app::{self, Ending};
use streamcaster::base::budget::Budget;
use streamcaster::base::limits::{BLOCKING_THREADS_MAX, THREAD_STACK_BYTES};
use streamcaster::control::BUILD;
use streamcaster::system::config::{self, Arguments, Config};
use streamcaster::system::heap::CountedHeap;
use streamcaster::system::logs::{self, LogOptions};
use streamcaster::system::{clock, memory};

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
    Run(Run),
    Check(Check),
    Version(Version),
}

/// Run until SIGTERM or SIGINT.
#[derive(FromArgs)]
#[argh(subcommand, name = "run")]
struct Run {
    /// the data directory (default: ./data)
    #[argh(option, default = "default_data()")]
    data: PathBuf,
    /// where MPEG-TS comes in, ADDRESS:PORT (default: 0.0.0.0:1234)
    #[argh(option)]
    udp: Option<String>,
    /// where RTMP is served, ADDRESS:PORT (default: 0.0.0.0:1935)
    #[argh(option)]
    rtmp: Option<String>,
    /// where the control page is served, ADDRESS:PORT (default: 0.0.0.0:8080)
    #[argh(option)]
    http: Option<String>,
    /// where /stat is served, ADDRESS:PORT (default: 0.0.0.0:8081)
    #[argh(option)]
    stat: Option<String>,
    /// off, error, warn, info, debug or trace (default: info)
    #[argh(option)]
    log_level: Option<String>,
}

/// Check the configuration and print the memory budget.
#[derive(FromArgs)]
#[argh(subcommand, name = "check")]
struct Check {
    /// the data directory (default: ./data)
    #[argh(option, default = "default_data()")]
    data: PathBuf,
}

/// Print the version.
#[derive(FromArgs)]
#[argh(subcommand, name = "version")]
struct Version {}

fn default_data() -> PathBuf {
    PathBuf::from("data")
}

/// Exit code of a configuration that is wrong (sysexits.h, EX_CONFIG).
const WRONG_CONFIGURATION: u8 = 78;
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
        Verb::Check(check) => examine(&check.data),
        Verb::Version(Version {}) => {
            println!("streamcaster {} ({})", BUILD.version, BUILD.git);
            ExitCode::SUCCESS
        }
    }
}

fn start(run: Run) -> ExitCode {
    let Run { data, udp, rtmp, http, stat, log_level } = run;
    let arguments = Arguments { udp, rtmp, http, stat, log_level };
    let config = match load(&data, &arguments) {
        Ok(config) => config,
        Err(code) => return code,
    };
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
    let outcome = app::run(&config, &data, Box::new(|name| std::env::var_os(name)), arguments);
    if let Err(error) = &outcome {
        log::error!("{error}");
    }
    log.flush(LOG_FLUSH);
    match outcome {
        Ok(Ending::Stay) => ExitCode::SUCCESS,
        Ok(Ending::Restart) => {
            // What the log still holds is written before the process is another.
            drop(log);
            begin_anew()
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Starts the program in this process's place, with the same arguments, environment and folder.
/// Only what cannot start comes back.
fn begin_anew() -> ExitCode {
    let own = Path::new("/proc/self/exe");
    // Under its own name where it still has one: an update may have put another in its place.
    let program = std::fs::read_link(own).ok().filter(|path| path.exists());
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "streamcaster".into());
    let mut command = Command::new(program.as_deref().unwrap_or(own));
    let error = command.arg0(name).args(arguments).exec();
    eprintln!("the program cannot begin anew: {error}");
    ExitCode::FAILURE
}

fn examine(data: &Path) -> ExitCode {
    let config = match load(data, &Arguments::default()) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let file = data.join(config::FILE_NAME);
    let found = if file.exists() { "the configuration is valid" } else { "no file: the defaults" };
    println!("{}: {found}", file.display());
    println!();
    print!("{}", memory::table(&Budget::of(&app::demand(&config))));
    ExitCode::SUCCESS
}

fn load(data: &Path, arguments: &Arguments) -> Result<Config, ExitCode> {
    config::load(data, &|name| std::env::var_os(name), arguments).map_err(|errors| {
        eprintln!("{errors}");
        ExitCode::from(WRONG_CONFIGURATION)
    })
}
