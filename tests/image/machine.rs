//! A machine in QEMU with the appliance on its disk: console read line by line, ports on
//! loopback, ended with the test. By emulation alone: virtualisation inside a virtual machine is
//! not everywhere, and where it is not it shows only by hanging.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::wait::{poll, seconds};

/// The disk of an emulated machine, larger than the image: /data has room to grow.
pub const DISK_BYTES: u64 = 1 << 30;
/// Where the slots begin, as `cargo xtask image` lays them out.
pub const SLOT_A: u64 = 35 << 20;
/// The second slot.
pub const SLOT_B: u64 = 99 << 20;
/// The environment block inside its archive.
const ENVIRONMENT: u64 = (34 << 20) + 512;

/// What the firmware and the disk's bus are.
#[derive(Clone, Copy)]
pub enum Firmware {
    /// BIOS, virtio-blk.
    Bios,
    /// UEFI, NVMe.
    Uefi,
}

/// Makes the image once for all tests; quick when nothing has changed.
fn image() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut xtask = Command::new(cargo);
        xtask.args(["run", "--quiet", "--locked", "--package", "xtask", "--", "image"]);
        xtask.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target);
        let output = xtask.stdin(Stdio::null()).output().expect("cargo, which runs this, starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`cargo xtask image` makes no image:\n{said}");
        target.join("dist")
    })
}

/// One of the files that make up an image.
pub fn made(name: &str) -> Vec<u8> {
    fs::read(image().join(name)).expect("`cargo xtask image` has made it")
}

/// A copy of the image to boot from, changed and thrown away with the test.
pub struct Disk {
    path: PathBuf,
    file: File,
}

impl Disk {
    /// A fresh one.
    pub fn new(name: &str) -> Disk {
        let name = format!("disk-{name}-{}.img", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let image = image().join("streamcaster.img");
        let copied = Command::new("cp").arg("--sparse=always").args([&image, &path]).status();
        assert!(copied.is_ok_and(|status| status.success()), "no copy of {}", image.display());
        let file = OpenOptions::new().read(true).write(true).open(&path).expect("our own copy");
        file.set_len(DISK_BYTES).expect("a sparse file");
        Disk { path, file }
    }

    /// Writes over what lies at a place.
    pub fn write(&self, bytes: &[u8], at: u64) {
        self.file.write_all_at(bytes, at).expect("our own copy");
    }

    /// What lies at a place, as far as the machine has written it.
    pub fn read<const BYTES: usize>(&self, at: u64) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        self.file.read_exact_at(&mut bytes, at).expect("our own copy");
        bytes
    }

    /// The boot loader's variables.
    pub fn environment(&self) -> String {
        let mut block = vec![0; 1024];
        self.file.read_exact_at(&mut block, ENVIRONMENT).expect("our own copy");
        String::from_utf8_lossy(&block).trim_end_matches('#').to_owned()
    }

