//! Prometheus's text format 0.0.4, strictly: HELP, then TYPE, then the samples of a family, each
//! family once, each sample once, counters in `_total`, labels escaped, no stray byte.

use std::collections::BTreeSet;

/// A family.
pub struct Family {
    pub name: String,
    pub samples: Vec<Sample>,
    counter: bool,
}

/// A sample.
pub struct Sample {
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// Reads a page, or says what is wrong with which line.
pub fn parse(text: &str) -> Result<Vec<Family>, String> {
    if !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let (mut families, mut help) = (Vec::<Family>::new(), None);
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let wrong = |why: &str| format!("{why}: {line:?}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').ok_or(wrong("no help"))?;
            if words.is_empty() || help.is_some() || families.iter().any(|f| f.name == name) {
                return Err(wrong("an empty, stray or doubled HELP"));
            }
            help = Some(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or(wrong("no type"))?;
            if help.take() != Some(name) {
                return Err(wrong("TYPE without its HELP before it"));
            }
            let counter = match kind {
                "counter" => true,
                "gauge" => false,
                _ => return Err(wrong("an unknown type")),
            };
            if !is_name(name) || counter != name.ends_with("_total") {
                return Err(wrong("a name that does not fit"));
            }
            families.push(Family { name: name.to_owned(), samples: Vec::new(), counter });
        } else {
            let family = families.last_mut().ok_or(wrong("a sample without a family"))?;
            let rest = line.strip_prefix(&*family.name).ok_or(wrong("of another family"))?;
            let (labels, value) = labels(rest).ok_or(wrong("labels"))?;
            let value: f64 = value.parse().map_err(|_| wrong("no number"))?;
            if family.counter && (value < 0.0 || !value.is_finite()) {
                return Err(wrong("a counter that is none"));
            }
            if help.is_some() || !seen.insert((family.name.clone(), labels.clone())) {
                return Err(wrong("a stray or doubled sample"));
            }
            family.samples.push(Sample { labels, value });
        }
    }
    match families.iter().find(|family| family.samples.is_empty()) {
        Some(family) => Err(format!("{} has no sample", family.name)),
        None => Ok(families),
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with("streamcaster_") && name.chars().all(plain)
}

/// The labels behind a name, and the value behind them.
fn labels(rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let Some(mut rest) = rest.strip_prefix('{') else {
        return Some((Vec::new(), rest.strip_prefix(' ')?));
    };
    let mut labels = Vec::new();
    loop {
        let (name, behind) = rest.split_once("=\"")?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            return None;
        }
        let (value, behind) = quoted(behind)?;
        labels.push((name.to_owned(), value));
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some((labels, behind.strip_prefix("} ")?)),
        }
    }
}

/// A text up to its closing quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                '\\' => '\\',
                '"' => '"',
                _ => return None,
            }),
            other => value.push(other),
        }
    }
    None
}

#[test]
fn the_parser_is_strict() {
    let good = "# HELP streamcaster_a_total x\n# TYPE streamcaster_a_total counter\n\
        streamcaster_a_total{b=\"\\\\ \\\" \\n\"} 1\n";
    assert_eq!(parse(good).unwrap()[0].samples[0].labels[0].1, "\\ \" \n");
    let gauge = "# HELP streamcaster_a x\n# TYPE streamcaster_a gauge\n";
    for bad in [
        "",
        "streamcaster_a 1\n",
        gauge,
        "# TYPE streamcaster_a gauge\nstreamcaster_a 1\n",
        "# HELP streamcaster_a x\nstreamcaster_a 1\n",
        "# HELP streamcaster_a x\n# TYPE streamcaster_a counter\nstreamcaster_a 1\n",
        &format!("{gauge}streamcaster_a 1"),
        &format!("{gauge}streamcaster_a one\n"),
        &format!("{gauge}streamcaster_b 1\n"),
        &format!("{gauge}streamcaster_a 1\nstreamcaster_a 2\n"),
        &format!("{gauge}streamcaster_a 1\n{gauge}streamcaster_a{{b=\"c\"}} 2\n"),
        &format!("{gauge}streamcaster_a{{b=\"c\"d\"}} 1\n"),
        &format!("{gauge}streamcaster_a{{b=\"\\x\"}} 1\n"),
    ] {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
}
