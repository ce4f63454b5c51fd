//! JSON as this package writes it (RFC 8259). Purpose: the same bytes for the same value: members
//! stay in the order they were said in. Non-goals: reading, fractions. Bound: what fits into
//! memory; values are nested as deep as the code that says them.

use std::fmt::Write;

/// A value.
pub enum Json {
    /// `{}` with its members.
    Object(Vec<(String, Json)>),
    /// `[]`.
    List(Vec<Json>),
    /// A string.
    Text(String),
    /// A whole number.
    Number(u64),
    /// `true` or `false`.
    Bool(bool),
}

/// An object of these members.
pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A list of strings.
pub fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Json {
    Json::List(texts.into_iter().map(|text| text.as_ref().into()).collect())
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::Text(text)
    }
}

impl Json {
    /// Without white space.
    pub fn compact(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, None);
        text
    }

    /// A member a line, indented by two, with a newline at its end.
    pub fn pretty(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, Some(0));
        text + "\n"
    }

    fn write(&self, text: &mut String, depth: Option<usize>) {
        match self {
            Json::Object(members) => {
                let colon = if depth.is_some() { ": " } else { ":" };
                let write = |text: &mut String, (name, value): &(String, Json), depth| {
                    *text += &quoted(name);
                    *text += colon;
                    value.write(text, depth);
                };
                block(text, ['{', '}'], members, depth, write);
            }
            Json::List(values) => {
                block(text, ['[', ']'], values, depth, |text, value, depth| {
                    value.write(text, depth);
                });
            }
            Json::Text(plain) => *text += &quoted(plain),
            Json::Number(number) => *text += &number.to_string(),
            Json::Bool(truth) => *text += if *truth { "true" } else { "false" },
        }
    }
}

fn block<T>(
    text: &mut String,
    [open, close]: [char; 2],
    items: &[T],
    depth: Option<usize>,
    write: impl Fn(&mut String, &T, Option<usize>),
) {
    let line = |text: &mut String, depth: Option<usize>| {
        if let Some(depth) = depth {
            text.push('\n');
            *text += &"  ".repeat(depth);
        }
    };
    text.push(open);
    let inner = depth.map(|depth| depth + 1);
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        line(text, inner);
        write(text, item, inner);
    }
    if !items.is_empty() {
        line(text, depth);
    }
    text.push(close);
}

/// A JSON string (RFC 8259, 7).
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_strings_are_escaped() {
        let value = object([
            ("z", texts(["a \"b\"", "\n\\"])),
            ("a", object([("n", Json::Number(7)), ("t", Json::Bool(true))])),
            ("e", Json::Object(Vec::new())),
            ("l", Json::List(Vec::new())),
        ]);
        let compact = r#"{"z":["a \"b\"","\u000a\\"],"a":{"n":7,"t":true},"e":{},"l":[]}"#;
        assert_eq!(value.compact(), compact);
        let value = object([("a", texts(["b", "c"])), ("e", Json::Object(Vec::new()))]);
        assert_eq!(value.pretty(), "{\n  \"a\": [\n    \"b\",\n    \"c\"\n  ],\n  \"e\": {}\n}\n");
    }
}
