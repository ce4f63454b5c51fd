//! The Authorization field (RFC 9110, 11.6.2). Purpose: a Bearer token (RFC 6750) or the password of
//! HTTP Basic (RFC 7617) comes out, or nothing. Non-goals: what they are worth; user names, of
//! which there are none. Bound: [`ENCODED_BYTES_MAX`].

use base64ct::{Base64, Encoding};

/// The longest Basic credentials decoded: a user name of any sensible length, and the password.
const ENCODED_BYTES_MAX: usize = 1024;

/// What such a field says.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Authorization<'a> {
    /// A token.
    Bearer(&'a str),
    /// A password; nothing when it cannot be read.
    Basic(Option<String>),
}

impl Authorization<'_> {
    /// Reads it; `None` when it is absent or of a scheme that is not known.
    pub fn read(field: &str) -> Option<Authorization<'_>> {
        let (scheme, rest) = field.split_once(' ')?;
        let rest = rest.trim_start_matches(' ');
        if scheme.eq_ignore_ascii_case("Bearer") {
            Some(Authorization::Bearer(rest))
        } else if scheme.eq_ignore_ascii_case("Basic") {
            Some(Authorization::Basic(password(rest)))
        } else {
            None
        }
    }
}

/// What stands behind the first colon: user names cannot have one.
fn password(encoded: &str) -> Option<String> {
    if encoded.len() > ENCODED_BYTES_MAX {
        return None;
    }
    let text = String::from_utf8(Base64::decode_vec(encoded).ok()?).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(text: &[u8]) -> String {
        format!("Basic {}", Base64::encode_string(text))
    }

    #[test]
    fn schemes_are_told_apart() {
        assert_eq!(Authorization::read("bearer  a.b-c"), Some(Authorization::Bearer("a.b-c")));
        for none in ["", "Bearer", "Digest username=\"a\"", "BasicdTpw", " Basic dTpw"] {
            assert_eq!(Authorization::read(none), None, "{none}");
        }
    }

    #[test]
    fn the_password_stands_behind_the_first_colon() {
        for (pair, wanted) in [
            (&b"admin:secret:with:colons"[..], Some("secret:with:colons")),
            (b":only", Some("only")),
            ("u:pässwörd".as_bytes(), Some("pässwörd")),
            (b"u:", Some("")),
            (b"no colon", None),
            (b"u:\xff\xfe", None),
        ] {
            let field = basic(pair);
            let wanted = Some(Authorization::Basic(wanted.map(str::to_owned)));
            assert_eq!(Authorization::read(&field), wanted);
        }
        let unreadable = Some(Authorization::Basic(None));
        for field in ["Basic ", "Basic ???", "Basic dTpw=", "Basic dTp3\u{e9}", "BASIC dT pw"] {
            assert_eq!(Authorization::read(field), unreadable, "{field}");
        }
        let long = basic(format!("u:{}", "x".repeat(ENCODED_BYTES_MAX)).as_bytes());
        assert_eq!(Authorization::read(&long), unreadable);
    }
}
