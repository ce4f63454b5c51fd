//! Who may ask for the statistics.

use std::path::Path;

use super::super::{defaults, load_text, Arguments};
use crate::net::network::Network;

#[test]
fn statistics_are_for_this_machine_alone_where_it_stands_in_the_open() {
    let stat = |is_appliance, text: &str| {
        let arguments = Arguments { is_appliance, ..Arguments::default() };
        load_text(Path::new("config.toml"), text, &|_| None, &arguments).unwrap().stat.allow
    };
    assert_eq!(stat(true, ""), Network::here());
    assert_eq!(stat(true, "[stat]\nlisten = \"0.0.0.0:8081\"\n"), Network::here());
    assert_eq!(stat(false, ""), Network::everybody());
    for is_appliance in [true, false] {
        let named = stat(is_appliance, "[stat]\nallow = [\"10.0.0.0/8\"]\n");
        assert_eq!(named, ["10.0.0.0/8".parse().unwrap()]);
    }
    let arguments = Arguments { is_appliance: true, ..Arguments::default() };
    assert_eq!(defaults(&arguments).stat.allow, Network::here(), "as the API tells it");
    let everybody = Network::everybody();
    for address in ["203.0.113.9", "2001:db8::1", "::ffff:203.0.113.9"] {
        assert!(everybody.iter().any(|network| network.contains(address.parse().unwrap())));
    }
}
