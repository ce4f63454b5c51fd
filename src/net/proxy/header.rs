//! The PROXY protocol's header, versions 1 and 2, as a load balancer puts it before a client's bytes
//! (HAProxy's proxy-protocol.txt, 2). Purpose: the client's address. Non-goals: whether the sender
//! is believed, what it adds behind the addresses (2.2: types, lengths and values), which is skipped,
//! its checksum included. Bound: [`V1_BYTES_MAX`] and [`PROXY_HEADER_BYTES_MAX`] bytes; it keeps none.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::base::limits::PROXY_HEADER_BYTES_MAX;

/// How version 1 begins (2.1).
const V1_START: &[u8] = b"PROXY ";
/// The longest line of version 1, its end included (2.1).
const V1_BYTES_MAX: usize = 107;
/// How version 2 begins (2.2).
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What stands before the addresses of version 2: signature, command, family, length.
const V2_FIXED_BYTES: usize = 16;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// As far as it goes, they may become a header.
    Incomplete,
    /// No header: they belong to the client's own protocol.
    Absent,
    /// A header.
    Header {
        /// Its length; the client's own bytes follow.
        bytes: usize,
        /// Whom the connection is for.
        named: NamedPeer,
    },
}

/// Whom a header says its connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedPeer {
    /// A client.
    Client(SocketAddr),
    /// The proxy itself, which looks whether we are well, or a client it knows nothing about
    /// (LOCAL, UNKNOWN, UNSPEC): the connection's own address counts.
    Itself,
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The line of version 1 is not one.
    Line,
    /// The line of version 1 has no end where it must have one.
    LineTooLong,
    /// Another version than 2 behind the signature of version 2.
    Version,
    /// A command, family or transport that version 2 does not have.
    Unassigned,
    /// The client did not come by TCP.
    NotTcp,
    /// The addresses do not fit into the stated length.
    Truncated,
    /// The stated length is more than [`PROXY_HEADER_BYTES_MAX`] allows.
    TooLong,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::Line => f.write_str("its line is malformed"),
            HeaderError::LineTooLong => {
                write!(f, "its line does not end within {V1_BYTES_MAX} bytes")
            }
            HeaderError::Version => f.write_str("its version is neither 1 nor 2"),
            HeaderError::Unassigned => {
                f.write_str("it has a command, family or transport that is not defined")
            }
            HeaderError::NotTcp => f.write_str("the client it names did not come by TCP"),
            HeaderError::Truncated => f.write_str("its addresses are cut off"),
            HeaderError::TooLong => {
                write!(f, "it is longer than {PROXY_HEADER_BYTES_MAX} bytes")
            }
        }
    }
}

/// Looks at the first bytes of a connection, as far as they have come.
///
/// # Errors
/// They begin as a header does, and are not one.
pub fn parse(input: &[u8]) -> Result<Beginning, HeaderError> {
    if input.starts_with(V1_START) {
        version_1(input)
    } else if input.starts_with(V2_START) {
        version_2(input)
    } else if V1_START.starts_with(input) || V2_START.starts_with(input) {
        Ok(Beginning::Incomplete)
    } else {
        Ok(Beginning::Absent)
    }
}

fn version_1(input: &[u8]) -> Result<Beginning, HeaderError> {
    let within = input.get(..V1_BYTES_MAX).unwrap_or(input);
    let Some(end) = within.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return match input.len() < V1_BYTES_MAX {
            true => Ok(Beginning::Incomplete),
            false => Err(HeaderError::LineTooLong),
        };
    };
    let (line, rest) = within.split_at_checked(end).unwrap_or((within, &[]));
    match rest {
        [b'\r', b'\n', ..] => Ok(Beginning::Header { bytes: end + 2, named: named_in_line(line)? }),
        [b'\r'] if input.len() < V1_BYTES_MAX => Ok(Beginning::Incomplete),
        [b'\r'] => Err(HeaderError::LineTooLong),
        _ => Err(HeaderError::Line),
    }
}

