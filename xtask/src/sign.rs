//! `cargo xtask sign`: the update an appliance accepts, `target/dist/streamcaster.update`. Purpose:
//! what a slot holds behind a header of 1024 bytes: lines that say which system it is, how long and
//! with what sum, and the Ed25519 signature (RFC 8032) over them. It is deterministic: one key
//! makes the same bytes of the same slot. Non-goals: keeping the key safe. Bound: 960 bytes of
//! lines.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::image::cpio;
use crate::image::files::sha256;
use crate::step::{hexadecimal, root, target_dir};

/// The part of the header that is signed.
pub const SIGNED_BYTES: usize = 960;
/// The first line of an update.
pub const OPENING: &str = "streamcaster-update 1\n";
/// How many digits of a key's public half name it.
const KEY_ID_DIGITS: usize = 16;
/// A date and a time of day to the second.
const BUILD_DIGITS: usize = 14;
/// A package's header, which an update server offers it by.
const HEADER_BYTES: usize = 1024;
/// The name of the header alone, beside the package.
pub const LATEST: &str = "streamcaster.latest";
/// Where the key is unless said otherwise, in the checkout.
const KEY: &str = "streamcaster.key";

/// sign a slot: make the update that appliances with this key accept
#[derive(FromArgs)]
#[argh(subcommand, name = "sign")]
pub struct Sign {
    /// the key (default: streamcaster.key)
    #[argh(option)]
    key: Option<PathBuf>,
    /// what to sign (default: target/dist/streamcaster.slot)
    #[argh(option)]
    slot: Option<PathBuf>,
    /// another version than the slot's, for tests
    #[argh(option)]
    version: Option<String>,
    /// another revision
    #[argh(option)]
    revision: Option<String>,
    /// another time than the commit's, seconds since 1970; the build follows it
    #[argh(option)]
    made: Option<u64>,
    /// the oldest version or build that may take its place; the slot has to say the same
    #[argh(option)]
    oldest: Option<String>,
    /// where to (default: target/dist/streamcaster.update)
    #[argh(option)]
    output: Option<PathBuf>,
}

/// The command as it is typed.
pub fn run(options: &Sign) -> Result<(), String> {
    let dist = |name: &str| target_dir().join("dist").join(name);
    let slot = options.slot.clone().unwrap_or_else(|| dist("streamcaster.slot"));
    let output = options.output.clone().unwrap_or_else(|| dist("streamcaster.update"));
    let blob = fs::read(&slot).map_err(|error| format!("{}: {error}", slot.display()))?;
    let key = Key::take(options.key.as_deref())?;
    let mut release = Release::of_the_slot(&blob)?;
    release.version = options.version.clone().unwrap_or(release.version);
    release.revision = options.revision.clone().unwrap_or(release.revision);
    release.made_s = options.made.unwrap_or(release.made_s);
    release.set_oldest(options.oldest.as_deref())?;
    release.key = key.id();
    let package = package(&blob, &release, &key)?;
    fs::write(&output, &package).map_err(|error| format!("{}: {error}", output.display()))?;
    let latest = output.with_extension("latest");
    fs::write(&latest, head(&package)).map_err(|error| format!("{}: {error}", latest.display()))?;
    println!("{}: {}", output.display(), release.described());
    Ok(())
}

/// Which system it is.
#[derive(Clone, Debug)]
pub struct Release {
    /// Three numbers, as in `0.1.0`.
    version: String,
    /// The commit, abbreviated.
    revision: String,
    /// When the commit was made, seconds since 1970.
    made_s: u64,
    /// The version of its kernel.
    pub kernel: String,
    /// The key it is signed with.
    pub key: String,
    /// Whether everybody at its console is root.
    pub debug: bool,
    /// The oldest version that may take its place.
    oldest: Option<String>,
    /// The oldest build that may.
    oldest_build: Option<u64>,
}

