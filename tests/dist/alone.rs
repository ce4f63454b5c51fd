//! The product beside nothing: built by `cargo xtask dist`, started with an empty environment in
//! a root folder that holds nothing but itself and `/data` (no libraries, no `/proc`, `/dev`, `/etc`,
//! `/run` or `/tmp`), by a user who may write nowhere else, and played by ffmpeg from outside.

use std::fs;
use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::wait::{holds, poll, seconds};
use crate::world::{get, probe, product, tool, Running};

/// The user the product runs as when root starts the test: one who owns nothing.
const NOBODY: u32 = 65_534;

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
    assert!(card.contains("h264|1280"), "{card}\n{}", program.printed());
    assert!(card.contains("aac"), "{card}\n{}", program.printed());

    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i"]);
    ffmpeg.args(["testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i", "sine", "-t", "60"]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25"]);
    ffmpeg.args(["-c:a", "aac", "-f", "mpegts", &format!("udp://{udp}?pkt_size=1316")]);
    let sender = Running::start(&mut ffmpeg);
    let live = || get(http, "/api/status").text().contains("\"current_video_source\":\"udp\"");
    assert!(holds(seconds(20), live), "not live:\n{}\n{}", program.printed(), sender.printed());
    let seen = probe(&url);
    assert!(seen.contains("h264|320"), "{seen}\n{}", program.printed());
    assert!(seen.contains("aac"), "{seen}\n{}", program.printed());
    assert!(get(stat, "/stat").text().contains("<nclients>"));

    assert_eq!(root.names(), ["data", "streamcaster"]);
    assert!(fs::read_dir(root.data().join("logs")).is_ok_and(|logs| logs.count() > 0));
    let ended = Command::new("kill").arg(program.child.id().to_string()).status();
    assert!(ended.is_ok_and(|status| status.success()));
    let end = poll(seconds(10), || program.child.try_wait().expect("a child"));
    assert!(end.is_some_and(|end| end.success()), "{end:?}\n{}", program.printed());
    assert!(!program.printed().contains("panicked"), "{}", program.printed());
    let left = names_in(&root.data().join("state"));
    let kept = ["config.taken", "http.address", "page.code", "probe.token", "streamcaster.pid"];
    assert_eq!(left, kept, "the private socket goes with the program");
}
