//! The API's document, whole: what each resource says of its operations, and what belongs to none.
//! Purpose: `src/control/openapi.json` is made here from the types and the tables, and a test holds
//! the committed one against it. Only tests have it.

use std::env;
use std::fs;
use std::path::Path;

use serde_json::{json, Value};

use crate::control::api::document::{component, Document};
use crate::control::api::status::StatusAnswer;
use crate::control::api::{
    checks, destinations, firmware, logs, maintenance, orders, platforms, playlists, session,
    settings, uploads, videos,
};
use crate::control::http::problem::{PROBLEMS, REFUSALS};

/// Set by `cargo xtask openapi`: write the document instead of comparing it.
const RENEW: &str = "STREAMCASTER_OPENAPI_RENEW";

const ABOUT: &str = "One programme that never stops: MPEG-TS over UDP, RTMP publishers and video \
    files in, RTMP viewers and platforms out.\n\nFields may be added to any answer, never removed \
    or renamed. Fields of a request that are not known are skipped; null is the same as absent. A \
    path that takes GET takes HEAD as well, except events and preview. What is not HTTP as RFC 9112 \
    has it is refused at the gate with 400, 408, 411, 413, 417, 431 or 505; an unknown path is 404, \
    another method 405 with Allow.\n\nWithout a password only this machine is answered, under \
    localhost or the address it connects to; it may look, and what changes something needs a session \
    that the code in DATA/state/page.code opened, or the probe's token. With one, everything needs a \
    session's cookie, HTTP Basic with any user name, or, on this machine, the probe's token. Commands \
    need Content-Type: application/json with their body and must not come from another site's page.";

/// What belongs to no operation.
fn frame() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "StreamCaster", "version": "1", "description": ABOUT,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/", "description": "Page and API, port 8080" }],
        "security": [{ "session": [] }, { "basic": [] }, { "probe": [] }, {}],
        "tags": [
            { "name": "programme", "description": "What is on air" },
            { "name": "library", "description": "Files, playlists, uploads" },
            { "name": "destinations", "description": "Where the programme is pushed to" },
            { "name": "settings", "description": "config.toml" },
            { "name": "access", "description": "Who may" },
            { "name": "system", "description": "The program itself" },
            { "name": "tools", "description": "Port 8081, open to all who reach it" },
        ],
        "components": {
            "securitySchemes": {
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "streamcaster_session",
                    "description": "Set by POST /api/login",
                },
                "basic": { "type": "http", "scheme": "basic", "description": "Any user name" },
                "probe": {
                    "type": "http", "scheme": "bearer",
                    "description":
                        "On this machine only: what DATA/state/probe.token says, new at each start",
                },
            },
            "parameters": {
                "ifMatch": {
                    "name": "If-Match", "in": "header", "schema": { "type": "string" },
                    "description": "Only when the version is still this one",
                },
            },
        },
    })
}

