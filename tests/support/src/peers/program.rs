//! The program under test: started with ports of the kernel's choice and a folder of its own,
//! spoken to over its sockets, killed when the test is over.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::Value;

use super::child::signal;
use super::http::Request;
use super::wait::{self, seconds};

/// A port of the kernel's choice.
const ANY: &str = "127.0.0.1:0";

/// A folder below the build's own temporary one, removed when the test succeeds.
pub struct Folder(PathBuf);

impl Folder {
    /// A fresh folder.
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("run-{}-{number}", std::process::id());
        let path = super::target_tmp().join(name);
        fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Itself.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Folder {
    fn default() -> Folder {
        Folder::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // What cannot be removed does no harm.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// The command that starts the program, in an environment that says nothing.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(super::product());
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// The running program.
pub struct Program {
    child: Child,
    printed: Arc<Mutex<String>>,
    folder: Arc<Folder>,
    authorization: OnceLock<String>,
    /// Where it takes MPEG-TS.
    pub udp: SocketAddr,
    /// Where it serves viewers.
    pub rtmp: SocketAddr,
    /// Its page and API.
    pub http: SocketAddr,
    /// Its statistics.
    pub stat: SocketAddr,
}

impl Program {
    /// Starts it with this config.toml.
    pub fn start(config: &str) -> Program {
        Program::start_with(config, &["--udp", "127.0.0.1:0"], &[])
    }

    /// Starts it with its RTMP port at an address.
    pub fn start_at(rtmp: &str, config: &str) -> Program {
        Program::launch(rtmp, config, &["--udp", "127.0.0.1:0"], &[])
    }

    /// Starts it with more arguments and an environment.
    pub fn start_with(config: &str, more: &[&str], environment: &[(&str, &str)]) -> Program {
        Program::launch("127.0.0.1:0", config, more, environment)
    }

    fn launch(rtmp: &str, config: &str, more: &[&str], environment: &[(&str, &str)]) -> Program {
        Program::start_in(Arc::default(), rtmp, config, more, environment)
    }

    /// Starts it with the data it finds in a folder, of an earlier run for example.
    pub fn start_in(
        folder: Arc<Folder>,
        rtmp: &str,
        config: &str,
        more: &[&str],
        environment: &[(&str, &str)],
    ) -> Program {
        let data = folder.file("data");
        fs::create_dir_all(&data).expect("the data folder");
        fs::write(data.join("config.toml"), config).expect("the config file");
        let data = data.to_str().expect("a path in UTF-8");
        let mut arguments = vec!["run", "--data", data];
        for (port, address) in [("--rtmp", rtmp), ("--http", ANY), ("--stat", ANY)] {
            if !more.contains(&port) {
                arguments.extend([port, address]);
            }
        }
        let mut command = command(&arguments);
        command.args(more).envs(environment.iter().copied());
        Program::run(command, folder)
    }

    /// Starts it with its data on a disk of its own of so many MiB, which [`Program::on_disk`]
    /// leads to.
    pub fn start_on_disk(mib: u32) -> Program {
        let folder = Arc::<Folder>::default();
        let data = folder.file("data");
        fs::create_dir_all(&data).expect("the data folder");
        let script = format!("mount -t tmpfs -o size={mib}m none \"$1\" && shift && exec \"$@\"");
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["--map-root-user", "--mount", "/bin/sh", "-c", &script, "sh"]).arg(&data);
        command.arg(super::product()).args(["run", "--data"]).arg(&data);
        for port in ["--udp", "--rtmp", "--http", "--stat"] {
            command.args([port, "127.0.0.1:0"]);
        }
        command.env_clear().stdin(Stdio::null());
        Program::run(command, folder)
    }

    /// A path in its data, as the program itself finds it.
    pub fn on_disk(&self, path: &str) -> PathBuf {
        let data = fs::canonicalize(self.folder.file("data")).expect("the data folder");
        let data = data.strip_prefix("/").expect("an absolute path");
        Path::new("/proc").join(self.pid().to_string()).join("root").join(data).join(path)
    }

    fn run(mut command: Command, folder: Arc<Folder>) -> Program {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let printed = Arc::new(Mutex::new(String::new()));
        collect(child.stderr.take().expect("its stderr is piped"), Arc::clone(&printed));
        let ready = wait::poll(seconds(20), || {
            let text = printed.lock().expect("the reader does not panic").clone();
            let address = |name| listening(&text, name);
            text.lines().find(|line| line.trim_end().ends_with("ready"))?;
            Some((address("udp")?, address("rtmp")?, address("http")?, address("stat")?))
        });
        let Some((udp, rtmp, http, stat)) = ready else {
            let _ = child.kill();
            panic!("not ready in time; it said:\n{}", printed.lock().expect("no panic"));
        };
        let authorization = OnceLock::new();
        Program { child, printed, folder, authorization, udp, rtmp, http, stat }
    }

    /// The folder of this run: the program's data and whatever the test's peers write.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All it has printed. A thread of its own prints, so that a hung terminal costs no frame: a line
    /// may come behind what it is about, and is waited for by [`Program::wait_printed`].
    pub fn printed(&self) -> String {
        self.printed.lock().expect("the reader does not panic").clone()
    }

    /// Waits until this is printed.
    pub fn wait_printed(&self, words: &str) {
        let is_there = wait::holds(seconds(10), || self.printed().contains(words));
        assert!(is_there, "{words:?} is not printed:\n{}", self.told());
    }

    /// The address viewers play.
    pub fn play_url(&self) -> String {
        format!("rtmp://{}/live/stream", self.rtmp)
    }

    /// The field that lets a request from this machine change things: the program's own token, as it
    /// stood there when it was first asked for.
    pub fn authorization(&self) -> &str {
        self.authorization.get_or_init(|| {
            let token = fs::read_to_string(self.on_disk("state/probe.token")).expect("the token");
            format!("Authorization: Bearer {}\r\n", token.trim())
        })
    }

    /// Asks the API as who has the token, with a JSON body unless it is empty; the answer's status
    /// and body.
    pub fn ask(&self, method: &str, path: &str, json: &str) -> Option<(u16, String)> {
        let request = Request::new(method, path).fields(self.authorization()).json(json);
        let answer = request.send(self.http)?;
        Some((answer.status, answer.text()))
    }

    /// `/api/status`.
    pub fn status(&self) -> Value {
        let Some(body) = try_get(self.http, "/api/status") else {
            panic!("the page does not answer; the program said:\n{}", self.printed());
        };
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}"))
    }

    /// What is on air, by the name the API uses.
    pub fn on_air(&self) -> String {
        text(&self.status(), "/current_video_source")
    }

    /// Waits until that is on air.
    pub fn wait_on_air(&self, source: &str, limit: Duration) {
        let on_air = wait::holds(limit, || self.on_air() == source);
        assert!(on_air, "{source} is not on air after {limit:?}:\n{}", self.told());
    }

    /// Waits until the first destination has reached a state.
    pub fn wait_destination(&self, state: &str, limit: Duration) {
        let reached = wait::holds(limit, || text(&self.status(), "/destinations/0/state") == state);
        assert!(reached, "destination not {state} after {limit:?}:\n{}", self.told());
    }

    /// Asserts that it runs and that no panic was printed.
    pub fn assert_well(&mut self) {
        let ended = self.child.try_wait().expect("a child of this process");
        assert!(ended.is_none(), "it ended ({ended:?}):\n{}", self.printed());
        assert!(!self.printed().contains("panicked"), "{}", self.printed());
    }

    /// Sends SIGTERM and waits for its end.
    pub fn terminate(&mut self, limit: Duration) -> Option<ExitStatus> {
        signal(self.pid(), "TERM");
        self.ended(limit)
    }

    /// Its end, if it ends in time.
    pub fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait::poll(limit, || self.child.try_wait().expect("a child of this process"))
    }

