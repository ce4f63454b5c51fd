//! Addresses and keys as people paste them. Purpose: one reading for page, API, settings and
//! environment of what a platform's own page gives out: without a scheme, without the application,
//! with the key at the end, in quotes, with a line break. Non-goals: guessing a host. Bound: that of
//! [`RtmpUrl`] and [`StreamKey`].

use std::fmt;

use super::kind::Platform;
use crate::rtmp::url::{RtmpUrl, StreamKey, UrlError, PORT_RTMPS};

/// A key of fewer bytes that ends an address, too, may as well be a part of the application's name.
const KEY_BYTES_MIN: usize = 8;

/// What is wrong with what was pasted; never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastedError {
    /// The address.
    Url(UrlError),
    /// The key beside it.
    Key(UrlError),
    /// In the key's place stands an address.
    KeyIsAddress,
    /// The address has a key, and the one beside it is another.
    TwoKeys,
    /// The address has a user name.
    UserInfo,
}

impl fmt::Display for PastedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PastedError::Url(error) => error.fmt(f),
            PastedError::Key(UrlError::Key) => write!(f, "expected a stream key"),
            PastedError::Key(error) => error.fmt(f),
            PastedError::KeyIsAddress => {
                write!(f, "expected a stream key, not an address: that belongs into url")
            }
            PastedError::TwoKeys => {
                write!(f, "expected one stream key: the address ends in another than that in key")
            }
            PastedError::UserInfo => write!(
                f,
                "a user name in the address is not supported yet: expected rtmp://host/app"
            ),
        }
    }
}

impl PastedError {
    /// Whether it is the key beside the address that is to be changed.
    pub fn is_of_key(self) -> bool {
        matches!(self, PastedError::Key(_) | PastedError::KeyIsAddress | PastedError::TwoKeys)
    }
}

impl From<UrlError> for PastedError {
    fn from(error: UrlError) -> PastedError {
        PastedError::Url(error)
    }
}

/// What was pasted, without the white space, quotes and invisible characters around it.
pub fn bare(text: &str) -> &str {
    let is_around = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '"' | '\'' | '`' | '<' | '>' | '«' | '»' | '「' | '」')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2018}'..='\u{201f}' | '\u{2060}' | '\u{feff}')
    };
    text.trim_matches(is_around)
}

/// A stream key.
///
/// # Errors
/// It is an address, or cannot be a key.
pub fn key(text: &str) -> Result<StreamKey, PastedError> {
    let text = bare(text);
    match text.contains("://") {
        true => Err(PastedError::KeyIsAddress),
        false => StreamKey::new(text).map_err(PastedError::Key),
    }
}

/// An address with a key beside it or, when there is none there, at its end.
///
/// # Errors
/// What is wrong with either.
pub fn address(text: &str, beside: Option<&str>) -> Result<(RtmpUrl, StreamKey), PastedError> {
    let Some(beside) = beside else {
        let (url, key) = split(text, true)?;
        return Ok((url, key.ok_or(UrlError::Key)?));
    };
    let given = key(beside)?;
    let (mut url, found) = split(text, false)?;
    match found {
        Some(found) if found != given => Err(PastedError::TwoKeys),
        Some(_) => Ok((url, given)),
        None => {
            let key = given.secret().expose();
            let app = url.app.strip_suffix(key).and_then(|app| app.strip_suffix('/'));
            if let Some(app) = app.filter(|_| key.len() >= KEY_BYTES_MIN) {
                url.app = app.to_owned();
            }
            Ok((url, given))
        }
    }
}

/// An address, and the key at its end if there is known to be one.
///
/// # Errors
/// What is wrong with it.
pub fn server(text: &str) -> Result<(RtmpUrl, Option<StreamKey>), PastedError> {
    split(text, false)
}

