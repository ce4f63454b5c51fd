//! The log: one [`log::Log`] for the whole program. Purpose: anybody who logs only formats a line into
//! a fixed ring in memory; one thread carries it from there to the console (through simple_logger)
//! and to the file. So the data plane never waits for a terminal or a disk: a writer that is behind
//! loses the oldest lines, counted. Times are UTC, whatever `TZ` says; secrets are scrubbed here as
//! the last defence. Non-goals: deciding what is said how often (`base::events`), structured logs.
//! Bounds: `LOG_LINES_MAX` lines of at most `LOG_LINE_BYTES_MAX` bytes.

mod file;
mod line;
mod ring;
mod rotated;

use std::io;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::PathBuf;
use std::sync::{mpsc, Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;

use self::file::{LineOutcome, LogFile};
use self::line::PreparedLine;
use self::ring::{LogJob, LogRing, Rotation};
use crate::base::limits::THREAD_STACK_BYTES;
use crate::base::time::Utc;
use crate::system::clock;

/// Time a rotation of the log that was asked for may take before it is told that it goes on.
const LOG_ROTATE_MS_MAX: u64 = 2_000;
/// Time the end of the program leaves the log to write its last lines.
const LOG_FLUSH_MS_MAX: u64 = 1000;
/// Name of the thread that writes.
const THREAD: &str = "log";
/// Own modules begin with this; of others only warnings and errors are of interest.
const OWN_MODULES: &str = "streamcaster";

/// Where the log goes besides the console.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Folder of `streamcaster.log` and the rotated files; created when first needed. `None`: no file.
    pub dir: Option<PathBuf>,
    /// Size at which the file is rotated, bytes.
    pub file_bytes: u64,
    /// Rotated files kept.
    pub files: usize,
}

/// Makes this the log of the process: console at standard error, and the file. A panic of any
/// thread is logged from now on, instead of printed beside the log.
///
/// # Errors
/// The thread cannot be started, or the process has a log already.
pub fn install(level: LevelFilter, options: LogOptions) -> io::Result<LogHandle> {
    let console = SimpleLogger::new().with_level(LevelFilter::Trace).with_utc_timestamps();
    let handle = start(Box::new(console), options)?;
    let logger =
        LOGGER.get_or_init(|| Logger { level: log::max_level, ring: Arc::clone(&handle.ring) });
    log::set_logger(logger).map_err(io::Error::other)?;
    log::set_max_level(level);
    panic::set_hook(Box::new(log_panic));
    Ok(handle)
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// What is worth a line from now on.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// The lines in memory, and the files' rotation. One without a log behind it is empty.
#[derive(Clone)]
pub struct LogBook(Arc<LogRing>);

impl Default for LogBook {
    fn default() -> LogBook {
        LogBook(Arc::new(LogRing::new()))
    }
}

impl LogBook {
    /// The lines after number `after`, oldest first, at most `most`; lines that are no longer kept
    /// are passed over. Without `after`, or with one that was never reached (it is from before
    /// this start), the newest `most`.
    pub fn since(&self, after: Option<u64>, most: usize) -> Vec<LogLine> {
        let lines = self.0.since(after, most).into_iter().map(|(number, line)| LogLine {
            number,
            time: line.time(),
            level: line.level(),
            target: line.target().to_owned(),
            text: line.message().to_owned(),
        });
        lines.collect()
    }

    /// The newest lines of at least this level, at most `lines`, oldest first. `target`: only what
    /// was said under this name.
    pub fn last(&self, lines: usize, level: LevelFilter, target: Option<&str>) -> Vec<String> {
        self.0.last(lines, |line| {
            line.level() <= level && target.is_none_or(|target| line.target() == target)
        })
    }

    /// Rotates the files now and removes all rotated files but the newest; the bytes that are free again.
    ///
    /// # Errors
    /// The disk's own; `TimedOut` when it takes longer than [`LOG_ROTATE_MS_MAX`].
    pub fn rotate(&self) -> io::Result<u64> {
        self.ask(true)
    }

    /// The day's rotation: begins a new file and packs the rotated files; the bytes that are free again.
    ///
    /// # Errors
    /// As [`rotate`](LogBook::rotate).
    pub fn begin_day(&self) -> io::Result<u64> {
        self.ask(false)
    }

    fn ask(&self, for_room: bool) -> io::Result<u64> {
        let (told, won) = mpsc::sync_channel(1);
        self.0.rotate(Rotation { for_room, told });
        let late = |_| {
            let words = "the disk has not answered yet; the rotation continues";
            Err(io::Error::new(io::ErrorKind::TimedOut, words))
        };
        won.recv_timeout(Duration::from_millis(LOG_ROTATE_MS_MAX)).unwrap_or_else(late)
    }

    /// A book with these lines that nobody writes down.
    #[cfg(test)]
    pub(crate) fn of(lines: &[(Level, &str, &str)]) -> LogBook {
        let ring = LogRing::new();
        for (level, target, words) in lines {
            ring.push(PreparedLine::new(
                crate::base::time::Utc(0),
                *level,
                target,
                format_args!("{words}"),
            ));
        }
        LogBook(Arc::new(ring))
    }
}

/// Keeps the log's thread. Dropping it writes what is left, within [`LOG_FLUSH_MS_MAX`].
pub struct LogHandle {
    ring: Arc<LogRing>,
    thread: Option<JoinHandle<()>>,
}

impl LogHandle {
    /// Waits until everything logged so far is written, at most `deadline`. Returns whether it is.
    pub fn flush(&self, deadline: Duration) -> bool {
        self.ring.flush(deadline)
    }

    /// For anybody who looks at the log.
    pub fn book(&self) -> LogBook {
        LogBook(Arc::clone(&self.ring))
    }

    /// The newest `lines` lines, oldest first.
    pub fn last(&self, lines: usize) -> Vec<String> {
        self.ring.last(lines, |_| true)
    }
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Counted from 1 since the start of the program.
    pub number: u64,
    /// When it was said.
    pub time: Utc,
    /// How grave it is.
    pub level: Level,
    /// Which part of the program speaks.
    pub target: String,
    /// What it says, without secrets and control characters.
    pub text: String,
}

impl Drop for LogHandle {
    fn drop(&mut self) {
        self.ring.close();
        // A thread that hangs in a write to a stopped terminal is left behind.
        if self.ring.flush(Duration::from_millis(LOG_FLUSH_MS_MAX)) {
            if let Some(thread) = self.thread.take() {
                // It catches the console's panics and has none of its own.
                let _ = thread.join();
            }
        }
    }
}

fn start(console: Box<dyn Log>, options: LogOptions) -> io::Result<LogHandle> {
    let ring = Arc::new(LogRing::new());
    let file = options.dir.map(|dir| LogFile::new(dir, options.file_bytes, options.files));
    let mut writer = Writer { ring: Arc::clone(&ring), console: Some(console), file };
    let thread = thread::Builder::new()
        .name(THREAD.to_owned())
        .stack_size(THREAD_STACK_BYTES)
        .spawn(move || writer.run())?;
    Ok(LogHandle { ring, thread: Some(thread) })
}

/// What the `log` macros call.
struct Logger {
    /// What is worth a line now.
    level: fn() -> LevelFilter,
    ring: Arc<LogRing>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= (self.level)()
    }

    fn log(&self, record: &Record<'_>) {
        let own = record.module_path().is_none_or(|path| path.starts_with(OWN_MODULES));
        if self.enabled(record.metadata()) && (own || record.level() <= Level::Warn) {
            let (level, target) = (record.level(), record.target());
            self.ring.push(PreparedLine::new(clock::utc(), level, target, *record.args()));
        }
    }

    fn flush(&self) {
        self.ring.flush(Duration::from_millis(LOG_FLUSH_MS_MAX));
    }
}

