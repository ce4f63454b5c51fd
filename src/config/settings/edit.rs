//! Settings in the file's document: which it has, and changes of them.

use toml_edit::{Array, DocumentMut};

use super::document;
use super::error::EditError;
use crate::config::catalogue::{find, SETTINGS};
use crate::config::{Setting, Value};

/// The keys a document has.
pub(super) fn in_file(document: &DocumentMut) -> Vec<&'static str> {
    let has = |setting: &&Setting| {
        let (section, key) = setting.path();
        document::has(document, section, key)
    };
    SETTINGS.iter().filter(has).map(|setting| setting.key).collect()
}

/// Puts values into the document; none at all is back to the default.
///
/// # Errors
/// A key that there is not, a value that its setting cannot have; all of them at once.
pub fn put(document: &mut DocumentMut, values: &[(String, Value)]) -> Result<(), EditError> {
    let mut wrong = Vec::new();
    for (key, value) in values {
        let Some(setting) = find(key) else {
            wrong.push((key.clone(), "unknown; GET /api/settings lists all".to_owned()));
            continue;
        };
        if let Err(why) = setting.check(value) {
            wrong.push((key.clone(), why));
            continue;
        }
        let (section, key) = setting.path();
        let value = match value {
            Value::Integer(number) => i64::try_from(*number).unwrap_or(i64::MAX).into(),
            Value::Boolean(flag) => (*flag).into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(String::as_str).collect::<Array>().into(),
            // The last two are no setting's, which was seen to before.
            Value::None | Value::Other | Value::Hundredths(_) => {
                document::remove(document, section, key);
                continue;
            }
        };
        document::set(document, section, key, value);
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(EditError::Keys(wrong)),
    }
}
