//! Names in paths and queries. Purpose: percent-encoding undone (RFC 3986, 2.1). Non-goals:
//! which names may be, which the library judges. Bound: the request's.

/// A part of a path or, where a plus sign is a blank, of a query; nothing when it is not UTF-8 in
/// percent-encoding.
pub fn decoded(text: &str, plus_is_blank: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            b'%' => {
                let (digits, behind) = rest.split_first_chunk::<2>()?;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let [high, low] = *digits;
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = behind;
            }
            b'+' if plus_is_blank => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The value of a query's parameter, as it stands.
pub fn parameter<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let query = target.split_once('?')?.1.split('#').next()?;
    query.split('&').find_map(|pair| match pair.split_once('=') {
        Some((key, value)) => (key == name).then_some(value),
        None => (pair == name).then_some(""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_undone_once() {
        assert_eq!(decoded("a%20b%C3%a4+", false).as_deref(), Some("a bä+"));
        assert_eq!(decoded("a+b%2B", true).as_deref(), Some("a b+"));
        assert_eq!(decoded("%252e%252E", false).as_deref(), Some("%2e%2E"));
        for broken in ["%", "%2", "%zz", "%+1", "%ff", "%c3%28", "a%2"] {
            assert_eq!(decoded(broken, false), None, "{broken}");
        }
    }

    #[test]
    fn parameters_are_found_by_their_whole_name() {
        let target = "/api/videos?xlimit=1&limit=2&flag&limit=3&search=a=b#limit=4";
        assert_eq!(parameter(target, "limit"), Some("2"));
        assert_eq!(parameter(target, "search"), Some("a=b"));
        assert_eq!(parameter(target, "flag"), Some(""));
        assert_eq!(parameter(target, "offset"), None);
        assert_eq!(parameter("/api/videos", "limit"), None);
    }
}
