//! The API's document against the program: both name the same paths and methods, and real answers
//! are as the document says. The validator knows the words of JSON Schema that the document uses,
//! and no others.

use std::collections::BTreeSet;

use serde_json::{json, Map, Value};
use streamcaster::config::catalogue::KEYS;
use streamcaster::control::api::paths::{Path, PATHS};
use streamcaster::control::http::port::Port;
use streamcaster::operator::reason::Why;

use super::*;

/// The methods a path item may have.
const METHODS: [&str; 8] = ["get", "head", "post", "put", "patch", "delete", "options", "trace"];
/// What a schema may say without being checked here.
const REMARKS: [&str; 6] =
    ["description", "example", "format", "pattern", "default", "contentMediaType"];

pub fn document() -> Value {
    serde_json::from_str(include_str!("../../src/control/openapi.json")).expect("JSON")
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}"))
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {value:.400}"))
}

/// What a `$ref` leads to, or the value itself.
fn followed<'a>(whole: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(link) => followed(whole, at(whole, link.trim_start_matches('#'))),
        None => value,
    }
}

/// Every path, the port it is on, and every method: (path, is for tools, method).
fn told(whole: &Value) -> BTreeSet<(String, bool, String)> {
    let mut told = BTreeSet::new();
    for (path, item) in object(at(whole, "/paths")) {
        let is_tools = item.get("servers").is_some();
        for method in METHODS.iter().filter(|method| item.get(*method).is_some()) {
            told.insert((path.clone(), is_tools, method.to_ascii_uppercase()));
        }
    }
    told
}

#[test]
fn the_document_and_the_program_have_the_same_paths_and_methods() {
    let routed = |path: &Path| {
        let (template, is_tools) = (path.template, path.port == Port::Stat);
        let methods = path.methods.split(", ").filter(|method| *method != "HEAD");
        methods.map(move |method| (template.to_owned(), is_tools, method.to_owned()))
    };
    let routed: BTreeSet<_> = PATHS.iter().flat_map(routed).collect();
    let told = told(&document());
    let missing: Vec<_> = routed.difference(&told).collect();
    let invented: Vec<_> = told.difference(&routed).collect();
    assert!(missing.is_empty() && invented.is_empty(), "not told {missing:?}, told {invented:?}");
}

#[test]
fn the_document_holds_together() {
    let whole = document();
    let mut ids = BTreeSet::new();
    for (path, item) in object(at(&whole, "/paths")) {
        let shared = item.get("parameters").and_then(Value::as_array);
        for method in METHODS.iter().filter_map(|method| item.get(*method)) {
            let id = at(method, "/operationId").as_str().expect("a text");
            assert!(ids.insert(id), "{id} twice");
            let own = method.get("parameters").and_then(Value::as_array);
            let known: Vec<_> =
                shared.into_iter().chain(own).flatten().map(|p| followed(&whole, p)).collect();
            for part in path.split('{').skip(1).filter_map(|part| part.split('}').next()) {
                assert!(known.iter().any(|p| at(p, "/name") == part), "{path}: {part}");
            }
            for (status, answer) in object(at(method, "/responses")) {
                let answer = followed(&whole, answer);
                let error = answer.pointer("/content/application~1json/schema/$ref");
                if status.as_str() >= "400" && status != "503" {
                    assert_eq!(error, Some(&json!("#/components/schemas/Error")), "{id} {status}");
                }
            }
        }
    }
    follow_all(&whole, &whole);
    for (name, response) in object(at(&whole, "/components/responses")) {
        let content = at(response, "/content/application~1json");
        check(&whole, at(content, "/schema"), at(content, "/example"), name);
    }
}

#[test]
fn the_document_names_every_reason() {
    let whole = document();
    let named = at(&whole, "/components/schemas/Reason/properties/code/enum");
    let named: Vec<_> =
        named.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(named, Why::CODES);
}

#[test]
fn the_document_names_every_setting() {
    let whole = document();
    let body = "/paths/~1api~1settings/patch/requestBody/content/application~1json/schema";
    let told = at(at(&whole, body), "/propertyNames/enum").as_array().expect("a list").iter();
    let told: Vec<_> = told.filter_map(Value::as_str).collect();
    assert_eq!(told, *KEYS);
}

/// Follows every `$ref` there is, which panics where one leads nowhere.
fn follow_all(whole: &Value, part: &Value) {
    followed(whole, part);
    match part {
        Value::Object(fields) => fields.values().for_each(|field| follow_all(whole, field)),
        Value::Array(items) => items.iter().for_each(|item| follow_all(whole, item)),
        _ => {}
    }
}

/// Whether a value is of a type as JSON Schema names it.
fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("no type: {other}"),
    }
}

/// Holds a value against a schema; panics where they part.
fn check(whole: &Value, schema: &Value, value: &Value, place: &str) {
    if let Err(why) = holds(whole, schema, value, place) {
        panic!("{why}");
    }
}

