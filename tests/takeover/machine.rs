//! A stock Debian in QEMU, reached by ssh, and the machine it becomes.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use test_support::tools;

use crate::wait::poll;
use test_support::peers::uefi::by_uefi;

/// The firmware's first line comes within seconds, within a minute on a host that is busy.
const FIRMWARE_HANGS: Duration = Duration::from_secs(150);

/// The target folder, where `cargo xtask setup` has put the Debian.
pub fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder")
}

/// One of the project's own commands, run to its end.
pub fn xtask(arguments: &[&str]) -> Output {
    tools::xtask(arguments).output().expect("cargo, which runs this, starts")
}

/// What starts the machine, and the bus of its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS, virtio-blk.
    Bios,
    /// UEFI, NVMe.
    Uefi,
}

/// A machine that runs, with its disk and console thrown away with it.
pub struct Machine {
    /// What switches it on, and what runs.
    qemu: Mutex<(Command, Child)>,
    folder: PathBuf,
    /// Where its ssh is, seen from here, while it has one.
    pub ssh: SocketAddr,
    /// Where the page of the appliance will be, on the guest's port 8088.
    pub page: SocketAddr,
    /// Where its viewers will connect.
    pub rtmp: SocketAddr,
}

impl Machine {
    /// Switches a fresh Debian on.
    pub fn start(firmware: Firmware) -> Machine {
        let name = format!("tmp/takeover-{firmware:?}-{}", std::process::id());
        let folder = target().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let stock = target().join("tools/debian/cloud.img");
        let disk = folder.join("disk.img");
        let copied = Command::new("cp").arg("--sparse=always").args([&stock, &disk]).status();
        let advice = "`cargo xtask setup` makes it";
        assert!(copied.is_ok_and(|status| status.success()), "{}: {advice}", stock.display());
        let (ssh, page, rtmp) = (free_port(), free_port(), free_port());
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "1024"]);
        qemu.args(["-display", "none", "-no-user-config", "-nodefaults", "-serial", "stdio"]);
        let network = format!(
            "user,id=net,hostfwd=tcp:{ssh}-:22,hostfwd=tcp:{page}-:8088,hostfwd=tcp:{rtmp}-:1935"
        );
        qemu.args(["-netdev", &network, "-device", "virtio-net-pci,netdev=net"]);
        qemu.args(["-device", "virtio-rng-pci", "-device", "VGA", "-drive"]);
        qemu.arg(format!("if=none,id=disk,format=raw,cache=unsafe,file={}", disk.display()));
        match firmware {
            Firmware::Bios => qemu.args(["-device", "virtio-blk-pci,drive=disk"]),
            Firmware::Uefi => {
                by_uefi(&mut qemu, &folder.join("settings.fd"));
                qemu.args(["-device", "nvme,drive=disk,serial=1"])
            }
        };
        let mut console = File::options();
        let console = console.create(true).append(true).open(folder.join("console"));
        qemu.stdin(Stdio::null()).stdout(console.expect("a file")).stderr(Stdio::inherit());
        let running = qemu.spawn().expect("QEMU starts: `cargo xtask setup` installs it");
        Machine { qemu: Mutex::new((qemu, running)), folder, ssh, page, rtmp }
    }

    /// All the console has shown so far.
    pub fn console(&self) -> String {
        let shown = fs::read(self.folder.join("console")).unwrap_or_default();
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// The disk's identity in its partition table, and in the table's copy in the last sector (UEFI
    /// 2.10, 5.3.2): bytes 56 to 72 of each header.
    pub fn identities(&self) -> [[u8; 16]; 2] {
        let disk = File::open(self.folder.join("disk.img")).expect("its disk");
        let end = disk.metadata().expect("its disk").len();
        [512, end - 512].map(|header| {
            let mut identity = [0; 16];
            disk.read_exact_at(&mut identity, header + 56).expect("its disk");
            identity
        })
    }

    /// A file beside its disk.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    /// Runs a command as root there; nothing where it fails or nobody answers.
    pub fn root(&self, command: &str) -> Option<String> {
        let mut ssh = Command::new("ssh");
        ssh.args(["-o", "ConnectTimeout=10", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]);
        // A machine that starts again may forget a connection without a word.
        ssh.args(["-o", "ServerAliveInterval=5"]);
        for option in Self::OPTIONS {
            ssh.args(["-o", option]);
        }
        ssh.arg("-i").arg(target().join("tools/debian/key"));
        ssh.args(["-p", &self.ssh.port().to_string(), "admin@127.0.0.1", "sudo", "sh", "-c"]);
        let output = ssh.arg(format!("'{command}'")).stdin(Stdio::null()).output();
        let output = output.expect("ssh starts: `cargo xtask setup` installs it");
        let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(answer)
    }

    /// Its key is a new one with each Debian that is made.
    const OPTIONS: [&'static str; 2] = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"];

    /// Waits until it answers by ssh in another start than `before`; which that is.
    pub fn has_started(&self, before: &str, limit: Duration) -> String {
        let look = || {
            let start = self.root("cat /proc/sys/kernel/random/boot_id")?;
            (start != before).then_some(start)
        };
        poll(limit, look).unwrap_or_else(|| panic!("it does not start:\n{}", self.console()))
    }

    /// `cargo xtask flash` with this machine as the host.
    pub fn flash(&self, arguments: &[&str]) -> Output {
        let (port, page) = (self.ssh.port().to_string(), self.page.to_string());
        let key = target().join("tools/debian/key").display().to_string();
        let mut words = vec!["flash", "127.0.0.1", "--port", &port, "--identity", &key];
        for option in Self::OPTIONS {
            words.extend(["--ssh-option", option]);
        }
        words.extend(["--page", &page]);
        words.extend(arguments);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| self.watch_restart(&is_over));
            let output = xtask(&words);
            is_over.store(true, Ordering::Relaxed);
            output
        })
    }

    /// Switches the machine off and on, once, where the emulated firmware itself does not come up behind
    /// a restart: OVMF under emulation spins now and then before its first line, in a process that has
    /// run for minutes; a reset does not help, another process does. It stands before anything of
    /// ours: a kernel or boot loader that hangs has said something.
    fn watch_restart(&self, is_over: &AtomicBool) {
        let (mut said, mut since) = (0, Instant::now());
        while !is_over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_secs(1));
            let console = self.console();
            if console.len() != said {
                (said, since) = (console.len(), Instant::now());
            }
            let restarts = console.trim_end().ends_with("reboot: machine restart");
            if restarts && since.elapsed() >= FIRMWARE_HANGS {
                println!("the emulated firmware says nothing behind the restart: off and on");
                let mut qemu = self.qemu.lock().expect("no panic");
                let (command, running) = &mut *qemu;
                running.kill().expect("it runs");
                running.wait().expect("a child of this process");
                *running = command.spawn().expect("QEMU starts again");
                return;
            }
        }
    }

    /// Waits until a player has decoded a video frame: its width and kind.
    pub fn is_played(&self, limit: Duration) -> String {
        let url = format!("rtmp://{}/live/stream", self.rtmp);
        let frame = || {
            let mut player = Command::new("ffprobe");
            player.args(["-v", "error", "-rw_timeout", "5000000", "-select_streams", "v"]);
            player.args(["-read_intervals", "%+#1", "-show_entries", "frame=pict_type,width"]);
            player.args(["-of", "csv=p=0", &url]).stdin(Stdio::null());
            let output = player.output().expect("ffprobe starts: `cargo xtask setup` installs it");
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        poll(limit, frame).unwrap_or_else(|| panic!("nothing is played:\n{}", self.console()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Ok((_, running)) = self.qemu.get_mut() {
            let _ = running.kill();
            let _ = running.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port that nobody had a moment ago: QEMU takes no port 0.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it is bound")
}
