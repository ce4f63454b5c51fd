//! Who asks, as far as the request itself tells. Purpose: whether it comes from this machine, from
//! our own page, from a browser's script, under a name of our own. Non-goals: passwords and
//! sessions (`auth`). Bound: looks at a few texts and keeps nothing.
//!
//! A page of somebody else's that the operator has open could have the operator's browser send a
//! command. Four things stand in its way: browsers say where a request comes from
//! (`Sec-Fetch-Site`, W3C Fetch Metadata 2.1, and `Origin`, RFC 6454, 7), the session's cookie goes
//! with requests of our own page only, commands with a body must be `application/json`, which no
//! page may send elsewhere without asking first (Fetch Standard, 2.2.2), and while there is no
//! password, only names of loopback (RFC 6761, 6.3) and the address that was connected to are ours:
//! any other name may have been made to point here (DNS rebinding), in a network's own DNS too, and
//! would have the origin it claims.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::base::redact::MASK;
use crate::net::{proxy, sockets};

/// What a request tells of anybody who sent it. Texts are as sent, and empty when absent.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The peer's address; nothing when the gate did not say.
    pub peer: Option<IpAddr>,
    /// The address of ours that it connected to; nothing when the gate did not say.
    pub local: Option<IpAddr>,
    /// Host.
    pub host: &'a str,
    /// Origin.
    pub origin: &'a str,
    /// Sec-Fetch-Site.
    pub fetch_site: &'a str,
    /// Sec-Fetch-Mode.
    pub fetch_mode: &'a str,
    /// User-Agent.
    pub agent: &'a str,
    /// A proxy sent it for somebody else (Forwarded, RFC 7239, 4, or what stands for it).
    pub is_forwarded: bool,
    /// It comes from a proxy of `[proxy] from` that names nobody: a program beside the proxy, the
    /// proxy itself, or somebody it should have named.
    pub is_proxy: bool,
    /// What may prove who it is.
    pub credentials: Credentials<'a>,
}

