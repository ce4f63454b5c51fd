//! The elementary stream descriptor of an `esds` box (ISO/IEC 14496-1, 7.2.6; 14496-14, 5.6), read
//! and written. Bound: the caller's slice; nothing is copied.

const ES: u8 = 3;
const DECODER_CONFIG: u8 = 4;
const DECODER_SPECIFIC_INFO: u8 = 5;
const SYNC_LAYER_CONFIG: u8 = 6;

/// objectTypeIndication of MPEG-4 audio (14496-1, table 5).
pub(super) const MPEG4_AUDIO: u8 = 0x40;
/// streamType audio (table 6), in the upper six bits; the lowest is reserved and 1.
const AUDIO_STREAM: u8 = 0x05 << 2 | 1;
/// The sync layer's `predefined` for MP4 files (14496-14, 3.1.2).
const PREDEFINED_MP4: u8 = 2;

/// Bytes a descriptor's length may be written with (7.2.2.2, `expandable`).
const LENGTH_BYTES_MAX: usize = 4;

/// What the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamDescriptor<'a> {
    /// objectTypeIndication: [`MPEG4_AUDIO`] or another.
    pub(super) object_type: u8,
    /// The decoder's own configuration; empty when there is none.
    pub(super) specific: &'a [u8],
}

/// Reads the descriptor; `None` when it is broken.
pub(super) fn parse(bytes: &[u8]) -> Option<StreamDescriptor<'_>> {
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
    Some(StreamDescriptor { object_type: *config.first()?, specific })
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

/// Appends the descriptor of an MPEG-4 audio stream whose decoder has this configuration.
pub(super) fn put(out: &mut Vec<u8>, specific: &[u8]) {
    // Type, stream type, and eleven bytes for a buffer's size and bit rates that are not told.
    let config = 13 + DESCRIPTOR_HEAD_BYTES + specific.len();
    let stream = 3 + DESCRIPTOR_HEAD_BYTES + config + DESCRIPTOR_HEAD_BYTES + 1;
    put_head(out, ES, stream);
    // ES_ID is 0 in files (14496-14, 3.1.2), and so are flags and priority.
    out.extend_from_slice(&[0; 3]);
    put_head(out, DECODER_CONFIG, config);
    out.extend_from_slice(&[MPEG4_AUDIO, AUDIO_STREAM]);
    out.extend_from_slice(&[0; 11]);
    put_head(out, DECODER_SPECIFIC_INFO, specific.len());
    out.extend_from_slice(specific);
    put_head(out, SYNC_LAYER_CONFIG, 1);
    out.push(PREDEFINED_MP4);
}

/// A tag and a length of four bytes, as all writers do.
const DESCRIPTOR_HEAD_BYTES: usize = 1 + LENGTH_BYTES_MAX;

fn put_head(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    let septet = |shift: u32| u8::try_from((length >> shift) & 0x7f).unwrap_or_default();
    out.extend_from_slice(&[septet(21) | 0x80, septet(14) | 0x80, septet(7) | 0x80, septet(0)]);
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
            assert_eq!(stream, StreamDescriptor { object_type: 0x40, specific: &[0x11, 0x90] });
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for length in [0, 2, 5, 127, 128, 2048] {
            let specific = vec![0x11; length];
            let mut bytes = Vec::new();
            put(&mut bytes, &specific);
            let stream = parse(&bytes).unwrap();
            assert_eq!(stream, StreamDescriptor { object_type: MPEG4_AUDIO, specific: &specific });
            assert!(bytes.ends_with(&[6, 0x80, 0x80, 0x80, 1, 2]));
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