/// Splits the key off. What stands behind a platform's own application is one; elsewhere the last
/// segment is, if there `must` be one.
fn split(text: &str, must: bool) -> Result<(RtmpUrl, Option<StreamKey>), PastedError> {
    let text = with_scheme(bare(text))?;
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let server = format!("{scheme}://{authority}");
    // The whole first, without a path that it may lack: what is wrong with the rest is told later.
    let host = RtmpUrl::parse(&format!("{server}/app"))?;
    if host.had_user_info {
        return Err(PastedError::UserInfo);
    }
    let (path, query) = match tail.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (tail, None),
    };
    let path = path.trim_matches('/');
    let app = Platform::of(&host.host).and_then(|platform| platform.app);
    let (app, key) = match app.map(|app| (app, path.strip_prefix(app))) {
        _ if query.is_some_and(|query| query.contains('/')) && !path.contains('/') => {
            // Joined by a program that takes the query for a part of the server's address.
            let (query, key) = query.and_then(|query| query.split_once('/')).unwrap_or_default();
            (format!("{path}?{query}"), Some(key.to_owned()))
        }
        Some((app, _)) if path.is_empty() => (joined(app, query), None),
        Some((app, Some(""))) => (joined(app, query), None),
        Some((app, Some(key))) if key.starts_with('/') => {
            (app.to_owned(), Some(joined(key.trim_matches('/'), query)))
        }
        Some((app, _)) if must && !path.contains('/') => {
            (app.to_owned(), Some(joined(path, query)))
        }
        _ if must => {
            let (url, key) = RtmpUrl::parse_with_key(&text)?;
            return Ok((url, Some(key)));
        }
        _ => (joined(path, query), None),
    };
    let url = RtmpUrl::parse(&format!("{server}/{app}"))?;
    let key = key.map(|key| StreamKey::new(&key)).transpose()?;
    Ok((url, key))
}

