//! A machine in QEMU with the appliance on its disk: console read line by line, ports on
//! loopback, ended with the test. By emulation alone: virtualisation inside a virtual machine is
//! not everywhere, and where it is not it shows only by hanging.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::processor::Processor;
use crate::wait::{poll, seconds};
use crate::xtask;
use test_support::peers::http::{Answer, Request};
use test_support::peers::uefi::by_uefi;

/// The disk of an emulated machine, larger than the image: /data has room to grow.
pub const DISK_BYTES: u64 = 1 << 30;
/// This host's loopback, as QEMU's user network has it.
pub const HOST: &str = "10.0.2.2";
/// Where the slots begin, as `cargo xtask image` lays them out.
pub const SLOT_A: u64 = 35 << 20;
/// The second slot.
pub const SLOT_B: u64 = 99 << 20;
/// The environment block inside its archive.
const ENVIRONMENT: u64 = (34 << 20) + 512;

/// What the firmware and the disk's bus are.
#[derive(Clone, Copy, Debug)]
pub enum Firmware {
    /// BIOS, virtio-blk.
    Bios,
    /// BIOS, the disk and the card of VMware: pvscsi, vmxnet3.
    Vmware,
    /// BIOS, a disk of SATA: AHCI.
    Ahci,
    /// UEFI, NVMe.
    Uefi,
}

impl Firmware {
    /// Its network card.
    const fn card(self) -> &'static str {
        match self {
            Firmware::Vmware => "vmxnet3,netdev=net,id=card",
            _ => "virtio-net-pci,netdev=net,id=card",
        }
    }

    /// Plugs the disk in, behind `-device`; where it keeps its variables.
    fn plug_in(self, qemu: &mut Command, disk: &Disk) -> Option<PathBuf> {
        match self {
            Firmware::Bios => qemu.arg("virtio-blk-pci,drive=disk"),
            Firmware::Vmware => qemu.args(["pvscsi", "-device", "scsi-hd,drive=disk"]),
            // The bus of the machine's own AHCI.
            Firmware::Ahci => qemu.arg("ide-hd,drive=disk,bus=ide.0"),
            Firmware::Uefi => {
                qemu.arg("nvme,drive=disk,serial=1");
                let own = disk.path.with_extension("fd");
                by_uefi(qemu, &own);
                return Some(own);
            }
        };
        None
    }
}

/// How a machine is plugged into the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// There is a network, which gives addresses.
    Plugged,
    /// There is a network of IPv6 alone, and on it somebody whose frames go to the first address, from
    /// the second.
    Ipv6 {
        /// Both.
        wire: (SocketAddr, SocketAddr),
    },
    /// There is a card, and no link until somebody plugs it in.
    Unplugged,
    /// There is no card.
    Absent,
}

impl Card {
    /// What QEMU connects: `net` is the card's.
    fn networks(self, [http, rtmp, stat, udp]: [SocketAddr; 4]) -> Vec<String> {
        match self {
            Card::Absent => Vec::new(),
            Card::Plugged | Card::Unplugged => vec![format!(
                "user,id=net,hostfwd=tcp:{http}-:8080,hostfwd=tcp:{rtmp}-:1935,\
                 hostfwd=tcp:{stat}-:8081,hostfwd=udp:{udp}-:1234"
            )],
            // QEMU forwards no port to an address of IPv6. What is asked of the network's second host
            // comes to this one's loopback.
            Card::Ipv6 { wire: (to, from) } => vec![
                "user,id=user,ipv4=off,ipv6=on,ipv6-prefix=fd00:5c::".to_owned(),
                format!("socket,id=wire,udp={to},localaddr={from}"),
                "hubport,id=hub0,hubid=0,netdev=user".to_owned(),
                "hubport,id=hub1,hubid=0,netdev=wire".to_owned(),
                "hubport,id=net,hubid=0".to_owned(),
            ],
        }
    }
}

/// What a machine is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// The firmware, and with it the disk's bus.
    pub firmware: Firmware,
    /// The memory in MB.
    pub memory_mb: u32,
    /// The network.
    pub card: Card,
    /// What its clock says at power-on, as QEMU takes it.
    pub clock: &'static str,
    /// The disk may be written.
    pub is_writable: bool,
}

/// The smallest plan's machine.
pub const USUAL: Parts = Parts {
    firmware: Firmware::Bios,
    memory_mb: 1024,
    card: Card::Plugged,
    clock: "utc",
    is_writable: true,
};

