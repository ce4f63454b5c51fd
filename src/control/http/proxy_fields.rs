//! Whether a request's field says that a proxy asks for somebody else. Purpose: a proxy on this
//! machine lends nobody its place. There is one standard (Forwarded, RFC 7239; Via, RFC 9110, 7.6.3)
//! and a name of its own from each proxy, load balancer and tunnel, so that a list of names is never
//! whole: what a name's words say counts, and an address in a field that no client sends of itself.
//! Non-goals: whom it asks for; proxies that say nothing. Bound: looks at one field, keeps nothing.

use std::net::{IpAddr, SocketAddr};

/// Words of names that proxies use: what they are, whom they speak for, who made them.
const WORDS: [&str; 37] = [
    "addr",
    "address",
    "akamai",
    "amz",
    "amzn",
    "appengine",
    "arr",
    "azure",
    "balancer",
    "cdn",
    "cf",
    "client",
    "cloudfront",
    "cluster",
    "edge",
    "envoy",
    "fastly",
    "fly",
    "gateway",
    "heroku",
    "hop",
    "incap",
    "istio",
    "nf",
    "nginx",
    "ngrok",
    "original",
    "originating",
    "real",
    "remote",
    "sucuri",
    "tailscale",
    "traefik",
    "tunnel",
    "varnish",
    "vercel",
    "via",
];
/// The same wherever they stand in a name.
const PARTS: [&str; 4] = ["forward", "proxy", "proxied", "balance"];
/// How words end that mean an address: `client-ip`, `clientip`, `connecting-ipv6`.
const ENDS: [&str; 4] = ["ip", "ipv4", "ipv6", "ipaddr"];

/// Fields and beginnings of fields that clients send of themselves, in which digits and dots are
/// versions, names or their own words.
const OF_CLIENTS: [&str; 9] = [
    "host",
    "origin",
    "referer",
    "user-agent",
    "cookie",
    "authorization",
    "last-event-id",
    "date",
    "from",
];
const OF_CLIENTS_BEGIN: [&str; 5] = ["sec-", "accept", "content-", "if-", "access-control-"];

/// Whether this field, its name in small letters, says so.
pub fn speaks_for_another(name: &str, value: &[u8]) -> bool {
    let is_of_clients =
        OF_CLIENTS.contains(&name) || OF_CLIENTS_BEGIN.iter().any(|begin| name.starts_with(begin));
    if is_of_clients {
        return false;
    }
    let mut words = name.split(['-', '_', '.']);
    PARTS.iter().any(|part| name.contains(part))
        || words.any(|word| WORDS.contains(&word) || ENDS.iter().any(|end| word.ends_with(end)))
        || names_an_address(value)
}

