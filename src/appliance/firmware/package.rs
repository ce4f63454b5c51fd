//! The update package `streamcaster.update`: a header of [`HEADER_BYTES`], then what a slot holds.
//! Purpose: nothing of a package is believed before its signature is. The header is 960 bytes of
//! lines, `word value`, padded with newlines, and the Ed25519 signature (RFC 8032) over them; the
//! lines name the length and the sum of the rest, so that the signature holds for all of it.
//! Non-goals: reading files, making packages (`cargo xtask sign`). Bound: the header's bytes.

use std::fmt;
use std::str::FromStr;

use ring::signature::{UnparsedPublicKey, ED25519};
use serde::{Serialize, Serializer};

use crate::base::time::Utc;

/// A package's header, bytes.
pub const HEADER_BYTES: usize = 1024;
/// The part of it that is signed: the lines.
pub const SIGNED_BYTES: usize = 960;
/// The first line.
const OPENING: &str = "streamcaster-update 1";
/// How any version's first line begins.
const OPENING_WORD: &str = "streamcaster-update ";
/// The longest name of a revision, a kernel or a key.
const WORD_BYTES_MAX: usize = 64;
/// The year 9999 ends then: no commit is later.
const MADE_S_MAX: u64 = 253_402_300_799;
/// A date and a time of day to the second.
const BUILD_DIGITS: usize = 14;
/// How much of a key names it: the digits with which its line in `update.pub` begins.
const KEY_ID_DIGITS: usize = 16;

/// Three numbers, as in `0.1.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u32; 3]);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Version, ()> {
        let mut parts = text.split('.');
        let mut numbers = [0; 3];
        for number in &mut numbers {
            *number = parts.next().and_then(decimal).ok_or(())?;
        }
        parts.next().is_none().then_some(Version(numbers)).ok_or(())
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which system this is: `/etc/streamcaster/release`, the file `version` of a slot, and the lines
/// of a package say it in the same words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SystemIdentity {
    /// The package's version.
    #[cfg_attr(test, schemars(with = "String"))]
    pub version: Version,
    /// The commit, abbreviated.
    pub revision: String,
    /// When the commit was made, seconds since 1970.
    #[serde(rename = "made")]
    pub made_s: u64,
    /// The build's number, by which it is older or newer: the commit's time in UTC, as in
    /// 20261128025300. One that does not say it has that of the commit, which is the same.
    pub build: u64,
    /// The version of its kernel; `None`: made before systems said so.
    pub kernel: Option<String>,
    /// The key it was made with: the first 16 digits of its public half; `None` likewise.
    pub key: Option<String>,
    /// Whether everybody at its console is root.
    pub debug: bool,
    /// The oldest version that may take its place; `None`: any, if a person confirms it.
    #[serde(skip)]
    pub oldest: Option<Version>,
    /// The oldest build that may.
    #[serde(skip)]
    pub oldest_build: Option<u64>,
}

impl fmt::Display for SystemIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let debug = if self.debug { ", DEBUG" } else { "" };
        write!(f, "{} ({}{debug})", self.version, self.revision)
    }
}

impl SystemIdentity {
    /// Reads the lines `version`, `revision`, `made` and, where there are such, `build`, `kernel`,
    /// `key`, `debug`, `oldest` and `oldest-build`.
    ///
    /// # Errors
    /// The word that is missing, doubled or no such thing.
    pub fn parse(text: &str) -> Result<SystemIdentity, NotAnUpdate> {
        SystemIdentity::of(&Lines::read(text)?)
    }

    fn of(lines: &Lines<'_>) -> Result<SystemIdentity, NotAnUpdate> {
        let version = lines.value("version")?.parse().map_err(|()| NotAnUpdate::Bad("version"))?;
        let revision = lines.value("revision").and_then(|word| plain(word, "revision"))?;
        let made_s = decimal(lines.value("made")?).ok_or(NotAnUpdate::Bad("made"))?;
        let number = |word| match lines.optional(word)? {
            None => Ok(None),
            Some(value) => decimal(value).map(Some).ok_or(NotAnUpdate::Bad(word)),
        };
        let text = |word| lines.optional(word)?.map(|value| plain(value, word)).transpose();
        let debug = match lines.optional("debug")? {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => return Err(NotAnUpdate::Bad("debug")),
        };
        let oldest = match lines.optional("oldest")? {
            None => None,
            Some(value) => Some(value.parse().map_err(|()| NotAnUpdate::Bad("oldest"))?),
        };
        Ok(SystemIdentity {
            version,
            revision,
            made_s,
            build: number("build")?.unwrap_or_else(|| build_of(made_s)),
            kernel: text("kernel")?,
            key: text("key")?,
            debug,
            oldest,
            oldest_build: number("oldest-build")?,
        })
    }

