//! The API's document in the making. Purpose: an operation is described beside its handler, and
//! its schemas come from the types that are read and answered. Only tests have it: the document is
//! committed, and the binary holds no more of it. Non-goals: what is described.

use std::collections::BTreeMap;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::JsonSchema;
use serde_json::{json, Map, Value};

use crate::control::api::paths::{self, PATHS};
use crate::control::api::schemas;
use crate::control::auth::Right;
use crate::control::http::port::Port;
use crate::control::http::problem::{ErrorAnswer, RefusalRow, REFUSALS};

/// Statuses that any path may be refused with; those of what is for everybody, and of the port for
/// tools.
const ANYWHERE: [u16; 9] = [400, 401, 403, 413, 415, 429, 431, 500, 503];
const PUBLIC: [u16; 8] = [400, 403, 413, 415, 429, 431, 500, 503];
const TOOLS: [u16; 5] = [400, 413, 431, 500, 503];

/// The document.
pub struct Document {
    answers: SchemaGenerator,
    requests: SchemaGenerator,
    paths: BTreeMap<String, Value>,
}

/// One operation of it.
pub struct Operation<'a> {
    document: &'a mut Document,
    path: &'static str,
    method: String,
}

/// A link to a component.
pub fn component(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

impl Document {
    /// An empty one.
    pub fn new() -> Document {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Document {
            answers: settings().for_serialize().into_generator(),
            requests: settings().for_deserialize().into_generator(),
            paths: BTreeMap::new(),
        }
    }

    /// Adds an operation, by its method and path.
    pub fn operation(
        &mut self,
        line: &'static str,
        tag: &str,
        id: &str,
        summary: &str,
    ) -> Operation<'_> {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let known = PATHS.iter().find(|known| known.template == path).expect("a path there is");
        let mut value = json!({ "tags": [tag], "operationId": id, "summary": summary });
        let is_tools = known.port == Port::Stat;
        let right = paths::find(known.port, path).map(|found| found.route.right());
        match right {
            right if is_tools || matches!(right, Some(Right::Public)) => {
                value["security"] = json!([]);
            }
            Some(Right::Open) => {
                let ways = json!([{}, { "session": [] }, { "basic": [] }, { "probe": [] }]);
                value["security"] = ways;
            }
            _ => {}
        }
        let item = self.paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        if is_tools {
            let server = "http://localhost:8081";
            item["servers"] = json!([{ "url": server, "description": "The port for tools" }]);
        }
        let method = method.to_ascii_lowercase();
        item[&method] = value;
        let mut operation = Operation { document: self, path, method };
        operation.parameters_of_path();
        let everywhere = match right {
            _ if is_tools => &TOOLS[..],
            Some(Right::Public) => &PUBLIC,
            _ => &ANYWHERE,
        };
        operation.refuses(everywhere)
    }

    /// All of it, with what is not of one operation.
    pub fn finish(self, mut whole: Value) -> Value {
        let Document { mut answers, mut requests, paths } = self;
        answers.subschema_for::<ErrorAnswer>();
        let mut components = requests.take_definitions(true);
        for (name, schema) in answers.take_definitions(true) {
            let before = components.insert(name.clone(), schema.clone());
            assert!(before.is_none_or(|before| before == schema), "{name} has two meanings");
        }
        whole["paths"] = json!(paths);
        whole["components"]["schemas"] = Value::Object(components);
        whole["components"]["responses"] = REFUSALS.iter().map(response).collect();
        tidy(&mut whole);
        whole
    }
}

/// What is said of all refusals with one status.
fn response(refusals: &RefusalRow) -> (String, Value) {
    let RefusalRow { name, description, field, problem, sentence, .. } = *refusals;
    let example = serde_json::to_value(problem.error(sentence)).expect("JSON");
    let schema = component("schemas", "Error");
    let content = json!({ "application/json": { "schema": schema, "example": example } });
    let mut response = json!({ "description": description, "content": content });
    if let Some((field, schema)) = field {
        let schema: Value = serde_json::from_str(schema).expect("JSON");
        response["headers"][field] = json!({ "schema": schema });
    }
    (name.to_owned(), response)
}

