//! What only shows when all settings are known: addresses that clash, interfaces that do not fit.

use std::net::SocketAddr;

use super::build::Build;
use super::errors::written;
use super::interface::Interface;

impl Build {
    /// Checks settings against each other.
    pub(super) fn check(&mut self) {
        self.check_ports();
        self.check_interface();
    }

    /// Two servers cannot have one TCP port; the error stands where the later one was said.
    fn check_ports(&mut self) {
        let servers = [
            ("rtmp.listen", self.config.rtmp.listen),
            ("http.listen", self.config.http.listen),
            ("stat.listen", self.config.stat.listen),
        ];
        let mut earlier = Vec::new();
        for (which, listen) in servers {
            for &(other, taken) in earlier.iter().filter(|(_, taken)| clash(listen, *taken)) {
                let (a, b) = (self.origin(which), self.origin(other));
                let (told, stays) = if a.place >= b.place { (a, other) } else { (b, which) };
                let expected = format!(
                    "expected a port of its own, {} uses {} already",
                    written(stays),
                    if stays == other { taken } else { listen }
                );
                self.fail(told, expected);
            }
            earlier.push((which, listen));
        }
    }

    /// A group is joined on an interface of its own family.
    fn check_interface(&mut self) {
        let listen = self.config.udp.listen;
        let Some(Interface::Address(address)) = self.config.udp.interface else { return };
        if listen.ip().is_multicast() && address.is_ipv4() != listen.is_ipv4() {
            let family = if listen.is_ipv4() { "an IPv4" } else { "an IPv6" };
            let expected = format!(
                "expected the name of an interface or {family} address, as the group {} is",
                listen.ip()
            );
            self.fail(self.origin("input.udp.interface"), expected);
        }
    }
}

/// Whether two servers would want the same port. Port 0 is whichever is free; an unspecified
/// address takes all of them, and `[::]` takes IPv4's too.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || everywhere)
}
