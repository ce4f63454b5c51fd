//! The test suites: found, built, run side by side, and listed with what each took. Purpose: a
//! suite that is added runs without being named here, one that fails hides no other, and whoever
//! reads the end of the output sees which did not run and why. Bound: one suite that computes,
//! [`SLEEPERS_AT_ONCE`] that sleep and one that emulates a machine at a time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{waitid, Pid, WaitId, WaitIdOptions};

use crate::step::{cargo, root, target_dir};

/// Suites that emulate whole machines: a quarter of an hour, in which one processor computes and
/// the other would wait.
pub const MACHINES: [&str; 2] = ["image", "takeover"];

/// Suites that play in real time, by what they do: most of their time they wait. They run beside one
/// that computes; the table at the end of a run says what processor time each really used.
const SLEEPERS: [&str; 8] =
    ["browser", "field", "health", "hostile", "metrics", "operator", "peers", "programme"];
const SLEEPERS_AT_ONCE: usize = 1;

/// A test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// The file or folder below `tests`; of unit tests, `unit PACKAGE`.
    pub name: String,
    program: PathBuf,
    /// The folder of its package, which it runs in.
    folder: PathBuf,
}

/// How one ended.
struct Outcome {
    name: String,
    is_well: bool,
    /// What libtest counted, or what went wrong instead.
    counted: String,
    took: Duration,
    processor: Duration,
}

/// Builds test programs and says which there are. `selection` is what cargo builds of them.
pub fn build(selection: &[&str]) -> Result<Vec<Suite>, String> {
    let mut command = cargo(&["test", "--workspace", "--locked", "--no-run"]);
    command.args(selection).args(["--message-format", "json-render-diagnostics"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err("the tests do not build: the first error above says why".to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut suites: Vec<Suite> = text.lines().filter_map(of_message).collect();
    suites.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(suites)
}

/// The test program that a message of cargo's is about.
fn of_message(line: &str) -> Option<Suite> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if !message.pointer("/profile/test")?.as_bool()? {
        return None;
    }
    let program = PathBuf::from(message.get("executable")?.as_str()?);
    let manifest = PathBuf::from(message.get("manifest_path")?.as_str()?);
    let kinds = message.pointer("/target/kind")?.as_array()?;
    let name = message.pointer("/target/name")?.as_str()?;
    let name = match kinds.first()?.as_str()? {
        "test" => name.to_owned(),
        "bin" => format!("unit {name} (bin)"),
        _ => format!("unit {name}"),
    };
    Some(Suite { name, program, folder: manifest.parent()?.to_path_buf() })
}

/// The suites below a folder as cargo finds them: files, and folders with a `main.rs`.
pub fn names(folder: &Path) -> Result<Vec<String>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_suite = path.join("main.rs").exists() || path.extension().is_some_and(|e| e == "rs");
        names.extend(path.file_stem().filter(|_| is_suite).map(|n| n.to_string_lossy().into()));
    }
    names.sort();
    Ok(names)
}

