//! `cargo xtask rollout`: one update for several machines, a few at a time. Purpose: each machine is
//! given the update and waited for until it has *confirmed* it; the first that falls back, refuses or
//! stays away stops the rest, which keep what they run. Typed again it goes on where it stopped: a
//! machine that runs the update already is passed over. Non-goals: older systems and debug systems,
//! which are a person's decision on a machine's own page. Bounds: `--batch` machines at a time,
//! [`Pace::patience`] each.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use argh::FromArgs;
use serde_json::Value;

use super::client::{shown, Client, Unanswered};
use super::{hosts, FleetHost, Secrets};
use crate::sign::{OPENING, SIGNED_BYTES};
use crate::step::target_dir;

/// bring an update to several machines, a few at a time; stops at the first that does not take it
#[derive(FromArgs)]
#[argh(subcommand, name = "rollout")]
pub struct Rollout {
    /// the update (default: target/dist/streamcaster.update)
    #[argh(option)]
    update: Option<PathBuf>,
    /// how many machines at a time (default: 1)
    #[argh(option, default = "1")]
    batch: usize,
    /// a file with the machines' passwords: `HOST password SECRET` a line, `*` for all others
    /// (or STREAMCASTER_PASSWORD in the environment)
    #[argh(option)]
    secrets: Option<PathBuf>,
    /// how long a machine may take until it has confirmed the update, minutes (default: 20)
    #[argh(option, default = "20")]
    minutes: u64,
    /// the machines: HOST, HOST:PORT, https://HOST, or @FILE with one a line
    #[argh(positional)]
    hosts: Vec<String>,
}

/// The update, as its header names it.
struct FleetUpdate {
    bytes: Vec<u8>,
    version: String,
    revision: String,
    build: u64,
    key: String,
    digest: String,
    debug: bool,
}

/// How often it is looked, and for how long.
#[derive(Clone, Copy)]
struct Pace {
    between: Duration,
    patience: Duration,
}

/// What became of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// It runs the update and has confirmed it.
    Confirmed,
    /// It did so before.
    Already,
    /// It does not: why.
    Failed(String),
    /// Nothing was sent to it.
    NotBegun,
}

/// The command as it is typed.
pub fn run(options: &Rollout) -> Result<(), String> {
    let (hosts, secrets) = (hosts(&options.hosts)?, Secrets::read(options.secrets.as_deref())?);
    if options.batch == 0 {
        return Err("--batch: expected at least 1".to_owned());
    }
    let path = options.update.clone();
    let path = path.unwrap_or_else(|| target_dir().join("dist/streamcaster.update"));
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let update = FleetUpdate::of(bytes).map_err(|why| format!("{}: {why}", path.display()))?;
    let between = Duration::from_secs(2);
    let pace = Pace { between, patience: Duration::from_secs(options.minutes * 60) };
    println!(
        "{} ({}), build {}, key {}, slot {}…: {} machines, {} at a time",
        update.version,
        update.revision,
        update.build,
        update.key,
        update.digest.chars().take(12).collect::<String>(),
        hosts.len(),
        options.batch
    );
    let ends = roll(&hosts, &secrets, &update, options.batch, pace);
    summary(&hosts, &ends)
}

impl FleetUpdate {
    fn of(bytes: Vec<u8>) -> Result<FleetUpdate, String> {
        let head = bytes.get(..SIGNED_BYTES).ok_or("no update: it is too short")?;
        let text = String::from_utf8_lossy(head).into_owned();
        let lines = text.strip_prefix(OPENING).ok_or("no update")?;
        let value = |word: &str| {
            let mut found = lines.lines().filter_map(|line| line.split_once(' '));
            found.find(|(own, _)| *own == word).map(|(_, value)| value.to_owned())
        };
        let needed = |word: &str| {
            value(word).ok_or_else(|| format!("it does not say its {word}: make it again"))
        };
        Ok(FleetUpdate {
            version: needed("version")?,
            revision: needed("revision")?,
            build: needed("build")?.parse().map_err(|_| "its build is no number")?,
            key: needed("key")?,
            digest: needed("digest")?,
            debug: value("debug").as_deref() == Some("1"),
            bytes,
        })
    }

