//! The catalogue's rows, and what has to go with each: a line in the sample of the file, with the
//! limits and names in its remarks, and a place of its own in the configuration. The page's words are
//! held against the rows beside them.

use std::collections::BTreeSet;

use toml::de::DeTable;

use super::super::catalogue::{DESTINATION_KEYS, SECTIONS, SETTINGS};
use super::super::errors::heading;
use super::*;

const MANUAL: &str = include_str!("../../MANUAL.md");

/// What the sample says of a setting: the remarks above its line, and its value.
struct Sample {
    remarks: String,
    written: String,
    value: Value,
}

/// The sample's lines of a section: remarks, and keys with their values.
fn body(section: &str) -> impl Iterator<Item = &'static str> {
    let heading = format!("#{}\n", heading(section));
    let (_, rest) = REFERENCE.split_once(&heading).unwrap_or_else(|| panic!("no {heading}"));
    rest.lines().take_while(|line| !line.starts_with("#["))
}

/// The setting's key and value of a line `#key = value`.
fn pair(line: &str) -> Option<(&str, &str)> {
    let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '))?;
    setting.split_once(" = ")
}

fn sample(setting: &Setting) -> Sample {
    let (section, key) = setting.path();
    let mut remarks: Vec<&str> = Vec::new();
    let mut was_pair = false;
    for line in body(section) {
        match pair(line) {
            Some((found, written)) if found == key => {
                let document = format!("value = {written}");
                let document = DeTable::parse(&document).expect(setting.key);
                let value = Value::from(document.get_ref().get("value").unwrap().get_ref());
                let (remarks, written) = (remarks.join(" "), written.to_owned());
                return Sample { remarks, written, value };
            }
            Some(_) => was_pair = true,
            None => {
                // Remarks stand above all the keys that follow them.
                if std::mem::take(&mut was_pair) {
                    remarks.clear();
                }
                remarks.push(line.trim_start_matches("# "));
            }
        }
    }
    panic!("the sample has no line #{key} = … in [{section}]");
}

/// What a setting is where nobody says anything.
fn default(setting: &Setting) -> Value {
    setting.read(&Config::default())
}

/// Values that a setting may have, beside its default.
fn values(setting: &Setting) -> Vec<Value> {
    let mut values = match setting.kind {
        Kind::Integer(min, max) => vec![Value::Integer(min), Value::Integer(max)],
        Kind::Boolean => vec![Value::Boolean(true), Value::Boolean(false)],
        Kind::Choice(all) => all.iter().map(|name| Value::Text((*name).to_owned())).collect(),
        Kind::List(..) => vec![Value::List(vec!["192.0.2.0/24".to_owned()])],
        Kind::Text | Kind::Secret(..) => Vec::new(),
    };
    values.push(sample(setting).value);
    values
}

/// A configuration of which one setting is said.
fn with(setting: &'static Setting, value: &Value) -> Config {
    let mut build = Build::default();
    let place = Place::file(Path::new(FILE_NAME), 1);
    let origin = errors::Origin { place, key: setting.key.to_owned(), value: None };
    setting.take(&mut build, value, origin);
    build.finish().unwrap_or_else(|errors| panic!("{}: {errors}", setting.key))
}

/// Whether a setting is made of several keys or of a file, so that it cannot be said alone.
fn is_part(setting: &Setting) -> bool {
    ["input.pull.", "http.tls_", "tls.ca_file"].iter().any(|whole| setting.key.starts_with(whole))
}

#[test]
fn sections_stand_together_and_no_key_twice() {
    let keys: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
    assert_eq!(keys.len(), SETTINGS.len());
    let sections: BTreeSet<&str> = SECTIONS.iter().map(|(section, _)| *section).collect();
    assert_eq!(sections.len(), SECTIONS.len());
}

#[test]
fn the_sample_as_it_is_says_nothing() {
    assert_eq!(from_text(REFERENCE).unwrap(), Config::default());
}

#[test]
fn the_sample_has_every_setting_with_its_default_in_the_order_of_the_rows() {
    let mut all = String::new();
    for setting in &SETTINGS {
        let Sample { value, written, .. } = sample(setting);
        let is_default = default(setting) != Value::None;
        // Of a pull there is none where nothing is said.
        if is_default && !is_part(setting) {
            all += &format!("{} = {written}\n", setting.key);
        }
        match is_default {
            true => assert_eq!(value, default(setting), "{}", setting.key),
            false => assert_eq!(setting.check(&value), Ok(()), "{}", setting.key),
        }
    }
    assert_eq!(from_text(&all).unwrap(), Config::default());
    let written: Vec<_> = REFERENCE.lines().filter_map(pair).map(|(key, _)| key).collect();
    let keys = SETTINGS.iter().map(|setting| setting.path().1).chain(DESTINATION_KEYS);
    assert_eq!(written, keys.collect::<Vec<_>>());
}

