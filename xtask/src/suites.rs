//! The test suites: found, built, run side by side, and listed with what each took. Purpose: a
//! suite that is added runs without being named here, one that fails hides no other, and anybody who
//! reads the end of the output sees which did not run and why. Bound: no more suites that compute
//! and emulated machines at a time than there are processors, and [`SLEEPERS_AT_ONCE`] suites that
//! sleep, which go first.

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

use crate::processors::{self, Processors};
use crate::step::{cargo, root, target_dir};

/// Suites that emulate whole machines, one of which keeps a processor busy: all but one of the
/// processors are for suites that compute as long as there are such, then all are the machines'.
pub const MACHINES: [&str; 2] = ["image", "takeover"];
/// How many tests of such a suite are under way: those that wait for a processor, or for what a
/// machine does by itself, keep none of the others from going on.
const MACHINE_TESTS_AT_ONCE: &str = "6";

/// Suites that play in real time, by what they do: most of their time they wait. They run beside one
/// that computes; the table at the end of a run says what processor time each really used.
const SLEEPERS: [&str; 8] =
    ["browser", "field", "health", "hostile", "metrics", "operator", "peers", "programme"];
const SLEEPERS_AT_ONCE: usize = 1;
/// The niceness of all other suites: what plays in real time gets a processor when it asks for one.
const NICE: &str = "5";

/// The variable that asks tests for their long forms (tests/support/src/seed.rs).
pub const LONG_FORM: &str = "STREAMCASTER_LONG";

/// A test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// The file or folder below `tests`; of unit tests, `unit PACKAGE`.
    pub name: String,
    program: PathBuf,
    /// The folder of its package, which it runs in.
    folder: PathBuf,
}

/// What a suite needs most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Emulates,
    Sleeps,
    Computes,
}

impl Suite {
    fn kind(&self) -> Kind {
        match self.name.as_str() {
            name if MACHINES.contains(&name) => Kind::Emulates,
            name if SLEEPERS.contains(&name) => Kind::Sleeps,
            _ => Kind::Computes,
        }
    }
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
    suites: &[Suite],
    left_out: &BTreeMap<String, String>,
    long: bool,
) -> Result<(), String> {
    let lanes = [Kind::Emulates, Kind::Sleeps, Kind::Computes].map(|kind| {
        let own = suites.iter().filter(|suite| suite.kind() == kind);
        // Taken from the end.
        (kind, own.rev().collect::<Vec<&Suite>>())
    });
    let outcomes = Mutex::new(Vec::new());
    let start = Instant::now();
    let processors = Processors::new()?;
    let emulating = suites.iter().filter(|suite| suite.kind() == Kind::Emulates).count();
    let computing = match emulating {
        0 => processors.count,
        _ => processors.count.saturating_sub(1).max(1),
    };
    // From before a machine can ask for one.
    let mut held =
        (0..computing).map(|number| processors.hold(number)).collect::<Result<Vec<_>, _>>()?;
    thread::scope(|scope| {
        for (kind, queue) in lanes {
            let queue = Arc::new(Mutex::new(queue));
            let workers = match kind {
                Kind::Emulates => emulating,
                Kind::Sleeps => SLEEPERS_AT_ONCE,
                Kind::Computes => computing,
            };
            for _ in 0..workers {
                let own = if kind == Kind::Computes { held.pop() } else { None };
                let (queue, outcomes, processors) = (queue.clone(), &outcomes, &processors);
                scope.spawn(move || {
                    while let Some(suite) = pop(&queue) {
                        let outcome = run_one(suite, long, processors);
                        add(outcomes, outcome);
                    }
                    drop(own);
                });
            }
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_default();
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

fn pop<'a>(queue: &Mutex<Vec<&'a Suite>>) -> Option<&'a Suite> {
    queue.lock().ok()?.pop()
}

fn add(outcomes: &Mutex<Vec<Outcome>>, outcome: Outcome) {
    if let Ok(mut outcomes) = outcomes.lock() {
        outcomes.push(outcome);
    }
}

/// One suite, whose output is printed in one piece at its end.
fn run_one(suite: &Suite, long: bool, processors: &Processors) -> Outcome {
    let mut command = match suite.kind() {
        Kind::Sleeps => Command::new(&suite.program),
        Kind::Computes | Kind::Emulates => nice(&suite.program),
    };
    if suite.kind() == Kind::Emulates {
        command.env("RUST_TEST_THREADS", MACHINE_TESTS_AT_ONCE);
        command.env(processors::VARIABLE, &processors.folder);
    }
    command.current_dir(&suite.folder).env("CARGO_MANIFEST_DIR", &suite.folder);
    if let Some(cargo) = std::env::var_os("CARGO") {
        command.env("CARGO", cargo);
    }
    if long {
        command.env(LONG_FORM, "1");
    }
    measured(&suite.name, &mut command)
}

fn nice(program: &Path) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", NICE]).arg(program);
    command
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
        assert!(!suites.iter().any(|suite| suite == "support"), "{suites:?}");
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
