//! `cargo xtask mutants`: faults put into the core one by one, to see whether its unit tests notice.
//! Purpose: a score for each core file, and by line what no test holds. The core is copied into a
//! crate of its own and mutated there: it knows nothing of the rest of the program, so a mutant is
//! built in seconds instead of minutes, and only its own folder's tests run. Non-goals: the suites
//! below `tests`, which take minutes a mutant; files outside the core. Bounds: [`BUILD_S_MAX`] and
//! [`TEST_S_MAX`] a mutant; about six seconds of one core each, a file minutes, all of it hours.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use argh::FromArgs;
use serde_json::Value;

use crate::step::{answers, cargo, remove_folder, root, run as run_command, target_dir};

/// The version whose results the score is read from.
const VERSION: &str = "26.0.0";
const BUILD_S_MAX: &str = "600";
/// Far more than the unit tests take: a mutant that never ends counts as found.
const TEST_S_MAX: &str = "120";

/// What decides what is on air: the folders that know no I/O.
const CORE: [&str; 8] = ["base", "codec", "flv", "mkv", "mp4", "program", "rtmp", "ts"];
/// A shell that decides something, and what it stands on.
const SHELLS: [(&str, &str); 3] =
    [("outputs", "feeder"), ("system", "clock"), ("net", "link reactor")];
/// What their tests read.
const INCLUDED: &str = "inputs/standby.flv";
/// What they use; the versions are the program's.
const DEPENDENCIES: [&str; 11] = [
    "base64ct",
    "bytes",
    "fastrand",
    "h264-reader",
    "heapless",
    "memchr",
    "rml_rtmp",
    "rustix",
    "serde",
    "smol",
    "socket2",
];
/// Of those, what only tests are made of.
const HELPERS: [&str; 4] =
    ["**/*tests.rs", "**/testing.rs", "src/program/model.rs", "src/ts/bench.rs"];
/// What takes as long as all others together and finds what those find: hours of programme, and a
/// minute's jitter many times.
const SLOW_TESTS: [&str; 5] = [
    "a_source_without_audio_for_hours",
    "five_hundred_switches",
    "an_hour_leaves_at_its_own_pace",
    "sound_that_jitters",
    "pictures_that_jitter",
];

/// put faults into the core one by one and see whether its unit tests notice; hours for all of it
#[derive(FromArgs)]
#[argh(subcommand, name = "mutants")]
pub struct Mutants {
    /// only this file, as src/rtmp/chunk_reader.rs
    #[argh(positional)]
    file: Option<String>,
    /// only mutants whose names match this, as "in Timeline::cut"
    #[argh(option)]
    only: Option<String>,
}

/// The command as it is typed.
pub fn run(options: &Mutants) -> Result<(), String> {
    if let Some(file) = &options.file {
        if !root().join(file).is_file() {
            return Err(format!("there is no file {file}"));
        }
        folder_of(file)?;
    }
    install()?;
    let folder = target_dir().join("mutants");
    copy_core(&folder.join("core"))?;
    let chosen: Vec<&str> = match &options.file {
        Some(file) => vec![folder_of(file)?],
        None => CORE.into_iter().chain(["outputs"]).collect(),
    };
    let (mut scores, mut missed) = (BTreeMap::new(), String::new());
    for part in chosen {
        let results = folder.join(part).join("mutants.out");
        remove_folder(&results)?;
        fs::create_dir_all(folder.join(part)).map_err(|error| error.to_string())?;
        let mut command = Command::new(program());
        command.args(arguments(options, part)).arg("--output").arg(folder.join(part));
        command.args(tests(part)).current_dir(folder.join("core"));
        // It ends with 2 or 3 when mutants were missed or took too long: the score says so.
        let status = command.status().map_err(|error| format!("cargo-mutants: {error}"))?;
        if !matches!(status.code(), Some(0 | 2 | 3)) {
            return Err(format!("{part}: without a mutant it does not build, or fails ({status})"));
        }
        // Nothing to mutate leaves no results.
        let Ok(outcomes) = fs::read(results.join("outcomes.json")) else { continue };
        let outcomes: Value =
            serde_json::from_slice(&outcomes).map_err(|error| error.to_string())?;
        scores.extend(self::scores(&outcomes));
        missed += &fs::read_to_string(results.join("missed.txt")).unwrap_or_default();
    }
    let text = table(&scores);
    fs::write(folder.join("scores.txt"), &text).map_err(|error| error.to_string())?;
    println!("\nNo unit test notices:\n{missed}\n{text}\nAll of it is in {}.", folder.display());
    Ok(())
}

