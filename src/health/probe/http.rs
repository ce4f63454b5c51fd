//! One HTTP request over loopback, with one deadline over all of it. Purpose: a probe that always
//! ends. Non-goals: TLS, keeping connections, redirects. Bounds: the deadline, and
//! [`HTTP_HEAD_BYTES_MAX`] and [`PROBE_ANSWER_BYTES_MAX`] of an answer's head and body. Whatever answers is a stranger.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE};
use ureq::http::{Request, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::Agent;

use crate::base::limits::{HTTP_HEAD_BYTES_MAX, PROBE_ANSWER_BYTES_MAX};

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
            NoAnswer::Garbage => f.write_str("another program answers there"),
            NoAnswer::Io(error) => write!(f, "{error}"),
        }
    }
}

impl From<ureq::Error> for NoAnswer {
    fn from(error: ureq::Error) -> NoAnswer {
        match error {
            ureq::Error::Timeout(_) => NoAnswer::Late,
            ureq::Error::BodyExceedsLimit(_) => NoAnswer::TooLong,
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => NoAnswer::Late,
                // It has closed before its answer was whole.
                io::ErrorKind::UnexpectedEof => NoAnswer::Garbage,
                _ => NoAnswer::Io(error),
            },
            // A head that is too large is none of ours.
            _ => NoAnswer::Garbage,
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
    // Asked directly, whatever proxy the environment names.
    let config = Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections(0)
        .max_response_header_size(HTTP_HEAD_BYTES_MAX)
        .proxy(None)
        .build();
    let agent = Agent::with_parts(config, DefaultConnector::new(), Known(target.address));
    let head = head(target, request, body, token);
    let head = head.map_err(|error| NoAnswer::Io(io::Error::other(error)))?;
    let mut answer = match body {
        "" => agent.run(head.map(|_| ()))?,
        _ => agent.run(head)?,
    };
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(PROBE_ANSWER_BYTES_MAX).read_to_vec()?;
    Ok((status, body))
}

/// The address that was found. A name that is looked up once more could be another machine's, which the
/// token is not for; and looking up takes a thread, which there may be none to have.
#[derive(Debug)]
struct Known(SocketAddr);

impl Resolver for Known {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}

/// The request.
fn head<'a>(
    target: &Target,
    (method, path): (&str, &str),
    body: &'a str,
    token: Option<&str>,
) -> Result<Request<&'a str>, ureq::http::Error> {
    let uri = format!("http://{}{path}", target.authority);
    let mut head = Request::builder().method(method).uri(uri).header(CONNECTION, "close");
    if let Some(token) = token.filter(|_| target.is_loopback()) {
        head = head.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    if !body.is_empty() {
        head = head.header(CONTENT_TYPE, "application/json");
    }
    head.body(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    const GUARD: Duration = Duration::from_secs(30);

    /// Asks somebody who says `answer` and closes; what was asked, and what came of it.
    fn exchange(
        request: (&str, &str),
        body: &str,
        answer: Vec<u8>,
    ) -> (String, Result<(u16, Vec<u8>), NoAnswer>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::at(listener.local_addr().unwrap());
        exchange_at(listener, &target, request, body, answer)
    }

    fn exchange_at(
        listener: TcpListener,
        target: &Target,
        request: (&str, &str),
        body: &str,
        answer: Vec<u8>,
    ) -> (String, Result<(u16, Vec<u8>), NoAnswer>) {
        let bytes = body.len();
        let stranger = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut asked, mut piece) = (Vec::new(), [0; 1024]);
            let whole = |asked: &[u8]| {
                let end = asked.windows(4).position(|four| four == b"\r\n\r\n");
                end.is_some_and(|end| asked.len() >= end + 4 + bytes)
            };
            while !whole(&asked) {
                let taken = stream.read(&mut piece).unwrap();
                asked.extend_from_slice(&piece[..taken]);
            }
            // Who has read enough closes before the end.
            let _ = stream.write_all(&answer);
            String::from_utf8(asked).unwrap()
        });
        let told = ask(target, request, body, Some("secret"), GUARD);
        (stranger.join().unwrap(), told)
    }

    #[test]
    fn answers_are_taken_apart() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\n{}\r\n\r\n".to_vec();
        let (asked, told) = exchange(("GET", "/api/health"), "", answer);
        assert_eq!(told.unwrap(), (503, b"{}\r\n\r\n".to_vec()));
        assert!(asked.starts_with("GET /api/health HTTP/1.1\r\n"), "{asked}");
        let moved =
            b"HTTP/1.1 308 Elsewhere\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n";
        let (asked, told) =
            exchange(("POST", "/api/maintenance"), "{\"action\":1}", moved.to_vec());
        assert_eq!(told.unwrap().0, 308, "nobody is sent elsewhere");
        let lower = asked.to_ascii_lowercase();
        assert!(lower.contains("\r\ncontent-type: application/json\r\n"), "{asked}");
        assert!(lower.contains("\r\ncontent-length: 12\r\n"), "{asked}");
        assert!(lower.contains("\r\nauthorization: bearer secret\r\n"), "{asked}");
        assert!(asked.ends_with("\r\n\r\n{\"action\":1}"), "{asked}");
    }

    #[test]
    fn what_is_not_http_or_too_long_is_no_answer() {
        let endless = [&b"HTTP/1.1 200 OK\r\nA: "[..], &[b'x'; 2 * HTTP_HEAD_BYTES_MAX]].concat();
        let broken =
            [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HELO\r\n\r\n", b"HTTP/1.1 x\r\n\r\n", &endless];
        for broken in broken {
            let (_, told) = exchange(("GET", "/"), "", broken.to_vec());
            assert!(matches!(told, Err(NoAnswer::Garbage)), "{told:?}");
        }
        let bytes = usize::try_from(PROBE_ANSWER_BYTES_MAX).unwrap();
        let long = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'x'; bytes + 1]].concat();
        let (_, told) = exchange(("GET", "/"), "", long);
        assert!(matches!(told, Err(NoAnswer::TooLong)), "{:?}", told.map(|it| it.0));
    }

    /// Each byte comes in time, and all of them together do not.
    #[test]
    fn one_deadline_is_over_all_of_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::at(listener.local_addr().unwrap());
        let stranger = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let told = ask(&target, ("GET", "/"), "", None, Duration::from_millis(300));
        assert!(matches!(told, Err(NoAnswer::Late)), "{told:?}");
        stranger.join().unwrap();
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
        let with = |target| head(target, ("GET", "/"), "", Some("secret")).unwrap();
        let said = |target| with(target).headers().get(AUTHORIZATION).cloned();
        assert_eq!(said(&near).unwrap(), "Bearer secret");
        assert!(said(&far).is_none());
    }

    #[test]
    fn a_name_is_looked_up_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // No such name is anywhere (RFC 6761, 6.4).
        let authority = "box.invalid:9".to_owned();
        let target = Target { authority, address: listener.local_addr().unwrap() };
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
        let (asked, told) = exchange_at(listener, &target, ("GET", "/"), "", answer);
        assert_eq!(told.unwrap().0, 200);
        assert!(asked.to_ascii_lowercase().contains("\r\nhost: box.invalid:9\r\n"), "{asked}");
    }
}
