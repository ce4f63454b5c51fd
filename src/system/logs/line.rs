//! One line of the log. Purpose: whatever a peer says stays one line, without its control
//! characters, without secrets, and no longer than [`LOG_LINE_BYTES_MAX`].

use std::fmt::{self, Write};

use log::Level;

use crate::base::limits::{LOG_LINE_BYTES_MAX, LOG_TARGET_BYTES_MAX};
use crate::base::redact::scrub_registered;
use crate::base::text::prefix;
use crate::base::time::Utc;

/// `2026-11-22T12:27:54.018Z INFO  [` … `] `.
const FRAME_BYTES: usize = 24 + 1 + 5 + 1 + 1 + 2;
const MESSAGE_BYTES_MAX: usize = LOG_LINE_BYTES_MAX - FRAME_BYTES - LOG_TARGET_BYTES_MAX;
/// What is formatted at all: scrubbing may make a text shorter, so it begins with more than fits.
const RAW_BYTES_MAX: usize = 4 * LOG_LINE_BYTES_MAX;

/// A line, ready for the console and the file. Displayed with its time, level and target.
#[derive(Clone)]
pub(super) struct PreparedLine {
    time: Utc,
    level: Level,
    target: heapless::String<LOG_TARGET_BYTES_MAX>,
    message: heapless::String<MESSAGE_BYTES_MAX>,
}

impl PreparedLine {
    pub(super) fn new(
        time: Utc,
        level: Level,
        target: &str,
        message: fmt::Arguments<'_>,
    ) -> PreparedLine {
        let mut raw = Raw(String::new());
        // The error only says that the text was longer than is kept.
        let _ = raw.write_fmt(message);
        let mut line = PreparedLine {
            time,
            level,
            target: heapless::String::new(),
            message: heapless::String::new(),
        };
        escape_into(target.strip_prefix("streamcaster::").unwrap_or(target), &mut line.target);
        escape_into(&scrub_registered(&raw.0), &mut line.message);
        line
    }

    pub(super) fn time(&self) -> Utc {
        self.time
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    pub(super) fn target(&self) -> &str {
        &self.target
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for PreparedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:<5} [{}] {}", self.time, self.level, self.target, self.message)
    }
}

/// Collects a text up to [`RAW_BYTES_MAX`] and stops the formatting there.
struct Raw(String);

impl Write for Raw {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = RAW_BYTES_MAX.saturating_sub(self.0.len());
        if piece.len() <= room {
            self.0.push_str(piece);
            return Ok(());
        }
        self.0.push_str(prefix(piece, room));
        Err(fmt::Error)
    }
}

/// Appends `text` with its control characters, line ends and direction marks made visible, as far
/// as it fits; a text that is cut ends in `…`.
fn escape_into<const N: usize>(text: &str, out: &mut heapless::String<N>) {
    let ellipsis = '…';
    for c in text.chars() {
        let kept = out.len();
        let fits = if forges(c) {
            c.escape_default().try_for_each(|escaped| out.push(escaped)).is_ok()
        } else {
            out.push(c).is_ok()
        };
        if !fits {
            out.truncate(kept);
            while out.len() + ellipsis.len_utf8() > N && out.pop().is_some() {}
            // There is room: it was just made.
            let _ = out.push(ellipsis);
            return;
        }
    }
}

/// Whether a character can make a line look like another or like two: controls, the line and
/// paragraph separators, and the marks that turn the direction of writing.
fn forges(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::redact::{register, Secret};

    fn line(message: &str) -> String {
        let target = "streamcaster::outputs::viewers";
        PreparedLine::new(Utc(1_795_350_474_018), Level::Info, target, format_args!("{message}"))
            .to_string()
    }

    #[test]
    fn a_line_has_time_level_target_and_message() {
        assert_eq!(line("hello"), "2026-11-22T12:27:54.018Z INFO  [outputs::viewers] hello");
    }

    #[test]
    fn peers_cannot_forge_lines() {
        let forged =
            line("bye\n2026-11-22T12:27:54.018Z ERROR [x] all lost\r\u{1b}[31m\u{202e}\u{9b}");
        assert!(!forged.contains(|c: char| c.is_control() || c == '\u{202e}'));
        assert!(forged.ends_with(r"lost\r\u{1b}[31m\u{202e}\u{9b}"), "{forged}");
        assert!(forged.contains(r"bye\n2026"), "{forged}");
    }

    #[test]
    fn long_lines_are_cut_at_a_character() {
        for length in 0..12 {
            let text = "x".repeat(length) + &"日本".repeat(2000);
            let cut = line(&text);
            assert!(cut.len() <= LOG_LINE_BYTES_MAX, "{}", cut.len());
            assert!(cut.len() > MESSAGE_BYTES_MAX, "{}", cut.len());
            assert!(cut.ends_with('…'));
        }
        let controls = line(&"\u{1}".repeat(5000));
        assert!(controls.len() <= LOG_LINE_BYTES_MAX);
        assert!(controls.ends_with('…'));
    }

    #[test]
    fn a_message_that_just_fits_is_whole() {
        let text = "x".repeat(MESSAGE_BYTES_MAX);
        assert!(line(&text).ends_with('x'));
        assert!(line(&(text + "x")).ends_with("x…"));
    }

    #[test]
    fn registered_secrets_do_not_show_even_when_cut() {
        register(&Secret::new("live_secretkeyoflogline"));
        let text = line("said live_secretkeyoflogline to live_secretkey");
        assert!(text.ends_with("said ••••line to ••••line"), "{text}");
        let padding = "x".repeat(RAW_BYTES_MAX - 5);
        assert!(!line(&format!("{padding}live_secretkeyoflogline")).contains("live_"));
    }
}
