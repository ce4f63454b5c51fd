//! Short texts of fixed capacity. Purpose: what the status tells of a peer is bounded. Bound:
//! [`TEXT_BYTES_MAX`].

use std::fmt::Display;

use crate::base::limits::PROBE_LINE_CHARS_MAX;

/// The longest text in a snapshot (a peer's words, an address, a name).
pub const TEXT_BYTES_MAX: usize = 160;

/// A short text, cut at its capacity.
pub type Text = heapless::String<TEXT_BYTES_MAX>;

/// A value's text, cut at the capacity.
pub fn text(value: impl Display) -> Text {
    let mut text = Text::new();
    for character in value.to_string().chars() {
        if text.push(character).is_err() {
            break;
        }
    }
    text
}

/// One line, of bounded length, that moves no cursor.
pub fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(PROBE_LINE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_bounded_and_moves_no_cursor() {
        assert_eq!(one_line(&"x".repeat(9999)).chars().count(), PROBE_LINE_CHARS_MAX);
        assert_eq!(one_line("a\u{1b}[2J\r\nb"), "a [2J  b");
    }
}
