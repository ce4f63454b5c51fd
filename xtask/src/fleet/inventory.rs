//! `cargo xtask fleet`: what runs where. Purpose: a line a machine: version, build, kernel, slot,
//! health. Non-goal: watching. Bound: all machines are asked at once.

use std::path::PathBuf;

use argh::FromArgs;
use serde_json::Value;

use super::client::{shown, Client};
use super::{hosts, Secrets};

/// what runs on which machine: version, build, kernel, slot, health
#[derive(FromArgs)]
#[argh(subcommand, name = "fleet")]
pub struct Fleet {
    /// a file with the machines' passwords: `HOST password SECRET` a line, `*` for all others
    /// (or STREAMCASTER_PASSWORD in the environment)
    #[argh(option)]
    secrets: Option<PathBuf>,
    /// the machines: HOST, HOST:PORT, https://HOST, or @FILE with one a line
    #[argh(positional)]
    hosts: Vec<String>,
}

/// What is known of one.
struct Line {
    words: [String; 7],
    is_well: bool,
}

const HEAD: [&str; 7] = ["machine", "version", "build", "kernel", "slot", "health", "last change"];

/// The command as it is typed.
pub fn run(options: &Fleet) -> Result<(), String> {
    let (hosts, secrets) = (hosts(&options.hosts)?, Secrets::read(options.secrets.as_deref())?);
    let clients: Vec<Client> = hosts.iter().map(|host| Client::new(host, &secrets)).collect();
    let lines: Vec<Line> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            clients.iter().map(|client| scope.spawn(move || look(client))).collect();
        asked.into_iter().filter_map(|one| one.join().ok()).collect()
    });
    print!("{}", table(&lines));
    let ill = lines.iter().filter(|line| !line.is_well).count();
    match ill {
        0 => Ok(()),
        ill => Err(format!("{ill} of {} machines are not well: see the table", lines.len())),
    }
}

fn look(client: &Client) -> Line {
    let name = client.host.name.clone();
    let told = match client.get("/api/firmware") {
        Ok(told) => told,
        Err(why) => return nothing(name, why.to_string()),
    };
    if told.get("available") != Some(&Value::Bool(true)) {
        return nothing(name, "no appliance: its program is updated otherwise".to_owned());
    }
    let health = match client.get("/api/health") {
        Ok(health) => word(&health, "status"),
        Err(why) => why.to_string(),
    };
    of(name, &told, health)
}

fn of(name: String, told: &Value, health: String) -> Line {
    let debug = if told.get("debug") == Some(&Value::Bool(true)) { " DEBUG" } else { "" };
    let trial = if told.get("on_trial") == Some(&Value::Bool(true)) { ", on trial" } else { "" };
    let digest: String = word(told, "digest").chars().take(12).collect();
    let last = told.get("last").filter(|last| !last.is_null()).map_or_else(
        || "none".to_owned(),
        |last| format!("{} {}", word(last, "what"), word(last, "outcome")),
    );
    let words = [
        name,
        format!("{} ({}){debug}", word(told, "version"), word(told, "revision")),
        word(told, "build"),
        word(told, "kernel"),
        format!("{} {digest}{trial}", word(told, "slot")),
        health.clone(),
        last,
    ];
    Line { words, is_well: health == "healthy" || health == "degraded" }
}

fn nothing(name: String, why: String) -> Line {
    let dash = || "-".to_owned();
    Line { words: [name, dash(), dash(), dash(), dash(), why, dash()], is_well: false }
}

fn word(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => shown(text),
        None | Some(Value::Null) => "unknown".to_owned(),
        Some(other) => shown(&other.to_string()),
    }
}

/// Columns as wide as what is in them.
fn table(lines: &[Line]) -> String {
    let rows: Vec<[String; 7]> = std::iter::once(HEAD.map(str::to_owned))
        .chain(lines.iter().map(|line| line.words.clone()))
        .collect();
    let mut text = String::new();
    for row in &rows {
        for (at, word) in row.iter().enumerate() {
            let width = rows.iter().filter_map(|row| row.get(at)).map(|word| word.chars().count());
            let width = width.max().unwrap_or(0);
            text += &format!("{word:<width$}  ");
        }
        text = text.trim_end().to_owned() + "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_machine_is_a_line_whatever_it_does_not_say() {
        let told = json!({
            "available": true, "version": "0.1.0", "revision": "abc", "build": 20_261_128_025_300_u64,
            "kernel": "6.12.9-1", "slot": "B", "digest": "abcdef0123456789", "debug": true,
            "on_trial": true, "last": {"what": "update", "outcome": "on trial"},
        });
        let old = json!({"available": true, "version": "0.1.0", "revision": "a\nb", "slot": "A",
            "on_trial": false, "last": null});
        let lines = [
            of("one".to_owned(), &told, "healthy".to_owned()),
            of("two".to_owned(), &old, "unhealthy".to_owned()),
            nothing("three".to_owned(), "no answer: refused".to_owned()),
        ];
        let text = table(&lines);
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 4, "{text}");
        for part in ["0.1.0 (abc) DEBUG", "20261128025300", "B abcdef012345, on trial", "healthy"] {
            assert!(rows.get(1).is_some_and(|row| row.contains(part)), "{part}: {text}");
        }
        assert!(rows.get(2).is_some_and(|row| row.contains("unknown") && row.ends_with("none")));
        assert_eq!(lines.map(|line| line.is_well), [true, false, false]);
    }
}
