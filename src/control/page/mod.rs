//! The control page's files, without their comments, and the API's document, held in the binary plain
//! and compressed (`build.rs`). Purpose: one page without frameworks, without a request to anyone else.
//! Non-goals: rendering; the page asks the API itself. Bound: a few files, known when built.

use std::borrow::Cow;

use crate::control::http::answer::Answer;
use crate::control::http::problem;

struct File {
    path: &'static str,
    kind: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
    /// Entity tags of the two: they differ, for they are two representations (RFC 9110, 8.8.3).
    plain_tag: &'static str,
    gzip_tag: &'static str,
}

macro_rules! file {
    ($path:literal, $kind:literal, $name:literal, $tag:literal) => {
        File {
            path: $path,
            kind: $kind,
            plain: include_bytes!(concat!(env!("OUT_DIR"), "/", $name)),
            gzip: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")),
            plain_tag: concat!("\"", $tag, "\""),
            gzip_tag: concat!("\"", $tag, "-gz\""),
        }
    };
}

/// All of them; the table is made by `build.rs`.
const FILES: &[File] = &include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// What tells the API to a program (OpenAPI 3.1); like them, but for nobody else than the API.
const DOCUMENT: &File = &include!(concat!(env!("OUT_DIR"), "/api_document.rs"));

