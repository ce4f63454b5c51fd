//! The program on a small disk of its own, its source, its viewer, its destination, and someone
//! who reads the configuration file all day.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use streamcaster::base::limits::THREADS_MAX;

use crate::child::output_of;
use crate::clips::{Clip, Recipe, PLAIN};
use crate::frames::{longest_step_ms, one_run, only_grows};
use crate::nginx::Nginx;
use crate::operator::{cookie, Operator, PASSWORD, SECRETS, STREAM_KEY};
use crate::player::Player;
use crate::program::{number, text, Program};
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

/// What uploads leave free, and some more.
const DISK_MIB: u32 = 96;
const SOURCE: Recipe = Recipe { name: "bad-day.ts", seconds: 240, ..PLAIN };
/// What may come on top of the heap of the morning: lists that were looked at, sessions.
const HEAP_GROWTH_MAX: u64 = 3 << 20;
/// What may come on top of the descriptors of the morning: the standby file, a log that rotates.
const FILES_GROWTH_MAX: usize = 4;

/// All of it.
pub struct Stage {
    /// The program.
    pub program: Program,
    /// Who may.
    pub operator: Operator,
    nginx: Nginx,
    player: Player,
    sender: Sender,
    clip: Clip,
    reader: Reader,
    morning: Morning,
}

/// How much there was when the day began.
#[derive(Clone, Copy, Debug)]
struct Morning {
    heap: u64,
    files: usize,
}

