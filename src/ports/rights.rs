//! Who may publish. Purpose: while there is no stream key, anybody from loopback and private networks
//! to `live/stream`; where there is one, who has it, given as the stream's name or as `?key=`, from
//! anywhere, and this machine itself, unless it is to need the key too.
//! Non-goals: sessions, delays, counting. Bound: none needed.

use std::net::IpAddr;

use crate::base::redact::Secret;
use crate::config::{PublishConfig, RequireKey};
use crate::rtmp::server::RtmpRefusal;

/// The one stream there is.
pub(super) const STREAM: &str = "stream";

/// What becomes of who wants to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublishRight {
    /// It may.
    Granted {
        /// Because it has the key, not only because of where it comes from.
        by_key: bool,
    },
    /// It may not.
    Denied(RtmpRefusal),
    /// It gave no key where one is needed, or a wrong one.
    WrongKey,
}

/// Judges a peer at `address` that asked for stream `name`, with `given` as its key.
pub(super) fn judge(
    config: &PublishConfig,
    address: IpAddr,
    name: &Secret,
    given: Option<&Secret>,
) -> PublishRight {
    if !config.enabled {
        return PublishRight::Denied(RtmpRefusal::PublishDenied);
    }
    let plain = name.expose() == STREAM;
    let near = config.allow.iter().any(|network| network.contains(address));
    let spared = config.require_key == RequireKey::Remote && address.to_canonical().is_loopback();
    let Some(key) = &config.key else {
        return match (near, plain) {
            (true, true) => PublishRight::Granted { by_key: false },
            (true, false) => PublishRight::Denied(RtmpRefusal::PublishName),
            (false, _) => PublishRight::Denied(RtmpRefusal::PublishNeedsSetting),
        };
    };
    // Both are looked at, whatever the first comes to: the time taken tells nothing.
    let (named, stated) =
        (key.matches(name.expose()), given.map(|given| key.matches(given.expose())));
    match stated {
        Some(true) if plain || named => PublishRight::Granted { by_key: true },
        Some(true) => PublishRight::Denied(RtmpRefusal::PublishName),
        Some(false) => PublishRight::WrongKey,
        None if named => PublishRight::Granted { by_key: true },
        None if near && spared && plain => PublishRight::Granted { by_key: false },
        None => PublishRight::WrongKey,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: [u8; 4] = [192, 168, 1, 7];
    const FAR: [u8; 4] = [203, 0, 113, 7];

    fn right(key: Option<&str>, from: [u8; 4], name: &str, given: Option<&str>) -> PublishRight {
        let config = PublishConfig { key: key.map(Secret::new), ..Default::default() };
        judge(&config, from.into(), &Secret::new(name), given.map(Secret::new).as_ref())
    }

    #[test]
    fn without_a_key_those_nearby_may_publish_the_stream() {
        assert_eq!(right(None, NEAR, "stream", None), PublishRight::Granted { by_key: false });
        assert_eq!(right(None, NEAR, "stream", Some("x")), PublishRight::Granted { by_key: false });
        let name = PublishRight::Denied(RtmpRefusal::PublishName);
        assert_eq!(right(None, NEAR, "other", None), name);
        let setting = PublishRight::Denied(RtmpRefusal::PublishNeedsSetting);
        for (name, given) in [("stream", None), ("", None), ("stream", Some("")), ("x", Some("x"))]
        {
            assert_eq!(right(None, FAR, name, given), setting);
        }
    }

    #[test]
    fn with_a_key_those_far_away_need_it_and_nobody_gets_in_with_a_wrong_one() {
        let key = Some("correct-horse");
        let granted = PublishRight::Granted { by_key: true };
        for from in [NEAR, FAR] {
            assert_eq!(right(key, from, "correct-horse", None), granted);
            assert_eq!(right(key, from, "stream", key), granted);
            assert_eq!(right(key, from, "correct-horse", key), granted);
            assert_eq!(
                right(key, from, "other", key),
                PublishRight::Denied(RtmpRefusal::PublishName)
            );
            for (name, given) in [
                ("stream", Some("correct-hors")),
                ("stream", Some("correct-horse1")),
                ("stream", Some("")),
                ("correct-horse", Some("wrong")),
                ("wrong", None),
                ("", None),
            ] {
                assert_eq!(
                    right(key, from, name, given),
                    PublishRight::WrongKey,
                    "{name} {given:?}"
                );
            }
        }
        for from in [NEAR, FAR, [169, 254, 1, 1]] {
            assert_eq!(right(key, from, "stream", None), PublishRight::WrongKey, "{from:?}");
        }
    }

    #[test]
    fn this_machine_needs_no_key_unless_all_do() {
        let key = Some(Secret::new("correct-horse"));
        let mut config = PublishConfig { key, ..Default::default() };
        let stream = Secret::new("stream");
        let here = ["127.0.0.1", "127.0.9.9", "::1", "::ffff:127.0.0.1"];
        let judged = |config: &PublishConfig| {
            here.map(|from| judge(config, from.parse().unwrap(), &stream, None))
        };
        // An IPv4 address in IPv6 is that address: the networks say so too.
        assert_eq!(judged(&config), [PublishRight::Granted { by_key: false }; 4]);
        config.require_key = RequireKey::Always;
        assert_eq!(judged(&config), [PublishRight::WrongKey; 4]);
        config.require_key = RequireKey::Remote;
        config.allow.clear();
        assert_eq!(
            judged(&config),
            [PublishRight::WrongKey; 4],
            "nobody is let in for where they are"
        );
        config.key = None;
        assert_eq!(judged(&config), [PublishRight::Denied(RtmpRefusal::PublishNeedsSetting); 4]);
    }

    #[test]
    fn publishing_can_be_switched_off_and_the_networks_set() {
        let key = Some(Secret::new("correct-horse"));
        let off = PublishConfig { enabled: false, key: key.clone(), ..Default::default() };
        let name = Secret::new("correct-horse");
        assert_eq!(
            judge(&off, NEAR.into(), &name, None),
            PublishRight::Denied(RtmpRefusal::PublishDenied)
        );
        let allow = vec!["203.0.113.0/24".parse().unwrap()];
        let mut moved = PublishConfig { key: None, allow, ..Default::default() };
        let stream = Secret::new("stream");
        assert_eq!(
            judge(&moved, FAR.into(), &stream, None),
            PublishRight::Granted { by_key: false }
        );
        let setting = PublishRight::Denied(RtmpRefusal::PublishNeedsSetting);
        assert_eq!(judge(&moved, NEAR.into(), &stream, None), setting);
        moved.key = key;
        assert_eq!(judge(&moved, FAR.into(), &stream, None), PublishRight::WrongKey);
    }
}