    /// Sets the boot loader's variables.
    pub fn set_environment(&self, variables: &str) {
        let mut block = format!("# GRUB Environment Block\n{variables}").into_bytes();
        block.resize(1024, b'#');
        self.write(&block, ENVIRONMENT);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What cannot be removed does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

/// A machine that runs.
pub struct Machine {
    qemu: Child,
    console: Arc<Mutex<Vec<u8>>>,
    variables: Option<PathBuf>,
    /// When its power came on.
    pub power_on: Instant,
    /// Where its page is, seen from here.
    pub http: SocketAddr,
    /// Where its viewers connect, seen from here.
    pub rtmp: SocketAddr,
    /// One machine at a time: two would take each other's processor.
    _alone: MutexGuard<'static, ()>,
}

impl Machine {
    /// Switches a machine with that disk on.
    pub fn start(disk: &Disk, firmware: Firmware, memory_mb: u32) -> Machine {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (http, rtmp) = (free_port(), free_port());
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m"]);
        qemu.arg(memory_mb.to_string());
        qemu.args(["-display", "none", "-no-user-config", "-nodefaults", "-serial", "stdio"]);
        let network = format!("user,id=net,hostfwd=tcp:{http}-:8080,hostfwd=tcp:{rtmp}-:1935");
        qemu.args(["-netdev", &network, "-device", "virtio-net-pci,netdev=net"]);
        // As on a real machine: a card nobody looks at, and a watchdog.
        qemu.args(["-device", "virtio-rng-pci", "-device", "VGA", "-device", "i6300esb"]);
        let drive = format!("if=none,id=disk,format=raw,file={}", disk.path.display());
        qemu.args(["-drive", &drive, "-device"]);
        let mut variables = None;
        match firmware {
            Firmware::Bios => {
                qemu.arg("virtio-blk-pci,drive=disk");
            }
            Firmware::Uefi => {
                qemu.arg("nvme,drive=disk,serial=1");
                let own = disk.path.with_extension("fd");
                fs::copy("/usr/share/OVMF/OVMF_VARS.fd", &own).expect("OVMF is installed");
                for (file, read_only) in [
                    ("/usr/share/OVMF/OVMF_CODE.fd".into(), "on"),
                    (own.display().to_string(), "off"),
                ] {
                    let drive = format!("if=pflash,format=raw,readonly={read_only},file={file}");
                    qemu.args(["-drive", &drive]);
                }
                variables = Some(own);
            }
        }
        qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let power_on = Instant::now();
        let mut qemu = qemu.spawn().expect("QEMU starts: `cargo xtask setup` installs it");
        let console = Arc::new(Mutex::new(Vec::new()));
        let mut out = qemu.stdout.take().expect("it is piped");
        let into = Arc::clone(&console);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = out.read(&mut piece) {
                into.lock().expect("no panic").extend_from_slice(&piece[..read]);
            }
        });
        Machine { qemu, console, variables, power_on, http, rtmp, _alone: alone }
    }

    /// All the console has shown so far.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&self.console.lock().expect("no panic")).into_owned()
    }

    /// Waits until the console shows a text; how long after power-on that was.
    pub fn shows(&self, text: &str, limit: Duration) -> Duration {
        let shown = poll(limit, || self.console().contains(text).then(|| self.power_on.elapsed()));
        shown.unwrap_or_else(|| panic!("no {text:?} on the console:\n{}", self.console()))
    }

    /// Waits until the health page says 200; how long after power-on that was.
    pub fn is_healthy(&self, limit: Duration) -> Duration {
        let healthy = || self.get("/api/health").is_some_and(|answer| answer.contains(" 200 "));
        let found = poll(limit, || healthy().then(|| self.power_on.elapsed()));
        found.unwrap_or_else(|| panic!("not healthy:\n{}", self.console()))
    }

    /// What the page answers; nothing while nobody does.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.http, seconds(2)).ok()?;
        stream.set_read_timeout(Some(seconds(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Waits until a player has decoded a video frame; how long after power-on that was, and its
    /// size.
    pub fn is_played(&self, limit: Duration) -> (Duration, String) {
        let url = format!("rtmp://{}/live/stream", self.rtmp);
        let frame = || {
            let mut player = Command::new("ffprobe");
            player.args(["-v", "error", "-rw_timeout", "5000000", "-select_streams", "v"]);
            player.args(["-read_intervals", "%+#1", "-show_entries", "frame=pict_type,width"]);
            player.args(["-of", "csv=p=0", &url]).stdin(Stdio::null());
            let output = player.output().expect("ffprobe starts: `cargo xtask setup` installs it");
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            (!text.is_empty()).then(|| (self.power_on.elapsed(), text))
        };
        poll(limit, frame).unwrap_or_else(|| panic!("nothing is played:\n{}", self.console()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        if let Some(own) = &self.variables {
            let _ = fs::remove_file(own);
        }
    }
}

/// A port that nobody had a moment ago: QEMU takes no port 0.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it is bound")
}
