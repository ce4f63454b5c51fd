//! The session's cookie (RFC 6265). Purpose: finds our tokens in a Cookie field, and writes the
//! Set-Cookie that sets or clears one. Non-goals: what a token is worth. Bound:
//! [`SESSION_COOKIES_MAX`] cookies of our name are looked at: cookies know no ports (RFC 6265, 8.5),
//! so that another server of this host may have set one too.

use crate::base::limits::{SESSION_COOKIES_MAX, SESSION_MS_MAX};

/// The cookie's name.
pub const NAME: &str = "streamcaster_session";
/// Hexadecimal digits of a token.
const TOKEN_DIGITS: usize = 64;

/// The tokens in a Cookie field; what is not of a token's form is passed over.
pub fn tokens(field: &str) -> impl Iterator<Item = &str> {
    let pairs = field.split("; ").filter_map(|pair| pair.split_once('='));
    let ours = pairs.filter(|(name, _)| *name == NAME).take(SESSION_COOKIES_MAX);
    ours.map(|(_, value)| value).filter(|value| is_token(value))
}

fn is_token(value: &str) -> bool {
    value.len() == TOKEN_DIGITS
        && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The Set-Cookie field for a token.
pub fn set(token: &str, secure: bool) -> String {
    field(token, SESSION_MS_MAX / 1000, secure)
}

/// The Set-Cookie field that makes a browser forget its token.
pub fn clear(secure: bool) -> String {
    field("", 0, secure)
}

/// No script sees it, no other site's page sends it, and over TLS it never goes without.
fn field(value: &str, max_age_s: u64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{NAME}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={max_age_s}{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(field: &str) -> Vec<&str> {
        tokens(field).collect()
    }

    #[test]
    fn only_whole_tokens_of_our_name_are_found() {
        let (one, other) = ("0a".repeat(32), "f9".repeat(32));
        assert_eq!(found(&format!("streamcaster_session={one}")), [&one]);
        assert_eq!(
            found(&format!("a=b; streamcaster_session={one}; c; streamcaster_session={other}")),
            [&one, &other]
        );
        for odd in [
            String::new(),
            "streamcaster_session".to_owned(),
            "streamcaster_session=".to_owned(),
            format!("streamcaster_session=\"{one}\""),
            format!("Streamcaster_session={one}"),
            format!("xstreamcaster_session={one}"),
            format!("streamcaster_session ={one}"),
            format!("streamcaster_session={one}0"),
            format!("streamcaster_session={}", one.replacen("0a", "a", 1)),
            format!("streamcaster_session={}", one.to_uppercase()),
            format!("streamcaster_session={one},"),
            format!("a=streamcaster_session={one}"),
            "; ; =; ==".to_owned(),
        ] {
            assert_eq!(found(&odd), [""; 0], "{odd}");
        }
    }

    #[test]
    fn no_more_than_a_few_are_looked_at() {
        let token = "0a".repeat(32);
        let junk = "streamcaster_session=x; ".repeat(SESSION_COOKIES_MAX - 1);
        assert_eq!(found(&format!("{junk}streamcaster_session={token}")), [&token]);
        let field = format!("{junk}streamcaster_session=x; streamcaster_session={token}");
        assert_eq!(found(&field), [""; 0]);
    }

    #[test]
    fn a_cookie_has_its_guards() {
        let plain = "streamcaster_session=ab; HttpOnly; SameSite=Strict; Path=/; Max-Age=604800";
        assert_eq!(set("ab", false), plain);
        assert_eq!(set("ab", true), format!("{plain}; Secure"));
        assert!(clear(false).contains("session=; ") && clear(false).ends_with("Max-Age=0"));
    }
}
