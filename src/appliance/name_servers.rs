//! The DNS servers that routers advertise (RFC 8106, 5.1), which a network without DHCP has no other way
//! to tell. Purpose: the kernel takes the advertisement, checks it, and hands its options for user
//! space on by rtnetlink; here they become a list that lasts as long as the routers say. So nobody
//! needs a raw socket or any capability, and what a stranger sends reaches only this user. Non-goals:
//! search domains; writing resolv.conf, which the appliance's scripts do. Bound:
//! [`NAME_SERVERS_KNOWN_MAX`] servers, a record of [`NAME_SERVERS_RECORD_BYTES`] for each change.

use std::io::{self, Write};
use std::net::Ipv6Addr;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{set_socket_timeout, Timeout};
use rustix::net::{bind, recvfrom, socket_with, AddressFamily, RecvFlags, SocketFlags, SocketType};

use crate::base::limits::{
    NAME_SERVERS_KNOWN_MAX, NAME_SERVERS_MESSAGE_BYTES, NAME_SERVERS_RECORD_BYTES,
    NAME_SERVERS_USED_MAX,
};
use crate::base::time::Mono;
use crate::system::clock;

/// `RTNLGRP_ND_USEROPT` as a bit of the mask of groups (rtnetlink(7), linux/rtnetlink.h).
const GROUP: u32 = 1 << (20 - 1);
/// `RTM_NEWNDUSEROPT`.
const USER_OPTION: u16 = 68;
/// `struct nlmsghdr`, and `struct nduseroptmsg` behind it.
const HEADER_BYTES: usize = 16;
/// A router advertisement (RFC 4861, 4.2).
const ADVERTISEMENT: u8 = 134;
/// Recursive DNS Server (RFC 8106, 5.1).
const RDNSS: u8 = 25;
/// For good.
const ENDLESS: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Server {
    address: Ipv6Addr,
    /// The card's number, for an address of its link.
    interface: u32,
    /// It is good until then; `None`: for good.
    until: Option<Mono>,
}

/// Those that are good now, in the order they came.
#[derive(Clone, Debug, Default)]
pub struct NameServers {
    known: heapless::Vec<Server, NAME_SERVERS_KNOWN_MAX>,
}

impl NameServers {
    /// Takes what the kernel sent: messages, each with options of one advertisement.
    pub fn take(&mut self, mut bytes: &[u8], now: Mono) {
        self.expire(now);
        while let Some((message, rest)) = next_message(bytes) {
            if let Some((interface, options)) = message {
                self.take_options(interface, options, now);
            }
            bytes = rest;
        }
    }

    fn take_options(&mut self, interface: u32, mut options: &[u8], now: Mono) {
        while let Some([kind, units]) = options.first_chunk().copied() {
            let Some((option, rest)) = options.split_at_checked(usize::from(units) * 8) else {
                return;
            };
            // Of no length, it would never end (RFC 4861, 4.6).
            let Some((head, addresses)) = option.split_first_chunk::<8>() else { return };
            if kind == RDNSS {
                let [_, _, _, _, lifetime @ ..] = *head;
                self.take_servers(interface, addresses, u32::from_be_bytes(lifetime), now);
            }
            options = rest;
        }
    }

    fn take_servers(&mut self, interface: u32, addresses: &[u8], lifetime_s: u32, now: Mono) {
        let until = now + Duration::from_secs(lifetime_s.into());
        let until = (lifetime_s != ENDLESS).then_some(until);
        let octets =
            addresses.chunks_exact(16).filter_map(|octets| <[u8; 16]>::try_from(octets).ok());
        for address in octets.map(Ipv6Addr::from).filter(|address| is_a_servers(*address)) {
            let is_local = address.is_unicast_link_local();
            let server = Server { address, interface: if is_local { interface } else { 0 }, until };
            let same =
                |known: &Server| known.address == address && known.interface == server.interface;
            let at = self.known.iter().position(same);
            match (lifetime_s, at) {
                (0, Some(at)) => drop(self.known.remove(at)),
                (0, None) => {}
                (_, Some(at)) => {
                    self.known.iter_mut().skip(at).take(1).for_each(|own| *own = server)
                }
                // Those that came first stay.
                (_, None) => drop(self.known.push(server)),
            }
        }
    }

