//! `streamcaster probe` as cron runs it: against servers that answer in every way, and against the
//! program itself. Waits have deadlines as guards only.
#![cfg(test)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use test_support::peers::http::{Answer, Request};

const HEALTHY: &str = r#"{"status":"healthy","checks":[{"name":"cpu","status":"healthy"}]}"#;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("health-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamcaster"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// Exit code and what was printed, which is one line.
fn probe(folder: &Folder, more: &[&str]) -> (i32, String) {
    told(probing(folder, more).output().expect("it starts"))
}

fn probing(folder: &Folder, more: &[&str]) -> Command {
    let data = folder.0.to_str().expect("UTF-8");
    let mut command = program(&["probe", "--data", data, "--timeout-s", "1"]);
    command.args(more);
    command
}

fn told(output: Output) -> (i32, String) {
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(text.matches('\n').count(), 1, "{text:?} {:?}", output.stderr);
    assert!(output.stderr.is_empty(), "{:?}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().expect("no signal"), text.trim_end().to_owned())
}

/// A server that hands each request to `answer`; its URL.
fn server(answer: impl Fn(String, &mut dyn Write) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
                request.push(byte[0]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            // What is not read of a request is answered by a reset.
            let length = request.split("Content-Length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.parse().ok()).unwrap_or(0);
            let _ = stream.read_exact(&mut vec![0; length]);
            answer(request, &mut stream);
        }
    });
    url
}

/// One that answers so.
fn saying(status: u16, body: &str) -> String {
    let text = format!("HTTP/1.1 {status} So\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    server(move |_, stream| {
        let _ = stream.write_all(text.as_bytes());
    })
}

#[test]
fn verdicts_are_told_by_line_and_code() {
    let folder = Folder::new();
    let found = |url: String| probe(&folder, &["--url", &url]);
    assert_eq!(found(saying(200, HEALTHY)), (0, "healthy".to_owned()));
    let degraded = r#"{"status":"degraded","checks":[
        {"name":"disk","status":"degraded","detail":"disk 85 %"}]}"#;
    assert_eq!(found(saying(200, degraded)), (1, "degraded: disk 85 %".to_owned()));
    let unhealthy = r#"{"status":"unhealthy"}"#;
    assert_eq!(found(saying(503, unhealthy)), (2, "unhealthy".to_owned()));

    // As the health check of a container, which a new start has to mend.
    let ending = |url: String| probe(&folder, &["--url", &url, "--unhealthy-only"]);
    assert_eq!(ending(saying(200, degraded)), (0, "degraded: disk 85 %".to_owned()));
    assert_eq!(ending(saying(503, unhealthy)).0, 2);
    assert_eq!(ending("http://127.0.0.1:1".to_owned()).0, 3);
}

#[test]
fn whatever_else_answers_is_no_answer_and_in_time() {
    let folder = Folder::new();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("it is bound"))
    };
    let silent = server(|_, _| thread::sleep(Duration::from_secs(30)));
    let drip = |first: &'static [u8]| {
        server(move |_, stream| {
            let began = Instant::now();
            let _ = stream.write_all(first);
            while began.elapsed() < Duration::from_secs(30) && stream.write_all(b"H").is_ok() {
                thread::sleep(Duration::from_millis(100));
            }
        })
    };
    let huge = server(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let garbage = server(|_, stream| {
        let _ = stream.write_all(b"\x16\x03\x01\x1b[2J\xff\xff");
    });
    let html = saying(200, "<html>\u{1b}[2J</html>");
    for (url, word) in [
        (closed, "refused"),
        (silent, "too long"),
        (drip(b"HTTP/1.1 200 OK\r\nA: "), "too long"),
        (drip(b"HTTP/1.1 200 OK\r\n\r\n"), "too long"),
        // What is nonsense from its second byte on is not waited for.
        (drip(b""), "another program answers there"),
        (huge, "longer than"),
        (garbage, "another program answers there"),
        (html, "another program answers there"),
    ] {
        let began = Instant::now();
        let (code, line) = probe(&folder, &["--url", &url]);
        assert_eq!(code, 3, "{url}: {line}");
        assert!(line.starts_with("no answer: "), "{line}");
        assert!(line.contains(word), "{line}");
        assert!(began.elapsed() < Duration::from_secs(10), "{word}: {:?}", began.elapsed());
    }
}

