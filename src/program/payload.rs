//! The payload ring of one track. Purpose: bytes are copied in once, behind one another, and
//! borrowed out; the oldest are overwritten. Bound: the capacity given at the start. Positions
//! are counted in bytes since the start and never wrap (2^64 bytes).

/// A ring of bytes with one unit open at its end.
pub(super) struct Payload {
    bytes: Box<[u8]>,
    /// End of the open unit, or of the last committed one.
    end: u64,
    /// The furthest end there ever was: an aborted unit has destroyed what lay under it.
    reached: u64,
}

impl Payload {
    pub(super) fn new(capacity_bytes: usize) -> Payload {
        Payload { bytes: vec![0; capacity_bytes].into_boxed_slice(), end: 0, reached: 0 }
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Whether bytes that begin at `start` have not been overwritten yet.
    pub(super) fn holds(&self, start: u64) -> bool {
        start.saturating_add(self.bytes.len() as u64) >= self.reached
    }

    /// Appends bytes; more than the capacity at once is the caller's bug and is cut.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.store(self.end, bytes);
        self.end += bytes.len() as u64;
        self.reached = self.reached.max(self.end);
    }

    /// Overwrites bytes that stand between `at` and the end.
    pub(super) fn overwrite(&mut self, at: u64, bytes: &[u8]) {
        if at.saturating_add(bytes.len() as u64) <= self.end {
            self.store(at, bytes);
        }
    }

    /// Forgets what was appended behind `start`.
    pub(super) fn rewind(&mut self, start: u64) {
        self.end = self.end.min(start);
    }

    /// Forgets everything: positions begin again.
    pub(super) fn clear(&mut self) {
        (self.end, self.reached) = (0, 0);
    }

    /// The bytes from `start` on, `len` of them, in two slices because the ring wraps.
    pub(super) fn slices(&self, start: u64, len: usize) -> [&[u8]; 2] {
        let at = self.offset(start);
        let first = self.bytes.get(at..).unwrap_or_default();
        match first.split_at_checked(len) {
            Some((whole, _)) => [whole, &[]],
            None => [first, self.bytes.get(..len - first.len()).unwrap_or_default()],
        }
    }

    fn store(&mut self, at: u64, bytes: &[u8]) {
        let at = self.offset(at);
        let room = self.bytes.len() - at;
        let (first, second) = bytes.split_at(bytes.len().min(room));
        if let Some(place) = self.bytes.get_mut(at..at + first.len()) {
            place.copy_from_slice(first);
        }
        if let Some(place) = self.bytes.get_mut(..second.len()) {
            place.copy_from_slice(second);
        }
    }

    fn offset(&self, position: u64) -> usize {
        // The remainder is smaller than a length in memory.
        (position % self.bytes.len() as u64) as usize
    }
}