/// The log's thread.
struct Writer {
    ring: Arc<LogRing>,
    console: Option<Box<dyn Log>>,
    file: Option<LogFile>,
}

impl Writer {
    fn run(&mut self) {
        while let Some(job) = self.ring.next() {
            match job {
                LogJob::Write(lost, line) => {
                    if lost > 0 {
                        self.write(&own_line(Level::Warn, format_args!("… {lost} lines lost")));
                    }
                    self.write(&line);
                    self.ring.written();
                }
                LogJob::Rotate(Rotation { for_room, told }) => {
                    let rotate = if for_room { LogFile::make_room } else { LogFile::begin_day };
                    let won = self.file.as_mut().map_or(Ok(0), rotate);
                    // Who asked may have stopped waiting.
                    let _ = told.try_send(won);
                }
            }
        }
    }

    fn write(&mut self, line: &PreparedLine) {
        self.print(line);
        let Some(file) = &mut self.file else { return };
        let said = match file.append(&line.to_string(), clock::mono()) {
            LineOutcome::Written | LineOutcome::Lost => return,
            LineOutcome::Recovered { lost } => own_line(
                Level::Info,
                format_args!("the log file is written again; {lost} lines are missing in it"),
            ),
            LineOutcome::Failed(error) => own_line(
                Level::Warn,
                format_args!("the log file cannot be written: {error}; retrying"),
            ),
        };
        self.print(&said);
    }

    /// Prints a line. simple_logger puts the time of printing before it, and prints by `eprintln!`,
    /// which panics when nobody reads standard error any more: then the console is given up.
    fn print(&mut self, line: &PreparedLine) {
        let Some(console) = &self.console else { return };
        let printed = panic::catch_unwind(AssertUnwindSafe(|| {
            console.log(
                &Record::builder()
                    .level(line.level())
                    .target(line.target())
                    .args(format_args!("{}", line.message()))
                    .build(),
            );
        }));
        if printed.is_err() {
            self.console = None;
        }
    }
}

/// A line the log says about itself.
fn own_line(level: Level, message: std::fmt::Arguments<'_>) -> PreparedLine {
    PreparedLine::new(clock::utc(), level, THREAD, message)
}

/// The panic hook. The console's own panics are caught and mean only that nobody listens.
fn log_panic(info: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    if name == THREAD {
        return;
    }
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let payload = info.payload();
    let words = payload.downcast_ref::<&str>().copied();
    let words = words.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
    log::error!(target: "panic", "thread {name} panicked at {place}: {words}");
}

#[cfg(test)]
mod tests;
