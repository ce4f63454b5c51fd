//! What is asked of and about sockets. Purpose: datagrams dropped for want of room in the receive
//! buffer, which no other counter shows; how many descriptors there are; whom an address counts
//! for.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

/// Whom an address counts for: an IPv6 network hands out addresses by the /64.
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            let network = Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0);
            IpAddr::V6(if v6.is_loopback() { v6 } else { network })
        }
        v4 => v4,
    }
}

/// Descriptors this process may have open at once (RLIMIT_NOFILE, getrlimit(2)).
pub fn descriptors_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Raises that limit to `wanted`, or as far as the hard limit allows. Linux's usual 1024 is less
/// than a thousand viewers need.
pub fn raise_descriptors(wanted: usize) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    let allowed = limit.maximum.unwrap_or(u64::MAX).min(wanted);
    if limit.current.is_none_or(|current| current >= allowed) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// Datagrams the kernel has dropped on the UDP socket bound to `local`, from `/proc/net/udp` or
/// `udp6` (column `drops`); zero when it cannot be told.
pub fn udp_drops(local: SocketAddr) -> u64 {
    let path = if local.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
    let table = std::fs::read_to_string(path).unwrap_or_default();
    drops_in(&table, local).unwrap_or(0)
}

fn drops_in(table: &str, local: SocketAddr) -> Option<u64> {
    let wanted = kernel_form(local);
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        (columns.nth(1)? == wanted).then(|| columns.next_back()?.parse().ok())?
    })
}

/// An address as those tables write it: the address's 32-bit words in host order, in hexadecimal.
fn kernel_form(address: SocketAddr) -> String {
    let word = |bytes: &[u8]| {
        let bytes = bytes.try_into().unwrap_or_default();
        format!("{:08X}", u32::from_ne_bytes(bytes))
    };
    let words: String = match address.ip() {
        IpAddr::V4(ip) => word(&ip.octets()),
        IpAddr::V6(ip) => ip.octets().chunks(4).map(word).collect(),
    };
    format!("{words}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    const TABLE: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  353: 00000000:04D2 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 20391 2 0000000000000000 0
  497: 0100007F:A0F1 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 20392 2 0000000000000000 4711
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_row_is_found_by_its_address() {
        assert_eq!(drops_in(TABLE, SocketAddr::from(([127, 0, 0, 1], 0xA0F1))), Some(4711));
        assert_eq!(drops_in(TABLE, SocketAddr::from(([0, 0, 0, 0], 1234))), Some(0));
        assert_eq!(drops_in(TABLE, SocketAddr::from(([127, 0, 0, 1], 1))), None);
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn sources_are_counted_by_network() {
        assert_eq!(source(ip("2001:db8::1:2")), source(ip("2001:db8::ffff:1")));
        assert_ne!(source(ip("2001:db8:0:1::1")), source(ip("2001:db8:0:2::1")));
        assert_eq!(source(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
        assert!(source(ip("::1")).is_loopback());
    }

    #[test]
    fn the_limit_of_descriptors_is_never_lowered() {
        let before = descriptors_max();
        raise_descriptors(1).unwrap();
        assert_eq!(descriptors_max(), before);
        raise_descriptors(usize::MAX).unwrap();
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert_eq!(descriptors_max() as u64, hard);
    }

    #[test]
    fn a_real_socket_that_overflows_is_counted() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        assert_eq!(udp_drops(to), 0);
        for _ in 0..2000 {
            sender.send_to(&[0; 1316], to).unwrap();
        }
        assert!(udp_drops(to) > 0);
    }
}
