//! Where a client comes from, and by which port. Purpose: the address that counts for a connection,
//! by the PROXY header of a proxy that is believed, and for each of its requests, by what such a
//! proxy says in the request's head. Non-goals: what an address may; deadlines. Bound: a header as
//! [`proxy`] bounds it.

use std::io;
use std::net::{self, IpAddr};
use std::sync::Arc;

use async_io::Async;
use async_net::TcpStream;

use crate::config::{HttpConfig, StatConfig};
use crate::control::http::forwarded::Forwarding;
use crate::control::http::head::Refusal;
use crate::control::http::port::Port;
use crate::net::network::Network;
use crate::net::proxy::header::NamedPeer;
use crate::net::proxy::{self, Opening, Proxies};
use crate::net::sockets::source;

/// Who may use each port, beside this machine itself.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// Page and API.
    pub http: Vec<Network>,
    /// Statistics.
    pub stat: Vec<Network>,
}

impl Default for Allowed {
    /// Everybody.
    fn default() -> Allowed {
        Allowed { http: HttpConfig::default().allow, stat: StatConfig::default().allow }
    }
}

impl Allowed {
    /// Whether the client that a client stands for may go through it: of a proxy that has named nobody
    /// yet, the proxy.
    pub fn has(&self, client: &Client) -> bool {
        let networks = match client.port {
            Port::Http => &self.http,
            Port::Stat => &self.stat,
        };
        let is_here = client.way == Way::Own && client.peer.to_canonical().is_loopback();
        is_here || networks.iter().any(|network| network.contains(client.peer))
    }
}

/// Where a client comes from.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The port it came in by.
    pub port: Port,
    /// Its address.
    pub peer: IpAddr,
    /// The address of ours that the connection came to.
    pub local: Option<IpAddr>,
    /// It came by TLS.
    pub secure: bool,
    /// How it came.
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It has made the connection itself.
    Own,
    /// A proxy has made it, and has not named anybody.
    Proxy,
    /// A proxy has named it.
    Named,
}

/// Why a connection ends.
pub enum End {
    /// The client left, or asked nothing more in time: there is nobody to talk to.
    Silent,
    /// The client is told why.
    Refused(Refusal),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> End {
        End::Silent
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> End {
        End::Refused(refusal)
    }
}

impl Client {
    /// For a connection from an address.
    pub fn new(port: Port, peer: IpAddr, proxies: &Proxies) -> Client {
        let way = if proxies.have(peer) { Way::Proxy } else { Way::Own };
        Client { port, peer, local: None, secure: false, way }
    }

    /// A proxy that is believed has made the connection, and may begin it with a header.
    pub fn is_proxy(&self) -> bool {
        self.way == Way::Proxy
    }

    /// Waits for the connection's first bytes, and takes a header off it that they may be. Bytes of
    /// another kind that cannot be left in the socket go into `early`.
    ///
    /// # Errors
    /// What begins as a header is not one, or the connection is gone.
    pub async fn read_header(
        &mut self,
        stream: &TcpStream,
        early: &mut Vec<u8>,
    ) -> Result<(), End> {
        let socket: Arc<Async<net::TcpStream>> = stream.clone().into();
        match socket.read_with(|socket| proxy::take_pieces(socket, early)).await? {
            Opening::Header(NamedPeer::Client(client)) => {
                self.peer = client.ip();
                self.way = Way::Named;
                Ok(())
            }
            Opening::Header(NamedPeer::Itself) | Opening::Bare => Ok(()),
            Opening::Broken(error) => Err(Refusal::BadProxyHeader(error).into()),
        }
    }

    /// The same for one of the requests, which a proxy may have forwarded for somebody.
    pub fn of_request(mut self, forwarding: &Forwarding, proxies: &Proxies) -> Client {
        if self.way != Way::Own && forwarding.is_any() && proxies.have(self.peer) {
            self.peer = forwarding.client(self.peer, proxies);
            self.secure |= forwarding.is_secure();
            self.way = Way::Named;
        }
        self
    }

    /// Whom the connection counts for.
    pub fn source(&self) -> IpAddr {
        let source = source(self.peer);
        match self.way {
            Way::Own => source,
            Way::Proxy | Way::Named => proxy::distant(source),
        }
    }

    /// Nothing of it leaves this machine, as far as its connection goes.
    pub fn is_wire_here(&self) -> bool {
        self.way != Way::Named && self.peer.to_canonical().is_loopback()
    }

