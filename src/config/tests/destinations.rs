//! Destinations, of the file and of the environment.

use super::*;
use crate::base::limits::DESTINATIONS_MAX;

#[test]
fn destinations_of_the_file() {
    let config = from_text(&format!(
        "[[destination]]\nname = \"tw\"\nurl = \"rtmp://live.twitch.tv/app\"\nkey = \"{KEY}\"\n\
         [[destination]]\nurl = \"rtmp://host:1936/live/{KEY}?sign=1\"\nenabled = false\n\
         [[destination]]\nurl = \"rtmp://host/live\"\nkey = \"{KEY}?a=b\"\n\
         [[destination]]\nname = \"host-2\"\nurl = \"rtmp://host/live\"\nkey = \"{KEY}\"\n"
    ))
    .unwrap();
    assert_eq!(names(&config), ["tw", "host", "host-3", "host-2"]);
    let second = &config.destinations[1];
    assert_eq!(second.url.to_string(), "rtmp://host:1936/live");
    assert_eq!(second.key.secret().expose(), format!("{KEY}?sign=1"));
    let enabled: Vec<bool> = config.destinations.iter().map(|d| d.enabled).collect();
    assert_eq!(enabled, [true, false, true, true]);
    assert!(!format!("{config:?}").contains("secret"));
    assert_eq!(
        crate::base::redact::scrub_registered(&format!("a {KEY} b")),
        "a ••••_key b",
        "keys are registered"
    );
}

#[test]
fn wrong_destinations_are_told() {
    let text = format!(
        "[rtmp]\ndestinations_max = 6\n\
         [[destination]]\nname = \"a\"\nkey = \"{KEY}\"\n\
         [[destination]]\nname = \"a\"\nurl = \"http://host/{KEY}\"\n\
         [[destination]]\nname = \"b\"\nurl = \"rtmpx://host/app\"\nkey = \"{KEY}\"\n\
         [[destination]]\nname = \" c\"\nurl = \"rtmp://host/app\"\n\
         [[destination]]\nurl = \"rtmp://host/app\"\nkey = \"a secret\"\n\
         [[destination]]\nurl = \"rtmp://me:secret@host/app\"\nkey = \"k\"\n\
         [[destination]]\nurl = \"rtmp://host/app\"\nkey = \"k\"\nenabled = \"yes\"\non_warning = \"drop\"\n"
    );
    let told = from_text(&text).unwrap_err();
    let expected = [
        "data/config.toml:3: [[destination]]: expected a url such as \"rtmp://host/app\"",
        "data/config.toml:7: [[destination]] name = \"a\": expected a name that no other \
         destination has",
        "data/config.toml:8: [[destination]] url: expected rtmp://host/app or rtmps://host/app",
        "data/config.toml:11: [[destination]] url: expected rtmp://host/app or rtmps://host/app",
        "data/config.toml:14: [[destination]] name = \" c\": expected a name of 1 to 64 bytes, no \
         spaces around it",
        "data/config.toml:15: [[destination]] url: expected a stream key at the end: \
         rtmp://host/app/key",
        "data/config.toml:18: [[destination]] key: expected a stream key of 1 to 512 bytes, \
         without spaces",
        "data/config.toml:20: [[destination]] url: a user name in the address is not supported \
         yet: expected rtmp://host/app",
        "data/config.toml:22: [[destination]]: expected at most 6 destinations, there are 7; see \
         [rtmp] destinations_max",
        "data/config.toml:25: [[destination]] enabled = \"yes\": expected true or false",
        "data/config.toml:26: [[destination]] on_warning = \"drop\": expected warn or hold",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_flood_of_destinations_and_of_errors_is_bounded() {
    let one = "[[destination]]\nurl = \"rtmp://host/app\"\nkey = \"k\"\nwrong = 1\n";
    let told = from_text(&one.repeat(1000)).unwrap_err();
    assert_eq!(told.lines().count(), crate::base::limits::CONFIG_ERRORS_MAX + 1);
    let good = "[[destination]]\nurl = \"rtmp://host/app\"\nkey = \"k\"\n";
    let text = format!("[rtmp]\ndestinations_max = 32\n{}", good.repeat(DESTINATIONS_MAX));
    assert_eq!(from_text(&text).unwrap().destinations.len(), DESTINATIONS_MAX);
}

#[test]
fn the_environment_makes_destinations() {
    let file = format!("[[destination]]\nurl = \"rtmp://b/app\"\nkey = \"{KEY}\"\n");
    let variables = [
        ("RTMP_SERVER", "rtmp://a/app/"),
        ("STREAM_KEY", "first_secret"),
        ("RELAY_TARGET", "rtmp://a/live2/relay_secret"),
    ];
    let config = build(&file, &variables, &Arguments::default()).unwrap();
    assert_eq!(names(&config), ["a", "b", "a-2"]);
    let keys: Vec<&str> = config.destinations.iter().map(|d| d.key.secret().expose()).collect();
    assert_eq!(keys, ["first_secret", KEY, "relay_secret"]);
    assert_eq!(config.destinations[0].url.tc_url(), "rtmp://a/app");
}
