//! What a plan is made for: region, name, addresses, bundle. Purpose: a wrong value is told here
//! and not by AWS in the middle of the work. Non-goal: whether AWS has room. Bound: the regions
//! that had Lightsail when this was written; a test holds them against botocore's.

use std::fmt;
use std::net::Ipv4Addr;

/// Where Lightsail is offered.
pub const REGIONS: [&str; 19] = [
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-5",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-2",
];

/// The plans by size, smallest first.
const SIZES: [&str; 7] = ["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge"];
/// Room for what is put behind a name, in a host name's 63 bytes.
const NAME_BYTES_MAX: usize = 48;

/// A region and one of its zones.
#[derive(Debug)]
pub struct Place {
    /// As in `eu-central-1`.
    pub region: String,
    /// As in `eu-central-1a`.
    pub zone: String,
}

impl Place {
    /// Takes a region that has Lightsail, and a letter.
    pub fn parse(region: &str, letter: char) -> Result<Place, String> {
        if !REGIONS.contains(&region) {
            let all = REGIONS.join(", ");
            return Err(format!("--region {region}: Lightsail is in {all}"));
        }
        if !('a'..='f').contains(&letter) {
            return Err(format!("--zone {letter}: a letter from a to f"));
        }
        Ok(Place { region: region.to_owned(), zone: format!("{region}{letter}") })
    }
}

/// An IPv4 address or network. The static address is IPv4, so whoever comes does so over IPv4.
#[derive(Debug, PartialEq)]
pub struct Network {
    address: Ipv4Addr,
    bits: u32,
}

impl Network {
    /// Takes `203.0.113.7` and `203.0.113.0/24`; `option` is what the error names.
    pub fn parse(option: &str, text: &str) -> Result<Network, String> {
        let wrong = |why: &str| format!("{option} {text}: {why}");
        let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
        let address: Ipv4Addr = address
            .parse()
            .map_err(|_| wrong("an IPv4 address or network, as 203.0.113.7 or 203.0.113.0/24"))?;
        let plain = !bits.is_empty() && bits.len() <= 2 && bits.bytes().all(|b| b.is_ascii_digit());
        let bits: u32 = bits
            .parse()
            .ok()
            .filter(|bits| plain && *bits <= 32)
            .ok_or_else(|| wrong("the length behind the slash is a number from 8 to 32"))?;
        if bits < 8 {
            return Err(wrong("that is nearly everybody; name the addresses that need it"));
        }
        let host_part = u32::MAX.checked_shr(bits).unwrap_or(0);
        if u32::from(address) & host_part != 0 {
            let first = Ipv4Addr::from(u32::from(address) & !host_part);
            return Err(wrong(&format!("the network of that length begins at {first}")));
        }
        if address.is_private() || address.is_loopback() || address.is_link_local() {
            return Err(wrong(
                "Lightsail sees your public address: curl https://checkip.amazonaws.com",
            ));
        }
        Ok(Network { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// A plan's bundle: size and generation.
#[derive(Debug)]
pub struct Bundle {
    size: usize,
    generation: String,
}

impl Bundle {
    /// Takes what `get-bundles` calls a Linux plan with IPv4, as in `micro_3_0`.
    pub fn parse(text: &str) -> Result<Bundle, String> {
        let wrong = || {
            let sizes = SIZES.join(", ");
            format!("--bundle {text}: a Linux plan with IPv4, as micro_3_0; sizes are {sizes}")
        };
        let (size, generation) = text.split_once('_').ok_or_else(wrong)?;
        let size = SIZES.iter().position(|known| *known == size).ok_or_else(wrong)?;
        let number =
            |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let (major, minor) = generation.split_once('_').ok_or_else(wrong)?;
        if !number(major) || !number(minor) {
            return Err(wrong());
        }
        Ok(Bundle { size, generation: generation.to_owned() })
    }

    /// The next larger one, if there is any.
    pub fn bigger(&self) -> Option<Bundle> {
        let size = self.size + 1;
        (size < SIZES.len()).then(|| Bundle { size, generation: self.generation.clone() })
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", SIZES.get(self.size).copied().unwrap_or_default(), self.generation)
    }
}

/// A name for the instance, which is its host name as well.
pub fn name(text: &str) -> Result<String, String> {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inside = text.bytes().all(|byte| letters(byte) || byte == b'-');
    let ends = [text.bytes().next(), text.bytes().last()];
    let sound = inside && ends.iter().all(|end| end.is_some_and(letters));
    if sound && (2..=NAME_BYTES_MAX).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "--name {text}: 2 to {NAME_BYTES_MAX} of a to z, 0 to 9 and -, which is at neither end"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_lightsail_or_the_error_says_which_have() {
        assert_eq!(Place::parse("eu-central-1", 'b').unwrap().zone, "eu-central-1b");
        let error = Place::parse("eu-central-2", 'a').unwrap_err();
        assert!(error.starts_with("--region eu-central-2: ") && error.contains("eu-west-1"));
        assert!(Place::parse("eu-central-1", 'z').unwrap_err().contains("--zone z"));
    }

    #[test]
    fn an_address_is_one_that_comes_from_outside() {
        let parsed = |text: &str| Network::parse("--admin", text).map(|net| net.to_string());
        assert_eq!(parsed("203.0.113.7"), Ok("203.0.113.7/32".to_owned()));
        assert_eq!(parsed("203.0.113.0/24"), Ok("203.0.113.0/24".to_owned()));
        for (text, why) in [
            ("0.0.0.0/0", "nearly everybody"),
            ("203.0.113.7/24", "begins at 203.0.113.0"),
            ("192.168.1.2", "public address"),
            ("203.0.113.7/33", "from 8 to 32"),
            ("203.0.113.7/+9", "from 8 to 32"),
            ("203.0.113.7/", "from 8 to 32"),
            ("2001:db8::1", "IPv4"),
            ("me", "IPv4"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.starts_with("--admin ") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_bundle_knows_the_next_larger_one() {
        let bundle = Bundle::parse("micro_3_0").unwrap();
        assert_eq!(bundle.to_string(), "micro_3_0");
        assert_eq!(bundle.bigger().unwrap().to_string(), "small_3_0");
        assert!(Bundle::parse("2xlarge_3_0").unwrap().bigger().is_none());
        for text in
            ["micro", "tiny_3_0", "micro_win_3_0", "micro_ipv6_3_0", "micro_3_0;x", "micro_3"]
        {
            assert!(Bundle::parse(text).unwrap_err().contains(text), "{text}");
        }
    }

    #[test]
    fn a_name_needs_no_quoting_anywhere() {
        assert_eq!(name("caster-2"), Ok("caster-2".to_owned()));
        for text in ["", "a", "-a", "a-", "A b", "a_b", "ü1", "a;b"] {
            assert!(name(text).is_err(), "{text}");
        }
        assert!(name(&"a".repeat(49)).is_err());
    }
}
