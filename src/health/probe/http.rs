//! One HTTP request over loopback, with one deadline over all of it. Purpose: a probe that always
//! ends. Non-goals: TLS, keeping connections, redirects. Bounds: the deadline, and
//! [`PROBE_ANSWER_BYTES_MAX`] bytes of answer. Whatever answers is a stranger.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::base::limits::PROBE_ANSWER_BYTES_MAX;

/// Where the API is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host and port as they stand in the URL.
    authority: String,
    address: SocketAddr,
}

impl Target {
    /// The API at an address.
    pub fn at(address: SocketAddr) -> Target {
        Target { authority: address.to_string(), address }
    }

    /// The API at `http://host[:port][/]`.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn from_url(url: &str) -> Result<Target, String> {
        let rest = url.strip_prefix("http://").ok_or("the URL must begin with http://")?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(plain) {
            return Err("the URL must be http://HOST:PORT, without a path".to_owned());
        }
        let has_port = authority.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let dialled = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        let found = dialled.to_socket_addrs().map(|mut addresses| addresses.next());
        match found {
            Ok(Some(address)) => Ok(Target { authority: authority.to_owned(), address }),
            Ok(None) => Err(format!("{authority} has no address")),
            Err(error) => Err(format!("{authority}: {error}")),
        }
    }

    fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// The deadline has passed.
    Late,
    /// The answer is longer than [`PROBE_ANSWER_BYTES_MAX`].
    TooLong,
    /// What came is not HTTP.
    Garbage,
    /// The connection.
    Io(io::Error),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::Late => f.write_str("it took too long"),
            NoAnswer::TooLong => write!(f, "longer than {PROBE_ANSWER_BYTES_MAX} bytes"),
            NoAnswer::Garbage => f.write_str("what answers there is not this program"),
            NoAnswer::Io(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> NoAnswer {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => NoAnswer::Late,
            _ => NoAnswer::Io(error),
        }
    }
}

/// Asks; the status and the body. `token` goes to this machine only.
///
/// # Errors
/// See [`NoAnswer`].
pub fn ask(
    target: &Target,
    request: (&str, &str),
    body: &str,
    token: Option<&str>,
    timeout: Duration,
) -> Result<(u16, Vec<u8>), NoAnswer> {
    let deadline = Instant::now() + timeout;
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(NoAnswer::Late)
        } else {
            Ok(left)
        }
    };
    let mut stream = TcpStream::connect_timeout(&target.address, left()?)?;
    let head = head(target, request, body, token);
    let mut unsent = [head.as_bytes(), body.as_bytes()].concat();
    while !unsent.is_empty() {
        stream.set_write_timeout(Some(left()?))?;
        let count = stream.write(&unsent)?;
        if count == 0 {
            return Err(NoAnswer::Io(io::ErrorKind::WriteZero.into()));
        }
        unsent.drain(..count);
    }
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left()?))?;
        let count = match stream.read(&mut piece) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        if count == 0 {
            break;
        }
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
        if answer.len() as u64 > PROBE_ANSWER_BYTES_MAX {
            return Err(NoAnswer::TooLong);
        }
    }
    parse(&answer).ok_or(NoAnswer::Garbage)
}

/// HTTP/1.0: the answer ends with the connection and has no chunks.
fn head(target: &Target, request: (&str, &str), body: &str, token: Option<&str>) -> String {
    let ((method, path), authority) = (request, &target.authority);
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {authority}\r\n");
    if let Some(token) = token.filter(|_| target.is_loopback()) {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    if !body.is_empty() {
        let length = body.len();
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"));
    }
    head.push_str("Connection: close\r\n\r\n");
    head
}

/// Status and body of an answer that is all there.
fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let line = head.split("\r\n").next()?.strip_prefix("HTTP/1.")?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.get(end + 4..)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\n{}\r\n\r\n";
        assert_eq!(parse(answer), Some((503, b"{}\r\n\r\n".to_vec())));
        for broken in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HELO\r\n\r\n", b"HTTP/1.1 x\r\n\r\n"] {
            assert_eq!(parse(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn urls_are_hosts_and_nothing_else() {
        let good = Target::from_url("http://127.0.0.1:9/").unwrap();
        assert_eq!(good.address, "127.0.0.1:9".parse().unwrap());
        assert_eq!(Target::from_url("http://[::1]").unwrap().address.port(), 80);
        for bad in ["https://a", "127.0.0.1:80", "http://", "http://a/b", "http://a\r\nb:1"] {
            assert!(Target::from_url(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_token_stays_on_this_machine() {
        let near = Target::at("127.0.0.1:1".parse().unwrap());
        let far = Target::at("192.0.2.1:1".parse().unwrap());
        let with = |target| head(target, ("GET", "/"), "", Some("secret"));
        assert!(with(&near).contains("Authorization: Bearer secret\r\n"));
        assert!(!with(&far).contains("secret"));
    }
}
