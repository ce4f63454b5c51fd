//! Which names a file of the library may have, and a playlist. Purpose: what a stranger asks for by name is
//! judged before the disk is looked at, so that no answer tells what lies outside. Non-goals:
//! whether the file is there; links, which opening holds back. Bound: [`FILE_NAME_BYTES_MAX`].

use std::fmt;

use crate::base::limits::{FILE_NAME_BYTES_MAX, PLAYLIST_NAME_BYTES_MAX};
use crate::operator::commands::FileName;

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidName {
    /// It has no character.
    Empty,
    /// It has more than [`FILE_NAME_BYTES_MAX`] bytes.
    TooLong,
    /// It has two dots in a row.
    DoubleDot,
    /// It has a slash: it would be a path.
    Separator,
    /// It begins with a dot: such files are hidden.
    Hidden,
    /// It has NUL, a line end or another control character.
    Control,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidName::Empty => f.write_str("a file name must not be empty"),
            InvalidName::TooLong => {
                write!(f, "a file name has at most {FILE_NAME_BYTES_MAX} bytes")
            }
            InvalidName::DoubleDot => f.write_str("a file name must not contain \"..\""),
            InvalidName::Separator => f.write_str("a file name must not contain \"/\""),
            InvalidName::Hidden => f.write_str("a file name must not begin with a dot"),
            InvalidName::Control => f.write_str("a file name must not contain control characters"),
        }
    }
}

impl std::error::Error for InvalidName {}

/// The name, if a file of the library may have it.
///
/// # Errors
/// The first rule it breaks.
pub fn check(name: &str) -> Result<FileName, InvalidName> {
    if name.is_empty() {
        return Err(InvalidName::Empty);
    }
    if name.contains("..") {
        return Err(InvalidName::DoubleDot);
    }
    if name.contains('/') {
        return Err(InvalidName::Separator);
    }
    if name.starts_with('.') {
        return Err(InvalidName::Hidden);
    }
    if name.contains(char::is_control) {
        return Err(InvalidName::Control);
    }
    FileName::try_from(name).map_err(|_| InvalidName::TooLong)
}

/// A playlist's name: what could be a file's, only shorter.
///
/// # Errors
/// What is wrong with it, one sentence.
pub fn check_playlist(name: &str) -> Result<(), String> {
    if name.len() > PLAYLIST_NAME_BYTES_MAX {
        return Err(format!("A playlist's name has at most {PLAYLIST_NAME_BYTES_MAX} bytes."));
    }
    check(name).map(drop).map_err(|why| {
        let rule = why.to_string();
        format!("A playlist's name{}.", rule.strip_prefix("a file name").unwrap_or(&rule))
    })
}

/// The text as one word of a POSIX shell; a leading dash does not make it an option.
pub fn quoted(name: &str) -> String {
    let name = match name.starts_with('-') {
        true => format!("./{name}"),
        false => name.to_owned(),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/,+=@%".contains(c);
    if name.chars().all(is_plain) {
        return name;
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_without_a_look_at_the_disk() {
        use InvalidName::{Control, DoubleDot, Empty, Hidden, Separator, TooLong};
        let longest = "n".repeat(FILE_NAME_BYTES_MAX);
        let good = ["a.mp4", "Übung 1 (final).ts", "a b'c\"d.flv", "-rf", "a.b.c", "~", "a\\b"];
        for name in good.into_iter().chain([longest.as_str()]) {
            assert_eq!(check(name).as_deref(), Ok(name));
        }
        let too_long = "n".repeat(FILE_NAME_BYTES_MAX + 1);
        let cases = [
            ("", Empty),
            ("..", DoubleDot),
            ("../config.toml", DoubleDot),
            ("a..mp4", DoubleDot),
            ("..\0", DoubleDot),
            ("/etc/passwd", Separator),
            ("a/b.mp4", Separator),
            (".", Hidden),
            (".hidden.mp4", Hidden),
            ("a\0b", Control),
            ("a\nb", Control),
            ("a\u{7f}", Control),
            ("a\u{85}b", Control),
            (too_long.as_str(), TooLong),
        ];
        for (name, why) in cases {
            assert_eq!(check(name), Err(why), "{name:?}");
        }
    }

    #[test]
    fn a_playlists_name_could_be_a_files_only_shorter() {
        for name in ["night", "ä ö", &"x".repeat(PLAYLIST_NAME_BYTES_MAX)] {
            assert_eq!(check_playlist(name), Ok(()));
        }
        for name in ["", "..", "a/b", ".a", "a\0", &"x".repeat(PLAYLIST_NAME_BYTES_MAX + 1)] {
            let why = check_playlist(name).unwrap_err();
            assert!(why.starts_with("A playlist's name "), "{why}");
            assert!(why.ends_with('.'), "{why}");
        }
    }

    #[test]
    fn a_shell_reads_a_quoted_name_as_one_word() {
        for name in ["plain.mp4", "a b.mp4", "it's.mp4", "$(reboot).mp4", "-i.mp4", "ä;\"`\\.ts"] {
            let script = format!("printf %s {}", quoted(name));
            let run = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            let read = String::from_utf8(run.stdout).unwrap();
            assert_eq!(read.trim_start_matches("./"), name);
            assert!(!read.starts_with('-'));
        }
        assert_eq!(quoted("plain.mp4"), "plain.mp4");
    }
}
