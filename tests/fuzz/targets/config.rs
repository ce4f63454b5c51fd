//! The configuration's text: whatever it says is either valid whole or told with its places, and
//! no key is repeated in what is told.

use streamcaster::base::limits::{
    CONFIG_ERRORS_MAX, DESTINATIONS_MAX, RING_BYTES_MAX, RING_BYTES_MIN, VIEWERS_MAX,
};
use streamcaster::config::{parse, ConfigErrors};

/// What stands for a secret in the seeds.
const KEY: &str = "hunter2hunter2";

/// Reads an input as `config.toml`.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match parse(&text) {
        Ok(config) => {
            assert!((RING_BYTES_MIN..=RING_BYTES_MAX).contains(&config.programme.ring_bytes));
            assert!(config.rtmp.viewers_max <= VIEWERS_MAX);
            assert!(config.destinations.len() <= config.rtmp.destinations_max);
            assert!(config.rtmp.destinations_max <= DESTINATIONS_MAX);
            assert!(!config.udp.allow.is_empty());
            let mut names: Vec<_> = config.destinations.iter().map(|d| d.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), config.destinations.len(), "names differ");
            assert!(!format!("{config:?}").contains(KEY) || is_shown(&text));
        }
        Err(errors) => refused(&text, &errors),
    }
}

fn refused(text: &str, errors: &ConfigErrors) {
    let told = errors.to_string();
    let count = errors.iter().count();
    assert!((1..=CONFIG_ERRORS_MAX).contains(&count));
    assert!(!told.is_empty());
    assert!(!told.contains(KEY) || is_shown(text), "a key is told: {told}");
}

/// Whether the word stands where it is no secret: not behind a key's name or in an address.
fn is_shown(text: &str) -> bool {
    text.lines().any(|line| {
        let named = line.trim_start().starts_with("key") || line.contains("play_key");
        line.contains(KEY) && !named && !line.contains("url")
    })
}
