//! Addresses and stream keys: what is accepted means one thing, and no secret is shown.

use streamcaster::rtmp::url::{RtmpUrl, StreamKey};

/// So long a key does not stand in a few words by chance.
const TELLING_BYTES: usize = 12;

/// Reads an input as an address, as one with its key, and as a key.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match RtmpUrl::parse(&text) {
        Ok(url) => {
            assert!(url.port > 0);
            assert!(!url.host.is_empty());
            assert!(!url.app.is_empty());
            let tc_url = url.tc_url();
            assert!(tc_url.bytes().all(|byte| byte.is_ascii_graphic()), "{tc_url}");
            let again = RtmpUrl::parse(&tc_url).expect("what we say of it is an address");
            let same = (again.tls, &again.host, again.port, &again.app);
            assert_eq!(same, (url.tls, &url.host, url.port, &url.app));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok((url, key)) = RtmpUrl::parse_with_key(&text) {
        let secret = key.secret().expose();
        assert!(secret.len() < TELLING_BYTES || !format!("{key:?}").contains(secret));
        assert!(!url.to_string().contains('?'), "a query may hold a token");
        let again = RtmpUrl::parse_with_key(&format!("{}/{secret}", url.tc_url()));
        let (again, key_again) = again.expect("what it was put together from");
        assert_eq!((again.app, key_again), (url.app, key), "the key, and nothing of it elsewhere");
    }
    if let Ok(key) = StreamKey::new(&text) {
        assert!(key.secret().expose().bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