/// Runs suites to their ends, whatever becomes of each, prints the table, and fails when one did.
/// `left_out` are those that do not run, with the reason.
pub fn run(
    suites: Vec<Suite>,
    left_out: &BTreeMap<String, String>,
    long: bool,
) -> Result<(), String> {
    let unit = suites.iter().any(|suite| suite.name.starts_with("unit "));
    let [mut machines, mut sleepers, mut others] = [const { Vec::new() }; 3];
    for suite in suites {
        let lane = match suite.name.as_str() {
            name if MACHINES.contains(&name) => &mut machines,
            name if SLEEPERS.contains(&name) => &mut sleepers,
            _ => &mut others,
        };
        lane.push(suite);
    }
    let outcomes = Mutex::new(Vec::new());
    let start = Instant::now();
    thread::scope(|scope| {
        let lanes = [(machines, 1), (sleepers, SLEEPERS_AT_ONCE), (others, 1)];
        let lanes = lanes.map(|(mut suites, workers)| {
            // Taken from the end.
            suites.reverse();
            (Arc::new(Mutex::new(suites)), workers)
        });
        for (queue, workers) in lanes {
            for _ in 0..workers {
                let (queue, outcomes) = (queue.clone(), &outcomes);
                scope.spawn(move || {
                    while let Some(suite) = pop(&queue) {
                        let outcome = run_one(&suite, long);
                        add(outcomes, outcome);
                    }
                });
            }
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_default();
    if unit {
        outcomes.push(doc_tests());
    }
    outcomes.sort_by_key(|outcome| Reverse(outcome.took));
    println!("\n{}", table(&outcomes, left_out, start.elapsed()));
    let failed: Vec<&str> =
        outcomes.iter().filter(|o| !o.is_well).map(|outcome| outcome.name.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} failed. In its output above, the first `panicked at` says which expectation broke.",
        failed.join(", ")
    ))
}

fn pop(queue: &Mutex<Vec<Suite>>) -> Option<Suite> {
    queue.lock().ok()?.pop()
}

fn add(outcomes: &Mutex<Vec<Outcome>>, outcome: Outcome) {
    if let Ok(mut outcomes) = outcomes.lock() {
        outcomes.push(outcome);
    }
}

/// One suite, whose output is printed in one piece at its end.
fn run_one(suite: &Suite, long: bool) -> Outcome {
    let mut command = Command::new(&suite.program);
    command.current_dir(&suite.folder).env("CARGO_MANIFEST_DIR", &suite.folder);
    if let Some(cargo) = std::env::var_os("CARGO") {
        command.env("CARGO", cargo);
    }
    if long {
        command.env("STREAMCASTER_LONG", "1");
    }
    measured(&suite.name, &mut command)
}

fn doc_tests() -> Outcome {
    measured("documentation", &mut cargo(&["test", "--workspace", "--locked", "--doc"]))
}

fn measured(name: &str, command: &mut Command) -> Outcome {
    let start = Instant::now();
    let log = target_dir().join("tests").join(format!("{name}.log"));
    let ended = watched(command, &log);
    let took = start.elapsed();
    let text = fs::read(&log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let (is_well, counted, processor) = match ended {
        Ok((is_well, processor)) => (is_well, counted(&text), processor),
        Err(error) => (false, format!("{}: {error}", log.display()), Duration::ZERO),
    };
    let verdict = if is_well { "done" } else { "FAILED" };
    let took_s = took.as_secs_f64();
    let mut out = io::stdout().lock();
    // A reader of the output who is gone changes no verdict.
    let _ = writeln!(out, "── suite {name}\n{text}── suite {name}: {verdict} after {took_s:.1} s");
    Outcome { name: name.to_owned(), is_well, counted, took, processor }
}

/// Runs a command whose output goes to a file: a process that a failed test leaves behind would
/// hold a pipe open. Whether it ended well, and the processor time that it and the processes it
/// waited for used.
fn watched(command: &mut Command, log: &Path) -> io::Result<(bool, Duration)> {
    fs::create_dir_all(log.parent().unwrap_or(log))?;
    let out = fs::File::create(log)?;
    let errors = out.try_clone()?;
    let mut child = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn()?;
    let processor = processor_time(&child);
    Ok((child.wait()?.success(), processor))
}

/// Waits for the end of a child and reads its figures before they are gone with it.
fn processor_time(child: &Child) -> Duration {
    let id = Pid::from_child(child);
    let ended = waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    let stat =
        ended.ok().and_then(|_| fs::read_to_string(format!("/proc/{}/stat", child.id())).ok());
    Duration::from_millis(10 * stat.as_deref().map_or(0, ticks))
}

/// Of a line of `/proc/PID/stat`: user and system time, own and that of children waited for, in
/// hundredths of a second (proc(5), fields 14 to 17).
fn ticks(stat: &str) -> u64 {
    let behind_the_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = behind_the_name.split_whitespace().skip(11).take(4);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// libtest's own sums of a suite's output.
fn counted(text: &str) -> String {
    let sums: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("test result: ")).collect();
    let number = |sum: &str, of: &str| {
        let before = sum.split(of).next().unwrap_or_default();
        before.split([' ', ';']).rfind(|word| !word.is_empty()).and_then(|n| n.parse::<u64>().ok())
    };
    let total = |of| sums.iter().filter_map(|sum| number(sum, of)).sum::<u64>();
    match sums.is_empty() {
        true => "ended without a result".to_owned(),
        false => format!("{} passed, {} failed", total(" passed"), total(" failed")),
    }
}

/// The table of what ran and what did not.
fn table(outcomes: &[Outcome], left_out: &BTreeMap<String, String>, took: Duration) -> String {
    let mut lines = vec![format!("{:<28} {:>9} {:>11}  result", "suite", "took", "processor")];
    for Outcome { name, is_well, counted, took, processor } in outcomes {
        let verdict = if *is_well { "" } else { "FAILED: " };
        let (took, processor) = (took.as_secs_f64(), processor.as_secs_f64());
        lines.push(format!("{name:<28} {took:>7.1} s {processor:>9.1} s  {verdict}{counted}"));
    }
    for (name, why) in left_out {
        lines.push(format!("{name:<28} {:>9} {:>11}  not run: {why}", "-", "-"));
    }
    lines.push(format!("all of it: {:.1} s", took.as_secs_f64()));
    lines.join("\n")
}

/// The suites of the tree that were not built although nobody left them out.
pub fn missing(built: &[Suite], left_out: &BTreeMap<String, String>) -> Result<(), String> {
    let mut missing = names(&root().join("tests"))?;
    missing.retain(|name| {
        !left_out.contains_key(name) && !built.iter().any(|suite| suite.name == *name)
    });
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!("cargo builds no tests of {}", missing.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_found_and_no_folder_of_helpers() {
        let suites = names(&root().join("tests")).unwrap();
        for name in ["health", "peers", "image", "takeover"] {
            assert!(suites.iter().any(|suite| suite == name), "{name}: {suites:?}");
        }
        for folder in ["ts_support", "support"] {
            assert!(!suites.iter().any(|suite| suite == folder), "{suites:?}");
        }
    }

    #[test]
    fn cargo_says_where_the_tests_are() {
        let message = |kind: &str, name: &str, test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","target":{{"kind":["{kind}"],"name":"{name}"}},"profile":{{"test":{test}}},"executable":"/t/a"}}"#
            )
        };
        let suite = |name: &str| {
            Some(Suite { name: name.to_owned(), program: "/t/a".into(), folder: "/p".into() })
        };
        assert_eq!(of_message(&message("test", "peers", true)), suite("peers"));
        assert_eq!(of_message(&message("lib", "test_support", true)), suite("unit test_support"));
        assert_eq!(of_message(&message("bin", "xtask", true)), suite("unit xtask (bin)"));
        assert_eq!(of_message(&message("bin", "xtask", false)), None);
        assert_eq!(of_message("running 3 tests"), None);
    }

    #[test]
    fn a_suite_is_measured_and_its_words_are_kept() {
        let script = "echo one; echo two >&2; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; \
                      exit 3";
        let log = std::env::temp_dir().join(format!("xtask-suite-{}", std::process::id()));
        let (is_well, processor) = watched(Command::new("sh").args(["-c", script]), &log).unwrap();
        let text = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        assert_eq!((text.as_str(), is_well), ("one\ntwo\n", false));
        assert!(processor > Duration::ZERO);
    }

    #[test]
    fn figures_stand_behind_a_name_with_brackets() {
        let stat = "7 (a) b) Z 1 7 7 0 -1 4 0 0 0 0 11 22 33 44 20 0 1 0 5 0 0";
        assert_eq!(ticks(stat), 110);
        assert_eq!(ticks(""), 0);
    }

    #[test]
    fn results_are_added_up() {
        let text = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\nx\n\
                    test result: FAILED. 3 passed; 4 failed; 0 ignored\n";
        assert_eq!(counted(text), "5 passed, 4 failed");
        assert_eq!(counted("killed"), "ended without a result");
    }

    #[test]
    fn the_table_names_what_did_not_run() {
        let outcome = Outcome {
            name: "peers".to_owned(),
            is_well: false,
            counted: "1 passed, 1 failed".to_owned(),
            took: Duration::from_secs(61),
            processor: Duration::from_millis(1500),
        };
        let left_out = BTreeMap::from([("takeover".to_owned(), "nothing changed".to_owned())]);
        let table = table(&[outcome], &left_out, Duration::from_secs(70));
        assert!(table.contains("61.0 s       1.5 s  FAILED: 1 passed, 1 failed"), "{table}");
        assert!(table.contains("not run: nothing changed"), "{table}");
    }

    #[test]
    fn a_suite_that_cargo_does_not_build_is_missed() {
        let every = names(&root().join("tests")).unwrap();
        let suite = |name: &String| Suite {
            name: name.clone(),
            program: PathBuf::new(),
            folder: PathBuf::new(),
        };
        let (first, built) = every.split_first().unwrap();
        let built: Vec<Suite> = built.iter().map(suite).collect();
        assert!(missing(&built, &BTreeMap::new()).unwrap_err().ends_with(first.as_str()));
        let left_out = BTreeMap::from([(first.clone(), String::new())]);
        assert_eq!(missing(&built, &left_out), Ok(()));
    }
}