fn joined(path: &str, query: Option<&str>) -> String {
    match query.filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// The text with a scheme in front: encrypted where it is known that this server takes it.
fn with_scheme(text: &str) -> Result<String, UrlError> {
    let begins =
        |word: &str| text.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
    if text.is_empty() || text.contains("://") || begins("rtmp:") || begins("rtmps:") {
        return Ok(text.to_owned());
    }
    let text = text.trim_start_matches('/');
    let bare =
        RtmpUrl::parse(&format!("rtmp://{}/app", text.split(['/', '?']).next().unwrap_or(text)))?;
    let tls = bare.port == PORT_RTMPS
        || Platform::of(&bare.host).is_some_and(|platform| platform.encrypts(&bare.host));
    Ok(format!("{}://{text}", if tls { "rtmps" } else { "rtmp" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IVS: &str = "rtmps://abc1.global-contribute.live-video.net/app";
    const YOUTUBE: &str = "rtmps://a.rtmps.youtube.com/live2";
    const BACKUP: &str = "rtmps://b.rtmps.youtube.com/live2?backup=1";

    #[test]
    fn what_people_paste_is_read() {
        for (text, beside, url, key) in [
            // A key beside it.
            ("rtmp://host/live", Some("k"), "rtmp://host/live", "k"),
            (" rtmp://host/live/ \r\n", Some(" k\n"), "rtmp://host/live", "k"),
            ("\"rtmp://host/live\"", Some("'k'"), "rtmp://host/live", "k"),
            (
                "\u{feff}\u{201c}rtmp://host/live\u{201d}",
                Some("\u{3000}k"),
                "rtmp://host/live",
                "k",
            ),
            ("host/live", Some("k"), "rtmp://host/live", "k"),
            ("host:443/live", Some("k"), "rtmps://host/live", "k"),
            ("//host:1936/live//", Some("/k"), "rtmp://host:1936/live", "k"),
            ("[::1]:1936/live", Some("k"), "rtmp://[::1]:1936/live", "k"),
            ("RTMPS://Host/live", Some("k"), "rtmps://Host/live", "k"),
            (
                "rtmp://host/live/in/secret_key",
                Some("secret_key"),
                "rtmp://host/live/in",
                "secret_key",
            ),
            ("rtmp://host/live/cam", Some("cam"), "rtmp://host/live/cam", "cam"),
            // Applications that are known.
            ("abc1.global-contribute.live-video.net", Some("sk_1"), IVS, "sk_1"),
            ("rtmps://abc1.global-contribute.live-video.net:443", Some("sk_1"), IVS, "sk_1"),
            ("rtmps://abc1.global-contribute.live-video.net/", Some("sk_1"), IVS, "sk_1"),
            ("rtmps://abc1.global-contribute.live-video.net:443/app/", Some("sk_1"), IVS, "sk_1"),
            ("rtmps://abc1.global-contribute.live-video.net/app/sk_1", Some("sk_1"), IVS, "sk_1"),
            (
                "rtmps://abc1.global-contribute.live-video.net/live",
                Some("k"),
                "rtmps://abc1.global-contribute.live-video.net/live",
                "k",
            ),
            ("live.twitch.tv", Some("live_1"), "rtmps://live.twitch.tv/app", "live_1"),
            ("a.rtmps.youtube.com/live2", Some("ab-cd"), YOUTUBE, "ab-cd"),
            ("a.rtmp.youtube.com/live2", Some("ab-cd"), "rtmp://a.rtmp.youtube.com/live2", "ab-cd"),
            ("rtmps://b.rtmps.youtube.com:443/live2?backup=1", Some("ab-cd"), BACKUP, "ab-cd"),
            (
                "live-api-s.facebook.com",
                Some("FB-1"),
                "rtmps://live-api-s.facebook.com/rtmp",
                "FB-1",
            ),
            // The key in the address.
            ("rtmp://host/live/key", None, "rtmp://host/live", "key"),
            ("host/live/key?sign=1", None, "rtmp://host/live", "key?sign=1"),
            ("rtmp://host/live/key/", None, "rtmp://host/live", "key"),
            ("'rtmps://a.rtmps.youtube.com/live2/ab-cd'\n", None, YOUTUBE, "ab-cd"),
            ("rtmps://b.rtmps.youtube.com/live2?backup=1/ab-cd", None, BACKUP, "ab-cd"),
            ("rtmps://abc1.global-contribute.live-video.net/sk_1", None, IVS, "sk_1"),
            (
                "live.twitch.tv/live_1?bandwidthtest=true",
                None,
                "rtmps://live.twitch.tv/app",
                "live_1?bandwidthtest=true",
            ),
            ("rtmp://live.twitch.tv/app//live_1", None, "rtmp://live.twitch.tv/app", "live_1"),
        ] {
            let read = address(text, beside);
            let (read, secret) = read.unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!((&*read.tc_url(), secret.secret().expose()), (url, key), "{text:?}");
            // What is kept of it is read the same again.
            assert_eq!(address(&read.tc_url(), Some(key)), Ok((read, secret)), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_what_to_do() {
        let url = |error| PastedError::Url(error);
        for (text, beside, error) in [
            ("", Some("k"), url(UrlError::Scheme)),
            ("\"\"", None, url(UrlError::Scheme)),
            ("rtmp:host/live", Some("k"), url(UrlError::Scheme)),
            ("rtmp:/host/live", Some("k"), url(UrlError::Scheme)),
            ("https://www.twitch.tv/somebody", Some("k"), url(UrlError::Scheme)),
            ("srt://host:9000", None, url(UrlError::Scheme)),
            ("live_123_abc", Some("k"), url(UrlError::App)),
            ("host", None, url(UrlError::Key)),
            ("rtmp://host/live", None, url(UrlError::Key)),
            ("rtmps://a.rtmps.youtube.com/live2", None, url(UrlError::Key)),
            ("rtmps://a.rtmps.youtube.com", None, url(UrlError::Key)),
            ("rtmp://host/li ve", Some("k"), url(UrlError::Character)),
            ("Server: rtmp://host/live", Some("k"), url(UrlError::Character)),
            ("rtmp://host/live", Some("a b"), PastedError::Key(UrlError::Character)),
            ("rtmp://host/live", Some(" "), PastedError::Key(UrlError::Key)),
            ("rtmp://host:99999/live", Some("k"), url(UrlError::Port)),
            ("rtmp://host/live", Some("rtmp://host/live/k"), PastedError::KeyIsAddress),
            ("live.twitch.tv/app/live_1", Some("live_2"), PastedError::TwoKeys),
            ("rtmp://me:p@ss@host/live/k", None, PastedError::UserInfo),
            ("me:p@ss@host/live", Some("k"), PastedError::UserInfo),
        ] {
            assert_eq!(address(text, beside), Err(error), "{text:?}");
            let told = error.to_string();
            assert!(!told.contains("live_") && !told.contains('\n'), "{told}");
        }
    }
}
