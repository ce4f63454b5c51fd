//! Networks: which senders are believed, who may connect.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network in CIDR form, `192.168.0.0/16` or `fc00::/7`; a single address is its own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its address; the bits behind the prefix are zero.
    pub address: IpAddr,
    /// Bits all its members share.
    pub prefix: u8,
}

impl Network {
    /// Of IPv4.
    pub const fn v4(octets: [u8; 4], prefix: u8) -> Network {
        let [a, b, c, d] = octets;
        Network { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    /// Of IPv6: the first and the last of its eight groups, zeros between.
    pub const fn v6(first: u16, last: u16, prefix: u8) -> Network {
        Network { address: IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last)), prefix }
    }

    /// Loopback, the private ranges (RFC 1918, RFC 4193) and link-local: who is believed unless
    /// the configuration says otherwise.
    pub fn near() -> Vec<Network> {
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
    pub fn everybody() -> Vec<Network> {
        vec![Network::v4([0, 0, 0, 0], 0), Network::v6(0, 0, 0)]
    }

    /// This machine.
    pub fn here() -> Vec<Network> {
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

#[cfg(test)]
mod tests {
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
    fn networks_are_shown_as_they_are_written() {
        for text in ["10.0.0.0/8", "fc00::/7", "::1/128"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
    }
}
