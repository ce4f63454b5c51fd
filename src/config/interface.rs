//! Interfaces: where a multicast group is joined.

use std::fmt;
use std::net::IpAddr;

/// Longest name of a network interface (Linux: IFNAMSIZ less its terminator).
const INTERFACE_BYTES_MAX: usize = 15;

/// A network interface, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// By name, `eth0`.
    Name(String),
    /// By an address of its own.
    Address(IpAddr),
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interface::Name(name) => f.write_str(name),
            Interface::Address(address) => address.fmt(f),
        }
    }
}

impl Interface {
    /// An address if it is one, else a name; `None` if it can be neither.
    pub(super) fn parse(text: &str) -> Option<Interface> {
        if let Ok(address) = text.parse() {
            return Some(Interface::Address(address));
        }
        let fits = (1..=INTERFACE_BYTES_MAX).contains(&text.len());
        let clean =
            text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':'));
        // All digits and dots is an address with a slip of the pen, not an interface.
        let named = text.bytes().any(|byte| byte.is_ascii_alphabetic());
        (fits && clean && named).then(|| Interface::Name(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_names_or_addresses() {
        assert_eq!(Interface::parse("eth0"), Some(Interface::Name("eth0".to_owned())));
        assert_eq!(Interface::parse("br-lan.100"), Some(Interface::Name("br-lan.100".to_owned())));
        let address = Interface::Address("192.168.1.2".parse().unwrap());
        assert_eq!(Interface::parse("192.168.1.2"), Some(address));
        for text in ["", "eth 0", "a/b", "192.168.1", "192.168.1.256", "sixteen-letters-"] {
            assert_eq!(Interface::parse(text), None, "{text}");
        }
    }
}
