//! Whom a request was forwarded for, in HTTP's own words: `X-Forwarded-For` and `Forwarded` (RFC 7239).
//! Purpose: the client of a proxy that speaks HTTP and is believed; each proxy adds the address it
//! was asked from at the right end, so the first from there that is no proxy of ours is the client's,
//! and what stands left of it is what that client says. Non-goals: who is believed, requests of
//! anybody else. Bound: the head that it was read from.
//!
//! A proxy adds to one of both fields and may pass the other on as its client sent it. Which, nothing
//! says: where both are there and name different clients, the proxy itself counts. Fields with a
//! single address (`X-Real-IP`, `CF-Connecting-IP`) are not read for the same reason.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::net::proxy::Proxies;

/// What a head says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// The lines of `X-Forwarded-For`.
    x_forwarded_for: Vec<String>,
    /// Those of `Forwarded`.
    forwarded: Vec<String>,
    /// The last proxy says that it was asked over HTTPS.
    is_secure: bool,
    /// There is such a field, or one of the many others that speak for another.
    is_any: bool,
}

impl Forwarding {
    /// Takes a field that speaks for another; its name is in small letters.
    pub fn take(&mut self, name: &str, value: &[u8]) {
        self.is_any = true;
        let value = String::from_utf8_lossy(value);
        match name {
            "x-forwarded-for" => self.x_forwarded_for.push(value.into_owned()),
            "forwarded" => self.forwarded.push(value.into_owned()),
            "x-forwarded-proto" => {
                let last = value.rsplit(',').next().unwrap_or_default();
                self.is_secure = last.trim().eq_ignore_ascii_case("https");
            }
            _ => {}
        }
    }

    /// Whether anybody speaks for another.
    pub fn is_any(&self) -> bool {
        self.is_any
    }

    /// Whether the proxy was asked over HTTPS, if it is believed.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The client, as `proxy`, which is one of `proxies`, says.
    pub fn client(&self, proxy: IpAddr, proxies: &Proxies) -> IpAddr {
        let list = self.x_forwarded_for.iter().flat_map(|line| line.split(',').map(node));
        // Line by line: what a client leaves open in its own ends there.
        let elements = self.forwarded.iter().flat_map(|line| split(line, ','));
        let client = |hops: Vec<_>| {
            let first = nearest_stranger(proxy, &hops, proxies);
            (!hops.is_empty()).then_some(first)
        };
        match (client(list.collect()), client(elements.map(for_node).collect())) {
            (Some(one), Some(other)) if one != other => proxy,
            (Some(client), _) | (None, Some(client)) => client,
            (None, None) => proxy,
        }
    }
}

/// From `proxy` on, which is at the right end of `hops`, the first that is no proxy of ours; where
/// one is no address, the proxy that wrote it.
fn nearest_stranger(proxy: IpAddr, hops: &[Option<IpAddr>], proxies: &Proxies) -> IpAddr {
    let mut last = proxy;
    for hop in hops.iter().rev() {
        match hop {
            Some(address) if proxies.have(*address) => last = *address,
            Some(address) => return *address,
            None => return last,
        }
    }
    last
}

/// The parts between separators that are not within quotes (RFC 7239, 4; RFC 9110, 5.6.4). A text
/// whose last quote is left open has one part that says nothing: it may have swallowed others.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(|c| {
        let escapes = is_quoted && !is_escaped && c == '\\';
        if c == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = escapes;
        c == separator && !is_quoted
    });
    let parts = parts.collect();
    if is_quoted {
        vec![""]
    } else {
        parts
    }
}

/// The address of an element's `for`, if it has one and that is an address.
fn for_node(element: &str) -> Option<IpAddr> {
    let mut nodes = split(element, ';').into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    // RFC 7239, 4: each parameter once.
    let (value, None) = (nodes.next()?, nodes.next()) else { return None };
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    node(quoted.unwrap_or(value))
}

