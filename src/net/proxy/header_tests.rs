use super::*;

/// A header of version 2.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("a block that can be stated").to_be_bytes();
    [V2_START, &[command, family], &length, block].concat()
}

/// Source, destination and both ports.
fn tcp4() -> Vec<u8> {
    [&[192, 168, 0, 1][..], &[192, 168, 0, 11], &56_324_u16.to_be_bytes(), &443_u16.to_be_bytes()]
        .concat()
}

fn tcp6(source: &str) -> Vec<u8> {
    let source: Ipv6Addr = source.parse().expect("an address");
    [&source.octets()[..], &[0; 16], &1_u16.to_be_bytes(), &2_u16.to_be_bytes()].concat()
}

fn client(text: &str) -> NamedPeer {
    NamedPeer::Client(text.parse().expect("an address and a port"))
}

/// What a network load balancer of AWS puts behind the addresses (its endpoint's name, a checksum),
/// and what HAProxy does with `proxy-v2-options ssl,unique-id,authority`.
fn extras() -> Vec<u8> {
    let value = |kind: u8, bytes: &[u8]| {
        [&[kind][..], &u16::try_from(bytes.len()).expect("short").to_be_bytes(), bytes].concat()
    };
    let ssl = [&[1, 0, 0, 0, 0][..], &value(0x21, b"TLSv1.3")].concat();
    [
        value(0xEA, b"\x01vpce-08d2bf15fac5001c9"),
        value(0x03, &[0xDE, 0xAD, 0xBE, 0xEF]),
        value(0x04, &[0; 40]),
        value(0x05, &[b'u'; 128]),
        value(0x02, b"stream.example.com"),
        value(0x20, &ssl),
    ]
    .concat()
}

/// Headers that are whole, with whom they name.
fn whole() -> Vec<(Vec<u8>, NamedPeer)> {
    let ffff = ["ffff"; 8].join(":");
    let longest = format!("PROXY TCP6 {ffff} {ffff} 65535 65535\r\n");
    let unknown = format!("PROXY UNKNOWN {ffff} {ffff} 65535 65535\r\n");
    assert_eq!((longest.len(), unknown.len()), (104, V1_BYTES_MAX), "2.1: the longest lines");
    let v1 = [
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", client("192.168.0.1:56324")),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            client("255.255.255.255:65535"),
        ),
        ("PROXY TCP4 127.0.0.1 127.0.0.1 0 0\r\n", client("127.0.0.1:0")),
        ("PROXY TCP6 2001:db8::7 ::1 4000 1935\r\n", client("[2001:db8::7]:4000")),
        ("PROXY TCP6 2001:DB8::A ::1 1 2\r\n", client("[2001:db8::a]:1")),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 4000 1935\r\n", client("192.0.2.1:4000")),
        (&longest, client(&format!("[{ffff}]:65535"))),
        ("PROXY UNKNOWN\r\n", NamedPeer::Itself),
        ("PROXY UNKNOWN anything at all \u{e4}\r\n", NamedPeer::Itself),
        (&unknown, NamedPeer::Itself),
    ];
    let v2 = [
        (v2(0x21, 0x11, &tcp4()), client("192.168.0.1:56324")),
        (v2(0x21, 0x11, &[tcp4(), extras()].concat()), client("192.168.0.1:56324")),
        (v2(0x21, 0x21, &tcp6("2001:db8::7")), client("[2001:db8::7]:1")),
        (v2(0x21, 0x21, &[tcp6("2001:db8::7"), extras()].concat()), client("[2001:db8::7]:1")),
        (v2(0x21, 0x21, &tcp6("::ffff:192.0.2.1")), client("192.0.2.1:1")),
        (v2(0x20, 0x00, &[]), NamedPeer::Itself),
        (v2(0x20, 0x00, &extras()), NamedPeer::Itself),
        (v2(0x20, 0x11, &tcp4()), NamedPeer::Itself),
        (v2(0x20, 0xff, &[1, 2, 3]), NamedPeer::Itself),
        (v2(0x21, 0x00, &[]), NamedPeer::Itself),
        (v2(0x21, 0x00, &tcp4()), NamedPeer::Itself),
        (v2(0x21, 0x10, &tcp4()), NamedPeer::Itself),
        (v2(0x21, 0x01, &[]), NamedPeer::Itself),
        (v2(0x20, 0x00, &vec![0; PROXY_HEADER_BYTES_MAX - V2_FIXED_BYTES]), NamedPeer::Itself),
    ];
    v1.into_iter().map(|(line, named)| (line.as_bytes().to_vec(), named)).chain(v2).collect()
}

