//! Packages made for tests, and what becomes of them when a byte, a line or a key is another.

use ring::digest::{digest, SHA256};
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::*;

/// The key the tests' packages are signed with.
fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

/// Its public half.
pub fn key(seed: u8) -> PublicKey {
    PublicKey(pair(seed).public_key().as_ref().try_into().unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lines(blob: &[u8], version: &str, made_s: u64) -> String {
    let sum = hex(digest(&SHA256, blob).as_ref());
    let length = blob.len();
    format!("{OPENING}\nversion {version}\nrevision abc1234\nmade {made_s}\nbytes {length}\nsha256 {sum}\n")
}

/// A header with these lines, signed.
fn signed(lines: &[u8], seed: u8) -> [u8; HEADER_BYTES] {
    let mut header = lines.to_vec();
    header.resize(SIGNED_BYTES, b'\n');
    let signature = pair(seed).sign(&header);
    header.extend_from_slice(signature.as_ref());
    header.try_into().unwrap()
}

/// A whole package for a blob.
pub fn package(blob: &[u8], version: &str, made_s: u64, seed: u8) -> Vec<u8> {
    package_with(blob, version, made_s, "", seed)
}

/// The same with more lines in its header.
pub fn package_with(blob: &[u8], version: &str, made_s: u64, more: &str, seed: u8) -> Vec<u8> {
    let lines = lines(blob, version, made_s) + more;
    let mut package = signed(lines.as_bytes(), seed).to_vec();
    package.extend_from_slice(blob);
    package
}

#[test]
fn a_signed_header_says_what_it_holds() {
    let header = signed(lines(b"blob", "0.12.3", 1763).as_bytes(), 7);
    let read = verify(&header, &[key(7)]).unwrap();
    assert_eq!(read.identity.to_string(), "0.12.3 (abc1234)");
    assert_eq!((read.identity.made_s, read.bytes), (1763, 4));
    assert_eq!(&read.sha256, digest(&SHA256, b"blob").as_ref());
    assert_eq!(PublicKey::from_hex(&format!("{}\n", hex(&key(7).0))), Some(key(7)));
}

#[test]
fn no_byte_may_be_another_and_no_key_either() {
    let header = signed(lines(b"blob", "0.1.0", 1).as_bytes(), 7);
    assert_eq!(verify(&header, &[key(8)]), Err(PackageError::WrongSignature));
    for at in 0..HEADER_BYTES {
        for bit in [1, 0x80] {
            let mut other = header;
            other[at] ^= bit;
            assert!(verify(&other, &[key(7)]).is_err(), "byte {at}");
        }
    }
    let mut unsigned = header;
    unsigned[SIGNED_BYTES..].fill(0);
    assert_eq!(verify(&unsigned, &[key(7)]), Err(PackageError::WrongSignature));
}

#[test]
fn what_is_signed_must_still_say_everything_once() {
    let good = lines(b"blob", "0.1.0", 1);
    let with = |from: &str, to: &str| {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from} is there to be replaced");
        verify(&signed(text.as_bytes(), 7), &[key(7)])
    };
    for word in ["version", "revision", "made", "bytes", "sha256"] {
        let gone = with(&format!("\n{word} "), "\nanother ");
        assert_eq!(gone, Err(NotAnUpdate::Missing(word).into()), "{word}");
        let twice = with(&format!("\n{word} "), &format!("\n{word} 1\n{word} "));
        assert_eq!(twice, Err(NotAnUpdate::Doubled(word).into()), "{word}");
        let empty = with(&format!("\n{word} "), &format!("\n{word} \nanother "));
        assert_eq!(empty, Err(NotAnUpdate::Bad(word).into()), "{word}");
    }
    for (from, to, word) in [
        ("0.1.0", "0.1", "version"),
        ("0.1.0", "0.1.0.0", "version"),
        ("0.1.0", "+0.1.0", "version"),
        ("0.1.0", "0.1.99999999999", "version"),
        ("abc1234", "abc 1234", "revision"),
        ("abc1234", "ab\u{1b}c", "revision"),
        ("made 1", "made -1", "made"),
        ("made 1", "made 99999999999999999999", "made"),
        ("bytes 4", "bytes 4k", "bytes"),
        ("sha256 ", "sha256 0", "sha256"),
        ("sha256 ", "sha256 G", "sha256"),
    ] {
        assert_eq!(with(from, to), Err(NotAnUpdate::Bad(word).into()), "{to}");
    }
    let long = with("abc1234", &"a".repeat(WORD_BYTES_MAX + 1));
    assert_eq!(long, Err(NotAnUpdate::Bad("revision").into()));
    assert_eq!(with("-update 1\n", "-update 2\n"), Err(NotAnUpdate::Later.into()));
    assert_eq!(with("-update 1\n", "-update 11\n"), Err(NotAnUpdate::Later.into()));
    assert_eq!(with("streamcaster-update 1", "MZ"), Err(NotAnUpdate::Opening.into()));
    assert!(with("version", "anything later versions say\nversion").is_ok());
}

#[test]
fn a_description_that_stops_in_the_middle_is_none() {
    let mut filled = lines(b"blob", "0.1.0", 1).into_bytes();
    filled.resize(SIGNED_BYTES, b'x');
    assert_eq!(verify(&signed(&filled, 7), &[key(7)]), Err(NotAnUpdate::Text.into()));
    let mut bytes = lines(b"blob", "0.1.0", 1).into_bytes();
    bytes.extend_from_slice(b"note \xff\n");
    assert_eq!(verify(&signed(&bytes, 7), &[key(7)]), Err(NotAnUpdate::Text.into()));
}

fn identity(lines: &str) -> Result<SystemIdentity, NotAnUpdate> {
    SystemIdentity::parse(&format!("version 0.10.0\nrevision a\nmade 1795834380\n{lines}"))
}

#[test]
fn older_is_by_build_and_within_one_by_version() {
    let of = |version: &str, build: u64| {
        let running = identity(&format!("build {build}\n")).unwrap();
        SystemIdentity { version: version.parse().unwrap(), ..running }
    };
    let running = of("0.10.0", 500);
    for (version, build, is_older) in [
        ("0.10.0", 500, false),
        ("0.10.0", 499, true),
        ("0.9.0", 900, false),
        ("0.9.0", 500, true),
        ("0.10.1", 500, false),
        ("1.0.0", 499, true),
    ] {
        let other = of(version, build);
        assert_eq!(other.is_older_than(&running), is_older, "{version} of {build}");
    }
}

#[test]
fn a_system_that_says_no_build_has_that_of_its_time() {
    let before = identity("").unwrap();
    assert_eq!(before.build, 20_261_128_025_300);
    assert_eq!((before.kernel, before.key, before.debug), (None, None, false));
    // Made before there were builds, and after: judged by one measure.
    let at = |made_s: u64| {
        SystemIdentity::parse(&format!("version 0.1.0\nrevision a\nmade {made_s}\n")).unwrap()
    };
    let now = identity("build 20261128025300\n").unwrap();
    assert!(at(1_795_834_379).is_older_than(&now));
    assert!(!at(1_795_834_381).is_older_than(&now));
    assert_eq!(build_of(0), 19_700_101_000_000);
    assert_eq!(build_of(u64::MAX), 99_991_231_235_959);
}

#[test]
fn a_system_says_its_kernel_its_key_and_whether_its_console_is_open() {
    let lines = "build 5\nkernel 6.12.9-1~deb12u1\nkey 0123456789abcdef\ndebug 1\n";
    let whole = identity(lines).unwrap();
    assert_eq!(whole.kernel.as_deref(), Some("6.12.9-1~deb12u1"));
    assert_eq!((whole.build, whole.key.as_deref()), (5, Some("0123456789abcdef")));
    assert!(whole.debug);
    assert!(whole.to_string() == "0.10.0 (a, DEBUG)");
    for (wrong, word) in [
        ("build -1\n", "build"),
        ("build \n", "build"),
        ("kernel a b\n", "kernel"),
        ("kernel \u{1b}[2J\n", "kernel"),
        ("key <b>\n", "key"),
        ("debug yes\n", "debug"),
        ("oldest-build x\n", "oldest-build"),
    ] {
        assert_eq!(identity(wrong), Err(NotAnUpdate::Bad(word)), "{wrong}");
    }
    assert_eq!(identity("debug 1\ndebug 0\n"), Err(NotAnUpdate::Doubled("debug")));
    // The key is the one that has signed, not the one that the lines name.
    let header = lines_with("key 0000000000000000\n");
    let read = verify(&signed(header.as_bytes(), 7), &[key(8), key(7)]).unwrap();
    assert_eq!(read.identity.key, Some(key(7).id()));
    assert!(hex(&key(7).0).starts_with(&key(7).id()));
    assert!(key(7).id().len() == KEY_ID_DIGITS);
}

fn lines_with(more: &str) -> String {
    lines(b"blob", "0.3.0", 1) + more
}

#[test]
fn either_of_two_keys_is_believed_and_no_third() {
    let header = signed(lines(b"blob", "0.1.0", 1).as_bytes(), 8);
    assert!(verify(&header, &[key(7), key(8)]).is_ok());
    assert!(verify(&header, &[key(8)]).is_ok());
    assert_eq!(verify(&header, &[key(7), key(9)]), Err(PackageError::WrongSignature));
    assert_eq!(verify(&header, &[]), Err(PackageError::WrongSignature));
    let text =
        |seeds: &[u8]| -> String { seeds.iter().map(|seed| hex(&key(*seed).0) + "\n").collect() };
    assert_eq!(PublicKey::all_from_hex(&text(&[7])), Some(vec![key(7)]));
    assert_eq!(PublicKey::all_from_hex(&text(&[7, 8])), Some(vec![key(7), key(8)]));
    for wrong in [String::new(), text(&[7, 8, 9]), text(&[7]) + "no key\n", "\n\n".to_owned()] {
        assert_eq!(PublicKey::all_from_hex(&wrong), None, "{wrong}");
    }
}

#[test]
fn a_system_says_what_may_take_its_place() {
    let say =
        |lines: &str| SystemIdentity::parse(&format!("version 0.3.0\nrevision a\nmade 5\n{lines}"));
    let old = |version: &str| {
        SystemIdentity::parse(&format!("version {version}\nrevision a\nmade 9\n")).unwrap()
    };
    let any = say("").unwrap();
    assert!(!any.excludes(&old("0.0.1")));
    let some = say("oldest 0.2.0\n").unwrap();
    assert!(some.excludes(&old("0.1.9")));
    assert!(!some.excludes(&old("0.2.0")));
    assert!(!some.excludes(&old("0.4.0")));
    for wrong in ["oldest 2\n", "oldest \n", "oldest 0.1.0\noldest 0.1.0\n"] {
        assert!(say(wrong).is_err(), "{wrong}");
    }
    let some = say("build 9\noldest-build 7\n").unwrap();
    let built = |build: u64| identity(&format!("build {build}\n")).unwrap();
    assert!(some.excludes(&built(6)));
    assert!(!some.excludes(&built(7)));
    let header = lines_with("oldest 0.2.0\n");
    let read = verify(&signed(header.as_bytes(), 7), &[key(7)]).unwrap();
    assert_eq!(read.identity.oldest, Some(Version([0, 2, 0])));
}