/// Secrets of a caller, as sent; `Debug` shows none of them.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// Cookie.
    pub cookie: &'a str,
    /// Authorization.
    pub authorization: &'a str,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Caller<'_> {
    /// It is on this machine. A proxy here that speaks for somebody else lends nobody its place.
    pub fn is_here(&self) -> bool {
        !self.is_proxy && self.may_be_here()
    }

    /// It is on this machine unless a proxy here is silent about whom it is for: to be asked where
    /// something better than its place speaks for it.
    pub fn may_be_here(&self) -> bool {
        !self.is_forwarded && self.peer.is_some_and(|peer| peer.to_canonical().is_loopback())
    }

    /// Whom its tries count for.
    pub fn source(&self) -> IpAddr {
        let source = self.peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), sockets::source);
        if self.is_forwarded || self.is_proxy {
            proxy::distant(source)
        } else {
            source
        }
    }

    /// No page of another site sent it.
    pub fn is_own_page(&self) -> bool {
        let same = matches!(self.fetch_site, "" | "same-origin" | "none");
        same && (self.origin.is_empty() || self.is_own_origin())
    }

    /// A page of another site has it loaded as a part of itself: no link that somebody follows.
    pub fn is_part_of_another_page(&self) -> bool {
        matches!(self.fetch_site, "cross-site" | "same-site") && self.fetch_mode != "navigate"
    }

    /// The Host is a name of loopback, or an address of it, or the one that was connected to.
    pub fn uses_local_name(&self) -> bool {
        let host = host_of(self.host);
        let Ok(address) = host.parse::<IpAddr>() else { return is_local_name(host) };
        let address = address.to_canonical();
        address.is_loopback() || self.local.is_some_and(|local| local.to_canonical() == address)
    }

    /// A browser's script sent it, which would have the browser ask for a password in a window of
    /// its own if it were challenged. Over plain HTTP browsers say nothing of how they fetch, so
    /// there what calls itself Mozilla, as all of them do, counts as one.
    pub fn is_script(&self) -> bool {
        match self.fetch_mode {
            "" => !self.fetch_site.is_empty() || self.agent.starts_with("Mozilla/"),
            mode => mode != "navigate",
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

/// A name that leads to loopback wherever it is looked up (RFC 6761, 6.3).
fn is_local_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    host == "localhost" || (host.ends_with(".localhost") && host.bytes().all(plain))
}

/// Somebody of whom nothing is known.
pub const NOBODY: Caller<'static> = Caller {
    peer: None,
    local: None,
    host: "",
    origin: "",
    fetch_site: "",
    fetch_mode: "",
    agent: "",
    is_forwarded: false,
    is_proxy: false,
    credentials: Credentials { cookie: "", authorization: "" },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_here() {
        let here = |peer: &str| Caller { peer: peer.parse().ok(), ..NOBODY }.is_here();
        for near in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(here(near), "{near}");
        }
        let far =
            ["10.1.2.3", "192.168.1.2", "8.8.8.8", "fe80::1", "::", "0.0.0.0", "", "localhost"];
        for far in far {
            assert!(!here(far), "{far}");
        }
        let proxied = Caller { peer: "127.0.0.1".parse().ok(), is_forwarded: true, ..NOBODY };
        assert!(!proxied.is_here(), "a proxy on this machine lends nobody its place");
        let silent = Caller { is_forwarded: false, is_proxy: true, ..proxied };
        assert!(!silent.is_here() && silent.may_be_here() && !proxied.may_be_here());
        for caller in [proxied, silent] {
            assert!(!caller.source().is_loopback(), "nor its tries: {}", caller.source());
        }
    }

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let own =
            |host, origin, fetch_site| Caller { host, origin, fetch_site, ..NOBODY }.is_own_page();
        for (host, origin, site) in [
            ("10.0.0.5:8080", "http://10.0.0.5:8080", "same-origin"),
            ("10.0.0.5:8080", "http://10.0.0.5:8080", ""),
            ("Box:8080", "http://box:8080", "none"),
            ("10.0.0.5", "https://10.0.0.5", "same-origin"),
            ("[fd00::1]:8080", "http://[fd00::1]:8080", "same-origin"),
            ("localhost", "", ""),
        ] {
            assert!(own(host, origin, site), "{host} {origin} {site}");
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
            assert!(!own(host, origin, site), "{host} {origin} {site}");
        }
    }

    #[test]
    fn parts_of_other_pages_are_told_from_links() {
        for (fetch_site, fetch_mode, part) in [
            ("cross-site", "no-cors", true),
            ("cross-site", "cors", true),
            ("same-site", "no-cors", true),
            ("cross-site", "", true),
            ("cross-site", "navigate", false),
            ("same-origin", "cors", false),
            ("none", "navigate", false),
            ("", "", false),
        ] {
            let caller = Caller { fetch_site, fetch_mode, ..NOBODY };
            assert_eq!(caller.is_part_of_another_page(), part, "{fetch_site} {fetch_mode}");
        }
    }

    #[test]
    fn a_name_that_was_made_to_point_here_is_not_ours() {
        let local =
            |host| Caller { host, local: "192.168.1.5".parse().ok(), ..NOBODY }.uses_local_name();
        for name in [
            "192.168.1.5",
            "192.168.1.5:8080",
            "[::ffff:192.168.1.5]",
            "127.0.0.1",
            "127.9.9.9:8080",
            "[::1]",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "a.localhost",
            "box.studio.LocalHost:80",
        ] {
            assert!(local(name), "{name}");
        }
        for name in [
            "192.168.1.6",
            "8.8.8.8:80",
            "[fd00::1]:8080",
            "0.0.0.0",
            "[::]",
            "streamcaster",
            "box:8080",
            "box.local",
            "box.lan",
            "box.studio.internal:80",
            "box.home.arpa",
            "my_box",
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "evil-localhost",
            "localhost..",
            "",
            ":80",
            "[evil.example]",
            "10.0.0.5.evil.example",
            "localhost:x",
            "[::1]evil",
            "a b",
            "a b.localhost",
            "a/b.localhost",
            "x@localhost",
            "localhost@evil.example",
            "::1",
            "2130706433",
            "127.1",
        ] {
            assert!(!local(name), "{name}");
        }
        let unsaid = Caller { host: "192.168.1.5", ..NOBODY };
        assert!(!unsaid.uses_local_name());
    }

    #[test]
    fn scripts_of_browsers_are_told_apart() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        for (fetch_mode, fetch_site, agent, script) in [
            ("", "", "curl/8.5.0", false),
            ("", "", "", false),
            ("", "", firefox, true),
            ("navigate", "none", firefox, false),
            ("cors", "same-origin", firefox, true),
            ("same-origin", "", firefox, true),
            ("", "same-origin", "", true),
        ] {
            let caller = Caller { fetch_mode, fetch_site, agent, ..NOBODY };
            assert_eq!(caller.is_script(), script, "{caller:?}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let credentials = Credentials { cookie: "c00kie", authorization: "Basic cGFzcw==" };
        let shown = format!("{:?}", Caller { credentials, ..NOBODY });
        assert!(!shown.contains("c00kie") && !shown.contains("cGFzcw"), "{shown}");
    }
}
