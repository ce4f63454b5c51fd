//! A setting's value, wherever it was said: in the file, in a variable, on the command line, over the
//! API. Purpose: each is judged once, by the same words. Non-goals: what it may be, which is the
//! setting's. Bound: the text it comes from.

use serde::Serialize;
use toml::de::DeValue;

use super::values::Parsed;

/// A setting's value; a secret's is what may be shown of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// There is none.
    None,
    /// A whole number.
    Integer(u64),
    /// A number with a fraction, in hundredths.
    Hundredths(u64),
    /// True or false.
    Boolean(bool),
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// Something that no setting can be.
    Other,
}

impl Value {
    pub(super) fn text(&self) -> Parsed<&str> {
        match self {
            Value::Text(text) => Ok(text),
            _ => Err("expected a text in quotes".to_owned()),
        }
    }

    pub(super) fn flag(&self) -> Parsed<bool> {
        match self {
            Value::Boolean(flag) => Ok(*flag),
            _ => Err("expected true or false".to_owned()),
        }
    }
}

impl From<&DeValue<'_>> for Value {
    fn from(value: &DeValue<'_>) -> Value {
        let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
        match value {
            DeValue::String(_) => text(value).map(Value::Text),
            DeValue::Boolean(flag) => Some(Value::Boolean(*flag)),
            DeValue::Integer(number) => {
                u64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Integer)
            }
            DeValue::Float(number) => {
                // Beyond these numbers there are no settings, and casts are exact.
                let number = number.as_str().parse::<f64>().ok().map(|number| number * 100.0);
                let number = number.filter(|number| (0.0..=1e9).contains(number));
                number.map(|number| Value::Hundredths(number.round() as u64))
            }
            DeValue::Array(items) => {
                let texts: Option<_> = items.iter().map(|item| text(item.get_ref())).collect();
                texts.map(Value::List)
            }
            _ => None,
        }
        .unwrap_or(Value::Other)
    }
}
