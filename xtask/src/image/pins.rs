//! The pins: which Debian packages an image is made of, `xtask/image-parts.txt`. Purpose: the same
//! commit is made of the same packages, no matter who builds it and when; the day they were taken from
//! Debian's archive is kept with them. Non-goals: getting them, which is `parts`. Bound: a line a
//! package.

use crate::step::said;
use std::process::Command;

/// The file, below the project's root.
pub const FILE: &str = "xtask/image-parts.txt";
/// The word before the day.
const SNAPSHOT: &str = "snapshot ";
/// What the file says of itself.
const HEAD: &str = "\
# The Debian packages that an image is made of, and the day they were what Debian offered.
# `cargo xtask parts` compares them with what it offers today, `cargo xtask parts --renew` writes
# this file. A line: package, version, SHA-256 of the package, its path in Debian's archive, and the
# source package that it is built of.
";

/// One package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Debian's name.
    pub package: String,
    /// Debian's version.
    pub version: String,
    /// The SHA-256 of the package file, in hexadecimal.
    pub sha256: String,
    /// Where it is in the archive: `pool/…`.
    pub path: String,
    /// The source package, and its version.
    pub source: (String, String),
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    /// When Debian offered them: `20261128T025300Z`.
    pub snapshot: String,
    /// The packages.
    pub parts: Vec<Pin>,
}

impl Pins {
    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<Pins, String> {
        let (mut snapshot, mut parts) = (None, Vec::new());
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if let Some(day) = line.strip_prefix(SNAPSHOT) {
                seconds_of(day)?;
                snapshot = Some(day.to_owned());
            } else {
                parts.push(pin(line).ok_or_else(|| format!("{FILE}: no package: {line:?}"))?);
            }
        }
        let snapshot = snapshot.ok_or_else(|| format!("{FILE} names no day"))?;
        Ok(Pins { snapshot, parts })
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}{SNAPSHOT}{}\n", self.snapshot);
        for Pin { package, version, sha256, path, source } in &self.parts {
            let (name, of) = source;
            text += &format!("{package} {version} {sha256} {path} {name}={of}\n");
        }
        text
    }

    /// The kernel's, which is named after its version.
    pub fn kernel(&self) -> Result<&Pin, String> {
        let mut kernels = self.parts.iter().filter(|pin| is_kernel(&pin.package));
        kernels.next().ok_or_else(|| format!("{FILE} names no kernel"))
    }

    /// Any other's.
    pub fn of(&self, package: &str) -> Result<&Pin, String> {
        let found = self.parts.iter().find(|pin| pin.package == package);
        found.ok_or_else(|| format!("{FILE} does not name {package}"))
    }
}

/// Whether a package is a kernel, by its name.
pub fn is_kernel(package: &str) -> bool {
    package.starts_with("linux-image-")
}

fn pin(line: &str) -> Option<Pin> {
    let mut words = line.split(' ').map(str::to_owned);
    let (package, version) = (words.next()?, words.next()?);
    let (sha256, path) = (words.next()?, words.next()?);
    let source = words.next()?;
    let (name, of) = source.split_once('=')?;
    let is_sum = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    // The path becomes part of an address, and of a file's name.
    let is_path = path.starts_with("pool/") && !path.contains("..");
    let source = (name.to_owned(), of.to_owned());
    let pin = Pin { package, version, sha256, path, source };
    (is_sum && is_path && words.next().is_none()).then_some(pin)
}

/// Seconds since 1970 of a day as the file writes it.
pub fn seconds_of(day: &str) -> Result<u64, String> {
    let wrong = || format!("{FILE}: {day:?} is no day such as 20261128T025300Z");
    let (date, time) =
        day.strip_suffix('Z').and_then(|day| day.split_once('T')).ok_or_else(wrong)?;
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(date, 8) || !digits(time, 6) {
        return Err(wrong());
    }
    let part = |text: &str, at: usize| text.get(at..at + 2).unwrap_or("00").to_owned();
    let time = format!("{}:{}:{}", part(time, 0), part(time, 2), part(time, 4));
    let mut command = Command::new("date");
    command.args(["-u", "-d", &format!("{date} {time} UTC"), "+%s"]);
    said(&mut command)?.parse().map_err(|_| wrong())
}

/// A day as the file writes it.
pub fn day_of(seconds: u64) -> Result<String, String> {
    said(Command::new("date").args(["-u", "-d", &format!("@{seconds}"), "+%Y%m%dT%H%M%SZ"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins() -> Pins {
        let pin = |package: &str| Pin {
            package: package.to_owned(),
            version: "1:1.35.0-4+deb12u1".to_owned(),
            sha256: "ab".repeat(32),
            path: format!("pool/main/b/busybox/{package}.deb"),
            source: ("busybox".to_owned(), "1:1.35.0-4".to_owned()),
        };
        let parts = vec![pin("linux-image-6.12.9-cloud-amd64"), pin("busybox-static")];
        Pins { snapshot: "20261128T025300Z".to_owned(), parts }
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let pins = pins();
        assert_eq!(Pins::parse(&pins.text()), Ok(pins.clone()));
        assert_eq!(pins.kernel().unwrap().package, "linux-image-6.12.9-cloud-amd64");
        assert!(pins.of("busybox-static").is_ok() && pins.of("grub").is_err());
    }

    #[test]
    fn a_line_that_is_no_package_is_refused() {
        let whole = pins().text();
        for (from, to) in [
            ("abab", "xyxy"),
            ("pool/main", "../pool"),
            ("pool/main", "pool/.."),
            (" busybox=", " busybox"),
            ("20261128T025300Z", "2026-11-28"),
            ("snapshot 20261128T025300Z\n", ""),
        ] {
            let text = whole.replace(from, to);
            assert!(Pins::parse(&text).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_day_is_a_number_of_seconds() {
        assert_eq!(seconds_of("20261128T025300Z"), Ok(1_795_834_380));
        assert_eq!(day_of(1_795_834_380).as_deref(), Ok("20261128T025300Z"));
    }

    #[test]
    fn the_trees_own_pins_name_every_part_of_an_image() {
        let text = std::fs::read_to_string(crate::step::root().join(FILE)).unwrap();
        let pins = Pins::parse(&text).unwrap();
        assert_eq!(pins.text(), text);
        pins.kernel().unwrap();
        for package in super::super::parts::PACKAGES {
            pins.of(package).unwrap();
        }
    }
}