impl Release {
    /// By what the product says of itself, `streamcaster 0.1.0 (abc1234)`, and the commit's time.
    pub fn of(said: &str, made_s: u32) -> Result<Release, String> {
        let mut words = said.split_whitespace();
        let version = words.nth(1).map(str::to_owned);
        let revision = words.next().and_then(|word| word.strip_prefix('(')?.strip_suffix(')'));
        let (Some(version), Some(revision)) = (version, revision) else {
            return Err(format!("{said:?} is not what the product says of itself"));
        };
        Ok(Release {
            version,
            revision: revision.to_owned(),
            made_s: made_s.into(),
            kernel: "unknown".to_owned(),
            key: "unknown".to_owned(),
            debug: false,
            oldest: None,
            oldest_build: None,
        })
    }

    /// As the slot says it.
    fn of_the_slot(slot: &[u8]) -> Result<Release, String> {
        let lines =
            cpio::member(slot, "version").ok_or("the slot does not say which system it is")?;
        let lines = String::from_utf8_lossy(lines).into_owned();
        let value = |word: &str| {
            lines.lines().find_map(|line| {
                Some(line.split_once(' ')?.1).filter(|_| line.split(' ').next() == Some(word))
            })
        };
        let text = |word: &str| value(word).unwrap_or("unknown").to_owned();
        let made_s = value("made").and_then(|made| made.parse().ok());
        Ok(Release {
            version: text("version"),
            revision: text("revision"),
            made_s: made_s.ok_or("the slot does not say when it was made")?,
            kernel: text("kernel"),
            key: text("key"),
            debug: value("debug") == Some("1"),
            oldest: value("oldest").map(str::to_owned),
            oldest_build: value("oldest-build").and_then(|build| build.parse().ok()),
        })
    }

    /// The build's number: the commit's time in UTC, `20261128025300`. It grows from commit to commit,
    /// and is the same in every clone of one, however shallow; a count of commits would not be.
    pub fn build(&self) -> u64 {
        let time = time_of(self.made_s);
        time.parse().unwrap_or(0)
    }

    /// Has it say which is the oldest version or build that may take its place: one no later than
    /// itself.
    pub fn set_oldest(&mut self, oldest: Option<&str>) -> Result<(), String> {
        let numbers = |text: &str| -> Option<Vec<u32>> {
            let parts = text.split('.').map(|part| part.parse().ok());
            parts.collect::<Option<Vec<u32>>>().filter(|numbers| numbers.len() == 3)
        };
        let Some(oldest) = oldest else { return Ok(()) };
        let own = (self.version.as_str(), self.build());
        if oldest.len() == BUILD_DIGITS {
            if let Some(build) = oldest.parse().ok().filter(|build| *build <= own.1) {
                self.oldest_build = Some(build);
                return Ok(());
            }
        }
        match (numbers(oldest), numbers(own.0)) {
            (Some(old), Some(version)) if old <= version => {
                self.oldest = Some(oldest.to_owned());
                Ok(())
            }
            _ => Err(format!(
                "--oldest {oldest}: expected three numbers, at most {}, or a build, at most {}",
                own.0, own.1
            )),
        }
    }

    /// The lines that a slot, its root file system and its update say it by.
    pub fn lines(&self) -> String {
        let Release { version, revision, made_s, kernel, key, debug, .. } = self;
        let build = self.build();
        let mut lines = format!(
            "version {version}\nrevision {revision}\nmade {made_s}\nbuild {build}\nkernel {kernel}\n\
             key {key}\n"
        );
        if *debug {
            lines += "debug 1\n";
        }
        if let Some(oldest) = &self.oldest {
            lines += &format!("oldest {oldest}\n");
        }
        if let Some(build) = self.oldest_build {
            lines += &format!("oldest-build {build}\n");
        }
        lines
    }

    /// In a line, for a person.
    pub fn described(&self) -> String {
        let Release { version, revision, kernel, key, .. } = self;
        let debug = if self.debug { "; A DEBUG SYSTEM: not for use" } else { "" };
        format!("{version} ({revision}), build {}, kernel {kernel}, key {key}{debug}", self.build())
    }
}

