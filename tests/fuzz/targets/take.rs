//! An input as a supply of small decisions: what a structured target builds its own input from.
//! Purpose: any bytes give a legal structure, and similar bytes give similar ones, so that a
//! coverage-guided search can work on it. Bound: an input that is used up gives zeros.

/// Hands out an input's bytes from the front.
pub struct Take<'a>(pub &'a [u8]);

impl Take<'_> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// Something below `limit`, from one byte.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }

    /// Big end first.
    pub fn word(&mut self) -> u32 {
        u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// Whether everything was handed out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
