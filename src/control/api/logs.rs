//! `GET /api/logs?type=&lines=&level=`: the log's real last lines, newest last. Purpose: what the
//! ring in memory holds, chosen by level or by who spoke. Non-goals: files, older lines. Bound:
//! [`LOG_LINES_ANSWERED_MAX`] lines. They were scrubbed of secrets when they were said.

use log::LevelFilter;
use serde::Serialize;

use crate::base::limits::{LOG_LINES_ANSWERED_DEFAULT, LOG_LINES_ANSWERED_MAX};
#[cfg(test)]
use crate::control::api::document::Document;
use crate::control::api::names::parameter;
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::Problem;
use crate::system::logs::LogBook;
#[cfg(test)]
use serde_json::json;

/// What the original controller's scripts ask for: its five containers, whose lines are all here.
const ORIGINALS: [&str; 5] = ["controller", "receiver", "relay", "rtmp", "nginx"];
/// Under this name changes and attempts at them are logged.
const AUDIT: &str = "audit";

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Logs"))]
struct LogsAnswer<'a> {
    /// The newest last.
    #[cfg_attr(test, schemars(length(max = LOG_LINES_ANSWERED_MAX)))]
    logs: Vec<String>,
    #[serde(rename = "type")]
    #[cfg_attr(test, schemars(extend("enum" = KINDS)))]
    kind: &'a str,
    lines: usize,
}

/// Answers.
///
/// # Errors
/// A parameter that is wrong, as an answer.
pub fn answer(target: &str, log: &LogBook) -> Result<Answer, Answer> {
    let wrong = |why: &str| Err(Problem::Invalid.answer(why));
    let kind = parameter(target, "type").filter(|kind| !kind.is_empty()).unwrap_or("all");
    let (of_kind, only) =
        match kind {
            "all" => (LevelFilter::Trace, None),
            name if ORIGINALS.contains(&name) => (LevelFilter::Trace, None),
            "warn" => (LevelFilter::Warn, None),
            "error" => (LevelFilter::Error, None),
            AUDIT => (LevelFilter::Trace, Some(AUDIT)),
            _ => return wrong(
                "`type` must be all, warn, error or audit; controller, receiver, relay, rtmp and \
                 nginx mean all. Without it, all.",
            ),
        };
    let level = match parameter(target, "level").filter(|level| !level.is_empty()) {
        None => LevelFilter::Trace,
        Some(level) => match level.parse() {
            Ok(LevelFilter::Off) | Err(_) => {
                return wrong("`level` must be error, warn, info, debug or trace, the least shown.")
            }
            Ok(level) => level,
        },
    };
    let lines = match parameter(target, "lines").filter(|lines| !lines.is_empty()) {
        None => LOG_LINES_ANSWERED_DEFAULT,
        Some(digits) => match digits.parse::<usize>() {
            Ok(lines) if (1..=LOG_LINES_ANSWERED_MAX).contains(&lines) => lines,
            _ => {
                let why = format!("`lines` must be a number from 1 to {LOG_LINES_ANSWERED_MAX}.");
                return wrong(&why);
            }
        },
    };
    let logs = log.last(lines, level.min(of_kind), only);
    let lines = logs.len();
    Ok(answer::json(200, &LogsAnswer { logs, kind, lines }))
}

/// Every `type` there is.
#[cfg(test)]
const KINDS: [&str; 9] =
    ["all", "warn", "error", AUDIT, "controller", "receiver", "relay", "rtmp", "nginx"];

/// What the API's document says of it.
#[cfg(test)]
pub fn describe(document: &mut Document) {
    let kinds = json!({ "type": "string", "enum": KINDS, "default": "all" });
    let lines = json!({
        "type": "integer", "minimum": 1, "maximum": LOG_LINES_ANSWERED_MAX,
        "default": LOG_LINES_ANSWERED_DEFAULT,
    });
    let levels = json!({ "type": "string", "enum": ["error", "warn", "info", "debug", "trace"] });
    document
        .operation("GET /api/logs", "system", "logs", "The log's last lines")
        .parameter(
            "query",
            "type",
            "Only these; the names of the original controller's containers mean all",
            kinds,
        )
        .parameter("query", "lines", "", lines)
        .parameter("query", "level", "The least told", levels)
        .answers::<LogsAnswer<'_>>(200, "The lines", serde_json::Value::Null);
}

#[cfg(test)]
mod tests {
    use log::Level;
    use serde_json::Value;

    use super::*;

    fn told(query: &str) -> (u16, Value) {
        let book = LogBook::of(&[
            (Level::Info, "streamcaster::app", "one"),
            (Level::Error, "streamcaster::inputs::udp", "two"),
            (Level::Info, AUDIT, "audit: three"),
            (Level::Warn, "streamcaster::app", "four"),
            (Level::Debug, "streamcaster::app", "five"),
        ]);
        let target = format!("/api/logs{query}");
        let answer = answer(&target, &book).unwrap_or_else(|refused| refused);
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    fn words(query: &str) -> Vec<String> {
        let (status, value) = told(query);
        assert_eq!(status, 200, "{query}: {value}");
        let lines = value["logs"].as_array().unwrap();
        assert_eq!(value["lines"], lines.len());
        let last_word =
            |line: &Value| line.as_str().unwrap().rsplit(' ').next().unwrap().to_owned();
        lines.iter().map(last_word).collect()
    }

    #[test]
    fn the_newest_lines_come_last_and_are_chosen_by_kind() {
        assert_eq!(words(""), ["one", "two", "three", "four", "five"]);
        assert_eq!(words("?type=all&lines=2"), ["four", "five"]);
        for name in ORIGINALS {
            assert_eq!(words(&format!("?type={name}")), words(""), "{name}");
            assert_eq!(told(&format!("?type={name}")).1["type"], name);
        }
        assert_eq!(words("?type=warn"), ["two", "four"]);
        assert_eq!(words("?type=error"), ["two"]);
        assert_eq!(words("?type=audit"), ["three"]);
        assert_eq!(words("?level=info"), ["one", "two", "three", "four"]);
        assert_eq!(words("?type=warn&level=error"), ["two"]);
        assert_eq!(words("?type=error&level=debug"), ["two"], "the stricter one counts");
        assert_eq!(words("?type=warn&lines=1"), ["four"], "counted after choosing");
        assert_eq!(words("?type=&lines=&level="), words(""));
        let line = told("?lines=1").1["logs"][0].as_str().unwrap().to_owned();
        assert!(line.ends_with("DEBUG [app] five") && line.starts_with("1970-01-01T"), "{line}");
    }

    #[test]
    fn what_cannot_be_wanted_is_refused() {
        for query in ["?type=udp", "?lines=0", "?lines=501", "?lines=-1", "?lines=x", "?level=off"]
        {
            let (status, value) = told(query);
            assert_eq!((status, &value["code"]), (400, &"INVALID_REQUEST".into()), "{query}");
        }
        assert_eq!(told("?lines=500").0, 200);
        assert!(answer("/api/logs", &LogBook::default()).is_ok_and(|answer| answer.status == 200));
    }
}
