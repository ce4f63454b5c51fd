//! The Debian packages that an image is made of, as files. Purpose: each is the one that
//! `xtask/image-parts.txt` pins: from this machine, where that version is installed and unchanged,
//! else from apt's archive, else from snapshot.debian.org, which keeps every version; in every case
//! held against the pinned sum. Where none of them has it, the version that Debian offers takes its
//! place, with a loud line, and the manifest says so (`--pinned` refuses instead). Non-goals:
//! installing them. Bound: what lies in the target folder, a package each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::{read, sha256};
use super::offered;
use super::pins::{self, Pin, Pins, FILE};
use crate::step::{root, run, said, target_dir};

/// The packages beside the kernel.
pub const PACKAGES: [&str; 4] =
    ["busybox-static", "e2fsck-static", "grub-pc-bin", "grub-efi-amd64-bin"];
/// What makes an image out of them; recorded, as another version may make other bytes.
pub const TOOLS: [&str; 5] = ["e2fsprogs", "grub-common", "kmod", "zstd", "gzip"];
/// apt's own downloader: the connection that apt is set up with, and the sum checked.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";
/// A part that lags behind Debian's by more than this is told loudly.
const BEHIND_DAYS_MAX: u64 = 30;
const DAY_S: u64 = 86_400;
/// How long after the package lists were made the archive's snapshot is taken from: Debian keeps a
/// version that was replaced for another day and a half.
const SNAPSHOT_AFTER_S: u64 = DAY_S;

/// A package whose files are there.
#[derive(Clone)]
pub struct Part {
    /// Which it is.
    pub pin: Pin,
    /// The folder that stands for `/` in it.
    pub tree: PathBuf,
    /// Whether it is the one that the source asks for.
    pub is_pinned: bool,
}

/// What an image is made of.
pub struct ImageParts {
    /// The kernel.
    pub kernel: Part,
    /// The others, in the order of [`PACKAGES`].
    pub others: Vec<Part>,
    /// When Debian offered the pinned ones.
    pub snapshot: String,
}

impl ImageParts {
    /// All of them; what is not here is fetched. `strict`: nothing but what is pinned.
    pub fn take(strict: bool) -> Result<ImageParts, String> {
        let pins = pinned()?;
        let kernel = part(pins.kernel()?, &pins.snapshot, strict)?;
        let others = PACKAGES.iter().map(|package| part(pins.of(package)?, &pins.snapshot, strict));
        let others = others.collect::<Result<Vec<Part>, String>>()?;
        Ok(ImageParts { kernel, others, snapshot: pins.snapshot })
    }

    /// The files of one of [`PACKAGES`].
    pub fn tree(&self, package: &str) -> Result<&Path, String> {
        let found = self.others.iter().find(|part| part.pin.package == package);
        found.map(|part| part.tree.as_path()).ok_or_else(|| format!("no part is {package}"))
    }

    /// All of them, the kernel first.
    pub fn all(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.kernel).chain(&self.others)
    }
}