    /// For the log and the console: all of it, a debug system loudly.
    pub fn described(&self) -> String {
        let known = |word: &Option<String>| word.clone().unwrap_or_else(|| "unknown".to_owned());
        let (kernel, key) = (known(&self.kernel), known(&self.key));
        let debug =
            if self.debug { "; A DEBUG SYSTEM: everybody at its console is root" } else { "" };
        format!("{self}, build {}, kernel {kernel}, key {key}{debug}", self.build)
    }

    /// Whether this system lets another one take its place at all.
    pub fn excludes(&self, other: &SystemIdentity) -> bool {
        self.oldest.is_some_and(|oldest| other.version < oldest)
            || self.oldest_build.is_some_and(|oldest| other.build < oldest)
    }

    /// Whether this system is older than another: by the build, and within one by version. A branch of
    /// an older version that was mended later is the newer system.
    pub fn is_older_than(&self, other: &SystemIdentity) -> bool {
        (self.build, self.version) < (other.build, other.version)
    }
}

/// The build of a commit's time, seconds since 1970: 20261128025300.
pub fn build_of(made_s: u64) -> u64 {
    let time = Utc(made_s.min(MADE_S_MAX) * 1000).to_string();
    let digits: String = time.chars().filter(char::is_ascii_digit).take(BUILD_DIGITS).collect();
    digits.parse().unwrap_or(0)
}

/// A word of a few harmless letters.
fn plain(text: &str, word: &'static str) -> Result<String, NotAnUpdate> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+~:".contains(&byte);
    let is_short = text.len() <= WORD_BYTES_MAX;
    (is_short && text.bytes().all(is_plain)).then(|| text.to_owned()).ok_or(NotAnUpdate::Bad(word))
}

/// What a package says of itself, once its signature is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageHeader {
    /// Which system it holds.
    pub identity: SystemIdentity,
    /// How long it is behind the header, bytes.
    pub bytes: u64,
    /// The SHA-256 of that.
    pub sha256: [u8; 32],
}

/// Whose signature is believed: an Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

/// The keys a system believes at a time: the one its updates are signed with, and the one that the
/// next ones will be.
pub const KEYS_MAX: usize = 2;

impl PublicKey {
    /// What it is called: the first digits of it.
    pub fn id(&self) -> String {
        let digits: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.chars().take(KEY_ID_DIGITS).collect()
    }

    /// The key as 64 hexadecimal digits, white space around them allowed.
    pub fn from_hex(text: &str) -> Option<PublicKey> {
        hexadecimal(text.trim()).map(PublicKey)
    }

    /// One or two of them, a line each; `None`: there is no key, one more, or a line that is none.
    pub fn all_from_hex(text: &str) -> Option<Vec<PublicKey>> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let keys: Option<Vec<PublicKey>> =
            lines.take(KEYS_MAX + 1).map(PublicKey::from_hex).collect();
        keys.filter(|keys| (1..=KEYS_MAX).contains(&keys.len()))
    }
}

/// Why a header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageError {
    /// It is no header, or one of another kind.
    NotAnUpdate(NotAnUpdate),
    /// It is not signed by a key this system believes.
    WrongSignature,
}

/// What is wrong with lines that should describe a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnUpdate {
    /// The file begins with something else.
    Opening,
    /// It is one of a later kind.
    Later,
    /// The lines are no text, or stop in the middle.
    Text,
    /// A line is missing.
    Missing(&'static str),
    /// A line is there twice.
    Doubled(&'static str),
    /// A line's value is none.
    Bad(&'static str),
}

impl fmt::Display for NotAnUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAnUpdate::Opening => f.write_str("the file is not an update of this program"),
            NotAnUpdate::Later => {
                f.write_str("the update has a newer format, which this system does not know")
            }
            NotAnUpdate::Text => f.write_str("the update's description is not text"),
            NotAnUpdate::Missing(word) => write!(f, "the update's {word:?} is missing"),
            NotAnUpdate::Doubled(word) => write!(f, "the update has its {word:?} twice"),
            NotAnUpdate::Bad(word) => write!(f, "the update's {word:?} is not valid"),
        }
    }
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackageError::NotAnUpdate(why) => write!(f, "{why}"),
            PackageError::WrongSignature => {
                f.write_str("the update is not signed with a key this system accepts")
            }
        }
    }
}

