//! Clumsy hands: bodies of any shape, names of any kind, two operators at once, a configuration
//! that somebody edits meanwhile.

use std::thread;

use crate::operator::{encoded, Answer, Operator, OTHER_KEY};
use crate::program::text;
use crate::stage::{setting, Stage};
use crate::wait::{self, seconds};

/// Where bodies are taken.
const TAKERS: [(&str, &str); 11] = [
    ("POST", "/api/switch"),
    ("POST", "/api/playout"),
    ("POST", "/api/uploads"),
    ("POST", "/api/destinations"),
    ("PUT", "/api/destinations/nginx"),
    ("PATCH", "/api/settings"),
    ("PUT", "/api/playlists/bad"),
    ("PATCH", "/api/videos/bad.mp4"),
    ("POST", "/api/maintenance"),
    ("POST", "/api/password"),
    ("POST", "/api/login"),
];

fn bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        "[]",
        "1",
        "null",
        "\"text\"",
        "{",
        "{}}",
        "{\"name\":}",
        "NaN",
        "{\"name\":NaN,\"size\":NaN,\"files\":NaN,\"action\":NaN}",
        "{\"url\":1e999,\"size\":1e999}",
        "{\"url\":\"rtmp://h/a/k\",\"url\":\"rtmp://h/a/k\"} x",
        "{\"name\":\"\\ud800\",\"filename\":\"\\ud800\",\"video\":\"\\ud800\"}",
        "\u{feff}{}",
    ]
    .map(|body| body.as_bytes().to_vec())
    .to_vec();
    let wrong = "{\"filename\":7,\"size\":-1,\"name\":[],\"url\":{},\"files\":{},\"video\":1.5,\
                 \"action\":true,\"current\":[],\"new\":9,\"password\":null,\"programme.silence_ms\":\"x\"}";
    bodies.push(wrong.as_bytes().to_vec());
    bodies.push(b"{\"name\":\"\xff\xfe\",\"filename\":\"\xff\",\"video\":\"\xc3\x28\"}".to_vec());
    bodies.push(vec![b' '; 64 << 10]);
    bodies.push(vec![b'['; 60_000]);
    bodies.push([b"{\"files\":".as_slice(), &vec![b'['; 60_000]].concat());
    bodies.push("{\"a\":".repeat(12_000).into_bytes());
    // More than is taken at all.
    bodies.push(vec![b'['; 100_000]);
    let digits = "9".repeat(5_000);
    let keys = ["name", "size", "video", "action", "filename", "files", "current", "new"];
    let numbers = keys.map(|key| format!("\"{key}\":{digits}")).join(",");
    bodies.push(format!("{{{numbers},\"password\":1e400}}").into_bytes());
    bodies
}

/// Bodies of any shape: each is refused with words, nothing is done.
pub fn bodies_of_any_shape(stage: &mut Stage) {
    let before = stage.config();
    for body in bodies() {
        for (method, path) in TAKERS {
            let told = stage.operator.ask(method, path, &body);
            let shown = String::from_utf8_lossy(body.get(..60).unwrap_or(&body)).into_owned();
            let what = format!("{method} {path} {shown}");
            if path != "/api/login" || told.status != 429 {
                told.helps(&what);
            }
        }
    }
    assert_eq!(stage.config(), before);
    stage.check("bodies of any shape");
}

fn names() -> Vec<String> {
    let mut names = [
        "\"quoted\"",
        "it's",
        "line\nend",
        "carriage\r\nX-Evil: 1",
        "tab\tbed",
        "\u{202e}4pm.exe",
        "عربى.mp4",
        "🎬🍿.mp4",
        "..",
        "../config.toml",
        "a/b",
        "",
        " ",
        "nul\0",
        "%2e%2e%2f",
        "<script>alert(1)</script>",
        "]]\n[http]\npassword_hash = \"\"",
        "\\",
        "-rf",
        "con",
        "e\u{301}",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(10_000));
    names.push("ü".repeat(200));
    names
}

