//! A request's head, parsed strictly (RFC 9112). Purpose: whatever two readers could understand
//! in two ways (bare line feeds, folded lines, doubled or odd lengths, transfer codings) is
//! refused, so that nothing can be smuggled past the gate. Non-goals: routing, bodies. Bounds:
//! [`HTTP_HEAD_BYTES_MAX`](crate::base::limits::HTTP_HEAD_BYTES_MAX) bytes, which the caller
//! keeps, and [`HTTP_FIELDS_MAX`] fields.

use std::fmt;
use std::str::FromStr;

use tiny_http::Method;

use crate::base::limits::{HTTP_BODY_BYTES_MAX, HTTP_FIELDS_MAX};
use crate::base::redact::MASK;
use crate::control::http::forwarded::Forwarding;
use crate::control::http::problem::Problem;
use crate::control::http::proxy_fields::speaks_for_another;
use crate::net::proxy::header::HeaderError;

/// The longest method taken: CONNECT and OPTIONS have 7 letters.
const METHOD_BYTES_MAX: usize = 16;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request line is not `METHOD /path HTTP/1.x`.
    BadRequestLine,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    BadVersion,
    /// A field is malformed, folded, or has a control character.
    BadField,
    /// More than [`HTTP_FIELDS_MAX`] fields.
    TooManyFields,
    /// The head is larger than `HTTP_HEAD_BYTES_MAX`.
    HeadTooLarge,
    /// HTTP/1.1 without exactly one Host (RFC 9112, 3.2).
    BadHost,
    /// Content-Length is doubled or not a number, or stands beside Transfer-Encoding.
    BadLength,
    /// A transfer coding: bodies need a Content-Length here.
    LengthRequired,
    /// The declared body is larger than [`HTTP_BODY_BYTES_MAX`].
    BodyTooLarge,
    /// An Expect other than 100-continue.
    BadExpectation,
    /// A PROXY header that is not a believed proxy's first word.
    ProxyHeader,
    /// A PROXY header that cannot be read.
    BadProxyHeader(HeaderError),
    /// The client's network is not one that may connect.
    Network,
    /// Head or body did not come in time.
    TooSlow,
    /// No room, or the answering side did not answer in time.
    Unavailable,
}

impl Refusal {
    /// What is answered.
    pub const fn problem(self) -> Problem {
        match self {
            Refusal::BadRequestLine
            | Refusal::BadField
            | Refusal::BadHost
            | Refusal::BadLength
            | Refusal::ProxyHeader
            | Refusal::BadProxyHeader(_) => Problem::Invalid,
            Refusal::Network => Problem::ForeignNetwork,
            Refusal::TooSlow => Problem::RequestTooSlow,
            Refusal::LengthRequired => Problem::LengthRequired,
            Refusal::BodyTooLarge => Problem::BodyTooLarge,
            Refusal::BadExpectation => Problem::BadExpectation,
            Refusal::TooManyFields | Refusal::HeadTooLarge => Problem::HeadTooLarge,
            Refusal::Unavailable => Problem::Unavailable,
            Refusal::BadVersion => Problem::BadVersion,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::BadRequestLine => f.write_str("The request line is not HTTP."),
            Refusal::BadVersion => f.write_str("Only HTTP/1.0 and HTTP/1.1 are spoken here."),
            Refusal::BadField => f.write_str("A header field is malformed."),
            Refusal::TooManyFields => {
                write!(f, "The request has more than {HTTP_FIELDS_MAX} header fields.")
            }
            Refusal::HeadTooLarge => f.write_str("The request's head is too large."),
            Refusal::BadHost => f.write_str("The request needs exactly one Host."),
            Refusal::BadLength => f.write_str("The Content-Length is not one plain number."),
            Refusal::LengthRequired => f.write_str("A body needs a Content-Length here."),
            Refusal::BodyTooLarge => {
                write!(f, "The body is larger than {HTTP_BODY_BYTES_MAX} bytes.")
            }
            Refusal::BadExpectation => f.write_str("Only 100-continue may be expected."),
            Refusal::ProxyHeader => f.write_str(
                "A PROXY header is taken only from the addresses of [proxy] from, and there at the \
                 beginning of a connection.",
            ),
            Refusal::BadProxyHeader(error) => {
                write!(f, "The PROXY header cannot be read: {error}.")
            }
            Refusal::Network => f.write_str("Your network is not among those that may connect here."),
            Refusal::TooSlow => f.write_str("The request did not come in time."),
            Refusal::Unavailable => f.write_str("The control plane is busy; try again."),
        }
    }
}

