//! The elementary stream descriptor of an `esds` box (ISO/IEC 14496-1, 7.2.6; 14496-14, 5.6).
//! Bound: the caller's slice; nothing is copied.

const ES: u8 = 3;
const DECODER_CONFIG: u8 = 4;
const DECODER_SPECIFIC_INFO: u8 = 5;

/// Bytes a descriptor's length may be written with (7.2.2.2, `expandable`).
const LENGTH_BYTES_MAX: usize = 4;

/// What the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream<'a> {
    /// objectTypeIndication (table 5): 0x40 is MPEG-4 audio.
    pub(super) object_type: u8,
    /// The decoder's own configuration; empty when there is none.
    pub(super) specific: &'a [u8],
}

/// Reads the descriptor; `None` when it is broken.
pub(super) fn parse(bytes: &[u8]) -> Option<Stream<'_>> {
    let (_id, rest) = find(bytes, ES)?.split_first_chunk::<2>()?;
    let (flags, mut rest) = rest.split_first()?;
    if flags & 0x80 != 0 {
        rest = rest.get(2..)?;
    }
    if flags & 0x40 != 0 {
        let (url_bytes, behind) = rest.split_first()?;
        rest = behind.get(usize::from(*url_bytes)..)?;
    }
    if flags & 0x20 != 0 {
        rest = rest.get(2..)?;
    }
    let config = find(rest, DECODER_CONFIG)?;
    // Behind the type: stream type, buffer size, highest and average bit rate.
    let specific = find(config.get(13..)?, DECODER_SPECIFIC_INFO).unwrap_or_default();
    Some(Stream { object_type: *config.first()?, specific })
}

/// The body of the first descriptor with a tag. One that announces more than there is ends with
/// what there is: QuickTime's writers count differently.
fn find(mut bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    while let Some((tag, mut rest)) = bytes.split_first() {
        let mut length = 0;
        for _ in 0..LENGTH_BYTES_MAX {
            let (byte, behind) = rest.split_first()?;
            rest = behind;
            length = length << 7 | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (body, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        if *tag == wanted {
            return Some(body);
        }
        bytes = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::collector::hex;

    const SHORT: &str = "031900010004114015000000000000000000000005021190060102";

    #[test]
    fn short_and_long_lengths_are_read() {
        let short = hex(SHORT);
        let long =
            hex("0380808022000100048080801440150000000001f4000001f40005808080021190068080800102");
        for bytes in [short, long] {
            let stream = parse(&bytes).unwrap();
            assert_eq!(stream, Stream { object_type: 0x40, specific: &[0x11, 0x90] });
        }
    }

    #[test]
    fn optional_fields_are_passed_over() {
        // Depends on a stream, has an address of three letters and a clock of its own.
        let bytes = hex("031e0001e0000203616263000304114015000000000000000000000005021190");
        assert_eq!(parse(&bytes).unwrap().specific, [0x11, 0x90]);
    }

    #[test]
    fn what_is_cut_is_broken_or_has_no_configuration() {
        let whole = hex(SHORT);
        for length in 0..whole.len() {
            let stream = parse(&whole[..length]);
            assert_eq!(stream.is_some(), length >= 20, "{length}");
            assert_eq!(stream.is_some_and(|s| s.specific == [0x11, 0x90]), length >= 24);
        }
    }
}
