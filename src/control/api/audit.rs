//! The audit: one line of the log, target [`TARGET`], for each change that was carried out or
//! refused: what, by whom, from where, and what came of it. Purpose: the operator can read later who
//! did what. Non-goals: what was only looked at; secrets, which never stand in it. Bounds:
//! [`AUDIT_WORDS_CHARS_MAX`] characters of a caller's words in a line; refusals of strangers are
//! told as often as other news of strangers are.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use serde::de::IgnoredAny;
use serde::Deserialize;

use crate::appliance::firmware::orders::FirmwareOrder;
use crate::base::events::News;
use crate::base::limits::AUDIT_WORDS_CHARS_MAX;
use crate::base::time::Mono;
use crate::control::api::asked::Asked;
use crate::control::api::body;
use crate::control::api::names::decoded;
use crate::control::api::stream::{Answered, Stream};
use crate::control::auth::Who;
use crate::control::http::answer::Answer;

/// The log's target of these lines.
pub const TARGET: &str = "audit";

/// How often strangers are told of.
#[derive(Default)]
pub struct Audit {
    strangers: Mutex<News>,
}

impl Audit {
    /// Notes a change that was asked for, and what came of it.
    pub fn note(&self, asked: &Asked<'_>, who: Who, answered: &Answered, now: Mono) {
        if matches!(answered, Answered::Stream(Stream::Upload { .. })) {
            // A piece of a file: the upload was noted when it began.
            return;
        }
        let Some(left_out) = self.left_out(asked, who, answered, now) else { return };
        let mut line = line(asked, who, answered);
        if left_out > 0 {
            // A String takes whatever is written.
            let _ = write!(line, " ({left_out} others like it were left out)");
        }
        log::info!(target: TARGET, "{line}");
    }

    /// How many were left out before this one; `None` when this one is.
    fn left_out(&self, asked: &Asked<'_>, who: Who, answered: &Answered, now: Mono) -> Option<u64> {
        // Only a log-in turns nobody into somebody, and the first start's code tells how: anybody who
        // logs out without a session, which everybody may, is a stranger before and after.
        let lets_in = logs_in(asked) || asked.path() == "/api/setup";
        if who != Who::Nobody || (answered.is_well() && lets_in) {
            return Some(0);
        }
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).say(now)
    }
}

/// Notes what came of an order to the update service, whose beginning was noted as a change.
pub fn came_of(order: &FirmwareOrder, from: IpAddr, answer: &Answer) {
    let from = from.to_canonical();
    log::info!(target: TARGET, "audit: {order}, from {from}: {}", outcome_of(answer));
}

fn line(asked: &Asked<'_>, who: Who, answered: &Answered) -> String {
    let from =
        asked.caller.peer.map_or("nowhere".to_owned(), |peer| peer.to_canonical().to_string());
    // Who logs in is nobody before and has a session afterwards.
    let by = match who {
        Who::Nobody if answered.is_well() && logs_in(asked) => "session".to_owned(),
        who => who.to_string(),
    };
    format!("audit: {} by {by} from {from}: {}", clean(&deed(asked, answered)), outcome(answered))
}

/// Whether this is a log-in.
fn logs_in(asked: &Asked<'_>) -> bool {
    asked.path() == "/api/login"
}

/// What of a request's body is named.
#[derive(Default, Deserialize)]
struct Named {
    video: Option<String>,
    source: Option<String>,
    action: Option<String>,
    name: Option<String>,
    filename: Option<String>,
}

/// What of a refusal is.
#[derive(Default, Deserialize)]
struct Coded {
    code: Option<String>,
}

/// What was asked for, in a person's words where they are known. A password's change is told by its
/// path alone.
fn deed(asked: &Asked<'_>, answered: &Answered) -> String {
    let path = asked.path();
    if let Answered::Stream(Stream::Firmware(order)) = answered {
        return order.to_string();
    }
    let Named { video, source, action, name, filename } =
        body::read(asked.body).unwrap_or_default();
    let known = match (asked.method, path) {
        ("POST", "/api/login") => Some("log in".to_owned()),
        ("POST", "/api/setup") => Some("use the first start's code".to_owned()),
        ("POST", "/api/logout") => Some("log out".to_owned()),
        ("POST", "/api/password") => Some("change the password".to_owned()),
        ("POST", "/api/firmware/confirm") => Some("confirm an older system".to_owned()),
        ("POST", "/api/stop") => Some("stop what is on air".to_owned()),
        ("POST", "/api/switch") => {
            let video = video.filter(|video| !video.is_empty());
            video.or(source).map(|what| format!("put {what} on air"))
        }
        ("POST", "/api/playout") => action.map(|action| format!("playout: {action}")),
        ("POST", "/api/destinations") => name.map(|name| format!("add destination {name}")),
        ("POST", "/api/uploads") => filename.map(|name| format!("upload {name}")),
        ("PATCH", "/api/settings") => keys(asked.body).map(|keys| format!("set {keys}")),
        _ => None,
    };
    known.unwrap_or_else(|| {
        let path = decoded(path, false).unwrap_or_else(|| path.to_owned());
        format!("{} {path}", asked.method)
    })
}

/// The keys of a body, not their values: some are secrets.
fn keys(body: &[u8]) -> Option<String> {
    let object: BTreeMap<String, IgnoredAny> = serde_json::from_slice(body).ok()?;
    Some(object.into_keys().collect::<Vec<_>>().join(", "))
}

