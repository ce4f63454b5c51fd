//! Bodies of requests. Purpose: a request is a struct; its fields come out with their types, or a
//! sentence names the one that is wrong and says what it must be. `null` is the same as absent,
//! here and everywhere; what a struct does not have is skipped without being stored. Non-goals:
//! what a request means. Bounds: the body's, which the gate keeps; depth by serde_json, which stops
//! at 128; a list's length by [`PLAYLIST_FILES_MAX`].

use std::fmt;

use serde::de::value::{self, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, Error as _, IgnoredAny, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::{forward_to_deserialize_any, Deserialize};

use crate::base::limits::PLAYLIST_FILES_MAX;
use crate::control::http::answer::Answer;
use crate::control::http::problem::Problem;

/// Reads a body.
///
/// # Errors
/// It is empty, no JSON, no object, has one of the fields twice, or a field is of another type.
pub fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Answer> {
    T::deserialize(JsonBody(body)).map_err(wrong)
}

/// Something is wrong with the request.
pub fn wrong(why: impl fmt::Display) -> Answer {
    Problem::Invalid.answer(why)
}

/// Why a body is not taken, for a person. `field` is the one that was being read; what was expected
/// is the end of serde's sentence.
fn sentence(error: &serde_json::Error, field: Option<&str>) -> String {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let expected = said.strip_suffix(&place).unwrap_or(&said).rsplit_once(", expected ");
    match (field, expected) {
        _ if !error.is_data() => format!("The body is not JSON: {said}."),
        (Some(field), Some((_, expected))) => match expected {
            "a string" => format!("`{field}` must be a text in quotes."),
            "a boolean" => format!("`{field}` must be true or false."),
            other => format!("`{field}` must be {other}."),
        },
        _ => format!("The body is not as it should be: {said}."),
    }
}

/// A body as serde reads it.
struct JsonBody<'de>(&'de [u8]);

impl<'de> Deserializer<'de> for JsonBody<'de> {
    type Error = value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        if self.0.is_empty() {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let names = names.join(", ");
            let words = format!("The request has no body; send a JSON object with {names}.");
            return Err(value::Error::custom(words));
        }
        let (mut json, mut field) = (serde_json::Deserializer::from_slice(self.0), None);
        let read = json.deserialize_map(Object { visitor, field: &mut field });
        let read = read.and_then(|value| json.end().map(|()| value));
        read.map_err(|error| value::Error::custom(sentence(&error, field.as_deref())))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        self.deserialize_struct("", &[], visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Reads an object, and notes which field it is at.
struct Object<'a, T> {
    visitor: T,
    field: &'a mut Option<String>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Object { visitor: map, field: self.field })
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Object<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        *self.field = self.visitor.next_key()?;
        let Some(name) = self.field.as_deref() else { return Ok(None) };
        let name: StrDeserializer<'_, A::Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.visitor.next_value_seed(seed)
    }
}

/// A field that is one of several names.
pub fn choice<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    json: D,
) -> Result<Option<T>, D::Error> {
    let name = Option::<String>::deserialize(json)?;
    name.map(|name| T::deserialize(name.into_deserializer())).transpose()
}

/// Reads a number: what it must be, and the number if it is.
struct NumberVisitor(&'static str, fn(f64) -> Option<u64>);

impl Visitor<'_> for NumberVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<u64, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<u64, E> {
        (self.1)(value).ok_or_else(|| E::invalid_value(Unexpected::Float(value), &self))
    }
}

/// A whole number, 0 or more, as far as JSON's readers agree on it (RFC 8259, 6).
pub fn whole_number(number: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    // The range makes the conversion exact.
    ((0.0..=EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// Such a number.
pub struct WholeNumber(pub u64);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<WholeNumber, D::Error> {
        let number = NumberVisitor("a whole number, 0 or more", whole_number);
        json.deserialize_f64(number).map(WholeNumber)
    }
}

/// A time in seconds, held in milliseconds. No file is longer than a year.
pub struct Seconds(pub u64);

/// A year, seconds.
pub const YEAR_S: f64 = 366.0 * 86_400.0;

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Seconds, D::Error> {
        let to_ms = |s: f64| (0.0..=YEAR_S).contains(&s).then_some((s * 1000.0).round() as u64);
        json.deserialize_f64(NumberVisitor("a number of seconds, 0 or more", to_ms)).map(Seconds)
    }
}

/// A list of texts; one that is longer than [`PLAYLIST_FILES_MAX`] is cut one behind it.
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Texts, D::Error> {
        json.deserialize_seq(List).map(Texts)
    }
}

/// Reads the list.
struct List;