/// The pins of the source.
pub fn pinned() -> Result<Pins, String> {
    let text = fs::read_to_string(root().join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
    Pins::parse(&text)
}

/// Has all of them there, and says how far they are behind what Debian offers.
pub fn ensure() -> Result<(), String> {
    ImageParts::take(false)?;
    if let Some(line) = behind(&pinned()?) {
        println!("{line}");
    }
    Ok(())
}

fn part(pin: &Pin, snapshot: &str, strict: bool) -> Result<Part, String> {
    let had = |tree| Ok(Part { pin: pin.clone(), tree, is_pinned: true });
    if let Some(tree) = unpacked(pin).or_else(|| installed(pin)) {
        return had(tree);
    }
    println!("fetching {} {}", pin.package, pin.version);
    let why = match download(pin, snapshot) {
        Ok(tree) => return had(tree),
        Err(why) => why,
    };
    let Pin { package, version, .. } = pin;
    let advice = format!(
        "{package} {version}, which {FILE} pins, cannot be had: {why}\nWhere snapshot.debian.org is \
         not reachable, an older version is gone once Debian has replaced it. Type `cargo xtask \
         parts --renew`, look at what changes, and commit it."
    );
    if strict {
        return Err(advice);
    }
    let other = offered::of(pin).and_then(|other| {
        let tree = unpacked(&other).or_else(|| installed(&other)).map_or_else(
            || {
                println!("fetching {} {}", other.package, other.version);
                download(&other, snapshot)
            },
            Ok,
        )?;
        Ok(Part { pin: other, tree, is_pinned: false })
    });
    let other = other.map_err(|error| format!("{advice}\nWhat Debian offers now: {error}"))?;
    println!("═══ NOT PINNED: {advice}");
    println!("═══ Meanwhile the image is made of {} {}.", other.pin.package, other.pin.version);
    Ok(other)
}

/// A package's folder, by its sum.
fn folder(pin: &Pin) -> PathBuf {
    let short: String = pin.sha256.chars().take(16).collect();
    target_dir().join("tools/parts").join(format!("{}-{short}", pin.package))
}

/// The tree of one that was fetched; its mark is written last.
fn unpacked(pin: &Pin) -> Option<PathBuf> {
    let folder = folder(pin);
    folder.join("whole").exists().then(|| folder.join("tree"))
}

/// The machine's own, if it is just that version and nobody has changed it. Documentation may be left
/// out of a small system.
fn installed(pin: &Pin) -> Option<PathBuf> {
    if pins::is_kernel(&pin.package) || version_here(&pin.package).ok()? != pin.version {
        return None;
    }
    let changed = said(Command::new("dpkg").args(["--verify", &pin.package])).ok()?;
    let is_whole = changed.lines().all(|line| line.contains(" /usr/share/"));
    is_whole.then(|| PathBuf::from("/"))
}

/// The version of a package that is installed.
pub fn version_here(package: &str) -> Result<String, String> {
    said(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", package]))
}

fn download(pin: &Pin, snapshot: &str) -> Result<PathBuf, String> {
    let folder = folder(pin);
    crate::step::remove_folder(&folder)?;
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let deb = from_the_archive(pin, &folder).or_else(|why| {
        from_the_snapshot(pin, snapshot, &folder).map_err(|later| format!("{why}\n{later}"))
    })?;
    let tree = folder.join("tree");
    run(Command::new("dpkg-deb").arg("--extract").args([&deb, &tree]), "Try again.")?;
    if pins::is_kernel(&pin.package) {
        super::depmod::index(&tree)?;
    }
    fs::remove_file(&deb).map_err(|error| format!("{}: {error}", deb.display()))?;
    super::files::write(
        &folder.join("whole"),
        format!("{} {}\n", pin.package, pin.version).as_bytes(),
    )?;
    Ok(tree)
}

/// By apt, from the archive that this machine uses.
fn from_the_archive(pin: &Pin, folder: &Path) -> Result<PathBuf, String> {
    let into = folder.join("archive");
    fs::create_dir_all(&into).map_err(|error| format!("{}: {error}", into.display()))?;
    let mut download = Command::new("apt-get");
    // The sandbox user of apt may not write into the target folder.
    download.args(["-q", "-o", "APT::Sandbox::User=root", "download"]);
    said(download.arg(format!("{}={}", pin.package, pin.version)).current_dir(&into))?;
    let entries = fs::read_dir(&into).map_err(|error| format!("{}: {error}", into.display()))?;
    let deb = entries.flatten().next().ok_or("apt-get has left no package")?.path();
    let sum = sha256(&read(&deb)?);
    if sum == pin.sha256 {
        return Ok(deb);
    }
    Err(format!("the archive's {} has the sum {sum}, not {}", pin.package, pin.sha256))
}

fn from_the_snapshot(pin: &Pin, snapshot: &str, folder: &Path) -> Result<PathBuf, String> {
    let deb = folder.join("part.deb");
    let mut helper = Command::new(APT_HELPER);
    helper.args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2"]);
    helper.args(["-o", "Acquire::https::Timeout=30", "download-file"]);
    helper.arg(address(pin, snapshot)?).arg(&deb).arg(format!("SHA256:{}", pin.sha256));
    said(&mut helper)?;
    let sum = sha256(&read(&deb)?);
    (sum == pin.sha256).then_some(deb).ok_or_else(|| format!("the snapshot's sum is {sum}"))
}

/// Where Debian's own history has it. Security updates are an archive of their own.
fn address(pin: &Pin, snapshot: &str) -> Result<String, String> {
    let is_update = pin.path.starts_with("pool/updates/");
    let archive = if is_update { "debian-security" } else { "debian" };
    let day = pins::day_of(pins::seconds_of(snapshot)? + SNAPSHOT_AFTER_S)?;
    Ok(format!("https://snapshot.debian.org/archive/{archive}/{day}/{}", pin.path))
}

/// What to say of the kernel beside what Debian offers: nothing where it is the same.
pub fn behind(pins: &Pins) -> Option<String> {
    let lists = offered::lists_s()?;
    let age_days = now_s().saturating_sub(lists) / DAY_S;
    if age_days > BEHIND_DAYS_MAX {
        return Some(format!(
            "the package lists of this machine are {age_days} days old: whether the kernel is \
             behind is not known. Type `sudo apt-get update`."
        ));
    }
    let pin = pins.kernel().ok()?;
    let now = offered::of(pin).ok()?;
    let days = lists.saturating_sub(pins::seconds_of(&pins.snapshot).ok()?) / DAY_S;
    is_newer(&now.version, &pin.version).then(|| lag(&pin.version, &now.version, days))
}

fn lag(pinned: &str, offered: &str, days: u64) -> String {
    let renew = "`cargo xtask parts --renew` renews it";
    if days > BEHIND_DAYS_MAX {
        return format!(
            "═══ WARNING: the kernel {pinned} was pinned {days} days ago, and Debian offers \
             {offered} with what was mended since: {renew}."
        );
    }
    format!("Debian offers the kernel {offered}; {pinned} is pinned. {renew}.")
}

/// Whether a version comes after another one, by Debian's order.
pub fn is_newer(one: &str, other: &str) -> bool {
    let mut compare = Command::new("dpkg");
    let compared = compare.args(["--compare-versions", one, "gt", other]).status();
    compared.is_ok_and(|status| status.success())
}

fn now_s() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

/// The versions of the tools that made it.
pub fn tools() -> Vec<(&'static str, String)> {
    let version = |name| version_here(name).unwrap_or_else(|_| "unknown".to_owned());
    TOOLS.iter().map(|name| (*name, version(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(path: &str) -> Pin {
        Pin {
            package: "busybox-static".to_owned(),
            version: "1".to_owned(),
            sha256: "0".repeat(64),
            path: path.to_owned(),
            source: ("busybox".to_owned(), "1".to_owned()),
        }
    }

    #[test]
    fn a_snapshot_is_asked_for_a_day_later_and_by_archive() {
        let of = |path| address(&pin(path), "20261128T025300Z").unwrap();
        assert_eq!(
            of("pool/main/b/a.deb"),
            "https://snapshot.debian.org/archive/debian/20261129T025300Z/pool/main/b/a.deb"
        );
        assert!(of("pool/updates/main/l/a.deb").contains("/debian-security/20261129T025300Z/pool/"));
    }

    #[test]
    fn thirty_days_behind_is_a_warning_and_less_is_a_line() {
        assert!(lag("1", "2", 31).contains("WARNING") && lag("1", "2", 31).contains("31 days"));
        assert!(!lag("1", "2", 30).contains("WARNING") && lag("1", "2", 30).contains("--renew"));
        assert!(is_newer("6.12.120-1", "6.12.117-1~deb12u1"));
        assert!(!is_newer("6.12.117-1~deb12u1", "6.12.117-1"));
    }

    #[test]
    fn a_version_that_is_not_installed_is_not_taken_from_the_machine() {
        assert_eq!(installed(&pin("pool/x")), None);
        assert_eq!(unpacked(&pin("pool/x")), None);
    }
}
