//! The pull: from what was said to what is pulled.

use std::net::{IpAddr, SocketAddr};

use super::build::Build;
use super::drafts::PullDraft;
use super::inputs::PullConfig;
use crate::base::redact::Secret;
use crate::rtmp::url::{RtmpUrl, StreamKey};

impl Build {
    /// Makes the pull of its draft.
    pub(super) fn resolve_pull(&mut self) {
        let PullDraft { url, key, enabled } = &self.pull;
        let Some(url) = url else { return };
        let parsed = address(url, key.as_ref()).and_then(|(url, name)| {
            match is_own(&url, self.config.rtmp.listen) {
                true => Err("expected another server: this is this program's own address, and \
                             its programme would go round in a circle"
                    .to_owned()),
                false => {
                    let (key, enabled) = (key.clone(), enabled.unwrap_or(true));
                    Ok(PullConfig { url, name, key, enabled })
                }
            }
        });
        match parsed {
            Ok(pull) => self.config.pull = Some(pull),
            Err(expected) => self.fail(self.origin("input.pull.url"), expected),
        }
    }
}

/// Reads the address of a stream, with a key that may stand beside it.
fn address(text: &str, key: Option<&Secret>) -> Result<(RtmpUrl, StreamKey), String> {
    let expected = |_| "expected an address such as \"rtmp://host/live/stream\"".to_owned();
    let (url, name) = RtmpUrl::parse_with_key(text).map_err(|error| match error {
        crate::rtmp::url::UrlError::Key => expected(error),
        error => error.to_string(),
    })?;
    if url.had_user_info {
        return Err("a user name in the address is not supported: expected \
                    rtmp://host/live/stream"
            .to_owned());
    }
    let Some(key) = key else { return Ok((url, name)) };
    let name = name.secret().expose();
    let joint = if name.contains('?') { '&' } else { '?' };
    let name = StreamKey::new(&format!("{name}{joint}key={}", key.expose()));
    Ok((url, name.map_err(|error| error.to_string())?))
}

/// Whether a server is this program: what can be told without looking a name up.
fn is_own(url: &RtmpUrl, listen: SocketAddr) -> bool {
    let address: Option<IpAddr> = match url.host.as_str() {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.parse().ok(),
    };
    let near = |address: IpAddr| {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified() || address == listen.ip()
    };
    url.port == listen.port() && address.is_some_and(near)
}

#[cfg(test)]
mod tests {
    use super::super::{parse, PullConfig};

    fn pull(lines: &str) -> Result<PullConfig, String> {
        let config = parse(&format!("[input.pull]\n{lines}\n"));
        config.map(|config| config.pull.expect("a pull")).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_key_may_stand_in_the_address_or_beside_it() {
        for (lines, name) in [
            ("url = \"rtmp://origin/live/stream\"", "stream"),
            ("url = \"rtmp://origin/live/stream?key=abcdefgh\"", "stream?key=abcdefgh"),
            ("url = \"rtmp://origin/live/stream\"\nkey = \"abcdefgh\"", "stream?key=abcdefgh"),
            ("url = \"rtmp://origin/live/stream?a=b\"\nkey = \"c\"", "stream?a=b&key=c"),
        ] {
            let pull = pull(lines).unwrap();
            assert_eq!(pull.name.secret().expose(), name, "{lines}");
            assert_eq!((pull.url.to_string().as_str(), pull.enabled), ("rtmp://origin/live", true));
        }
        assert!(!pull("url = \"rtmp://o/live/stream\"\nenabled = false").unwrap().enabled);
    }

    #[test]
    fn what_cannot_be_pulled_is_said() {
        for (lines, words) in [
            ("enabled = true", "expected a url such as"),
            ("url = \"rtmp://origin/live\"", "rtmp://host/live/stream"),
            ("url = \"http://origin/live/stream\"", "expected rtmp://"),
            ("url = \"rtmp://a:b@origin/live/stream\"", "a user name"),
            ("url = \"rtmp://127.0.0.1/live/stream\"", "go round in a circle"),
            ("url = \"rtmp://localhost:1935/live/stream\"", "go round in a circle"),
            ("url = \"rtmp://[::1]/live/stream\"", "go round in a circle"),
            ("url = \"rtmp://[::ffff:127.0.0.9]/live/stream\"", "go round in a circle"),
        ] {
            let told = pull(lines).expect_err(lines);
            assert!(told.contains(words), "{lines}: {told}");
        }
        pull("url = \"rtmp://127.0.0.1:1936/live/stream\"").expect("another program here");
    }

    #[test]
    fn publishers_are_configured() {
        let none = parse("").unwrap().publish;
        assert!(none.enabled && none.key.is_none());
        assert!(none.allow.iter().any(|network| network.contains([10, 1, 2, 3].into())));
        let text =
            "[input.rtmp]\nkey = \"correct-horse\"\nenabled = false\nallow = [\"192.0.2.0/24\"]";
        let publish = parse(text).unwrap().publish;
        assert!(!publish.enabled && publish.key.unwrap().matches("correct-horse"));
        assert!(!publish.allow.iter().any(|network| network.contains([10, 1, 2, 3].into())));
        for key in ["short-7", "with space in it", "question?mark=1", ""] {
            let told = parse(&format!("[input.rtmp]\nkey = \"{key}\"")).unwrap_err().to_string();
            assert!(told.contains("[input.rtmp] key: expected 8 to"), "{told}");
            assert!(key.is_empty() || !told.contains(key), "{told}");
        }
        let told = parse("[input.rtmp]\nkeys = \"x\"").unwrap_err().to_string();
        assert!(told.contains("did you mean key?"), "{told}");
        let told = parse("[input.pul]\nurl = \"x\"").unwrap_err().to_string();
        assert!(told.contains("did you mean [input.pull]?"), "{told}");
    }
}
