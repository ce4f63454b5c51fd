//! `streamcaster latest`: looks whether `[update] url` offers a newer system. Purpose: started by the
//! appliance's cron every few minutes as the programme's user, it asks the server about once a day,
//! writes down what it found for the page, and, if the configuration says so, installs it in the window
//! by the same order that the page gives. Non-goals: rights: what it orders, the firmware daemon judges.
//! Bound: one answer of 1 KiB; a package goes through a piece at a time.

use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::appliance::firmware::latest::{self, LatestMemory, MEMORY};
use crate::appliance::firmware::orders::{FirmwareAnswer, FirmwareOrder};
use crate::appliance::firmware::package::{PublicKey, SystemIdentity, HEADER_BYTES};
use crate::appliance::firmware::slots::{text_of, Places};
use crate::appliance::firmware::state;
use crate::base::limits::FIRMWARE_TOLD_BYTES_MAX;
use crate::config::{self, Arguments, UpdateConfig, WhenOffered};
use crate::system::{clock, random, store};
use argh::FromArgs;

use super::{ask, broken_off, download, told};

/// Look whether `[update] url` offers a newer system. Made for the appliance's cron.
#[derive(FromArgs)]
#[argh(subcommand, name = "latest")]
pub struct LatestVerb {
    /// the data directory (default: data)
    #[argh(option, default = "PathBuf::from(\"data\")")]
    data: PathBuf,
    /// ask now, whatever the time
    #[argh(switch)]
    now: bool,
}

/// Who asks.
struct Own {
    running: SystemIdentity,
    keys: Vec<PublicKey>,
    path: PathBuf,
    /// What the file holds.
    kept: LatestMemory,
}

impl LatestVerb {
    /// Asks, if it is time; one line for a person.
    pub fn run(self) -> ExitCode {
        told(self.look())
    }

    fn look(&self) -> Result<Option<String>, String> {
        let environment = |name: &str| std::env::var_os(name);
        // What is wrong with a configuration is the program's to tell.
        let Ok(config) = config::load(&self.data, &environment, &Arguments::default()) else {
            return Ok(None);
        };
        let Some(url) = config.update.url.clone() else { return Ok(None) };
        let places = Places::of_the_machine();
        let running = places.release().ok_or("this is not the appliance: it has no release")?;
        let keys = places.keys().ok_or("the system has no key for updates")?;
        let now_s = clock::utc().0 / 1000;
        // By a clock that nobody answers for no certificate is judged and no window kept.
        if places.appliance(clock::UNSET).exists() {
            return Ok(Some("the clock is not set yet: no server is asked before".to_owned()));
        }
        let path = self.data.join("state").join(MEMORY);
        let mut memory = LatestMemory::read(&path);
        let mut own = Own { running, keys, path, kept: memory.clone() };
        let chance = random::bytes().map(u64::from_ne_bytes).map_err(|error| error.to_string())?;
        let is_due = memory.is_due(&url, now_s, chance);
        let mut line = None;
        if is_due || self.now {
            memory.begins(now_s, chance);
            // A disk that keeps nothing would have the server asked every few minutes.
            own.remember(&memory)?;
            let answer = offered(&url, &own.keys);
            let said = answer.as_ref().map_or_else(Clone::clone, ToString::to_string);
            line = Some(format!("{url}: {said}"));
            memory.ended(answer.as_ref().map_err(Clone::clone), &own.running, now_s, chance);
        }
        own.remember(&memory)?;
        own.install(&config.update, memory, now_s, &places).map(|installed| installed.or(line))
    }
}

/// Asks the server.
fn offered(url: &str, keys: &[PublicKey]) -> Result<SystemIdentity, String> {
    let (bytes, mut body) = download(url)?;
    if bytes != HEADER_BYTES as u64 {
        return Err(format!(
            "this is not a streamcaster.latest: it has {bytes} bytes, not {HEADER_BYTES}"
        ));
    }
    let mut answer = [0; HEADER_BYTES];
    body.read_exact(&mut answer).map_err(|error| broken_off(&error))?;
    latest::believed(&answer, keys)
}

impl Own {
    fn remember(&mut self, memory: &LatestMemory) -> Result<(), String> {
        if self.kept == *memory {
            return Ok(());
        }
        let text = serde_json::to_vec(memory).map_err(|error| error.to_string())?;
        let written = store::write(&self.path, &text);
        written.map_err(|error| format!("{}: {error}", self.path.display()))?;
        self.kept = memory.clone();
        Ok(())
    }

    /// Installs what is offered, where that is wanted and it is time.
    fn install(
        &mut self,
        config: &UpdateConfig,
        mut memory: LatestMemory,
        now_s: u64,
        places: &Places,
    ) -> Result<Option<String>, String> {
        let is_time = config.install == WhenOffered::Window && config.window.is_open(now_s);
        let (Some(offer), Some(url)) = (memory.offered.clone(), &config.url) else {
            return Ok(None);
        };
        // What it offered may run by now.
        if !is_time || offer.build <= self.running.build {
            return Ok(None);
        }
        let left = left(places);
        if !memory.may_try(&offer, left.as_deref()) {
            return Ok(None);
        }
        memory.tries(&offer);
        self.remember(&memory)?;
        let url = latest::package_url(url);
        let named = |why: String| format!("{url}: {why}");
        let (bytes, mut body) = download(&url).map_err(named)?;
        let mut head = [0; HEADER_BYTES];
        body.read_exact(&mut head).map_err(|error| named(broken_off(&error)))?;
        let identity = latest::believed(&head, &self.keys).map_err(named)?;
        if identity.build != offer.build {
            let (there, offered) = (identity.build, offer.build);
            return Err(named(format!("it is build {there}, and build {offered} is offered")));
        }
        let order = FirmwareOrder::Install { bytes, allow_downgrade: false, allow_debug: false };
        let body = Cursor::new(head).chain(body);
        match ask(order, Box::new(body), &mut |_| ())? {
            FirmwareAnswer::Done { done, version, revision, .. } => {
                Ok(Some(format!("{done}: {version} ({revision}); the machine restarts")))
            }
            _ => Err("the update service gave no result".to_owned()),
        }
    }
}

/// The system that the machine, or a person, left last.
fn left(places: &Places) -> Option<String> {
    let text = text_of(&places.appliance(state::TOLD), FIRMWARE_TOLD_BYTES_MAX).ok()?;
    let told: serde_json::Value = serde_json::from_str(&text).ok()?;
    let last = told.get("last")?;
    let word = |name: &str| last.get(name).and_then(serde_json::Value::as_str);
    match (word("what"), word("outcome")) {
        (Some("update"), Some("fell back")) => word("to").map(str::to_owned),
        (Some("rollback"), Some("confirmed" | "on trial")) => word("from").map(str::to_owned),
        _ => None,
    }
}
