//! `cargo xtask layout`: which functions run while something is on air. Purpose: their names, for
//! the linker to lay them side by side (`build.rs`): the kernel maps a file by windows of 64 KiB
//! around what is touched, so that functions strewn over the whole binary keep all of it resident.
//! The product is watched by Valgrind's Callgrind while it does what it mostly does: standby, a
//! live input, players that come and leave, the probe. Non-goals: how often they run, what a page,
//! a file or HTTPS asks for. Bound: one run of a minute.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::clip::{self, Clip};
use super::servers::{Feed, Kind, Places, Server};
use super::{keep_apart, on_air, raise_files, LIVE_PATIENCE, NEWCOMERS, NO_FRAME};
use crate::dist;
use crate::setup;
use crate::step::{remove_folder, root, run as run_command, said, step, target_dir};

/// Where `build.rs` looks for them.
const LIST: &str = "src/on_air.txt";
const HEAD: &str = "\
# The functions that run while something is on air, and behind them those that run only at the
# start. build.rs has the linker lay them side by side, in this order; `cargo xtask layout` writes
# this file. A name that no function has any more does no harm.
";
/// Standby alone; then with an encoder and a player, until nothing is new; then as it goes on.
const STANDBY: Duration = Duration::from_secs(3);
const COMING: Duration = Duration::from_secs(8);
const ON_AIR: Duration = Duration::from_millis(RTMP_PING_MS + 10_000);
/// A player is asked that often whether it is still there; the ring is full before.
const RTMP_PING_MS: u64 = 30_000;
const SECONDS: u32 = 120;
/// The folder of what Callgrind says.
const CALLS: &str = "calls";

/// Writes the list anew.
pub fn run() -> Result<(), String> {
    setup::valgrind()?;
    let built = dist::build()?;
    let folder = target_dir().join("layout");
    let mut functions = Functions::default();
    step("watching the product on air", || {
        functions = watch(&built.symbols, &folder)?;
        Ok(())
    })?;
    let path = root().join(LIST);
    fs::write(&path, functions.list()).map_err(|error| format!("{LIST}: {error}"))?;
    let Functions { on_air, at_start } = functions;
    println!("{LIST}: {} functions on air, {} at the start", on_air.len(), at_start.len());
    Ok(())
}

/// Names of functions as the linker knows them; what a build makes different each time is a `*`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Functions {
    on_air: BTreeSet<String>,
    at_start: BTreeSet<String>,
}

impl Functions {
    fn list(&self) -> String {
        let mut list = String::from(HEAD);
        for name in self.on_air.iter().chain(&self.at_start) {
            let _ = writeln!(list, "{name}");
        }
        list
    }
}

fn watch(binary: &Path, folder: &Path) -> Result<Functions, String> {
    // What an earlier run left would be taken for this one's.
    let calls = folder.join(CALLS);
    remove_folder(&calls)?;
    fs::create_dir_all(&calls).map_err(|error| format!("{}: {error}", calls.display()))?;
    let clip_file = clip::make(folder, SECONDS)?;
    let clip = Arc::new(Clip::read(&clip_file)?);
    let places = Places {
        binary: watched(binary, folder)?,
        folder: folder.to_owned(),
        clip: clip_file,
        processor: keep_apart()?,
        files: raise_files()?,
    };
    let server = Server::start(Kind::Ours, &places, Feed::Udp)?;
    std::thread::sleep(STANDBY);
    let (_sender, mut crowd) = on_air(&server, Kind::Ours, &clip, &Arc::new(clip.tails()?))?;
    crowd.run_for(COMING)?;
    let at_start = executed(&server, folder, 1)?;
    crowd.run_for(ON_AIR / 2)?;
    // Others come, and leave in the middle of what they are sent.
    for _ in 0..NEWCOMERS {
        crowd.first_picture(LIVE_PATIENCE)?.ok_or(NO_FRAME)?;
    }
    let mut probe = Command::new(binary);
    probe.args(["probe", "--timeout-s", "60", "--data"]).arg(places.data());
    run_command(&mut probe, "What it prints is the reason.")?;
    crowd.run_for(ON_AIR / 2)?;
    let on_air = executed(&server, folder, 2)?;
    let at_start = at_start.difference(&on_air).cloned().collect();
    Ok(Functions { on_air, at_start })
}

