//! Addresses and stream keys: what is accepted means one thing, and no secret is shown.

use streamcaster::rtmp::url::{RtmpUrl, StreamKey};

/// So long a key does not stand in an address by chance.
const TELLING_BYTES: usize = 12;

/// Reads an input as an address, as one with its key, and as a key.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match RtmpUrl::parse(&text) {
        Ok(url) => {
            assert!(url.port > 0 && !url.host.is_empty() && !url.app.is_empty());
            let tc_url = url.tc_url();
            assert!(tc_url.bytes().all(|byte| byte.is_ascii_graphic()), "{tc_url}");
            let again = RtmpUrl::parse(&tc_url).expect("what we say of it is an address");
            let same = (again.tls, &again.host, again.port, &again.app);
            assert_eq!(same, (url.tls, &url.host, url.port, &url.app));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok((url, key)) = RtmpUrl::parse_with_key(&text) {
        let shown = format!("{url} {url:?} {key:?}");
        let (secret, tc_url) = (key.secret().expose(), url.tc_url());
        let tells = secret.len() >= TELLING_BYTES && !tc_url.contains(secret);
        assert!(!tells || !shown.contains(secret), "the key is shown: {shown}");
    }
    if let Ok(key) = StreamKey::new(&text) {
        assert!(key.secret().expose().bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
