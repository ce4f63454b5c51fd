//! Secrets and how they stay out of sight. Purpose: stream keys, play keys and passwords never
//! appear in a log line, a status, an error or an answer, echoes of peers included (livekit #4763,
//! moq #3379). Non-goals: encryption, wiping memory. Bound: [`SECRETS_MAX`] secrets are known to
//! the whole process.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};

use super::limits::SECRETS_MAX;

/// What stands in a secret's place.
pub const MASK: &str = "••••";

/// From this length on a secret is told apart by its last four characters, and is found inside
/// other words; a shorter one ("live", "test") is found as a whole word only.
const LONG_CHARS_MIN: usize = 12;
/// Shorter secrets are not looked for in the log: every second line would contain them by chance.
const REGISTERED_BYTES_MIN: usize = 4;
/// A long secret cut off by the end of a text is recognised by this many bytes.
const CUT_BYTES_MIN: usize = 6;

/// Names of query values that are secrets whoever sends them.
const SECRET_PARAMETERS: [&str; 12] = [
    "key",
    "streamkey",
    "stream_key",
    "play_key",
    "token",
    "auth",
    "password",
    "passwd",
    "pass",
    "secret",
    "signature",
    "sig",
];

/// A stream key, a play key, a password. Neither its `Debug` nor its `Display` shows any of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text as a secret.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a peer's word is this secret; takes the same time wherever they differ.
    pub fn matches(&self, word: &str) -> bool {
        let (mine, theirs) = (self.0.as_bytes(), word.as_bytes());
        let differ = mine.iter().zip(theirs).fold(0, |differ, (a, b)| differ | (a ^ b));
        mine.len() == theirs.len() && differ == 0
    }

    /// What a person recognises the secret by: `••••1a2b` with its last four characters if it is
    /// long enough (parameters after a `?` left aside), else `••••`.
    pub fn hint(&self) -> String {
        let stem = self.stem();
        let chars = stem.chars().count();
        if chars < LONG_CHARS_MIN {
            return MASK.to_owned();
        }
        let mut hint = MASK.to_owned();
        hint.extend(stem.chars().skip(chars - 4));
        hint
    }

    /// The part before a `?`: platforms take parameters behind the key and echo only the key.
    fn stem(&self) -> &str {
        self.0.split_once('?').map_or(self.0.as_str(), |(stem, _)| stem)
    }

    /// The values of the parameters behind the `?`, but for short ones, which are words like
    /// `live` or `1`.
    fn parameters(&self) -> impl Iterator<Item = &str> {
        let parameters = self.0.split_once('?').map_or("", |(_, parameters)| parameters);
        let values = parameters.split('&').filter_map(|pair| Some(pair.split_once('=')?.1));
        values.filter(|value| value.len() >= CUT_BYTES_MIN)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Replaces each of `secrets` in a peer's words by its hint: as it is, percent-encoded in any
/// mixture, percent-decoded, without the parameters behind its `?`, and the values of those
/// parameters; a long one in other case and in base64 too. Then masks what is secret by its form:
/// user info in URLs, and query values named `key`, `token`, `password` and the like.
pub fn scrub(text: &str, secrets: &[&Secret]) -> String {
    let mut needles: Vec<Needle> = secrets.iter().flat_map(|secret| Needle::all(secret)).collect();
    sort(&mut needles);
    mask_parameters(&mask_user_info(&replace(text, &needles)))
}

static REGISTERED: RwLock<Registry> = RwLock::new(Registry::new());

/// Makes a secret known to the whole process: no log line shows it from now on. Beyond
/// [`SECRETS_MAX`] the one registered longest ago is forgotten; registering again renews.
pub fn register(secret: &Secret) {
    REGISTERED.write().unwrap_or_else(PoisonError::into_inner).add(secret);
}

/// Like [`scrub`], with every secret that was registered.
pub fn scrub_registered(text: &str) -> String {
    let registry = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    let replaced = replace(text, &registry.needles);
    drop(registry);
    mask_parameters(&mask_user_info(&replaced))
}

struct Registry {
    /// Least recently registered first.
    secrets: Vec<Secret>,
    needles: Vec<Needle>,
}

impl Registry {
    const fn new() -> Registry {
        Registry { secrets: Vec::new(), needles: Vec::new() }
    }

    fn add(&mut self, secret: &Secret) {
        if secret.0.len() < REGISTERED_BYTES_MIN {
            return;
        }
        self.secrets.retain(|known| known != secret);
        if self.secrets.len() >= SECRETS_MAX {
            self.secrets.remove(0);
        }
        self.secrets.push(secret.clone());
        self.needles = self.secrets.iter().flat_map(Needle::all).collect();
        self.needles.retain(|needle| needle.bytes.len() >= REGISTERED_BYTES_MIN);
        sort(&mut self.needles);
    }
}

/// One form of a secret to look for. Its bytes are percent-decoded; the text may have any of them
/// encoded.
struct Needle {
    bytes: Vec<u8>,
    hint: String,
    /// It is found inside other words, cut off, and in other case.
    long: bool,
    /// It is in base64, where case matters.
    is_coded: bool,
}

impl Needle {
    fn all(secret: &Secret) -> Vec<Needle> {
        let mut forms = vec![secret.0.as_bytes().to_vec(), percent_decoded(&secret.0)];
        forms.push(secret.stem().as_bytes().to_vec());
        forms.push(percent_decoded(secret.stem()));
        forms.extend(secret.parameters().map(percent_decoded));
        forms.sort();
        forms.dedup();
        forms.retain(|form| !form.is_empty());
        let mut coded: Vec<Vec<u8>> = forms.iter().flat_map(|form| in_base64(form)).collect();
        coded.sort();
        coded.dedup();
        let needle = |bytes: Vec<u8>, is_coded| Needle {
            long: bytes.len() >= LONG_CHARS_MIN,
            hint: secret.hint(),
            bytes,
            is_coded,
        };
        let plain = forms.into_iter().map(|form| needle(form, false));
        plain.chain(coded.into_iter().map(|form| needle(form, true))).collect()
    }

    fn is_same(&self, byte: u8, wanted: u8) -> bool {
        byte == wanted || (self.long && !self.is_coded && byte.eq_ignore_ascii_case(&wanted))
    }

    /// How many bytes at the beginning of `text` are this secret, given the character before.
    fn length_at(&self, text: &str, before: Option<char>) -> Option<usize> {
        if !self.long && before.is_some_and(is_word) {
            return None;
        }
        let mut rest = text.as_bytes();
        for (matched, &wanted) in self.bytes.iter().enumerate() {
            if self.long && matched >= CUT_BYTES_MIN && is_cut(rest) {
                return Some(text.len());
            }
            let (&first, after) = rest.split_first()?;
            rest = match encoded_byte(rest) {
                Some((byte, after)) if self.is_same(byte, wanted) => after,
                _ if self.is_same(first, wanted) => after,
                _ => return None,
            };
        }
        let length = text.len() - rest.len();
        let after = text.get(length..)?.chars().next();
        (self.long || !after.is_some_and(is_word)).then_some(length)
    }
}

/// What a long text looks like in base64 (RFC 4648, 4 and 5), alone or inside of something longer: it
/// may begin at any of three bytes of a group. Characters that depend on its neighbours are left out.
fn in_base64(form: &[u8]) -> Vec<Vec<u8>> {
    if form.len() < LONG_CHARS_MIN {
        return Vec::new();
    }
    let mut all = Vec::new();
    for before in [&[][..], &[0], &[0, 0]] {
        let inside = [before, form].concat();
        let whole = inside.len() * 8 / 6;
        let skipped = (before.len() * 8).div_ceil(6);
        for text in
            [Base64Unpadded::encode_string(&inside), Base64UrlUnpadded::encode_string(&inside)]
        {
            all.extend(text.get(skipped..whole).map(|core| core.as_bytes().to_vec()));
        }
    }
    all
}

/// Longest first, so that a key is replaced before the part of it that is another form.
fn sort(needles: &mut [Needle]) {
    needles.sort_by_key(|needle| std::cmp::Reverse(needle.bytes.len()));
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a text ends here because somebody cut it.
fn is_cut(rest: &[u8]) -> bool {
    rest.is_empty() || rest == "…".as_bytes() || rest == b"..."
}

fn replace(text: &str, needles: &[Needle]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        let found = needles
            .iter()
            .find_map(|needle| Some((rest.get(needle.length_at(rest, before)?..)?, &needle.hint)));
        if let Some((after, hint)) = found {
            out.push_str(hint);
            before = None;
            rest = after;
        } else {
            out.push(first);
            before = Some(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

/// The byte that `%XX` at the beginning of `bytes` stands for, and what follows.
fn encoded_byte(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&[percent, high, low], after) = bytes.split_first_chunk::<3>()?;
    if percent != b'%' {
        return None;
    }
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    Some((u8::try_from(high * 16 + low).ok()?, after))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = encoded_byte(rest).unwrap_or((first, after));
        out.push(byte);
        rest = after;
    }
    out
}

/// Masks `user:password@` behind `://`, up to the last `@` of the word: a password may hold `@`
/// and `/` (strom #771), and a path that holds an `@` loses only its beginning to the mask.
fn mask_user_info(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after.find(ends_word).unwrap_or(after.len());
        let (word, behind) = after.split_at_checked(end).unwrap_or((after, ""));
        if let Some((_, host)) = word.rsplit_once('@') {
            out.push_str(MASK);
            out.push('@');
            out.push_str(host);
        } else {
            out.push_str(word);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Masks the value of `name=value` for each of [`SECRET_PARAMETERS`], unless it is masked already.
fn mask_parameters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        out.push_str(before);
        out.push('=');
        let name = before.rsplit(|c: char| !is_word(c)).next().unwrap_or_default();
        let secret = SECRET_PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(name));
        rest = after;
        if secret && !after.starts_with(MASK) {
            let end = after.find(|c| ends_word(c) || matches!(c, '&' | ';' | ',' | ')'));
            let end = end.unwrap_or(after.len());
            if end > 0 {
                out.push_str(MASK);
            }
            rest = after.get(end..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "live_12345_aB/c+d";

    fn scrubbed(text: &str, key: &str) -> String {
        scrub(text, &[&Secret::new(key)])
    }

    #[test]
    fn neither_debug_nor_display_shows_a_secret() {
        let secret = Secret::new(KEY);
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "•••• •••• Some(••••)");
        assert_eq!(secret.expose(), KEY);
    }

    #[test]
    fn hints_tell_long_secrets_apart() {
        assert_eq!(Secret::new("abcdefgh1a2b").hint(), "••••1a2b");
        assert_eq!(Secret::new("abcdefg1a2b").hint(), "••••");
        assert_eq!(Secret::new("abcdefgh1a2b?bandwidthtest=true").hint(), "••••1a2b");
        assert_eq!(Secret::new("ключключключ").hint(), "••••ключ");
    }

    #[test]
    fn every_form_of_a_key_is_replaced() {
        for echo in [KEY, "live_12345_aB%2Fc%2Bd", "live%5f12345_aB%2fc+d", "%6Cive_12345_aB/c%2Bd"]
        {
            let text = scrubbed(&format!("Stream [{echo}] is already publishing"), KEY);
            assert_eq!(text, "Stream [••••/c+d] is already publishing");
        }
        let encoded = "live_12345_aB%2Fc";
        assert_eq!(scrubbed("app/live_12345_aB/c!", encoded), "app/••••%2Fc!");
    }

    #[test]
    fn a_key_is_found_in_other_case_and_in_base64() {
        assert_eq!(scrubbed("no LIVE_12345_AB/C+D here", KEY), "no ••••/c+d here");
        for (before, behind) in [("", ""), ("a", "b"), ("user:", ""), ("app/", "?x=1")] {
            let whole = format!("{before}{KEY}{behind}");
            for text in [
                Base64Unpadded::encode_string(whole.as_bytes()),
                Base64UrlUnpadded::encode_string(whole.as_bytes()),
            ] {
                let clean = scrubbed(&format!("Basic {text}="), KEY);
                assert!(clean.contains("••••/c+d"), "{clean}");
                // Two characters on each side are not its own alone.
                assert!(clean.chars().count() < 24 + whole.len() - KEY.len(), "{clean}");
            }
        }
        assert_eq!(scrubbed("STREAM", "stream"), "STREAM", "a short one is a word like others");
    }

    #[test]
    fn a_key_is_found_without_its_parameters() {
        let key = "live_98765_wxyz?bandwidthtest=true";
        assert_eq!(scrubbed("no such stream live_98765_wxyz.", key), "no such stream ••••wxyz.");
        assert_eq!(scrubbed(&format!("<{key}>"), key), "<••••wxyz>");
    }

    #[test]
    fn short_keys_are_whole_words_and_long_ones_are_not() {
        assert_eq!(scrubbed("streams: stream, /stream?", "stream"), "streams: ••••, /••••?");
        assert_eq!(scrubbed("xabcdefgh1a2by", "abcdefgh1a2b"), "x••••1a2by");
        assert_eq!(scrubbed("anything", ""), "anything");
    }

    #[test]
    fn a_key_cut_off_by_the_end_is_replaced() {
        assert_eq!(scrubbed("refused: live_12345_", KEY), "refused: ••••/c+d");
        assert_eq!(scrubbed("refused: live_12…", KEY), "refused: ••••/c+d");
        assert_eq!(scrubbed("refused: live", KEY), "refused: live");
    }

    #[test]
    fn user_info_and_query_values_are_masked_by_their_form() {
        assert_eq!(
            scrub("push rtmp://user:p@ss/w@host:1935/app failed, see http://x/y", &[]),
            "push rtmp://••••@host:1935/app failed, see http://x/y"
        );
        assert_eq!(
            scrub("/live/stream?key=abc&x=1&StreamKey=def token= monkey=1", &[]),
            "/live/stream?key=••••&x=1&StreamKey=•••• token= monkey=1"
        );
        assert_eq!(scrub("1 = 1, a == b, ==, ://@", &[]), "1 = 1, a == b, ==, ://••••@");
    }

    #[test]
    fn the_registry_forgets_what_was_registered_longest_ago() {
        let mut registry = Registry::new();
        let name = |number: usize| format!("registered-secret-{number:04}");
        for number in 0..SECRETS_MAX {
            registry.add(&Secret::new(name(number)));
        }
        registry.add(&Secret::new(name(0)));
        registry.add(&Secret::new(name(9999)));
        assert_eq!(registry.secrets.len(), SECRETS_MAX);
        assert_eq!(replace(&name(0), &registry.needles), "••••0000", "renewed");
        assert_eq!(replace(&name(1), &registry.needles), name(1), "forgotten");
        assert_eq!(replace(&name(9999), &registry.needles), "••••9999");
    }

    #[test]
    fn what_is_registered_is_scrubbed_and_what_is_tiny_is_not() {
        register(&Secret::new("a-key-registered-for-all-1a2b"));
        register(&Secret::new("abc"));
        assert_eq!(scrub_registered("abc a-key-registered-for-all-1a2b"), "abc ••••1a2b");
    }

    #[test]
    fn any_text_goes_through() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let alphabet = ['l', 'i', 'v', 'e', '%', '2', 'F', '@', ':', '/', '=', 'ä', '…', '?', ' '];
        let secrets =
            [Secret::new("live%2"), Secret::new("%C3"), Secret::new("live%2Fliveliveä?a=b")];
        let secrets: Vec<&Secret> = secrets.iter().collect();
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..seed % 40 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                text.push(alphabet[usize::try_from(seed >> 33).unwrap() % alphabet.len()]);
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let clean = scrub(&text, &secrets);
            assert!(!clean.contains("live%2Fliveliveä"), "{text} -> {clean}");
        }
    }
}
