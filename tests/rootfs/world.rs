//! A folder that stands for the machine's `/`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The product, as the tests build it.
const PRODUCT: &str = env!("CARGO_BIN_EXE_streamcaster");
/// A user change that changes nothing: the command is its last word.
const AS_ANYBODY: &str = "for word; do :; done\nexec sh -c \"$word\"";

/// The same for a change of rights.
const WITH_ANY_RIGHTS: &str = "shift; exec \"$@\"";

/// A deadline that never comes.
pub const TIMEOUT: &str =
    "while :; do case $1 in -k) shift 2 ;; *) shift; exec \"$@\" ;; esac; done";

/// The root file system as the repository has it.
pub fn rootfs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rootfs")
}

/// The names of `rootfs/applets`.
pub fn applets() -> Vec<String> {
    let text = fs::read_to_string(rootfs().join("applets")).expect("the list of applets");
    text.lines().map(str::to_owned).collect()
}

/// A machine's `/`, gone when dropped.
pub struct World {
    root: PathBuf,
}

impl World {
    /// A machine that has started, with its data disk there and empty, and nobody to ask.
    pub fn new(name: &str) -> World {
        let root = std::env::temp_dir().join(format!("rootfs-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for folder in [
            "run/appliance",
            "run/streamcaster",
            "data/state",
            "data/system",
            "proc",
            "dev",
            "programs",
        ] {
            fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        symlink(rootfs().join("usr"), root.join("usr")).expect("a link");
        let world = World { root };
        for applet in applets() {
            let link = world.root.join("programs").join(applet);
            symlink("/bin/busybox", link).expect("a link");
        }
        // A busybox shell takes its own applets before what is on PATH: stand-ins need another shell.
        world.link("sh", "/bin/sh");
        world.program("timeout", TIMEOUT);
        symlink(PRODUCT, world.root.join("programs/streamcaster")).expect("a link");
        world.program("su", AS_ANYBODY);
        world.program("setpriv", WITH_ANY_RIGHTS);
        for quiet in ["chown", "sleep", "reboot", "sync"] {
            world.program(quiet, "exit 0");
        }
        // What would change the machine the tests run on never runs, whatever a test forgets.
        for fenced in [
            "ip", "hostname", "mount", "umount", "mke2fs", "nc", "poweroff", "blockdev", "modprobe",
        ] {
            world.program(fenced, "exit 1");
        }
        world.program("date", "echo 2000000000");
        world.assert_fenced();
        world.write("proc/uptime", "100.00 50.00\n");
        world.write("proc/meminfo", "MemTotal:         991232 kB\n");
        world.write("proc/mounts", &format!("x {}/data ext4 rw 0 0\n", world.root.display()));
        world.write("proc/cmdline", "quiet slot=B\n");
        world
    }

    /// A path below it.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// Writes a file.
    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Reads a file; one that is not there is empty.
    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    /// Puts a script in a program's place.
    pub fn program(&self, name: &str, text: &str) {
        let path = self.path("programs").join(name);
        let _ = fs::remove_file(&path);
        // By another process: a file that this one has open for writing while another test forks
        // cannot be run until that child has let go of it (ETXTBSY).
        let mut writer = Command::new("/bin/sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut input = writer.stdin.take().expect("its input");
        write!(input, "#!/bin/sh\n{text}\n").expect("a program");
        drop(input);
        assert!(writer.wait().expect("its end").success());
    }

    /// Puts a program in place that only writes down how it was called, one line each time.
    pub fn recorder(&self, name: &str) {
        self.program(name, &format!("echo \"$*\" >> {}", self.path(name).display()));
    }

    /// Refuses to go on where `/bin/sh` is one that takes its own programs before the stand-ins, as
    /// busybox's does: run by root, the scripts would then give this machine another address.
    fn assert_fenced(&self) {
        for command in ["hostname", "timeout 1 hostname", "su -c hostname", "sh -c hostname"] {
            let output = Command::new("/bin/sh")
                .args(["-c", command])
                .env_clear()
                .env("PATH", self.path("programs"))
                .output()
                .expect("a shell");
            let fenced = output.status.code() == Some(1) && output.stdout.is_empty();
            assert!(fenced, "/bin/sh does not take the stand-in for `{command}`: {output:?}");
        }
    }

    fn link(&self, name: &str, target: &str) {
        let path = self.path("programs").join(name);
        let _ = fs::remove_file(&path);
        symlink(target, path).expect("a link");
    }

    /// Runs one of the scripts to its end.
    pub fn run(&self, script: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        Command::new("/bin/busybox")
            .args(["timeout", "60", "/bin/sh"])
            .arg(self.path("usr/lib/appliance").join(script))
            .args(arguments)
            .env_clear()
            .env("ROOT", &self.root)
            .env("TEST_PATH", self.path("programs"))
            .envs(environment.iter().copied())
            .output()
            .expect("busybox")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}