impl From<NotAnUpdate> for PackageError {
    fn from(why: NotAnUpdate) -> PackageError {
        PackageError::NotAnUpdate(why)
    }
}

/// Reads a header, if one of the keys has signed it.
///
/// # Errors
/// What it is not; see [`PackageError`].
pub fn verify(
    header: &[u8; HEADER_BYTES],
    keys: &[PublicKey],
) -> Result<PackageHeader, PackageError> {
    let (signed, signature) = header.split_at(SIGNED_BYTES);
    if !signed.starts_with(format!("{OPENING}\n").as_bytes()) {
        let is_later = signed.starts_with(OPENING_WORD.as_bytes());
        return Err(if is_later { NotAnUpdate::Later } else { NotAnUpdate::Opening }.into());
    }
    let has_signed = |key: &&PublicKey| {
        UnparsedPublicKey::new(&ED25519, key.0).verify(signed, signature).is_ok()
    };
    let key = keys.iter().find(has_signed).ok_or(PackageError::WrongSignature)?;
    let mut header = parse(signed)?;
    // By the signature, whatever the lines say.
    header.identity.key = Some(key.id());
    Ok(header)
}

/// Whether these are the first bytes of a package, however short.
pub fn begins_one(bytes: &[u8]) -> bool {
    bytes.starts_with(OPENING_WORD.as_bytes())
}

/// The lines of a header, its signature apart.
fn parse(signed: &[u8]) -> Result<PackageHeader, NotAnUpdate> {
    let text = std::str::from_utf8(signed).map_err(|_| NotAnUpdate::Text)?;
    let rest = text.strip_prefix(OPENING).and_then(|rest| rest.strip_prefix('\n'));
    let lines = Lines::read(rest.ok_or(NotAnUpdate::Opening)?)?;
    let identity = SystemIdentity::of(&lines)?;
    let bytes = decimal(lines.value("bytes")?).ok_or(NotAnUpdate::Bad("bytes"))?;
    let sha256 = hexadecimal(lines.value("sha256")?).ok_or(NotAnUpdate::Bad("sha256"))?;
    Ok(PackageHeader { identity, bytes, sha256 })
}

/// `word value`, one a line; empty lines are padding.
struct Lines<'a>(&'a str);

impl<'a> Lines<'a> {
    /// A text whose last line is whole.
    fn read(text: &'a str) -> Result<Lines<'a>, NotAnUpdate> {
        (text.is_empty() || text.ends_with('\n')).then_some(Lines(text)).ok_or(NotAnUpdate::Text)
    }

    /// The same, where the line may be missing.
    fn optional(&self, word: &'static str) -> Result<Option<&'a str>, NotAnUpdate> {
        match self.value(word) {
            Err(NotAnUpdate::Missing(_)) => Ok(None),
            value => value.map(Some),
        }
    }

    /// The value of the one line that begins with this word.
    fn value(&self, word: &'static str) -> Result<&'a str, NotAnUpdate> {
        let value = |line: &'a str| line.split_once(' ').filter(|(own, _)| *own == word);
        let mut found = self.0.split('\n').filter_map(value).map(|(_, value)| value);
        match (found.next(), found.next()) {
            (None, _) => Err(NotAnUpdate::Missing(word)),
            (_, Some(_)) => Err(NotAnUpdate::Doubled(word)),
            (Some(""), None) => Err(NotAnUpdate::Bad(word)),
            (Some(value), None) => Ok(value),
        }
    }
}

/// A number in digits alone: the library's own parser takes a sign too.
fn decimal<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// 32 bytes in lower case hexadecimal.
fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    let mut digits = text.bytes();
    for byte in &mut bytes {
        *byte = digits.next().and_then(digit)? << 4 | digits.next().and_then(digit)?;
    }
    digits.next().is_none().then_some(bytes)
}

#[cfg(test)]
#[path = "package_tests.rs"]
pub(super) mod tests;