/// An address, with or without brackets and port.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let address = bare().or_else(with_port).or_else(|| bracketed().map(IpAddr::V6))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::network::Network;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Whom a request from 127.0.0.1 is for, where 127.0.0.1 and 10.0.0.0/8 are proxies.
    fn client(fields: &[(&str, &str)]) -> IpAddr {
        let from: [Network; 2] = ["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse().unwrap());
        let mut forwarding = Forwarding::default();
        fields.iter().for_each(|(name, value)| forwarding.take(name, value.as_bytes()));
        forwarding.client(ip("127.0.0.1"), &Proxies::new(&from))
    }

    #[test]
    fn the_rightmost_that_is_no_proxy_of_ours_is_the_client() {
        for (list, wanted) in [
            ("192.0.2.7", "192.0.2.7"),
            ("  192.0.2.7\t", "192.0.2.7"),
            ("203.0.113.9, 192.0.2.7", "192.0.2.7"),
            ("127.0.0.1, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
            ("192.0.2.7, 10.1.2.3, 127.0.0.1", "192.0.2.7"),
            ("192.0.2.7:4711", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            // Only proxies of ours: the one that asked first.
            ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
            // Nothing is known left of what is no address.
            ("192.0.2.7, unknown", "127.0.0.1"),
            ("192.0.2.7, unknown, 10.1.2.3", "10.1.2.3"),
            ("192.0.2.7, ", "127.0.0.1"),
            ("", "127.0.0.1"),
            ("192.0.2.7 203.0.113.9", "127.0.0.1"),
            ("192.0.2.7:x", "127.0.0.1"),
            ("[192.0.2.7]", "127.0.0.1"),
            ("\u{e4}", "127.0.0.1"),
        ] {
            assert_eq!(client(&[("x-forwarded-for", list)]), ip(wanted), "{list:?}");
        }
        let lines = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(client(&lines), ip("192.0.2.7"), "lines are one list");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        for (list, wanted) in [
            ("for=192.0.2.7", "192.0.2.7"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("proto=https; for=\"192.0.2.7:80\" ;host=\"a,b;for=1.2.3.4\"", "192.0.2.7"),
            ("for=203.0.113.9, for=192.0.2.7, for=10.0.0.1", "192.0.2.7"),
            ("for=203.0.113.9, host=\"a\\\",for=1.2.3.4\";for=192.0.2.7", "192.0.2.7"),
            ("for=unknown", "127.0.0.1"),
            ("for=_hidden, for=10.0.0.1", "10.0.0.1"),
            ("for=\"_SEVKISEK\"", "127.0.0.1"),
            ("proto=https", "127.0.0.1"),
            ("for=192.0.2.7;for=192.0.2.8", "127.0.0.1"),
            ("for=\"192.0.2.7", "127.0.0.1"),
            ("for=192.0.2.8;by=\"a, for=192.0.2.7", "127.0.0.1"),
            ("192.0.2.7", "127.0.0.1"),
            ("", "127.0.0.1"),
        ] {
            assert_eq!(client(&[("forwarded", list)]), ip(wanted), "{list:?}");
        }
    }

    #[test]
    fn two_fields_that_disagree_name_nobody() {
        let both = |list, elements| client(&[("x-forwarded-for", list), ("forwarded", elements)]);
        assert_eq!(both("192.0.2.7", "for=192.0.2.7"), ip("192.0.2.7"));
        assert_eq!(both("192.0.2.7", "for=192.0.2.8"), ip("127.0.0.1"));
        assert_eq!(both("192.0.2.7", "for=unknown"), ip("127.0.0.1"));
        let open = [("forwarded", "for=\"192.0.2.9"), ("forwarded", "for=192.0.2.7")];
        assert_eq!(client(&open), ip("192.0.2.7"), "a quote left open ends with its line");
    }

    #[test]
    fn single_addresses_are_not_believed_and_count_as_forwarding() {
        for name in ["x-real-ip", "cf-connecting-ip", "via"] {
            assert_eq!(client(&[(name, "192.0.2.7")]), ip("127.0.0.1"), "{name}");
            let mut forwarding = Forwarding::default();
            assert!(!forwarding.is_any());
            forwarding.take(name, b"192.0.2.7");
            assert!(forwarding.is_any());
        }
    }

    #[test]
    fn the_last_proxy_says_how_it_was_asked() {
        for (proto, secure) in [("https", true), ("http, HTTPS", true), ("https, http", false)] {
            let mut forwarding = Forwarding::default();
            forwarding.take("x-forwarded-proto", proto.as_bytes());
            assert_eq!(forwarding.is_secure(), secure, "{proto}");
        }
    }
}
