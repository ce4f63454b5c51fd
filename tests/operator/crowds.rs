//! Crowds with bad manners: slow ones, ones that never read, ones that guess passwords, ones that
//! ask fifty times a second.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use streamcaster::base::limits::{EVENT_CLIENTS_MAX, PREVIEWS_MAX};

use test_support::peers::http::Request;

use crate::child::{output_of, signal};
use crate::operator::{answer, connect, send, Operator};
use crate::program::{command, text};
use crate::stage::Stage;
use crate::wait::{self, seconds};

/// Sends a byte a second until `stop`, or the other side has enough of it.
fn trickle(from: [u8; 4], to: SocketAddr, head: &str, body: &str, stop: &AtomicBool) {
    let Some(mut stream) = connect(from, to) else { return };
    if stream.write_all(head.as_bytes()).is_err() {
        return;
    }
    for byte in body.bytes().cycle() {
        if stop.load(Ordering::Relaxed) || stream.write_all(&[byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(1000));
    }
}

/// Slow clients in a head, a body and an upload, while the operator goes on.
pub fn slow_clients(stage: &mut Stage) {
    let (operator, http) = (stage.operator.clone(), stage.program.http);
    let begun = operator.does("POST", "/api/uploads", r#"{"filename":"slow.mp4","size":99999}"#);
    let (id, cookie) = (text(&begun, "/id"), &operator.cookie);
    let stop = AtomicBool::new(false);
    let heads = [
        "GET /api/status HTTP/1.1\r\nX-Slow: ".to_owned(),
        format!(
            "POST /api/switch HTTP/1.1\r\nHost: localhost\r\n{cookie}Content-Type: application/json\r\n\
             Content-Length: 6000\r\n\r\n"
        ),
        format!(
            "PATCH /api/uploads/{id} HTTP/1.1\r\nHost: localhost\r\n{cookie}Upload-Offset: 0\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: 99999\r\n\r\n"
        ),
    ];
    thread::scope(|scope| {
        for number in 0..24_u8 {
            let head = heads.get(usize::from(number) % heads.len()).expect("one of three");
            let stop = &stop;
            scope.spawn(move || trickle([127, 0, 2, number + 1], http, head, "a", stop));
        }
        let since = Instant::now();
        while since.elapsed() < seconds(8) {
            assert_eq!(operator.ask("GET", "/api/status", "").status, 200);
            thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let gone = || operator.ask("DELETE", &format!("/api/uploads/{id}"), "").status == 200;
    assert!(wait::holds(seconds(10), gone));
    stage.check("slow clients");
}

fn watch(operator: &Operator, path: &str) -> TcpStream {
    let request = Request::get(path).fields(&operator.cookie);
    request.begin(operator.http).expect("accepted")
}

/// Events and previews that nobody reads; one more of each than there may be.
pub fn who_never_reads(stage: &mut Stage) {
    let operator = stage.operator.clone();
    let mut held = Vec::new();
    for (path, most) in [("/api/events", EVENT_CLIENTS_MAX), ("/api/preview.mp4", PREVIEWS_MAX)] {
        for _ in 0..most {
            let mut stream = watch(&operator, path);
            // As far as it takes to know that it is served.
            let mut line = [0; 12];
            stream.read_exact(&mut line).expect("an answer");
            assert_eq!(&line, b"HTTP/1.1 200", "{path}");
            held.push(stream);
        }
        let one_more = answer(&mut watch(&operator, path)).expect("an answer");
        assert_eq!(one_more.status, 503, "{one_more:?}");
        one_more.explains(path);
    }
    stage.check("streams that nobody reads");
    // A preview is more than the sockets hold: its reader is given up, not waited for.
    let room = || {
        let mut stream = watch(&operator, "/api/preview.mp4");
        let mut line = [0; 12];
        stream.read_exact(&mut line).is_ok() && &line == b"HTTP/1.1 200"
    };
    assert!(wait::holds(seconds(60), room), "{}", stage.program.printed());
    drop(held);
    let free = || {
        let mut stream = watch(&operator, "/api/events");
        let mut line = [0; 12];
        stream.read_exact(&mut line).is_ok() && &line == b"HTTP/1.1 200"
    };
    assert!(wait::holds(seconds(10), free), "{}", stage.program.printed());
    stage.check("streams that were left");
}

/// Strangers guess passwords from many addresses while the operator works.
pub fn a_login_storm(stage: &mut Stage) {
    let (operator, http) = (stage.operator.clone(), stage.program.http);
    let (wrong, late) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..12_u8 {
            let (wrong, late, stop) = (&wrong, &late, &stop);
            scope.spawn(move || {
                for guess in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let from = [127, 0, 3, number + 1];
                    let Some(told) = Operator::log_in(from, http, &format!("guess {guess}")) else {
                        continue;
                    };
                    told.explains("a guess");
                    match (told.status, told.code().as_str()) {
                        (401, "WRONG_PASSWORD") => wrong.fetch_add(1, Ordering::Relaxed),
                        (429, "TOO_MANY_TRIES") => {
                            assert!(told.head.contains("Retry-After: "), "{told:?}");
                            late.fetch_add(1, Ordering::Relaxed)
                        }
                        (503, _) => 0,
                        _ => panic!("{told:?}"),
                    };
                }
            });
        }
        let since = Instant::now();
        let mut slowest = Duration::ZERO;
        while since.elapsed() < seconds(6) {
            let asked = Instant::now();
            let told = operator.ask("GET", "/api/status", "");
            assert_eq!(told.status, 200, "{told:?}");
            slowest = slowest.max(asked.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
        println!("in a login storm the slowest answer took {slowest:?}");
    });
    let (wrong, late) = (wrong.into_inner(), late.into_inner());
    assert!(wrong > 0, "{wrong} wrong, {late} too many");
    assert!(late > wrong, "{wrong} wrong, {late} too many");
    stage.check("a login storm");
}

/// Tools that ask fifty times a second, and ten probes at once.
pub fn scrapes_and_probes(stage: &mut Stage) {
    let stat = stage.program.stat;
    let data = stage.program.on_disk("");
    let data = data.to_str().expect("a path in UTF-8").trim_end_matches('/').to_owned();
    thread::scope(|scope| {
        for path in ["/metrics", "/stat"] {
            scope.spawn(move || {
                for _ in 0..200 {
                    let told = send([127, 0, 0, 1], stat, &format!("GET {path}"), "", b"");
                    assert_eq!(told.expect("an answer").status, 200, "{path}");
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
        for number in 0..10 {
            let data = &data;
            scope.spawn(move || {
                let more = if number % 2 == 0 { "--recover" } else { "--dry-run" };
                let (_, told) = output_of(&mut command(&["probe", "--data", data, more]));
                assert!(told.lines().count() == 1, "{told}");
                assert!(!told.trim().is_empty(), "{told}");
                assert!(!told.contains("panicked"), "{told}");
            });
        }
    });
    stage.check("scrapes and probes");
}

/// Signals that a shell or an administrator sends by mistake.
pub fn signals(stage: &mut Stage) {
    for name in ["HUP", "USR1", "USR2", "PIPE", "HUP"] {
        signal(stage.program.pid(), name);
    }
    stage.check("signals");
}