/// A caller's words, cut, without what could make them look like another line.
fn clean(words: &str) -> String {
    let mut out: String = words
        .chars()
        .take(AUDIT_WORDS_CHARS_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if words.chars().nth(AUDIT_WORDS_CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

/// `done`, `begun`, or the status and the code of the refusal.
fn outcome(answered: &Answered) -> String {
    match answered {
        Answered::Stream(_) => "begun".to_owned(),
        Answered::Answer(answer) => outcome_of(answer),
    }
}

fn outcome_of(answer: &Answer) -> String {
    if answer.status < 400 {
        return "done".to_owned();
    }
    let Coded { code } = body::read(&answer.body).unwrap_or_default();
    format!("refused ({} {})", answer.status, code.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::auth::caller::{Caller, NOBODY};
    use crate::control::http::answer;
    use crate::control::http::port::Port;
    use crate::control::http::problem::Problem;

    fn asked<'a>(method: &'a str, target: &'a str, body: &'a str) -> Asked<'a> {
        Asked {
            port: Port::Http,
            method,
            target,
            gzip: false,
            if_none_match: "",
            caller: Caller { peer: "::ffff:192.0.2.7".parse().ok(), host: "box", ..NOBODY },
            secure: false,
            if_match: "",
            piece_bytes: None,
            upload_offset: "",
            last_event_id: "",
            content_type: "application/json",
            body: body.as_bytes(),
        }
    }

    fn ok() -> Answered {
        Answered::Answer(answer::json(200, &true))
    }

    fn refused(problem: Problem) -> Answered {
        Answered::Answer(problem.answer("It cannot be."))
    }

    #[test]
    fn a_line_says_what_by_whom_from_where_and_what_came_of_it() {
        for (method, target, body, what) in [
            ("POST", "/api/switch", r#"{"video":"clip.mp4"}"#, "put clip.mp4 on air"),
            ("POST", "/api/switch", r#"{"source":"udp","video":""}"#, "put udp on air"),
            ("POST", "/api/switch", "{", "POST /api/switch"),
            ("POST", "/api/stop?x=y", "", "stop what is on air"),
            ("POST", "/api/playout", r#"{"action":"next"}"#, "playout: next"),
            ("PUT", "/api/playlists/night%20one", "{}", "PUT /api/playlists/night one"),
            ("POST", "/api/destinations", r#"{"name":"a","key":"s3cret"}"#, "add destination a"),
            ("POST", "/api/uploads", r#"{"filename":"a.mp4","size":1}"#, "upload a.mp4"),
            (
                "PATCH",
                "/api/settings",
                r#"{"rtmp.play_key":"s3cret","log.level":"warn"}"#,
                "set log.level, rtmp.play_key",
            ),
            ("DELETE", "/api/x%0Ay", "", "DELETE /api/x\u{fffd}y"),
            (
                "POST",
                "/api/password",
                r#"{"current":"s3cret","new":"t0psecret"}"#,
                "change the password",
            ),
        ] {
            let told = line(&asked(method, target, body), Who::Basic, &ok());
            assert_eq!(told, format!("audit: {what} by basic from 192.0.2.7: done"));
        }
        let refused = refused(Problem::VideoUnplayable);
        let told = line(&asked("POST", "/api/stop", ""), Who::Probe, &refused);
        let wanted = "stop what is on air by probe from 192.0.2.7: refused (409 VIDEO_UNPLAYABLE)";
        assert_eq!(told, format!("audit: {wanted}"));
        let told = line(&asked("POST", "/api/login", ""), Who::Nobody, &ok());
        assert_eq!(told, "audit: log in by session from 192.0.2.7: done");
    }

    #[test]
    fn an_update_is_begun_here_and_ends_elsewhere() {
        let order = FirmwareOrder::Install { bytes: 9, allow_downgrade: true, allow_debug: false };
        let begun = Answered::Stream(Stream::Firmware(order));
        let told = line(&asked("POST", "/api/firmware?allow_downgrade=1", ""), Who::Basic, &begun);
        let wanted = "install an update, even an older one by basic from 192.0.2.7: begun";
        assert_eq!(told, format!("audit: {wanted}"));
    }

    #[test]
    fn long_words_are_cut() {
        let body = format!(r#"{{"video":"{}"}}"#, "ä".repeat(3000));
        let told = line(&asked("POST", "/api/switch", &body), Who::Basic, &ok());
        assert!(told.chars().count() < AUDIT_WORDS_CHARS_MAX + 60, "{told}");
        assert!(told.contains('…') && told.ends_with(": done"));
    }

    #[test]
    fn strangers_do_not_flood_the_log_and_the_known_are_all_told_of() {
        let audit = Audit::default();
        let refused = refused(Problem::LoginNeeded);
        let (login, logout) = (asked("POST", "/api/login", "{}"), asked("POST", "/api/logout", ""));
        let told = |asked: &Asked<'_>, who, answered: &Answered| {
            (0..1000).filter(|_| audit.left_out(asked, who, answered, Mono(0)).is_some()).count()
        };
        assert!(told(&login, Who::Nobody, &refused) < 100);
        assert_eq!(told(&login, Who::Basic, &refused), 1000);
        assert_eq!(told(&login, Who::Nobody, &ok()), 1000, "those who know the password");
        assert_eq!(told(&logout, Who::Nobody, &ok()), 0, "who has no session");
        let later = Mono::from_ms(60_000);
        assert!(audit.left_out(&login, Who::Nobody, &refused, later) > Some(1900));
        let out = line(&logout, Who::Nobody, &ok());
        assert_eq!(out, "audit: log out by nobody from 192.0.2.7: done");
    }
}