/// A request's line and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The method; its name is in capitals.
    pub method: Method,
    /// Path and query; printable ASCII that begins with `/`.
    pub target: String,
    /// The connection may be used again.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends its body (RFC 9110, 10.1.1).
    pub expects_continue: bool,
    /// The body.
    pub body: Body,
    /// The fields that somebody looks at.
    pub fields: HeaderFields,
    /// Whom it was forwarded for, if a proxy that is believed says so.
    pub forwarding: Forwarding,
}

/// The fields that somebody behind the gate looks at, as sent; the first of a name counts, and one
/// that is not printable ASCII counts as absent. All others stay at the gate: hop-by-hop ones (RFC
/// 9110, 7.6.1) are its own business.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderFields {
    host: Option<String>,
    accept_encoding: Option<String>,
    content_type: Option<String>,
    if_match: Option<String>,
    if_none_match: Option<String>,
    last_event_id: Option<String>,
    origin: Option<String>,
    upload_offset: Option<String>,
    sec_fetch_site: Option<String>,
    sec_fetch_mode: Option<String>,
    user_agent: Option<String>,
    cookie: Option<String>,
    authorization: Option<String>,
}

/// Makes what reads each field: its text, empty when absent.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident),*) => {
        impl HeaderFields {
            $($(#[$doc])*
            pub fn $name(&self) -> &str {
                self.$name.as_deref().unwrap_or_default()
            })*
        }
    };
}

texts! {
    /// Host.
    host,
    /// Accept-Encoding.
    accept_encoding,
    /// Content-Type.
    content_type,
    /// If-Match.
    if_match,
    /// If-None-Match.
    if_none_match,
    /// Last-Event-ID.
    last_event_id,
    /// Origin.
    origin,
    /// Upload-Offset.
    upload_offset,
    /// Sec-Fetch-Site.
    sec_fetch_site,
    /// Sec-Fetch-Mode.
    sec_fetch_mode,
    /// User-Agent.
    user_agent,
    /// Cookie.
    cookie,
    /// Authorization.
    authorization
}

impl HeaderFields {
    /// Keeps a field, its name in small letters, if somebody looks at it.
    fn keep(&mut self, name: &str, value: &[u8]) {
        let field = match name {
            "host" => &mut self.host,
            "accept-encoding" => &mut self.accept_encoding,
            "content-type" => &mut self.content_type,
            "if-match" => &mut self.if_match,
            "if-none-match" => &mut self.if_none_match,
            "last-event-id" => &mut self.last_event_id,
            "origin" => &mut self.origin,
            "upload-offset" => &mut self.upload_offset,
            "sec-fetch-site" => &mut self.sec_fetch_site,
            "sec-fetch-mode" => &mut self.sec_fetch_mode,
            "user-agent" => &mut self.user_agent,
            "cookie" => &mut self.cookie,
            "authorization" => &mut self.authorization,
            _ => return,
        };
        if field.is_none() && value.iter().all(is_printable) {
            *field = Some(String::from_utf8_lossy(value).into_owned());
        }
    }
}

impl fmt::Debug for HeaderFields {
    /// Secrets are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// A request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes, read before the request is handed on.
    Whole(usize),
    /// A piece of a file or a package, of so many bytes: read when the answer to the head is a stream.
    Piece(u64),
}

/// Which requests may bring a body that is too large to be held, by method and target.
pub type MayBeLarge = fn(&Method, &str) -> bool;

/// Where the first head in `input` ends (behind its empty line), if it does; the first `seen`
/// bytes were searched before, with what had come then. Bare line feeds count here, so that a
/// head made of them is refused at once and not waited for.
pub fn end_of_head(input: &[u8], seen: usize) -> Option<usize> {
    // The line feed before an empty line may be the last or last but one byte of those.
    let mut from = seen.saturating_sub(2);
    while let Some(at) = input.get(from..)?.iter().position(|byte| *byte == b'\n') {
        from += at + 1;
        match input.get(from..)? {
            [b'\n', ..] => return Some(from + 1),
            [b'\r', b'\n', ..] => return Some(from + 2),
            _ => {}
        }
    }
    None
}

