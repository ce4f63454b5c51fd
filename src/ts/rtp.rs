//! RTP around transport packets (RFC 3550, 5.1; RFC 2250, 2). Purpose: find the packets in a
//! datagram of an encoder that wraps them. Non-goals: sequence numbers and reordering; losses are
//! found by the continuity counters. Bound: one datagram.

use super::sync::Stride;

/// The transport packets in an RTP datagram; `None` if it is none. A datagram is RTP when the
/// version is 2 and behind header, CSRC list and extension stand whole packets, each with its sync
/// byte: RFC 2250 allows no part of a packet. Bare TS begins with 0x47, which would be version 1.
pub(super) fn payload(datagram: &[u8]) -> Option<&[u8]> {
    let (head, mut rest) = datagram.split_first_chunk::<12>()?;
    let [flags, ..] = *head;
    if flags >> 6 != 2 {
        return None;
    }
    rest = rest.get(usize::from(flags & 0x0f) * 4..)?;
    if flags & 0x10 != 0 {
        let ([_, _, high, low], behind) = rest.split_first_chunk::<4>()?;
        let words = usize::from(u16::from_be_bytes([*high, *low]));
        rest = behind.get(words * 4..)?;
    }
    if flags & 0x20 != 0 {
        let padding = usize::from(*rest.last()?);
        rest = rest.get(..rest.len().checked_sub(padding)?)?;
    }
    Stride::of_whole_packets(rest).map(|_| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::packet::SYNC_BYTE;

    fn wrap(flags: u8, between: &[u8], packets: usize, stride: usize, behind: &[u8]) -> Vec<u8> {
        let mut datagram = vec![flags, 33, 0, 1, 0, 0, 0, 0, 9, 9, 9, 9];
        datagram.extend_from_slice(between);
        for _ in 0..packets {
            datagram.push(SYNC_BYTE);
            datagram.resize(datagram.len() + stride - 1, 0x55);
        }
        datagram.extend_from_slice(behind);
        datagram
    }

    #[test]
    fn plain_header() {
        let datagram = wrap(0x80, &[], 7, 188, &[]);
        assert_eq!(payload(&datagram), datagram.get(12..));
        let datagram = wrap(0x80, &[], 3, 204, &[]);
        assert_eq!(payload(&datagram), datagram.get(12..));
    }

    #[test]
    fn contributing_sources_extension_and_padding_are_cut_off() {
        let between = [1, 1, 1, 1, 2, 2, 2, 2, 0xbe, 0xde, 0, 1, 7, 7, 7, 7];
        let datagram = wrap(0xb2, &between, 2, 188, &[0, 0, 3]);
        assert_eq!(payload(&datagram), datagram.get(28..28 + 376));
    }

    #[test]
    fn what_is_not_rtp_is_left_alone() {
        assert_eq!(payload(&wrap(0x47, &[], 1, 188, &[])), None, "bare TS");
        assert_eq!(payload(&wrap(0x80, &[], 1, 188, &[0])), None, "no whole packets");
        assert_eq!(payload(&wrap(0x80, &[], 0, 188, &[])), None, "no packets");
        assert_eq!(payload(&wrap(0xa0, &[], 1, 188, &[255])), None, "padding too long");
        assert_eq!(payload(&wrap(0x90, &[0, 0, 255, 255], 1, 188, &[])), None, "extension");
        assert_eq!(payload(&[0x8f; 20]), None, "fifteen sources announced, two there");
    }
}