    /// A proxy has named it.
    pub fn is_named(&self) -> bool {
        self.way == Way::Named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarding(fields: &[(&str, &str)]) -> Forwarding {
        let mut forwarding = Forwarding::default();
        fields.iter().for_each(|(name, value)| forwarding.take(name, value.as_bytes()));
        forwarding
    }

    #[test]
    fn only_a_proxy_that_is_believed_speaks_for_others() {
        let proxies = Proxies::new(&["127.0.0.2".parse().unwrap()]);
        let client = |from: &str| Client::new(Port::Http, from.parse().unwrap(), &proxies);
        let for_another = forwarding(&[("x-forwarded-for", "192.0.2.7")]);
        let told = |client: Client, said: &Forwarding| client.of_request(said, &proxies);
        let of = |client: Client| (client.peer.to_string(), client.is_proxy(), client.is_named());
        let is = |peer: &str, is_proxy, is_named| (peer.to_owned(), is_proxy, is_named);
        let own = told(client("127.0.0.1"), &for_another);
        assert_eq!((of(own), own.port), (is("127.0.0.1", false, false), Port::Http));
        assert_eq!(of(told(client("127.0.0.2"), &for_another)), is("192.0.2.7", false, true));
        assert_eq!(of(told(client("127.0.0.2"), &forwarding(&[]))), is("127.0.0.2", true, false));
        let odd = forwarding(&[("x-real-ip", "192.0.2.7")]);
        assert_eq!(of(told(client("127.0.0.2"), &odd)), is("127.0.0.2", false, true));
        let named = Client { peer: [192, 0, 2, 9].into(), way: Way::Named, ..client("127.0.0.2") };
        let by_itself = is("192.0.2.9", false, true);
        assert_eq!(of(told(named, &for_another)), by_itself, "a client says nothing about itself");
        let chain = Client { peer: [127, 0, 0, 2].into(), ..named };
        assert_eq!(of(told(chain, &for_another)), is("192.0.2.7", false, true));
        let tls = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")];
        assert!(told(client("127.0.0.2"), &forwarding(&tls)).secure);
        assert!(!told(client("127.0.0.1"), &forwarding(&tls)).secure);
    }

    #[test]
    fn each_port_has_its_own_networks_and_this_machine_is_in_all_of_them() {
        let networks = |text: &str| vec![text.parse::<Network>().unwrap()];
        let allowed = Allowed { http: networks("192.0.2.0/24"), stat: networks("2001:db8::/32") };
        let proxies = Proxies::new(&["127.0.0.2".parse().unwrap()]);
        let client = |port, from: &str| Client::new(port, from.parse().unwrap(), &proxies);
        for (from, http, stat) in [
            ("192.0.2.7", true, false),
            ("::ffff:192.0.2.7", true, false),
            ("2001:db8::1", false, true),
            ("198.51.100.1", false, false),
            ("127.0.0.1", true, true),
            ("::1", true, true),
            // A proxy here that names nobody is not this machine.
            ("127.0.0.2", false, false),
        ] {
            assert_eq!(allowed.has(&client(Port::Http, from)), http, "{from}");
            assert_eq!(allowed.has(&client(Port::Stat, from)), stat, "{from}");
        }
        let claims = forwarding(&[("x-forwarded-for", "127.0.0.1")]);
        let named = client(Port::Http, "127.0.0.2").of_request(&claims, &proxies);
        assert!(!allowed.has(&named), "nor is whom a proxy calls that");
        let says = forwarding(&[("x-forwarded-for", "192.0.2.9")]);
        assert!(allowed.has(&client(Port::Http, "127.0.0.2").of_request(&says, &proxies)));
    }

    #[test]
    fn a_proxy_on_this_machine_does_not_count_as_it() {
        let proxies = Proxies::new(&["127.0.0.2".parse().unwrap()]);
        let client = |from: &str| Client::new(Port::Http, from.parse().unwrap(), &proxies);
        assert!(client("127.0.0.1").source().is_loopback() && client("127.0.0.1").is_wire_here());
        assert!(!client("127.0.0.2").source().is_loopback() && client("127.0.0.2").is_wire_here());
        let named = Client { way: Way::Named, ..client("127.0.0.3") };
        assert!(!named.source().is_loopback() && !named.is_wire_here());
    }
}
