//! `cargo xtask fuzz`: every target of `tests/fuzz` under libFuzzer, for a minute each. Purpose: a
//! coverage-guided search with the stable toolchain, for the compiler instruments for it and only
//! the engine's run time comes from elsewhere. What breaks a target is kept below
//! `tests/fuzz/crashers`, and with `--merge` the smallest inputs that reach what the seeds do not
//! below `tests/fuzz/corpus`; `cargo test` takes both. Non-goal: sanitizers, for which there is
//! nothing to do without `unsafe`. Bounds: time, input length and memory, per target; of a corpus
//! its bytes.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use argh::FromArgs;

use crate::setup;
use crate::step::{cargo, remove_folder, root, run, step};

/// Edge counters and compared values, as cargo-fuzz asks for them.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

const MANIFEST: &str = "tests/fuzz/engine/Cargo.toml";
const INPUT_BYTES_MAX: usize = 8 << 10;
const MEMORY_MB_MAX: usize = 512;
/// An input that takes longer than this has broken its target.
const INPUT_S_MAX: usize = 5;
/// What the committed corpus of a target may weigh, and hold.
const CORPUS_BYTES_MAX: u64 = 8 << 10;
const CORPUS_FILES_MAX: usize = 32;

/// search for inputs that break a parser
#[derive(FromArgs)]
#[argh(subcommand, name = "fuzz")]
pub struct Fuzz {
    /// one target only; all of them otherwise
    #[argh(positional)]
    target: Option<String>,
    /// time for each target; a minute unless said otherwise
    #[argh(option, default = "60")]
    seconds: u64,
    /// repeats a search; it is printed, and another one each time
    #[argh(option)]
    seed: Option<u32>,
    /// keep the smallest inputs that reach what the seeds do not in tests/fuzz/corpus
    #[argh(switch)]
    merge: bool,
}