/// Where cargo builds.
pub fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder")
}

fn make(mut xtask: Command) {
    let output = xtask.output().expect("cargo, which runs this, starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`cargo xtask image` makes no image:\n{said}");
}

/// Makes the image once for all tests; quick when nothing has changed.
pub fn image() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let mut xtask = xtask(&["image"]);
        // A product that is there already saves the minutes that building one takes.
        if let Some(product) = std::env::var_os("STREAMCASTER_PRODUCT") {
            xtask.arg("--binary").arg(product);
        }
        make(xtask);
        target().join("dist")
    })
}

/// The same with a root shell on the console, and with a configuration whose password is known.
pub fn opened() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let own = image().join("streamcaster").into_os_string();
        let product = std::env::var_os("STREAMCASTER_PRODUCT").unwrap_or(own);
        let folder = target().join("image/open");
        let mut xtask = xtask(&["image", "--debug-shell", "--config", "tests/image/start.toml"]);
        xtask.arg("--binary").arg(product).arg("--out").arg(&folder);
        make(xtask);
        folder
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
        Disk::of(image(), name)
    }

    /// A fresh one whose console gives a root shell, and whose password is `password`.
    pub fn open(name: &str) -> Disk {
        Disk::of(opened(), name)
    }

    fn of(image: &Path, name: &str) -> Disk {
        let name = format!("disk-{name}-{}.img", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let image = image.join("streamcaster.img");
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

    /// Reads what lies at a place.
    pub fn read<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, at).expect("our own copy");
        bytes
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
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
    keyboard: Mutex<ChildStdin>,
    monitor: PathBuf,
    console: Arc<Mutex<Vec<u8>>>,
    variables: Option<PathBuf>,
    /// When its power came on.
    pub power_on: Instant,
    /// Where its page is, seen from here.
    pub http: SocketAddr,
    /// Where its viewers connect, seen from here.
    pub rtmp: SocketAddr,
    /// Where its statistics are, seen from here.
    pub stat: SocketAddr,
    /// Where it takes MPEG-TS, seen from here.
    pub udp: SocketAddr,
    processor: Option<Processor>,
}

impl Machine {
    /// Switches a machine with that disk on.
    pub fn start(disk: &Disk, parts: Parts) -> Machine {
        let processor = Processor::take();
        let (http, rtmp, stat, udp) = (free_port(), free_port(), free_port(), free_udp_port());
        let monitor =
            std::env::temp_dir().join(format!("machine-{}-{}", std::process::id(), http.port()));
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1"]);
        qemu.args(["-m", &parts.memory_mb.to_string(), "-rtc", &format!("base={}", parts.clock)]);
        qemu.args(["-display", "none", "-no-user-config", "-nodefaults", "-serial", "stdio"]);
        qemu.arg("-monitor").arg(format!("unix:{},server=on,wait=off", monitor.display()));
        for network in parts.card.networks([http, rtmp, stat, udp]) {
            qemu.args(["-netdev", &network]);
        }
        if parts.card != Card::Absent {
            qemu.args(["-device", parts.firmware.card()]);
        }
        // As on a real machine: a card nobody looks at, and a watchdog.
        qemu.args(["-device", "virtio-rng-pci", "-device", "VGA", "-device", "i6300esb"]);
        let read_only = if parts.is_writable { "off" } else { "on" };
        let drive =
            format!("if=none,id=disk,format=raw,readonly={read_only},file={}", disk.path.display());
        qemu.args(["-drive", &drive, "-device"]);
        let variables = parts.firmware.plug_in(&mut qemu, disk);
        qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
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
        let keyboard = Mutex::new(qemu.stdin.take().expect("it is piped"));
        let machine = Machine {
            qemu,
            keyboard,
            monitor,
            console,
            variables,
            power_on,
            http,
            rtmp,
            stat,
            udp,
            processor: Some(processor),
        };
        if parts.card == Card::Unplugged {
            machine.plug(false);
        }
        machine
    }

    /// Lets others have the processor while little is asked of this machine.
    pub fn among_others<T>(&mut self, meanwhile: impl FnOnce(&Machine) -> T) -> T {
        self.processor = None;
        let came = meanwhile(self);
        self.processor = Some(Processor::take());
        came
    }

