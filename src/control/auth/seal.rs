//! Digests under a key of this process. Purpose: tokens and remembered passwords lie in memory as
//! keyed BLAKE2s (RFC 7693) only, so that a table of them tells nothing, and comparing two digests
//! tells nothing of what they were made from. Non-goal: anything that outlives the process.

use std::io;

use blake2::digest::{FixedOutput, KeyInit, Update};
use blake2::Blake2sMac256;

use crate::system::random;

/// What lies in memory in a secret's place.
pub type Digest = [u8; 32];

/// The key.
pub struct Seal([u8; 32]);

impl Seal {
    /// A new key.
    ///
    /// # Errors
    /// The kernel has no random bytes.
    pub fn new() -> io::Result<Seal> {
        random::bytes().map(Seal)
    }

    /// The digest of a text; the same text for another `purpose` has another.
    pub fn digest(&self, purpose: u8, text: &str) -> Digest {
        let mut mac = Blake2sMac256::new(&self.0.into());
        mac.update(&[purpose]);
        mac.update(text.as_bytes());
        mac.finalize_fixed().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_differ_by_text_purpose_and_key() {
        let seal = Seal([7; 32]);
        let one = seal.digest(1, "text");
        assert_eq!(one, seal.digest(1, "text"));
        for other in
            [seal.digest(1, "Text"), seal.digest(2, "text"), Seal([8; 32]).digest(1, "text")]
        {
            assert_ne!(one, other);
        }
    }
}
