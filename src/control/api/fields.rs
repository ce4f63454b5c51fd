//! The fields of a request's body. Purpose: a JSON object of any shape comes in, and the few
//! fields that are asked for come out with their types, or a sentence that names the one that is
//! wrong. What is not asked for is skipped without being stored. Non-goals: answers. Bounds: the
//! body's, which the gate keeps; depth by serde_json, which stops at 128; a list's length by
//! [`PLAYLIST_FILES_MAX`].

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::Deserializer;

use crate::base::limits::PLAYLIST_FILES_MAX;

/// Why a body is not taken, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(pub String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A field's value, as far as any field may have it.
#[derive(Clone, Debug, PartialEq)]
enum FieldValue {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Texts(Vec<String>),
    /// A list that is longer than any may be.
    Long,
    /// An object, or a list of something else than texts.
    Other,
}

/// A value of any type a field may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given<'a> {
    /// `null`.
    Null,
    /// True or false.
    Flag(bool),
    /// A whole number.
    Whole(u64),
    /// A text.
    Text(&'a str),
    /// A list of texts.
    Texts(&'a [String]),
    /// Something else.
    Other,
}

/// The fields that were asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields {
    known: Vec<(&'static str, FieldValue)>,
    /// The first one that was not asked for.
    unknown: Option<String>,
}

impl Fields {
    /// Reads a body: an object, of which the fields in `names` are kept.
    ///
    /// # Errors
    /// It is empty, no JSON, no object, or has one of the fields twice.
    pub fn read(body: &[u8], names: &'static [&'static str]) -> Result<Fields, Wrong> {
        if body.is_empty() {
            let wanted = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            return Err(Wrong(format!(
                "The request has no body; send a JSON object with {}.",
                wanted.join(", ")
            )));
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        let object = Object(names).deserialize(&mut json);
        object.and_then(|fields| json.end().map(|()| fields)).map_err(|e| {
            Wrong(match e.is_data() {
                true => format!("The body is not as it should be: {e}."),
                false => format!("The body is not JSON: {e}."),
            })
        })
    }

    fn get(&self, name: &str) -> &FieldValue {
        let found = self.known.iter().find(|field| field.0 == name);
        found.map_or(&FieldValue::Null, |field| &field.1)
    }

    /// The first field that was not asked for.
    pub fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// All fields that were asked for and are there.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, Given<'_>)> {
        /// Up to here every whole number is one that JSON's readers agree on (RFC 8259, 6).
        const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;
        self.known.iter().map(|(name, value)| {
            let given = match value {
                FieldValue::Null => Given::Null,
                FieldValue::Bool(flag) => Given::Flag(*flag),
                // The range makes the conversion exact.
                FieldValue::Number(number)
                    if number.fract() == 0.0 && (0.0..=WHOLE_MAX).contains(number) =>
                {
                    Given::Whole(*number as u64)
                }
                FieldValue::Text(text) => Given::Text(text),
                FieldValue::Texts(texts) => Given::Texts(texts),
                FieldValue::Number(_) | FieldValue::Long | FieldValue::Other => Given::Other,
            };
            (*name, given)
        })
    }

    /// A text; `null` is the same as absent, here and everywhere.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Wrong> {
        match self.get(name) {
            FieldValue::Null => Ok(None),
            FieldValue::Text(text) => Ok(Some(text)),
            _ => Err(Wrong(format!("`{name}` must be a text in quotes."))),
        }
    }

    /// True or false.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Wrong> {
        match self.get(name) {
            FieldValue::Null => Ok(None),
            FieldValue::Bool(flag) => Ok(Some(*flag)),
            _ => Err(Wrong(format!("`{name}` must be true or false."))),
        }
    }

    /// A whole number, 0 or more, as far as JSON's numbers are exact (RFC 8259, 6).
    pub fn whole(&self, name: &str) -> Result<Option<u64>, Wrong> {
        const EXACT: f64 = 9_007_199_254_740_991.0;
        match self.get(name) {
            FieldValue::Null => Ok(None),
            // The range makes the conversion exact.
            FieldValue::Number(n) if (0.0..=EXACT).contains(n) && n.fract() == 0.0 => {
                Ok(Some(*n as u64))
            }
            _ => Err(Wrong(format!("`{name}` must be a whole number, 0 or more."))),
        }
    }

    /// A time in seconds, in milliseconds. No file is longer than a year.
    pub fn seconds(&self, name: &str) -> Result<Option<u64>, Wrong> {
        const YEAR_S: f64 = 366.0 * 86_400.0;
        match self.get(name) {
            FieldValue::Null => Ok(None),
            // The range makes the conversion exact.
            FieldValue::Number(s) if (0.0..=YEAR_S).contains(s) => {
                Ok(Some((s * 1000.0).round() as u64))
            }
            _ => Err(Wrong(format!("`{name}` must be a number of seconds, 0 or more."))),
        }
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> Result<Option<&[String]>, Wrong> {
        match self.get(name) {
            FieldValue::Null => Ok(None),
            FieldValue::Texts(texts) => Ok(Some(texts)),
            FieldValue::Long => {
                Err(Wrong(format!("`{name}` may hold {PLAYLIST_FILES_MAX} entries at most.")))
            }
            _ => Err(Wrong(format!("`{name}` must be a list of texts in quotes."))),
        }
    }

    /// Whether the field is a list that is longer than any may be.
    pub fn is_too_long(&self, name: &str) -> bool {
        *self.get(name) == FieldValue::Long
    }
}

