//! Takes the byte stream format of H.264 apart as it arrives (ISO/IEC 14496-10, annex B).
//! Purpose: find where NAL units begin, in fragments of any size. Non-goals: what is in them.
//! Bound: no byte is kept; zeros at a fragment's end are counted until it is known whether they
//! belong to a start code.

use memchr::memmem::Finder;

const START_CODE: [u8; 3] = [0, 0, 1];
const ZEROS: [u8; 64] = [0; 64];

/// A piece of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnnexbPiece<'a> {
    /// A start code: the NAL unit before it is whole, the next byte is a NAL unit header.
    Start,
    /// Bytes of the NAL unit, never empty. Zeros before a start code (trailing_zero_8bits and the
    /// zero_byte of a four-byte start code) are not among them.
    Payload(&'a [u8]),
}

/// The position in one byte stream.
#[derive(Debug)]
pub(super) struct Splitter {
    finder: Finder<'static>,
    /// Zeros seen last and not handed out yet.
    zeros: usize,
    /// Zeros of the last start code, as far as they stood at the beginning of a fragment.
    start_zeros: usize,
    /// The zeros turned out to be payload and are being handed out.
    releasing: bool,
}

impl Splitter {
    pub(super) fn new() -> Splitter {
        Splitter { finder: Finder::new(&START_CODE), zeros: 0, start_zeros: 0, releasing: false }
    }

    /// Forgets the zeros kept: a NAL unit that ends here does not end in them.
    pub(super) fn reset(&mut self) {
        self.zeros = 0;
        self.releasing = false;
    }

    /// Zeros seen last, which may belong to a start code.
    pub(super) const fn zeros(&self) -> usize {
        self.zeros
    }

    /// Zeros of the start code found last, those before its own two included; where it stood whole
    /// in a fragment at least those two.
    pub(super) const fn start_zeros(&self) -> usize {
        self.start_zeros
    }

    /// The next piece of `input`, which is advanced behind it; `None` when it is used up.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<AnnexbPiece<'a>> {
        if self.releasing {
            return Some(self.release());
        }
        if self.zeros > 0 {
            let more = leading_zeros(input);
            self.zeros = self.zeros.saturating_add(more);
            *input = input.get(more..).unwrap_or_default();
            match input.split_first() {
                None => return None,
                Some((1, rest)) if self.zeros >= 2 => {
                    self.start_zeros = self.zeros;
                    self.zeros = 0;
                    *input = rest;
                    return Some(AnnexbPiece::Start);
                }
                Some(_) => {
                    self.releasing = true;
                    return Some(self.release());
                }
            }
        }
        let whole = *input;
        let found = self.finder.find(whole);
        let (before, behind) = whole.split_at_checked(found.unwrap_or(whole.len()))?;
        let payload = without_trailing_zeros(before);
        if payload.is_empty() {
            // Zeros only, or a start code at once: the branch above tells which.
            self.zeros = if found.is_some() { 2 } else { before.len() };
            *input = behind.get(2..).unwrap_or_default();
            return if found.is_some() { self.next(input) } else { None };
        }
        if found.is_some() {
            *input = behind;
        } else {
            self.zeros = before.len() - payload.len();
            *input = &[];
        }
        Some(AnnexbPiece::Payload(payload))
    }

    fn release(&mut self) -> AnnexbPiece<'static> {
        let piece = ZEROS.get(..self.zeros).unwrap_or(&ZEROS);
        self.zeros -= piece.len();
        self.releasing = self.zeros > 0;
        AnnexbPiece::Payload(piece)
    }
}

fn leading_zeros(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len())
}

fn without_trailing_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NAL units found in fragments: each with its bytes; what stands before the first start code
    /// is dropped.
    fn nals(fragments: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::new();
        let mut out: Vec<Vec<u8>> = Vec::new();
        for fragment in fragments {
            let mut input = *fragment;
            while let Some(piece) = splitter.next(&mut input) {
                match piece {
                    AnnexbPiece::Start => out.push(Vec::new()),
                    AnnexbPiece::Payload(bytes) => {
                        assert!(!bytes.is_empty());
                        if let Some(nal) = out.last_mut() {
                            nal.extend_from_slice(bytes);
                        }
                    }
                }
            }
            assert!(input.is_empty());
        }
        out
    }

    const STREAM: &[u8] = &[
        7, 0, 0, 2, // garbage
        0, 0, 0, 1, 9, 0x10, // four-byte start code
        0, 0, 1, // empty NAL unit
        0, 0, 1, 0x65, 0, 0, 3, 0, 0xff, 0, 1, 1, 0, 0, 0, 0, 0, // trailing zeros
        0, 0, 1, 0x41, 1, 0, 0, 1, 0x41, 0, 0, 2, 0, 0, 0, 5, // zeros that are payload
        0, 0, 0,
    ];

    fn expected() -> Vec<Vec<u8>> {
        vec![
            vec![9, 0x10],
            vec![],
            vec![0x65, 0, 0, 3, 0, 0xff, 0, 1, 1],
            vec![0x41, 1],
            vec![0x41, 0, 0, 2, 0, 0, 0, 5],
        ]
    }

    #[test]
    fn nal_units_are_found_whatever_the_fragments() {
        assert_eq!(nals(&[STREAM]), expected());
        for size in 1..STREAM.len() {
            let fragments: Vec<&[u8]> = STREAM.chunks(size).collect();
            assert_eq!(nals(&fragments), expected(), "fragments of {size}");
        }
        for first in 0..STREAM.len() {
            for second in first..STREAM.len() {
                let parts = [&STREAM[..first], &STREAM[first..second], &STREAM[second..]];
                assert_eq!(nals(&parts), expected(), "split at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_long_run_of_zeros_is_counted_not_kept() {
        let run = vec![0u8; 1000];
        assert_eq!(
            nals(&[&[0, 0, 1, 5], &run, &run, &[9]]),
            vec![{
                let mut nal = vec![5];
                nal.extend_from_slice(&[0; 2000]);
                nal.push(9);
                nal
            }]
        );
        assert_eq!(nals(&[&[0, 0, 1, 5], &run, &run, &[1, 9]]), vec![vec![5], vec![9]]);
    }
}