/// Runs one target or all of them; fails at the first that breaks.
pub fn fuzz(options: &Fuzz) -> Result<(), String> {
    setup::cpp_compiler()?;
    let target = options.target.as_ref();
    let known = targets(&root())?;
    let chosen: Vec<&String> =
        known.iter().filter(|name| target.is_none_or(|target| target == *name)).collect();
    if chosen.is_empty() {
        return Err(format!("no such target; there are {}", known.join(", ")));
    }
    let mut engine = PathBuf::new();
    step("engine", || {
        engine = build()?;
        Ok(())
    })?;
    for name in chosen {
        step(name, || {
            search(&engine, name, options)?;
            if options.merge {
                merge(&engine, name)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The targets are those that have seeds.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("tests/fuzz/seeds");
    let failed = |error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Where the engine and what it has found by itself lie.
fn work_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(target).join("fuzz")
}

/// Builds the engine. For a named target, or build scripts would be instrumented as well.
fn build() -> Result<PathBuf, String> {
    let (host, folder) = (host()?, work_folder());
    let mut command = cargo(&["build", "--release", "--manifest-path", MANIFEST]);
    command.arg("--target").arg(&host).arg("--target-dir").arg(&folder);
    command.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}"));
    run(&mut command, "The first error above says what does not build.")?;
    Ok(folder.join(host).join("release/streamcaster-fuzz"))
}

/// The target this machine is.
fn host() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.map_err(|error| format!("`rustc -vV` did not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "`rustc -vV` names no host".to_owned())
}

/// What belongs to a target.
struct Folders {
    /// Written by hand, or by the tests' own writers.
    seeds: PathBuf,
    /// The smallest of what was found.
    corpus: PathBuf,
    /// What broke it.
    crashers: PathBuf,
    /// All that was found on this machine.
    found: PathBuf,
}

impl Folders {
    fn of(name: &str) -> Folders {
        let fuzz = root().join("tests/fuzz");
        let [seeds, corpus, crashers] =
            ["seeds", "corpus", "crashers"].map(|kind| fuzz.join(kind).join(name));
        Folders { seeds, corpus, crashers, found: work_folder().join("corpus").join(name) }
    }
}

/// The engine for a target, within its bounds; what it says goes into a file.
fn engine_for(engine: &Path, name: &str, log: &Path) -> Result<Command, String> {
    let mut command = Command::new(engine);
    command.env("STREAMCASTER_FUZZ_TARGET", name);
    command.args([
        format!("-max_len={INPUT_BYTES_MAX}"),
        format!("-rss_limit_mb={MEMORY_MB_MAX}"),
        format!("-timeout={INPUT_S_MAX}"),
    ]);
    command.stderr(fs::File::create(log).map_err(|error| shown(log, &error))?);
    Ok(command)
}

fn shown(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Lets the engine search. It goes on where it stood last time.
fn search(engine: &Path, name: &str, options: &Fuzz) -> Result<(), String> {
    let Folders { seeds, corpus, crashers, found } = Folders::of(name);
    for folder in [&found, &corpus, &crashers] {
        fs::create_dir_all(folder).map_err(|error| shown(folder, &error))?;
    }
    let log = work_folder().join(format!("{name}.log"));
    let mut command = engine_for(engine, name, &log)?;
    let mut prefix = OsString::from("-artifact_prefix=");
    prefix.push(crashers.join(""));
    command.arg(prefix).arg("-print_final_stats=1");
    command.arg(format!("-max_total_time={}", options.seconds));
    command.args(options.seed.map(|seed| format!("-seed={seed}")));
    // New finds go to the first folder.
    command.args([&found, &seeds, &corpus, &crashers]);
    let advice = format!("See {}; the input is in {}.", log.display(), crashers.display());
    let outcome = run(&mut command, &advice);
    let told = fs::read(&log).map_err(|error| shown(&log, &error))?;
    told_in_short(&String::from_utf8_lossy(&told)).iter().for_each(|line| println!("{line}"));
    // Only folders that were not empty stay.
    let _ = (fs::remove_dir(&crashers), fs::remove_dir(&corpus));
    outcome
}

/// Keeps of all that was found the smallest inputs that reach what seeds and crashers do not, as far
/// as there is room.
fn merge(engine: &Path, name: &str) -> Result<(), String> {
    let Folders { seeds, corpus, crashers, found } = Folders::of(name);
    let merged = work_folder().join("merged").join(name);
    remove_folder(&merged)?;
    fs::create_dir_all(&merged).map_err(|error| shown(&merged, &error))?;
    let mut known = HashSet::new();
    for (path, _) in files(&seeds)?.into_iter().chain(files(&crashers)?) {
        let to = merged.join(path.file_name().unwrap_or_default());
        fs::copy(&path, &to).map_err(|error| shown(&path, &error))?;
        known.insert(to);
    }
    let log = work_folder().join(format!("{name}-merge.log"));
    let mut command = engine_for(engine, name, &log)?;
    // By edges alone: how often one is passed would keep hundreds. The first folder is added to.
    command.args(["-set_cover_merge=1", "-use_counters=0"]).arg(&merged).arg(&found);
    command.args(Some(&corpus).filter(|corpus| corpus.is_dir()));
    run(&mut command, &format!("See {}.", log.display()))?;
    let mut new = files(&merged)?;
    new.retain(|(path, _)| !known.contains(path));
    let count = new.len();
    let kept = kept(new);
    remove_folder(&corpus)?;
    if !kept.is_empty() {
        fs::create_dir_all(&corpus).map_err(|error| shown(&corpus, &error))?;
    }
    for (path, _) in &kept {
        let to = corpus.join(path.file_name().unwrap_or_default());
        fs::copy(path, to).map_err(|error| shown(path, &error))?;
    }
    let bytes: u64 = kept.iter().map(|(_, bytes)| bytes).sum();
    println!("corpus: {} of {count} inputs, {bytes} bytes", kept.len());
    Ok(())
}

/// As many files as there is room for, the smallest first; of too many, evenly over their lengths.
fn kept(mut files: Vec<(PathBuf, u64)>) -> Vec<(PathBuf, u64)> {
    files.sort_by(|(path, bytes), (other, than)| (bytes, path).cmp(&(than, other)));
    let mut room = CORPUS_BYTES_MAX;
    let count = files.len().min(CORPUS_FILES_MAX);
    let spread = (0..count).filter_map(|nth| files.get(nth * files.len() / count));
    let fits = spread.map_while(|(path, bytes)| {
        room = room.checked_sub(*bytes)?;
        Some((path.clone(), *bytes))
    });
    fits.collect()
}

/// A folder's files and their lengths; of one that is not there, none.
fn files(folder: &Path) -> Result<Vec<(PathBuf, u64)>, String> {
    let failed = |error| shown(folder, &error);
    let mut files = Vec::new();
    if !folder.is_dir() {
        return Ok(files);
    }
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        files.push((entry.path(), entry.metadata().map_err(failed)?.len()));
    }
    Ok(files)
}

/// Of the engine's words: its seed, what broke, the coverage it ended with, its figures.
fn told_in_short(told: &str) -> Vec<&str> {
    let seed = told.lines().find(|line| line.starts_with("INFO: Seed:"));
    let coverage = told.lines().rev().find(|line| line.contains("cov:"));
    let broke = |line: &&str| line.contains("panicked at") || line.starts_with("==");
    let figures = told.lines().filter(|line| line.starts_with("stat::"));
    seed.into_iter().chain(told.lines().filter(broke)).chain(coverage).chain(figures).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_are_known_by_their_seeds() {
        let names = targets(&root()).unwrap();
        for name in ["ts", "chunks", "amf", "url", "config", "http"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
        let target = Some("no such target".to_owned());
        let options = Fuzz { target, seconds: 1, seed: None, merge: false };
        assert!(fuzz(&options).unwrap_err().contains("chunks"));
    }

    #[test]
    fn of_what_was_found_the_smallest_is_kept_as_far_as_there_is_room() {
        let file = |name: &str, bytes| (PathBuf::from(name), bytes);
        let files = vec![file("b", 100), file("c", CORPUS_BYTES_MAX - 103), file("a", 3)];
        assert_eq!(kept(files.clone()), [file("a", 3), file("b", 100), files[1].clone()]);
        let files = vec![file("b", 100), file("c", CORPUS_BYTES_MAX - 102), file("a", 3)];
        assert_eq!(kept(files), [file("a", 3), file("b", 100)]);
        assert_eq!(kept(vec![file("a", 1); 2 * CORPUS_FILES_MAX]).len(), CORPUS_FILES_MAX);
    }

    #[test]
    fn every_corpus_is_small_and_of_a_target() {
        let names = targets(&root()).unwrap();
        for entry in fs::read_dir(root().join("tests/fuzz/corpus")).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(names.contains(&name), "{name} is no target");
            let files = files(&entry.path()).unwrap();
            let count = files.len();
            assert!(count > 0 && kept(files).len() == count, "{name}: {count} files are too large");
        }
    }

    #[test]
    fn of_the_engines_words_the_last_coverage_and_the_breakage_are_told() {
        let told = "#2 INITED cov: 5 ft: 6\n#9 DONE   cov: 7 ft: 8\n###### x\nstat::a: 1\n";
        assert_eq!(told_in_short(told), ["#9 DONE   cov: 7 ft: 8", "stat::a: 1"]);
        assert_eq!(told_in_short("INFO: Seed: 7\nINFO: x\n"), ["INFO: Seed: 7"]);
        let told = "#2 INITED cov: 5 ft: 6\nthread 'main' panicked at a.rs:1:2:\n==9== ERROR\n";
        assert_eq!(told_in_short(told).len(), 3);
    }
}
