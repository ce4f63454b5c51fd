//! Who may: the password, sessions, HTTP Basic, over real sockets.

use std::process::{Command as Process, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use streamcaster::control::api::session::{NotStored, StoreHash};
use streamcaster::control::auth::{Code, Setup};
use streamcaster::system::clock;
use streamcaster::system::password::PasswordHash;

use super::*;

/// The reference implementation's: cheap, and its password is `password`.
const HASH: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
/// `u:password`.
const BASIC: &str = "Authorization: Basic dTpwYXNzd29yZA==\r\n";
/// `u:wrong`.
const WRONG: &str = "Authorization: Basic dTp3cm9uZw==\r\n";

/// One password is checked at a time in a process: the tests that do so take turns.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn guarded() -> ControlHandle {
    guarded_with(Box::new(|_| Ok(())))
}

/// On an appliance whose services are met in this folder.
pub fn guarded_on(appliance: std::path::PathBuf) -> ControlHandle {
    start(ControlOptions { appliance, ..guarded_options(Box::new(|_| Ok(()))) }).expect("two ports")
}

fn guarded_with(store_hash: Box<StoreHash>) -> ControlHandle {
    start(guarded_options(store_hash)).expect("two free ports")
}

pub fn guarded_options(store_hash: Box<StoreHash>) -> ControlOptions {
    let board = Board::default();
    board.publish(snapshot());
    let hash = PasswordHash::parse(HASH).expect("a hash");
    let auth = Auth::new(Some(hash), Some(Secret::new("a-token-of-the-probe"))).expect("random");
    ControlOptions { auth: Arc::new(auth), store_hash, ..options(ANY, ANY, board) }
}

fn log_in(control: &ControlHandle, password: &str) -> String {
    let body = format!("{{\"password\":\"{password}\"}}");
    say(control.http(), post("/api/login", "", &body).as_bytes())
}

/// The cookie that an answer sets, as a field of the next request.
fn cookie(answer: &str) -> String {
    let set = answer.split("Set-Cookie: ").nth(1).expect("a cookie");
    format!("Cookie: {}\r\n", set.split(';').next().expect("a pair"))
}

fn code(answer: &str) -> String {
    let told: serde_json::Value = serde_json::from_str(body(answer)).expect("JSON");
    assert_eq!(told.pointer("/success"), Some(&false.into()), "{told}");
    let code = told.pointer("/code").and_then(serde_json::Value::as_str);
    code.unwrap_or_default().to_owned()
}

fn session(control: &ControlHandle, fields: &str) -> String {
    body(&get(control.http(), "/api/session", fields)).to_owned()
}

#[test]
fn a_session_lasts_from_log_in_to_log_out() {
    let (control, _alone) = (guarded(), alone());
    let refused = get(control.http(), "/api/status", "");
    assert_eq!((status(&refused), code(&refused).as_str()), (401, "LOGIN_NEEDED"));
    assert_eq!(status(&get(control.http(), "/", "")), 200, "the page itself is open");
    assert_eq!(status(&get(control.http(), "/api/health", "")), 200);
    let out = r#"{"authenticated":false,"may_change":false,"password_set":true,"secure":false}"#;
    assert_eq!(session(&control, ""), out);

    let wrong = log_in(&control, "Password");
    assert_eq!((status(&wrong), code(&wrong).as_str()), (401, "WRONG_PASSWORD"));
    assert!(!wrong.contains("Set-Cookie") && !wrong.contains("WWW-Authenticate"));

    let answer = log_in(&control, "password");
    assert_eq!(status(&answer), 200, "{answer}");
    let set = answer.split("Set-Cookie: ").nth(1).unwrap().split("\r\n").next().unwrap();
    assert!(set.contains("; HttpOnly; SameSite=Strict; Path=/;") && !set.contains("Secure"));
    let field = cookie(&answer);
    assert_eq!(status(&get(control.http(), "/api/status", &field)), 200);
    assert_eq!(session(&control, &field), out.replacen("false", "true", 2));
    let forged = field.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(status(&get(control.http(), "/api/status", &forged)), 401);

    let logout = post("/api/logout", &field, "");
    let answer = say(control.http(), logout.as_bytes());
    assert!(status(&answer) == 200 && answer.contains("Max-Age=0"), "{answer}");
    assert_eq!(status(&get(control.http(), "/api/status", &field)), 401);
}

