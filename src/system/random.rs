//! Random bytes that nobody can guess, from the kernel (getrandom(2)). Purpose: keys and tokens.
//! Non-goal: dice that need not be secret.

use std::fmt::Write;
use std::io;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_hexadecimal() {
        let (one, other) = (token().expect("random"), token().expect("random"));
        assert_ne!(one, other);
        assert!(one.len() == 64 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    }
}
