//! What strangers send: requests in order and out of order, slow ones, many at once.

use super::*;

#[test]
fn both_ports_answer_with_their_own() {
    let control = control();
    let value: serde_json::Value =
        serde_json::from_str(body(&get(control.http(), "/api/status", ""))).unwrap();
    assert_eq!(value["stream_status"], "streaming");
    assert_eq!(value["process_status"]["udp_sender_pid"], std::process::id());
    assert!(value["memory"]["resident_bytes"].as_u64().unwrap() > 0);
    assert_eq!(body(&get(control.stat(), "/health", "")), "healthy\n");
    assert_eq!(status(&get(control.stat(), "/api/status", "")), 404);
    assert_eq!(status(&get(control.http(), "/stat", "")), 404);
}

#[test]
fn the_page_comes_with_its_guards() {
    let control = control();
    let page = get(control.http(), "/", "");
    assert!(page.contains("Content-Security-Policy: default-src 'none'; script-src 'self';"));
    assert!(page.contains("X-Content-Type-Options: nosniff\r\n"));
    assert!(page.contains("Content-Type: text/html; charset=utf-8\r\n"));
    assert!(page.contains("<title>StreamCaster</title>"));
    let packed = get(control.http(), "/app.js", "Accept-Encoding: gzip, br\r\n");
    assert!(packed.contains("Content-Encoding: gzip\r\n"));
    let tag = packed.split("ETag: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let fields = format!("Accept-Encoding: gzip\r\nIf-None-Match: {tag}\r\n");
    let known = get(control.http(), "/app.js", &fields);
    assert_eq!((status(&known), body(&known)), (304, ""));
}

#[test]
fn the_statistics_are_well_formed_xml() {
    let mut snapshot = snapshot();
    let agent = Text::try_from("<b>\"&\u{7}\u{ffff}'</client>").ok();
    snapshot.viewers = vec![ViewerStatus { agent: agent.unwrap(), ..ViewerStatus::default() }; 3];
    let control = control_with(snapshot);
    let answer = get(control.stat(), "/stat", "");
    assert!(answer.contains("Content-Type: text/xml\r\n"));
    let xml = body(&answer).split_once(" ?>\r\n<rtmp>").unwrap().1;
    let xml = format!("<rtmp>{xml}");
    let mut open = Vec::new();
    for piece in xml.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        match (tag.strip_prefix('/'), tag.ends_with('/')) {
            (Some(name), _) => assert_eq!(open.pop(), Some(name)),
            (None, true) => {}
            (None, false) => open.push(tag),
        }
        assert!(!text.contains(['>', '\u{7}', '\u{ffff}']), "{text:?}");
        for entity in text.split('&').skip(1) {
            let name = entity.split(';').next().unwrap();
            assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "{text:?}");
        }
    }
    assert!(open.is_empty());
    assert!(xml.contains("<nclients>4</nclients>"));
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let control = control();
    let mut stream = connect(control.http());
    let mut answer = |method: &str, path: &str, body: &str| {
        Request::new(method, path).kept().json(body).write(&mut stream).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let bodiless = method == "HEAD";
        let mut body = vec![0; if bodiless { 0 } else { length.parse().unwrap() }];
        stream.read_exact(&mut body).unwrap();
        (head, body)
    };
    for _ in 0..3 {
        let (head, body) = answer("GET", "/api/health", "");
        assert!(head.contains("Connection: keep-alive\r\n"));
        assert!(body.starts_with(b"{\"status\":"));
        let (head, _) = answer("HEAD", "/api/health", "");
        assert_eq!(status(&head), 200);
        assert!(!head.contains("Content-Length: 0\r\n"));
        let (head, _) = answer("POST", "/api/status", "{}");
        assert_eq!(status(&head), 405);
        assert!(head.contains("Allow: GET, HEAD\r\n"));
    }
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let control = control();
    let answer = say(control.stat(), b"GET /health HTTP/1.0\r\n\r\n");
    assert!(answer.contains("Connection: close\r\n"));
    assert_eq!(body(&answer), "healthy\n");
}