/// Leaves out what says nothing (how numbers lie in memory, that there may be more fields, where a
/// comment's lines end), and makes one list of the names of an enum.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("additionalProperties") == Some(&json!(true)) {
                fields.remove("additionalProperties");
            }
            let is_number = |format: &Value| {
                let format = format.as_str().unwrap_or_default();
                ["uint", "int", "double", "float"].iter().any(|name| format.starts_with(name))
            };
            if fields.get("format").is_some_and(is_number) {
                fields.remove("format");
            }
            if let Some(Value::Array(names)) = fields.get("oneOf") {
                if let Some((names, about)) = names_of(names) {
                    fields.remove("oneOf");
                    let before = fields.get("description").and_then(Value::as_str);
                    let about = format!("{} {about}", before.unwrap_or_default());
                    fields.insert("type".to_owned(), "string".into());
                    fields.insert("enum".to_owned(), names.into());
                    fields.insert("description".to_owned(), about.trim().into());
                }
            }
            if let Some(Value::String(about)) = fields.get_mut("description") {
                let parts = about.split("\n\n").map(|part| part.replace('\n', " "));
                *about = parts.collect::<Vec<_>>().join("\n\n").replace("`None`", "null");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// The names of an enum each of which has a comment of its own, and the comments.
fn names_of(choices: &[Value]) -> Option<(Vec<Value>, String)> {
    let names: Option<Vec<_>> = choices.iter().map(|choice| choice.get("const").cloned()).collect();
    let said = choices.iter().filter_map(|choice| {
        let about = choice.get("description")?.as_str()?;
        Some(format!("{}: {about}", choice.get("const")?.as_str()?))
    });
    Some((names?, said.collect::<Vec<_>>().join(" ")))
}

impl Operation<'_> {
    fn value(&mut self) -> &mut Map<String, Value> {
        let item = self.document.paths.get_mut(self.path).expect("it was added");
        item[&self.method].as_object_mut().expect("an object")
    }

    /// What stands for `{name}` and `{id}`.
    fn parameters_of_path(&mut self) {
        let of = |kind: &str| self.path.starts_with(&format!("/api/{kind}/"));
        let schema = match self.path {
            path if !path.contains('{') => return,
            _ if of("videos") => self.schema::<schemas::FileName>(),
            _ if of("playlists") => self.schema::<schemas::PlaylistName>(),
            _ if of("uploads") => self.schema::<schemas::UploadId>(),
            _ if of("inputs") => {
                json!({ "type": "string", "enum": ["udp", "pull"], "example": "udp" })
            }
            _ => {
                let pattern = "^[^/]+$";
                json!({ "type": "string", "minLength": 1, "pattern": pattern, "example": "Platform" })
            }
        };
        let name = if self.path.contains("{id}") { "id" } else { "name" };
        let about = match self.path.starts_with("/api/videos/") {
            true => "A file of the library, percent-encoded",
            false => "Percent-encoded",
        };
        let item = self.document.paths.get_mut(self.path).expect("it was added");
        item["parameters"] = json!([{
            "name": name, "in": "path", "required": true, "description": about,
            "schema": schema,
        }]);
    }

    /// More about it than its summary.
    pub fn about(mut self, description: &str) -> Self {
        self.value().insert("description".to_owned(), description.into());
        self
    }

    /// A field of the head, or of the query.
    pub fn parameter(mut self, place: &str, name: &str, about: &str, schema: Value) -> Self {
        let mut parameter = json!({ "name": name, "in": place, "schema": schema });
        if !about.is_empty() {
            parameter["description"] = about.into();
        }
        let parameters = self.value().entry("parameters").or_insert_with(|| json!([]));
        parameters.as_array_mut().expect("a list").push(parameter);
        self
    }

    /// A field that its head must have.
    pub fn needs_header(mut self, name: &str, about: &str, schema: Value) -> Self {
        self = self.parameter("header", name, about, schema);
        let parameters = self.value()["parameters"].as_array_mut().expect("a list");
        parameters.last_mut().expect("it was added")["required"] = true.into();
        self
    }

    /// It may be asked for by a version.
    pub fn if_match(mut self) -> Self {
        let parameters = self.value().entry("parameters").or_insert_with(|| json!([]));
        let if_match = component("parameters", "ifMatch");
        parameters.as_array_mut().expect("a list").push(if_match);
        self.refuses(&[412])
    }

    /// Its body is one of these, by its own schema.
    pub fn takes_schema(mut self, schema: Value, examples: &[(&str, Value)]) -> Self {
        let mut content = json!({ "schema": schema });
        match examples {
            [("", example)] => content["example"] = example.clone(),
            _ => {
                for (name, example) in examples {
                    content["examples"][name] = json!({ "value": example });
                }
            }
        }
        let body = json!({ "required": true, "content": { "application/json": content } });
        self.value().insert("requestBody".to_owned(), body);
        self
    }

    /// The schema of a type that is read.
    pub fn schema<T: JsonSchema>(&mut self) -> Value {
        self.document.requests.subschema_for::<T>().to_value()
    }

    /// Its body is this.
    pub fn takes<T: JsonSchema>(mut self, example: Value) -> Self {
        let schema = self.schema::<T>();
        self.takes_schema(schema, &[("", example)])
    }

    /// Its body is a piece of a file.
    pub fn takes_bytes(mut self, about: &str) -> Self {
        let kind = "application/octet-stream";
        let schema = json!({ "type": "string", "contentMediaType": kind });
        let mut body = json!({ "required": true, "content": { kind: { "schema": schema } } });
        if !about.is_empty() {
            body["description"] = about.into();
        }
        self.value().insert("requestBody".to_owned(), body);
        self
    }

    fn respond(mut self, status: u16, response: Value) -> Self {
        let responses = self.value().entry("responses").or_insert_with(|| json!({}));
        responses[status.to_string()] = response;
        self
    }

    /// It is answered with this; an example where one helps.
    pub fn answers<T: JsonSchema>(self, status: u16, about: &str, example: Value) -> Self {
        let schema = self.document.answers.subschema_for::<T>().to_value();
        let mut content = json!({ "schema": schema });
        if !example.is_null() {
            content["example"] = example;
        }
        let content = json!({ "application/json": content });
        self.respond(status, json!({ "description": about, "content": content }))
    }

    /// It is answered with something else than JSON.
    pub fn answers_text(self, about: &str, kinds: &[&str]) -> Self {
        let mut content = json!({});
        for kind in kinds {
            content[kind] = match kind.starts_with("text/") {
                true => json!({ "schema": { "type": "string" } }),
                false => json!({ "schema": { "type": "string", "contentMediaType": kind } }),
            };
        }
        self.respond(200, json!({ "description": about, "content": content }))
    }

    /// Its answers of this status are no refusals alone.
    pub fn answers_also(self, status: u16, response: Value) -> Self {
        self.respond(status, response)
    }

    /// Its answer sets a cookie.
    pub fn sets_cookie(mut self) -> Self {
        let cookie = json!({
            "required": true, "description": "streamcaster_session", "schema": { "type": "string" },
        });
        self.value()["responses"]["200"]["headers"] = json!({ "Set-Cookie": cookie });
        self
    }

    /// What it may be refused with besides.
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            let row = REFUSALS.iter().find(|refusals| refusals.status == *status);
            let name = row.expect("a status of the table").name;
            self = self.respond(*status, component("responses", name));
        }
        self
    }
}
