//! Commands: which reach the data plane, and what comes back.

use super::*;

#[test]
fn a_command_goes_to_the_data_plane_and_its_outcome_comes_back() {
    let (control, inbox) = control_and_inbox();
    let plane = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while let Ok(order) = inbox.recv_blocking() {
            seen.push(order.command.clone());
            order.answer(Ok(format!("It is done, number {}.", seen.len())));
        }
        seen
    });
    let whole = post("/api/switch", "", r#"{"video":"a.mp4","loop":true}"#);
    let answer = say(control.http(), whole.as_bytes());
    let told: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!((status(&answer), &told["message"]), (200, &"It is done, number 1.".into()));
    assert_eq!((&told["video"], &told["status"]), (&"a.mp4".into(), &"streaming".into()));
    // The same in pieces of a few bytes, and after a 100 Continue.
    let mut stream = connect(control.http());
    for piece in whole.as_bytes().chunks(7) {
        stream.write_all(piece).unwrap();
    }
    assert_eq!(status(&String::from_utf8_lossy(&rest(&mut stream))), 200);
    let mut stream = connect(control.http());
    let patient = post("/api/switch", "Expect: 100-continue\r\n", r#"{"source":"udp"}"#);
    let (head, json) = patient.split_at(patient.find("\r\n\r\n").unwrap() + 4);
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    stream.write_all(json.as_bytes()).unwrap();
    assert_eq!(status(&String::from_utf8_lossy(&rest(&mut stream))), 200);
    for (method, body) in [("PUT", r#"{"files":["a.mp4"]}"#), ("DELETE", "")] {
        let request = command(method, "/api/playlists/night", body).fields(BEARER);
        assert_eq!(status(&ask(control.http(), &request)), 200, "{method}");
    }
    control.stop();
    let seen = plane.join().unwrap();
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[2], Command::Switch(Selection::Udp));
    assert_eq!(seen[4], Command::RemovePlaylist("night".to_owned()));
}

#[test]
fn what_may_not_command_never_reaches_the_data_plane() {
    let (control, inbox) = control_and_inbox();
    let switch = r#"{"video":"a.mp4"}"#;
    let long = "x".repeat(HTTP_BODY_BYTES_MAX);
    let cases = [
        (post("/api/switch", "Origin: http://evil.example\r\n", switch), 403),
        (post("/api/switch", "Sec-Fetch-Site: cross-site\r\n", switch), 403),
        (post("/api/stop", "Origin: null\r\n", ""), 403),
        (post("/api/switch", "", switch).replace("localhost", "evil.example"), 403),
        (post("/api/switch", "", switch).replace("application/json", "text/plain"), 415),
        (post("/api/switch", "", r#"{"video":"../a"}"#), 400),
        (post("/api/switch", "", "{"), 400),
        (post("/api/switch", "", ""), 400),
        (post("/api/switch", "", &"[".repeat(HTTP_BODY_BYTES_MAX)), 400),
        (post("/api/switch", "", &format!("{{\"video\":\"{long}\"}}")), 413),
        (post("/api/switch", "", switch).replace("POST", "GET"), 405),
    ];
    for (request, wanted) in cases {
        let answer = say(control.http(), request.as_bytes());
        assert_eq!(status(&answer), wanted, "{request:.300}");
        let told: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
        assert_eq!(told["success"], false);
        assert!(told["error"].as_str().unwrap().ends_with('.'), "{told}");
    }
    let named = "X-Streamcaster-Secure: 1\r\nX-Streamcaster-Port: stat\r\n";
    assert_eq!(status(&get(control.http(), "/api/status", named)), 200);
    // Who names an address asks for somebody else.
    let named = "X-Streamcaster-Peer: 127.0.0.1\r\nX-Streamcaster-Peer: 8.8.8.8\r\n";
    assert_eq!(status(&get(control.http(), "/api/status", named)), 403);
    assert_eq!(status(&say(control.stat(), post("/api/stop", "", "").as_bytes())), 404);
    assert!(inbox.is_empty());
}

#[test]
fn the_state_is_told_while_commands_wait() {
    let (control, inbox) = control_and_inbox();
    let stop = post("/api/stop", "", "");
    let waiting: Vec<_> = (0..HTTP_COMMANDS_MAX)
        .map(|_| {
            let mut stream = connect(control.http());
            stream.write_all(stop.as_bytes()).unwrap();
            (stream, inbox.recv_blocking().unwrap())
        })
        .collect();
    // One more is refused at once, and looking goes on.
    let refused = say(control.http(), stop.as_bytes());
    assert_eq!(status(&refused), 503);
    assert!(refused.contains("try again"), "{refused}");
    assert_eq!(status(&get(control.http(), "/api/status", "")), 200);
    for (mut stream, order) in waiting {
        order.answer(Ok("Stopped.".to_owned()));
        let answer = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
        assert!(answer.contains("Stopped."), "{answer}");
    }
    assert!(inbox.is_empty());
}
