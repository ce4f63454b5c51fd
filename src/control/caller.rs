//! Who may give commands. Purpose: until there are passwords, commands are taken from this machine
//! and its own networks only, and from no web page but our own. Non-goals: reading the state,
//! which stays open to all; passwords. Bound: looks at four texts and keeps nothing.
//!
//! A page of somebody else's that the operator has open could have the operator's browser send a
//! command. Three things stand in its way: browsers say where a request comes from
//! (`Sec-Fetch-Site`, W3C Fetch Metadata 2.1, and `Origin`, RFC 6454, 7), commands with a body
//! must be `application/json`, which no page may send elsewhere without asking first (Fetch
//! Standard, 2.2.2), and a Host that is a name of the public DNS is not ours: a name that was made
//! to point here (DNS rebinding) would have the origin it claims.

use std::fmt;
use std::net::IpAddr;

/// Where a request comes from, as far as it is told. Texts are empty when absent.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The peer's address; nothing when the gate did not say.
    pub peer: Option<IpAddr>,
    /// Host as sent.
    pub host: &'a str,
    /// Origin as sent.
    pub origin: &'a str,
    /// Sec-Fetch-Site as sent.
    pub fetch_site: &'a str,
}

/// Why a command is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// The peer is neither this machine nor in a private network.
    Peer,
    /// Another site's page sent it.
    CrossSite,
    /// The Host is a name of the public DNS.
    Host,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stranger::Peer => {
                "Commands are taken only from this machine and from private networks; \
                 send it from there, for example through ssh -L 8080:127.0.0.1:8080."
            }
            Stranger::CrossSite => {
                "A page of another site sent this; commands are taken from this machine's own \
                 page only."
            }
            Stranger::Host => {
                "Commands are taken only under an IP address, localhost or a local name; \
                 open the page by the machine's IP address."
            }
        })
    }
}

impl Caller<'_> {
    /// Whether this caller may give commands.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn may_command(&self) -> Result<(), Stranger> {
        if !self.peer.is_some_and(is_near) {
            return Err(Stranger::Peer);
        }
        let own_page = matches!(self.fetch_site, "" | "same-origin" | "none");
        if !own_page || !(self.origin.is_empty() || self.is_own_origin()) {
            return Err(Stranger::CrossSite);
        }
        if is_local_name(host_of(self.host)) {
            Ok(())
        } else {
            Err(Stranger::Host)
        }
    }

    /// Host and port of the Origin are the Host's. A proxy before us may have ended TLS, so both
    /// schemes count; neither browsers nor Host name a scheme's own port.
    fn is_own_origin(&self) -> bool {
        let scheme = ["http://", "https://"].into_iter();
        let authority = scheme.filter_map(|scheme| self.origin.strip_prefix(scheme)).next();
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(self.host))
    }
}

/// Loopback, private (RFC 1918, RFC 4193) or link-local (RFC 3927; RFC 4291, 2.5.6).
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// A Host field without its port; empty when it is none.
fn host_of(field: &str) -> &str {
    let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((address, rest)) = field.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let bare = rest.is_empty() || rest.strip_prefix(':').is_some_and(port);
        return if bare { address } else { "" };
    }
    match field.split_once(':') {
        Some((host, digits)) if port(digits) => host,
        Some(_) => "",
        None => field,
    }
}

/// An address, or a name that the public DNS cannot hold: one label, mDNS (RFC 6762, 3),
/// home.arpa (RFC 8375), or what private networks use.
fn is_local_name(host: &str) -> bool {
    if host.parse::<IpAddr>().is_ok() {
        return true;
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let endings = [".localhost", ".local", ".lan", ".internal", ".home.arpa"];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !host.is_empty()
        && host.bytes().all(plain)
        && (!host.contains('.') || endings.iter().any(|ending| host.ends_with(ending)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller<'a>(peer: &str, host: &'a str, origin: &'a str, fetch_site: &'a str) -> Caller<'a> {
        Caller { peer: peer.parse().ok(), host, origin, fetch_site }
    }

    #[test]
    fn only_near_peers_may_command() {
        let judged = |peer| caller(peer, "10.0.0.5:8080", "", "").may_command();
        for near in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.2",
            "169.254.7.7",
            "::ffff:192.168.1.2",
            "fd00::1",
            "fe80::1",
        ] {
            assert_eq!(judged(near), Ok(()), "{near}");
        }
        for far in [
            "8.8.8.8",
            "172.32.0.1",
            "172.15.0.1",
            "192.167.0.1",
            "100.64.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "0.0.0.0",
            "",
            "localhost",
        ] {
            assert_eq!(judged(far), Err(Stranger::Peer), "{far}");
        }
    }

    #[test]
    fn pages_of_other_sites_may_not_command() {
        let judged = |host, origin, site| caller("127.0.0.1", host, origin, site).may_command();
        for (host, origin, site) in [
            ("10.0.0.5:8080", "http://10.0.0.5:8080", "same-origin"),
            ("10.0.0.5:8080", "http://10.0.0.5:8080", ""),
            ("Box:8080", "http://box:8080", "none"),
            ("10.0.0.5", "https://10.0.0.5", "same-origin"),
            ("[fd00::1]:8080", "http://[fd00::1]:8080", "same-origin"),
            ("localhost", "", ""),
        ] {
            assert_eq!(judged(host, origin, site), Ok(()), "{host} {origin} {site}");
        }
        for (host, origin, site) in [
            ("10.0.0.5:8080", "http://evil.example", ""),
            ("10.0.0.5:8080", "http://10.0.0.5:8081", ""),
            ("10.0.0.5:8080", "http://10.0.0.5", ""),
            ("10.0.0.5:8080", "null", ""),
            ("10.0.0.5:8080", "10.0.0.5:8080", ""),
            ("10.0.0.5:8080", "file://10.0.0.5:8080", ""),
            ("10.0.0.5:8080", "", "cross-site"),
            ("10.0.0.5:8080", "", "same-site"),
            ("10.0.0.5:8080", "http://10.0.0.5:8080", "cross-site"),
            ("10.0.0.5:8080", "", "Same-Origin, none"),
        ] {
            let told = judged(host, origin, site);
            assert_eq!(told, Err(Stranger::CrossSite), "{host} {origin} {site}");
        }
    }

    #[test]
    fn a_name_that_was_made_to_point_here_is_not_ours() {
        let judged = |host| caller("192.168.1.9", host, "", "").may_command();
        for local in [
            "192.168.1.5",
            "192.168.1.5:8080",
            "8.8.8.8:80",
            "[::1]",
            "[fd00::1]:8080",
            "localhost",
            "LOCALHOST:8080",
            "streamcaster",
            "box:8080",
            "box.local",
            "box.lan",
            "box.studio.internal:80",
            "box.home.arpa",
            "box.local.",
            "my_box",
            "a.localhost",
        ] {
            assert_eq!(judged(local), Ok(()), "{local}");
        }
        for foreign in [
            "evil.example",
            "evil.example:8080",
            "local.evil.example",
            "evil-local.com",
            "",
            ":80",
            "[evil.example]",
            "10.0.0.5.evil.example",
            "box.local:x",
            "[::1]evil",
            "a b",
            "a/b",
            "box.local@evil.example",
            "::1",
        ] {
            assert_eq!(judged(foreign), Err(Stranger::Host), "{foreign}");
        }
        // What a rebinding page's browser would send.
        let page =
            caller("127.0.0.1", "evil.example:8080", "http://evil.example:8080", "same-origin");
        assert_eq!(page.may_command(), Err(Stranger::Host));
    }
}