    /// Status and log, for a failed expectation.
    pub fn told(&self) -> String {
        format!("{:#}\n{}", self.status(), self.printed())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stderr: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            let mut text = into.lock().expect("no one panics while holding it");
            text.push_str(&String::from_utf8_lossy(&line));
            text.push('\n');
        }
    });
}

fn listening(text: &str, name: &str) -> Option<SocketAddr> {
    let mark = format!("listening: {name} ");
    let behind = text.lines().find_map(|line| line.split_once(&mark))?.1;
    behind.split_whitespace().next()?.parse().ok()
}

/// The body of a GET, whatever the status.
pub fn get(address: SocketAddr, path: &str) -> String {
    try_get(address, path).unwrap_or_else(|| panic!("{path} is not answered"))
}

fn try_get(address: SocketAddr, path: &str) -> Option<String> {
    request(address, "GET", path, "").map(|(_, body)| body)
}

/// Asks for something, with a JSON body unless it is empty; the answer's status and body.
pub fn request(address: SocketAddr, method: &str, path: &str, json: &str) -> Option<(u16, String)> {
    let answer = Request::new(method, path).json(json).send(address)?;
    Some((answer.status, answer.text()))
}

/// A text in a JSON value by its pointer; empty when absent.
pub fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A number in a JSON value by its pointer; 0 when absent.
pub fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}