/// Whom a line without its end names.
fn named_in_line(line: &[u8]) -> Result<NamedPeer, HeaderError> {
    let told = line.strip_prefix(V1_START).ok_or(HeaderError::Line)?;
    if told.split(|byte| *byte == b' ').next() == Some(b"UNKNOWN") {
        // Whatever follows is to be ignored.
        return Ok(NamedPeer::Itself);
    }
    let mut words = std::str::from_utf8(told).map_err(|_| HeaderError::Line)?.split(' ');
    let mut word = || words.next().ok_or(HeaderError::Line);
    let (family, source, destination) = (word()?, word()?, word()?);
    let (source_port, destination_port) = (word()?, word()?);
    if word().is_ok() {
        return Err(HeaderError::Line);
    }
    let (address, _) = match family {
        "TCP4" => (address::<Ipv4Addr>(source)?, address::<Ipv4Addr>(destination)?),
        "TCP6" => (address::<Ipv6Addr>(source)?, address::<Ipv6Addr>(destination)?),
        _ => return Err(HeaderError::Line),
    };
    let (port, _) = (port(source_port)?, port(destination_port)?);
    Ok(NamedPeer::Client(SocketAddr::new(address.to_canonical(), port)))
}

fn address<A: FromStr + Into<IpAddr>>(word: &str) -> Result<IpAddr, HeaderError> {
    word.parse::<A>().map(A::into).map_err(|_| HeaderError::Line)
}

/// A decimal number without heading zeroes.
fn port(word: &str) -> Result<u16, HeaderError> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| plain).ok_or(HeaderError::Line)
}

fn version_2(input: &[u8]) -> Result<Beginning, HeaderError> {
    let rest = input.strip_prefix(V2_START).unwrap_or_default();
    let Some(version_and_command) = rest.first() else { return Ok(Beginning::Incomplete) };
    if version_and_command >> 4 != 2 {
        return Err(HeaderError::Version);
    }
    let is_local = match version_and_command & 0x0f {
        0 => true,
        1 => false,
        _ => return Err(HeaderError::Unassigned),
    };
    let [_, family_and_transport, length_high, length_low, block @ ..] = rest else {
        return Ok(Beginning::Incomplete);
    };
    let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
    let bytes = V2_FIXED_BYTES + length;
    if bytes > PROXY_HEADER_BYTES_MAX {
        return Err(HeaderError::TooLong);
    }
    let Some(block) = block.get(..length) else { return Ok(Beginning::Incomplete) };
    // The family of LOCAL is to be ignored.
    let named =
        if is_local { NamedPeer::Itself } else { named_in_block(*family_and_transport, block)? };
    Ok(Beginning::Header { bytes, named })
}

/// Whom the addresses name; what stands behind them is skipped.
fn named_in_block(family_and_transport: u8, block: &[u8]) -> Result<NamedPeer, HeaderError> {
    let (family, transport) = (family_and_transport >> 4, family_and_transport & 0x0f);
    let client = match (family, transport) {
        (0..=3, 0) | (0, 1..=2) => return Ok(NamedPeer::Itself),
        (1, 1) => source::<4>(block),
        (2, 1) => source::<16>(block),
        (1..=2, 2) | (3, 1..=2) => return Err(HeaderError::NotTcp),
        _ => return Err(HeaderError::Unassigned),
    };
    client.map(NamedPeer::Client).ok_or(HeaderError::Truncated)
}

/// The first of two addresses of so many bytes, with the first of the two ports behind them.
fn source<const BYTES: usize>(block: &[u8]) -> Option<SocketAddr>
where
    IpAddr: From<[u8; BYTES]>,
{
    let (source, rest) = block.split_first_chunk::<BYTES>()?;
    let (_destination, ports) = rest.split_first_chunk::<BYTES>()?;
    let [high, low, _, _, ..] = ports else { return None };
    let port = u16::from_be_bytes([*high, *low]);
    Some(SocketAddr::new(IpAddr::from(*source).to_canonical(), port))
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
