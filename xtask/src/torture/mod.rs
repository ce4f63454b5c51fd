//! `cargo xtask emulate --torture`: the plug is pulled, again and again. Purpose: a machine that is
//! killed at a moment nobody chose while its settings or an update are written always starts again,
//! is on air, and its settings are those that were last accepted, or those that were being written;
//! a slot that is not whole is never tried. Non-goals: what a disk of its own does with its cache
//! when the power goes: the host keeps what QEMU wrote. Bound: one machine, one disk, `rounds`
//! starts and one more.

mod machine;
mod update;

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::image::disk;
use crate::step::{run as run_command, target_dir};
use machine::{ask, Machine};
use update::{Next, Update};

/// What the machine starts with: a password that is known.
const CONFIG: &str = include_str!("../../../tests/image/start.toml");
/// The setting that is written, and the values it takes in turn.
const KEY: &str = "programme.silence_ms";
const DEFAULT: u32 = 500;
const VALUES: std::ops::Range<u32> = 1_000..10_000;
/// The longest that is written before the plug is pulled.
const WRITING_MS_MAX: u64 = 4_000;
/// How often it is asked for its slot.
const SLOT_LOOKS_MAX: u32 = 600;
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
    let update = Update::of_the_image()?;
    let mut dice = Dice(seed | 1_u64 << 63);
    let mut known = Known { accepted: DEFAULT, under_way: DEFAULT };
    let mut values = VALUES.cycle();
    let (mut changes, mut installed) = (0, 0);
    for round in 1..=rounds {
        let machine = Machine::start(&own, memory_mb, stage)?;
        let healthy = machine.is_healthy()?.as_secs_f64();
        let lost = |why| format!("round {round} of seed {seed}: {why}");
        let found = found(&machine, known).map_err(lost)?;
        known = Known { accepted: found, under_way: found };
        let at = machine.http;
        let done = if round % 2 == 0 {
            let moment = dice.below(update::WRITING_MS_MAX);
            pulled(machine, moment, || update.send(at))?;
            let next = update.check(&own).map_err(lost)?;
            installed += u32::from(next == Next::Update);
            let end = if next == Next::Old { "not installed" } else { "installed whole" };
            format!("an update {end}, plug pulled after {moment} ms")
        } else {
            let moment = dice.below(WRITING_MS_MAX);
            let (after, written) =
                pulled(machine, moment, || write_until_it_ends(at, known, &mut values))?;
            known = after;
            changes += written;
            format!("{written} changes, plug pulled after {moment} ms")
        };
        println!("round {round}: on air after {healthy:.1} s with {found}; {done}");
    }
    let machine = Machine::start(&own, memory_mb, stage)?;
    machine.is_healthy()?;
    found(&machine, known)?;
    if rounds > 3 && changes == 0 {
        return Err("nothing was ever written".to_owned());
    }
    println!(
        "{rounds} times the plug was pulled, {changes} changes were accepted: none was lost; \
         {installed} of {} updates came whole, and no other slot was tried",
        rounds / 2
    );
    Ok(())
}

/// What a machine that has started again tells of itself: the setting, which must be one it may be,
/// and its slot, the old one.
fn found(machine: &Machine, known: Known) -> Result<u32, String> {
    let answer = ask(machine.http, "GET", "/api/settings", "").unwrap_or_default();
    let found = value(&answer).ok_or_else(|| format!("no settings can be read: {answer}"))?;
    // The daemon tells it a moment after the programme is on air.
    let slot = (0..SLOT_LOOKS_MAX).find_map(|_| {
        let slot = update::slot(machine.http);
        slot.is_none().then(|| thread::sleep(machine::LOOK_AGAIN));
        slot
    });
    if slot.as_deref() != Some("A") {
        return Err(format!("it runs from slot {slot:?}"));
    }
    known.check(found)
}

/// Pulls the plug of a machine that moment, in milliseconds, after `write` has begun.
fn pulled<T: Send>(
    machine: Machine,
    moment_ms: u64,
    write: impl FnOnce() -> T + Send,
) -> Result<T, String> {
    thread::scope(|scope| {
        let writer = scope.spawn(write);
        thread::sleep(Duration::from_millis(moment_ms));
        drop(machine);
        writer.join().map_err(|_| "the writer panicked".to_owned())
    })
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