    /// The same for as long as it runs.
    pub fn lets_go(&mut self) {
        self.processor = None;
    }

    /// Says a line to QEMU's monitor.
    pub fn tell(&self, order: &str) {
        let connect = || UnixStream::connect(&self.monitor).ok();
        let mut stream = poll(seconds(10), connect).expect("QEMU's monitor");
        stream.set_read_timeout(Some(seconds(10))).expect("a socket");
        // A prompt before the order, and one when it is carried out: anybody who goes in between has
        // said nothing.
        prompt(&mut stream);
        writeln!(stream, "{order}").expect("QEMU's monitor");
        prompt(&mut stream);
    }

    /// Pulls the network's plug, or puts it in.
    pub fn plug(&self, is_in: bool) {
        self.tell(if is_in { "set_link card on" } else { "set_link card off" });
    }

    /// Types on the console.
    pub fn types(&self, text: &str) {
        let mut keyboard = self.keyboard.lock().expect("no panic");
        keyboard.write_all(text.as_bytes()).expect("the machine runs");
        keyboard.flush().expect("the machine runs");
    }

    /// Where the console's next letter will stand.
    pub fn console_end(&self) -> usize {
        self.console.lock().expect("no panic").len()
    }

    /// What the console has shown from that place on.
    pub fn console_from(&self, start: usize) -> String {
        let console = self.console.lock().expect("no panic");
        String::from_utf8_lossy(console.get(start..).unwrap_or_default()).into_owned()
    }

    /// Waits until QEMU has ended by itself.
    pub fn goes_off(mut self, limit: Duration) -> ExitStatus {
        let ended = poll(limit, || self.qemu.try_wait().expect("a child of this process"));
        ended.unwrap_or_else(|| panic!("it is still on:\n{}", self.console()))
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

    /// The same for what the console shows from a place on.
    pub fn shows_from(&self, from: usize, text: &str, limit: Duration) {
        let shown = poll(limit, || self.console_from(from).contains(text).then_some(()));
        assert!(shown.is_some(), "no {text:?} on the console:\n{}", self.console_from(from));
    }

    /// Waits until the health page says 200; how long after power-on that was.
    pub fn is_healthy(&self, limit: Duration) -> Duration {
        // QEMU takes a connection before the machine has a network: that one is never answered.
        let ask = || self.ask_within(seconds(3), "GET", "/api/health", "", "");
        let healthy = || ask().is_some_and(|answer| answer.contains(" 200 "));
        let found = poll(limit, || healthy().then(|| self.power_on.elapsed()));
        found.unwrap_or_else(|| panic!("not healthy:\n{}", self.console()))
    }

    /// What the page answers to everybody; nothing while nobody does.
    pub fn get(&self, path: &str) -> Option<String> {
        self.ask("GET", path, "", "")
    }

    /// What the page answers to somebody without any right.
    pub fn say(&self, method: &str, path: &str, body: &str) -> Option<String> {
        self.ask(method, path, "", body)
    }

    /// What the page answers to anybody who knows the password of [`Disk::open`].
    pub fn ask_in(&self, method: &str, path: &str, body: &str) -> Option<String> {
        self.ask(method, path, "Authorization: Basic dTpwYXNzd29yZA==\r\n", body)
    }

    fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> Option<String> {
        self.ask_within(seconds(20), method, path, fields, body)
    }

    fn ask_within(
        &self,
        limit: Duration,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
    ) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.http, seconds(2)).ok()?;
        stream.set_read_timeout(Some(limit)).ok()?;
        Request::new(method, path).fields(fields).json(body).write(&mut stream).ok()?;
        let answer = Answer::read(&mut stream)?;
        Some(format!("{}\r\n\r\n{}", answer.head, answer.text()))
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
        let _ = fs::remove_file(&self.monitor);
        if let Some(own) = &self.variables {
            let _ = fs::remove_file(own);
        }
    }
}

/// Waits for the prompt of QEMU's monitor, or its end.
fn prompt(stream: &mut UnixStream) {
    let (mut said, mut piece) = (Vec::new(), [0; 4096]);
    while !said.ends_with(b"(qemu) ") {
        match stream.read(&mut piece) {
            Ok(read @ 1..) => said.extend_from_slice(&piece[..read]),
            _ => break,
        }
    }
}

/// A port that nobody had a moment ago: QEMU takes no port 0.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it is bound")
}

fn free_udp_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("it is bound")
}