impl Stage {
    /// Starts all of it.
    pub fn start() -> Stage {
        let clip = Clip::of(SOURCE);
        let nginx = Nginx::start();
        let program = Program::start_on_disk(DISK_MIB);
        let mut operator = Operator { http: program.http, cookie: String::new() };
        let code = fs::read_to_string(program.on_disk("state/page.code")).expect("the page's code");
        let entered = format!("{{\"code\":\"{}\"}}", code.trim());
        operator.cookie = cookie(&operator.ask("POST", "/api/login", entered));
        let set = operator.ask("POST", "/api/password", format!("{{\"new\":\"{PASSWORD}\"}}"));
        assert_eq!(set.status, 200, "{set:?}");
        let url = nginx.url();
        let added = format!(r#"{{"name":"nginx","url":"{url}","key":"{STREAM_KEY}"}}"#);
        operator.does("POST", "/api/destinations", &added);
        let sender = Sender::start(Schedule::of(&clip.path), program.udp);
        let ready = || {
            let status = operator.get("/api/status");
            text(&status, "/current_video_source") == "udp"
                && text(&status, "/destinations/0/state") == "live"
        };
        assert!(wait::holds(seconds(20), ready), "{}", program.printed());
        let player = Player::start(program.rtmp, "stream");
        assert!(wait::holds(seconds(10), || player.video_frames() > 50), "{}", program.printed());
        let morning = Morning { heap: heap(&operator, "used"), files: files(&program) };
        let reader = Reader::start(program.on_disk("config.toml"));
        Stage { program, operator, nginx, player, sender, clip, reader, morning }
    }

    /// Asserts that the programme is well; `what` has just happened.
    pub fn check(&mut self, what: &str) {
        self.program.assert_well();
        assert_eq!(self.player.look(|seen| seen.end.clone()), None, "after {what}");
        let before = self.player.video_frames();
        let goes_on = wait::holds(seconds(5), || self.player.video_frames() > before + 5);
        assert!(goes_on, "the programme stands still after {what}:\n{}", self.program.printed());
        let status = self.operator.get("/api/status");
        assert_eq!(text(&status, "/current_video_source"), "udp", "after {what}: {status:#}");
        assert_eq!(number(&status, "/rtmp/skips"), 0, "after {what}: {status:#}");
        let pushed = status["destinations"].as_array().expect("a list");
        let nginx = pushed.iter().find(|each| each["name"] == "nginx").expect("it is there");
        let pushed = (text(nginx, "/state"), number(nginx, "/sessions"));
        assert_eq!(pushed, ("live".to_owned(), 1), "after {what}: {status:#}");
        let (peak, limit) = (heap(&self.operator, "peak"), heap(&self.operator, "limit"));
        assert!(peak < limit * 7 / 8, "after {what}: {peak} of {limit} bytes of heap");
        let threads = threads(&self.program);
        assert!(threads <= THREADS_MAX, "after {what}: {threads} threads");
        println!("after {what}: heap peak {peak} of {limit}, {threads} threads");
    }

    /// The configuration file's text.
    pub fn config(&self) -> String {
        fs::read_to_string(self.program.on_disk("config.toml")).expect("the file")
    }

    /// Puts another configuration in place, as an editor that renames does.
    pub fn edit(&self, text: &str) {
        let draft = self.program.on_disk("config.toml.draft");
        fs::write(&draft, text).expect("written");
        fs::rename(draft, self.program.on_disk("config.toml")).expect("renamed");
    }

    /// Makes the program's disk one that cannot be written to, or undoes that. Its log is open
    /// for writing, so that the disk itself stays as it is and a read-only view lies over it.
    pub fn lock_disk(&self, lock: bool) {
        let script = match lock {
            true => "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"",
            false => "umount --lazy \"$1\"",
        };
        let mut mount = Command::new("nsenter");
        mount.args(["--target", &self.program.pid().to_string()]);
        mount.args(["--user", "--mount", "--preserve-credentials", "/bin/sh", "-c", script, "sh"]);
        mount.arg(self.program.folder().file("data"));
        let (well, told) = output_of(&mut mount);
        assert!(well, "{script}: {told}");
    }

    /// Asserts that the day leaves nothing behind and that nobody missed anything.
    pub fn end(mut self) {
        let used = || heap(&self.operator, "used");
        let Morning { heap: before, files: open } = self.morning;
        let gone = wait::holds(seconds(40), || used() < before + HEAP_GROWTH_MAX);
        assert!(gone, "{before} bytes of heap in the morning, {} in the evening", used());
        let closed = wait::holds(seconds(20), || files(&self.program) <= open + FILES_GROWTH_MAX);
        assert!(closed, "{open} descriptors in the morning, {} now", files(&self.program));
        self.check("the day");
        let read = self.reader.stop();
        assert!(read > 100, "the file was read only {read} times");
        let logs = self.operator.get("/api/logs?lines=500").to_string();
        let mut places = vec![("the log", logs), ("its words", self.program.printed())];
        let log = fs::read(self.program.on_disk("logs/streamcaster.log")).unwrap_or_default();
        places.push(("the log's file", String::from_utf8_lossy(&log).into_owned()));
        for (place, text) in places {
            for secret in SECRETS {
                assert!(!text.contains(secret), "{place} shows {secret}");
            }
        }
        self.sender.stop();
        let seen = self.player.stop().frames;
        let ended = self.program.terminate(seconds(10));
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
        let frames = seen.video.len();
        let run = one_run("the viewer", &seen.video, &self.clip.frames.video, frames * 9 / 10);
        println!("the viewer saw {frames} frames, {run:?}");
        let recordings = self.nginx.recordings();
        let [pushed] = recordings.as_slice() else { panic!("{} pushes", recordings.len()) };
        one_run("nginx", &pushed.video, &self.clip.frames.video, frames * 9 / 10);
        for (who, received) in [("the viewer", &seen), ("nginx", pushed)] {
            only_grows(&format!("{who}'s video"), &received.video);
            only_grows(&format!("{who}'s audio"), &received.audio);
            let step = longest_step_ms(&received.video);
            assert!(step <= 1000, "{who}'s timestamps jump by {step} ms");
        }
    }
}

fn heap(operator: &Operator, which: &str) -> u64 {
    number(&operator.get("/api/status"), &format!("/memory/heap_{which}_bytes"))
}

fn files(program: &Program) -> usize {
    fs::read_dir(format!("/proc/{}/fd", program.pid())).expect("it runs").count()
}

fn threads(program: &Program) -> usize {
    fs::read_dir(format!("/proc/{}/task", program.pid())).expect("it runs").count()
}

/// Reads the configuration file in a loop: at each moment it is whole and has its destination.
struct Reader {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn start(path: PathBuf) -> Reader {
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let text = fs::read_to_string(&path).expect("there is a file at each moment");
                let table: Result<toml::Table, _> = text.parse();
                let table = table.unwrap_or_else(|error| panic!("{error} in {text:?}"));
                assert!(table.contains_key("destination"), "{text}");
                counted.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Reader { stop, count, thread }
    }

    fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the file was whole at each moment");
        self.count.load(Ordering::Relaxed)
    }
}

/// What a setting is now.
pub fn setting(operator: &Operator, key: &str) -> Value {
    let told = operator.get("/api/settings");
    let list = told["settings"].as_array().expect("a list").clone();
    let found = list.into_iter().find(|each| each["key"] == key);
    found.unwrap_or_else(|| panic!("no {key}"))["value"].clone()
}
