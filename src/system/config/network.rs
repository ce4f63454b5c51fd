//! Networks and interfaces: which senders are believed, and where a multicast group is joined.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Longest name of a network interface (Linux: IFNAMSIZ less its terminator).
const INTERFACE_BYTES_MAX: usize = 15;

/// A network in CIDR form, `192.168.0.0/16` or `fc00::/7`; a single address is its own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its address; the bits behind the prefix are zero.
    pub address: IpAddr,
    /// Bits all its members share.
    pub prefix: u8,
}

impl Network {
    pub(super) const fn v4(octets: [u8; 4], prefix: u8) -> Network {
        let [a, b, c, d] = octets;
        Network { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    pub(super) const fn v6(first: u16, last: u16, prefix: u8) -> Network {
        Network { address: IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last)), prefix }
    }

    /// Loopback, the private ranges (RFC 1918, RFC 4193) and link-local: who is believed unless
    /// the configuration says otherwise.
    pub(super) fn near() -> Vec<Network> {
        vec![
            Network::v4([127, 0, 0, 0], 8),
            Network::v4([10, 0, 0, 0], 8),
            Network::v4([172, 16, 0, 0], 12),
            Network::v4([192, 168, 0, 0], 16),
            Network::v4([169, 254, 0, 0], 16),
            Network::v6(0, 1, 128),
            Network::v6(0xfc00, 0, 7),
            Network::v6(0xfe80, 0, 10),
        ]
    }

    /// Everybody.
    pub(super) fn everybody() -> Vec<Network> {
        vec![Network::v4([0, 0, 0, 0], 0), Network::v6(0, 0, 0)]
    }

    /// This machine.
    pub(super) fn here() -> Vec<Network> {
        vec![Network::v4([127, 0, 0, 0], 8), Network::v6(0, 1, 128)]
    }

    /// Whether `address` is one of its members. An IPv4 address that a dual-stack socket shows as
    /// `::ffff:a.b.c.d` counts as the IPv4 address it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.prefix) == Some(self.address)
    }
}

/// `address` with the bits behind `prefix` cleared; `None` if it does not have so many bits.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let host_bits = 32_u32.checked_sub(prefix.into())?;
            let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
            Some(IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask)))
        }
        IpAddr::V6(v6) => {
            let host_bits = 128_u32.checked_sub(prefix.into())?;
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            Some(IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask)))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// Not an address with or without a prefix length.
    Syntax,
    /// More bits than the address has.
    Prefix,
    /// Bits behind the prefix are set; the network that may be meant.
    HostBits(Network),
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetworkError::Syntax => write!(f, "a network such as 192.168.0.0/16 or fc00::/7"),
            NetworkError::Prefix => {
                write!(f, "a prefix length up to /32 for IPv4, up to /128 for IPv6")
            }
            NetworkError::HostBits(meant) => {
                write!(f, "no bits set behind the prefix length; did you mean {meant}?")
            }
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Syntax)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| NetworkError::Prefix)?
            }
            Some(_) => return Err(NetworkError::Syntax),
        };
        let base = masked(address, prefix).ok_or(NetworkError::Prefix)?;
        let network = Network { address: base, prefix };
        if base == address {
            Ok(network)
        } else {
            Err(NetworkError::HostBits(network))
        }
    }
}

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
    use std::path::Path;

    use super::super::{load_text, Arguments};
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn members_share_the_prefix() {
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("172.16.0.0/12", "172.31.255.255"));
        assert!(!contains("172.16.0.0/12", "172.32.0.0"));
        assert!(contains("fe80::/10", "febf::1"));
        assert!(!contains("fe80::/10", "fec0::1"));
        assert!(contains("192.168.1.5", "192.168.1.5"));
        assert!(!contains("192.168.1.5", "192.168.1.4"));
        assert!(contains("0.0.0.0/0", "1.2.3.4"));
        assert!(contains("::/0", "2001:db8::1"));
    }

    #[test]
    fn families_do_not_mix_except_mapped() {
        assert!(!contains("0.0.0.0/0", "::1"));
        assert!(!contains("::/0", "1.2.3.4"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!contains("fc00::/100", "10.0.0.1"));
    }

    #[test]
    fn what_is_no_network_says_why() {
        let error = |text: &str| text.parse::<Network>().unwrap_err();
        for text in ["", "lan", "10.0.0/8", "10.0.0.0/x", "10.0.0.0/+8", "10.0.0.0/8/8"] {
            assert_eq!(error(text), NetworkError::Syntax, "{text}");
        }
        for text in ["10.0.0.0/33", "::/129", "::/300", "10.0.0.0/"] {
            assert_eq!(error(text), NetworkError::Prefix, "{text}");
        }
        assert!(error("192.168.1.5/24").to_string().ends_with("did you mean 192.168.1.0/24?"));
    }

    #[test]
    fn statistics_are_for_this_machine_alone_where_it_stands_in_the_open() {
        let stat = |is_appliance, text: &str| {
            let arguments = Arguments { is_appliance, ..Arguments::default() };
            load_text(Path::new("config.toml"), text, &|_| None, &arguments).unwrap().stat.allow
        };
        assert_eq!(stat(true, ""), Network::here());
        assert_eq!(stat(true, "[stat]\nlisten = \"0.0.0.0:8081\"\n"), Network::here());
        assert_eq!(stat(false, ""), Network::everybody());
        for is_appliance in [true, false] {
            let named = stat(is_appliance, "[stat]\nallow = [\"10.0.0.0/8\"]\n");
            assert_eq!(named, ["10.0.0.0/8".parse().unwrap()]);
        }
        let everybody = Network::everybody();
        for address in ["203.0.113.9", "2001:db8::1", "::ffff:203.0.113.9"] {
            assert!(everybody.iter().any(|network| network.contains(address.parse().unwrap())));
        }
    }

    #[test]
    fn networks_are_shown_as_they_are_written() {
        for text in ["10.0.0.0/8", "fc00::/7", "::1/128"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
    }

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
