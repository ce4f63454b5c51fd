//! What the kernel tells of a socket beside its address. Purpose: datagrams dropped for want of
//! room in the receive buffer, which no other counter shows.

use std::net::{IpAddr, SocketAddr};

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
