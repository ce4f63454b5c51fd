//! What Debian offers today, by this machine's package lists. Purpose: the pins are compared with it
//! and renewed from it. Non-goal: bringing the lists up to date, which needs root. Bound: a record
//! a package.

use std::fs;
use std::process::Command;

use super::pins::{self, Pin};
use crate::step::said;

/// The metapackage that names the kernel of the day. The 6.12 series: its virtio_pci is built in,
/// and it is 2.5 MB smaller than Debian 12's own 6.1.
const METAPACKAGE: &str = "linux-image-6.12-cloud-amd64";
/// Where apt keeps its lists.
const LISTS: &str = "/var/lib/apt/lists";

/// What is offered in the place of a package: of the kernel, the one that the metapackage names.
pub fn of(pin: &Pin) -> Result<Pin, String> {
    if !pins::is_kernel(&pin.package) {
        return record(&pin.package);
    }
    kernel()
}

/// The kernel of the day.
pub fn kernel() -> Result<Pin, String> {
    let shown = show(METAPACKAGE)?;
    let (name, version) = named(&shown)?;
    record(&format!("{name}={version}"))
}

/// The record of a package's candidate, or of `PACKAGE=VERSION`.
pub fn record(package: &str) -> Result<Pin, String> {
    parse(&show(package)?).ok_or_else(|| format!("apt's record of {package} lacks a line"))
}

fn show(package: &str) -> Result<String, String> {
    said(Command::new("apt-cache").args(["show", "--no-all-versions", package]))
        .map_err(|error| format!("{error}\nType `sudo apt-get update` and try again."))
}

/// A record of apt's.
fn parse(shown: &str) -> Option<Pin> {
    let field = |name: &str| {
        let value = |line: &'_ str| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
        shown.lines().find_map(value)
    };
    let (package, version) = (field("Package")?, field("Version")?);
    let own = (package.clone(), version.clone());
    // The signed kernel is made of another package, whose source it is; others name themselves only
    // where their source's name or version is another.
    let built = field("Built-Using").filter(|_| pins::is_kernel(&package));
    let source = match (built.as_deref().and_then(first_built), field("Source")) {
        (Some(built), _) => built,
        (None, Some(source)) => match source.split_once(" (") {
            Some((name, of)) => (name.to_owned(), of.trim_end_matches(')').to_owned()),
            None => (source, own.1),
        },
        (None, None) => own,
    };
    Some(Pin { package, version, sha256: field("SHA256")?, path: field("Filename")?, source })
}

/// `linux (= 6.12.9-1), other (= 1)`.
fn first_built(text: &str) -> Option<(String, String)> {
    let first = text.split(',').next()?.trim();
    let (name, version) = first.strip_suffix(')')?.split_once(" (= ")?;
    Some((name.to_owned(), version.to_owned()))
}

/// The package and version that the metapackage's one dependency names:
/// `Depends: linux-image-6.12.1+deb12-cloud-amd64 (= 6.12.1-1~deb12u1)`.
fn named(shown: &str) -> Result<(&str, &str), String> {
    let depends = shown.lines().find_map(|line| line.strip_prefix("Depends: "));
    let first = depends.and_then(|line| line.split(',').next());
    first
        .and_then(|one| one.trim().strip_suffix(')')?.split_once(" (= "))
        .ok_or_else(|| format!("{METAPACKAGE} names no kernel:\n{shown}"))
}

/// When the newest of Debian's lists here was made, seconds since 1970; `None`: there is none.
pub fn lists_s() -> Option<u64> {
    let entries = fs::read_dir(LISTS).ok()?.flatten();
    let releases = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with("Release"));
    let texts = releases.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let dates = texts.filter_map(|text| made(&text).map(str::to_owned));
    let seconds = dates.filter_map(|date| {
        said(Command::new("date").args(["-u", "-d", &date, "+%s"])).ok()?.parse().ok()
    });
    seconds.max()
}

/// The date of a release file of Debian's.
fn made(text: &str) -> Option<&str> {
    text.lines().find(|line| *line == "Origin: Debian")?;
    text.lines().find_map(|line| line.strip_prefix("Date: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metapackage_names_a_kernel_and_its_version() {
        let shown = "Package: linux-image-6.12-cloud-amd64\nVersion: 6.12.9-1\nDepends: \
                     linux-image-6.12.9-cloud-amd64 (= 6.12.9-1), other\nSize: 1\n";
        assert_eq!(named(shown), Ok(("linux-image-6.12.9-cloud-amd64", "6.12.9-1")));
        assert!(named("Package: x\nDepends: y\n").is_err());
        assert!(named("").is_err());
    }

    #[test]
    fn a_record_says_what_it_is_and_what_it_is_built_of() {
        let record = |more: &str| {
            let text = format!("Version: 2\nSHA256: ab\nFilename: pool/x.deb\n{more}");
            parse(&text).map(|pin| pin.source)
        };
        let source = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(record("Package: a\n"), source("a", "2"));
        assert_eq!(record("Package: a\nSource: b\n"), source("b", "2"));
        assert_eq!(record("Package: a\nSource: b (1)\nBuilt-Using: c (= 3)\n"), source("b", "1"));
        let signed =
            "Package: linux-image-6\nSource: linux-signed (2+1)\nBuilt-Using: linux (= 2)\n";
        assert_eq!(record(signed), source("linux", "2"));
        assert_eq!(record("Packag: a\n"), None);
    }

    #[test]
    fn only_debians_own_lists_have_a_date() {
        assert_eq!(made("Origin: Debian\nLabel: x\nDate: today\n"), Some("today"));
        assert_eq!(made("Origin: Other\nDate: today\n"), None);
    }
}
