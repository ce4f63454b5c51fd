//! Single values, whoever says them. Each reading answers with the value or with what was expected.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::appliance::MachineName;
use super::interface::Interface;
use crate::base::limits::{
    DESTINATION_NAME_BYTES_MAX, MACHINE_NAME_BYTES_MAX, RTMP_NAME_BYTES_MAX,
};
use crate::base::redact::Secret;
use crate::net::network::Network;
use crate::operator::platforms::pasted;
use crate::system::password::PasswordHash;

/// A value, or the words after which a person knows what to write.
pub(super) type Parsed<T> = Result<T, String>;

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

/// Its own sentence says what is wrong with its length.
pub(super) fn password_hash(text: &str, _: u64, _: u64) -> Parsed<PasswordHash> {
    PasswordHash::parse(text).map_err(|error| error.to_string())
}

/// The levels of the log.
pub(super) const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

pub(super) fn interface(text: &str) -> Parsed<Interface> {
    Interface::parse(text).ok_or_else(|| {
        "expected the name of a network interface such as eth0, or one of its addresses".to_owned()
    })
}

/// Networks of proxies.
pub(super) fn proxies(networks: Vec<Network>) -> Parsed<Vec<Network>> {
    match networks.iter().find(|network| network.prefix == 0) {
        Some(all) => Err(format!(
            "{all}: expected the addresses of your own proxies: everybody would be believed"
        )),
        None => Ok(networks),
    }
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
pub(super) fn stream_key(text: &str, min: u64, max: u64) -> Parsed<Secret> {
    let clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let key = (is_within(text, min, max) && clean).then(|| Secret::new(text));
    key.ok_or_else(|| format!("expected a stream key of {min} to {max} bytes, without spaces"))
}

/// A destination's, as people paste it.
pub(super) fn destination_key(text: &str) -> Parsed<Secret> {
    stream_key(pasted::bare(text), 1, RTMP_NAME_BYTES_MAX as u64)
}

/// A key that stands as a query value in URLs that people type: nothing that means something
/// there.
pub(super) fn query_key(text: &str, min: u64, max: u64) -> Parsed<Secret> {
    let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let key = (is_within(text, min, max) && clean).then(|| Secret::new(text));
    key.ok_or_else(|| format!("expected {min} to {max} letters, digits and any of -._~"))
}

/// The address of what is pulled, before it is known what stands beside it.
pub(super) fn pulled(text: &str, min: u64, max: u64) -> Parsed<String> {
    is_within(text, min, max).then(|| text.to_owned()).ok_or_else(|| {
        format!("expected a url such as \"rtmp://host/live/stream\" of at most {max} bytes")
    })
}

fn is_within(text: &str, min: u64, max: u64) -> bool {
    (min..=max).contains(&(text.len() as u64))
}
