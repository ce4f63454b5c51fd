//! Single values, whoever says them. Each reading answers with the value or with what was expected.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use log::LevelFilter;
use toml::de::DeValue;

use super::appliance::MachineName;
use super::inputs::RequireKey;
use super::interface::Interface;
use crate::base::limits::{
    ALLOWED_NETWORKS_MAX, DESTINATION_NAME_BYTES_MAX, MACHINE_NAME_BYTES_MAX, PLAY_KEY_BYTES_MIN,
    PUBLISH_KEY_BYTES_MIN, RTMP_NAME_BYTES_MAX,
};
use crate::base::redact::Secret;
use crate::net::network::Network;
use crate::system::password::PasswordHash;

/// A value, or the words after which a person knows what to write.
pub(super) type Parsed<T> = Result<T, String>;

pub(super) fn text<'d>(value: &'d DeValue<'_>) -> Parsed<&'d str> {
    value.as_str().ok_or_else(|| "expected a text in quotes".to_owned())
}

pub(super) fn boolean(value: &DeValue<'_>) -> Parsed<bool> {
    value.as_bool().ok_or_else(|| "expected true or false".to_owned())
}

pub(super) fn whole(value: &DeValue<'_>, range: RangeInclusive<u64>) -> Parsed<u64> {
    value
        .as_integer()
        .and_then(|integer| u64::from_str_radix(integer.as_str(), integer.radix()).ok())
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
}

/// A whole number of `unit`s of 2^`shift` bytes, given the limits in bytes; the answer is in bytes.
pub(super) fn bytes(value: &DeValue<'_>, shift: u32, min: usize, max: usize) -> Parsed<usize> {
    let range = (min >> shift) as u64..=(max >> shift) as u64;
    let units = whole(value, range)?;
    Ok(usize::try_from(units << shift).unwrap_or(max))
}

pub(super) fn listen(text: &str) -> Parsed<SocketAddr> {
    text.parse()
        .map_err(|_| "expected an address and port such as 0.0.0.0:1935 or [::]:1935".to_owned())
}

pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    let fits = !text.is_empty() && !text.contains('\0');
    fits.then(|| PathBuf::from(text)).ok_or_else(|| "expected a path to a file".to_owned())
}

pub(super) fn host(text: &str) -> Parsed<IpAddr> {
    text.parse().map_err(|_| "expected an IP address to listen on, such as 0.0.0.0".to_owned())
}

pub(super) fn port(text: &str) -> Parsed<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port > 0);
    port.ok_or_else(|| "expected a port from 1 to 65535".to_owned())
}

pub(super) fn password_hash(text: &str) -> Parsed<PasswordHash> {
    PasswordHash::parse(text).map_err(|error| error.to_string())
}

pub(super) fn level(text: &str) -> Parsed<LevelFilter> {
    LevelFilter::from_str(text)
        .map_err(|_| "expected one of error, warn, info, debug, trace, off".to_owned())
}

pub(super) fn interface(text: &str) -> Parsed<Interface> {
    Interface::parse(text).ok_or_else(|| {
        "expected the name of a network interface such as eth0, or one of its addresses".to_owned()
    })
}

pub(super) fn require_key(text: &str) -> Parsed<RequireKey> {
    match text {
        "remote" => Ok(RequireKey::Remote),
        "always" => Ok(RequireKey::Always),
        _ => Err("expected \"remote\" or \"always\"".to_owned()),
    }
}

pub(super) fn networks(value: &DeValue<'_>) -> Parsed<Vec<Network>> {
    networks_from(value, 1)
}

/// The same, where no network at all makes sense.
pub(super) fn networks_or_none(value: &DeValue<'_>) -> Parsed<Vec<Network>> {
    networks_from(value, 0)
}

/// Networks of proxies, or none.
pub(super) fn proxies(value: &DeValue<'_>) -> Parsed<Vec<Network>> {
    let networks = networks_or_none(value)?;
    match networks.iter().find(|network| network.prefix == 0) {
        Some(all) => Err(format!(
            "{all}: expected the addresses of your own proxies: everybody would be believed"
        )),
        None => Ok(networks),
    }
}

fn networks_from(value: &DeValue<'_>, least: usize) -> Parsed<Vec<Network>> {
    let most = ALLOWED_NETWORKS_MAX;
    let expected =
        || format!("expected a list of {least} to {most} networks such as [\"10.0.0.0/8\"]");
    let array = value.as_array().ok_or_else(expected)?;
    if !(least..=most).contains(&array.len()) {
        return Err(expected());
    }
    let network = |text: &str| {
        text.parse().map_err(|error| format!("{}: expected {error}", super::errors::quoted(text)))
    };
    array.iter().map(|item| network(text(item.get_ref()).map_err(|_| expected())?)).collect()
}

pub(super) fn name(text: &str) -> Parsed<String> {
    let fits = (1..=DESTINATION_NAME_BYTES_MAX).contains(&text.len());
    let clean = text.trim() == text && !text.chars().any(char::is_control);
    (fits && clean).then(|| text.to_owned()).ok_or_else(|| {
        format!("expected a name of 1 to {DESTINATION_NAME_BYTES_MAX} bytes, no spaces around it")
    })
}

/// What the machine is called.
pub(super) fn machine_name(text: &str) -> Parsed<MachineName> {
    MachineName::parse(text).ok_or_else(|| {
        format!(
            "expected a name of 1 to {MACHINE_NAME_BYTES_MAX} letters a to z, digits and hyphens, \
             none of those first or last"
        )
    })
}

/// A stream key as a platform gives it out.
pub(super) fn stream_key(text: &str) -> Parsed<Secret> {
    let fits = (1..=RTMP_NAME_BYTES_MAX).contains(&text.len());
    let clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    (fits && clean).then(|| Secret::new(text)).ok_or_else(|| {
        format!("expected a stream key of 1 to {RTMP_NAME_BYTES_MAX} bytes, without spaces")
    })
}

/// What a viewer must know.
pub(super) fn play_key(text: &str) -> Parsed<Secret> {
    query_key(text, PLAY_KEY_BYTES_MIN)
}

/// What a publisher must know.
pub(super) fn publish_key(text: &str) -> Parsed<Secret> {
    query_key(text, PUBLISH_KEY_BYTES_MIN)
}

/// A key that stands as a query value in URLs that people type: nothing that means something
/// there.
fn query_key(text: &str, bytes_min: usize) -> Parsed<Secret> {
    let fits = (bytes_min..=RTMP_NAME_BYTES_MAX).contains(&text.len());
    let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    (fits && clean).then(|| Secret::new(text)).ok_or_else(|| {
        format!("expected {bytes_min} to {RTMP_NAME_BYTES_MAX} letters, digits and any of -._~")
    })
}
