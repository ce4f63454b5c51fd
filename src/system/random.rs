//! Random bytes that nobody can guess, from the kernel (getrandom(2)). Purpose: keys and tokens.
//! Non-goal: dice that need not be secret.

use std::fmt::Write;
use std::io;

use crate::base::redact::Secret;

/// Letters that are not mistaken for each other; 12 of 31 are 59 bits.
const LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const CODE_LETTERS: usize = 12;

/// `N` random bytes.
///
/// # Errors
/// The kernel has none.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// A token of 256 random bits, as 64 hexadecimal digits.
///
/// # Errors
/// The kernel has no random bytes.
pub fn token() -> io::Result<String> {
    let mut text = String::with_capacity(64);
    for byte in bytes::<32>()? {
        // A String takes whatever is written.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// A code that a person reads in one place and types in another.
///
/// # Errors
/// The kernel has no random bytes.
pub fn code() -> io::Result<Secret> {
    let mut code = String::with_capacity(CODE_LETTERS);
    while code.len() < CODE_LETTERS {
        // As many of the 256 as make each letter as likely as another.
        for byte in bytes::<16>()?.into_iter().filter(|byte| *byte < 248) {
            let letter = LETTERS.get(usize::from(byte) % LETTERS.len()).copied();
            code.extend(letter.filter(|_| code.len() < CODE_LETTERS).map(char::from));
        }
    }
    Ok(Secret::new(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_differ_and_are_easily_typed() {
        let (one, other) = (code().expect("random"), code().expect("random"));
        assert!(!one.matches(other.expose()));
        assert_eq!(one.expose().len(), CODE_LETTERS);
        assert!(one.expose().bytes().all(|byte| LETTERS.contains(&byte)), "{}", one.expose());
    }

    #[test]
    fn tokens_differ_and_are_hexadecimal() {
        let (one, other) = (token().expect("random"), token().expect("random"));
        assert_ne!(one, other);
        assert!(one.len() == 64, "{one}");
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    }
}
