//! Addresses of RTMP servers: `rtmp://host[:port]/app[/instance…][?query]`. Purpose: parse once
//! what a configuration names, keep the stream key apart from everything that may be shown.
//!
//! User info is recognised, split off at the last `@` (strom #771), and not kept: servers that
//! ask for it do so inside RTMP, which is not done yet.
//!
//! Non-goals: resolving names; percent-decoding (platforms compare what they are sent). Bound:
//! [`RTMP_NAME_BYTES_MAX`] for each part.

use std::fmt;

use crate::base::limits::RTMP_NAME_BYTES_MAX;
use crate::base::redact::Secret;

/// Port of `rtmp://` unless the address names one.
pub const PORT_RTMP: u16 = 1935;
/// Port of `rtmps://` unless the address names one.
pub const PORT_RTMPS: u16 = 443;

/// A stream's name of this length may be what keeps strangers out.
const OBSCURE_BYTES_MIN: usize = 12;

/// Where a server is. [`Display`](fmt::Display) leaves out what may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct RtmpUrl {
    /// Whether the connection is to be encrypted: `rtmps://`.
    pub tls: bool,
    /// Host name or address; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The application as `connect` names it: path segments, no slash at either end, and the
    /// query if there is one.
    pub app: String,
    /// Whether the address had user info, which is not used.
    pub had_user_info: bool,
}

/// A stream key of valid form: anybody who has it can publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamKey(Secret);

/// What is wrong with an address; never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Neither `rtmp://` nor `rtmps://`.
    Scheme,
    /// No host, or one that cannot be.
    Host,
    /// Not a number from 1 to 65535.
    Port,
    /// Nothing behind the host.
    App,
    /// Only one path segment where app and stream key are expected, or an empty key.
    Key,
    /// White space, a control character, or something that is not ASCII.
    Character,
    /// A part longer than [`RTMP_NAME_BYTES_MAX`].
    TooLong,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlError::Scheme => write!(f, "expected rtmp://host/app or rtmps://host/app"),
            UrlError::Host => write!(f, "expected a host name or address behind rtmp://"),
            UrlError::Port => write!(f, "expected a port from 1 to 65535 behind the host"),
            UrlError::App => write!(f, "expected the application's name: rtmp://host/app"),
            UrlError::Key => write!(f, "expected a stream key at the end: rtmp://host/app/key"),
            UrlError::Character => {
                write!(f, "expected no spaces and only ASCII; write others as %XX")
            }
            UrlError::TooLong => {
                write!(f, "expected at most {RTMP_NAME_BYTES_MAX} bytes in each part")
            }
        }
    }
}

impl std::error::Error for UrlError {}