#[test]
fn headers_are_read_wherever_they_are_cut() {
    for (header, named) in whole() {
        let bytes = header.len();
        for came in 0..bytes {
            assert_eq!(parse(&header[..came]), Ok(Beginning::Incomplete), "{came}: {header:?}");
        }
        assert_eq!(parse(&header), Ok(Beginning::Header { bytes, named }), "{header:?}");
        for next in [&b"\x03"[..], b"GET / HTTP/1.1\r\n\r\n", b"\r\n", b"PROXY TCP4 "] {
            let followed = [&header, next].concat();
            assert_eq!(parse(&followed), Ok(Beginning::Header { bytes, named }), "{header:?}");
        }
    }
}

#[test]
fn what_is_no_header_is_seen_at_its_first_strange_byte() {
    for other in [
        &b"\x03"[..],
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\r\n",
        b"PUT /",
        b"POST /",
        b"PROPFIND /",
        b"PROXY\t",
        b"PROXYING",
        b"proxy TCP4",
        b"\r\n\r\n\r\n",
        b"\r\nGET",
        b" PROXY TCP4",
    ] {
        assert_eq!(parse(other), Ok(Beginning::Absent), "{other:?}");
    }
}

#[test]
fn lines_that_are_no_lines_are_refused() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY unknown\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 00 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2  2\r\n",
        "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP6 ::1 192.0.2.2 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rx",
        "PROXY TCP4\n192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UNKNOWN\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 \u{e4}\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(HeaderError::Line), "{line:?}");
    }
    assert_eq!(parse(b"PROXY \xff\r\n"), Err(HeaderError::Line));
}

#[test]
fn a_line_ends_in_time_or_is_refused() {
    let endless = [V1_START, &[b'x'; V1_BYTES_MAX]].concat();
    for came in V1_START.len()..V1_BYTES_MAX {
        assert_eq!(parse(&endless[..came]), Ok(Beginning::Incomplete), "{came}");
    }
    for came in V1_BYTES_MAX..endless.len() {
        assert_eq!(parse(&endless[..came]), Err(HeaderError::LineTooLong), "{came}");
    }
    // Its end would be one byte too late.
    let late = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_BYTES_MAX - 15));
    assert_eq!(late.len(), V1_BYTES_MAX + 1);
    assert_eq!(parse(late.as_bytes()), Err(HeaderError::LineTooLong));
    assert_eq!(parse(&late.as_bytes()[..V1_BYTES_MAX]), Err(HeaderError::LineTooLong));
}

#[test]
fn what_version_2_does_not_have_is_refused() {
    for (header, error) in [
        (v2(0x11, 0x11, &tcp4()), HeaderError::Version),
        (v2(0x31, 0x11, &tcp4()), HeaderError::Version),
        (v2(0x01, 0x11, &tcp4()), HeaderError::Version),
        (v2(0x22, 0x11, &tcp4()), HeaderError::Unassigned),
        (v2(0x2f, 0x11, &tcp4()), HeaderError::Unassigned),
        (v2(0x21, 0x13, &tcp4()), HeaderError::Unassigned),
        (v2(0x21, 0x03, &tcp4()), HeaderError::Unassigned),
        (v2(0x21, 0x41, &tcp4()), HeaderError::Unassigned),
        (v2(0x21, 0xf0, &tcp4()), HeaderError::Unassigned),
        (v2(0x21, 0x12, &tcp4()), HeaderError::NotTcp),
        (v2(0x21, 0x22, &tcp6("::1")), HeaderError::NotTcp),
        (v2(0x21, 0x31, &[0; 216]), HeaderError::NotTcp),
        (v2(0x21, 0x32, &[0; 216]), HeaderError::NotTcp),
        (v2(0x21, 0x31, &[]), HeaderError::NotTcp),
        (v2(0x21, 0x11, &[]), HeaderError::Truncated),
        (v2(0x21, 0x11, &tcp4()[..11]), HeaderError::Truncated),
        (v2(0x21, 0x21, &tcp4()), HeaderError::Truncated),
        (v2(0x21, 0x21, &tcp6("::1")[..35]), HeaderError::Truncated),
        (v2(0x20, 0x00, &vec![0; PROXY_HEADER_BYTES_MAX - 15]), HeaderError::TooLong),
    ] {
        assert_eq!(parse(&header), Err(error), "{header:?}");
    }
    // A length is not waited for that is too much.
    let stated = [V2_START, &[0x21, 0x11, 0xff, 0xff]].concat();
    assert_eq!(parse(&stated), Err(HeaderError::TooLong));
    // A block is not read before it is whole, whatever it would turn out to be.
    let header = v2(0x21, 0x31, &[0; 216]);
    assert_eq!(parse(&header[..header.len() - 1]), Ok(Beginning::Incomplete));
}

#[test]
fn errors_are_sentences() {
    for error in [
        HeaderError::Line,
        HeaderError::LineTooLong,
        HeaderError::Version,
        HeaderError::Unassigned,
        HeaderError::NotTcp,
        HeaderError::Truncated,
        HeaderError::TooLong,
    ] {
        assert!(error.to_string().len() > 10, "{error:?}");
    }
}