/// Seconds since 1970 as date and time in UTC, digits alone: by eras of 400 years (146,097 days) and
/// years that begin in March, so that the leap day is a year's last.
fn time_of(seconds: u64) -> String {
    let (z, of_day) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (z / 146_097, z % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// What the boot loader checks before it starts a slot, as one sum: that of the list of sums.
pub fn digest(slot: &[u8]) -> Option<String> {
    cpio::member(slot, "SHA256SUMS").map(sha256)
}

/// What a server offers a package by, `streamcaster.latest`: its own header.
pub fn head(package: &[u8]) -> &[u8] {
    package.get(..HEADER_BYTES).unwrap_or(package)
}

/// Header and slot.
pub fn package(slot: &[u8], release: &Release, key: &Key) -> Result<Vec<u8>, String> {
    let lines = release.lines();
    let (length, sum) = (slot.len(), sha256(slot));
    let digest = digest(slot).map_or(String::new(), |digest| format!("digest {digest}\n"));
    let text = format!("{OPENING}{lines}{digest}bytes {length}\nsha256 {sum}\n");
    let mut package = text.into_bytes();
    if package.len() > SIGNED_BYTES {
        return Err(format!("the header's lines have {} bytes: too many", package.len()));
    }
    package.resize(SIGNED_BYTES, b'\n');
    let signature = key.0.sign(&package);
    package.extend_from_slice(signature.as_ref());
    package.extend_from_slice(slot);
    Ok(package)
}

/// The key updates are signed with.
pub struct Key(Ed25519KeyPair);

impl Key {
    /// Reads it. The default one is made when there is none.
    pub fn take(file: Option<&Path>) -> Result<Key, String> {
        match file {
            Some(file) => Key::read(file),
            None => Key::take_or_make(&root().join(KEY)),
        }
    }

    /// Reads it, and makes it first when there is none.
    pub fn take_or_make(path: &Path) -> Result<Key, String> {
        if !path.exists() {
            make(path).map_err(|error| format!("{}: {error}", path.display()))?;
            println!(
                "{} is new. Keep it: appliances made with it accept only updates signed by it.",
                path.display()
            );
        }
        Key::read(path)
    }

    fn read(path: &Path) -> Result<Key, String> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let seed = bytes(text.trim());
        let key = seed.and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).ok());
        key.map(Key).ok_or_else(|| format!("{}: no key of 64 hexadecimal digits", path.display()))
    }

    /// What it is called: the first digits of its public half.
    pub fn id(&self) -> String {
        self.public().chars().take(KEY_ID_DIGITS).collect()
    }

    /// Its public half, a line in hexadecimal.
    pub fn public(&self) -> String {
        hexadecimal(self.0.public_key().as_ref()) + "\n"
    }
}

/// A new one, for its owner alone; one that is there stays.
fn make(path: &Path) -> std::io::Result<()> {
    let mut seed = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", hexadecimal(&seed))?;
    file.sync_all()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_plain = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_plain.then(|| text.as_bytes().chunks(2).map(pair).collect())?
}

#[cfg(test)]
mod tests {
    use ring::signature::{UnparsedPublicKey, ED25519};

    use super::*;

    fn key() -> Key {
        Key(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap())
    }

    #[test]
    fn an_update_is_signed_and_the_same_every_time() {
        let release = Release::of("streamcaster 0.1.0 (abc1234)", 1763).unwrap();
        let package = package(b"blob", &release, &key()).unwrap();
        let (signed, rest) = package.split_at(SIGNED_BYTES);
        let (signature, slot) = rest.split_at(64);
        assert_eq!(slot, b"blob");
        let text = String::from_utf8_lossy(signed);
        let sum = sha256(b"blob");
        let expected = format!(
            "streamcaster-update 1\nversion 0.1.0\nrevision abc1234\nmade 1763\n\
             build 19700101002923\nkernel unknown\nkey unknown\nbytes 4\nsha256 {sum}"
        );
        assert_eq!(text.trim_end_matches('\n'), expected);
        let public = bytes(key().public().trim()).unwrap();
        assert!(UnparsedPublicKey::new(&ED25519, public).verify(signed, signature).is_ok());
        assert_eq!(super::package(b"blob", &release, &key()).unwrap(), package);
    }