/// Reads the object.
struct Object(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Object {
    type Value = Fields;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Fields, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields: Vec<(&'static str, FieldValue)> = Vec::with_capacity(self.0.len());
        let mut unknown = None;
        while let Some(key) = map.next_key::<String>()? {
            let Some(name) = self.0.iter().find(|name| **name == key) else {
                map.next_value::<IgnoredAny>()?;
                unknown.get_or_insert(key);
                continue;
            };
            if fields.iter().any(|field| field.0 == *name) {
                return Err(A::Error::custom(format_args!("`{name}` stands in it twice")));
            }
            fields.push((name, map.next_value_seed(Any)?));
        }
        Ok(Fields { known: fields, unknown })
    }
}

/// Reads any value.
struct Any;

impl<'de> DeserializeSeed<'de> for Any {
    type Value = FieldValue;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<FieldValue, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = FieldValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<FieldValue, E> {
        Ok(FieldValue::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<FieldValue, E> {
        Ok(FieldValue::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<FieldValue, E> {
        Ok(FieldValue::Number(value as f64))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<FieldValue, E> {
        Ok(FieldValue::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<FieldValue, E> {
        Ok(FieldValue::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<FieldValue, E> {
        Ok(FieldValue::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FieldValue, A::Error> {
        let mut texts = Vec::new();
        while let Some(item) = list.next_element_seed(Any)? {
            let rest = match item {
                FieldValue::Text(text) if texts.len() < PLAYLIST_FILES_MAX => {
                    texts.push(text);
                    continue;
                }
                FieldValue::Text(_) => FieldValue::Long,
                _ => FieldValue::Other,
            };
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(rest);
        }
        Ok(FieldValue::Texts(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldValue, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(FieldValue::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["video", "loop", "start_s", "files"];

    fn read(body: &str) -> Result<Fields, Wrong> {
        Fields::read(body.as_bytes(), NAMES)
    }

    #[test]
    fn fields_come_out_with_their_types_and_others_are_skipped() {
        let body = r#" {"x":{"video":[1,{"y":null}]},"video":"a \u00e4.mp4","loop":true,
            "start_s":1.5,"files":["a","b"],"Video":7} "#;
        let fields = read(body).unwrap();
        assert_eq!(fields.text("video"), Ok(Some("a ä.mp4")));
        assert_eq!(fields.flag("loop"), Ok(Some(true)));
        assert_eq!(fields.seconds("start_s"), Ok(Some(1500)));
        let files = fields.texts("files").unwrap().unwrap();
        assert_eq!(files, ["a", "b"]);
        let none = read(r#"{"video":null}"#).unwrap();
        assert_eq!((none.text("video"), none.flag("loop")), (Ok(None), Ok(None)));
    }

    #[test]
    fn what_is_no_json_object_is_told_so() {
        let deep = format!("{{\"video\":{}", "[".repeat(60_000));
        let deep_object = r#"{"video":"#.repeat(5_000);
        for body in [
            "",
            " ",
            "nul",
            "[]",
            "\"video\"",
            "7",
            "null",
            "{",
            "{}}",
            "{} x",
            "{'video':1}",
            "{\"video\":}",
            "{\"video\" \"a\"}",
            "\u{feff}{}",
            "{\"video\":\"\\ud800\"}",
            "{\"video\":\"a\u{0}\"}",
            "{\"\u{0}\":1}",
            "{\"video\":1e999}",
            "\0",
            &deep,
            &deep_object,
            r#"{"video":"a","video":"b"}"#,
            r#"{"video":"a","vide\u006f":"b"}"#,
        ] {
            let wrong = read(body).unwrap_err().to_string();
            assert!(wrong.ends_with('.') && wrong.len() < 200, "{body:.40}: {wrong}");
        }
        assert!(Fields::read(b"{\"video\":\"\xff\"}", NAMES).is_err());
        let twice = read(r#"{"video":"a","video":"b"}"#).unwrap_err().to_string();
        assert!(twice.contains("`video` stands in it twice"), "{twice}");
        assert!(read("").unwrap_err().to_string().contains("`video`, `loop`"));
    }

    #[test]
    fn a_wrong_type_is_told_by_the_name_of_its_field() {
        for value in
            ["1", "-1", "1e400", "true", "\"a\"", "[]", "[1]", "[[\"a\"]]", "{}", "{\"a\":1}"]
        {
            let Ok(fields) = read(&format!("{{\"video\":{value},\"loop\":{value}}}")) else {
                assert_eq!(value, "1e400", "a number that is none");
                continue;
            };
            let (text, flag) = (fields.text("video"), fields.flag("loop"));
            assert_eq!(text.is_ok(), value == "\"a\"", "{value}");
            assert_eq!(flag.is_ok(), value == "true", "{value}");
            let wrong = text.err().map(|wrong| wrong.0).unwrap_or_default();
            assert!(value == "\"a\"" || wrong.contains("`video`"), "{wrong}");
        }
        for value in ["-0.1", "1e30", "\"5\"", "true"] {
            let fields = read(&format!("{{\"start_s\":{value}}}")).unwrap();
            assert!(fields.seconds("start_s").is_err(), "{value}");
        }
        for value in ["\"a\"", "[1]", "[\"a\",null]", "{}", "[[\"a\"]]"] {
            let fields = read(&format!("{{\"files\":{value}}}")).unwrap();
            assert!(fields.texts("files").is_err() && !fields.is_too_long("files"), "{value}");
        }
    }

    #[test]
    fn a_list_ends_at_its_limit() {
        let list = |count: usize| format!("{{\"files\":[{}\"a\"]}}", "\"a\",".repeat(count - 1));
        let fields = read(&list(PLAYLIST_FILES_MAX)).unwrap();
        assert_eq!(fields.texts("files").unwrap().map(<[String]>::len), Some(PLAYLIST_FILES_MAX));
        let fields = read(&list(PLAYLIST_FILES_MAX + 1)).unwrap();
        assert!(fields.is_too_long("files") && fields.texts("files").is_err());
    }
}
