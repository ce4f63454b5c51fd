//! What the product's tests share: the product, processes, requests.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use test_support::peers::http::{Answer, Request};
use test_support::tools;

/// Builds the product the way it is shipped; quick when nothing has changed.
pub fn product() -> PathBuf {
    xtask(&["dist"]);
    target().join("dist/streamcaster")
}

/// Where this build goes.
pub fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder")
}

/// Runs one of the project's own commands; what it printed.
pub fn xtask(arguments: &[&str]) -> String {
    let output = tools::xtask(arguments).output().expect("cargo, which runs this test, starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`cargo xtask {}` fails:\n{said}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A tool's whole path, since the environment of what is started is empty.
pub fn tool(name: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not installed: `cargo xtask setup` installs it"))
}

/// A process that ends with the test.
pub struct Running {
    /// Itself.
    pub child: Child,
    printed: Arc<Mutex<String>>,
}

impl Running {
    /// Starts it; what it prints is kept.
    pub fn start(command: &mut Command) -> Running {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| {
            panic!("{:?} does not start: {e}", command.get_program());
        });
        let printed = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().expect("its stderr is piped"));
        let into = Arc::clone(&printed);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                *into.lock().expect("no panic") += &format!("{line}\n");
            }
        });
        Running { child, printed }
    }

    /// What it has printed.
    pub fn printed(&self) -> String {
        self.printed.lock().expect("no panic").clone()
    }

    /// The address it says it listens on.
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        let printed = self.printed();
        let (_, behind) = printed.split_once(&format!("listening: {name} "))?;
        behind.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a GET is answered.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    Request::get(path).send(address).expect("an answer")
}

/// What ffprobe sees of the programme: codec and width of each track.
pub fn probe(url: &str) -> String {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-rw_timeout", "20000000", "-of", "compact=p=0:nk=1"]);
    ffprobe.args(["-show_entries", "stream=codec_name,width", url]).stdin(Stdio::null());
    let output = ffprobe.output().expect("ffprobe starts: `cargo xtask setup` installs it");
    assert!(output.status.success(), "ffprobe: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
