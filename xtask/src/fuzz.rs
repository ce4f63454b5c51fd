//! `cargo xtask fuzz`: every target of `tests/fuzz` under libFuzzer, for a minute each. Purpose: a
//! coverage-guided search with the stable toolchain, for the compiler instruments for it and only
//! the engine's run time comes from elsewhere. What breaks a target is kept below
//! `tests/fuzz/crashers`, where `cargo test` finds it. Non-goal: sanitizers, for which there is
//! nothing to do without `unsafe`. Bounds: time, input length and memory, per target.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::setup;
use crate::step::{cargo, root, run, step};

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

/// Runs one target or all of them; fails at the first that breaks.
pub fn fuzz(target: Option<&str>, seconds: u64) -> Result<(), String> {
    setup::cpp_compiler()?;
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
        step(name, || search(&engine, name, seconds))?;
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

/// Lets the engine search. It goes on where it stood last time.
fn search(engine: &Path, name: &str, seconds: u64) -> Result<(), String> {
    let fuzz = root().join("tests/fuzz");
    let (seeds, crashers) = (fuzz.join("seeds").join(name), fuzz.join("crashers").join(name));
    let corpus = work_folder().join("corpus").join(name);
    for folder in [&corpus, &crashers] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut prefix = OsString::from("-artifact_prefix=");
    prefix.push(crashers.join(""));
    let mut command = Command::new(engine);
    command.env("STREAMCASTER_FUZZ_TARGET", name).arg(prefix);
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={INPUT_BYTES_MAX}"),
        format!("-rss_limit_mb={MEMORY_MB_MAX}"),
        format!("-timeout={INPUT_S_MAX}"),
        "-print_final_stats=1".to_owned(),
    ]);
    // New finds go to the first folder.
    command.args([&corpus, &seeds, &crashers]);
    let log = work_folder().join(format!("{name}.log"));
    let failed = |error| format!("{}: {error}", log.display());
    command.stderr(fs::File::create(&log).map_err(failed)?);
    let advice = format!("See {}; the input is in {}.", log.display(), crashers.display());
    let outcome = run(&mut command, &advice);
    let told = fs::read(&log).map_err(failed)?;
    told_in_short(&String::from_utf8_lossy(&told)).iter().for_each(|line| println!("{line}"));
    // Only a folder that was not empty stays.
    let _ = fs::remove_dir(&crashers);
    outcome
}

/// Of the engine's words: what broke, the coverage it ended with, its figures.
fn told_in_short(told: &str) -> Vec<&str> {
    let coverage = told.lines().rev().find(|line| line.contains("cov:"));
    let broke = |line: &&str| line.contains("panicked at") || line.starts_with("==");
    let figures = told.lines().filter(|line| line.starts_with("stat::"));
    told.lines().filter(broke).chain(coverage).chain(figures).collect()
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
        assert!(fuzz(Some("no such target"), 1).unwrap_err().contains("chunks"));
    }

    #[test]
    fn of_the_engines_words_the_last_coverage_and_the_breakage_are_told() {
        let told = "#2 INITED cov: 5 ft: 6\n#9 DONE   cov: 7 ft: 8\n###### x\nstat::a: 1\n";
        assert_eq!(told_in_short(told), ["#9 DONE   cov: 7 ft: 8", "stat::a: 1"]);
        let told = "#2 INITED cov: 5 ft: 6\nthread 'main' panicked at a.rs:1:2:\n==9== ERROR\n";
        assert_eq!(told_in_short(told).len(), 3);
    }
}
