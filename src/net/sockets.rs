//! What is asked of and about sockets. Purpose: datagrams dropped for want of room in the receive
//! buffer, which no other counter shows; how many descriptors there are; whom an address counts
//! for; how a port is bound for IPv4 and IPv6 at once.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Once;

use rustix::io::Errno;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use socket2::{Domain, Socket, Type};

/// An address as everybody knows it: a dual-stack socket shows an IPv4 peer mapped into IPv6 (RFC 4291,
/// 2.5.5.2).
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(v4.into(), address.port()),
        // With its scope, without which a link-local one leads nowhere.
        IpAddr::V6(_) => address,
    }
}

/// A socket bound to `listen`; `prepare` is called before. `[::]` takes IPv4 too, whatever
/// `net.ipv6.bindv6only` says, and where the kernel has no IPv6 it is 0.0.0.0, which the log says once.
///
/// # Errors
/// The kernel's own.
pub fn bind(
    listen: SocketAddr,
    kind: Type,
    prepare: impl Fn(&Socket) -> io::Result<()>,
) -> io::Result<Socket> {
    or_by_ipv4(listen, |listen| {
        let socket = Socket::new(Domain::for_address(listen), kind, None)?;
        if listen.is_ipv6() && listen.ip().is_unspecified() {
            socket.set_only_v6(false)?;
        }
        prepare(&socket)?;
        socket.bind(&listen.into())?;
        Ok(socket)
    })
}

/// Opens `[::]` as 0.0.0.0 where there is no IPv6.
fn or_by_ipv4<T>(listen: SocketAddr, open: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    static SAID: Once = Once::new();
    let error = match open(listen) {
        Err(error) => error,
        opened => return opened,
    };
    // Switched off for good (ipv6.disable=1), or on all cards (disable_ipv6).
    let absent = [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].map(|errno| Some(errno.raw_os_error()));
    let everywhere = listen.is_ipv6() && listen.ip().is_unspecified();
    if !everywhere || !absent.contains(&error.raw_os_error()) {
        return Err(error);
    }
    SAID.call_once(|| log::info!("this system has no IPv6: listening on 0.0.0.0 instead of [::]"));
    open(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), listen.port()))
}

/// The addresses by which this machine would speak to others, of IPv4 and IPv6: none where there is no
/// route. Nothing is sent: a UDP socket that is connected has only looked for its route.
pub fn own_addresses() -> [Option<IpAddr>; 2] {
    // Documentation's (RFC 5737, RFC 3849): nobody's, and reached by the default route.
    let far = ["192.0.2.1:9", "[2001:db8::1]:9"];
    let any = ["0.0.0.0:0", "[::]:0"];
    let [v4, v6] = [0, 1].map(|at: usize| {
        let socket = UdpSocket::bind(any.get(at)?).ok()?;
        socket.connect(far.get(at)?).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|own| !own.is_unspecified())
    });
    [v4, v6]
}

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
    fn everywhere_is_both_families_and_an_ipv4_peer_is_shown_as_one() {
        let udp = bind("[::]:0".parse().unwrap(), Type::DGRAM, |_| Ok(())).unwrap();
        let udp = UdpSocket::from(udp);
        let port = udp.local_addr().unwrap().port();
        for (from, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
            // A machine without IPv6 has only the first.
            let Ok(sender) = UdpSocket::bind(from) else { continue };
            sender.send_to(b"x", (to, port)).unwrap();
            let (_, peer) = udp.recv_from(&mut [0; 8]).unwrap();
            assert_eq!(canonical(peer), sender.local_addr().unwrap());
        }
    }

    #[test]
    fn without_ipv6_everywhere_is_ipv4_and_nothing_else_is_given_up() {
        let without = |listen: &str, errno: Errno| {
            or_by_ipv4(listen.parse().unwrap(), |listen| match listen {
                SocketAddr::V6(_) => Err(io::Error::from(errno)),
                SocketAddr::V4(_) => Ok(listen.to_string()),
            })
        };
        for errno in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            assert_eq!(without("[::]:1935", errno).unwrap(), "0.0.0.0:1935");
            assert!(
                without("[2001:db8::1]:1935", errno).is_err(),
                "what was asked for is not there"
            );
        }
        assert!(without("[::]:1935", Errno::ADDRINUSE).is_err());
    }

    #[test]
    fn canonical_keeps_port_and_scope() {
        let shown = |text: &str| canonical(text.parse().unwrap()).to_string();
        assert_eq!(shown("[::ffff:192.0.2.1]:5"), "192.0.2.1:5");
        assert_eq!(shown("[fe80::1%3]:5"), "[fe80::1%3]:5");
        assert_eq!(shown("[::127.0.0.1]:5"), "[::7f00:1]:5", "not mapped: no IPv4 at all");
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
