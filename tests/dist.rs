//! The product as it is shipped: built by `cargo xtask dist`, started with an empty environment in
//! a root folder that holds nothing but itself and `/data` (no libraries, no `/proc`, `/dev`, `/etc`,
//! `/run` or `/tmp`), by a user who may write nowhere else, and played by ffmpeg from outside.
#![cfg(test)]

#[path = "peers/wait.rs"]
mod wait;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use wait::{holds, poll, seconds};

/// The user the product runs as when root starts the test: one who owns nothing.
const NOBODY: u32 = 65_534;

/// Builds the product the way it is shipped; quick when nothing has changed.
fn product() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut dist = Command::new(cargo);
    dist.args(["run", "--quiet", "--locked", "--package", "xtask", "--", "dist"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target)
        .stdin(Stdio::null());
    let output = dist.output().expect("cargo, which runs this test, starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`cargo xtask dist` makes no product:\n{said}");
    target.join("dist/streamcaster")
}

/// A root folder with the product and its data folder, and nothing else.
struct EmptyRoot(PathBuf);

impl EmptyRoot {
    fn with(product: &Path) -> EmptyRoot {
        let name = format!("empty-root-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let root = EmptyRoot(path);
        fs::create_dir_all(root.data()).expect("a folder for the test");
        fs::copy(product, root.0.join("streamcaster")).expect("the product is there");
        root
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// The command that runs the product in it: by chroot(2), which takes root or, where users
    /// may have namespaces of their own, the root of one (user_namespaces(7)).
    fn command(&self) -> Command {
        let is_root = fs::metadata(&self.0).expect("it exists").uid() == 0;
        let mut command = if is_root {
            chown(self.data(), Some(NOBODY), Some(NOBODY)).expect("root may give folders away");
            fs::set_permissions(&self.0, fs::Permissions::from_mode(0o755)).expect("own folder");
            let mut chroot = Command::new(tool("chroot"));
            chroot.arg(format!("--userspec={NOBODY}:{NOBODY}"));
            chroot
        } else {
            let mut unshare = Command::new(tool("unshare"));
            unshare.args(["--user", "--map-root-user"]).arg(tool("chroot"));
            unshare
        };
        let any = "127.0.0.1:0";
        command.arg(&self.0).args(["/streamcaster", "run", "--data", "/data", "--udp", any]);
        command.args(["--rtmp", any, "--http", any, "--stat", any]).env_clear();
        command
    }

    /// What lies in it, sorted.
    fn names(&self) -> Vec<String> {
        names_in(&self.0)
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it exists").flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

impl Drop for EmptyRoot {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // What cannot be removed does no harm.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A tool's whole path, since the environment of what is started is empty.
fn tool(name: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not installed: `cargo xtask setup` installs it"))
}

/// A process that ends with the test.
struct Running {
    child: Child,
    printed: Arc<Mutex<String>>,
}

impl Running {
    fn start(command: &mut Command) -> Running {
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

    fn printed(&self) -> String {
        self.printed.lock().expect("no panic").clone()
    }

    /// The address it says it listens on.
    fn address(&self, name: &str) -> Option<SocketAddr> {
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

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the port is open");
    stream.set_read_timeout(Some(seconds(10))).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("room in the socket");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// What ffprobe sees of the programme: codec and width of each track.
fn probe(url: &str) -> String {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-rw_timeout", "20000000", "-of", "compact=p=0:nk=1"]);
    ffprobe.args(["-show_entries", "stream=codec_name,width", url]).stdin(Stdio::null());
    let output = ffprobe.output().expect("ffprobe starts: `cargo xtask setup` installs it");
    assert!(output.status.success(), "ffprobe: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_product_runs_beside_nothing_and_is_played() {
    let root = EmptyRoot::with(&product());
    // A destination by name: there is nobody to ask for its address, and that stops nothing.
    let config = "[[destination]]\nname = \"far\"\nurl = \"rtmp://far.invalid/app\"\nkey = \"k\"\n";
    fs::write(root.data().join("config.toml"), config).expect("the config file");
    let mut program = Running::start(&mut root.command());
    let ready = poll(seconds(20), || {
        if !program.printed().lines().any(|line| line.trim_end().ends_with("ready")) {
            return program.child.try_wait().expect("a child").map(|_| None);
        }
        let address = |name| program.address(name);
        Some(Some((address("udp")?, address("rtmp")?, address("http")?, address("stat")?)))
    });
    let Some(Some((udp, rtmp, http, stat))) = ready else {
        panic!(
            "not ready in the empty root. Changing the root takes root, or user namespaces that \
             are allowed (sysctl kernel.unprivileged_userns_clone). It said:\n{}",
            program.printed()
        );
    };
    let url = format!("rtmp://{rtmp}/live/stream");
    let card = probe(&url);
    assert!(card.contains("h264|1280") && card.contains("aac"), "{card}\n{}", program.printed());

    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i"]);
    ffmpeg.args(["testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i", "sine", "-t", "60"]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25"]);
    ffmpeg.args(["-c:a", "aac", "-f", "mpegts", &format!("udp://{udp}?pkt_size=1316")]);
    let sender = Running::start(&mut ffmpeg);
    let live = || get(http, "/api/status").contains("\"current_video_source\":\"udp\"");
    assert!(holds(seconds(20), live), "not live:\n{}\n{}", program.printed(), sender.printed());
    let seen = probe(&url);
    assert!(seen.contains("h264|320") && seen.contains("aac"), "{seen}\n{}", program.printed());
    assert!(get(stat, "/stat").contains("<nclients>"));

    assert_eq!(root.names(), ["data", "streamcaster"]);
    assert!(fs::read_dir(root.data().join("logs")).is_ok_and(|logs| logs.count() > 0));
    let ended = Command::new("kill").arg(program.child.id().to_string()).status();
    assert!(ended.is_ok_and(|status| status.success()));
    let end = poll(seconds(10), || program.child.try_wait().expect("a child"));
    assert!(end.is_some_and(|end| end.success()), "{end:?}\n{}", program.printed());
    assert!(!program.printed().contains("panicked"), "{}", program.printed());
    let left = names_in(&root.data().join("state"));
    let kept = ["http.address", "probe.token", "streamcaster.pid"];
    assert_eq!(left, kept, "the private socket goes with the program");
}
