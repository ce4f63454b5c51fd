//! Hostile HTTP, on both ports, while a viewer watches.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

use streamcaster::base::limits::{HTTP_CONNECTIONS_MAX, HTTP_WORKERS};

use crate::footing::Footing;
use crate::machine;
use crate::program::{command, get, request, Program};
use crate::scene::Scene;
use crate::sockets::{connect, connect_with, is_closed_within, push, ENEMY};
use crate::wait::{self, seconds};

/// The gate's connections, and those it turns away.
const GATE: Footing = Footing { rss_kib: 8 << 10, threads: 0, descriptors: 80 };

/// What comes until the other side closes.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset ends it, too.
    let _ = stream.read_to_end(&mut all);
    all
}

fn status_of(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    text.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn says(from: [u8; 4], to: SocketAddr, words: &[u8]) -> String {
    let mut stream = connect(from, to).expect("the gate accepts");
    push(&mut stream, words);
    status_of(&rest(&mut stream))
}

#[test]
fn hostile_requests_are_refused_and_disturb_nobody() {
    let _machine = machine::alone();
    let scene = Scene::start("");
    let ports = [scene.program.http, scene.program.stat];
    for port in ports {
        let head = "GET / HTTP/1.1\r\nHost: localhost\r\n";
        let unread = format!("{head}Content-Length: 99999999999\r\n\r\n");
        assert_eq!(says(ENEMY, port, unread.as_bytes()), "413");
        for nonsense in ["zz\r\n", "-1\r\n\r\n", "FFFFFFFFFFFFFFFF\r\nx", "0\r\n\r\n"] {
            let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{nonsense}");
            let status = says(ENEMY, port, chunked.as_bytes());
            assert!(["400", "411", "501"].contains(&status.as_str()), "{status} for {nonsense:?}");
        }
        let mut endless = connect(ENEMY, port).expect("the gate accepts");
        push(&mut endless, head.as_bytes());
        let field = format!("X-Padding: {}\r\n", "a".repeat(1000));
        // The kernel's buffers take some of it whatever the gate does.
        let taken = (0..20_000).take_while(|_| endless.write_all(field.as_bytes()).is_ok()).count();
        assert!(taken < 20_000, "an endless header is read to its end");
        assert!(is_closed_within(&mut endless, seconds(5)), "an endless header");
    }
    for _ in 0..3 {
        let mut pipelined = connect(ENEMY, scene.program.http).expect("the gate accepts");
        let mut reader = pipelined.try_clone().expect("a socket twice");
        let answers = std::thread::spawn(move || rest(&mut reader));
        let request = "GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for _ in 0..200 {
            push(&mut pipelined, request.repeat(100).as_bytes());
        }
        let answers = answers.join().expect("the reader does not panic");
        let text = String::from_utf8_lossy(&answers);
        assert!(text.matches("HTTP/1.1 ").count() <= 2, "pipelined requests are all answered");
    }
    assert!(get(scene.program.http, "/api/health").contains("healthy"));
    scene.end(GATE);
}