impl RtmpUrl {
    /// Parses a server's address; the stream key is given elsewhere.
    pub fn parse(text: &str) -> Result<RtmpUrl, UrlError> {
        let (mut url, path, query) = split(text.trim())?;
        url.app = path.to_owned();
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            url.app.push('?');
            url.app.push_str(query);
        }
        url.checked()
    }

    /// Parses a whole address whose last path segment, and query if it has one, is the key.
    pub fn parse_with_key(text: &str) -> Result<(RtmpUrl, StreamKey), UrlError> {
        let (mut url, path, query) = split(text.trim())?;
        let (app, name) = path.rsplit_once('/').ok_or(UrlError::Key)?;
        url.app = app.trim_end_matches('/').to_owned();
        let key = match query {
            Some(query) => StreamKey::new(&format!("{name}?{query}"))?,
            None => StreamKey::new(name)?,
        };
        Ok((url.checked()?, key))
    }

    /// The address as `connect` names it: without key and user info.
    pub fn tc_url(&self) -> String {
        format!("{}/{}", self.authority(), self.app)
    }

    fn authority(&self) -> String {
        let (scheme, usual) = if self.tls { ("rtmps", PORT_RTMPS) } else { ("rtmp", PORT_RTMP) };
        let brackets = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let host = format!("{scheme}://{}{}{}", brackets.0, self.host, brackets.1);
        if self.port == usual {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    fn checked(self) -> Result<RtmpUrl, UrlError> {
        if self.app.is_empty() || self.app.starts_with('?') {
            return Err(UrlError::App);
        }
        if self.app.len() > RTMP_NAME_BYTES_MAX || self.host.len() > RTMP_NAME_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        Ok(self)
    }
}

/// Everything but the path's meaning: a URL without app, the path without outer slashes, the
/// query.
fn split(text: &str) -> Result<(RtmpUrl, &str, Option<&str>), UrlError> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UrlError::Character);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "rtmp" => false,
        "rtmps" => true,
        _ => return Err(UrlError::Scheme),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path_and_query) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let (user_info, host_and_port) = match authority.rsplit_once('@') {
        Some((user_info, host)) => (Some(user_info), host),
        None => (None, authority),
    };
    let (host, port) = match host_and_port.strip_prefix('[') {
        Some(literal) => {
            let (host, port) = literal.split_once(']').ok_or(UrlError::Host)?;
            if !host.contains(':') || !host.bytes().all(is_ipv6_byte) {
                return Err(UrlError::Host);
            }
            (host, port)
        }
        None => {
            let end = host_and_port.find(':').unwrap_or(host_and_port.len());
            let (host, port) = host_and_port.split_at_checked(end).ok_or(UrlError::Host)?;
            if host.is_empty() || !host.bytes().all(is_name_byte) {
                return Err(UrlError::Host);
            }
            (host, port)
        }
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            digits.parse().ok().filter(|&port| port > 0).ok_or(UrlError::Port)?
        }
        None if port.is_empty() && tls => PORT_RTMPS,
        None if port.is_empty() => PORT_RTMP,
        _ => return Err(UrlError::Port),
    };
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let had_user_info = user_info.is_some();
    let url = RtmpUrl { tls, host: host.to_owned(), port, app: String::new(), had_user_info };
    Ok((url, path.trim_matches('/'), query))
}

const fn is_ipv6_byte(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b'%')
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// Scheme, host, port and path; not the query, which may hold a token.
impl fmt::Display for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.app.split('?').next().unwrap_or_default();
        write!(f, "{}/{path}", self.authority())
    }
}

impl fmt::Debug for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtmpUrl({self})")
    }
}