/// Parses a whole head, its empty line included. `may_be_large` tells which requests may bring a body
/// that is too large to be held.
pub fn parse(head: &[u8], may_be_large: MayBeLarge) -> Result<Head, Refusal> {
    let text = head.strip_suffix(b"\r\n").ok_or(Refusal::BadField)?;
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').map(|l| l.strip_suffix(b"\r\n"));
    let first = lines.next().flatten().ok_or(Refusal::BadRequestLine)?;
    let (method, target, minor) = request_line(first)?;
    let mut all = AllFields::default();
    for line in lines {
        all.take(line.ok_or(Refusal::BadField)?)?;
    }
    let body = all.judge(minor, may_be_large(&method, &target))?;
    Ok(Head {
        method,
        target,
        keep_alive: minor == 1 && !all.close,
        expects_continue: minor == 1 && all.expects_continue,
        body,
        fields: all.kept,
        forwarding: all.forwarding,
    })
}

/// Method, target and the minor version.
fn request_line(line: &[u8]) -> Result<(Method, String, u8), Refusal> {
    let line = std::str::from_utf8(line).map_err(|_| Refusal::BadRequestLine)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::BadRequestLine);
    };
    let minor = match version {
        "HTTP/1.1" => 1,
        "HTTP/1.0" => 0,
        other if other.starts_with("HTTP/") => return Err(Refusal::BadVersion),
        _ => return Err(Refusal::BadRequestLine),
    };
    let method_fits = (1..=METHOD_BYTES_MAX).contains(&method.len())
        && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let target_fits = target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic());
    let method = Method::from_str(method).ok().filter(|_| method_fits && target_fits);
    Ok((method.ok_or(Refusal::BadRequestLine)?, target.to_owned(), minor))
}

/// What is gathered from one field after the other.
#[derive(Default)]
struct AllFields {
    count: usize,
    hosts: usize,
    length: Option<u64>,
    octets: bool,
    coded: bool,
    close: bool,
    expects_continue: bool,
    bad_expectation: bool,
    /// A proxy sends it for somebody else.
    forwarding: Forwarding,
    kept: HeaderFields,
}

impl AllFields {
    fn take(&mut self, line: &[u8]) -> Result<(), Refusal> {
        self.count += 1;
        if self.count > HTTP_FIELDS_MAX {
            return Err(Refusal::TooManyFields);
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Refusal::BadField)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Refusal::BadField)?;
        let value = trimmed(value.strip_prefix(b":").unwrap_or(value));
        let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        if name.is_empty() || !name.iter().all(is_token) || value.iter().any(control) {
            return Err(Refusal::BadField);
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        match name.as_str() {
            "host" => self.hosts += 1,
            name if speaks_for_another(name, value) => self.forwarding.take(name, value),
            "content-length" => self.take_length(value)?,
            "transfer-encoding" => self.coded = true,
            "connection" => self.close |= has_word(value, b"close"),
            "expect" if value.eq_ignore_ascii_case(b"100-continue") => self.expects_continue = true,
            "expect" => self.bad_expectation = true,
            "content-type" => self.octets = value.eq_ignore_ascii_case(b"application/octet-stream"),
            _ => {}
        }
        self.kept.keep(&name, value);
        Ok(())
    }

    fn take_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        if !digits || self.length.is_some() {
            return Err(Refusal::BadLength);
        }
        self.length = Some(String::from_utf8_lossy(value).parse().unwrap_or(u64::MAX));
        Ok(())
    }

    /// What only all fields together tell; `large` when the body may be one that is not held.
    fn judge(&self, minor: u8, large: bool) -> Result<Body, Refusal> {
        if self.coded && self.length.is_some() {
            return Err(Refusal::BadLength);
        }
        if self.coded {
            return Err(Refusal::LengthRequired);
        }
        if self.hosts > 1 || (minor == 1 && self.hosts == 0) {
            return Err(Refusal::BadHost);
        }
        if self.bad_expectation {
            return Err(Refusal::BadExpectation);
        }
        let length = self.length.unwrap_or(0);
        if large && self.octets {
            return Ok(Body::Piece(length));
        }
        let whole = usize::try_from(length).ok().filter(|bytes| *bytes <= HTTP_BODY_BYTES_MAX);
        whole.map(Body::Whole).ok_or(Refusal::BodyTooLarge)
    }
}

/// A token's characters (RFC 9110, 5.6.2).
fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

fn is_printable(byte: &u8) -> bool {
    byte.is_ascii_graphic() || *byte == b' '
}

