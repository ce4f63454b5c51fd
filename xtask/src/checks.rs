//! What has to hold before a change lands. Purpose: the quick run finds most of what is wrong in
//! three minutes, the full run everything that a change can break, the long form also what only
//! patience finds. Bound: the source's own checks stop at the first failure; the suites all run to
//! their ends, and those that do not run are named with the reason.

use std::collections::BTreeMap;
use std::thread;

use argh::FromArgs;

use crate::step::{cargo, root, run, step};
use crate::suites::{self, Suite};
use crate::takeover::{self, Decision};
use crate::{dist, setup, tree};

/// The suites of the quick run, beside unit tests: virtual time and files, no running program.
const QUICK: [&str; 4] = ["endless", "formats", "fuzz", "rtmp_interop"];
/// As a suite's name on the command line: the tests inside the packages.
const UNIT: &str = "unit";
const TAKEOVER: &str = "takeover";

/// setup, ci, and every test: each suite to its end, with a table of what they took
#[derive(FromArgs)]
#[argh(subcommand, name = "test")]
pub struct Test {
    /// format, lints, unit tests, endless time, formats and the fuzz targets' inputs only
    #[argh(switch)]
    quick: bool,
    /// everything, also what has not changed, and the long forms of soaks and storms
    #[argh(switch)]
    long: bool,
    /// only these suites: names below tests, or `unit`
    #[argh(positional)]
    suites: Vec<String>,
}

/// `cargo xtask ci`: the source, without running it.
pub fn source() -> Result<(), String> {
    cheap()?;
    costly()
}

fn cheap() -> Result<(), String> {
    step("format", || run(&mut cargo(&["fmt", "--all", "--check"]), "Type `cargo fmt --all`."))?;
    step("tree", || tree::check(&root()))
}

fn costly() -> Result<(), String> {
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

/// `cargo xtask test`.
pub fn test(options: &Test) -> Result<(), String> {
    if options.quick && options.long {
        return Err("--quick and --long exclude each other".to_owned());
    }
    let plan = plan(options, &suites::names(&root().join("tests"))?, takeover::decide)?;
    setup::ensure(plan.suites.iter().any(|name| name == TAKEOVER))?;
    let mut built = Vec::new();
    if !options.suites.is_empty() {
        step("build", || keep(&mut built, suites::build(&plan.selection())))?;
    } else if options.quick {
        source()?;
        step("build", || keep(&mut built, suites::build(&plan.selection())))?;
    } else {
        cheap()?;
        // The product is one crate on one processor for minutes; its test would build it otherwise.
        let product = thread::spawn(|| step("product", dist::run));
        let tests = costly()
            .and_then(|()| step("build", || keep(&mut built, suites::build(&plan.selection()))));
        let product = product.join().map_err(|_| "the product's build broke off")?;
        tests.and(product)?;
    }
    suites::missing(&built, &plan.left_out)?;
    built.retain(|suite| plan.is_run(suite));
    step("tests", || suites::run(&built, &plan.left_out, options.long))?;
    if plan.suites.iter().any(|name| name == TAKEOVER) {
        takeover::was_well()?;
    }
    println!("\nAll is well{}.", if plan.left_out.is_empty() { "" } else { ", of what ran" });
    Ok(())
}

fn keep<T>(into: &mut T, outcome: Result<T, String>) -> Result<(), String> {
    *into = outcome?;
    Ok(())
}

/// What is run, and what is not and why.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    suites: Vec<String>,
    unit: bool,
    left_out: BTreeMap<String, String>,
}

impl Plan {
    /// What cargo builds for it.
    fn selection(&self) -> Vec<&str> {
        let unit: &[&str] = if self.unit { &["--lib", "--bins"] } else { &[] };
        let suites = self.suites.iter().flat_map(|name| ["--test", name]);
        unit.iter().copied().chain(suites).collect()
    }

    fn is_run(&self, suite: &Suite) -> bool {
        suite.name.starts_with("unit ") || self.suites.contains(&suite.name)
    }
}

fn plan(
    options: &Test,
    known: &[String],
    decide: impl FnOnce() -> Decision,
) -> Result<Plan, String> {
    let mut plan = Plan::default();
    if !options.suites.is_empty() {
        if let Some(name) =
            options.suites.iter().find(|name| *name != UNIT && !known.contains(name))
        {
            return Err(format!(
                "no suite is called {name}; there are {UNIT}, {}",
                known.join(", ")
            ));
        }
        plan.unit = options.suites.iter().any(|name| name == UNIT);
        if !plan.unit {
            plan.left_out.insert(UNIT.to_owned(), "not asked for".to_owned());
        }
        plan.choose(known, |name| options.suites.contains(name), "not asked for");
        return Ok(plan);
    }
    plan.unit = true;
    if options.quick {
        plan.choose(known, |name| QUICK.contains(&name.as_str()), "the quick run leaves it out");
        return Ok(plan);
    }
    if !known.iter().any(|name| name == TAKEOVER) {
        return Err(format!("{TAKEOVER} is not among the tests: {known:?}"));
    }
    match decide() {
        _ if options.long => plan.choose(known, |_| true, ""),
        Decision::Test(why) => {
            println!("{TAKEOVER} runs: {why}");
            plan.choose(known, |_| true, "");
        }
        Decision::LeaveOut(why) => {
            println!("{TAKEOVER} does not run: {why}");
            plan.choose(known, |name| name != TAKEOVER, &why);
        }
    }
    Ok(plan)
}

impl Plan {
    fn choose(&mut self, known: &[String], is_run: impl Fn(&String) -> bool, why: &str) {
        for name in known {
            if is_run(name) {
                self.suites.push(name.clone());
            } else {
                self.left_out.insert(name.clone(), why.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(arguments: &[&str], decision: Decision) -> Result<Plan, String> {
        let known = ["fuzz", "peers", "takeover"].map(str::to_owned);
        let options = Test::from_args(&["test"], arguments).expect("arguments");
        plan(&options, &known, || decision)
    }

    fn leave() -> Decision {
        Decision::LeaveOut("nothing changed".to_owned())
    }

    #[test]
    fn the_full_run_leaves_the_take_over_out_with_its_reason() {
        let plan = planned(&[], leave()).unwrap();
        assert_eq!(plan.suites, ["fuzz", "peers"]);
        assert_eq!(plan.left_out["takeover"], "nothing changed");
        assert!(plan.unit);
        for (arguments, decision) in [(&["--long"][..], leave()), (&[], Decision::Test("".into()))]
        {
            let plan = planned(arguments, decision).unwrap();
            assert_eq!(plan.suites, ["fuzz", "peers", "takeover"]);
            assert!(plan.left_out.is_empty());
        }
    }

    #[test]
    fn the_quick_run_names_what_it_leaves_out() {
        let plan = planned(&["--quick"], leave()).unwrap();
        assert_eq!(plan.selection(), ["--lib", "--bins", "--test", "fuzz"]);
        let left_out: Vec<&String> = plan.left_out.keys().collect();
        assert_eq!(left_out, ["peers", "takeover"]);
    }

    #[test]
    fn named_suites_run_alone_and_strangers_are_refused() {
        let plan = planned(&["peers"], leave()).unwrap();
        assert_eq!(plan.selection(), ["--test", "peers"]);
        assert_eq!(plan.left_out.len(), 3);
        let plan = planned(&["unit"], leave()).unwrap();
        assert_eq!(plan.selection(), ["--lib", "--bins"]);
        assert!(planned(&["peer"], leave()).unwrap_err().contains("fuzz, peers, takeover"));
    }
}