#[test]
fn two_at_once_act_once_and_the_second_tells_the_last_result() {
    let folder = Folder::new();
    let (came, comes) = std::sync::mpsc::channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let (came, gone) = (std::sync::Mutex::new(came), std::sync::Mutex::new(gone));
    let url = server(move |_, stream| {
        let _ = came.lock().expect("no panic").send(());
        let _ = gone.lock().expect("no panic").recv_timeout(Duration::from_secs(30));
        let text = format!("HTTP/1.1 200 OK\r\n\r\n{HEALTHY}");
        let _ = stream.write_all(text.as_bytes());
    });
    let arguments = ["--url", &url, "--recover", "--timeout-s", "30"];
    let data = folder.0.to_str().expect("UTF-8");
    let first = program(&["probe", "--data", data])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    comes.recv_timeout(Duration::from_secs(30)).expect("the first asks");
    let (code, line) =
        told(program(&["probe", "--data", data]).args(arguments).output().expect("it starts"));
    assert_eq!(code, 0, "nothing was found yet: {line}");
    assert!(line.starts_with("another probe is running"), "{line}");
    go.send(()).expect("the server waits");
    assert_eq!(told(first.wait_with_output().expect("it ends")).0, 0);
}

#[test]
fn recovering_asks_for_room_and_sends_the_token() {
    let folder = Folder::new();
    let state = folder.0.join("state");
    fs::create_dir_all(&state).expect("a folder");
    fs::write(state.join("probe.token"), "open-sesame\n").expect("a file");
    let (heard, hears) = std::sync::mpsc::channel();
    let heard = std::sync::Mutex::new(heard);
    let url = server(move |request, stream| {
        let body = match request.starts_with("GET /api/health ") {
            true => {
                r#"{"status":"degraded","checks":[{"name":"disk","status":"degraded","detail":"disk 99 %"}]}"#
            }
            false => r#"{"success":true,"message":"3 MiB are free again."}"#,
        };
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes());
        let _ = heard.lock().expect("no panic").send(request);
    });
    let arguments = ["--url", &url, "--dry-run"];
    assert_eq!(probe(&folder, &arguments).1, "degraded: disk 99 %; would rotate the logs");
    let line = probe(&folder, &["--url", &url, "--recover"]).1;
    assert_eq!(line, "degraded: disk 99 %; rotate the logs: 3 MiB are free again.");
    let again = probe(&folder, &["--url", &url, "--recover"]).1;
    assert_eq!(again, "degraded: disk 99 %", "not again within five minutes");
    let requests: Vec<String> = hears.try_iter().collect();
    let posts: Vec<_> = requests.iter().filter(|request| request.starts_with("POST")).collect();
    assert_eq!(posts.len(), 1, "{requests:?}");
    assert!(posts[0].starts_with("POST /api/maintenance "), "{posts:?}");
    let bearer = |r: &String| r.contains("\r\nauthorization: Bearer open-sesame\r\n");
    assert!(requests.iter().all(bearer), "{requests:?}");
    let log = fs::read_to_string(folder.0.join("logs/probe.log")).expect("it is written down");
    assert_eq!(log.lines().count(), 1, "{log}");
}

/// The program, until it says that it is ready.
struct Running(Child);

impl Running {
    fn start(folder: &Folder) -> Running {
        let data = folder.0.to_str().expect("UTF-8");
        let any = "127.0.0.1:0";
        let mut child = program(&[
            "run", "--data", data, "--udp", any, "--rtmp", any, "--http", any, "--stat", any,
        ])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| line.ends_with("ready"));
        // Nobody may leave its console without a reader.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        assert!(ready);
        Running(child)
    }

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().expect("kill").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the program answers.
fn ask(folder: &Folder, method: &str, path: &str) -> Answer {
    let address = fs::read_to_string(folder.0.join("state/http.address")).expect("a file");
    let address: SocketAddr = address.trim().parse().expect("an address");
    let token = fs::read_to_string(folder.0.join("state/probe.token")).expect("a file");
    let bearer = format!("Bearer {}", token.trim());
    let request = Request::new(method, path).field("Authorization", &bearer);
    request.send(address).expect("an answer")
}