/// Whether `path` is a file of the page.
pub fn has(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

/// Answers with the file at `path`, or 304 when the client has it already.
pub fn answer(path: &str, gzip: bool, if_none_match: &str) -> Answer {
    let Some(file) = FILES.iter().chain([DOCUMENT]).find(|file| file.path == path) else {
        return problem::nothing_here();
    };
    let (body, tag) = if gzip { (file.gzip, file.gzip_tag) } else { (file.plain, file.plain_tag) };
    let mut fields = vec![
        ("ETag", tag.into()),
        ("Cache-Control", "no-cache".into()),
        ("Vary", "Accept-Encoding".into()),
    ];
    // A weak comparison is what If-None-Match asks for (RFC 9110, 13.1.2).
    let known = |known: &str| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag;
    if if_none_match.split(',').map(str::trim).any(known) {
        return Answer { status: 304, fields, body: Cow::Borrowed(&[]) };
    }
    fields.push(("Content-Type", file.kind.into()));
    if gzip {
        fields.push(("Content-Encoding", "gzip".into()));
    }
    Answer { status: 200, fields, body: Cow::Borrowed(body) }
}

/// Whether an Accept-Encoding allows gzip (RFC 9110, 12.5.3).
pub fn allows_gzip(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
        let refused = parts
            .filter_map(|part| part.strip_prefix("q="))
            .any(|weight| weight.trim().parse() == Ok(0.0));
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::catalogue::KEYS;
    use crate::operator::reason::Why;

    fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer.fields.iter().find(|field| field.0 == name).map(|field| field.1.as_ref())
    }

    #[test]
    fn a_known_tag_is_answered_without_a_body() {
        let fresh = answer("/", true, "\"other\"");
        assert_eq!((fresh.status, field(&fresh, "Content-Encoding")), (200, Some("gzip")));
        let tag = field(&fresh, "ETag").unwrap();
        for sent in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let known = answer("/", true, &sent);
            assert_eq!((known.status, known.body.len()), (304, 0), "{sent}");
        }
        assert_eq!(answer("/", false, tag).status, 200, "the plain file is another one");
    }

    #[test]
    fn gzip_is_sent_only_to_those_who_take_it() {
        assert!(allows_gzip("gzip"));
        assert!(allows_gzip("deflate, GZIP;q=0.5, br"));
        assert!(!allows_gzip(""));
        assert!(!allows_gzip("gzip;q=0"));
        assert!(!allows_gzip("deflate, gzip;q=0.000"));
        assert!(!allows_gzip("x-gzip-not"));
    }

    #[test]
    fn the_page_asks_nobody_else_and_inserts_no_markup() {
        for file in FILES {
            let text = String::from_utf8_lossy(file.plain);
            assert!(!text.is_empty());
            for word in [
                "http://",
                "https://",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "style=",
                "onclick=",
            ] {
                let allowed = "http://www.w3.org/2000/svg";
                assert!(!text.replace(allowed, "").contains(word), "{}: {word}", file.path);
            }
        }
    }

    /// What a browser fetches for the page, compressed.
    const PAGE_BYTES_MAX: usize = 62 << 10;

    #[test]
    fn the_page_is_small() {
        let bytes = |files: &mut dyn Iterator<Item = &File>| -> usize {
            files.map(|file| file.gzip.len()).sum()
        };
        // A browser fetches one of the languages.
        for other in ["/words-en.js", "/words-ja.js"] {
            let fetched = bytes(&mut FILES.iter().filter(|file| file.path != other));
            assert!(fetched <= PAGE_BYTES_MAX, "{fetched} without {other}");
        }
    }

    fn text(path: &str) -> &'static str {
        let file = FILES.iter().find(|file| file.path == path).unwrap();
        std::str::from_utf8(file.plain).unwrap()
    }

    /// The names before the texts of a file of words: `name: "text",`, several on a line.
    fn names(path: &str) -> Vec<&'static str> {
        let text = text(path);
        let pieces = text.match_indices(": \"").map(|(at, _)| text.get(..at).unwrap());
        let name = |before: &'static str| {
            let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            before.get(start.map_or(0, |at| at + 1)..).unwrap()
        };
        pieces.map(name).filter(|name| !name.is_empty()).collect()
    }

    #[test]
    fn both_languages_have_the_same_words() {
        let (english, japanese) = (names("/words-en.js"), names("/words-ja.js"));
        assert!(english.len() > 300, "{}", english.len());
        let coded = ["error_", "warn_", "reason_", "place_"];
        let own = |name: &&str| !coded.iter().any(|prefix| name.starts_with(prefix));
        // The English of errors, warnings and reasons comes with them.
        let of_the_page =
            japanese.iter().copied().filter(|name| own(name) || english.contains(name));
        assert!(of_the_page.eq(english.iter().copied()));
    }

    #[test]
    fn every_setting_and_section_has_its_label_in_both_languages() {
        let name = |prefix: &str, key: &str| format!("{prefix}{}", key.replace('.', "_"));
        let section = |key: &&'static str| key.rsplit_once('.').unwrap().0;
        let settings: BTreeSet<String> = KEYS.iter().map(|key| name("set_", key)).collect();
        let sections: BTreeSet<String> =
            KEYS.iter().map(|key| name("group_", section(key))).collect();
        for words in ["/words-en.js", "/words-ja.js"] {
            let known = names(words);
            for (prefix, wanted) in [("set_", &settings), ("group_", &sections)] {
                let labels = known.iter().filter(|name| name.starts_with(prefix));
                let labels: BTreeSet<String> = labels.map(|name| (*name).to_owned()).collect();
                let (missing, left): (Vec<_>, Vec<_>) =
                    (wanted.difference(&labels).collect(), labels.difference(wanted).collect());
                assert!(missing.is_empty(), "{words} lacks {missing:?}");
                assert!(left.is_empty(), "{words} has labels of no setting: {left:?}");
            }
        }
    }

    #[test]
    fn every_reason_has_its_words_in_japanese() {
        let known = names("/words-ja.js");
        // It has words of the page's own, for what is on air has a name there.
        for code in Why::CODES.iter().filter(|code| **code != "not_chosen") {
            let name = format!("reason_{code}");
            assert!(known.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn no_word_is_wanting() {
        let known = names("/words-en.js");
        let mut asked = 0;
        for file in FILES {
            let text = text(file.path);
            for before in ["data-t=\"", "data-t-label=\"", " t(\"", "(t(\"", "[t(\"", "{t(\""] {
                for piece in text.split(before).skip(1) {
                    let name = piece.split('"').next().unwrap();
                    assert!(known.contains(&name), "{}: {name}", file.path);
                    asked += 1;
                }
            }
        }
        assert!(asked > 200, "{asked}");
    }
}
