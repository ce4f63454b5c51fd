//! Orders by request: what becomes a command, and what never does.

use super::*;

#[test]
fn a_switch_becomes_a_command() {
    let switch = |selection| Command::Switch(selection);
    for (body, wanted, video, source) in [
        (r#"{"video":"a.mp4"}"#, file("a.mp4", 0, false), "a.mp4", "local"),
        (r#"{"video":"a.mp4","source":"local","x":[]}"#, file("a.mp4", 0, false), "a.mp4", "local"),
        (
            r#"{"video":"ä b.ts","start_s":12.5,"loop":true,"googledriveFileId":null}"#,
            file("ä b.ts", 12_500, true),
            "ä b.ts",
            "local",
        ),
        (r#"{"source":"udp"}"#, switch(Selection::Udp), "udp", "udp"),
        (r#"{"source":"rtmp","video":""}"#, switch(Selection::Rtmp), "rtmp", "rtmp"),
        (r#"{"source":"pull","video":"x"}"#, switch(Selection::Pull), "x", "pull"),
        (r#"{"source":"standby"}"#, switch(Selection::Standby), "standby", "standby"),
        (
            r#"{"source":"playlist","video":"night"}"#,
            switch(Selection::Playlist("night".to_owned())),
            "night",
            "playlist",
        ),
    ] {
        let (command, answer) = order("POST", "/api/switch", body, &well());
        assert_eq!(command, Some(wanted), "{body}");
        let told = json!({
            "success": true, "message": "It is on air.", "video": video, "source": source,
            "status": "streaming"
        });
        assert_eq!((answer.status, value(&answer)), (200, told), "{body}");
    }
}

#[test]
fn a_switch_that_makes_no_sense_never_reaches_the_data_plane() {
    for (body, named) in [
        ("", "`video`"),
        ("[]", "JSON object"),
        ("{}", "`video`"),
        (r#"{"video":7}"#, "`video`"),
        (r#"{"video":null,"source":"local"}"#, "`video`"),
        (r#"{"video":"../a.mp4"}"#, "`video`"),
        (r#"{"video":"a/b.mp4"}"#, "`video`"),
        (r#"{"video":".a.mp4"}"#, "`video`"),
        (r#"{"video":"a\u0000.mp4"}"#, "`video`"),
        (r#"{"video":"../a","source":"udp"}"#, "`video`"),
        (r#"{"video":"a","source":"cd"}"#, "`source`"),
        (r#"{"video":"a","source":{}}"#, "`source`"),
        (r#"{"video":"a","source":"googledrive"}"#, "Google Drive"),
        (r#"{"video":"a","start_s":-1}"#, "`start_s`"),
        (r#"{"video":"a","loop":"yes"}"#, "`loop`"),
        (r#"{"source":"playlist"}"#, "`video`"),
        (r#"{"video":"a","video":"b"}"#, "`video`"),
    ] {
        let (command, answer) = order("POST", "/api/switch", body, &well());
        assert_eq!((command, answer.status), (None, 400), "{body}");
        let told = value(&answer);
        assert_eq!((&told["success"], &told["code"]), (&false.into(), &"INVALID_REQUEST".into()));
        assert!(told["error"].as_str().unwrap().contains(named), "{body}: {told}");
    }
}

#[test]
fn refusals_have_their_status_and_code() {
    let refused = |kind| Err(Declined { kind, words: "It cannot be.".to_owned() });
    let switch = |body, kind| order("POST", "/api/switch", body, &refused(kind)).1;
    let (bad, list) = (r#"{"video":"bad.avi"}"#, r#"{"video":"x","source":"playlist"}"#);
    for (body, kind, status, code) in [
        (bad, DeclinedKind::NotFound, 404, "VIDEO_NOT_FOUND"),
        (list, DeclinedKind::NotFound, 404, "PLAYLIST_NOT_FOUND"),
        (bad, DeclinedKind::Invalid, 400, "INVALID_REQUEST"),
        (bad, DeclinedKind::Unplayable, 409, "VIDEO_UNPLAYABLE"),
        (bad, DeclinedKind::Busy, 503, "BUSY"),
        (bad, DeclinedKind::Changed, 412, "CHANGED_MEANWHILE"),
        (bad, DeclinedKind::DiskFull, 507, "DISK_FULL"),
        (bad, DeclinedKind::Disk, 503, "DISK_ERROR"),
    ] {
        let answer = switch(body, kind);
        let told = value(&answer);
        assert_eq!((answer.status, told["code"].as_str()), (status, Some(code)));
        assert_eq!(told["error"], "It cannot be.");
        assert_eq!(told["remedy"].is_string(), kind == DeclinedKind::Unplayable, "{told}");
    }
    let other = switch(r#"{"video":"new.avi"}"#, DeclinedKind::Unplayable);
    assert_eq!(value(&other)["remedy"], Value::Null);
}

#[test]
fn playing_is_steered() {
    for (body, wanted) in [
        (r#"{"action":"pause"}"#, Command::Pause),
        (r#"{"action":"resume"}"#, Command::Resume),
        (r#"{"action":"next","position_s":"x"}"#, Command::Next),
        (r#"{"action":"seek","position_s":61.25}"#, Command::Seek(61_250)),
        (r#"{"action":"loop","loop":false}"#, Command::Loop(false)),
    ] {
        let (command, answer) = order("POST", "/api/playout", body, &well());
        assert_eq!((command, answer.status), (Some(wanted), 200), "{body}");
    }
    for body in [
        "{}",
        r#"{"action":"stop"}"#,
        r#"{"action":"seek"}"#,
        r#"{"action":"loop"}"#,
        r#"{"action":"seek","position_s":-1}"#,
        r#"{"action":1}"#,
    ] {
        let (command, answer) = order("POST", "/api/playout", body, &well());
        assert_eq!((command, answer.status), (None, 400), "{body}");
    }
    for body in ["", "{}", "whatever"] {
        let (command, answer) = order("POST", "/api/stop", body, &well());
        assert_eq!((command, answer.status), (Some(Command::Stop), 200), "{body}");
        assert_eq!(value(&answer)["message"], "It is on air.");
    }
}

#[test]
fn playlists_are_kept_and_removed() {
    let body = r#"{"files":["a.mp4","b.ts"],"repeat":true}"#;
    let (command, answer) = order("PUT", "/api/playlists/night%20one?x", body, &well());
    let files = vec!["a.mp4".try_into().unwrap(), "b.ts".try_into().unwrap()];
    let list = Playlist { files, repeat: true, shuffle: false };
    let put = Command::SetPlaylist { name: "night one".to_owned(), list, before: None };
    assert_eq!(command, Some(put));
    assert_eq!(answer.status, 200);
    let kept = value(&answer);
    assert_eq!(kept["playlist"]["files"], serde_json::json!(["a.mp4", "b.ts"]));
    assert_eq!(kept["playlist"]["revision"].as_str().map(str::len), Some(16));
    let (command, answer) = order("DELETE", "/api/playlists/%C3%A4", "", &well());
    assert_eq!((command, answer.status), (Some(Command::RemovePlaylist("ä".to_owned())), 200));
    let many = format!(r#"{{"files":[{}"a"]}}"#, r#""a","#.repeat(PLAYLIST_FILES_MAX));
    let long = format!("/api/playlists/{}", "x".repeat(65));
    for (target, body, status) in [
        ("/api/playlists/", body, 400),
        ("/api/playlists/..", body, 400),
        ("/api/playlists/%2e%2e", body, 400),
        ("/api/playlists/a%2Fb", body, 400),
        ("/api/playlists/%00", body, 400),
        ("/api/playlists/%ff", body, 400),
        ("/api/playlists/%", body, 400),
        (&long, body, 400),
        ("/api/playlists/a", "{}", 400),
        ("/api/playlists/a", r#"{"files":[]}"#, 400),
        ("/api/playlists/a", r#"{"files":["a","../b"]}"#, 400),
        ("/api/playlists/a", r#"{"files":["a",7]}"#, 400),
        ("/api/playlists/a", r#"{"files":["a"],"repeat":"no"}"#, 400),
        ("/api/playlists/a", &many, 413),
    ] {
        let (command, answer) = order("PUT", target, body, &well());
        assert_eq!((command, answer.status), (None, status), "{target} {body:.60}");
    }
    let (_, answer) = order("PUT", "/api/playlists/a", r#"{"files":["a","../b"]}"#, &well());
    assert!(value(&answer)["error"].as_str().unwrap().starts_with("Entry 2 of `files`"));
}

#[test]
fn a_playlist_too_many_is_refused_and_one_that_is_there_is_not() {
    let mut snapshot = sample::on_air();
    let lists = (0..PLAYLISTS_MAX).map(|n| (format!("list {n}"), Arc::default()));
    snapshot.playout.playlists = Arc::new(lists.collect::<BTreeMap<_, _>>());
    let put = |target| {
        let asked = asked(Port::Http, "PUT", target, br#"{"files":["a"]}"#);
        order_with(asked, &snapshot, &well()).1.status
    };
    assert_eq!(put("/api/playlists/new"), 409);
    assert_eq!(put("/api/playlists/list%203"), 200);
    let get = |target| answer_at(asked(Port::Http, "GET", target, b""), &snapshot, sample::MOMENT);
    assert_eq!(value(&get("/api/playlists"))["count"], PLAYLISTS_MAX);
    let seen = crate::base::revision::of(&[0, 0]);
    let one = json!({
        "name": "list 3", "files": [], "repeat": false, "shuffle": false, "playing": false,
        "revision": seen
    });
    assert_eq!(value(&get("/api/playlists/list%203")), one);
    let quoted = format!("\"{seen}\"");
    for (target, if_match, status) in [
        ("/api/playlists/list%203", &*quoted, 200),
        ("/api/playlists/list%203", "0123456789abcdef", 412),
    ] {
        let asked = Asked { if_match, ..asked(Port::Http, "PUT", target, br#"{"files":["a"]}"#) };
        let (command, answer) = order_with(asked, &snapshot, &well());
        assert_eq!(answer.status, status, "{target} {if_match}");
        let before = command.map(|command| match command {
            Command::SetPlaylist { before, .. } => before.is_some(),
            _ => false,
        });
        assert_eq!(before, (status == 200).then_some(true));
    }
    assert_eq!(get("/api/playlists/none").status, 404);
}
