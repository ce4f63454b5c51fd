//! The machine that is tortured, and what it is asked.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// `u:password`.
const AUTHORIZATION: &str = "Authorization: Basic dTpwYXNzd29yZA==\r\n";
/// An emulated processor that shares a busy machine's cores takes its time.
const PATIENCE: Duration = Duration::from_secs(300);
/// Pause between two looks.
pub const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// One request, and the whole answer; nothing when there is none.
pub fn ask(at: SocketAddr, method: &str, path: &str, body: &str) -> Option<String> {
    send(at, method, path, "application/json", body.as_bytes())
}

/// The same with a body of any kind.
pub fn send(at: SocketAddr, method: &str, path: &str, kind: &str, body: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let head = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n{AUTHORIZATION}");
    let length = body.len();
    let body_head = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body_head}").as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A machine that runs; dropped, its plug is pulled.
pub struct Machine {
    qemu: Child,
    /// Where its page is, seen from here.
    pub http: SocketAddr,
    console: PathBuf,
    power_on: Instant,
}

impl Machine {
    /// Switches a machine with that disk on.
    pub fn start(own: &Path, memory_mb: u32, stage: &Path) -> Result<Machine, String> {
        // A port that nobody had a moment ago: QEMU takes no port 0.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let http = free.map_err(|error| format!("no free port: {error}"))?;
        let console = stage.join("console.log");
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1"]);
        qemu.args(["-m", &memory_mb.to_string(), "-display", "none", "-no-user-config"]);
        qemu.arg("-nodefaults").arg("-serial").arg(format!("file:{}", console.display()));
        qemu.args(["-netdev", &format!("user,id=net,hostfwd=tcp:{http}-:8080")]);
        qemu.args(["-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci"]);
        qemu.arg("-drive").arg(format!("if=none,id=disk,format=raw,file={}", own.display()));
        qemu.args(["-device", "virtio-blk-pci,drive=disk"]).stdin(Stdio::null());
        let started = qemu.spawn();
        let qemu = started
            .map_err(|error| format!("QEMU does not start ({error}): type `cargo xtask setup`"))?;
        Ok(Machine { qemu, http, console, power_on: Instant::now() })
    }

    /// Waits until it is on air; how long after power-on that was.
    pub fn is_healthy(&self) -> Result<Duration, String> {
        while self.power_on.elapsed() < PATIENCE {
            let answer = ask(self.http, "GET", "/api/health", "").unwrap_or_default();
            if answer.contains(" 200 ") {
                return Ok(self.power_on.elapsed());
            }
            thread::sleep(LOOK_AGAIN);
        }
        let console = fs::read(&self.console).unwrap_or_default();
        Err(format!("it does not start again:\n{}", String::from_utf8_lossy(&console)))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // As abruptly as the power goes; it may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
