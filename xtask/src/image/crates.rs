//! The crates in the product: what cargo builds it of, for the machine it is for. Purpose: name,
//! version, licence, sum and source folder of each. Non-goal: judging licences, which is cargo-deny's.
//! Bound: one graph of dependencies.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::image::files::read;
use crate::step::{cargo, root, said};

/// What the product is built for.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// A crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// An SPDX expression; empty where it names none.
    pub licence: String,
    /// The SHA-256 of its package, in hexadecimal; none of a member of this workspace.
    pub sha256: Option<String>,
    /// Where its source lies on this machine.
    pub folder: PathBuf,
}

/// The product's crates, in order, the product first among equals.
pub fn of_the_product() -> Result<Vec<Crate>, String> {
    let mut tree = cargo(&["tree", "--locked", "--offline", "-p", "streamcaster"]);
    // What makes code while it is built is no part of what is built, nor what that is made of.
    tree.args(["--edges", "normal,no-proc-macro", "--target", TARGET, "--prefix", "none"]);
    let tree = said(tree.args(["--format", "{p}"]))?;
    let mut metadata = cargo(&["metadata", "--locked", "--offline", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&said(&mut metadata)?)
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let lock = String::from_utf8_lossy(&read(&root().join("Cargo.lock"))?).into_owned();
    let sums = sums(&lock);
    let mut crates = BTreeMap::new();
    for package in metadata.get("packages").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| package.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let key = (text("name"), text("version"));
        let mut folder = PathBuf::from(text("manifest_path"));
        folder.pop();
        let one = Crate {
            name: key.0.clone(),
            version: key.1.clone(),
            // Before SPDX, a slash meant a choice.
            licence: text("license").replace('/', " OR "),
            sha256: sums.get(&key).cloned(),
            folder,
        };
        crates.insert(key, one);
    }
    let wanted = in_tree(&tree);
    let missing = |key: &(String, String)| format!("cargo tells nothing of {} {}", key.0, key.1);
    wanted.iter().map(|key| crates.get(key).cloned().ok_or_else(|| missing(key))).collect()
}

/// The names and versions in what `cargo tree` prints, each once.
fn in_tree(tree: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        Some((name.to_owned(), version.to_owned()))
    };
    let mut found: Vec<_> = tree.lines().filter_map(line).collect();
    found.sort();
    found.dedup();
    found
}

/// The sums in a lock file.
fn sums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let value = |name: &str| {
            let line = |line: &str| {
                let value = line.strip_prefix(name)?.strip_prefix(" = \"")?;
                Some(value.strip_suffix('"')?.to_owned())
            };
            package.lines().find_map(line)
        };
        if let (Some(name), Some(version), Some(sum)) =
            (value("name"), value("version"), value("checksum"))
        {
            found.insert((name, version), sum);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_files_sums_are_found() {
        let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = \"r\"\n\
                    checksum = \"ab\"\n\n[[package]]\nname = \"own\"\nversion = \"2\"\n";
        let sums = sums(lock);
        assert_eq!(sums.len(), 1);
        assert_eq!(sums.get(&("a".to_owned(), "1".to_owned())).map(String::as_str), Some("ab"));
    }

    #[test]
    fn a_crate_is_counted_once() {
        let tree = "own v0.1.0 (/p)\na v1.0.0\na v1.0.0 (*)\n\n";
        let own = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(in_tree(tree), [own("a", "1.0.0"), own("own", "0.1.0")]);
    }
}
