use super::*;

const NOW: Mono = Mono::from_ms(1_000_000);

/// A message of the kernel with these options, of an advertisement that came by this card.
fn message(interface: u32, options: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = u32::try_from(2 * HEADER_BYTES + options.len()).unwrap();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(USER_OPTION.to_ne_bytes());
    bytes.extend([0; 10]);
    // AF_INET6.
    bytes.extend([10, 0]);
    bytes.extend(u16::try_from(options.len()).unwrap().to_ne_bytes());
    bytes.extend(interface.to_ne_bytes());
    bytes.extend([ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(options);
    bytes
}

fn rdnss(lifetime_s: u32, addresses: &[&str]) -> Vec<u8> {
    let mut option = vec![RDNSS, u8::try_from(1 + 2 * addresses.len()).unwrap(), 0, 0];
    option.extend(lifetime_s.to_be_bytes());
    for address in addresses {
        option.extend(address.parse::<Ipv6Addr>().unwrap().octets());
    }
    option
}

fn told(servers: &NameServers) -> String {
    let record = servers.record();
    assert_eq!(record.last(), Some(&b'\n'));
    String::from_utf8(record.to_vec()).unwrap().trim_end().to_owned()
}

#[test]
fn servers_are_kept_for_as_long_as_the_router_says() {
    let mut servers = NameServers::default();
    assert_eq!((told(&servers).as_str(), servers.next_end()), ("dns", None));
    servers.take(&message(2, &rdnss(600, &["fd00::53", "fe80::1"])), NOW);
    assert_eq!(told(&servers), "dns fd00::53 fe80::1%2");
    let end = NOW + Duration::from_secs(600);
    assert_eq!(servers.next_end(), Some(end));
    // Said again it lasts longer; by another card the same link's address is another server.
    let later = NOW + Duration::from_secs(60);
    servers.take(&message(3, &rdnss(600, &["fd00::53", "fe80::1"])), later);
    assert_eq!(told(&servers), "dns fd00::53 fe80::1%2 fe80::1%3");
    servers.expire(end);
    assert_eq!(told(&servers), "dns fd00::53 fe80::1%3");
    // No time at all takes it back; all time stays.
    servers.take(&message(3, &rdnss(0, &["fd00::53", "fd00::77"])), later);
    servers.take(&message(3, &rdnss(ENDLESS, &["fe80::1"])), later);
    servers.expire(end + Duration::from_secs(1 << 31));
    assert_eq!((told(&servers).as_str(), servers.next_end()), ("dns fe80::1%3", None));
}

#[test]
fn several_options_and_messages_are_read_and_others_passed_over() {
    let mut servers = NameServers::default();
    // A search list (RFC 8106, 5.2) before, a prefix of NAT64 (RFC 8781) behind.
    let mut options = vec![31, 2, 0, 0, 0, 0, 0, 9, 1, b'a', 0, 0, 0, 0, 0, 0];
    options.extend(rdnss(9, &["fd00::1"]));
    options.extend([38, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    options.extend(rdnss(9, &["fd00::2"]));
    let mut bytes = message(2, &options);
    // Of another kind, of an odd length.
    bytes.extend(19_u32.to_ne_bytes());
    bytes.extend([16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0]);
    bytes.extend(message(2, &rdnss(9, &["fd00::3", "fd00::4"])));
    servers.take(&bytes, NOW);
    assert_eq!(told(&servers), "dns fd00::1 fd00::2 fd00::3", "three are asked at most");
}

#[test]
fn what_is_no_servers_address_and_what_is_cut_short_is_left_out() {
    let mut servers = NameServers::default();
    servers.take(&message(2, &rdnss(9, &["::", "::1", "ff02::1", "::ffff:192.0.2.1"])), NOW);
    assert_eq!(told(&servers), "dns");
    let whole = message(2, &rdnss(9, &["fd00::1"]));
    for end in 0..whole.len() {
        servers.take(&whole[..end], NOW);
    }
    assert_eq!(told(&servers), "dns");
    for units in [0, 1, 2, 4, 255] {
        let mut option = rdnss(9, &["fd00::1"]);
        option[1] = units;
        servers.take(&message(2, &option), NOW);
        assert_eq!(told(&servers), "dns", "{units}");
    }
}

#[test]
fn a_router_that_names_thousands_is_bounded_and_the_record_has_room_for_the_longest() {
    let mut servers = NameServers::default();
    let long: Vec<String> =
        (0..60).map(|n| format!("fe80:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aa{n:02}")).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    for _ in 0..9 {
        servers.take(&message(u32::MAX, &rdnss(9, &long)), NOW);
    }
    assert_eq!(servers.known.len(), NAME_SERVERS_KNOWN_MAX);
    assert_eq!(told(&servers).split(' ').count(), 1 + NAME_SERVERS_USED_MAX);
    assert!(told(&servers).ends_with("%4294967295"));
}

#[test]
fn anybody_may_listen_and_the_first_record_comes_at_once() {
    struct Once(Vec<u8>);
    impl Write for Once {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend(bytes);
            // Anybody who reads has seen enough.
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut out = Once(Vec::new());
    assert_eq!(listen(&mut out).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(out.0.len(), NAME_SERVERS_RECORD_BYTES);
}