    /// Why a machine should not be given it at all.
    fn is_not_for(&self, told: &Value) -> Option<String> {
        let accepts = told.get("accepts").and_then(Value::as_array);
        let knows = |keys: &Vec<Value>| keys.iter().any(|key| key.as_str() == Some(&self.key));
        if accepts.is_some_and(|keys| !knows(keys)) {
            return Some(format!("it does not accept the key {}", self.key));
        }
        let build = told.get("build").and_then(Value::as_u64);
        if let Some(build) = build.filter(|build| *build > self.build) {
            return Some(format!("it runs build {build}, which is newer"));
        }
        let is_debug = told.get("debug") == Some(&Value::Bool(true));
        (self.debug && !is_debug).then(|| {
            "the update is a debug system, and it runs none: install it on its own page".to_owned()
        })
    }

    fn runs_on(&self, told: &Value) -> bool {
        told.get("digest").and_then(Value::as_str) == Some(&self.digest)
    }
}

/// All machines, `batch` at a time, until one of them fails.
fn roll(
    hosts: &[FleetHost],
    secrets: &Secrets,
    update: &FleetUpdate,
    batch: usize,
    pace: Pace,
) -> Vec<End> {
    let mut ends = Vec::new();
    for group in hosts.chunks(batch) {
        let is_over = ends.iter().any(|end| matches!(end, End::Failed(_)));
        if is_over {
            ends.extend(group.iter().map(|_| End::NotBegun));
            continue;
        }
        let said = Mutex::new(());
        let said = &said;
        ends.extend(std::thread::scope(|scope| {
            let work = |host: &FleetHost| {
                let client = Client::new(host, secrets);
                scope.spawn(move || one(&client, update, pace, said))
            };
            let begun: Vec<_> = group.iter().map(work).collect();
            let end = |outcome: std::thread::Result<End>| {
                outcome.unwrap_or_else(|_| End::Failed("this program broke off".to_owned()))
            };
            begun.into_iter().map(|thread| end(thread.join())).collect::<Vec<End>>()
        }));
    }
    ends
}

/// One machine, to its end.
fn one(client: &Client, update: &FleetUpdate, pace: Pace, said: &Mutex<()>) -> End {
    let say = |words: &str| {
        let _one_at_a_time = said.lock();
        println!("{}: {words}", client.host.name);
    };
    let end = give(client, update, pace, &say).unwrap_or_else(End::Failed);
    match &end {
        End::Confirmed => say("confirmed"),
        End::Already => say("runs it already"),
        End::Failed(why) => say(&format!("FAILED: {why}")),
        End::NotBegun => {}
    }
    end
}

fn give(
    client: &Client,
    update: &FleetUpdate,
    pace: Pace,
    say: &impl Fn(&str),
) -> Result<End, String> {
    let before = client.get("/api/firmware").map_err(|why| why.to_string())?;
    if before.get("available") != Some(&Value::Bool(true)) {
        return Err("this is no appliance".to_owned());
    }
    let on_trial = before.get("on_trial") == Some(&Value::Bool(true));
    if update.runs_on(&before) {
        if !on_trial {
            return Ok(End::Already);
        }
        say("runs it on trial already: waiting for its word");
        return wait(client, update, pace, None, say);
    }
    if on_trial {
        return Err("it has another update on trial: wait for that".to_owned());
    }
    if let Some(why) = update.is_not_for(&before) {
        return Err(why);
    }
    let known =
        |name: &str| before.get(name).and_then(Value::as_str).map_or_else(String::new, shown);
    say(&format!("sending, in place of {} ({})", known("version"), known("revision")));
    let last = stamp(&before);
    match client.install(&update.bytes) {
        Ok(_) => say("installed; it restarts"),
        Err(refused @ Unanswered::Refused(..)) => return Err(refused.to_string()),
        // It may have been taken all the same: the machine's own account is asked for.
        Err(Unanswered::Away(why)) => {
            let now = client.get("/api/firmware").ok();
            if now.is_some_and(|now| stamp(&now) == last) {
                return Err(format!("the update did not arrive: {why}"));
            }
            say("the connection broke off; asking how it stands");
        }
    }
    wait(client, update, pace, Some(last), say)
}

/// When the last change was ordered; empty where there was none.
fn stamp(told: &Value) -> String {
    let at = told.get("last").and_then(|last| last.get("at")).and_then(Value::as_str);
    at.unwrap_or_default().to_owned()
}