/// What the machine's own probe finds: its exit code and its line.
fn probe(program: &Program) -> (Option<i32>, String) {
    let data = program.folder().file("data");
    let data = data.to_str().expect("a path in UTF-8");
    let asked = command(&["probe", "--recover", "--data", data, "--timeout-s", "4"]).output();
    let output = asked.expect("it starts");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// From more addresses than there are places, of which none holds more than another: silent ones,
/// and ones that are always about to ask.
#[test]
fn silent_connections_from_everywhere_take_no_place_from_the_machine_itself() {
    let _machine = machine::alone();
    let scene = Scene::start("");
    let addresses = || (1..=2 * HTTP_CONNECTIONS_MAX).map(|at| [127, 0, 9, at as u8]);
    let (_, before) = probe(&scene.program);
    for begun in ["", "GET /api/health HTTP/1.1\r\nHost: loc"] {
        let mut crowd: Vec<TcpStream> = Vec::new();
        for from in addresses() {
            let mut stream = connect(from, scene.program.http).expect("the kernel takes it");
            push(&mut stream, begun.as_bytes());
            crowd.push(stream);
        }
        for _ in 0..3 {
            assert_eq!(probe(&scene.program).1, before, "{begun:?}");
        }
        assert!(get(scene.program.http, "/api/health").contains("checks"));
    }
    scene.end(GATE);
}

/// The line of config.toml that the program prints for a password, at what it really costs.
fn password_line(password: &str) -> String {
    let mut asked = command(&["hash-password"]);
    let mut child = asked.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut into = child.stdin.take().expect("it is piped");
    into.write_all(format!("{password}\n").as_bytes()).expect("it reads");
    drop(into);
    let output = child.wait_with_output().expect("it ends");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let line = printed.lines().find(|line| line.starts_with("password_hash"));
    line.unwrap_or_else(|| panic!("no line in {printed}")).to_owned()
}

/// Each hash takes seven megabytes to compute. With an area of its own for each, what an allocator
/// keeps of forty of them was more than a hundred.
#[test]
fn wrong_passwords_cost_the_memory_of_one() {
    let _machine = machine::alone();
    let program = Program::start(&format!("[http]\n{}\n", password_line("a right password")));
    let mut guesses = 0;
    let mut guess = |at: u8| {
        let body = "{\"password\":\"a wrong password\"}";
        let request = format!(
            "POST /api/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        guesses += u32::from(says([127, 0, 8, at], program.http, request.as_bytes()) == "401");
    };
    (1..=4).for_each(&mut guess);
    let before = Footing::of(program.pid()).expect("it runs");
    (5..=60).for_each(&mut guess);
    let after = Footing::of(program.pid()).expect("it runs");
    assert!(guesses >= 40, "only {guesses} were checked");
    // Less than half of what another area would take.
    assert!(after.rss_kib < before.rss_kib + 3 * 1024, "{before:?}, then {after:?}");
    let (_, line) = probe(&program);
    assert!(line.starts_with("degraded: standby"), "{line}");
    assert!(!line.contains("memory"), "{line}");
}

#[test]
fn a_thousand_idle_connections_and_readers_that_never_read_disturb_nobody() {
    let _machine = machine::alone();
    let scene = Scene::start("");
    let idle: Vec<TcpStream> = (0..1000)
        .map(|at| {
            let port = if at % 2 == 0 { scene.program.http } else { scene.program.stat };
            connect(ENEMY, port).expect("the kernel takes it")
        })
        .collect();
    let answered = wait::holds(seconds(3), || {
        get(scene.program.stat, "/health").contains("healthy")
            && get(scene.program.http, "/api/status").contains("streaming")
    });
    assert!(answered, "the gate is kept shut by who says nothing");
    let mut deaf: Vec<TcpStream> = (0..2 * HTTP_CONNECTIONS_MAX)
        .filter_map(|_| connect_with(ENEMY, scene.program.http, Some(2048)))
        .collect();
    for stream in &mut deaf {
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
        push(stream, request.as_bytes());
    }
    // From here, which has no share of its own, they may have every place for a moment.
    let tells = |port, path, what: &str| {
        request(port, "GET", path, "").is_some_and(|(_, body)| body.contains(what))
    };
    for (port, path, what) in
        [(scene.program.stat, "/stat", "<rtmp>"), (scene.program.http, "/api/status", "streaming")]
    {
        assert!(wait::holds(seconds(10), || tells(port, path, what)), "{path} is not told");
    }
    drop(idle);
    // Who reads at last finds an answer, or that it was closed on.
    let closed = deaf.iter_mut().all(|stream| is_closed_within(stream, seconds(20)));
    assert!(closed, "a reader that never reads is kept for ever");
    scene.end(GATE);
}

/// A request is parsed once, by the gate, and answered by a worker: neither connections nor requests
/// bring threads, and nothing of the program accepts connections a second time.
#[test]
fn one_gate_and_the_workers_are_all_that_serves() {
    let _machine = machine::alone();
    let scene = Scene::start("");
    let pid = scene.program.pid();
    let serving = || -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        let mut names: Vec<_> = names.map(|name| name.trim().to_owned()).collect();
        // Threads that have no name of their own have the program's, as its first one has.
        names.retain(|name| name.starts_with("control-") || name.starts_with("streamcaster"));
        names.sort();
        names
    };
    let workers = (1..=HTTP_WORKERS).map(|number| format!("control-{number}"));
    let mut wanted: Vec<_> = workers.chain(["control-gate".to_owned()]).collect();
    wanted.push("streamcaster".to_owned());
    assert_eq!(serving(), wanted);
    let mut crowd: Vec<TcpStream> = (1..=HTTP_CONNECTIONS_MAX)
        .map(|at| {
            let mut stream = connect([127, 0, 9, at as u8], scene.program.http).expect("accepted");
            push(&mut stream, b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n");
            stream
        })
        .collect();
    // Who has its answer makes room for one more; who still waits for one does not.
    for stream in &mut crowd {
        stream.set_read_timeout(Some(seconds(20))).expect("a socket");
        assert!(stream.read(&mut [0; 16]).is_ok_and(|read| read > 0), "no answer");
    }
    assert!(get(scene.program.http, "/api/health").contains("healthy"));
    assert_eq!(serving(), wanted);
    let sockets = std::fs::read_to_string("/proc/net/unix").expect("a list");
    let own = format!("streamcaster-{pid}-");
    assert!(!sockets.contains(&own), "a socket between parts of the program");
    drop(crowd);
    scene.end(GATE);
}
