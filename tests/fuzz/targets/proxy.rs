//! Whom a proxy speaks for: the PROXY header is the same however it arrives, and nothing that a client
//! writes before what a proxy adds changes whom HTTP's own fields name.

use std::net::{IpAddr, Ipv4Addr};

use streamcaster::base::limits::PROXY_HEADER_BYTES_MAX;
use streamcaster::control::http::forwarded::Forwarding;
use streamcaster::net::network::Network;
use streamcaster::net::proxy::header::{parse, Beginning};
use streamcaster::net::proxy::Proxies;

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// Reads an input as the beginning of a connection, and as what a client says of itself.
pub fn run(input: &[u8]) {
    header(input);
    fields(input);
}

fn header(input: &[u8]) {
    let whole = parse(input);
    // What it is shows at one byte, and no later byte changes it.
    let mut decided = None;
    for came in 0..=input.len().min(PROXY_HEADER_BYTES_MAX + 1) {
        let so_far = parse(input.get(..came).unwrap_or_default());
        match decided {
            None if so_far == Ok(Beginning::Incomplete) => assert!(came < PROXY_HEADER_BYTES_MAX),
            None => decided = Some(so_far),
            Some(decided) => assert_eq!(so_far, decided, "{came}"),
        }
    }
    assert_eq!(whole, decided.unwrap_or(Ok(Beginning::Incomplete)));
    match whole {
        Ok(Beginning::Header { bytes, .. }) => {
            assert!((1..=PROXY_HEADER_BYTES_MAX).contains(&bytes));
            assert!(bytes <= input.len());
        }
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn fields(input: &[u8]) {
    let proxies = Proxies::new(&[Network { address: PROXY, prefix: 32 }]);
    let client = |fields: &[(&str, &[u8])]| {
        let mut forwarding = Forwarding::default();
        fields.iter().for_each(|(name, value)| forwarding.take(name, value));
        forwarding.client(PROXY, &proxies)
    };
    let added = |behind: &[u8]| [input, behind].concat();
    let lines: [(&str, &[u8]); 2] = [("x-forwarded-for", input), ("x-forwarded-for", b"192.0.2.7")];
    assert_eq!(client(&lines), CLIENT);
    assert_eq!(client(&[("x-forwarded-for", &added(b", 192.0.2.7"))]), CLIENT);
    let lines: [(&str, &[u8]); 2] = [("forwarded", input), ("forwarded", b"for=192.0.2.7")];
    assert_eq!(client(&lines), CLIENT);
    // In one line a quote that is left open swallows what is added: then nobody is named.
    let one_line = client(&[("forwarded", &added(b", for=192.0.2.7"))]);
    assert!([CLIENT, PROXY].contains(&one_line), "{one_line}");
    let both: [(&str, &[u8]); 2] = [("forwarded", input), ("x-forwarded-for", b"192.0.2.7")];
    assert!([CLIENT, PROXY].contains(&client(&both)));
}