#[test]
fn the_days_rotation_packs_the_rotated_files_and_is_told() {
    let folder = Folder::new();
    let logs = folder.0.join("logs");
    fs::create_dir_all(&logs).expect("a folder");
    let rotated = "yesterday was a quiet day\n".repeat(1000);
    fs::write(logs.join("streamcaster.log.1"), &rotated).expect("a file");
    let _running = Running::start(&folder);
    let (code, line) = probe(&folder, &["--rotate"]);
    assert_eq!(code, 0, "{line}");
    assert!(line.starts_with("The log is rotated; "), "{line}");
    let unpacked = |age: u32| {
        let file = logs.join(format!("streamcaster.log.{age}.gz"));
        let output = Command::new("gzip").arg("-dc").arg(file).output().expect("gzip");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert!(unpacked(1).contains("ready"), "today's, as it was until then");
    assert_eq!(unpacked(2), rotated);
    for age in [1, 2] {
        assert!(!logs.join(format!("streamcaster.log.{age}")).exists(), "{age} stays unpacked");
    }
    let told = ask(&folder, "GET", "/api/maintenance").json();
    assert_eq!(told["rotation"]["text"], line.as_str());
    assert_eq!((&told["rotation"]["code"], &told["probe"]), (&0.into(), &().into()));
}

#[test]
fn the_program_is_found_where_it_listens_and_killed_when_it_hangs() {
    let folder = Folder::new();
    let mut running = Running::start(&folder);
    // Nothing sends: the card is on air.
    let (code, line) = probe(&folder, &["--recover"]);
    assert_eq!(code, 1, "{line}");
    assert!(line.contains("standby is on air"), "{line}");
    running.signal("-STOP");
    for _ in 0..2 {
        let (code, line) = probe(&folder, &["--recover"]);
        let words = "no answer: it took too long; the data plane does not answer either";
        assert_eq!((code, &*line), (3, words));
        assert!(running.0.try_wait().expect("a child").is_none(), "not before the third time");
    }
    assert!(probe(&folder, &["--dry-run"]).1.contains("would restart"));
    let (code, line) = probe(&folder, &["--recover"]);
    assert_eq!(code, 3);
    assert!(line.contains("was killed"), "{line}");
    let ended = running.0.wait().expect("a child");
    assert!(!ended.success(), "{ended:?}");
    // Its number stays behind and is nobody's any more.
    for _ in 0..4 {
        assert_eq!(probe(&folder, &["--recover"]).0, 3);
    }
    drop(running);
    let _again = Running::start(&folder);
    assert_eq!(probe(&folder, &["--recover"]).0, 1, "a new one is found at its new address");
}

#[test]
fn an_input_can_be_opened_again_and_goes_on() {
    let folder = Folder::new();
    let _running = Running::start(&folder);
    let post = |path: &str| ask(&folder, "POST", path);
    let began = Instant::now();
    // The state is first told after the input's task has begun: before, nothing is to be opened.
    while !ask(&folder, "GET", "/api/status").text().contains("\"listen\":\"127.0.0.1:") {
        assert!(began.elapsed() < Duration::from_secs(20), "the state is not told");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(post("/api/inputs/udp/restart").status, 200);
    assert!(post("/api/inputs/pull/restart").text().contains("INPUT_NOT_FOUND"));
    let log = folder.0.join("logs/streamcaster.log");
    let opened = || fs::read_to_string(&log).unwrap_or_default().contains("reopened");
    while !opened() && began.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(opened(), "{}", fs::read_to_string(&log).unwrap_or_default());
}
