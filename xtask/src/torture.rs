//! `cargo xtask emulate --torture`: the plug is pulled, again and again. Purpose: a machine that is
//! killed at a moment nobody chose while its settings are written always starts again, is on air,
//! and its settings are those that were last accepted, or those that were being written. Non-goals:
//! what a disk of its own does with its cache when the power goes: the host keeps what QEMU wrote.
//! Bound: one machine, one disk, `rounds` starts and one more.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::image::disk;
use crate::step::{run as run_command, target_dir};

/// What the machine starts with: a password that is known.
const CONFIG: &str = include_str!("../../tests/image/start.toml");
/// `u:password`.
const AUTHORIZATION: &str = "Authorization: Basic dTpwYXNzd29yZA==\r\n";
/// The setting that is written, and the values it takes in turn.
const KEY: &str = "programme.silence_ms";
const DEFAULT: u32 = 500;
const VALUES: std::ops::Range<u32> = 1_000..10_000;
/// The longest that is written before the plug is pulled.
const WRITING_MS_MAX: u64 = 4_000;
/// An emulated processor that shares a busy machine's cores takes its time.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const DISK_BYTES: u64 = 1 << 30;

/// Pulls the plug `rounds` times, at moments that `seed` chooses.
pub fn run(rounds: u32, seed: u64, memory_mb: u32) -> Result<(), String> {
    let folder = target_dir().join("emulate");
    let stage = folder.join(format!("torture-{}", std::process::id()));
    fs::create_dir_all(&stage).map_err(|error| format!("{}: {error}", stage.display()))?;
    let outcome = torture(rounds, seed, memory_mb, &stage);
    match &outcome {
        Ok(()) => fs::remove_dir_all(&stage).map_err(|error| error.to_string())?,
        Err(_) => eprintln!("The disk and the console are kept in {}.", stage.display()),
    }
    outcome
}

fn torture(rounds: u32, seed: u64, memory_mb: u32, stage: &Path) -> Result<(), String> {
    let own = prepared(stage)?;
    let mut dice = Dice(seed | 1_u64 << 63);
    let mut known = Known { accepted: DEFAULT, under_way: DEFAULT };
    let mut values = VALUES.cycle();
    let mut changes = 0;
    for round in 1..=rounds {
        let machine = Machine::start(&own, memory_mb, stage)?;
        let healthy = machine.is_healthy()?;
        let found = machine.setting().and_then(|found| known.check(found));
        let found = found.map_err(|why| format!("round {round} of seed {seed}: {why}"))?;
        known = Known { accepted: found, under_way: found };
        let writing = Duration::from_millis(dice.below(WRITING_MS_MAX));
        let at = machine.http;
        let writer = thread::scope(|scope| {
            let writer = scope.spawn(|| write_until_it_ends(at, known, &mut values));
            thread::sleep(writing);
            drop(machine);
            writer.join()
        });
        let (after, written) = writer.map_err(|_| "the writer panicked")?;
        known = after;
        changes += written;
        println!(
            "round {round}: on air after {:.1} s with {found}; {written} changes, plug pulled after \
             {writing:.1?}",
            healthy.as_secs_f64()
        );
    }
    let machine = Machine::start(&own, memory_mb, stage)?;
    machine.is_healthy()?;
    machine.setting().and_then(|found| known.check(found))?;
    if rounds > 3 && changes == 0 {
        return Err("nothing was ever written".to_owned());
    }
    println!("{rounds} times the plug was pulled, {changes} changes were accepted: none was lost");
    Ok(())
}