/// Until a machine has said how it ended: one that restarts is away meanwhile. `before` is the change
/// that is not meant.
fn wait(
    client: &Client,
    update: &FleetUpdate,
    pace: Pace,
    before: Option<String>,
    say: &impl Fn(&str),
) -> Result<End, String> {
    let began = Instant::now();
    let mut on_trial = before.is_none();
    loop {
        if began.elapsed() >= pace.patience {
            return Err(format!(
                "no word from it for {} min: see its page or its console",
                pace.patience.as_secs() / 60
            ));
        }
        std::thread::sleep(pace.between);
        let Ok(told) = client.get("/api/firmware") else { continue };
        if before.as_ref().is_some_and(|before| stamp(&told) == *before) {
            continue;
        }
        let last = told.get("last");
        let word = |name: &str| last.and_then(|last| last.get(name)).and_then(Value::as_str);
        match word("outcome") {
            Some("confirmed") if update.runs_on(&told) => return Ok(End::Confirmed),
            Some("confirmed") => return Err("it has confirmed another system".to_owned()),
            Some("fell back") => {
                let left = last.and_then(|last| last.get("left"));
                let part = |name| left.and_then(|left| left.get(name)).and_then(Value::as_str);
                let (why, detail) =
                    (part("why").unwrap_or("unknown"), part("detail").unwrap_or(""));
                let words = format!("it fell back to the system before: {} {}", why, shown(detail));
                return Err(words.trim_end().to_owned());
            }
            _ => {}
        }
        if !on_trial && update.runs_on(&told) {
            on_trial = true;
            say("runs it on trial: waiting until it is confirmed");
        }
    }
}

fn summary(hosts: &[FleetHost], ends: &[End]) -> Result<(), String> {
    let count = |is_it: fn(&End) -> bool| ends.iter().filter(|end| is_it(end)).count();
    let confirmed = count(|end| *end == End::Confirmed);
    let already = count(|end| *end == End::Already);
    let failed = count(|end| matches!(end, End::Failed(_)));
    let left = count(|end| *end == End::NotBegun);
    println!("\n{confirmed} confirmed, {already} had it, {failed} failed, {left} not begun");
    if failed == 0 {
        return Ok(());
    }
    let failures = hosts.iter().zip(ends).filter_map(|(host, end)| match end {
        End::Failed(why) => Some(format!("\n  {}: {why}", host.name)),
        _ => None,
    });
    let failures: String = failures.collect();
    Err(format!(
        "the rollout stopped:{failures}\nThe machines that were not begun run what they ran. Look at \
         what failed, then type the same again: it goes on where it stopped."
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn update(more: &str) -> Result<FleetUpdate, String> {
        let mut bytes = format!(
            "streamcaster-update 1\nversion 0.2.0\nrevision abc\nbuild 7\nkey 12ab\n{more}"
        )
        .into_bytes();
        bytes.resize(2000, b'\n');
        FleetUpdate::of(bytes)
    }

    #[test]
    fn an_update_says_what_it_is_or_is_none() {
        let whole = update("digest ff\n").unwrap();
        assert_eq!((whole.build, whole.digest.as_str(), whole.debug), (7, "ff", false));
        assert!(update("").err().unwrap().contains("digest"));
        assert!(
            FleetUpdate::of(b"MZ".repeat(900)).is_err() && FleetUpdate::of(Vec::new()).is_err()
        );
        assert!(update("digest ff\ndebug 1\n").unwrap().debug);
    }

    #[test]
    fn a_machine_is_not_given_what_it_would_refuse() {
        let plain = update("digest ff\n").unwrap();
        let debug = update("digest ff\ndebug 1\n").unwrap();
        let told = |build: u64, key: &str, debug: bool| json!({"build": build, "accepts": [key], "debug": debug, "digest": "ee"});
        assert_eq!(plain.is_not_for(&told(7, "12ab", false)), None);
        assert!(plain.is_not_for(&told(8, "12ab", false)).unwrap().contains("newer"));
        assert!(plain.is_not_for(&told(6, "34cd", false)).unwrap().contains("key"));
        assert!(debug.is_not_for(&told(6, "12ab", false)).unwrap().contains("debug"));
        assert_eq!(debug.is_not_for(&told(6, "12ab", true)), None);
        // One that was made before systems said so is asked itself.
        assert_eq!(plain.is_not_for(&json!({})), None);
        assert!(plain.runs_on(&json!({"digest": "ff"})) && !plain.runs_on(&json!({})));
    }

    #[test]
    fn the_summary_names_what_failed() {
        let hosts = ["a", "b", "c"].map(|name| FleetHost::parse(name).unwrap());
        let ends = [End::Already, End::Failed("no".to_owned()), End::NotBegun];
        let error = summary(&hosts, &ends).unwrap_err();
        assert!(error.contains("b: no") && error.contains("goes on"), "{error}");
        assert_eq!(summary(&hosts, &[End::Confirmed, End::Already, End::Confirmed]), Ok(()));
    }
}