#[test]
fn nonsense_is_refused_with_the_fitting_status() {
    let control = control();
    let cases: [(&[u8], u16); 14] = [
        (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
        (b"HELO a\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\n\r\n", 400),
        (b"GET / HTTP/1.1\n\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: \0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\rc\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: cake\r\nContent-Length: 1\r\n\r\n", 417),
        (b"GET http://b/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ];
    for (request, wanted) in cases {
        let answer = say(control.http(), request);
        assert_eq!(status(&answer), wanted, "{}", String::from_utf8_lossy(request));
        let value: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
        assert_eq!((&value["success"], &value["code"]), (&false.into(), &"INVALID_REQUEST".into()));
    }
}

#[test]
fn heads_and_bodies_end_at_their_limits() {
    let control = control();
    let endless =
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nA: {}", "b".repeat(HTTP_HEAD_BYTES_MAX));
    assert_eq!(status(&say(control.http(), endless.as_bytes())), 431);
    let fields = "A: b\r\n".repeat(HTTP_FIELDS_MAX);
    assert_eq!(status(&get(control.http(), "/", &fields)), 431);
    let line = "x".repeat(4096);
    assert_eq!(status(&get(control.http(), &format!("/{line}"), "")), 404);
    let post = |bytes: usize| {
        let request = Request::new("POST", "/").field("Expect", "100-continue");
        request.field("Content-Length", &bytes.to_string())
    };
    let mut stream = connect(control.http());
    post(HTTP_BODY_BYTES_MAX).write(&mut stream).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&vec![b'x'; HTTP_BODY_BYTES_MAX]).unwrap();
    assert_eq!(status(&String::from_utf8_lossy(&rest(&mut stream))), 405);
    assert_eq!(status(&ask(control.http(), &post(HTTP_BODY_BYTES_MAX + 1))), 413);
}

#[test]
fn a_head_that_does_not_come_in_time_is_told_so() {
    let control = control();
    let mut halves: Vec<_> = (0..3).map(|_| connect(control.http())).collect();
    for half in &mut halves {
        half.write_all(b"GET / HTTP/1.1\r\nHos").unwrap();
    }
    let mut silent = connect(control.http());
    for half in &mut halves {
        assert_eq!(status(&String::from_utf8_lossy(&rest(half))), 408);
    }
    assert_eq!(rest(&mut silent), b"", "who said nothing is told nothing");
}

#[test]
fn nobody_speaks_for_the_gate() {
    let control = control();
    let fields = "X-Streamcaster-Port: stat\r\nx-streamcaster-port: stat\r\n";
    assert_eq!(status(&get(control.http(), "/stat", fields)), 404);
    let named = "Connection: X-Streamcaster-Port, close\r\nX-Streamcaster-Port: http\r\n";
    assert_eq!(status(&get(control.stat(), "/api/status", named)), 404);
}

#[test]
fn of_twenty_thousand_pipelined_requests_one_is_answered() {
    let control = control();
    let stream = connect(control.http());
    let mut sender = stream.try_clone().unwrap();
    let sent = std::thread::spawn(move || {
        let requests = written(&Request::get("/api/health").kept()).repeat(20_000);
        // The gate stops reading long before the end.
        let _ = sender.write_all(requests.as_bytes());
    });
    let answers = rest(&mut { stream });
    sent.join().unwrap();
    let answers = String::from_utf8_lossy(&answers);
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 1);
    assert!(answers.contains("Connection: close\r\n"));
    assert_eq!(status(&get(control.http(), "/api/health", "")), 200);
}

#[test]
fn idle_connections_keep_nobody_out() {
    let control = control();
    let mut crowd = Vec::new();
    for _ in 0..1000 {
        // Those that were given up are closed on our side too, now and then: the limit on
        // descriptors of this process is not what is tested.
        if crowd.len() >= 400 {
            crowd.drain(..100);
        }
        crowd.push(connect(control.http()));
    }
    let mut fresh = connect_from([127, 0, 0, 2], control.http());
    let request = written(&Request::get("/api/health"));
    assert_eq!(status(&answer_of(&mut fresh, request.as_bytes())), 200);
    let open = crowd.iter().filter(|stream| is_open(stream)).count();
    assert!(open <= HTTP_CONNECTIONS_MAX, "{open} are open");
}

/// Whether nothing has come and the connection is not closed.
fn is_open(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    matches!(stream.read(&mut [0]), Err(e) if e.kind() == ErrorKind::WouldBlock)
}

#[test]
fn a_reader_that_never_reads_is_cut_and_harms_nobody() {
    let mut snapshot = snapshot();
    let viewer = ViewerStatus {
        agent: Text::try_from("\u{1}".repeat(100).as_str()).unwrap(),
        ..ViewerStatus::default()
    };
    snapshot.viewers = vec![viewer; HTTP_VIEWERS_LISTED_MAX];
    let control = control_with(snapshot);
    let request = Request::get("/api/status").kept();
    let began = Instant::now();
    let _stalled: Vec<_> = (0..20)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            socket.connect_timeout(&SockAddr::from(control.http()), GUARD).unwrap();
            request.write(&mut &socket).unwrap();
            socket
        })
        .collect();
    // What they hold is bounded: there is no room for another large answer, but for small ones.
    assert_eq!(status(&get(control.http(), "/api/health", "")), 200);
    assert_eq!(status(&get(control.http(), "/api/status", "")), 503);
    // A connection that says nothing is closed after HTTP_HEAD_MS_MAX: the gate's own clock.
    let mut answered = false;
    while !answered && began.elapsed() < Duration::from_millis(2 * HTTP_IDLE_MS_MAX) {
        rest(&mut connect(control.http()));
        answered = status(&get(control.http(), "/api/status", "")) == 200;
    }
    assert!(answered, "those who never read still hold everything");
    assert!(began.elapsed() >= Duration::from_millis(HTTP_IDLE_MS_MAX - 1000));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let control = control();
    let options = options(ANY, control.http(), Board::default());
    let error = start(options).err().expect("the port is taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&control.http().to_string()), "{error}");
}

#[test]
fn stopping_frees_the_ports_and_ends_connections() {
    let control = control();
    let (http, stat) = (control.http(), control.stat());
    let mut idle = connect(http);
    assert_eq!(status(&get(http, "/api/health", "")), 200);
    control.stop();
    assert_eq!(rest(&mut idle), b"");
    assert!(TcpStream::connect(http).is_err());
    let options = options(http, stat, Board::default());
    assert!(start(options).is_ok(), "the ports are free again at once");
}

#[test]
fn both_families_reach_one_port_and_each_of_them_is_this_machine() {
    let board = Board::default();
    board.publish(snapshot());
    let everywhere: SocketAddr = "[::]:0".parse().expect("an address");
    let control = start(options(everywhere, everywhere, board)).expect("two free ports");
    for (http, host) in [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("127.0.0.1", "localhost")] {
        let to = SocketAddr::new(http.parse().expect("an address"), control.http().port());
        // A machine without IPv6 has only the first.
        let Ok(mut stream) = TcpStream::connect(to) else { continue };
        let request = written(&Request::get("/api/status").field("Host", host));
        let answer = answer_of(&mut stream, request.as_bytes());
        assert_eq!(status(&answer), 200, "{to}: {answer}");
    }
}