    /// Forgets those whose time is over.
    pub fn expire(&mut self, now: Mono) {
        self.known.retain(|server| server.until.is_none_or(|until| now < until));
    }

    /// When the next one's time is over.
    pub fn next_end(&self) -> Option<Mono> {
        self.known.iter().filter_map(|server| server.until).min()
    }

    /// The list for who writes it down: `dns`, the addresses of the first ones, blanks, a line feed;
    /// always of the same length, so that its reader needs no more memory than that.
    pub fn record(&self) -> [u8; NAME_SERVERS_RECORD_BYTES] {
        let mut line = "dns".to_owned();
        for Server { address, interface, .. } in self.known.iter().take(NAME_SERVERS_USED_MAX) {
            line += &format!(" {address}");
            if *interface != 0 {
                line += &format!("%{interface}");
            }
        }
        let mut record = [b' '; NAME_SERVERS_RECORD_BYTES];
        record.iter_mut().zip(line.bytes()).for_each(|(to, byte)| *to = byte);
        if let Some(last) = record.last_mut() {
            *last = b'\n';
        }
        record
    }
}

/// Whether a DNS server may have this address.
fn is_a_servers(address: Ipv6Addr) -> bool {
    !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && address.to_ipv4_mapped().is_none()
}

type Options<'a> = (u32, &'a [u8]);

/// The first message: its card and options, where it is of that kind; and what follows it.
fn next_message(bytes: &[u8]) -> Option<(Option<Options<'_>>, &[u8])> {
    let (head, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [a, b, c, d, e, f, ..] = *head;
    let (length, kind) = (u32::from_ne_bytes([a, b, c, d]), u16::from_ne_bytes([e, f]));
    let length = usize::try_from(length).ok()?;
    let body = bytes.get(HEADER_BYTES..length)?;
    // The next one begins at a multiple of four.
    let rest = bytes.get(length.checked_next_multiple_of(4)?..).unwrap_or_default();
    let options = || {
        let (own, options) = body.split_first_chunk::<HEADER_BYTES>()?;
        let [_, _, e, f, a, b, c, d, icmp, ..] = *own;
        let options = options.get(..u16::from_ne_bytes([e, f]).into())?;
        (icmp == ADVERTISEMENT).then_some((u32::from_ne_bytes([a, b, c, d]), options))
    };
    Some((if kind == USER_OPTION { options() } else { None }, rest))
}

/// Writes a record at once, and one for each change, until nobody reads them.
///
/// # Errors
/// The kernel has no such socket, or nobody reads any longer.
pub fn listen(out: &mut impl Write) -> io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUP))?;
    let mut servers = NameServers::default();
    let mut told = None;
    let mut buffer = [0; NAME_SERVERS_MESSAGE_BYTES];
    loop {
        let record = servers.record();
        if told != Some(record) {
            out.write_all(&record)?;
            out.flush()?;
            told = Some(record);
        }
        // No time at all would mean for ever.
        let wait = |end: Mono| end.since(clock::mono()).max(Duration::from_millis(1));
        set_socket_timeout(&socket, Timeout::Recv, servers.next_end().map(wait))?;
        match recvfrom(&socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((read, _, from)) => {
                let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
                // Another process has a number.
                if from.is_some_and(|from| from.pid() == 0) {
                    servers.take(buffer.get(..read).unwrap_or_default(), clock::mono());
                }
            }
            // What was lost comes again with the next advertisement.
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => {}
            Err(error) => return Err(error.into()),
        }
        servers.expire(clock::mono());
    }
}

#[cfg(test)]
#[path = "name_servers_tests.rs"]
mod tests;