/// The operations that answer no struct of their own.
fn describe(document: &mut Document) {
    document
        .operation("GET /api/status", "programme", "status", "The state of the whole")
        .answers::<StatusAnswer<'_>>(200, "The state", Value::Null);
    document
        .operation("GET /api/events", "programme", "events", "What happens, as server-sent events")
        .parameter(
            "header",
            "Last-Event-ID",
            "The last log line the client has",
            json!({ "type": "integer", "minimum": 0 }),
        )
        .answers_text(
            "Events until the client leaves: status (as GET /api/status, once a second), log \
             ({\"lines\":[{id,time,level,target,text}]}), library ({\"version\"}), config \
             ({\"revision\"}). The id of an event is the number of its last log line.",
            &["text/event-stream"],
        );
    document
        .operation(
            "GET /api/preview.mp4",
            "programme",
            "preview",
            "The picture, as fragmented MP4 without an end",
        )
        .answers_text(
            "Begins at the newest key frame. Other parameters bring an init segment of their own; \
             other tracks end it.",
            &["video/mp4"],
        );
    document
        .operation("GET /api/openapi.json", "system", "openapi", "This document")
        .parameter("header", "If-None-Match", "", json!({ "type": "string" }))
        .answers_also(304, json!({ "description": "The client has it" }))
        .answers::<serde_json::Map<String, Value>>(200, "OpenAPI 3.1", Value::Null);
    document
        .operation(
            "GET /licences",
            "system",
            "licences",
            "What the appliance's image is made of, and the licence of each part, as text",
        )
        .about(
            "NOT_FOUND: the program was not installed by an image. A client that takes no gzip is \
             given the file as it lies there.",
        )
        .answers_text("The text", &["text/plain", "application/gzip"])
        .refuses(&[404]);
    for (line, id, summary, kind) in [
        ("GET /stat", "stat", "The state as nginx-rtmp's statistics page tells it", "text/xml"),
        ("GET /stat.xsl", "statSheet", "What shows /stat to a person", "text/xsl"),
        ("GET /stat.css", "statStyle", "Its style", "text/css"),
        ("GET /metrics", "metrics", "The state for Prometheus", "text/plain"),
    ] {
        document.operation(line, "tools", id, summary).answers_text("Done", &[kind]);
    }
    let content = json!({
        "text/plain": { "schema": { "type": "string" } },
        "application/json": { "schema": component("schemas", "Error") },
    });
    let unhealthy = "Unhealthy, or no room at the moment";
    document
        .operation("GET /health", "tools", "plainHealth", "healthy or unhealthy, as one word")
        .answers_text("Healthy or degraded", &["text/plain"])
        .answers_also(503, json!({ "description": unhealthy, "content": content }));
}

/// The document.
fn whole() -> String {
    let mut document = Document::new();
    describe(&mut document);
    for describe in [
        checks::describe,
        orders::describe,
        videos::describe,
        playlists::describe,
        uploads::describe,
        destinations::describe,
        platforms::describe,
        settings::describe,
        session::describe,
        logs::describe,
        maintenance::describe,
        firmware::describe,
    ] {
        describe(&mut document);
    }
    let whole = document.finish(frame());
    let mut text = String::new();
    print(&whole, 0, &mut text);
    text.push('\n');
    text
}

/// What fits stands in a line.
fn print(value: &Value, depth: usize, text: &mut String) {
    const LINE_BYTES: usize = 100;
    let whole = value.to_string();
    let (open, close, parts): (_, _, Vec<_>) = match value {
        _ if depth + whole.len() <= LINE_BYTES => return text.push_str(&whole),
        Value::Object(fields) => {
            let name = |name: &String| format!("{}: ", json!(name));
            ('{', '}', fields.iter().map(|(key, value)| (name(key), value)).collect())
        }
        Value::Array(items) => ('[', ']', items.iter().map(|item| (String::new(), item)).collect()),
        _ => return text.push_str(&whole),
    };
    text.push(open);
    for (at, (name, part)) in parts.iter().enumerate() {
        text.push_str(if at > 0 { ",\n" } else { "\n" });
        text.extend(std::iter::repeat_n(' ', depth + 1));
        text.push_str(name);
        print(part, depth + 1, text);
    }
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', depth));
    text.push(close);
}

#[test]
fn the_committed_document_is_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control/openapi.json");
    let made = whole();
    if env::var_os(RENEW).is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    let same = made.lines().zip(kept.lines()).take_while(|(made, kept)| made == kept).count();
    assert!(
        made == kept,
        "src/control/openapi.json differs from the types in line {}; \
         `cargo xtask openapi` writes it again",
        same + 1
    );
}

#[test]
fn each_status_of_a_refusal_that_the_document_names_stands_once() {
    for (at, refusals) in REFUSALS.iter().enumerate() {
        let same = REFUSALS.iter().filter(|other| other.status == refusals.status).count();
        assert_eq!(same, 1, "{at}: {}", refusals.name);
        assert!(PROBLEMS.iter().any(|problem| problem.status() == refusals.status));
    }
}
