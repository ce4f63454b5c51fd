//! `cargo xtask mutants`: faults put into the core one by one, to see whether its unit tests notice.
//! Purpose: a score for each core file, and by line what no test holds. Non-goals: the suites below
//! `tests`, which take minutes a mutant; files outside the core. Bounds: [`BUILD_S_MAX`] and
//! [`TEST_S_MAX`] a mutant; a whole run takes hours, one file minutes.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use argh::FromArgs;
use serde_json::Value;

use crate::step::{answers, cargo, remove_folder, root, run as run_command, target_dir};

/// The version whose results the score is read from.
const VERSION: &str = "26.0.0";
const BUILD_S_MAX: &str = "600";
/// Far more than the unit tests take: a mutant that never ends counts as found.
const TEST_S_MAX: &str = "120";

/// What decides what is on air.
const CORE: [&str; 8] = [
    "src/program/**/*.rs",
    "src/ts/**/*.rs",
    "src/rtmp/**/*.rs",
    "src/codec/**/*.rs",
    "src/flv/**/*.rs",
    "src/mp4/**/*.rs",
    "src/mkv/**/*.rs",
    "src/outputs/feeder.rs",
];
/// Of those, what only tests are made of.
const HELPERS: [&str; 4] =
    ["**/*tests.rs", "**/testing.rs", "src/program/model.rs", "src/ts/bench.rs"];

/// put faults into the core one by one and see whether its unit tests notice; hours for all of it
#[derive(FromArgs)]
#[argh(subcommand, name = "mutants")]
pub struct Mutants {
    /// only this file, as src/rtmp/chunk_reader.rs
    #[argh(positional)]
    file: Option<String>,
    /// builds and tests side by side
    #[argh(option, default = "1")]
    jobs: u32,
}

/// The command as it is typed.
pub fn run(options: &Mutants) -> Result<(), String> {
    if let Some(file) = &options.file {
        if !root().join(file).is_file() {
            return Err(format!("there is no file {file}"));
        }
    }
    install()?;
    let folder = target_dir().join("mutants");
    let results = folder.join("mutants.out");
    remove_folder(&results)?;
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut command = Command::new(program());
    command.args(arguments(options)).arg("--output").arg(&folder).current_dir(root());
    // It ends with 2 or 3 when mutants were missed or took too long: the score says so.
    let status = command.status().map_err(|error| format!("cargo-mutants: {error}"))?;
    let outcomes = fs::read(results.join("outcomes.json"));
    let outcomes = outcomes.map_err(|_| format!("cargo-mutants ended early ({status})"))?;
    let outcomes: Value = serde_json::from_slice(&outcomes).map_err(|error| error.to_string())?;
    match status.code() {
        Some(0 | 2 | 3) => {}
        _ => return Err(format!("the tests fail without a mutant, or cannot be built ({status})")),
    }
    let scores = scores(&outcomes);
    let text = table(&scores);
    fs::write(folder.join("scores.txt"), &text).map_err(|error| error.to_string())?;
    let missed = fs::read_to_string(results.join("missed.txt")).unwrap_or_default();
    println!("\nNo unit test notices:\n{missed}\n{text}\nAll of it is in {}.", results.display());
    Ok(())
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

fn arguments(options: &Mutants) -> Vec<String> {
    let mut arguments = vec!["mutants".to_owned()];
    match &options.file {
        Some(file) => arguments.extend(["--file".to_owned(), file.clone()]),
        None => {
            for glob in CORE {
                arguments.extend(["--file".to_owned(), glob.to_owned()]);
            }
        }
    }
    for glob in HELPERS {
        arguments.extend(["--exclude".to_owned(), glob.to_owned()]);
    }
    let fixed = [
        // The profile is the tests' without what only debugging needs.
        "--profile",
        "mutants",
        "--package",
        "streamcaster",
        "--timeout",
        TEST_S_MAX,
        "--build-timeout",
        BUILD_S_MAX,
        "--no-shuffle",
        "--gitignore",
        "true",
    ];
    arguments.extend(fixed.map(str::to_owned));
    arguments.extend(["--jobs".to_owned(), options.jobs.to_string()]);
    arguments.extend(["--".to_owned(), "--lib".to_owned()]);
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
    fn a_file_that_is_not_there_is_refused() {
        let file = Some("src/no/such.rs".to_owned());
        assert!(run(&Mutants { file, jobs: 1 }).unwrap_err().contains("src/no/such.rs"));
    }

    #[test]
    fn every_part_of_the_core_is_there() {
        for glob in CORE {
            let folder = glob.split("/**").next().unwrap_or(glob);
            assert!(root().join(folder).exists(), "{glob}");
        }
    }
}
