//! An HTTP client. Purpose: ordinary requests, sent whole and answered whole, by anybody who needs one.
//! Non-goals: broken, slow or pipelined requests, whose bytes their tests write themselves; TLS;
//! reading one answer of several. Bound: one answer, which is waited for.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::wait::seconds;

/// A request; its connection ends with the answer, unless it asks for another end.
#[derive(Clone, Debug)]
pub struct Request {
    line: String,
    fields: String,
    has_host: bool,
    is_last: bool,
    body: Vec<u8>,
    limit: Duration,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The status line and the fields.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Request {
        Request {
            line: format!("{method} {path} HTTP/1.1\r\n"),
            fields: String::new(),
            has_host: false,
            is_last: true,
            body: Vec::new(),
            limit: seconds(10),
        }
    }

    /// A GET.
    pub fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    /// A field more. Without a Host it is `localhost`.
    pub fn field(mut self, name: &str, value: &str) -> Request {
        self.has_host |= name.eq_ignore_ascii_case("Host");
        self.fields += &format!("{name}: {value}\r\n");
        self
    }

    /// Fields more, each with the end of its line, or none; no Host is among them.
    pub fn fields(mut self, fields: &str) -> Request {
        self.fields += fields;
        self
    }

    /// A body of JSON; none when it is empty.
    pub fn json(self, json: impl AsRef<[u8]>) -> Request {
        match json.as_ref() {
            [] => self,
            json => self.field("Content-Type", "application/json").body(json),
        }
    }

    /// A body; what it is, another field says.
    pub fn body(mut self, body: &[u8]) -> Request {
        body.clone_into(&mut self.body);
        let length = body.len().to_string();
        self.field("Content-Length", &length)
    }

    /// A body of bytes that follows behind the request.
    pub fn announce(self, bytes: usize) -> Request {
        let request = self.field("Content-Type", "application/octet-stream");
        request.field("Content-Length", &bytes.to_string())
    }

    /// The connection stays for the next one.
    pub fn kept(mut self) -> Request {
        self.is_last = false;
        self
    }

    /// How long each piece of the answer is waited for; ten seconds unless it is said.
    pub fn within(mut self, limit: Duration) -> Request {
        self.limit = limit;
        self
    }

    /// Writes it onto a connection.
    ///
    /// # Errors
    /// The connection's.
    pub fn write(&self, stream: &mut impl Write) -> io::Result<()> {
        let host = if self.has_host { "" } else { "Host: localhost\r\n" };
        let end = if self.is_last { "Connection: close\r\n" } else { "" };
        let head = format!("{}{end}{}{host}\r\n", self.line, self.fields);
        stream.write_all(&[head.as_bytes(), &self.body].concat())
    }

    /// Sends it on a connection of its own, which it hands back before an answer has come.
    ///
    /// # Errors
    /// The connection's.
    pub fn begin(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(self.limit))?;
        self.write(&mut stream)?;
        Ok(stream)
    }

    /// Sends it on a connection of its own; `None`: it was not answered.
    pub fn send(&self, to: SocketAddr) -> Option<Answer> {
        Answer::read(&mut self.begin(to).ok()?)
    }
}

impl Answer {
    /// Reads all that comes; `None`: no head is among it, or its end did not come in time.
    pub fn read(stream: &mut impl Read) -> Option<Answer> {
        let mut all = Vec::new();
        match stream.read_to_end(&mut all) {
            // Who is refused before all of a body was read hears so: behind the answer.
            Err(error) if error.kind() != ErrorKind::ConnectionReset => return None,
            _ => {}
        }
        let end = all.windows(4).position(|four| four == b"\r\n\r\n")?;
        let (head, body) = all.split_at_checked(end)?;
        let head = String::from_utf8_lossy(head).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, head, body: body.get(4..)?.to_owned() })
    }

    /// A field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut found = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }

    /// The body as text; what is no UTF-8 in it is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: &Request) -> String {
        let mut bytes = Vec::new();
        request.write(&mut bytes).expect("memory takes it");
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_request_is_written_with_its_host_and_the_length_of_its_body() {
        let get = "GET /a HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\n\r\n";
        assert_eq!(written(&Request::get("/a")), get);
        assert_eq!(written(&Request::get("/a").json("")), get);
        let kept = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";
        assert_eq!(written(&Request::get("/a").kept()), kept);
        let post = Request::new("POST", "/b").field("host", "b").fields("C: d\r\n").json("{}");
        let fields = "Connection: close\r\nhost: b\r\nC: d\r\nContent-Type: application/json\r\n";
        let wanted = format!("POST /b HTTP/1.1\r\n{fields}Content-Length: 2\r\n\r\n{{}}");
        assert_eq!(written(&post), wanted);
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let mut bytes = &b"HTTP/1.1 404 Not Found\r\nA: b\r\nx-y:  z \r\n\r\n{\"c\":1}"[..];
        let answer = Answer::read(&mut bytes).expect("an answer");
        assert_eq!((answer.status, answer.field("X-Y")), (404, Some("z")));
        assert_eq!((answer.field("B"), answer.text().as_str()), (None, "{\"c\":1}"));
        assert_eq!(answer.json()["c"], 1);
        assert!(Answer::read(&mut &b"HTTP/1.1 200 OK\r\nA: b\r\n"[..]).is_none());
        assert!(Answer::read(&mut &b""[..]).is_none());
    }
}