/// Without the blanks and tabs around it. Other white space is no part of HTTP's grammar.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether a comma-separated list has `word`.
fn has_word(list: &[u8], word: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|item| trimmed(item).eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &[u8]) -> Result<Head, Refusal> {
        super::parse(head, |method, target| {
            *method == Method::Patch && target.starts_with("/large/")
        })
    }

    fn only_host(host: &str) -> HeaderFields {
        HeaderFields { host: Some(host.to_owned()), ..HeaderFields::default() }
    }

    fn get(fields: &str) -> Result<Head, Refusal> {
        parse(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())
    }

    #[test]
    fn a_plain_request_is_understood() {
        let head = parse(b"GET /api/status?x=1 HTTP/1.1\r\nHost: box:8080\r\nAccept: */*\r\n\r\n");
        let head = head.unwrap();
        assert_eq!((head.method, head.target.as_str()), (Method::Get, "/api/status?x=1"));
        assert!(head.keep_alive);
        assert!(head.fields == only_host("box:8080") && !head.forwarding.is_any());
        assert!(!parse(b"GET / HTTP/1.0\r\n\r\n").unwrap().keep_alive);
        assert!(!get("Connection: TE, Close\r\n").unwrap().keep_alive);
    }

    #[test]
    fn only_listed_fields_are_kept() {
        let head = get("X-Streamcaster-Port: stat\r\nX-Streamcaster-Peer: ::1\r\nUpgrade: h2c\r\n");
        // Not kept; that it names an address is.
        let head = head.unwrap();
        assert!(head.fields == only_host("a") && head.forwarding.is_any());
        for field in [
            "Forwarded: a=b",
            "x-forwarded-for:",
            "X-Real-IP: ä",
            "Via: 1.1 cache",
            "CF-Connecting-IP: 192.0.2.1",
            "True-Client-IP: 192.0.2.1",
            "X-Forwarded-Host: a",
            "X-Client-IP: 192.0.2.1",
            "Fastly-Client-IP: 192.0.2.1",
            "X-Original-Forwarded-For: 192.0.2.1",
            "Client-IP: 192.0.2.1",
            "X-ProxyUser-Ip: 192.0.2.1",
            "X-Envoy-External-Address: 192.0.2.1",
            "X-Forwarded-For: a\r\nForwarded: b",
        ] {
            let head = get(&format!("{field}\r\n")).unwrap();
            assert!(head.fields == only_host("a") && head.forwarding.is_any(), "{field}");
        }
        let odd = b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \xc3\xa4\r\nCookie: a\tb\r\n\r\n";
        assert!(parse(odd).unwrap().fields == only_host("a"));
    }

    #[test]
    fn of_two_fields_of_a_name_the_first_counts() {
        let fields =
            get("Origin:\r\nOrigin: http://a\r\nCookie: \u{e4}\r\nCOOKIE:  b \r\nCookie: c\r\n");
        let fields = fields.unwrap().fields;
        assert_eq!((fields.origin(), fields.cookie(), fields.host()), ("", "b", "a"));
        assert!(!format!("{fields:?}").contains('b'), "secrets are not shown");
    }

    #[test]
    fn the_end_is_found_for_every_kind_of_line() {
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\n\r", 0), None);
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\n\r\nrest", 0), Some(18));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\n\nrest", 0), Some(16));
        assert_eq!(end_of_head(b"", 0), None);
    }

    #[test]
    fn the_end_is_found_however_the_head_is_cut() {
        for head in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"GET / HTTP/1.1\n\n"] {
            for seen in 0..head.len() {
                assert_eq!(end_of_head(&head[..seen], 0), None);
                assert_eq!(end_of_head(head, seen), Some(head.len()), "{seen}");
            }
        }
    }

    #[test]
    fn odd_request_lines_are_refused() {
        for line in [
            "",
            "GET",
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "get / HTTP/1.1",
            "GET http://a/ HTTP/1.1",
            "GET * HTTP/1.1",
            "GET /\u{e4} HTTP/1.1",
            "GET /\t HTTP/1.1",
            " GET / HTTP/1.1",
            "GET / http/1.1",
            "AVERYVERYLONGMETHOD / HTTP/1.1",
        ] {
            let head = format!("{line}\r\nHost: a\r\n\r\n");
            assert_eq!(parse(head.as_bytes()), Err(Refusal::BadRequestLine), "{line:?}");
        }
        for version in ["HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "HTTP/11"] {
            let head = format!("GET / {version}\r\nHost: a\r\n\r\n");
            assert_eq!(parse(head.as_bytes()), Err(Refusal::BadVersion), "{version}");
        }
    }

    #[test]
    fn tricks_with_lines_and_fields_are_refused() {
        for field in [
            " folded: x\r\n",
            "A: b\r\n c\r\n",
            "A : b\r\n",
            ": b\r\n",
            "no colon\r\n",
            "A: \0\r\n",
            "A: b\rc\r\n",
            "A: b\nB: c\r\n",
            "A\u{e4}: b\r\n",
            "A: b\r\r\n",
            "A: \x7f\r\n",
        ] {
            assert_eq!(get(field), Err(Refusal::BadField), "{field:?}");
        }
        assert_eq!(parse(b"GET / HTTP/1.1\nHost: a\r\n\r\n"), Err(Refusal::BadRequestLine));
        assert_eq!(parse(b"GET / HTTP/1.1\nHost: a\n\n"), Err(Refusal::BadField));
        assert_eq!(get(&"A: b\r\n".repeat(HTTP_FIELDS_MAX)), Err(Refusal::TooManyFields));
        assert!(get(&"A: b\r\n".repeat(HTTP_FIELDS_MAX - 1)).is_ok());
    }

    #[test]
    fn lengths_are_one_plain_number() {
        assert_eq!(get("Content-Length: 65536\r\n").unwrap().body, Body::Whole(65_536));
        assert_eq!(get("Content-Length: 65537\r\n"), Err(Refusal::BodyTooLarge));
        assert_eq!(get("Content-Length: 99999999999999999999999\r\n"), Err(Refusal::BodyTooLarge));
        for value in ["", "+5", "-5", "5, 5", "0x5", "5 5", "five"] {
            let field = format!("Content-Length: {value}\r\n");
            assert_eq!(get(&field), Err(Refusal::BadLength), "{value}");
        }
        assert_eq!(get("Content-Length: 5\r\nContent-Length: 5\r\n"), Err(Refusal::BadLength));
        assert_eq!(
            get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            Err(Refusal::BadLength)
        );
        assert_eq!(get("Transfer-Encoding: chunked\r\n"), Err(Refusal::LengthRequired));
        assert_eq!(get("Transfer-Encoding: xchunked\r\n"), Err(Refusal::LengthRequired));
    }

    #[test]
    fn only_a_piece_of_a_file_may_be_larger() {
        let octets = "Content-Type: application/octet-stream\r\n";
        let head = |method: &str, target: &str, fields: &str| {
            let length = "Content-Length: 8589934592\r\n";
            let text = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{length}{fields}\r\n");
            parse(text.as_bytes()).map(|head| head.body)
        };
        assert_eq!(head("PATCH", "/large/7", octets), Ok(Body::Piece(8 << 30)));
        let too_large = Err(Refusal::BodyTooLarge);
        assert_eq!(head("POST", "/large/7", octets), too_large);
        assert_eq!(head("PATCH", "/large", octets), too_large);
        assert_eq!(head("PATCH", "/large/7", ""), too_large);
        let json = "Content-Type: application/json\r\n";
        assert_eq!(head("PATCH", "/large/7", &format!("{octets}{json}")), too_large);
        let coded = format!("{octets}Transfer-Encoding: chunked\r\n");
        assert_eq!(head("PATCH", "/large/7", &coded), Err(Refusal::BadLength));
    }

    #[test]
    fn host_and_expect_are_checked() {
        assert_eq!(parse(b"GET / HTTP/1.1\r\n\r\n"), Err(Refusal::BadHost));
        assert_eq!(get("Host: b\r\n"), Err(Refusal::BadHost));
        assert!(get("Expect: 100-Continue\r\n").unwrap().expects_continue);
        assert_eq!(get("Expect: cake\r\n"), Err(Refusal::BadExpectation));
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let seed = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\n";
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..20_000 {
            let mut bytes = seed.to_vec();
            for _ in 0..1 + random() % 4 {
                let at = random() as usize % bytes.len();
                bytes[at] = random() as u8;
            }
            if let Some(end) = end_of_head(&bytes, 0) {
                if let Ok(head) = parse(&bytes[..end]) {
                    assert!(!head.target.contains(['\r', '\n', ' ']));
                }
            }
        }
    }
}
