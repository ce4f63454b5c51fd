//! The program, its operator's browser, and what they need: a password, video files, a live
//! picture that carries the time it was made at.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use serde_json::Value;

use test_support::peers::http::Request;

use crate::child::{output_of, Tool};
use crate::kept::kept;
use crate::page::{Look, Page};
use crate::program::{command, Folder, Program};
use crate::wait::seconds;

/// The operator's password.
pub const PASSWORD: &str = "correct horse battery";
/// Bits of the clock in the live picture, and what one tick of it is.
pub const CLOCK_BITS: u32 = 16;
/// Ticks of the clock in a second.
pub const CLOCK_HZ: u32 = 50;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The program as one operator has it. One at a time: each has a browser of its own.
pub struct World {
    program: Option<Program>,
    folder: Arc<Folder>,
    arguments: Vec<String>,
    tools: Vec<Tool>,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    /// Starts the program with a password.
    pub fn start() -> World {
        World::start_with(&[])
    }

    /// The same, with more arguments.
    pub fn start_with(more: &[&str]) -> World {
        World::build(&format!("[http]\npassword_hash = \"{}\"\n", hash(PASSWORD)), more)
    }

    /// Starts it with this configuration.
    pub fn with(config: &str) -> World {
        World::build(config, &[])
    }

    fn build(config: &str, more: &[&str]) -> World {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        // They stay the same when the program begins again.
        let ports = ["--udp", "--rtmp", "--http", "--stat"];
        let listeners = ports.map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let addresses = listeners.map(|it| it.local_addr().expect("its address").to_string());
        let ports = ports.iter().zip(&addresses).flat_map(|(port, at)| [*port, at.as_str()]);
        let arguments = ports.chain(more.iter().copied()).map(str::to_owned).collect();
        let folder = Arc::new(Folder::new());
        let mut world = World { program: None, folder, arguments, tools: vec![], _turn: turn };
        world.begin(config);
        world
    }

    fn begin(&mut self, config: &str) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let folder = Arc::clone(&self.folder);
        self.program = Some(Program::start_in(folder, "", config, &arguments, &[]));
    }

    /// Ends the program as a crash would.
    pub fn stop(&mut self) {
        self.program = None;
    }

    /// Starts it again with what it has on disk.
    pub fn start_again(&mut self) {
        let config = fs::read_to_string(self.data().join("config.toml")).expect("its config");
        self.begin(&config);
    }

    /// The running program.
    pub fn program(&self) -> &Program {
        self.program.as_ref().expect("it runs")
    }

    /// Its data.
    pub fn data(&self) -> PathBuf {
        self.folder.file("data")
    }

    /// The page's address.
    pub fn url(&self) -> String {
        format!("http://{}/", self.program().http)
    }

    /// Opens the page in a browser; the log-in is shown when there is a password.
    pub fn open(&self, look: Look) -> Page {
        Page::open(&self.url(), look)
    }

    /// Opens the page and logs in.
    pub fn enter(&self, look: Look) -> Page {
        let mut page = self.open(look);
        page.log_in(PASSWORD);
        page
    }

    /// Asks the API as a script would: HTTP Basic, no browser.
    pub fn ask(&self, method: &str, path: &str, json: &Value) -> (u16, Value) {
        let told = exchange(self.program().http, method, path, json);
        told.unwrap_or_else(|| panic!("{method} {path} is not answered"))
    }

    /// `/api/status`.
    pub fn status(&self) -> Value {
        self.ask("GET", "/api/status", &Value::Null).1
    }

    /// Puts a file of the library there, as somebody would who copies it.
    pub fn add_clip(&self, name: &str) {
        let videos = self.data().join("videos");
        fs::create_dir_all(&videos).expect("the library's folder");
        fs::copy(clip(name), videos.join(name)).expect("a copy");
    }

    /// Sends a live picture until the test is over; the time its clock begins at, in seconds.
    pub fn send_live(&mut self) -> f64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        let start = now.as_secs();
        let clock: Vec<String> = (0..CLOCK_BITS).map(clock_box).collect();
        let picture = format!(
            "setpts='(RTCTIME/1000000-{start})/TB',drawbox=w=iw:h=40:color=black:t=fill,{},\
             setpts=N/25/TB",
            clock.join(",")
        );
        let to = format!("udp://{}?pkt_size=1316", self.program().udp);
        let mut ffmpeg = Command::new("ffmpeg");
        #[rustfmt::skip]
        ffmpeg.args([
            "-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25",
            "-re", "-f", "lavfi", "-i", "sine=sample_rate=48000", "-vf", &picture,
            "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25",
            "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "mpegts", &to,
        ]);
        let tool = Tool::start(&mut ffmpeg, self.folder.path(), "live");
        self.tools.push(tool);
        start as f64
    }
}

/// One bit of the clock: white where it is set.
fn clock_box(bit: u32) -> String {
    let (left, weight) = (bit * 40, 1_u32 << bit);
    format!(
        "drawbox=x={left}:w=40:h=40:color=white:t=fill:\
         enable='gte(mod(floor(t*{CLOCK_HZ}/{weight}),2),1)'"
    )
}

/// The line that `hash-password` prints for a password.
pub fn hash(password: &str) -> String {
    let mut child = command(&["hash-password"]);
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = child.spawn().expect("the program");
    let stdin = child.stdin.take().expect("its stdin is piped");
    { stdin }.write_all(format!("{password}\n").as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let line = String::from_utf8(output.stdout).expect("text");
    let hash = line.split('"').nth(1);
    hash.unwrap_or_else(|| panic!("no hash in {line:?}")).to_owned()
}

/// A small video file, made once; names that differ have pictures that differ.
pub fn clip(name: &str) -> PathBuf {
    let hue = name.bytes().fold(7_u32, |hue, byte| (hue * 31 + u32::from(byte)) % 360);
    let picture = format!("testsrc2=size=320x180:rate=25,hue=h={hue}");
    #[rustfmt::skip]
    let arguments = [
        "-nostdin", "-y", "-v", "error", "-f", "lavfi", "-i", &picture,
        "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "30", "-c:v", "libx264",
        "-preset", "ultrafast", "-bf", "0", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac",
    ];
    kept(name, &arguments.join(" "), |path| {
        let (well, text) = output_of(Command::new("ffmpeg").args(arguments).arg(path));
        assert!(well, "{text}");
    })
}

fn exchange(to: SocketAddr, method: &str, path: &str, json: &Value) -> Option<(u16, Value)> {
    let body = if json.is_null() { String::new() } else { json.to_string() };
    let basic = Base64::encode_string(format!("operator:{PASSWORD}").as_bytes());
    let request = Request::new(method, path).within(seconds(30)).field("Host", &to.to_string());
    let request = request.field("Authorization", &format!("Basic {basic}")).json(body);
    let answer = request.send(to)?;
    Some((answer.status, answer.json()))
}