impl StreamKey {
    /// A key as a configuration gives it. Slashes in front are left out.
    pub fn new(text: &str) -> Result<StreamKey, UrlError> {
        let key = text.trim().trim_start_matches('/');
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError::Character);
        }
        if key.is_empty() || key.starts_with('?') {
            return Err(UrlError::Key);
        }
        if key.len() > RTMP_NAME_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        Ok(StreamKey(Secret::new(key)))
    }

    /// What of it is to be hidden when it is the name of a stream to play: the values of its query,
    /// and the name itself if it is too long to be one that everybody knows.
    pub fn hidden_of_name(&self) -> Vec<Secret> {
        let (name, query) = self.0.expose().split_once('?').unwrap_or((self.0.expose(), ""));
        let values = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.1));
        let long = Some(name).filter(|name| name.len() >= OBSCURE_BYTES_MIN);
        values.filter(|value| !value.is_empty()).chain(long).map(Secret::new).collect()
    }

    /// The key, to send to the server it belongs to and to remove from that server's words.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (bool, String, u16, String) {
        let url = RtmpUrl::parse(text).unwrap();
        (url.tls, url.host, url.port, url.app)
    }

    #[test]
    fn platforms_addresses() {
        let of = |tls, host: &str, port, app: &str| (tls, host.to_owned(), port, app.to_owned());
        assert_eq!(parsed("rtmp://live.twitch.tv/app"), of(false, "live.twitch.tv", 1935, "app"));
        assert_eq!(
            parsed("rtmp://a.rtmp.youtube.com/live2?backup=1"),
            of(false, "a.rtmp.youtube.com", 1935, "live2?backup=1")
        );
        assert_eq!(
            parsed("rtmps://rtmp-api.facebook.com:443/rtmp/"),
            of(true, "rtmp-api.facebook.com", 443, "rtmp")
        );
        assert_eq!(parsed("RTMPS://h/a/instance"), of(true, "h", 443, "a/instance"));
        assert_eq!(parsed("rtmp://[2001:db8::1]/live"), of(false, "2001:db8::1", 1935, "live"));
        assert_eq!(parsed("rtmp://[::1]:1936/live"), of(false, "::1", 1936, "live"));
        assert_eq!(parsed(" rtmp://127.0.0.1:5/live \n"), of(false, "127.0.0.1", 5, "live"));
    }

    #[test]
    fn tc_url_names_the_port_only_where_it_is_unusual() {
        for (text, expected) in [
            ("rtmp://host:1935/live", "rtmp://host/live"),
            ("rtmps://host:1935/live/", "rtmps://host:1935/live"),
            ("rtmp://user:pass@[::1]:9/a/b?c=d", "rtmp://[::1]:9/a/b?c=d"),
        ] {
            assert_eq!(RtmpUrl::parse(text).unwrap().tc_url(), expected);
        }
    }

    #[test]
    fn a_whole_address_ends_in_its_key() {
        let split = |text| {
            let (url, key) = RtmpUrl::parse_with_key(text).unwrap();
            (url.tc_url(), key.secret().expose().to_owned())
        };
        let of = |url: &str, key: &str| (url.to_owned(), key.to_owned());
        assert_eq!(split("rtmp://h/app/key"), of("rtmp://h/app", "key"));
        assert_eq!(split("rtmp://h/app/inst/key"), of("rtmp://h/app/inst", "key"));
        assert_eq!(split("rtmp://h//app//key?a=b/c?d"), of("rtmp://h/app", "key?a=b/c?d"));
        for text in ["rtmp://h/key", "rtmp://h/app?x=1", "rtmp://h"] {
            assert_eq!(RtmpUrl::parse_with_key(text), Err(UrlError::Key));
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let (url, key) =
            RtmpUrl::parse_with_key("rtmp://me:p@ss:w@rd@host/app/secret?sign=1").unwrap();
        assert_eq!(url.host, "host");
        assert!(url.had_user_info);
        assert_eq!(
            format!("{url} {url:?} {key:?}"),
            "rtmp://host/app RtmpUrl(rtmp://host/app) StreamKey(••••)"
        );
        let url = RtmpUrl::parse("rtmp://host/app?token=secret").unwrap();
        assert_eq!(url.to_string(), "rtmp://host/app");
        assert_eq!(url.tc_url(), "rtmp://host/app?token=secret");
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", UrlError::Scheme),
            ("host/app", UrlError::Scheme),
            ("http://host/app", UrlError::Scheme),
            ("rtmp:///app", UrlError::Host),
            ("rtmp://[::1/app", UrlError::Host),
            ("rtmp://[host]/app", UrlError::Host),
            ("rtmp://ho,st/app", UrlError::Host),
            ("rtmp://host:/app", UrlError::Port),
            ("rtmp://host:0/app", UrlError::Port),
            ("rtmp://host:65536/app", UrlError::Port),
            ("rtmp://host:+1/app", UrlError::Port),
            ("rtmp://[::1]x/app", UrlError::Port),
            ("rtmp://host", UrlError::App),
            ("rtmp://host//", UrlError::App),
            ("rtmp://host/?a=b", UrlError::App),
            ("rtmp://host/a b", UrlError::Character),
            ("rtmp://host/ä", UrlError::Character),
        ] {
            assert_eq!(RtmpUrl::parse(text), Err(reason), "{text}");
        }
        let long = "x".repeat(RTMP_NAME_BYTES_MAX + 1);
        assert_eq!(RtmpUrl::parse(&format!("rtmp://host/{long}")), Err(UrlError::TooLong));
        assert_eq!(StreamKey::new(&long), Err(UrlError::TooLong));
        assert_eq!(StreamKey::new("  "), Err(UrlError::Key));
        assert_eq!(StreamKey::new("a b"), Err(UrlError::Character));
        assert_eq!(StreamKey::new(" /key ").unwrap().secret().expose(), "key");
    }
}
