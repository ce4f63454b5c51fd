//! What has to hold before a change lands, in the order of what fails fastest. Bound: the first
//! failure stops the rest.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::step::{cargo, collected, root, run, step};
use crate::{dist, setup, tree};

/// Suites that emulate whole machines, one at a time: a quarter of an hour, in which one processor
/// computes and the other would wait.
const MACHINES: [&str; 2] = ["image", "takeover"];
const TESTS: &[&str] = &["test", "--workspace", "--locked"];
const BROKEN: &str = "The first `panicked at` above says which expectation broke.";

/// `cargo xtask ci`: the source, without running it.
pub fn source() -> Result<(), String> {
    step("format", || run(&mut cargo(&["fmt", "--all", "--check"]), "Type `cargo fmt --all`."))?;
    step("tree", || tree::check(&root()))?;
    step("lints", || {
        let lints =
            ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
        run(&mut cargo(&lints), "Mend what clippy names above.")
    })?;
    step("dependencies", || {
        let deny = ["deny", "--workspace", "--log-level", "error"];
        let kinds = ["check", "bans", "licenses", "sources"];
        let advice = "deny.toml says which licences and crates are wanted, and why.";
        run(cargo(&deny).args(kinds), advice)
    })
}

/// `cargo xtask test`: everything.
pub fn all() -> Result<(), String> {
    setup::ensure()?;
    source()?;
    // The test of the product would build it; here its time is seen.
    step("product", dist::run)?;
    step("tests", tests)?;
    println!("\nAll is well.");
    Ok(())
}

/// Every test; the machines beside all others, and told behind them.
fn tests() -> Result<(), String> {
    run(&mut cargo(&[TESTS, &["--no-run"]].concat()), "The tests must build.")?;
    let suites = suites(&root().join("tests"))?;
    let (machines, others): (Vec<&String>, Vec<&String>) =
        suites.iter().partition(|name| MACHINES.contains(&name.as_str()));
    if machines.len() != MACHINES.len() {
        return Err(format!("not all of {MACHINES:?} are among the tests: {suites:?}"));
    }
    let (machines, others) = thread::scope(|scope| {
        let machines = scope.spawn(|| collected(&mut suite(&machines, &[])));
        let others = run(&mut suite(&others, &["--lib", "--bins"]), BROKEN);
        let others = others.and_then(|()| run(&mut cargo(&[TESTS, &["--doc"]].concat()), BROKEN));
        (machines.join(), others)
    });
    let (told, went_well) = machines.map_err(|_| "the machines' tests could not be run")??;
    println!("{told}");
    others?;
    went_well.then_some(()).ok_or_else(|| format!("`cargo test` of {MACHINES:?} failed. {BROKEN}"))
}

fn suite(names: &[&String], besides: &[&str]) -> Command {
    let mut command = cargo(TESTS);
    command.args(besides);
    for name in names {
        command.args(["--test", name]);
    }
    command
}

/// The suites there are, as cargo finds them: files, and folders with a `main.rs`.
fn suites(folder: &Path) -> Result<Vec<String>, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_found_and_no_folder_of_helpers() {
        let suites = suites(&root().join("tests")).unwrap();
        for name in ["health", "peers", "image", "takeover"] {
            assert!(suites.iter().any(|suite| suite == name), "{name}: {suites:?}");
        }
        assert!(!suites.iter().any(|suite| suite == "ts_support"), "{suites:?}");
    }
}