#[test]
fn the_sample_tells_limits_units_and_who_else_may_say_it() {
    for setting in &SETTINGS {
        let Sample { remarks, .. } = sample(setting);
        let names = |word: &str| assert!(remarks.contains(word), "{}: {word}", setting.key);
        match setting.kind {
            Kind::Integer(min, max) => names(&format!("{min} to {max}")),
            Kind::Choice(all) => all.iter().for_each(|name| names(name)),
            Kind::List(_, max) if !remarks.contains("as above") => names(&format!("up to {max}")),
            Kind::Secret(min, _) if min > 1 => names(&format!("t least {min} letters")),
            _ => {}
        }
        match setting.measure {
            Measure::Count => {}
            Measure::Ms => names("milliseconds"),
            Measure::S => names("seconds"),
            Measure::Percent => names("percent"),
            size @ (Measure::KiB | Measure::MiB) => names(size.name()),
        }
        for variable in setting.environment {
            names(variable.name());
            let name = format!("`{}`", variable.name());
            assert!(MANUAL.contains(&name), "the manual has no {name}");
        }
        setting.argument.iter().for_each(|argument| names(argument.name));
    }
}

#[test]
fn the_sample_is_valid_with_every_line_switched_on() {
    // The certificate's files would have to be there.
    let config = from_text(&uncommented(REFERENCE, |line| {
        !line.starts_with("tls_") && !line.starts_with("ca_file")
    }))
    .unwrap();
    assert_eq!(names(&config), ["twitch"]);
    assert!(config.pull.is_some() && config.http.password_hash.is_some());
}

#[test]
fn each_setting_is_kept_where_it_is_shown_and_nowhere_else() {
    for setting in SETTINGS.iter().filter(|setting| !is_part(setting)) {
        for value in values(setting) {
            let config = with(setting, &value);
            if !matches!(setting.kind, Kind::Secret(..)) {
                assert_eq!(setting.read(&config), value, "{}", setting.key);
            }
            let differs = |it: &&Setting| (it.differs)(&config, &Config::default());
            let differing: Vec<&str> = SETTINGS.iter().filter(differs).map(|it| it.key).collect();
            let is_default = config == Config::default();
            let own: &[&str] = if is_default { &[] } else { &[setting.key] };
            assert_eq!(differing, own, "{} = {value:?}", setting.key);
        }
    }
}

#[test]
fn what_is_beyond_a_limit_or_no_choice_is_refused() {
    for setting in &SETTINGS {
        let wrong = match setting.kind {
            Kind::Integer(min, max) => [min.checked_sub(1), max.checked_add(1)]
                .map(|n| n.map_or(Value::Other, Value::Integer)),
            Kind::Boolean => [Value::Integer(1), Value::Text("true".to_owned())],
            Kind::Text | Kind::Choice(_) => [Value::Integer(1), Value::Text("\0".to_owned())],
            Kind::List(least, most) => {
                let list = |length| Value::List(vec!["192.0.2.0/24".to_owned(); length]);
                [least.checked_sub(1).map_or(Value::Other, list), list(most + 1)]
            }
            Kind::Secret(min, max) => {
                [min - 1, max + 1].map(|bytes| Value::Text("a".repeat(bytes)))
            }
        };
        for value in wrong {
            assert!(setting.check(&value).is_err(), "{} = {value:?}", setting.key);
        }
    }
}

#[test]
fn every_variable_and_argument_is_taken() {
    for setting in &SETTINGS {
        let Value::Text(shown) = sample(setting).value else { continue };
        let address = shown.parse::<std::net::SocketAddr>().ok();
        for variable in setting.environment {
            let text = match (variable, address) {
                (Variable::Host(_), Some(_)) => "192.0.2.1".to_owned(),
                (Variable::Port(_), Some(_)) => "4321".to_owned(),
                _ => shown.clone(),
            };
            let config = from_variables(&[(variable.name(), &text)]).unwrap();
            let differs = (setting.differs)(&config, &Config::default());
            assert!(differs || setting.read(&config) == Value::Text(text), "{}", setting.key);
            let wrong = from_variables(&[(variable.name(), "\u{1}")]).unwrap_err();
            assert!(wrong.starts_with(&format!("environment {}", variable.name())), "{wrong}");
            let set_by = setting.set_by(&Arguments::default(), |it| it == variable.name(), &[]);
            assert_eq!(set_by, SetBy::Environment);
        }
    }
}
