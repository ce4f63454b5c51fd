//! What has to hold before a change lands, in the order of what fails fastest. Bound: the first
//! failure stops the rest.

use crate::step::{cargo, root, run, step};
use crate::{dist, setup, tree};

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
    step("tests", || {
        let advice = "The first `panicked at` above says which expectation broke.";
        run(&mut cargo(&["test", "--workspace", "--locked"]), advice)
    })?;
    println!("\nAll is well.");
    Ok(())
}
