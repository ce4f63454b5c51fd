//! Who asks: requests with and without a session, and answers that must help.

use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use test_support::peers::http;

use crate::wait::seconds;

/// What must never be shown.
pub const SECRETS: [&str; 4] = [STREAM_KEY, OTHER_KEY, PASSWORD, "$argon2id$"];
/// The key of the destination that is there all day.
pub const STREAM_KEY: &str = "live_4455_sTrEaMkEyOfThEdAy";
/// The key of those that come and go.
pub const OTHER_KEY: &str = "live_7788_aNoThErKeY";
/// The operator's.
pub const PASSWORD: &str = "pa55word of the day";

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub head: String,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// Its body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The code of a refusal; empty otherwise.
    pub fn code(&self) -> String {
        let code = self.json().get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
        code
    }

    /// Asserts that it is a refusal with words that help, and no fault of the program's.
    pub fn helps(&self, what: &str) {
        assert!((400..500).contains(&self.status), "{what}: {self:?}");
        self.explains(what);
    }

    /// Asserts that it is a refusal of any kind with words that help.
    pub fn explains(&self, what: &str) {
        let told = self.json();
        let words = told.get("error").and_then(Value::as_str).unwrap_or_default();
        assert!(told.get("success") == Some(&false.into()), "{what}: {self:?}");
        assert!(words.len() > 10, "{what}: {self:?}");
        assert!(words.contains(' '), "{what}: {self:?}");
        assert!(!self.code().is_empty(), "{what}: {self:?}");
    }
}

/// Connects from an address of this machine.
pub fn connect(from: [u8; 4], to: SocketAddr) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.bind(&SocketAddr::from((from, 0)).into()).ok()?;
    socket.connect_timeout(&to.into(), seconds(10)).ok()?;
    socket.set_read_timeout(Some(seconds(20))).ok()?;
    socket.set_write_timeout(Some(seconds(20))).ok()?;
    Some(socket.into())
}

/// What a connection still brings, as an answer; nothing when it was closed without one.
pub fn answer(stream: &mut TcpStream) -> Option<Answer> {
    let answer = http::Answer::read(stream)?;
    let (head, body) = (answer.head.clone(), answer.text());
    for secret in SECRETS {
        assert!(!head.contains(secret), "{secret} is shown: {head}");
        assert!(!body.contains(secret), "{secret} is shown: {body}");
    }
    assert!(!head.to_ascii_lowercase().contains("x-streamcaster"), "{head}");
    Some(Answer { status: answer.status, head, body })
}

/// Sends a request whole; its answer.
pub fn send(
    from: [u8; 4],
    to: SocketAddr,
    line: &str,
    fields: &str,
    body: &[u8],
) -> Option<Answer> {
    let mut stream = connect(from, to)?;
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let request = http::Request::new(method, path).fields(fields);
    let request = if body.is_empty() { request } else { request.body(body) };
    request.write(&mut stream).ok()?;
    answer(&mut stream)
}

/// Somebody with a session, or without.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Where page and API are.
    pub http: SocketAddr,
    /// Its fields.
    pub cookie: String,
}

impl Operator {
    /// Asks with a JSON body unless it is empty.
    pub fn ask(&self, method: &str, path: &str, json: impl AsRef<[u8]>) -> Answer {
        self.ask_with(method, path, "", json)
    }

    /// The same with more fields.
    pub fn ask_with(&self, method: &str, path: &str, more: &str, json: impl AsRef<[u8]>) -> Answer {
        let kind = match json.as_ref().is_empty() {
            true => "",
            false => "Content-Type: application/json\r\n",
        };
        let fields = format!("{}{kind}{more}", self.cookie);
        let line = format!("{method} {path}");
        let sent = send([127, 0, 0, 1], self.http, &line, &fields, json.as_ref());
        sent.unwrap_or_else(|| panic!("{line} is not answered"))
    }

    /// What a GET tells, which must be agreed to.
    pub fn get(&self, path: &str) -> Value {
        let told = self.ask("GET", path, "");
        assert_eq!(told.status, 200, "{path}: {told:?}");
        told.json()
    }

    /// A change that must be agreed to.
    pub fn does(&self, method: &str, path: &str, json: &str) -> Value {
        let told = self.ask(method, path, json);
        assert!((200..300).contains(&told.status), "{method} {path} {json}: {told:?}");
        told.json()
    }

    /// A piece of an upload.
    pub fn piece(&self, id: &str, offset: usize, bytes: &[u8]) -> Answer {
        let fields = format!(
            "{}Content-Type: application/octet-stream\r\nUpload-Offset: {offset}\r\n",
            self.cookie
        );
        let line = format!("PATCH /api/uploads/{id}");
        let sent = send([127, 0, 0, 1], self.http, &line, &fields, bytes);
        sent.unwrap_or_else(|| panic!("{line} is not answered"))
    }

    /// Logs in; the answer.
    pub fn log_in(from: [u8; 4], http: SocketAddr, password: &str) -> Option<Answer> {
        let json = format!("{{\"password\":\"{password}\"}}");
        let fields = "Content-Type: application/json\r\n";
        send(from, http, "POST /api/login", fields, json.as_bytes())
    }
}

/// The cookie an answer sets, as a field.
pub fn cookie(answer: &Answer) -> String {
    let set = answer.head.split("Set-Cookie: ").nth(1).expect("a cookie");
    format!("Cookie: {}\r\n", set.split(';').next().expect("a pair"))
}

/// A name as it stands in a path.
pub fn encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