impl<'de> Visitor<'de> for List {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts in quotes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element_seed(Item)? {
            texts.push(text);
            if texts.len() > PLAYLIST_FILES_MAX {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                break;
            }
        }
        Ok(texts)
    }
}

/// Reads one of them.
struct Item;

impl<'de> DeserializeSeed<'de> for Item {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<String, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Item {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        List.expecting(f)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Request {
        video: Option<String>,
        r#loop: Option<bool>,
        start_s: Option<Seconds>,
        size: Option<WholeNumber>,
        files: Option<Texts>,
        #[serde(default, deserialize_with = "choice")]
        action: Option<Action>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Action {
        Pause,
        Next,
    }

    /// What a body is read as, or the sentence about it.
    fn read(body: &str) -> Result<Request, String> {
        Request::deserialize(JsonBody(body.as_bytes())).map_err(|wrong| wrong.to_string())
    }

    /// The sentence about this value of this field.
    fn said(field: &str, value: &str) -> String {
        read(&format!("{{\"{field}\":{value}}}")).err().unwrap_or_default()
    }

    #[test]
    fn fields_come_out_with_their_types_and_others_are_skipped() {
        let body = r#" {"x":{"video":[1,{"y":null}]},"video":"a \u00e4.mp4","loop":true,
            "start_s":1.5,"files":["a","b"],"Video":7,"size":5.0,"action":"next"} "#;
        let Ok(request) = read(body) else { unreachable!("{:?}", read(body).err()) };
        assert_eq!(request.video.as_deref(), Some("a ä.mp4"));
        assert_eq!(request.r#loop, Some(true));
        assert_eq!(request.start_s.map(|Seconds(ms)| ms), Some(1500));
        assert_eq!(request.size.map(|WholeNumber(number)| number), Some(5));
        assert_eq!(request.files.map(|Texts(files)| files), Some(vec!["a".into(), "b".into()]));
        assert_eq!(request.action, Some(Action::Next));
        let nothing = r#"{"video":null,"loop":null,"start_s":null,"size":null,"files":null,
            "action":null}"#;
        for body in ["{}", nothing] {
            let Ok(request) = read(body) else { unreachable!("{body}") };
            assert!(request.video.is_none() && request.r#loop.is_none(), "{body}");
            assert!(request.start_s.is_none() && request.size.is_none(), "{body}");
            assert!(request.files.is_none() && request.action.is_none(), "{body}");
        }
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
            let wrong = read(body).err().unwrap_or_default();
            assert!(wrong.ends_with('.') && wrong.len() < 200, "{body:.40}: {wrong}");
        }
        assert!(Request::deserialize(JsonBody(b"{\"video\":\"\xff\"}")).is_err());
        let twice = read(r#"{"video":"a","video":"b"}"#).err().unwrap_or_default();
        assert!(twice.contains("duplicate field `video`"), "{twice}");
        assert!(read("").err().unwrap_or_default().contains("`video`, `loop`"));
    }

    #[test]
    fn a_wrong_type_is_told_by_the_name_of_its_field_and_what_it_must_be() {
        for value in ["1", "-1", "true", "\"a, expected b\"", "[]", "[1]", "[[\"a\"]]", "{\"a\":1}"]
        {
            for (field, right, sentence) in [
                ("video", "\"a, expected b\"", "`video` must be a text in quotes."),
                ("loop", "true", "`loop` must be true or false."),
                ("start_s", "1", "`start_s` must be a number of seconds, 0 or more."),
                ("size", "1", "`size` must be a whole number, 0 or more."),
                ("files", "[]", "`files` must be a list of texts in quotes."),
            ] {
                let wanted = if value == right { "" } else { sentence };
                assert_eq!(said(field, value), wanted, "{field} {value}");
            }
        }
        assert_eq!(said("action", "\"stop\""), "`action` must be `pause` or `next`.");
        assert_eq!(said("action", "1"), "`action` must be a text in quotes.");
        for value in ["-0.1", "1e30", "\"5\"", "true", "31622400.1"] {
            assert!(said("start_s", value).contains("`start_s`"), "{value}");
        }
        for value in ["0.5", "9007199254740992", "-1"] {
            assert!(said("size", value).contains("`size`"), "{value}");
        }
        assert!(said("video", "1e400").contains("not JSON"), "a number that is none");
    }

    #[test]
    fn a_list_ends_behind_its_limit() {
        let list = |count: usize| format!("{{\"files\":[{}\"a\"]}}", "\"a\",".repeat(count - 1));
        for (count, kept) in [(1, 1), (PLAYLIST_FILES_MAX, PLAYLIST_FILES_MAX), (9_999, 501)] {
            let files = read(&list(count)).ok().and_then(|request| request.files);
            assert_eq!(files.map(|Texts(files)| files.len()), Some(kept));
        }
    }
}