/// The core's folder that a file is in.
fn folder_of(file: &str) -> Result<&'static str, String> {
    let within = CORE.into_iter().find(|folder| file.starts_with(&format!("src/{folder}/")));
    let within = within.or_else(|| (file == "src/outputs/feeder.rs").then_some("outputs"));
    within.ok_or_else(|| format!("{file} is no part of the core ({}, feeder)", CORE.join(", ")))
}

/// Makes the core's crate. Its target folder stays, and with it what was built of the dependencies.
fn copy_core(to: &Path) -> Result<(), String> {
    let (from, source) = (root().join("src"), to.join("src"));
    for folder in CORE {
        remove_folder(&source.join(folder))?;
        copy_folder(&from.join(folder), &source.join(folder))?;
    }
    for (folder, names) in SHELLS {
        remove_folder(&source.join(folder))?;
        let is_wanted = |file: &str| {
            let mut names = names.split(' ');
            names.any(|name| file.strip_prefix(name).is_some_and(|rest| !rest.contains('/')))
        };
        copy_files(&from.join(folder), &source.join(folder), is_wanted)?;
    }
    let included = source.join(INCLUDED);
    fs::create_dir_all(included.parent().unwrap_or(&source)).map_err(|error| error.to_string())?;
    let copy = |from: PathBuf, to: PathBuf| {
        fs::copy(&from, to).map(drop).map_err(|error| format!("{}: {error}", from.display()))
    };
    copy(from.join(INCLUDED), included)?;
    copy(root().join("Cargo.lock"), to.join("Cargo.lock"))?;
    let manifest = fs::read_to_string(root().join("Cargo.toml"));
    let manifest = manifest.map_err(|error| format!("Cargo.toml: {error}"))?;
    let write = |path: PathBuf, text: String| {
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    write(to.join("Cargo.toml"), core_manifest(&manifest))?;
    write(source.join("lib.rs"), core_lib())
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), String> {
    copy_files(from, to, |_| true)?;
    for entry in fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            copy_folder(&path, &to.join(path.file_name().unwrap_or_default()))?;
        }
    }
    Ok(())
}

