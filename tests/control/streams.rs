//! Long streams: what the gate serves itself.

use std::io::{BufRead, BufReader};

use socket2::SockRef;
use streamcaster::base::limits::{EVENT_CLIENTS_MAX, HTTP_WORKERS};

use super::*;

#[test]
fn a_piece_of_a_file_is_answered_before_it_is_read() {
    let control = control();
    let mut stream = connect(control.http());
    let request = Request::new("PATCH", "/api/uploads/7").kept().fields(BEARER);
    let request = request.field("Upload-Offset", "0").announce(8 << 30);
    request.write(&mut stream).expect("room in the socket");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer, though no byte of the body was sent");
    assert_eq!(&answer, b"HTTP/1.1 404");
    // What was under way does not turn the answer into a reset.
    stream.write_all(&[7; 1 << 20]).expect("somebody reads it");
    let answer = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(answer.contains("NOT_FOUND"), "{answer}");
}

#[test]
fn the_private_field_never_leaves() {
    let control = control();
    let answer = get(control.http(), "/api/status", "X-Streamcaster-Stream: preview\r\n");
    assert_eq!(status(&answer), 200);
    assert!(!answer.to_ascii_lowercase().contains("x-streamcaster"), "{answer}");
}

#[test]
fn a_preview_needs_a_programme() {
    let control = control();
    let answer = get(control.http(), "/api/preview.mp4", "");
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("SYSTEM_ERROR"), "{answer}");
    let posted = say(control.http(), post("/api/preview.mp4", "", "").as_bytes());
    assert_eq!(status(&posted), 405, "{posted}");
}

/// Opens the events; what comes behind the answer's head.
fn listen(to: SocketAddr, fields: &str) -> BufReader<TcpStream> {
    let mut stream = connect(to);
    let request = Request::get("/api/events").kept().fields(fields);
    request.write(&mut stream).expect("room in the socket");
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let taken = stream.read_line(&mut head).expect("an answer");
        assert!(taken > 0, "{head}");
    }
    assert_eq!(status(&head), 200, "{head}");
    assert!(head.contains("Content-Type: text/event-stream; charset=utf-8\r\n"), "{head}");
    assert!(head.contains("Cache-Control: no-store\r\nConnection: close\r\n"), "{head}");
    assert!(!head.contains("Content-Length") && !head.contains("X-Streamcaster"), "{head}");
    stream
}

/// The next event, without the empty line that ends it.
fn event(stream: &mut BufReader<TcpStream>) -> String {
    let mut event = String::new();
    while !event.ends_with("\n\n") {
        assert!(stream.read_line(&mut event).expect("the stream goes on") > 0, "{event}");
    }
    event
}

/// The first event of this name, and the JSON in it.
fn awaited(stream: &mut BufReader<TcpStream>, name: &str) -> (String, serde_json::Value) {
    loop {
        let event = event(stream);
        if event.contains(&format!("event: {name}\n")) {
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            let value = serde_json::from_str(data.expect("data")).expect("JSON in one line");
            return (event, value);
        }
    }
}

#[test]
fn the_state_comes_at_once_and_again_as_get_tells_it() {
    let control = control();
    let mut events = listen(control.http(), "");
    assert_eq!(event(&mut events), "retry: 2000\n\n");
    let first = event(&mut events);
    assert!(first.starts_with("event: status\ndata: {"), "{first}");
    let (_, library) = awaited(&mut events, "library");
    assert!(library["version"].is_u64());
    let (_, config) = awaited(&mut events, "config");
    assert_eq!(config["revision"], "r1");
    let begun = Instant::now();
    let (_, told) = awaited(&mut events, "status");
    assert!(begun.elapsed() < Duration::from_secs(3), "once a second");
    let asked: serde_json::Value =
        serde_json::from_str(body(&get(control.http(), "/api/status", ""))).expect("JSON");
    let names = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    };
    assert_eq!(names(&told), names(&asked));
    assert_eq!(told["programme"]["video_bps"], asked["programme"]["video_bps"]);
    assert_eq!((&told["http"]["events"], &told["http"]["previews"]), (&1.into(), &0.into()));
}