    #[test]
    fn the_header_is_the_one_that_the_product_reads() {
        let product = root().join("src/appliance/firmware/package.rs");
        let product = fs::read_to_string(product).unwrap();
        let opening = OPENING.trim_end();
        for line in [
            format!("pub const SIGNED_BYTES: usize = {SIGNED_BYTES};"),
            format!("pub const HEADER_BYTES: usize = {HEADER_BYTES};"),
            format!("const OPENING: &str = \"{opening}\";"),
        ] {
            assert!(product.contains(&line), "{line}");
        }
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner() {
        use std::os::unix::fs::PermissionsExt;

        let path = std::env::temp_dir().join(format!("xtask-sign-{}.key", std::process::id()));
        make(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        let (first, again) = (Key::take(Some(&path)), Key::take(Some(&path)));
        let second = make(&path);
        fs::write(&path, "no key").unwrap();
        let none = Key::take(Some(&path));
        fs::remove_file(&path).unwrap();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(first.unwrap().public(), again.unwrap().public());
        assert!(second.is_err(), "a key is never written over");
        assert!(none.is_err() && Key::take(Some(&path)).is_err());
    }

    #[test]
    fn the_product_says_which_release_it_is() {
        let release = Release::of("streamcaster 1.2.3 (unknown)\n", 5).unwrap();
        let own = "version 1.2.3\nrevision unknown\nmade 5\nbuild 19700101000005\nkernel unknown\n\
                   key unknown\n";
        assert_eq!(release.lines(), own);
        let mut release = release;
        release.set_oldest(Some("1.2.0")).unwrap();
        release.debug = true;
        assert_eq!(release.lines(), format!("{own}debug 1\noldest 1.2.0\n"));
        release.set_oldest(Some("19700101000004")).unwrap();
        assert!(release.lines().ends_with("oldest 1.2.0\noldest-build 19700101000004\n"));
        assert!(release.set_oldest(Some("19700101000006")).is_err());
        assert!(release.described().contains("DEBUG"));
        for wrong in ["1.2.4", "1.2", "x", "1.2.3.4", ""] {
            assert!(release.set_oldest(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(Release::of("streamcaster", 5).is_err());
        assert!(Release::of("streamcaster 1.2.3 abc", 5).is_err());
    }

    #[test]
    fn a_builds_number_is_its_commits_time() {
        for (seconds, time) in [
            (0, "19700101000000"),
            (951_782_400, "20000229000000"),
            (1_795_834_380, "20261128025300"),
            (4_107_542_399, "21000228235959"),
        ] {
            assert_eq!(time_of(seconds), time);
        }
    }

    #[test]
    fn a_slot_that_is_signed_again_says_what_it_said() {
        let mut release = Release::of("streamcaster 1.2.3 (abc)", 5).unwrap();
        release.kernel = "6.12.9-1".to_owned();
        release.debug = true;
        release.set_oldest(Some("1.2.0")).unwrap();
        let mut slot = cpio::Newc::new(0);
        slot.add("version", 0o644, &cpio::CpioKind::File(release.lines().as_bytes()));
        slot.add("SHA256SUMS", 0o644, &cpio::CpioKind::File(b"sums"));
        let slot = slot.finish();
        assert_eq!(Release::of_the_slot(&slot).unwrap().lines(), release.lines());
        assert_eq!(digest(&slot), Some(sha256(b"sums")));
        assert!(Release::of_the_slot(b"").is_err());
    }
}