#[test]
fn basic_is_for_scripts_and_challenges_only_them() {
    let (control, _alone) = (guarded(), alone());
    assert_eq!(status(&get(control.http(), "/api/status", BASIC)), 200);
    assert_eq!(session(&control, BASIC).matches("true").count(), 3);
    for (fields, challenged) in [
        ("", true),
        ("Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n", true),
        ("Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n", false),
        ("User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n", false),
    ] {
        let refused = get(control.http(), "/api/status", fields);
        assert_eq!(status(&refused), 401);
        let challenge = "WWW-Authenticate: Basic realm=\"StreamCaster\"";
        assert_eq!(refused.contains(challenge), challenged, "{fields}");
    }
    let bearer = "Authorization: Bearer a-token-of-the-probe\r\n";
    assert_eq!(status(&get(control.http(), "/api/status", bearer)), 200);
}

#[test]
fn who_guesses_has_to_wait() {
    let (control, _alone) = (guarded(), alone());
    let field = cookie(&log_in(&control, "password"));
    for _ in 0..3 {
        assert_eq!(status(&get(control.http(), "/api/status", WRONG)), 401);
    }
    // A second is longer than these take; should it not be, the next wait is longer.
    let waits = (0..20).find_map(|_| {
        let answer = log_in(&control, "wrong");
        (status(&answer) == 429).then_some(answer)
    });
    let answer = waits.expect("a wait");
    assert_eq!(code(&answer), "TOO_MANY_TRIES");
    assert!(answer.contains("\r\nRetry-After: "), "{answer}");
    assert_eq!(status(&get(control.http(), "/api/status", &field)), 200, "sessions do not wait");
}

