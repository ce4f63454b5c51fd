//! What a session owes its peer. Purpose: whole messages in, bytes out as the socket takes them.
//! Bound: [`RTMP_OUTBOX_BYTES_MAX`]; a peer that asks faster than it reads overflows it and is
//! closed. Empty, it holds no memory.

use crate::base::limits::RTMP_OUTBOX_BYTES_MAX;

/// The outbox is full: the peer does not read what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxFull;

/// Messages not yet sent.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// A whole message more.
    ///
    /// # Errors
    /// With it more than [`RTMP_OUTBOX_BYTES_MAX`] bytes would be unsent.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), OutboxFull> {
        if self.unsent().len() + bytes.len() > RTMP_OUTBOX_BYTES_MAX {
            return Err(OutboxFull);
        }
        if self.sent > 0 {
            self.bytes.drain(..self.sent.min(self.bytes.len()));
            self.sent = 0;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// What is still to be sent.
    pub fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// The first `count` bytes of that have been sent.
    pub fn sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            *self = Outbox::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_and_the_limit_counts_only_what_is_unsent() {
        let mut outbox = Outbox::default();
        outbox.push(&[1; 10_000]).unwrap();
        outbox.sent(9_999);
        outbox.push(&[2; 10_000]).unwrap();
        assert_eq!(outbox.unsent().first_chunk(), Some(&[1, 2]));
        assert_eq!(outbox.unsent().len(), 10_001);
        assert_eq!(outbox.push(&[3; RTMP_OUTBOX_BYTES_MAX - 10_000]), Err(OutboxFull));
        outbox.push(&[3; RTMP_OUTBOX_BYTES_MAX - 10_001]).unwrap();
        outbox.sent(RTMP_OUTBOX_BYTES_MAX);
        assert_eq!((outbox.unsent().len(), outbox.bytes.capacity()), (0, 0));
    }
}
