//! What the kernel hands on of router advertisements: whatever it is, the list stays bounded, and its
//! record has its shape.

use streamcaster::appliance::name_servers::NameServers;
use streamcaster::base::limits::NAME_SERVERS_RECORD_BYTES;
use streamcaster::base::time::Mono;

pub fn run(input: &[u8]) {
    let mut servers = NameServers::default();
    // In two parts, so that what is known already is met again.
    let (first, second) = input.split_at(input.len() / 2);
    for (n, bytes) in [input, first, second, input].into_iter().enumerate() {
        servers.take(bytes, Mono::from_ms(n as u64 * 10_000));
        let record = servers.record();
        assert_eq!(record.last(), Some(&b'\n'));
        let text = std::str::from_utf8(&record[..NAME_SERVERS_RECORD_BYTES - 1]).expect("ASCII");
        let mut words = text.split_ascii_whitespace();
        assert_eq!(words.next(), Some("dns"));
        assert!(words.clone().count() <= 3);
        for word in words {
            let (address, interface) = word.split_once('%').unwrap_or((word, "1"));
            assert!(address.parse::<std::net::Ipv6Addr>().is_ok(), "{word}");
            assert!(interface.parse::<u32>().is_ok(), "{word}");
        }
    }
    servers.expire(Mono::from_ms(u64::from(u32::MAX) * 2000));
    assert_eq!(servers.next_end(), None);
}
