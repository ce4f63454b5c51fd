use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::Mutex;

use super::*;
use crate::base::limits::LOG_LINES_MAX;
use crate::base::redact::{register, Secret};

/// Long enough for the slowest machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of a test's own, removed at its end.
pub(super) struct TempDir(PathBuf);

impl TempDir {
    pub(super) fn new() -> TempDir {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("streamcaster-logs-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        TempDir(dir)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A console that remembers, and can be made to hang or to panic.
struct Console {
    printed: Arc<Mutex<Vec<String>>>,
    hangs: Option<Mutex<Receiver<()>>>,
    panics: bool,
}

impl Log for Console {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{} [{}] {}", record.level(), record.target(), record.args());
        self.printed.lock().unwrap().push(line);
        if let Some(hangs) = &self.hangs {
            let _ = hangs.lock().unwrap().recv();
        }
        assert!(!self.panics, "failed printing to stderr");
    }

    fn flush(&self) {}
}

struct Setup {
    logger: Logger,
    handle: LogHandle,
    printed: Arc<Mutex<Vec<String>>>,
}

fn setup(dir: Option<&Path>, hangs: Option<Receiver<()>>, panics: bool) -> Setup {
    let printed = Arc::new(Mutex::new(Vec::new()));
    let hangs = hangs.map(Mutex::new);
    let console = Console { printed: Arc::clone(&printed), hangs, panics };
    let options = LogOptions { dir: dir.map(Path::to_owned), file_bytes: 1 << 20, files: 1 };
    let handle = start(Box::new(console), options).unwrap();
    let logger = Logger { level: || LevelFilter::Info, ring: Arc::clone(&handle.ring) };
    Setup { logger, handle, printed }
}

impl Setup {
    fn say_as(&self, module: &str, level: Level, text: &str) {
        self.logger.log(
            &Record::builder()
                .level(level)
                .target(module)
                .module_path(Some(module))
                .args(format_args!("{text}"))
                .build(),
        );
    }

    fn say(&self, text: &str) {
        self.say_as("streamcaster::inputs::udp", Level::Info, text);
    }

    fn printed(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }
}

#[test]
fn a_line_reaches_console_file_and_memory_without_its_secrets() {
    register(&Secret::new("live_key_in_the_whole_log"));
    let dir = TempDir::new();
    let log = setup(Some(dir.path()), None, false);
    log.say("publishing live_key_in_the_whole_log\nnow");
    assert!(log.handle.flush(PATIENCE));
    assert_eq!(log.printed(), [r"INFO [inputs::udp] publishing ••••_log\nnow"]);
    let file = fs::read_to_string(dir.path().join("streamcaster.log")).unwrap();
    assert_eq!(log.handle.last(5), [file.trim_end()]);
    assert!(file.ends_with("Z INFO  [inputs::udp] publishing ••••_log\\nnow\n"), "{file}");
}

#[test]
fn levels_and_foreign_modules_are_filtered() {
    let log = setup(None, None, false);
    log.say_as("streamcaster::rtmp", Level::Debug, "too fine");
    log.say_as("polling::epoll", Level::Info, "foreign");
    log.say_as("polling::epoll", Level::Warn, "foreign but serious");
    assert!(log.handle.flush(PATIENCE));
    assert_eq!(log.printed(), ["WARN [polling::epoll] foreign but serious"]);
}

#[test]
fn a_console_that_panics_is_given_up_and_the_file_goes_on() {
    let dir = TempDir::new();
    let log = setup(Some(dir.path()), None, true);
    for number in 0..3 {
        log.say(&format!("line {number}"));
    }
    assert!(log.handle.flush(PATIENCE));
    assert_eq!(log.printed(), ["INFO [inputs::udp] line 0"]);
    let file = fs::read_to_string(dir.path().join("streamcaster.log")).unwrap();
    assert_eq!(file.lines().count(), 3);
}

#[test]
fn a_console_that_hangs_costs_the_oldest_lines_and_nobody_waits() {
    let (release, hangs): (SyncSender<()>, _) = sync_channel(0);
    let log = setup(None, Some(hangs), false);
    log.say("first");
    release.send(()).unwrap();
    assert!(log.handle.flush(PATIENCE), "the first line went through");
    for number in 0..LOG_LINES_MAX + 100 {
        log.say(&format!("line {number}"));
    }
    assert!(!log.handle.flush(Duration::from_millis(1)), "the console hangs");
    assert_eq!(log.handle.last(1000).len(), LOG_LINES_MAX);
    drop(release);
    assert!(log.handle.flush(PATIENCE));
    let printed = log.printed();
    // The writer holds a line or two of its own: it may have taken "line 0" before it was overwritten.
    let lost: u64 = printed
        .iter()
        .filter_map(|line| {
            line.strip_prefix("WARN [log] … ")?.strip_suffix(" lines lost")?.parse::<u64>().ok()
        })
        .sum();
    let lines = printed.iter().filter(|line| line.contains("] line ")).count() as u64;
    assert!((99..=100).contains(&lost), "{lost} lost");
    assert_eq!(lines + lost, LOG_LINES_MAX as u64 + 100);
    assert_eq!(printed.last().unwrap(), &format!("INFO [inputs::udp] line {}", LOG_LINES_MAX + 99));
}

#[test]
fn a_broken_disk_is_said_once_on_the_console() {
    let dir = TempDir::new();
    let blocker = dir.path().join("logs");
    fs::write(&blocker, "a file where the folder should be").unwrap();
    let log = setup(Some(&blocker), None, false);
    log.say("one");
    log.say("two");
    assert!(log.handle.flush(PATIENCE));
    let printed = log.printed();
    assert_eq!(printed.len(), 3, "{printed:?}");
    assert!(printed[1].starts_with("WARN [log] the log file cannot be written: "), "{printed:?}");
}

#[test]
fn the_end_writes_what_is_left() {
    let log = setup(None, None, false);
    for number in 0..50 {
        log.say(&format!("line {number}"));
    }
    let Setup { handle, printed, .. } = log;
    drop(handle);
    assert_eq!(printed.lock().unwrap().len(), 50);
}

#[test]
fn a_reader_goes_on_where_it_stopped() {
    let reader = LogBook::default();
    let push = |text: &str| {
        reader.0.push(PreparedLine::new(clock::utc(), Level::Info, "a", format_args!("{text}")));
    };
    let numbers = |after, most| {
        reader.since(after, most).iter().map(|line| line.number).collect::<Vec<u64>>()
    };
    assert!(reader.since(None, 9).is_empty());
    assert!(reader.since(Some(7), 9).is_empty());
    for text in ["one", "two", "three"] {
        push(text);
    }
    assert_eq!(numbers(Some(0), 9), [1, 2, 3]);
    assert_eq!(numbers(Some(1), 1), [2]);
    assert!(numbers(Some(3), 9).is_empty());
    assert_eq!(numbers(None, 2), [2, 3]);
    assert_eq!(numbers(Some(900), 2), [2, 3], "a number from before this start");
    assert_eq!(reader.since(Some(1), 1).first().map(|line| &*line.text), Some("two"));
    for _ in 0..LOG_LINES_MAX {
        push("more");
    }
    assert_eq!(numbers(Some(1), 1), [4], "what is gone is passed over");
}
