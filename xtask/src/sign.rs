//! `cargo xtask sign`: the update an appliance accepts, `target/dist/streamcaster.update`. Purpose:
//! what a slot holds behind a header of 1024 bytes: lines that say which system it is, how long and
//! with what sum, and the Ed25519 signature (RFC 8032) over them. It is deterministic: one key
//! makes the same bytes of the same slot. Non-goals: keeping the key safe. Bound: 960 bytes of
//! lines.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use argh::FromArgs;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::image::{commit_time, sha256};
use crate::step::{root, said, target_dir};

/// The part of the header that is signed.
const SIGNED_BYTES: usize = 960;
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
    /// another version than this source's, for tests
    #[argh(option)]
    version: Option<String>,
    /// another revision
    #[argh(option)]
    revision: Option<String>,
    /// another time than the commit's, seconds since 1970
    #[argh(option)]
    made: Option<u32>,
    /// the oldest version that may take its place; the slot has to say the same
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
    let mut release = Release::of_the_source()?;
    release.version = options.version.clone().unwrap_or(release.version);
    release.revision = options.revision.clone().unwrap_or(release.revision);
    release.made_s = options.made.unwrap_or(release.made_s);
    release.set_oldest(options.oldest.as_deref())?;
    let key = Key::take(options.key.as_deref())?;
    let blob = fs::read(&slot).map_err(|error| format!("{}: {error}", slot.display()))?;
    let package = package(&blob, &release, &key)?;
    fs::write(&output, package).map_err(|error| format!("{}: {error}", output.display()))?;
    println!("{}: {} ({})", output.display(), release.version, release.revision);
    Ok(())
}

/// Which system it is.
pub struct Release {
    /// Three numbers, as in `0.1.0`.
    version: String,
    /// The commit, abbreviated.
    revision: String,
    /// When the commit was made, seconds since 1970.
    made_s: u32,
    /// The oldest version that may take its place.
    oldest: Option<String>,
}

impl Release {
    /// By what the product says of itself, `streamcaster 0.1.0 (abc1234)`, and the commit's time.
    pub fn of(said: &str, made_s: u32) -> Result<Release, String> {
        let mut words = said.split_whitespace();
        let version = words.nth(1).map(str::to_owned);
        let revision = words.next().and_then(|word| word.strip_prefix('(')?.strip_suffix(')'));
        match (version, revision) {
            (Some(version), Some(revision)) => {
                Ok(Release { version, revision: revision.to_owned(), made_s, oldest: None })
            }
            _ => Err(format!("{said:?} is not what the product says of itself")),
        }
    }

    /// As the product of this source would say it.
    fn of_the_source() -> Result<Release, String> {
        let mut git = Command::new("git");
        git.args(["rev-parse", "--short=12", "HEAD"]).current_dir(root());
        let revision = said(&mut git).unwrap_or_else(|_| "unknown".to_owned());
        let version = env!("CARGO_PKG_VERSION");
        Release::of(&format!("streamcaster {version} ({revision})"), commit_time())
    }

    /// Has it say which is the oldest version that may take its place: one no later than itself.
    pub fn set_oldest(&mut self, oldest: Option<&str>) -> Result<(), String> {
        let numbers = |text: &str| -> Option<Vec<u32>> {
            let parts = text.split('.').map(|part| part.parse().ok());
            parts.collect::<Option<Vec<u32>>>().filter(|numbers| numbers.len() == 3)
        };
        let Some(oldest) = oldest else { return Ok(()) };
        match (numbers(oldest), numbers(&self.version)) {
            (Some(old), Some(own)) if old <= own => {
                self.oldest = Some(oldest.to_owned());
                Ok(())
            }
            _ => {
                Err(format!("--oldest {oldest}: expected three numbers, at most {}", self.version))
            }
        }
    }

    /// The lines that a slot, its root file system and its update say it by.
    pub fn lines(&self) -> String {
        let Release { version, revision, made_s, oldest } = self;
        let oldest = oldest.as_ref().map_or(String::new(), |oldest| format!("oldest {oldest}\n"));
        format!("version {version}\nrevision {revision}\nmade {made_s}\n{oldest}")
    }
}

/// Header and slot.
pub fn package(slot: &[u8], release: &Release, key: &Key) -> Result<Vec<u8>, String> {
    let lines = release.lines();
    let (length, sum) = (slot.len(), sha256(slot));
    let text = format!("streamcaster-update 1\n{lines}bytes {length}\nsha256 {sum}\n");
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

/// Two digits a byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
            "streamcaster-update 1\nversion 0.1.0\nrevision abc1234\nmade 1763\nbytes 4\nsha256 {sum}"
        );
        assert_eq!(text.trim_end_matches('\n'), expected);
        let public = bytes(key().public().trim()).unwrap();
        assert!(UnparsedPublicKey::new(&ED25519, public).verify(signed, signature).is_ok());
        assert_eq!(super::package(b"blob", &release, &key()).unwrap(), package);
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
        assert_eq!(release.lines(), "version 1.2.3\nrevision unknown\nmade 5\n");
        let mut release = release;
        release.set_oldest(Some("1.2.0")).unwrap();
        assert_eq!(release.lines(), "version 1.2.3\nrevision unknown\nmade 5\noldest 1.2.0\n");
        for wrong in ["1.2.4", "1.2", "x", "1.2.3.4", ""] {
            assert!(release.set_oldest(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(Release::of("streamcaster", 5).is_err());
        assert!(Release::of("streamcaster 1.2.3 abc", 5).is_err());
    }
}