/// Whether there is an address in it, with or without a port.
fn names_an_address(value: &[u8]) -> bool {
    let is_of_one = |byte: &u8| byte.is_ascii_hexdigit() || b".:[]".contains(byte);
    value.split(|byte| !is_of_one(byte)).filter_map(|word| std::str::from_utf8(word).ok()).any(
        |word| {
            word.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
                || word.parse::<SocketAddr>().is_ok()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(field: &str) -> bool {
        let (name, value) = field.split_once(": ").unwrap();
        speaks_for_another(&name.to_ascii_lowercase(), value.as_bytes())
    }

    /// What real proxies add, by their documentation; values as they send them, or empty: the names
    /// alone tell.
    const REAL: &[&str] = &[
        "Forwarded: for=192.0.2.1;proto=https",
        "Via: 1.1 vegur",
        "X-Forwarded-For: ",
        "X-Forwarded-Host: ",
        "X-Forwarded-Proto: ",
        "X-Forwarded-Port: ",
        "X-Forwarded-Server: ",
        "X-Forwarded-Prefix: ",
        "X-Forwarded-Scheme: ",
        "X-Forwarded-Ssl: ",
        "X-Forwarded-User: ",
        "X-Forwarded-Client-Cert: ",
        "X-Forwarded-Tls-Client-Cert: ",
        "X-Forwarded: ",
        "Forwarded-For: ",
        "X_Forwarded_For: ",
        "X-Original-Forwarded-For: ",
        "X-Forward-For: ",
        "X-Real-IP: ",
        "X-Client-IP: ",
        "Client-IP: ",
        "Clientip: ",
        "True-Client-IP: ",
        "X-Cluster-Client-IP: ",
        "X-Remote-IP: ",
        "X-Remote-Addr: ",
        "Remote-Addr: ",
        "X-Originating-IP: ",
        "X-Source-IP: ",
        "X-Host-IP: ",
        "X-Original-Host: ",
        "X-Original-URI: ",
        "X-Original-URL: ",
        "X-Proxy-URL: ",
        "X-ProxyUser-Ip: ",
        "X-NginX-Proxy: true",
        "Proxy-Client-IP: ",
        "WL-Proxy-Client-IP: ",
        "WL-Proxy-SSL: true",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: ",
        "CF-Connecting-IP: ",
        "CF-Connecting-IPv6: ",
        "CF-Pseudo-IPv4: ",
        "CF-Ray: 8a1b2c3d4e5f6789-FRA",
        "CF-Visitor: {\"scheme\":\"https\"}",
        "CF-IPCountry: DE",
        "CDN-Loop: cloudflare",
        "Cdn-Src-Ip: ",
        "Ali-CDN-Real-IP: ",
        "Fastly-Client-IP: ",
        "Fastly-FF: ",
        "Fly-Client-IP: ",
        "Fly-Region: fra",
        "Akamai-Origin-Hop: 2",
        "X-Akamai-Edgescape: ",
        "Incap-Client-IP: ",
        "X-Sucuri-ClientIP: ",
        "X-Azure-ClientIP: ",
        "X-Azure-SocketIP: ",
        "X-Azure-Ref: ",
        "X-ARR-SSL: ",
        "X-ARR-LOG-ID: ",
        "X-AppEngine-User-IP: ",
        "X-AppEngine-Country: DE",
        "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678",
        "X-Amz-Cf-Id: ",
        "CloudFront-Viewer-Address: 198.51.100.10:46532",
        "X-Envoy-External-Address: ",
        "X-Envoy-Internal: true",
        "X-Envoy-Expected-Rq-Timeout-Ms: 15000",
        "X-Vercel-Id: fra1",
        "X-Vercel-Ip-City: ",
        "X-NF-Client-Connection-IP: ",
        "X-NF-Request-ID: ",
        "Tailscale-User-Login: someone@example.com",
        "Ngrok-Skip-Browser-Warning: 1",
        "X-Varnish: 32770",
        "X-Traefik-Router: a@file",
        "X-BlueCoat-Via: 5c32f5c9a1b2",
        "X-Heroku-Queue-Depth: 0",
        "X-Haproxy-Server-State: UP",
    ];

    #[test]
    fn what_real_proxies_add_counts() {
        for field in REAL {
            assert!(counts(field), "{field}");
        }
    }

    /// Names that nobody has yet.
    #[test]
    fn what_a_proxy_of_ones_own_adds_counts() {
        for field in [
            "X-Acme-Forwarded-By: edge-7",
            "Acme-Visitor: 203.0.113.7",
            "X-Visitor: for 2001:db8::7, by us",
            "X-Visitor: \"[2001:db8::7]:4711\"",
            "X-Whoever: 203.0.113.7:4711",
            "X-Path: unknown, 203.0.113.7",
            "X_Acme_UserIP: ",
            "Acme-Peer-Addr: ",
            "Acme-Peer-Address: ",
            "X-Acme-Reverse-Proxy: 1",
            "X-Acme-Gateway: a",
            "X-Load-Balancer: lb3",
            "X-Loadbalanced: 1",
            "X-Came-Via-Office: 1",
            "X-Acme.Client.Name: 1",
        ] {
            assert!(counts(field), "{field}");
        }
    }

    #[test]
    fn what_browsers_and_tools_send_does_not_count() {
        for field in [
            "Host: 127.0.0.1:8080",
            "Origin: http://127.0.0.1:8080",
            "Referer: http://192.168.1.5/page",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0 Safari/537.36",
            "Sec-CH-UA-Full-Version-List: \"Chromium\";v=\"120.0.6099.109\"",
            "Sec-Fetch-Site: same-origin",
            "Accept: text/html;q=0.9",
            "Accept-Encoding: gzip, deflate, br, zstd",
            "Accept-Language: ja,en;q=0.5",
            "Access-Control-Request-Private-Network: true",
            "Authorization: Bearer 00112233",
            "Cache-Control: max-age=0",
            "Connection: keep-alive",
            "Content-Length: 12",
            "Content-Type: application/json",
            "Cookie: streamcaster_session=00; other=10.0.0.1",
            "DNT: 1",
            "Expect: 100-continue",
            "If-Match: \"10.0.0.1\"",
            "If-None-Match: \"abc\"",
            "Keep-Alive: timeout=5",
            "Last-Event-ID: 7",
            "Pragma: no-cache",
            "Priority: u=0, i",
            "Range: bytes=0-1023",
            "Sec-GPC: 1",
            "TE: trailers",
            "Upgrade-Insecure-Requests: 1",
            "Upload-Offset: 1048576",
            "X-Requested-With: XMLHttpRequest",
            "X-Slow: aaaa",
            "X-Version: 1.2.3",
            "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert!(!counts(field), "{field}");
        }
    }
}