#[test]
fn two_wrong_ones_at_once_are_both_answered() {
    let (control, _alone) = (guarded(), alone());
    let mut streams = [connect(control.http()), connect(control.http())];
    let request = post("/api/login", "", r#"{"password":"wrong"}"#);
    for stream in &mut streams {
        stream.write_all(request.as_bytes()).unwrap();
    }
    for stream in &mut streams {
        assert_eq!(status(&String::from_utf8_lossy(&rest(stream))), 401);
    }
}

#[test]
fn log_ins_of_any_shape_are_answered() {
    let (control, _alone) = (guarded(), alone());
    let long = format!("{{\"password\":\"{}\"}}", "x".repeat(60_000));
    for (body, wanted) in
        [("", 400), ("{}", 400), ("[]", 400), (r#"{"password":7}"#, 400), (long.as_str(), 401)]
    {
        let answer = say(control.http(), post("/api/login", "", body).as_bytes());
        assert_eq!(status(&answer), wanted, "{body:.60}");
    }
    let cross = post("/api/login", "Sec-Fetch-Site: cross-site\r\n", r#"{"password":"password"}"#);
    assert_eq!(status(&say(control.http(), cross.as_bytes())), 403);
    let text = Request::new("POST", "/api/login").field("Content-Type", "text/plain");
    let text = text.body(br#"{"password":"password"}"#);
    assert_eq!(status(&ask(control.http(), &text)), 415);
    let open = control_with(snapshot());
    let needless = log_in(&open, "password");
    assert_eq!((status(&needless), code(&needless).as_str()), (409, "PASSWORD_NOT_SET"));
}

#[test]
fn a_new_password_is_stored_and_ends_the_other_sessions() {
    let stored = Arc::new(Mutex::new(String::new()));
    let store = Arc::clone(&stored);
    let control = guarded_with(Box::new(move |hash| {
        hash.clone_into(&mut store.lock().unwrap());
        Ok(())
    }));
    let _alone = alone();
    let own = cookie(&log_in(&control, "password"));
    let other = cookie(&log_in(&control, "password"));
    let change = |fields: &str, body: &str| {
        say(control.http(), post("/api/password", fields, body).as_bytes())
    };
    let body = r#"{"current":"password","new":"a longer one"}"#;
    assert_eq!(status(&change("", body)), 401);
    assert_eq!(status(&change(&own, r#"{"current":"password","new":"short"}"#)), 400);
    assert_eq!(status(&change(&own, r#"{"new":"a longer one"}"#)), 400);
    let wrong = change(&own, r#"{"current":"passw0rd","new":"a longer one"}"#);
    assert_eq!((status(&wrong), code(&wrong).as_str()), (401, "WRONG_PASSWORD"));
    assert!(stored.lock().unwrap().is_empty());

    let changed = change(&own, body);
    assert_eq!(status(&changed), 200, "{changed}");
    let hash = stored.lock().unwrap().clone();
    let known = PasswordHash::parse(&hash).expect("a hash").verify("a longer one");
    assert_eq!(known, Ok(true));
    assert_eq!(status(&get(control.http(), "/api/status", &own)), 200);
    assert_eq!(status(&get(control.http(), "/api/status", &other)), 401);
    assert_eq!(status(&log_in(&control, "password")), 401);
    assert_eq!(status(&log_in(&control, "a longer one")), 200);
    assert!(!changed.contains("longer") && !changed.contains("argon2"), "{changed}");
}

#[test]
fn a_password_that_cannot_be_stored_is_not_changed() {
    let elsewhere = |_: &str| Err(NotStored::Elsewhere("It is set elsewhere.".to_owned()));
    let control = guarded_with(Box::new(elsewhere));
    let _alone = alone();
    let own = cookie(&log_in(&control, "password"));
    let body = r#"{"current":"password","new":"a longer one"}"#;
    let answer = say(control.http(), post("/api/password", &own, body).as_bytes());
    assert_eq!((status(&answer), code(&answer).as_str()), (409, "SET_ELSEWHERE"));
    assert_eq!(status(&log_in(&control, "password")), 200);
}

/// A control plane without a password, and its code in a folder of the test's own.
fn with_code(name: &str) -> (ControlHandle, std::path::PathBuf) {
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("code-{name}"));
    std::fs::create_dir_all(&state).expect("a folder");
    let auth = Auth::new(None, None).expect("random");
    let mut code = Code::new(&state).expect("random");
    code.write_down().expect("a file");
    auth.take_code(Some(code));
    let board = Board::default();
    board.publish(snapshot());
    let options = ControlOptions { auth: Arc::new(auth), ..options(ANY, ANY, board) };
    (start(options).expect("two free ports"), state.join("page.code"))
}

fn enter(control: &ControlHandle, code: &str) -> String {
    let body = format!("{{\"code\":\"{code}\"}}");
    say(control.http(), post_without("/api/login", "", &body).as_bytes())
}

#[test]
fn this_machine_looks_and_changes_with_the_code_and_sets_the_first_password() {
    let ((control, file), _alone) = (with_code("first"), alone());
    let told = |fields: &str| -> serde_json::Value {
        serde_json::from_str(&session(&control, fields)).expect("JSON")
    };
    let out = serde_json::json!({
        "authenticated": true, "may_change": false, "password_set": false, "secure": false,
        "code_file": file,
    });
    assert_eq!(told(""), out);
    let set = |fields: &str| {
        let request = post_without("/api/password", fields, r#"{"new":"the first one"}"#);
        say(control.http(), request.as_bytes())
    };
    let refused = set("");
    assert_eq!((status(&refused), code(&refused).as_str()), (401, "CODE_NEEDED"));
    assert!(refused.contains("\r\nWWW-Authenticate: Bearer "), "{refused}");
    assert!(refused.contains("state/page.code"), "it says what to do: {refused}");
    assert_eq!(status(&get(control.http(), "/api/status", "")), 200);

    let wrong = enter(&control, "abcdefghjkmn");
    assert_eq!((status(&wrong), code(&wrong).as_str()), (403, "WRONG_PAGE_CODE"));
    let typed = std::fs::read_to_string(&file).expect("the code");
    let other = cookie(&enter(&control, typed.trim()));
    let answer = enter(&control, typed.trim());
    assert_eq!(status(&answer), 200, "{answer}");
    let field = cookie(&answer);
    assert_eq!(told(&field)["may_change"], true);

    let answer = set(&field);
    assert_eq!(status(&answer), 200, "{answer}");
    assert_eq!(status(&get(control.http(), "/api/status", &field)), 200);
    for stranger in ["", other.as_str()] {
        assert_eq!(status(&get(control.http(), "/api/status", stranger)), 401);
    }
    // The code is good for nothing any more, and nobody is told where it stands.
    assert_eq!(status(&enter(&control, typed.trim())), 400);
    assert_eq!(told("").get("code_file"), None);
}

/// What asks from this machine without being asked by its operator: no code, no token.
#[test]
fn a_proxy_a_page_and_another_name_change_nothing_without_a_password() {
    let (control, file) = with_code("proxy");
    let typed = std::fs::read_to_string(&file).expect("the code");
    let body = format!("{{\"code\":\"{}\"}}", typed.trim());
    let at = control.http();
    for (fields, host, wanted) in [
        ("X-Forwarded-For: 203.0.113.7\r\n", "localhost", "PASSWORD_NOT_SET"),
        ("Via: 1.1 proxy\r\n", "localhost", "PASSWORD_NOT_SET"),
        ("CF-Connecting-IP: 203.0.113.7\r\n", "localhost", "PASSWORD_NOT_SET"),
        ("X-Acme-Visitor: 203.0.113.7\r\n", "localhost", "PASSWORD_NOT_SET"),
        ("Sec-Fetch-Site: cross-site\r\n", "localhost", "FORBIDDEN"),
        ("Origin: http://localhost:3000\r\n", "localhost", "FORBIDDEN"),
        ("", "box", "FORBIDDEN"),
        ("", "box.local", "FORBIDDEN"),
        ("", "cast.example", "FORBIDDEN"),
        ("", "192.168.1.5", "FORBIDDEN"),
    ] {
        for (path, body) in [("/api/login", body.as_str()), ("/api/stop", "")] {
            let request = command("POST", path, body).fields(fields).field("Host", host);
            let refused = ask(at, &request);
            assert_eq!((status(&refused), code(&refused).as_str()), (403, wanted), "{request:?}");
        }
    }
    for host in ["localhost", "LOCALHOST:80", "a.localhost", "127.0.0.1", "[::1]:8080"] {
        let request = Request::get("/api/status").field("Host", host);
        assert_eq!(status(&ask(at, &request)), 200, "{host}");
    }
    let stop = post_without("/api/stop", "", "");
    assert_eq!(code(&say(at, stop.as_bytes())), "CODE_NEEDED");
}

/// The program over a folder, until it is ready: what it has printed, and the code in its file.
/// `in_terminal`: script(1) gives it one.
fn printed_and_code(data: &Path, in_terminal: bool) -> (String, String) {
    let ports = ["--udp", "--rtmp", "--http", "--stat"].map(|port| format!("{port} 127.0.0.1:0"));
    let program = env!("CARGO_BIN_EXE_streamcaster");
    let line = format!("exec {program} run --data {} {} 2>&1", data.display(), ports.join(" "));
    let mut process = match in_terminal {
        true => Process::new("script"),
        false => Process::new("sh"),
    };
    let arguments = if in_terminal { vec!["-qefc", &line, "/dev/null"] } else { vec!["-c", &line] };
    let process = process.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = process.spawn().expect("it starts");
    let mut lines = std::io::BufReader::new(process.stdout.take().expect("a pipe"));
    let mut printed = String::new();
    while !printed.trim_end().ends_with("ready") {
        let taken = std::io::BufRead::read_line(&mut lines, &mut printed).expect("it prints");
        assert!(taken > 0, "it ended: {printed}");
    }
    let read = |name: &str| std::fs::read_to_string(data.join("state").join(name)).expect("a file");
    let code = read("page.code").trim().to_owned();
    let killed = Process::new("kill").arg(read("streamcaster.pid").trim()).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let _ = lines.read_to_string(&mut printed);
    process.wait().expect("it ends");
    (printed, code)
}

#[test]
fn the_code_is_for_a_terminal_and_never_for_the_log() {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("code-shown");
    let _ = std::fs::remove_dir_all(&data);
    let (printed, first) = printed_and_code(&data, false);
    assert!(printed.contains("state/page.code") && !printed.contains(&first), "{printed}");
    let (printed, second) = printed_and_code(&data, true);
    assert!(printed.contains("state/page.code"), "{printed}");
    assert!(printed.contains(&format!("until the program ends: {second}")), "{printed}");
    assert_ne!(first, second, "each start has its own");
    let log = std::fs::read_to_string(data.join("logs/streamcaster.log")).expect("the log");
    assert!(log.contains("state/page.code") && ![first, second].iter().any(|it| log.contains(it)));
    std::fs::remove_dir_all(&data).expect("removed");
}

/// `streamcaster` with something on its standard input: its status, output and errors.
fn hash_password(input: &[u8]) -> (bool, String, String) {
    let mut process = Process::new(env!("CARGO_BIN_EXE_streamcaster"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    // One that refuses early may not read it all.
    let _ = process.stdin.take().expect("a pipe").write_all(input);
    let output = process.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn hash_password_prints_the_line_for_the_configuration() {
    let (done, line, _) = hash_password(b"w0rds of mine\n");
    assert!(done && !line.contains("w0rds"), "{line}");
    let config = streamcaster::config::parse(&format!("[http]\n{line}")).expect("valid");
    let _alone = alone();
    let hash = config.http.password_hash.expect("a hash");
    assert_eq!(hash.verify("w0rds of mine"), Ok(true));
    for input in
        [&b""[..], b"\n", b"short77\n", b"\xff\xff\xff\xff\xff\xff\xff\xff\n", &[b'x'; 129]]
    {
        let (done, out, words) = hash_password(input);
        assert!(!done && out.is_empty() && words.ends_with(".\n"), "{out} {words}");
    }
}

#[test]
fn what_was_granted_for_long_ends_with_the_right_to_it() {
    let (control, _alone) = (guarded(), alone());
    let cookie = cookie(&log_in(&control, "password"));
    let request = Request::get("/api/events").fields(&cookie).within(GUARD);
    let mut events = request.begin(control.http()).expect("a connection");
    let mut first = [0; 12];
    events.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
    let logged_out = say(control.http(), post("/api/logout", &cookie, "").as_bytes());
    assert_eq!(status(&logged_out), 200, "{logged_out}");
    let (begun, mut piece) = (Instant::now(), [0; 4096]);
    while events.read(&mut piece).expect("events, or their end") > 0 {
        assert!(begun.elapsed() < GUARD, "the events go on");
    }
}

/// The first start's code, from anywhere, by one who knows no password yet.
#[test]
fn the_first_starts_code_tells_the_password_once_and_to_no_other_site() {
    let state = std::env::temp_dir().join(format!("streamcaster-code-{}", std::process::id()));
    std::fs::create_dir_all(&state).expect("a folder");
    let now_s = clock::utc().0 / 1000;
    let text = format!("abcdefghjkmn\npassword\n{HASH}\n{now_s}\n");
    std::fs::write(state.join("setup"), text).expect("a file");
    let auth = Auth::new(PasswordHash::parse(HASH).ok(), None).expect("random");
    auth.offer(Setup::load(&state, clock::mono()));
    let board = Board::default();
    board.publish(snapshot());
    let options = ControlOptions { auth: Arc::new(auth), ..options(ANY, ANY, board) };
    let control = start(options).expect("two free ports");
    let ask = |fields: &str, code: &str| {
        let body = format!("{{\"code\":\"{code}\"}}");
        say(control.http(), post("/api/setup", fields, &body).as_bytes())
    };
    let strange = ask("Origin: http://evil.example\r\n", "abcdefghjkmn");
    assert_eq!((status(&strange), code(&strange).as_str()), (403, "FORBIDDEN"));
    let wrong = ask("", "abcdefghjkmm");
    assert_eq!((status(&wrong), code(&wrong).as_str()), (403, "WRONG_CODE"));
    assert!(state.join("setup").exists());
    let right = ask("", "abcdefghjkmn");
    assert_eq!(status(&right), 200, "{right}");
    assert_eq!(body(&right), r#"{"success":true,"password":"password"}"#);
    assert!(right.contains("Cache-Control: no-store") && !state.join("setup").exists());
    let used = ask("", "abcdefghjkmn");
    assert_eq!((status(&used), body(&used)), (403, body(&wrong)));
    let _ = std::fs::remove_dir_all(&state);
}