fn holds(whole: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let schema = followed(whole, schema);
    for (word, wanted) in object(schema) {
        let length = value.as_str().map(|text| text.chars().count() as u64);
        let items = value.as_array().map(|items| items.len() as u64);
        let (least, most) = (|n: Option<u64>| n >= wanted.as_u64(), wanted.as_u64());
        let fits = match word.as_str() {
            "$ref" => true,
            "type" => match wanted {
                Value::Array(kinds) => {
                    kinds.iter().filter_map(Value::as_str).any(|k| is_of(value, k))
                }
                kind => is_of(value, kind.as_str().unwrap_or_default()),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().is_some_and(|known| known.contains(value)),
            "minimum" => value.is_null() || value.as_f64() >= wanted.as_f64(),
            "maximum" => value.is_null() || value.as_f64() <= wanted.as_f64(),
            "minLength" => length.is_none() || least(length),
            "maxLength" => length.is_none() || length <= most,
            "minItems" => items.is_none() || least(items),
            "maxItems" => items.is_none() || items <= most,
            "anyOf" => wanted
                .as_array()
                .is_some_and(|all| all.iter().any(|one| holds(whole, one, value, place).is_ok())),
            "required" => {
                let names = wanted.as_array().into_iter().flatten().filter_map(Value::as_str);
                let missing: Vec<_> = names.filter(|name| value.get(*name).is_none()).collect();
                if !missing.is_empty() {
                    return Err(format!("{place}: without {missing:?}"));
                }
                true
            }
            "properties" => {
                for (name, schema) in object(wanted) {
                    if let Some(field) = value.get(name) {
                        holds(whole, schema, field, &format!("{place}/{name}"))?;
                    }
                }
                true
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    holds(whole, wanted, item, &format!("{place}/{number}"))?;
                }
                true
            }
            remark if REMARKS.contains(&remark) => true,
            other => return Err(format!("{place}: the validator does not know {other}")),
        };
        if !fits {
            return Err(format!("{place}: {value} is not {word} {wanted}"));
        }
    }
    Ok(())
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let whole = json!({ "a": { "type": "object", "required": ["n"],
        "properties": { "n": { "type": ["integer", "null"], "minimum": 0 },
                        "l": { "type": "array", "items": { "enum": ["x", "y"] }, "maxItems": 2 },
                        "s": { "anyOf": [{ "type": "null" }, { "maxLength": 1, "type": "string" }] } } } });
    let schema = json!({ "$ref": "#/a" });
    for (value, right) in [
        (json!({ "n": 1, "more": 2 }), true),
        (json!({ "n": null, "l": ["x", "y"], "s": "ä" }), true),
        (json!({}), false),
        (json!([]), false),
        (json!({ "n": -1 }), false),
        (json!({ "n": 1.5 }), false),
        (json!({ "n": 1, "l": ["z"] }), false),
        (json!({ "n": 1, "l": ["x", "x", "x"] }), false),
        (json!({ "n": 1, "s": "xx" }), false),
    ] {
        assert_eq!(holds(&whole, &schema, &value, "").is_ok(), right, "{value}");
    }
    assert!(holds(&whole, &json!({ "maximal": 1 }), &json!(1), "").is_err(), "unknown words");
}

/// Holds an answer against what the document says of it.
pub fn check_answer(whole: &Value, template: &str, method: &str, answer: &str) {
    let (head, place) = (status(answer).to_string(), format!("{method} {template}"));
    let pointer = format!("/paths/{}/{}", template.replace('/', "~1"), method.to_ascii_lowercase());
    let known = at(at(whole, &pointer), "/responses").get(&head);
    let known = known.unwrap_or_else(|| panic!("{place}: {head} is not told: {answer:.400}"));
    let Some(content) = followed(whole, known).get("content") else { return };
    let kind = answer.lines().find_map(|line| line.strip_prefix("Content-Type: "));
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    let content = content.get(kind).unwrap_or_else(|| panic!("{place}: {kind} is not told"));
    if kind == "application/json" {
        let value = serde_json::from_str(body(answer)).expect("JSON");
        check(whole, at(content, "/schema"), &value, &place);
    }
}

#[test]
fn answers_are_as_the_document_says() {
    let (whole, control) = (document(), control());
    let streams = ["/api/events", "/api/preview.mp4"];
    for path in PATHS.iter().filter(|path| !streams.contains(&path.template)) {
        let to = if path.port == Port::Stat { control.stat() } else { control.http() };
        let target = path.template.replace("{name}", "n").replace("{id}", "0123456789abcdef");
        for method in path.methods.split(", ").filter(|method| *method != "HEAD") {
            let asked = |body: &str| command(method, &target, body).fields(BEARER);
            // Nobody takes commands here, and without a field none would be given.
            let bodies = match method {
                "GET" => &[""][..],
                _ => &["", "{}", "[]", "{", r#"{"action":"pause"}"#, r#"{"source":"udp"}"#],
            };
            // The program would end, which is tested elsewhere.
            for body in bodies.iter().filter(|_| path.template != "/api/restart") {
                let answer = ask(to, &asked(body));
                check_answer(&whole, path.template, method, &answer);
            }
        }
    }
    for (target, template) in [
        ("/api/logs?lines=0", "/api/logs"),
        ("/api/logs?type=audit&lines=3&level=info", "/api/logs"),
        ("/api/videos?search=x&limit=1&offset=0", "/api/videos"),
        ("/api/videos?limit=0", "/api/videos"),
        ("/api/playlists/..", "/api/playlists/{name}"),
    ] {
        check_answer(&whole, template, "GET", &get(control.http(), target, ""));
    }
}

#[test]
fn the_document_is_served_compressed_and_once() {
    let control = control();
    let plain = get(control.http(), "/api/openapi.json", "");
    assert_eq!(
        (status(&plain), body(&plain)),
        (200, include_str!("../../src/control/openapi.json"))
    );
    let packed = get(control.http(), "/api/openapi.json", "Accept-Encoding: gzip\r\n");
    let bytes = packed.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let bytes: usize = bytes.and_then(|digits| digits.parse().ok()).expect("a length");
    assert!(packed.contains("Content-Encoding: gzip\r\n") && bytes < plain.len() / 5, "{bytes}");
    let tag = plain.lines().find_map(|line| line.strip_prefix("ETag: ")).expect("a tag");
    let known = get(control.http(), "/api/openapi.json", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((status(&known), body(&known)), (304, ""));
}
