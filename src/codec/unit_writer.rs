//! NAL units on their way into an access unit, each behind its 4-byte length (ISO/IEC 14496-15,
//! 5.3.4.2). Purpose: hold back those of which it is not known yet which unit they belong to, or
//! whether it leaves at all; everything else goes straight to the sink. Bound:
//! `ACCESS_UNIT_HEAD_BYTES_MAX`, allocated once.

use super::access_unit::{Track, UnitSink, UnitStart};
use crate::base::limits::ACCESS_UNIT_HEAD_BYTES_MAX;

/// Bytes of a NAL unit's length.
const LENGTH_BYTES: usize = 4;

/// More stands before a slice than is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeadFull;

/// Where the NAL unit in hand goes, and where its length word stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NalPlace {
    None,
    Held(usize),
    Sink(usize),
}

/// Writes the NAL units of one access unit after the other.
#[derive(Debug)]
pub(super) struct UnitWriter {
    held: Vec<u8>,
    nal: NalPlace,
    /// Bytes of the open unit so far, length words included.
    unit_bytes: usize,
}

impl UnitWriter {
    pub(super) fn new() -> UnitWriter {
        let held = Vec::with_capacity(ACCESS_UNIT_HEAD_BYTES_MAX);
        UnitWriter { held, nal: NalPlace::None, unit_bytes: 0 }
    }

    /// Begins a NAL unit that is held back.
    pub(super) fn hold_nal(&mut self) -> Result<(), HeadFull> {
        let at = self.held.len();
        self.hold(&[0; LENGTH_BYTES])?;
        self.nal = NalPlace::Held(at);
        Ok(())
    }

    /// Begins a NAL unit of the open access unit.
    pub(super) fn open_nal<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        self.nal = NalPlace::Sink(self.unit_bytes);
        self.write(&[0; LENGTH_BYTES], sink);
    }

    /// More of the NAL unit in hand; nothing happens when there is none.
    pub(super) fn push<S: UnitSink + ?Sized>(
        &mut self,
        bytes: &[u8],
        sink: &mut S,
    ) -> Result<(), HeadFull> {
        match self.nal {
            NalPlace::None => Ok(()),
            NalPlace::Held(_) => self.hold(bytes),
            NalPlace::Sink(_) => {
                self.write(bytes, sink);
                Ok(())
            }
        }
    }

    /// Writes the length of the NAL unit that ends here.
    pub(super) fn end_nal<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        match self.nal {
            NalPlace::None => {}
            NalPlace::Held(at) => {
                let body = at.saturating_add(LENGTH_BYTES);
                let length = length_word(self.held.len().saturating_sub(body));
                if let Some(word) = self.held.get_mut(at..body) {
                    word.copy_from_slice(&length);
                }
            }
            NalPlace::Sink(at) => {
                let body = at.saturating_add(LENGTH_BYTES);
                let length = length_word(self.unit_bytes.saturating_sub(body));
                sink.patch(Track::Video, at, length);
            }
        }
        self.nal = NalPlace::None;
    }

    /// What is held, each NAL unit behind its length; that of one in hand is not written yet.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// The bytes of the NAL unit in hand, if it is held.
    pub(super) fn held_nal(&self) -> &[u8] {
        match self.nal {
            NalPlace::Held(at) => self.held.get(at + LENGTH_BYTES..).unwrap_or_default(),
            NalPlace::None | NalPlace::Sink(_) => &[],
        }
    }

    /// Opens an access unit with what is held.
    pub(super) fn begin<S: UnitSink + ?Sized>(&mut self, start: UnitStart, sink: &mut S) {
        sink.begin(start);
        self.unit_bytes = 0;
        self.join(sink);
    }

    /// What is held belongs to the open access unit.
    pub(super) fn join<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        if let NalPlace::Held(at) = self.nal {
            self.nal = NalPlace::Sink(self.unit_bytes.saturating_add(at));
        }
        if !self.held.is_empty() {
            sink.write(Track::Video, &self.held);
            self.unit_bytes = self.unit_bytes.saturating_add(self.held.len());
            self.held.clear();
        }
    }

    /// Forgets what is held, and the rest of the NAL unit in hand.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.nal = NalPlace::None;
    }

    /// Bytes there is room for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.held.capacity()
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), HeadFull> {
        if self.held.len().saturating_add(bytes.len()) > ACCESS_UNIT_HEAD_BYTES_MAX {
            return Err(HeadFull);
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    fn write<S: UnitSink + ?Sized>(&mut self, bytes: &[u8], sink: &mut S) {
        sink.write(Track::Video, bytes);
        self.unit_bytes = self.unit_bytes.saturating_add(bytes.len());
    }
}

fn length_word(bytes: usize) -> [u8; LENGTH_BYTES] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}