/// A program that is the product under Callgrind.
fn watched(binary: &Path, folder: &Path) -> Result<PathBuf, String> {
    let script = format!(
        "#!/bin/sh\nexec valgrind --quiet --tool=callgrind --demangle=no \
         --callgrind-out-file='{}/{CALLS}/out' '{}' \"$@\"\n",
        folder.display(),
        binary.display(),
    );
    let path = folder.join("watched");
    let written = fs::write(&path, script)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)));
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// What has been executed since it was last asked, the `number`th time it is asked.
fn executed(server: &Server, folder: &Path, number: u32) -> Result<BTreeSet<String>, String> {
    for pid in server.pids() {
        let mut dump = Command::new("callgrind_control");
        said(dump.args(["--dump", &pid.to_string()]))?;
    }
    let path = folder.join(CALLS).join(format!("out.{number}"));
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(functions(&text))
}

/// The functions of a profile that executed something (Callgrind's format, "fn=": a name is
/// written once, by its number afterwards).
fn functions(profile: &str) -> BTreeSet<String> {
    let mut names = std::collections::HashMap::new();
    let mut executed = BTreeSet::new();
    for line in profile.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        if !matches!(key, "fn" | "cfn") {
            continue;
        }
        let (number, name) = value.split_once(' ').unwrap_or((value, ""));
        if !name.is_empty() {
            names.insert(number.to_owned(), name.to_owned());
        }
        if key == "fn" {
            executed.extend(names.get(number).and_then(|name| pattern(name)));
        }
    }
    executed
}

/// A name without what differs from build to build: the hash at the end of Rust's older mangling,
/// those of crates in its newer one (Rust RFC 2603, "disambiguator"), numbers behind a dot. Nothing
/// if it is none.
fn pattern(name: &str) -> Option<String> {
    let name = name.split_once('\'').map_or(name, |(name, _recursion)| name);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    if name.starts_with("0x") || name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    if let Some((path, _hash)) = name.rsplit_once("17h").filter(|_| name.starts_with("_ZN")) {
        return Some(format!("{path}17h*"));
    }
    if !name.starts_with("_R") {
        return Some(name.to_owned());
    }
    let (name, numbered) = name.split_once('.').map_or((name, ""), |(name, _)| (name, "*"));
    let mut pattern = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("Cs") {
        let Some((hash, path)) = after.split_once('_') else { break };
        pattern.push_str(before);
        // Those letters may stand in a name as well.
        let (instead, behind) = if hash.len() > 8 { ("Cs*_", path) } else { ("Cs", after) };
        pattern.push_str(instead);
        rest = behind;
    }
    Some(pattern + rest + numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_tells_what_was_executed() {
        let profile = "events: Ir\nfn=(1) _ZN4core3fmt5write17h0123456789abcdefE\n1 5\n\
                       cfn=(2) memcpy\ncalls=1 0\n1 9\nfn=(3) (below main)\nfn=(2)\n1 4\n\
                       fn=(4) 0x0000\nfn=(5) free'2\nfn=(1)\n";
        let expected = ["_ZN4core3fmt5write17h*", "memcpy", "free"].map(str::to_owned);
        assert_eq!(functions(profile), BTreeSet::from(expected));
    }

    #[test]
    fn what_a_build_makes_different_is_left_open() {
        let of = |name| pattern(name).unwrap();
        assert_eq!(of("_ZN3a..b17h0123456789abcdefE.llvm.77"), "_ZN3a..b17h*");
        assert_eq!(
            of("_RNvMs_NtCs8fXZJFk8Oyu_4core3netNtNtCs7b7s0lLjoFa_3std2io.12"),
            "_RNvMs_NtCs*_4core3netNtNtCs*_3std2io*"
        );
        assert_eq!(of("_RNvC4CsvX3run"), "_RNvC4CsvX3run");
        assert_eq!(of("pthread_mutex_lock"), "pthread_mutex_lock");
    }

    #[test]
    fn the_list_begins_with_what_is_on_air() {
        let set = |name: &str| BTreeSet::from([name.to_owned()]);
        let list = Functions { on_air: set("z"), at_start: set("a") }.list();
        let names: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(names, ["z", "a"]);
    }
}
