//! Settings and destinations over the API: comments stay, hands that edit meanwhile are seen,
//! bodies of any shape are answered, and no key is ever shown.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use streamcaster::config::settings::Settings;
use streamcaster::config::{self, Arguments};

use super::*;

const SECRET: &str = "live_5566_nEvErShOwN";

/// A control plane over a data folder of the test's own.
struct Office {
    data: PathBuf,
    control: ControlHandle,
}

impl Office {
    fn open(name: &str, text: &str) -> Office {
        let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("settings-{name}"));
        let _ = fs::remove_dir_all(&data);
        fs::create_dir_all(&data).expect("a folder");
        fs::write(data.join(config::FILE_NAME), text).expect("the file");
        let arguments = Arguments::default();
        let config = config::load(&data, &|_| None, &arguments).expect("a valid file");
        // Nobody takes live settings: the data plane is not part of this.
        let (settings, _) = Settings::new(&data, Box::new(|_| None), arguments, config);
        let board = Board::default();
        board.publish(snapshot());
        let control = start(ControlOptions { settings, ..options(ANY, ANY, board) });
        Office { data, control: control.expect("two free ports") }
    }

    fn ask(&self, method: &str, path: &str, fields: &str, json: &str) -> (u16, Value) {
        let request = command(method, path, json).fields(BEARER).fields(fields);
        let answer = ask(self.control.http(), &request);
        assert!(!answer.contains(SECRET), "{answer}");
        let value = serde_json::from_str(body(&answer)).expect("JSON");
        (status(&answer), value)
    }

    fn get(&self, path: &str) -> Value {
        let answer = get(self.control.http(), path, "");
        assert!(status(&answer) == 200 && !answer.contains(SECRET), "{answer}");
        serde_json::from_str(body(&answer)).expect("JSON")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.data.join(config::FILE_NAME)).expect("the file")
    }
}

#[test]
fn settings_are_told_and_changed_all_or_none() {
    let office = Office::open("whole", "# mine\n[programme]\nsilence_ms = 700 # short\n");
    let told = office.get("/api/settings");
    let silence = &told["settings"][1];
    assert_eq!(silence["key"], "programme.silence_ms");
    assert_eq!((&silence["value"], &silence["default"]), (&700.into(), &500.into()));
    assert_eq!((&silence["set_by"], &silence["restart"]), (&"file".into(), &false.into()));
    let wrong = r#"{"programme.silence_ms":800,"rtmp.viewers_max":0,"no.such":1}"#;
    let (code, told) = office.ask("PATCH", "/api/settings", "", wrong);
    assert_eq!((code, &told["code"]), (400, &"INVALID_REQUEST".into()));
    assert_eq!(told["errors"].as_array().map(Vec::len), Some(2), "{told}");
    assert!(office.text().contains("700"));
    let clash = r#"{"http.listen":"0.0.0.0:9000","stat.listen":"0.0.0.0:9000"}"#;
    let (code, told) = office.ask("PATCH", "/api/settings", "", clash);
    assert_eq!((code, &told["errors"][0]["key"]), (400, &"stat.listen".into()), "{told}");
    let right = format!(r#"{{"programme.silence_ms":800,"rtmp.play_key":"{}"}}"#, "abcdefghijkl");
    let (code, told) = office.ask("PATCH", "/api/settings", "", &right);
    assert_eq!((code, &told["restart_needed"]), (200, &true.into()), "{told}");
    assert!(office.text().starts_with("# mine\n[programme]\nsilence_ms = 800 # short\n"));
    let all = office.get("/api/settings").to_string();
    assert!(all.contains("••••ijkl") && !all.contains("abcdefghijkl"), "{all}");
}

#[test]
fn who_edits_by_hand_meanwhile_loses_nothing() {
    let office = Office::open("hand", "");
    let old = office.get("/api/settings")["revision"].as_str().expect("a text").to_owned();
    let by_hand = "# by hand\n[rtmp]\nviewers_max = 7\n";
    fs::write(office.data.join(config::FILE_NAME), by_hand).expect("written");
    let fields = format!("If-Match: \"{old}\"\r\n");
    let change = r#"{"programme.silence_ms":900}"#;
    let (code, told) = office.ask("PATCH", "/api/settings", &fields, change);
    assert_eq!((code, &told["code"]), (412, &"CHANGED_MEANWHILE".into()));
    assert_eq!(office.ask("PATCH", "/api/settings", "", change).0, 200);
    assert!(office.text().starts_with(by_hand) && office.text().contains("900"));
    fs::write(office.data.join(config::FILE_NAME), "[rtmp]\nviewers_max = x\n").expect("written");
    let (code, told) = office.ask("PATCH", "/api/settings", "", change);
    assert_eq!((code, &told["code"]), (409, &"CONFIG_INVALID".into()));
    let place = told["errors"][0]["error"].as_str().expect("a text");
    assert!(place.contains("config.toml:2:"), "{place}");
}

#[test]
fn destinations_have_their_codes() {
    let office = Office::open("codes", "[rtmp]\ndestinations_max = 2\n");
    let list = "/api/destinations";
    let add = |name: &str| {
        let json = format!(r#"{{"name":"{name}","url":"rtmp://h/app","key":"{SECRET}"}}"#);
        let (code, told) = office.ask("POST", list, "", &json);
        (code, told["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(add("a b").0, 201);
    assert_eq!(add("a b"), (409, "DESTINATION_EXISTS".to_owned()));
    assert_eq!(add("c").0, 201);
    assert_eq!(add("d"), (409, "DESTINATIONS_FULL".to_owned()));
    let told = office.get(list);
    assert_eq!((&told["count"], &told["max"]), (&2.into(), &2.into()));
    assert_eq!(told["destinations"][0]["key"], "••••hOwN");
    let (code, told) = office.ask("PUT", "/api/destinations/a%20b", "", r#"{"url":"ftp://x"}"#);
    assert_eq!((code, &told["errors"][0]["key"]), (400, &"url".into()), "{told}");
    for (method, path) in [("PUT", "/api/destinations/x"), ("POST", "/api/destinations/x/restart")]
    {
        let (code, told) = office.ask(method, path, "", "{}");
        assert_eq!((code, &told["code"]), (404, &"DESTINATION_NOT_FOUND".into()));
    }
    assert_eq!(office.ask("DELETE", "/api/destinations/a%20b", "", "").0, 200);
    assert_eq!(office.get(list)["count"], 1);
}

#[test]
fn bodies_of_any_shape_are_answered() {
    let office = Office::open("shapes", "");
    let before = office.text();
    for json in [
        "",
        "[]",
        "1",
        "{",
        "{\"a\":{}}",
        "{\"programme.silence_ms\":\"x\"}",
        "{\"programme.silence_ms\":1.5}",
        "{\"input.udp.allow\":[]}",
        "{\"input.udp.allow\":[1]}",
        "{\"rtmp.play_key\":[\"abcdef\"]}",
        "{\"url\":7}",
        "{\"name\":null}",
        "{\"url\":\"rtmp://\\u0000/a\",\"key\":\"k\"}",
        "{\"url\":\"rtmp://h/a\",\"key\":\"•\"}",
    ] {
        for (method, path) in [("PATCH", "/api/settings"), ("POST", "/api/destinations")] {
            let (code, told) = office.ask(method, path, "", json);
            assert!(code == 400 && told["success"] == false, "{method} {json}: {code} {told}");
        }
    }
    assert_eq!(office.text(), before);
}