/// Names of any kind in every field: taken or refused, never a fault, and what was taken can be
/// had again by its name.
pub fn names_of_any_kind(stage: &mut Stage) {
    let operator = &stage.operator;
    let quoted = |name: &str| serde_json::to_string(name).expect("JSON");
    for name in names() {
        let (json, path) = (quoted(&name), encoded(&name));
        let body = format!(
            r#"{{"name":{json},"url":"rtmp://127.0.0.1:9/app","key":"{OTHER_KEY}","enabled":false}}"#
        );
        if taken(&operator.ask("POST", "/api/destinations", body), &name) {
            let told = operator.get("/api/destinations");
            let list = told["destinations"].as_array().expect("a list");
            let found = list.iter().any(|each| each["name"] == name || each["name"] == name.trim());
            assert!(found, "{name:?}: {told}");
            let gone = operator.ask("DELETE", &format!("/api/destinations/{path}"), "");
            assert!(taken(&gone, &name), "{name:?}");
        }
        let list = format!("/api/playlists/{path}");
        if taken(&operator.ask("PUT", &list, r#"{"files":["a.mp4"]}"#), &name) {
            // Lists are told as the data plane last told them.
            let told = || operator.ask("GET", &list, "").json()["name"] == name;
            assert!(wait::holds(seconds(3), told), "{name:?}");
            assert!(taken(&operator.ask("DELETE", &list, ""), &name), "{name:?}");
        }
        let begun =
            operator.ask("POST", "/api/uploads", format!(r#"{{"filename":{json},"size":9}}"#));
        if taken(&begun, &name) {
            let id = text(&begun.json(), "/id");
            operator.does("DELETE", &format!("/api/uploads/{id}"), "");
        }
        for (method, path, body) in [
            ("POST", "/api/switch".to_owned(), format!(r#"{{"video":{json}}}"#)),
            ("POST", "/api/switch".to_owned(), format!(r#"{{"source":{json}}}"#)),
            ("PATCH", format!("/api/videos/{path}"), r#"{"filename":"b.mp4"}"#.to_owned()),
            ("PATCH", "/api/videos/none.mp4".to_owned(), format!(r#"{{"filename":{json}}}"#)),
            ("DELETE", format!("/api/videos/{path}"), String::new()),
            ("PATCH", "/api/settings".to_owned(), format!(r#"{{{json}:1}}"#)),
            ("PATCH", "/api/settings".to_owned(), format!(r#"{{"http.listen":{json}}}"#)),
            ("POST", format!("/api/inputs/{path}/restart"), String::new()),
            ("POST", format!("/api/destinations/{path}/restart"), String::new()),
            ("DELETE", format!("/api/uploads/{path}"), String::new()),
        ] {
            operator.ask(method, &path, &body).helps(&format!("{method} {path} {body}"));
        }
    }
    stage.check("names of any kind");
}

/// Whether it was agreed to; a refusal must help.
fn taken(answer: &Answer, what: &str) -> bool {
    if answer.status < 300 {
        return true;
    }
    answer.helps(what);
    false
}

/// As many destinations as there may be, and no more.
pub fn too_many_destinations(stage: &mut Stage) {
    let operator = &stage.operator;
    let max = operator.get("/api/destinations")["max"].as_u64().expect("a number");
    let mut added = Vec::new();
    for number in 0..200 {
        let name = format!("d{number}");
        let body = format!(
            r#"{{"name":"{name}","url":"rtmp://127.0.0.1:9/app","key":"{OTHER_KEY}","enabled":false}}"#
        );
        let told = operator.ask("POST", "/api/destinations", body);
        if taken(&told, &name) {
            added.push(name);
        } else {
            assert_eq!(told.code(), "DESTINATIONS_FULL");
        }
    }
    // One was there.
    assert_eq!(added.len() as u64 + 1, max);
    for name in added {
        operator.does("DELETE", &format!("/api/destinations/{name}"), "");
    }
    stage.check("two hundred destinations");
}

/// Does both at the same time.
fn both<T: Send>(one: impl FnOnce() -> T + Send, other: impl FnOnce() -> T + Send) -> (T, T) {
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().expect("no panic"), other)
    })
}

/// Two operators change the same at once: one wins where they would undo each other's work, both
/// are kept where they would not.
pub fn two_operators(stage: &mut Stage) {
    let operator = &stage.operator;
    for round in 0..10 {
        let revision = text(&operator.get("/api/settings"), "/revision");
        let field = format!("If-Match: \"{revision}\"\r\n");
        let set = |value: u64| {
            let json = format!("{{\"programme.silence_ms\":{value}}}");
            operator.ask_with("PATCH", "/api/settings", &field, json)
        };
        let (low, high) = (600 + round, 700 + round);
        let (one, other) = both(|| set(low), || set(high));
        let mut codes = [one.status, other.status];
        codes.sort_unstable();
        assert_eq!(codes, [200, 412], "{one:?} {other:?}");
        let won = if one.status == 200 { low } else { high };
        assert_eq!(setting(operator, "programme.silence_ms"), won);

        let keep = |key: &str, value: u64| {
            let json = format!("{{\"{key}\":{value}}}");
            operator.ask("PATCH", "/api/settings", json).status
        };
        let (cpu, disk) = (50 + round, 60 + round);
        let kept = both(|| keep("health.cpu_percent", cpu), || keep("health.disk_percent", disk));
        assert_eq!(kept, (200, 200));
        let now = ["health.cpu_percent", "health.disk_percent"].map(|key| setting(operator, key));
        assert_eq!(now, [cpu, disk]);

        let add = || {
            let body = format!(
                r#"{{"name":"same","url":"rtmp://127.0.0.1:9/a","key":"{OTHER_KEY}","enabled":false}}"#
            );
            operator.ask("POST", "/api/destinations", body).status
        };
        let (one, other) = both(add, add);
        assert_eq!([one.min(other), one.max(other)], [201, 409]);
        let remove = || operator.ask("DELETE", "/api/destinations/same", "").status;
        let (one, other) = both(remove, remove);
        assert_eq!([one.min(other), one.max(other)], [200, 404]);

        let list = |file: &str| {
            let json = format!("{{\"files\":[\"{file}\",\"{file}\"]}}");
            operator.ask("PUT", "/api/playlists/same", json).status
        };
        assert_eq!(both(|| list("a.mp4"), || list("b.mp4")), (200, 200));
        let whole = || {
            let files = operator.ask("GET", "/api/playlists/same", "").json()["files"].clone();
            files[0].is_string() && files[0] == files[1]
        };
        assert!(wait::holds(seconds(3), whole));
    }
    let kept = stage.program.on_disk("backups/config");
    let kept = std::fs::read_dir(kept).expect("versions").count();
    assert_eq!(kept, 10);
    stage.check("two operators");
}

/// Somebody edits the configuration while it runs.
pub fn edits_by_hand(stage: &mut Stage) {
    let before = stage.config();
    let by_hand = format!("# by hand, the first line\n{before}\n# and the last\n");
    stage.edit(&by_hand);
    stage.operator.does("PATCH", "/api/settings", r#"{"programme.silence_ms":901}"#);
    let after = stage.config();
    assert!(after.starts_with("# by hand, the first line\n"), "{after}");
    assert!(after.contains("# and the last"), "{after}");
    assert!(after.contains("901"), "{after}");

    stage.edit(&after.replace("silence_ms = 901", "silence_ms = \"long\""));
    let broken = stage.config();
    for (method, path, body) in [
        ("PATCH", "/api/settings", r#"{"health.cpu_percent":77}"#),
        ("DELETE", "/api/destinations/nginx", ""),
        ("POST", "/api/password", r#"{"current":"pa55word of the day","new":"something else"}"#),
        ("POST", "/api/restart", ""),
    ] {
        let told = stage.operator.ask(method, path, body);
        told.helps(path);
        assert!(told.status == 409, "{path}: {told:?}");
        assert!(told.body.contains("config.toml"), "{path}: {told:?}");
        assert!(told.body.contains("silence_ms"), "{path}: the place is not told: {told:?}");
    }
    assert_eq!(stage.config(), broken);
    let told =
        |stage: &Stage| stage.program.printed().contains("is not valid; the program goes on");
    assert!(wait::holds(seconds(10), || told(stage)), "{}", stage.program.printed());
    let seen = stage.operator.get("/api/settings");
    assert!(seen["errors"][0]["error"].is_string(), "{seen}");
    stage.check("a broken configuration");
    stage.edit(&after);
    let mends = || {
        let told = stage.operator.ask("PATCH", "/api/settings", r#"{"health.cpu_percent":77}"#);
        told.status == 200
    };
    assert!(wait::holds(seconds(5), mends));
    assert_eq!(setting(&stage.operator, "programme.silence_ms"), 901);
    stage.check("edits by hand");
}

/// Who uses a client whose clock and memory are wrong.
pub fn wrong_validators(stage: &mut Stage) {
    let operator: &Operator = &stage.operator;
    for field in [
        "If-None-Match: *",
        "If-None-Match: \"\"",
        "If-None-Match: W/\"1\", \"2\", junk",
        "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT",
        "If-Unmodified-Since: not a date",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT",
        "Last-Event-ID: -1",
        "Range: bytes=0-0",
    ] {
        for path in ["/api/status", "/api/settings", "/api/videos", "/"] {
            let told = operator.ask_with("GET", path, &format!("{field}\r\n"), "");
            let fresh = path == "/" && field.starts_with("If-None-Match") && told.status == 304;
            assert!(told.status == 200 || fresh, "{field} {path}: {told:?}");
        }
    }
    let stale = operator.ask_with(
        "PATCH",
        "/api/settings",
        "If-Match: \"0000000000000000\"\r\n",
        r#"{"programme.silence_ms":800}"#,
    );
    assert_eq!((stale.status, stale.code().as_str()), (412, "CHANGED_MEANWHILE"), "{stale:?}");
    stage.check("wrong clocks");
}