/// Copies a folder's own files, not those below it.
fn copy_files(from: &Path, to: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<(), String> {
    fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    for entry in fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && is_wanted(&name) {
            fs::copy(&path, to.join(&name)).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok(())
}

/// The core's crate, with the program's own lines for what it uses.
fn core_manifest(manifest: &str) -> String {
    let name = |line: &str| line.split(" = ").next().unwrap_or_default().to_owned();
    let used = manifest.lines().filter(|line| DEPENDENCIES.contains(&name(line).as_str()));
    let dependencies: Vec<&str> = used.collect();
    format!(
        "[package]\nname = \"streamcaster-core\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
         \n[dependencies]\n{}\n\
         \n[profile.mutants]\ninherits = \"dev\"\nopt-level = 0\ndebug = false\n\
         \n[workspace]\n",
        dependencies.join("\n")
    )
}

fn core_lib() -> String {
    let mut text = String::from("//! The core alone.\n#![allow(dead_code)]\n");
    for folder in CORE {
        text += &format!("pub mod {folder};\n");
    }
    for (folder, names) in SHELLS {
        let modules: Vec<String> =
            names.split(' ').map(|name| format!("    pub mod {name};\n")).collect();
        text += &format!("pub mod {folder} {{\n{}}}\n", modules.concat());
    }
    text
}

fn program() -> PathBuf {
    target_dir().join("tools/mutants/bin/cargo-mutants")
}

fn install() -> Result<(), String> {
    let program = program();
    let version = answers(&program.display().to_string(), &["mutants", "--version"])
        && fs::read_to_string(installed()).is_ok_and(|known| known == VERSION);
    if version {
        return Ok(());
    }
    println!("missing: cargo-mutants; building it takes some minutes");
    let folder = target_dir().join("tools/mutants");
    let mut install = cargo(&["install", "cargo-mutants", "--locked", "--version", VERSION]);
    install.arg("--root").arg(&folder);
    run_command(&mut install, "crates.io must be within reach.")?;
    fs::write(installed(), VERSION).map_err(|error| format!("{}: {error}", folder.display()))
}

fn installed() -> PathBuf {
    target_dir().join("tools/mutants/installed.txt")
}

fn arguments(options: &Mutants, part: &str) -> Vec<String> {
    let mut arguments = vec!["mutants".to_owned(), "--file".to_owned()];
    arguments.push(options.file.clone().unwrap_or_else(|| format!("src/{part}/**/*.rs")));
    for glob in HELPERS {
        arguments.extend(["--exclude".to_owned(), glob.to_owned()]);
    }
    if let Some(only) = &options.only {
        arguments.extend(["--re".to_owned(), only.clone()]);
    }
    let fixed = [
        "--in-place",
        "--profile",
        "mutants",
        "--timeout",
        TEST_S_MAX,
        "--build-timeout",
        BUILD_S_MAX,
        "--no-shuffle",
    ];
    arguments.extend(fixed.map(str::to_owned));
    arguments
}

/// Which tests run: those of the folder the mutants are in.
fn tests(part: &str) -> Vec<String> {
    let mut arguments = ["--", "--lib", "--"].map(str::to_owned).to_vec();
    arguments.push(format!("{part}::"));
    if part == "ts" {
        // It stands in `tests::` too.
        for other in CORE.into_iter().chain(["outputs", "net"]).filter(|other| *other != part) {
            arguments.extend(["--skip".to_owned(), format!("{other}::")]);
        }
    }
    for test in SLOW_TESTS {
        arguments.extend(["--skip".to_owned(), test.to_owned()]);
    }
    arguments
}

/// Of a file: mutants that a test notices, and that none does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Score {
    noticed: u32,
    missed: u32,
}

/// By file. Mutants that do not build are no faults.
fn scores(outcomes: &Value) -> BTreeMap<String, Score> {
    let mut scores = BTreeMap::<String, Score>::new();
    for outcome in outcomes.get("outcomes").and_then(Value::as_array).into_iter().flatten() {
        let file = outcome.pointer("/scenario/Mutant/file").and_then(Value::as_str);
        let summary = outcome.get("summary").and_then(Value::as_str);
        let (Some(file), Some(summary)) = (file, summary) else { continue };
        let score = scores.entry(file.to_owned()).or_default();
        match summary {
            "CaughtMutant" | "Timeout" => score.noticed += 1,
            "MissedMutant" => score.missed += 1,
            _ => {}
        }
    }
    scores
}

fn table(scores: &BTreeMap<String, Score>) -> String {
    let mut lines =
        vec![format!("{:<36} {:>8} {:>8} {:>8}", "file", "mutants", "noticed", "share")];
    let all = scores.values().fold(Score::default(), |sum, score| Score {
        noticed: sum.noticed + score.noticed,
        missed: sum.missed + score.missed,
    });
    let rows = scores.iter().map(|(file, score)| (file.as_str(), *score));
    for (file, Score { noticed, missed }) in rows.chain([("all", all)]) {
        let of = noticed + missed;
        let share = f64::from(noticed) * 100.0 / f64::from(of.max(1));
        lines.push(format!("{file:<36} {of:>8} {noticed:>8} {share:>6.1} %"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_its_score() {
        let outcome = |file: &str, summary: &str| serde_json::json!({ "summary": summary, "scenario": { "Mutant": { "file": file } } });
        let outcomes = serde_json::json!({ "outcomes": [
            { "summary": "Success", "scenario": "Baseline" },
            outcome("src/a.rs", "CaughtMutant"), outcome("src/a.rs", "Timeout"),
            outcome("src/a.rs", "MissedMutant"), outcome("src/b.rs", "CaughtMutant"),
            outcome("src/b.rs", "Unviable"),
        ]});
        let scores = scores(&outcomes);
        assert_eq!(scores["src/a.rs"], Score { noticed: 2, missed: 1 });
        assert_eq!(scores["src/b.rs"], Score { noticed: 1, missed: 0 });
        let table = table(&scores);
        assert!(table.contains("src/a.rs") && table.contains("66.7 %"), "{table}");
        assert!(table.lines().last().is_some_and(|line| line.starts_with("all")), "{table}");
    }

    #[test]
    fn a_file_that_is_not_there_or_no_part_of_the_core_is_refused() {
        for file in ["src/rtmp/no_such.rs", "src/main.rs"] {
            let options = Mutants { file: Some(file.to_owned()), only: None };
            assert!(run(&options).unwrap_err().contains(file));
        }
        assert_eq!(folder_of("src/program/switcher/sink.rs"), Ok("program"));
        assert_eq!(folder_of("src/outputs/feeder.rs"), Ok("outputs"));
    }

    #[test]
    fn the_core_is_copied_whole_and_uses_what_the_program_does() {
        let to = std::env::temp_dir().join(format!("streamcaster-core-{}", std::process::id()));
        copy_core(&to).unwrap();
        for file in ["program/switcher/sink.rs", "outputs/feeder_tests.rs", "net/link.rs"] {
            assert_eq!(
                fs::read(to.join("src").join(file)).unwrap(),
                fs::read(root().join("src").join(file)).unwrap()
            );
        }
        assert!(!to.join("src/outputs/viewers.rs").exists());
        let manifest = fs::read_to_string(to.join("Cargo.toml")).unwrap();
        for dependency in DEPENDENCIES {
            assert!(manifest.contains(&format!("\n{dependency} = ")), "{dependency}");
        }
        assert!(fs::read_to_string(to.join("src/lib.rs")).unwrap().contains("pub mod feeder;"));
        let mut text = String::new();
        texts(&to.join("src"), &mut text);
        let program = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let behind = program.split("\n[dependencies]\n").nth(1).unwrap();
        let used = behind.lines().take_while(|line| !line.starts_with('['));
        for name in used.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name) {
            let import = format!("use {}::", name.replace('-', "_"));
            let is_used = text.lines().any(|line| line.trim_start().starts_with(&import))
                && !text.contains(&format!("mod {name};\n"));
            assert!(!is_used || DEPENDENCIES.contains(&name), "the core uses {name}");
        }
        remove_folder(&to).unwrap();
    }

    /// All sources below a folder.
    fn texts(folder: &Path, into: &mut String) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension() {
                Some(_) if path.is_file() => *into += &fs::read_to_string(path).unwrap_or_default(),
                _ if path.is_dir() => texts(&path, into),
                _ => {}
            }
        }
    }

    #[test]
    fn slow_tests_are_there() {
        let sources =
            ["silence_tests.rs", "switching_tests.rs", "pacer_tests.rs", "destination_tests.rs"];
        let sources = sources.map(|name| root().join("src/program").join(name));
        let text = sources.map(|path| fs::read_to_string(path).unwrap()).concat();
        for test in SLOW_TESTS {
            assert!(text.contains(&format!("fn {test}")), "{test}");
        }
    }
}
