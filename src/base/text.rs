//! Text that has to fit a place. Bound: the place.

/// As much of the beginning of a text as fits `bytes_max`, cut between characters.
pub fn prefix(text: &str, bytes_max: usize) -> &str {
    let room = text.len().min(bytes_max);
    let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_kept_whole_or_left_out() {
        for (text, bytes_max, kept) in [
            ("", 4, ""),
            ("ab", 4, "ab"),
            ("ab", 1, "a"),
            ("aé", 2, "a"),
            ("aé", 3, "aé"),
            ("放", 2, ""),
        ] {
            assert_eq!(prefix(text, bytes_max), kept);
        }
    }
}