/// A disk of the image as it is now, with the configuration on it.
fn prepared(stage: &Path) -> Result<PathBuf, String> {
    let (own, config) = (stage.join("disk.img"), stage.join("start.toml"));
    let failed = |error: std::io::Error| format!("{}: {error}", own.display());
    let image = target_dir().join("dist/streamcaster.img");
    let advice = "Type `cargo xtask image` first.";
    run_command(Command::new("cp").arg("--sparse=always").args([&image, &own]), advice)?;
    fs::write(&config, CONFIG).map_err(failed)?;
    let data = disk::data(Some(&config), 0, stage)?;
    let file = OpenOptions::new().write(true).open(&own).map_err(failed)?;
    file.set_len(DISK_BYTES).map_err(failed)?;
    file.write_all_at(&data, disk::system().end).map_err(failed)?;
    Ok(own)
}

/// What the setting may be after the plug was pulled.
#[derive(Clone, Copy)]
struct Known {
    accepted: u32,
    under_way: u32,
}

impl Known {
    fn check(self, found: u32) -> Result<u32, String> {
        let Known { accepted, under_way } = self;
        if found == accepted || found == under_way {
            return Ok(found);
        }
        Err(format!("{KEY} is {found}; {accepted} was accepted and {under_way} being written"))
    }
}

/// Writes one value after the other until nobody answers; what is known then, and how many were
/// accepted.
fn write_until_it_ends(
    at: SocketAddr,
    mut known: Known,
    values: &mut impl Iterator<Item = u32>,
) -> (Known, u32) {
    let mut written = 0;
    for value in values {
        known.under_way = value;
        match ask(at, "PATCH", "/api/settings", &format!("{{\"{KEY}\":{value}}}")) {
            Some(answer) if answer.contains(" 200 ") => {
                known.accepted = value;
                written += 1;
            }
            // Refused, it was not written.
            Some(answer) if answer.starts_with("HTTP/") => known.under_way = known.accepted,
            _ => break,
        }
    }
    (known, written)
}

/// One request, and the whole answer; nothing when there is none.
fn ask(at: SocketAddr, method: &str, path: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let head = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n{AUTHORIZATION}");
    let length = body.len();
    let kind = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{kind}{body}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A machine that runs; dropped, its plug is pulled.
struct Machine {
    qemu: Child,
    http: SocketAddr,
    console: PathBuf,
    power_on: Instant,
}

impl Machine {
    fn start(own: &Path, memory_mb: u32, stage: &Path) -> Result<Machine, String> {
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
    fn is_healthy(&self) -> Result<Duration, String> {
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

    /// The setting as the machine tells it.
    fn setting(&self) -> Result<u32, String> {
        let answer = ask(self.http, "GET", "/api/settings", "").unwrap_or_default();
        value(&answer).ok_or_else(|| format!("the settings cannot be read: {answer}"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // As abruptly as the power goes; it may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// The value of [`KEY`] in a list of settings.
fn value(answer: &str) -> Option<u32> {
    let (_, behind) = answer.split_once(&format!("\"key\":\"{KEY}\""))?;
    let (_, behind) = behind.split_once("\"value\":")?;
    behind.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// Xorshift (Marsaglia, 2003): the same moments for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_older_nor_other_settings_pass() {
        let known = Known { accepted: 1001, under_way: 1002 };
        assert_eq!((known.check(1001), known.check(1002)), (Ok(1001), Ok(1002)));
        assert!(known.check(1000).is_err() && known.check(DEFAULT).is_err());
    }

    #[test]
    fn the_value_is_found_among_others() {
        let other = r#"{"key":"http.listen","value":"x"},"#;
        let answer =
            format!(r#"{other}{{"key":"{KEY}","kind":"number","value":1203,"default":5}}"#);
        assert_eq!((value(&answer), value(other)), (Some(1203), None));
    }

    #[test]
    fn the_moments_are_those_of_the_seed() {
        let moments = |seed| {
            let mut dice = Dice(seed | 1_u64 << 63);
            [(); 8].map(|()| dice.below(WRITING_MS_MAX))
        };
        assert_eq!(moments(7), moments(7));
        assert_ne!(moments(7), moments(8));
        assert!(moments(7).iter().all(|&moment| moment < WRITING_MS_MAX));
    }
}
