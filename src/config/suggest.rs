//! What a person may have meant by a key that is not known.

use super::catalogue::SECTIONS;
use super::errors::heading;

/// The keys of a section.
pub(super) fn keys(section: &str) -> &'static [&'static str] {
    SECTIONS.iter().find(|(name, _)| *name == section).map_or(&[], |(_, keys)| keys)
}

/// The section of settings that has this name.
pub(super) fn section(name: &str) -> Option<&'static str> {
    SECTIONS.iter().map(|(known, _)| *known).find(|known| *known == name)
}

fn names() -> Vec<&'static str> {
    SECTIONS.iter().map(|(name, _)| *name).collect()
}

/// All of these sections as they are written.
fn headings(names: &[&str]) -> String {
    let headings: Vec<String> = names.iter().map(|name| heading(name)).collect();
    headings.join(", ")
}

/// The words for an unknown key of a section.
pub(super) fn for_key(section: &str, unknown: &str) -> String {
    let own = keys(section);
    if let Some(near) = nearest(unknown, own) {
        return format!("unknown key; did you mean {near}?");
    }
    let home = SECTIONS.iter().find(|(_, keys)| keys.contains(&unknown));
    match home {
        Some((name, _)) => format!("unknown key here; it belongs to {}", heading(name)),
        None => format!("unknown key; expected one of {}", own.join(", ")),
    }
}

/// The words for an unknown section, or for a key before the first section.
pub(super) fn for_section(unknown: &str) -> String {
    let names = names();
    if let Some(near) = nearest(unknown, &names) {
        return format!("unknown section; did you mean {}?", heading(near));
    }
    if SECTIONS.iter().any(|(name, _)| name.strip_prefix("input.") == Some(unknown)) {
        return format!("unknown section; did you mean [input.{unknown}]?");
    }
    match SECTIONS.iter().find(|(_, keys)| keys.contains(&unknown)) {
        Some((name, _)) => format!("unknown here; this key belongs to {}", heading(name)),
        None => format!("unknown section; expected one of {}", headings(&names)),
    }
}

/// The words for an unknown section below `input`.
pub(super) fn for_input(unknown: &str) -> String {
    let inputs: Vec<&str> = names().into_iter().filter(|it| it.starts_with("input.")).collect();
    match nearest(&format!("input.{unknown}"), &inputs) {
        Some(near) => format!("unknown section; did you mean {}?", heading(near)),
        None => format!("unknown section; expected one of {}", headings(&inputs)),
    }
}

/// The known word nearest to an unknown one, if a slip of the fingers may explain it.
fn nearest<'k>(unknown: &str, known: &[&'k str]) -> Option<&'k str> {
    if unknown.len() > 64 {
        return None;
    }
    let unknown = unknown.to_lowercase().replace('-', "_");
    let by_distance = known.iter().map(|word| (distance(&unknown, word), *word));
    let (steps, word) = by_distance.min_by_key(|(steps, _)| *steps)?;
    let prefix = word.split('_').next() == Some(unknown.as_str());
    (prefix || steps <= word.len().div_ceil(3)).then_some(word)
}

/// Insertions, deletions and replacements that turn one word into the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, c) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, d) in row.iter_mut().skip(1).zip(to.chars()) {
            let above = *cell;
            left = (diagonal + usize::from(c != d)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn slips_are_recognised() {
        assert_eq!(for_key("rtmp", "viewer_max"), "unknown key; did you mean viewers_max?");
        assert_eq!(for_key("rtmp", "viewers-max"), "unknown key; did you mean viewers_max?");
        assert_eq!(for_key("rtmp", "viewers"), "unknown key; did you mean viewers_max?");
        let expected = format!("unknown key; expected one of {}", keys("log").join(", "));
        assert_eq!(for_key("log", "lisetn"), expected);
        assert_eq!(for_section("rmtp"), "unknown section; did you mean [rtmp]?");
        assert_eq!(for_section("destinations"), "unknown section; did you mean [[destination]]?");
        assert_eq!(for_section("udp"), "unknown section; did you mean [input.udp]?");
    }

    #[test]
    fn keys_in_the_wrong_place_are_sent_home() {
        assert_eq!(for_key("rtmp", "silence_ms"), "unknown key here; it belongs to [programme]");
        assert_eq!(for_section("viewers_max"), "unknown here; this key belongs to [rtmp]");
        assert!(for_section("xyzzy").starts_with("unknown section; expected one of [appliance], "));
    }
}