#[test]
fn a_client_that_comes_again_has_the_lines_it_missed() {
    let control = control();
    let mut events = listen(control.http(), "");
    let (event, value) = awaited(&mut events, "log");
    let last = value["lines"].as_array().expect("lines").last().expect("one").clone();
    let newest = last["id"].clone();
    assert!(event.starts_with(&format!("event: log\nid: {newest}\n")), "{event}");
    let after = newest.as_u64().expect("a number") - 1;
    let mut again = listen(control.http(), &format!("Last-Event-ID: {after}\r\n"));
    let (_, value) = awaited(&mut again, "log");
    let line = &value["lines"][0];
    assert_eq!(line["id"], newest);
    assert_eq!((line, &line["level"]), (&last, &"info".into()));
    assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')));
}

#[test]
fn who_comes_when_all_places_are_taken_is_told_and_a_place_is_free_again() {
    let control = control();
    let mut held: Vec<_> = (0..EVENT_CLIENTS_MAX).map(|_| listen(control.http(), "")).collect();
    let answer = get(control.http(), "/api/events", "");
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("\"success\":false") && answer.contains("Too many"), "{answer}");
    assert_eq!(awaited(&mut held[0], "status").1["http"]["refused"], 0);
    let (_, told) = awaited(&mut held[0], "status");
    assert_eq!((&told["http"]["refused"], &told["http"]["events"]), (&1.into(), &8.into()));
    drop(held.pop());
    let begun = Instant::now();
    while status(&get(control.http(), "/api/health", "")) != 200
        || awaited(&mut held[0], "status").1["http"]["events"] != 7
    {
        assert!(begun.elapsed() < GUARD, "a client that left is noticed");
    }
    listen(control.http(), "");
}

#[test]
fn a_client_that_does_not_read_is_cut_and_the_others_go_on() {
    // Large events fill what the sockets hold before they are not taken any more.
    let mut large = snapshot();
    large.viewers = vec![ViewerStatus::default(); HTTP_VIEWERS_LISTED_MAX];
    let control = control_with(large);
    let mut deaf = listen(control.http(), "");
    let small = SockRef::from(deaf.get_ref()).set_recv_buffer_size(4096);
    small.expect("a small window");
    let mut other = listen(control.http(), "");
    let mut most = 0;
    let begun = Instant::now();
    loop {
        let (_, told) = awaited(&mut other, "status");
        let events = told["http"]["events"].as_u64().expect("a number");
        most = most.max(events);
        if most == 2 && events == 1 {
            break;
        }
        assert!(begun.elapsed() < 2 * GUARD, "{events} still there");
    }
    let mut rest = Vec::new();
    let end = deaf.read_to_end(&mut rest);
    assert!(end.is_err() || !rest.ends_with(b"\n\n"), "cut, not ended politely");
}

#[test]
fn head_and_post_have_no_events() {
    let control = control();
    let head = ask(control.http(), &Request::new("HEAD", "/api/events"));
    assert_eq!(status(&head), 405);
    assert!(head.contains("\r\nAllow: GET\r\n"), "{head}");
    assert_eq!(status(&say(control.http(), post("/api/events", "", "").as_bytes())), 405);
    assert_eq!(status(&get(control.stat(), "/api/events", "")), 404);
}

/// A fault of ours in one answer or stream ends that one, and neither the threads nor the gate.
#[test]
fn a_panic_in_a_route_or_a_stream_ends_it_alone() {
    let board = Board::default();
    board.publish(snapshot());
    let broken = ControlOptions {
        store_hash: Box::new(|_| panic!("in a route, on purpose")),
        revision: Arc::new(|| panic!("in a stream, on purpose")),
        ..options(ANY, ANY, board)
    };
    let (control, _alone) = (start(broken).expect("two free ports"), super::auth::alone());
    for _ in 0..=EVENT_CLIENTS_MAX.max(HTTP_WORKERS) {
        let told = ask(control.http(), &Request::get("/api/events").kept());
        assert!(!told.contains(" 503 "), "its place is free again: {told}");
    }
    for _ in 0..=HTTP_WORKERS {
        let set = post("/api/password", "", r#"{"new":"a longer one"}"#);
        let told = say(control.http(), set.as_bytes());
        assert_eq!(status(&told), 500, "{told}");
        assert!(told.contains("SYSTEM_ERROR") && !told.contains("on purpose"), "{told}");
    }
    assert_eq!(status(&get(control.http(), "/api/status", "")), 200);
}
