//! Peers' words, made fit for a log line and a status page. Purpose: bounded, printable, and
//! without the secrets that servers like to repeat (livekit #4763). Non-goals: translating.
//! Bound: [`RTMP_WORDS_CHARS_MAX`] characters.

use crate::base::limits::RTMP_WORDS_CHARS_MAX;
use crate::base::redact::{scrub, Secret};

/// The text without control characters and no longer than it may be.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(RTMP_WORDS_CHARS_MAX).collect()
}

/// A URL without its query, which may hold a token.
pub(super) fn without_query(url: &str) -> String {
    printable(url.split(['?', '#']).next().unwrap_or_default())
}

/// The text with every trace of the secrets replaced by their hints.
pub(super) fn without_secrets(text: &str, secrets: &[Secret]) -> String {
    printable(&scrub(text, &secrets.iter().collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_their_parts_do_not_come_back() {
        let key = Secret::new("live_1234?sign=abcdef&t=5");
        let said = "Bad name live_1234?sign=abcdef&t=5, user live_1234, sign abcdef!\r\n";
        assert_eq!(without_secrets(said, &[key]), "Bad name ••••, user ••••, sign ••••!");
        assert_eq!(without_secrets("short: abc", &[Secret::new("abc")]), "short: ••••");
        assert_eq!(without_secrets("no key set", &[Secret::new("")]), "no key set");
    }

    #[test]
    fn words_are_bounded_and_printable() {
        assert_eq!(printable("a\u{1b}[31m\nb"), "a[31mb");
        assert_eq!(printable(&"é".repeat(500)).chars().count(), RTMP_WORDS_CHARS_MAX);
        assert_eq!(without_query("http://host/page?token=1#x"), "http://host/page");
    }
}
