//! Short texts of fixed capacity. Purpose: what the status tells of a peer is bounded. Bound:
//! [`TEXT_BYTES_MAX`].

use std::fmt::Display;

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
